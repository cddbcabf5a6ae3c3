"""With a written `route:`, a cause that becomes known later is shown on the messages that hold the alerts."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.alerting.router import Router
from schemas.actions import Deed
from schemas.alert import Notification
from schemas.config import Config
from schemas.finding import Finding
from schemas.news import ChangeSeen
from tests.doubles.changes import announced, sighted
from tests.doubles.clock import START
from tests.doubles.findings import finding


def routed(**route: Any) -> Config:
    return Config.model_validate(
        {
            "owners": {"platform": {}, "payments": {}},
            "components": [
                {"tool": "issue_refund", "owner": "platform"},
                {"agent": "refund-agent", "owner": "payments", "depends_on": ["tool:issue_refund"]},
            ],
            "defaults": {"owner": "platform"},
            "route": {"receiver": "all", "group_wait": "30s", **route},
            "receivers": [{"name": "all"}, {"name": "second"}],
        }
    )


def fails(at: float = 300.0, **more: Any) -> Finding:
    """The agent's runs fail since 60 s before."""
    fields = {"key": "refund-agent", "node": {"agent": "refund-agent"}, "owner": "payments", "unaffected": ()}
    return finding(at, **(fields | {"before": 0.02, "after": 0.3, "after_n": 30.0} | more))


def run(
    config: Config, *records: ChangeSeen | Finding | Deed, until: float = 5_000.0
) -> tuple[Router, list[Notification]]:
    router, told = Router(config), []

    def wait(time: float) -> None:
        while (wake := router.next_wake()) is not None and wake < time:
            told.extend(router.tick(wake))

    for record in sorted(records, key=lambda each: each.time):
        wait(record.time)
        news = [record] if isinstance(record, ChangeSeen) else []
        findings = [record] if isinstance(record, Finding) else []
        told.extend(router.step(findings, record.time, [record] if isinstance(record, Deed) else (), news))
    wait(START + until)
    return router, told


FIRST = (330.0, "all", "first notification")


@pytest.mark.parametrize(
    ("why", "route", "records", "lines"),
    [
        (
            "it becomes known after the group was told",
            {},
            [fails(), announced(400.0)],
            [FIRST, (400.0, "all", "likely cause found")],
        ),
        (
            "who did it becomes known",
            {},
            [sighted(235.0), fails(), announced(400.0)],
            [FIRST, (400.0, "all", "likely cause found")],
        ),
        (
            "on each message that holds its alerts",
            {"routes": [{"receiver": "second", "continue": True}, {"receiver": "all"}]},
            [fails(), announced(400.0)],
            [
                (330.0, "second", "first notification"),
                FIRST,
                (400.0, "second", "likely cause found"),
                (400.0, "all", "likely cause found"),
            ],
        ),
        ("it is known before: the first word has it", {}, [announced(235.0), fails()], [FIRST]),
        ("it becomes known while the group waits: so has it", {}, [fails(), announced(320.0)], [FIRST]),
        ("the same again is no news", {}, [announced(235.0), fails(), announced(235.0)], [FIRST]),
        ("a change of something else", {}, [fails(), announced(400.0, "tool:other")], [FIRST]),
        ("a change after the onset is over", {}, [fails(), announced(90_000.0)], [FIRST]),
    ],
)
def test_the_news_of_a_cause(
    why: str, route: dict[str, Any], records: list[Any], lines: list[tuple[float, str, str]]
) -> None:
    _, told = run(routed(**route, repeat_interval="30d"), *records)
    assert sorted((each.time - START, each.receiver, str(each.reason)) for each in told) == sorted(lines), why
    if len(lines) > 1:
        assert told[-1].cause.startswith("tool:issue_refund 4"), why
        assert told[-1].timeline[-1].text.startswith("likely cause: tool:issue_refund 4")
        assert len({(each.receiver, each.incident) for each in told}) * 2 == len(told), "the same messages"
        assert not told[-1].mention
