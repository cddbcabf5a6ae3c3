"""A version that nobody announced is itself a notice: when, to whom, how often, and how it ends."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.alerting.changes import unannounced
from monitor.alerting.router import Router
from schemas.alert import Notification
from schemas.config import DAY, Config
from schemas.news import ChangeSeen
from tests.doubles.changes import announced, sighted
from tests.doubles.clock import START
from tests.doubles.findings import finding

GRACE = 600.0


def config(**more: Any) -> Config:
    return Config.model_validate(
        {
            "owners": {"platform": {}, "payments": {}},
            "components": [{"tool": "issue_refund", "owner": "platform"}, {"agent": "a", "owner": "payments"}],
            "defaults": {"owner": "platform"},
        }
        | more
    )


class Story:
    """A router that is told news at their time, and woken when it wants to be."""

    def __init__(self, made: Config | None = None) -> None:
        self.router = Router(made or config())
        self.told: list[Notification] = []

    def take(self, *news: ChangeSeen) -> Story:
        for each in news:
            self.until(each.time - START)
            self.told += self.router.step((), each.time, (), [each])
        return self

    def until(self, at: float) -> Story:
        while (wake := self.router.next_wake()) is not None and wake <= START + at:
            self.told += self.router.tick(wake)
        self.told += self.router.tick(START + at)
        return self

    @property
    def lines(self) -> list[str]:
        return [f"{each.time - START:g} {each.receiver} {each.status}" for each in self.told]


ROWS: list[tuple[str, list[ChangeSeen], list[str]]] = [
    ("nobody announced it: its owner is told after the grace", [sighted(10)], ["610 platform firing"]),
    ("an agent's version: the agent's owner", [sighted(10, "agent:a", "v2")], ["610 payments firing"]),
    ("a component that nobody declared: the default owner", [sighted(10, "model:m", "m-2")], ["610 platform firing"]),
    ("announced before", [announced(0), sighted(10)], []),
    ("announced within the grace", [sighted(10), announced(500)], []),
    ("announced after it was told", [sighted(10), announced(900)], ["610 platform firing", "900 platform resolved"]),
    ("another version was announced", [announced(0, version="5"), sighted(10)], ["610 platform firing"]),
    ("once, however many agents show it", [sighted(10), sighted(20, agent="b"), sighted(900, agent="c")],
     ["610 platform firing"]),
    ("a new field is no version", [sighted(10, version="with result.x:string", what="fields")], []),
]  # fmt: skip


@pytest.mark.parametrize(("why", "news", "lines"), ROWS, ids=[row[0] for row in ROWS])
def test_who_is_told_when(why: str, news: list[ChangeSeen], lines: list[str]) -> None:
    assert Story().take(*news).until(3_600).lines == lines, why


def test_it_says_what_and_where_and_stands_for_a_day() -> None:
    story = Story().take(sighted(10)).until(3_600)
    (incident,) = story.router.incidents()
    (alert,) = incident.alerts
    assert alert.labels == {
        "alertname": "change.unannounced", "severity": "notice", "owner": "platform", "tool": "issue_refund",
        "version": "4",
    }  # fmt: skip
    assert alert.finding.words == (
        "Nobody announced tool issue_refund 4: calls of refund-agent have it since 08:53 UTC, before it 3"
    )
    assert not alert.finding.paid
    assert story.until(GRACE + 11 + DAY).lines[-1] == f"{10 + GRACE + DAY:g} platform resolved"
    assert story.router.next_wake() is None or story.router.next_wake() > START + 2 * DAY  # type: ignore[operator]


@pytest.mark.parametrize(
    ("why", "settings", "lines"),
    [
        ("a longer grace", {"changes": {"grace": "1h"}}, ["3610 platform firing"]),
        ("switched off", {"detectors": {"change.unannounced": {"mode": "off"}}}, []),
    ],
)
def test_what_the_file_may_say(why: str, settings: dict[str, Any], lines: list[str]) -> None:
    assert Story(config(**settings)).take(sighted(10)).until(2 * 3_600).lines == lines, why


def test_in_mode_digest_it_waits_for_the_digest() -> None:
    story = Story(config(detectors={"change.unannounced": {"mode": "digest"}})).take(sighted(10)).until(3_600)
    assert story.told == []
    story.until(DAY + 3_600)
    assert [str(each.reason) for each in story.told] == ["daily digest"]


def test_it_spends_no_notice_of_the_owner() -> None:
    story = Story().take(sighted(10)).until(700)
    drift = finding(800, mode="notice", owner="platform", node={"agent": "b"})
    assert [each.receiver for each in story.router.step([drift], drift.time)] == ["platform"]


def test_of_many_the_first_few_are_told_at_once() -> None:
    news = [sighted(float(n), f"tool:t{n}") for n in range(8)]
    story = Story().take(*news).until(900)
    alerts = [alert for incident in story.router.incidents() for alert in incident.alerts]
    assert len(alerts) == 8
    assert len({each.incident for each in story.told}) == 1, "one deploy, one message"
    far = [sighted(7_200.0 * n, f"tool:u{n}") for n in range(8)]
    story = Story().take(*far).until(8 * 7_200)
    assert sum(each.status == "firing" for each in story.told) == unannounced.AT_ONCE


def test_of_one_component_not_every_version_is_told() -> None:
    news = [sighted(7_200.0 * n, version=f"{n}") for n in range(8)]
    story = Story().take(*news).until(8 * 7_200)
    told = {alert.labels["version"] for incident in story.router.incidents() for alert in incident.alerts}
    assert told == {"0", "1", "2"}
    assert story.router.counts["unannounced unsaid"] == 5


def test_it_never_joins_what_fails_and_is_no_root() -> None:
    story = Story().take(sighted(10)).until(700)
    page = finding(650, node={"tool": "issue_refund"}, owner="platform", onset=10)
    page_of_agent = finding(660, key="a", signal="run.failed", node={"agent": "a"}, owner="payments", onset=10)
    told = [*story.router.step([page], START + 700), *story.router.step([page_of_agent], START + 700)]
    notice, *others = story.router.incidents()
    assert (len(notice.alerts), [len(each.alerts) for each in others]) == (1, [1, 1])
    assert [each.root for each in others] != [notice.id, notice.id]
    assert told[0].mention


def test_after_a_restart_it_goes_on() -> None:
    story = Story().take(sighted(10), *(sighted(float(n), f"tool:t{n}") for n in range(11, 14)))
    again = Story()
    again.router.load((key, value) for key, value in story.router.changes() if value is not None)
    for each in (story, again):
        each.until(2 * DAY)
    assert again.lines == story.lines
    assert len(again.lines) > 1


def test_a_reload_takes_another_grace() -> None:
    story = Story().take(sighted(10)).until(60)
    story.router.reload(config(changes={"grace": "2m"}), START + 60)
    assert story.until(300).lines == ["130 platform firing"]
