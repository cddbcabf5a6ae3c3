"""Which incident a complaint belongs to, and what follows: a row per clause of the rule."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.alerting.complaints import book
from monitor.alerting.router import Router
from schemas.actions import Deed, PostedAlert
from schemas.alert import Incident, NotificationReason
from schemas.config import DAY, Config
from schemas.news import ComplaintSeen
from tests.doubles.clock import START
from tests.doubles.findings import finding

CONFIG = Config.model_validate(
    {
        "owners": {"payments": {}, "platform": {}},
        "components": [
            {"agent": "refund-agent", "owner": "payments", "depends_on": ["tool:issue_refund", "model:m"]},
            {"agent": "other-agent", "owner": "payments"},
            {"tool": "issue_refund", "owner": "platform"},
        ],
    }
)


def complaint(at: float, name: str = "c", **fields: Any) -> ComplaintSeen:
    """`started` counts from the start, as `at` does."""
    if "started" in fields:
        fields["started"] += START
    found = {"agent": "refund-agent", "owner": "payments", "heard": START + at} | fields
    return ComplaintSeen(id=name, time=START + at, **found)


def incident_of(router: Router) -> Incident:
    (incident,) = router.incidents()
    return incident


TOOL = {"node": {"tool": "issue_refund"}, "watched": {"tool": "issue_refund"}, "owner": "platform"}
MODEL = {"node": {"model": "m"}, "watched": {"model": "m"}, "owner": "platform", "affected": ()}
OWNER = {"node": {}, "watched": {}, "affected": ()}

ROWS: list[tuple[str, dict[str, Any], ComplaintSeen, bool]] = [
    # who
    ("the agent itself", {}, complaint(60.0), True),
    ("another agent of the same owner", {}, complaint(60.0, agent="other-agent"), False),
    ("a tool that the agent depends on", TOOL, complaint(60.0), True),
    ("a tool that the run used", TOOL, complaint(60.0, agent="other-agent", tools=("issue_refund",)), True),
    ("a tool that nobody there uses", TOOL, complaint(60.0, agent="other-agent"), False),
    ("an agent in which the fault was seen", TOOL | {"affected": ("agent=other-agent",)},
     complaint(60.0, agent="other-agent"), True),
    ("a model that the agent depends on", MODEL, complaint(60.0), True),
    ("all that the owner has", OWNER, complaint(60.0, agent="other-agent"), True),
    ("all that another owner has", OWNER | {"owner": "platform"}, complaint(60.0), False),
    ("a notice that nobody announced a version", {"signal": "change.unannounced"}, complaint(60.0), False),
    ("a notice that a tool is not declared", TOOL | {"signal": "tool.unready"}, complaint(60.0), False),
    ("the monitor about itself", {"node": {"producer": "p"}}, complaint(60.0), False),
    # what
    ("the same version", {}, complaint(60.0, version="v13", started=0.0), True),
    ("another version", {}, complaint(60.0, version="v12", started=0.0), False),
    ("a run that called the tool", {}, complaint(60.0, tools=("issue_refund", "x"), started=0.0), True),
    ("a run that did not", {}, complaint(60.0, tools=("x",), started=0.0), False),
    ("a run without known tools", {}, complaint(60.0, started=0.0), True),
    # when
    ("within ten minutes before the onset", {"onset": 500.0}, complaint(0.0), True),
    ("earlier than that", {"onset": 700.0}, complaint(0.0), False),
    ("the run lies before the onset, the complaint within", {"onset": 0.0}, complaint(60.0, started=-5_000.0), True),
]  # fmt: skip


@pytest.mark.parametrize(("why", "changes", "seen", "belongs"), ROWS, ids=[row[0] for row in ROWS])
@pytest.mark.parametrize("first", ["alert", "complaint"])
def test_whose_a_complaint_is(
    why: str, changes: dict[str, Any], seen: ComplaintSeen, belongs: bool, first: str
) -> None:
    """In either order: a complaint waits a day for the alert that explains it."""
    router = Router(CONFIG)
    steps: list[dict[str, Any]] = [{"findings": [finding(1.0, **changes)]}, {"findings": [], "news": [seen]}]
    for number, step in enumerate(steps if first == "alert" else reversed(steps)):
        router.step(now=START + 100.0 + number, **step)
    assert (incident_of(router).complained_at == seen.time) is belongs, why
    assert incident_of(router).complaints == belongs


@pytest.mark.parametrize(
    ("why", "ended", "seen", "belongs"),
    [
        ("a user complains a while after the end", 600.0, complaint(600.0 + 3.9 * 3_600.0), True),
        ("no more than four hours after it", 600.0, complaint(600.0 + 4.1 * 3_600.0), False),
        ("of a run that began before the end", 600.0, complaint(3.0 * DAY, started=500.0), True),
        ("of a run that began after it", 600.0, complaint(700.0, started=650.0), False),
    ],
)
def test_complaints_come_after_the_end_as_well(why: str, ended: float, seen: ComplaintSeen, belongs: bool) -> None:
    router = Router(CONFIG)
    router.step([finding(1.0)], START + 1.0)
    router.step([finding(ended, status="resolved")], START + ended)
    told = router.step([], seen.time + 1.0, news=[seen])
    assert (incident_of(router).complained_at is not None) is belongs, why
    assert told == [], "what is over rings nobody"


def test_an_alert_that_comes_a_day_later_is_another_story() -> None:
    router = Router(CONFIG)
    router.step([], START, news=[complaint(0.0)])
    router.step([finding(1.1 * DAY, onset=0.0)], START + 1.1 * DAY)
    assert incident_of(router).complained_at is None


def test_a_false_alarm_explains_no_complaint() -> None:
    router = Router(CONFIG)
    router.step([finding(1.0)], START + 1.0)
    router.step([], START + 20.0, [Deed(time=START + 20.0, incident=incident_of(router).id, act="false_alarm", by="a")])
    router.step([], START + 30.0, news=[complaint(30.0)])
    assert incident_of(router).complained_at is None


def test_of_several_it_is_the_page_and_then_the_latest_onset() -> None:
    """No lead is claimed that an older and unrelated alert would give."""
    router = Router(CONFIG)
    alerts = [
        finding(1.0, key="notice", signal="run.steps", mode="notice", onset=20_000.0),
        finding(2.0, key="old", signal="run.failed", onset=-20_000.0),
        finding(3.0, key="page", onset=-10.0),
    ]
    router.step(alerts, START + 3.0)
    router.step([], START + 60.0, news=[complaint(60.0)])
    marked = [each for each in router.incidents() if each.complained_at is not None]
    assert [alert.key for each in marked for alert in each.alerts] == ["page"]


def test_the_root_is_marked_with_what_suffers_from_it() -> None:
    router = Router(CONFIG)
    router.step([finding(1.0, key="agent", signal="run.failed", node={"agent": "refund-agent"})], START + 1.0)
    router.step([finding(5.0, key="tool", onset=-60.0, **TOOL)], START + 5.0)
    roots = {each.owner: each.root for each in router.incidents()}
    assert roots["payments"] and not roots["platform"]
    router.step([], START + 60.0, news=[complaint(60.0)])
    assert [each.complained_at for each in router.incidents()] == [START + 60.0, START + 60.0]


def test_the_first_complaint_is_told_once_with_the_lead() -> None:
    router = Router(CONFIG)
    router.step([finding(1.0)], START + 1.0)
    (told,) = router.step([], START + 721.0, news=[complaint(721.0)])
    assert told.reason is NotificationReason.COMPLAINED
    assert told.complained_at == START + 721.0
    assert told.timeline[-1].text == "first complaint, 12 min after the alert"
    assert router.step([], START + 800.0, news=[complaint(800.0, "d")]) == []
    earlier = router.step([], START + 900.0, news=[complaint(300.0, "told late", heard=START + 900.0)])
    assert earlier == [], "the numbers move, nobody is told again"
    assert incident_of(router).complained_at == START + 300.0
    assert incident_of(router).complaints == 3


def test_an_alert_after_the_complaint_says_so_in_its_first_word() -> None:
    router = Router(CONFIG)
    router.step([], START, news=[complaint(0.0)])
    (told,) = router.step([finding(600.0, onset=-60.0)], START + 600.0)
    assert told.reason is NotificationReason.FIRST
    assert told.timeline[-1].text == "first complaint, 10 min before the alert"


def test_a_posted_alert_that_names_the_agent_explains_it_too() -> None:
    router = Router(CONFIG)
    labels = {"alertname": "Down", "severity": "page", "agent": "refund-agent"}
    posted = PostedAlert(time=START, labels=labels, annotations={}, starts_at=START, ends_at=START + 900.0)
    router.step([], START, [posted])
    router.step([], START + 60.0, news=[complaint(60.0)])
    assert incident_of(router).complained_at == START + 60.0


def test_a_repeat_changes_nothing_and_a_restart_neither() -> None:
    router, copy = Router(CONFIG), Router(CONFIG)
    router.step([], START, news=[complaint(0.0, "waits")])
    copy.load([(key, value) for key, value in router.changes() if value is not None])
    for each in (router, copy):
        each.step([finding(5.0)], START + 5.0, news=[complaint(0.0, "waits")])
        each.step([], START + 9.0, news=[complaint(9.0, "next"), complaint(9.0, "next")])
        assert incident_of(each).complaints == 2
        assert incident_of(each).complained_at == START
    assert router.report(START - 1.0, START + 10.0) == copy.report(START - 1.0, START + 10.0)
    assert copy.counts["complaint repeated"] == 2


def test_complaints_are_kept_as_long_as_incidents_and_no_more_than_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    router = Router(CONFIG)
    router.step([], START, news=[complaint(0.0)])
    router.step([], START + 89.0 * DAY)
    assert len(router.complaints()) == 1
    router.step([], START + 91.0 * DAY)
    assert router.complaints() == []
    monkeypatch.setattr(book, "COMPLAINTS", 3)
    router.step([], START + 91.0 * DAY, news=[complaint(91.0 * DAY + i, f"c{i}") for i in range(5)])
    assert [each.id for each in router.complaints()] == ["c4", "c3", "c2"]
    assert router.counts["complaints forgotten"] == 2
