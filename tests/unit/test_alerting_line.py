"""Whom a page goes to that nobody acknowledges, where whose it is is not in the configuration."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.alerting.router import Router
from schemas.config import Config
from tests.doubles.alert_log import Told
from tests.doubles.findings import finding

LINE = {
    "platform": {"escalate": {"after": "5m", "to": "boss"}}, "boss": {"escalate": {"after": "5m", "to": "platform"}},
    "payments": {"escalate": {"after": "5m", "to": "platform"}},
}  # fmt: skip


@pytest.mark.parametrize("tree", [None, {"group_by": ["alertname"], "group_wait": "1s"}])
def test_a_page_of_an_unknown_owner_is_escalated_as_one_of_whoever_was_told_in_their_place(
    tree: dict[str, Any] | None,
) -> None:
    more = {} if tree is None else {"route": tree}
    told = Told(Config.model_validate({"owners": LINE, "defaults": {"owner": "platform"}} | more))
    told.take(finding(owner="Payments"))
    told.until(3_600.0)
    rings = [(each.receiver, str(each.reason)) for each in told.notifications if each.mention]
    assert rings == [("platform", "first notification"), ("boss", "escalated")], "nobody is asked twice"


def test_a_page_whose_owner_is_taken_out_before_it_is_escalated_goes_on_from_the_default_owner() -> None:
    told = Told(Config.model_validate({"owners": LINE, "defaults": {"owner": "platform"}}))
    told.take(finding())
    stored = [(key, raw) for key, raw in told.router.changes() if raw is not None]
    left = {name: LINE[name] for name in ("platform", "boss")}
    told.router = Router(Config.model_validate({"owners": left, "defaults": {"owner": "platform"}}))
    told.router.load(stored)
    told.until(3_600.0)
    assert [each.receiver for each in told.notifications if each.mention] == ["payments", "boss"]


def test_a_receiver_that_is_no_owner_is_told_itself_and_asks_nobody_else() -> None:
    told = Told(Config.model_validate({"owners": LINE, "receivers": [{"name": "db"}]}))
    told.take(finding(owner="db"))
    told.until(3_600.0)
    assert [each.receiver for each in told.notifications if each.mention] == ["db"]
