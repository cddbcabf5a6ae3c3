"""The third voice: what waits for one message a day, and what does not."""

from __future__ import annotations

import pytest

from monitor.alerting.digest import HOUR_SECONDS, LISTED
from monitor.alerting.router import Router
from monitor.notify.composing import message_of
from monitor.notify.console import plain
from monitor.notify.console import render as render_text
from monitor.notify.slack.blocks import render
from schemas.alert import Notification
from schemas.config import DAY, Config
from tests.doubles.block_rules import problems
from tests.doubles.clock import START
from tests.doubles.findings import finding

MINIMAL = Config.model_validate({"owners": {"payments": {"slack": "#payments"}}})


def config(notices: str) -> Config:
    return Config.model_validate({"owners": {"payments": {"slack": "#payments", "notices": notices}}})


def notices(count: int, *, mode: str = "notice", begin: int = 0, apart: float = 7_200.0) -> list:
    """Notices of different agents, so far apart that each is an incident of its own."""
    return [
        finding(i * apart, key=f"n{i}", mode=mode, node={"agent": f"agent-{i}"}, watched={"agent": f"agent-{i}"})
        for i in range(begin, begin + count)
    ]


def told(router: Router, findings: list, until: float) -> list[Notification]:
    """What is said by `until`, seconds after the start, at the router's own wakes."""
    said = []
    for one in findings:
        said += router.step([one], one.time)
    while (wake := router.next_wake()) is not None and wake <= START + until:
        said += router.tick(wake)
    return said


def test_the_first_notice_of_a_day_is_told_at_once_and_the_others_wait() -> None:
    said = told(Router(MINIMAL), notices(4), 3 * DAY)
    assert [str(each.reason) for each in said] == ["first notification", "daily digest"]
    digest = said[1]
    assert [alert.finding.node["agent"] for alert in digest.alerts] == ["agent-1", "agent-2", "agent-3"]
    assert (digest.time - HOUR_SECONDS) % DAY == 0.0
    assert 0.0 < digest.time - digest.opened_at <= DAY
    assert (digest.mention, digest.severity, digest.receiver) == (False, "notice", "payments")


@pytest.mark.parametrize(
    ("rate", "at_once"),
    [
        ("1 per day", 1),
        ("3 per day", 3),  # a day's worth may be saved up
        ("1 per week", 1),  # never less than one
    ],
)
def test_how_many_are_told_at_once_is_configured(rate: str, at_once: int) -> None:
    said = told(Router(config(rate)), notices(6, apart=2_000.0), 3 * DAY)
    assert [str(each.reason) for each in said].count("first notification") == at_once
    assert sum(len(each.alerts) for each in said if each.reason == "daily digest") == 6 - at_once


def test_notices_flow_in_again() -> None:
    said = told(Router(MINIMAL), notices(3, apart=DAY + 60.0), 5 * DAY)
    assert [str(each.reason) for each in said] == ["first notification"] * 3


def test_pages_never_wait_and_a_mode_of_digest_always_does() -> None:
    assert [str(each.reason) for each in told(Router(MINIMAL), notices(3, mode="page"), 3_600.0)] == [
        "first notification"
    ] * 3
    said = told(Router(MINIMAL), notices(2, mode="digest"), 3 * DAY)
    assert [(str(each.reason), len(each.alerts)) for each in said] == [("daily digest", 2)]


def test_what_was_over_before_the_digest_is_listed_as_over() -> None:
    router = Router(MINIMAL)
    router.step(notices(1), START)
    later = notices(2, begin=1)
    router.step(later, later[-1].time)
    end = finding(20_000.0, key="n1", status="resolved", mode="notice", node={"agent": "agent-1"})
    assert router.step([end], end.time) == []
    (digest,) = told(router, [], 2 * DAY)
    assert [alert.status for alert in digest.alerts] == ["firing", "resolved"]
    text = "\n".join(plain(line) for line in render_text(message_of(digest, MINIMAL)))
    assert "2 notices since the last digest, 1 still true" in text
    assert "over: agent-1" in text
    blocks, fallback = render(message_of(digest, MINIMAL))
    assert problems(blocks) == []
    assert "📋 Digest: 2 notices" in blocks[0]["text"]["text"]
    assert "2 notices" in fallback


def test_a_digest_has_a_bound_and_counts_what_is_beyond() -> None:
    router = Router(MINIMAL)
    for one in notices(LISTED + 12, mode="digest", begin=50, apart=10.0):  # after today's nine o'clock
        router.step([one], one.time)
    (digest,) = told(router, [], 2 * DAY)
    assert len(digest.alerts) == LISTED
    assert digest.alerts_dropped == 12
    assert f"{LISTED + 12} notices" in message_of(digest, MINIMAL).title


def test_a_restart_anywhere_loses_and_repeats_nothing() -> None:
    findings = notices(5)
    whole = told(Router(MINIMAL), findings, 3 * DAY)
    for cut in range(len(findings) + 1):
        state: dict[str, bytes] = {}
        router = Router(MINIMAL)
        said = []
        for at, one in enumerate(findings):
            if at == cut:
                router = Router(MINIMAL)
                router.load(state.items())
            said += router.step([one], one.time)
            for key, value in router.changes():
                state.pop(key, None)
                if value is not None:
                    state[key] = value
        router = Router(MINIMAL)
        router.load(state.items())
        said += told(router, [], 3 * DAY)
        assert said == whole
