"""What a report counts, when it is sent, and to whom."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from monitor.alerting.report import objectives, words
from monitor.alerting.router import Router
from schemas.actions import Deed
from schemas.alert import Notification, NotificationReason
from schemas.config import DAY, WEEK, Config
from schemas.news import ComplaintSeen, News, ObjectiveSeen, SignalState
from schemas.report import OwnerReport, Report
from tests.doubles.clock import START
from tests.doubles.findings import finding

OWNED = {
    "owners": {"payments": {"slack": "#pay", "notices": "1 per day"}, "platform": {}, "idle": {}},
    "components": [
        {"agent": "refund-agent", "owner": "payments", "depends_on": ["tool:issue_refund"]},
        {"tool": "issue_refund", "owner": "platform"},
    ],
}
CONFIG = Config.model_validate(OWNED)
NEAR = SignalState(signal="run.failed", mode="page", evidence=0.5, level=0.1, reference=0.04, owner="payments")


def complaint(at: float, name: str, **fields: Any) -> ComplaintSeen:
    found = {"agent": "refund-agent", "owner": "payments", "heard": START + at, "known": (NEAR,)} | fields
    return ComplaintSeen(id=name, time=START + at, **found)


def objective(at: float, runs: int, bad: int, agent: str = "refund-agent") -> ObjectiveSeen:
    return ObjectiveSeen(
        id=f"{agent}{at}", time=START + at, agent=agent, owner="payments", name="success", target=0.95,
        window=30 * DAY, since=START - DAY, runs=runs, bad=bad,
    )  # fmt: skip


def stepped(config: Config = CONFIG) -> Router:
    """Three incidents of payments (a page that a complaint follows, a false alarm, a late one) and one of platform."""
    router = Router(config)
    router.step([finding(0.0, key="led", signal="run.failed")], START)
    router.step([], START + 600.0, news=[complaint(600.0, "c1"), complaint(601.0, "c2")])
    router.step([finding(700.0, key="led", signal="run.failed", status="resolved")], START + 700.0)
    day = 2 * DAY
    router.step([finding(day, key="false", onset=day)], START + day)
    known = next(each for each in router.incidents() if each.status == "firing")
    router.step([], START + day + 9.0, [Deed(time=START + day + 9.0, incident=known.id, act="false_alarm", by="ann")])
    late = 3 * DAY
    router.step([], START + late, news=[complaint(late, "c3")])
    router.step([finding(late + 300.0, key="late", signal="run.silent", onset=late)], START + late + 300.0)
    router.step([finding(late + 400.0, key="late", signal="run.silent", status="resolved")], START + late + 400.0)
    lost = 5 * DAY
    router.step([], START + lost, news=[complaint(lost, "c4"), objective(lost, 1_000, 20), objective(0.0, 1, 1)])
    tool = finding(lost + DAY, key="tool", node={"tool": "other"}, owner="platform", affected=(), onset=lost + DAY)
    router.step([tool], START + lost + DAY)
    return router


def owner(report: Report, name: str) -> OwnerReport:
    return next(each for each in report.owners if each.owner == name)


def test_a_false_alarm_that_is_said_after_the_end_counts() -> None:
    router = stepped()
    over = next(each for each in router.incidents() if each.verdict == "" and each.status == "resolved")
    said = START + 6.5 * DAY
    router.step([], said, [Deed(time=said, incident=over.id, act="false_alarm", by="ann")])
    mine = owner(router.report(START, START + WEEK), "payments")
    assert (mine.pages, mine.false_pages) == (3, 2)


def test_incidents_leads_and_misses_of_an_owner() -> None:
    mine = owner(stepped().report(START, START + WEEK), "payments")
    assert [(line.signal, line.lead_seconds, line.complaints, line.verdict) for line in mine.incidents] == [
        ("run.silent", -300.0, 1, ""),
        ("tool.failed", None, 0, "false_alarm"),
        ("run.failed", 600.0, 2, ""),
    ]
    assert [(one.complaint, one.remedy.setting) for one in mine.missed] == [("c4", "budget: 2 per week")]
    assert mine.complaints == 4
    assert (mine.pages, mine.false_pages, mine.notices_told) == (3, 1, 0)
    assert mine.pages_accepted == pytest.approx(1.0)
    assert next((one.signal, one.incidents, one.false) for one in mine.signals) == ("tool.failed", 1, 1)
    (component,) = mine.components
    assert (component.component, component.incidents, component.complaints, component.missed) == (
        "agent:refund-agent", 3, 4, 1,
    )  # fmt: skip
    assert component.lead_seconds == 150.0
    assert [(each.runs, each.bad) for each in mine.objectives] == [(1_000, 20)]
    assert words.objective_left(mine.objectives[0]) == pytest.approx(0.6)


def test_each_thing_stands_with_its_owner_and_in_its_period() -> None:
    router = stepped()
    whole = router.report(START, START + WEEK)
    assert [each.owner for each in whole.owners] == ["payments", "platform", "idle"]
    assert [line.component for line in owner(whole, "platform").incidents] == ["tool:other"]
    assert owner(whole, "idle").incidents == ()
    later = owner(router.report(START + DAY, START + 2.5 * DAY), "payments")
    assert [line.signal for line in later.incidents] == ["tool.failed"]
    assert (later.complaints, later.missed) == (0, ())


def test_what_was_not_watched_counts_nothing() -> None:
    report = stepped().report(START - WEEK, START + WEEK)
    assert report.watched_since == START
    assert owner(report, "payments").pages_accepted == pytest.approx(1.0)
    assert words.period(report) == "2025-10-02 08:53 to 2025-10-16 08:53 UTC (watched from 2025-10-09 08:53)"


def test_a_miss_that_is_younger_than_a_day_may_still_find_its_alert() -> None:
    router = stepped()
    assert router.report(START, START + 5.5 * DAY).undecided == 1
    assert router.report(START, START + WEEK).undecided == 0


def test_what_waited_for_the_digest_was_told_to_nobody() -> None:
    router = Router(CONFIG)
    for number in range(3):
        said = finding(number * 10.0, key=f"n{number}", signal="run.steps", mode="notice", node={"agent": f"a{number}"})
        router.step([said], START + number * 10.0)
    router.step([], START + 60.0, news=[complaint(60.0, "c", agent="a2")])
    mine = owner(router.report(START, START + DAY), "payments")
    assert [line.in_digest for line in mine.incidents] == [True, True, False]
    (one,) = mine.missed
    assert (one.remedy.obstacle, bool(one.incident)) == ("digest", True)
    assert mine.notices_told == 1


# -- the weekly message


def weekly(**settings: Any) -> Config:
    return Config.model_validate(OWNED | {"report": settings})


def reports(router: Router, until: float, step: float = 6 * 3_600.0) -> list[Notification]:
    """What is told of reports while time goes on to `until`, seconds from the start; woken when it wants to be."""
    found, now = list[Notification](), START + 6 * DAY + 1.0
    while now < START + until:
        wake = router.next_wake()
        now = min(now + step, wake) if wake is not None and wake > now else now + step
        found += [each for each in router.tick(now) if each.reason is NotificationReason.REPORT]
    return found


def test_each_owner_of_anything_is_told_once_a_week_at_the_hour() -> None:
    told = reports(stepped(weekly(weekly="wednesday", hour=7)), 20 * DAY)
    assert {each.receiver for each in told} == {"payments", "platform"}
    at = [datetime.fromtimestamp(each.time, UTC) for each in told if each.receiver == "payments"]
    assert [(each.strftime("%A"), each.hour, each.minute) for each in at] == [("Wednesday", 7, 0)] * len(at)
    assert len(at) >= 2 and (at[1] - at[0]).days == 7
    assert len({each.incident for each in told}) == len(told)


def test_one_receiver_may_have_it_all_and_off_is_off() -> None:
    told = reports(stepped(weekly(weekly="monday", to="platform")), 12 * DAY)
    assert {each.receiver for each in told} == {"platform"}
    assert any(line.startswith("payments: ") for line in told[0].lines)
    assert reports(stepped(weekly(weekly="off")), 12 * DAY) == []


def test_after_weeks_away_the_latest_is_told_and_a_restart_repeats_none() -> None:
    config = weekly(weekly="monday")
    router = stepped(config)
    copy = Router(config)
    copy.load([(key, value) for key, value in router.changes() if value is not None])
    away = START + 40 * DAY
    told = [each for each in copy.tick(away) if each.reason is NotificationReason.REPORT]
    assert len({each.incident.rpartition("-")[2] for each in told}) == 1
    again = Router(config)
    again.load([(key, value) for key, value in copy.changes() if value is not None])
    assert [each for each in again.tick(away + 1.0) if each.reason is NotificationReason.REPORT] == []


def test_news_of_objectives_is_kept_once_and_the_latest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objectives, "OBJECTIVES", 2)
    router = Router(CONFIG)
    news: list[News] = [objective(float(i), i, 0, f"a{i}") for i in range(4)]
    router.step([], START + 9.0, news=news)
    mine = owner(router.report(START, START + DAY), "payments")
    assert [each.agent for each in mine.objectives] == ["a2", "a3"]
    assert router.counts["objectives forgotten"] == 2
