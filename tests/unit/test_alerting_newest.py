"""An edit for any reason shows the newest numbers that the router knows, also those that were too fresh for an edit."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.alerting.router import Router
from schemas.actions import Deed
from schemas.alert import Notification
from schemas.config import Config
from schemas.finding import Finding
from tests.doubles.clock import START
from tests.doubles.findings import finding

ROUTE: dict[str, Any] = {
    "route": {"receiver": "all", "group_wait": "0s", "repeat_interval": "30d"},
    "receivers": [{"name": "all"}],
}


def config(*, routed: bool) -> Config:
    return Config.model_validate({"owners": {"payments": {}}, **(ROUTE if routed else {})})


def fails(at: float, runs: float, key: str = "one", **more: Any) -> Finding:
    node = {"agent": "refund-agent", "tool": key}
    return finding(at, key=key, node=node, owner="payments", after_n=runs, unaffected=(), **more)


def told_by(router: Router, at: float, *findings: Finding, deed: str = "") -> list[Notification]:
    actions = []
    if deed:
        (incident,) = router.incidents()
        actions = [Deed(time=START + at, incident=incident.id, act=deed, by="kim")]
    return router.step(findings, START + at, actions)


def runs(notification: Notification) -> dict[str, float]:
    return {each.labels["tool"]: each.finding.after_n for each in notification.alerts if each.status == "firing"}


@pytest.mark.parametrize("routed", [False, True], ids=["by owner", "by a tree"])
def test_an_acknowledgement_shows_what_came_since_the_last_word(routed: bool) -> None:
    router = Router(config(routed=routed))
    (first,) = told_by(router, 300.0, fails(300.0, 10.0))
    assert runs(first) == {"one": 10.0}
    assert told_by(router, 310.0, fails(310.0, 90.0, status="update")) == [], "numbers alone wait for half a minute"
    (acked,) = told_by(router, 312.0, deed="ack")
    assert (str(acked.reason), runs(acked)) == ("acknowledged", {"one": 90.0})
    assert told_by(router, 345.0) == [], "they have been shown, and are no news half a minute later"


def test_the_end_of_one_node_shows_what_came_of_the_others() -> None:
    router = Router(config(routed=False))
    told_by(router, 300.0, fails(300.0, 10.0), fails(300.0, 12.0, "two"))
    assert told_by(router, 310.0, fails(310.0, 90.0, status="update")) == []
    (over,) = told_by(router, 312.0, fails(312.0, 20.0, "two", status="resolved"))
    assert (str(over.reason), runs(over)) == ("some alerts resolved", {"one": 90.0})


def test_numbers_that_did_not_move_are_no_edit_of_their_own() -> None:
    router = Router(config(routed=False))
    told_by(router, 300.0, fails(300.0, 10.0))
    assert told_by(router, 310.0, fails(310.0, 11.0, status="update")) == []
    assert told_by(router, 345.0) == []
