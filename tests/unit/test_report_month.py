"""A replayed month with planted incidents and complaints: the report states exactly the planted leads and misses."""

from __future__ import annotations

import random

import pytest

from monitor.alerting.complaints.attaching import NO_FAULT
from monitor.runtime.replay import Replay
from schemas.config import Config
from schemas.event import Event
from schemas.finding import Finding
from schemas.report import IncidentLine, OwnerReport, Report

START = 1_767_225_600.0  # 2026-01-01
HOUR, DAY = 3_600.0, 86_400.0
MONTH = 31 * DAY
CONFIG = Config.model_validate(
    {
        "owners": {"payments": {"budget": "1 per week"}, "search": {"budget": "1 per week"}},
        "components": [
            {
                "agent": "refund-agent",
                "owner": "payments",
                "objectives": [{"target": "90%"}],
                "contract": {"tools": {"look_up": {}}, "severity": "page"},
            },
            {"agent": "search-agent", "owner": "search"},
        ],
    }
)

BROKEN = {"contract at ten": 2 * DAY + 10 * HOUR, "contract at night": 26 * DAY + 3 * HOUR}
"""When refund-agent calls a tool that its contract forbids; each is told at once."""
OUTAGE = (7 * DAY + 9 * HOUR, 7 * DAY + 21 * HOUR)
"""search-agent fails seven times in ten."""
SLOW = (14 * DAY + 6 * HOUR, 15 * DAY)
"""search-agent again; users are faster than the detectors this time."""
SHORT = (20 * DAY + 6 * HOUR, 20 * DAY + 8 * HOUR)
"""refund-agent, too short and too little for a page."""
COMPLAINTS = {
    "led by a contract": (BROKEN["contract at ten"] + 42 * 60.0, "refund-agent"),
    "again": (BROKEN["contract at ten"] + 50 * 60.0, "refund-agent"),
    "led by an outage": (OUTAGE[0] + 6 * HOUR, "search-agent"),
    "before the alert": (SLOW[0] + 40 * 60.0, "search-agent"),
    "of the short fault": (SHORT[1] + 60.0, "refund-agent"),
    "of nothing": (29 * DAY, "search-agent"),
}
"""Seconds from the start, and the agent."""


def runs(agent: str, seed: int, faults: dict[tuple[float, float], float], gap: float) -> list[Event]:
    """A run each `gap` seconds, 3 in 100 of which fail, and more within the faults."""
    rng, found, at = random.Random(seed), list[Event](), 0.0
    while at < MONTH:
        rate = next((rate for (begin, end), rate in faults.items() if begin <= at < end), 0.03)
        common = {"agent": agent, "run": f"{agent}-{at:.0f}", "version": "v1"}
        status = "error" if rng.random() < rate else "ok"
        found.append(Event(kind="run_finished", time=START + at, id=f"{agent}{at}", status=status, **common))
        at += gap
    return found


@pytest.fixture(scope="module")
def month() -> tuple[Report, dict[str, float]]:
    """The report, and when each alert was first told, by a road of its own: signal and agent → time."""
    happened = runs("refund-agent", 1, {SHORT: 0.5}, 1_200.0)
    happened += runs("search-agent", 2, {OUTAGE: 0.7, SLOW: 0.7}, 1_200.0)
    for number, at in enumerate(BROKEN.values()):
        common = {"agent": "refund-agent", "run": f"broken-{number}", "version": "v1"}
        happened += [
            Event(
                kind="tool_call", time=START + at, id=f"b{number}", tool="drop_table",
                violations=["tool: drop_table"], **common,
            ),
            Event(kind="run_finished", time=START + at + 5.0, id=f"e{number}", status="ok", **common),
        ]  # fmt: skip
    happened += [
        Event(kind="complaint", time=START + at, id=name, agent=agent) for name, (at, agent) in COMPLAINTS.items()
    ]
    replay = Replay(CONFIG)
    said = list(replay.said(sorted(happened, key=lambda event: event.at), START + MONTH))
    opened: dict[str, float] = {}
    for each in said:
        if isinstance(each, Finding) and each.status == "firing" and each.mode == "page":
            opened.setdefault(f"{each.signal} {each.node['agent']} {(each.time - START) // DAY:.0f}", each.time)
    return replay.report(START, START + MONTH), opened


def owner(report: Report, name: str) -> OwnerReport:
    return next(each for each in report.owners if each.owner == name)


def faults(report: Report, name: str) -> list[IncidentLine]:
    """Incidents of an owner but for notices about how something is declared, which are no faults."""
    return [line for line in owner(report, name).incidents if line.signal not in NO_FAULT]


def test_the_leads_are_the_planted_ones(month: tuple[Report, dict[str, float]]) -> None:
    report, opened = month
    leads = {line.opened_at - START: line.lead_seconds for line in faults(report, "payments")}
    assert leads == {
        BROKEN["contract at ten"]: COMPLAINTS["led by a contract"][0] - BROKEN["contract at ten"],
        BROKEN["contract at night"]: None,
    }
    first, late = opened["run.failed search-agent 7"], opened["run.failed search-agent 14"]
    assert first < START + COMPLAINTS["led by an outage"][0]
    assert late > START + COMPLAINTS["before the alert"][0]
    assert {line.opened_at: line.lead_seconds for line in faults(report, "search")} == {
        first: START + COMPLAINTS["led by an outage"][0] - first,
        late: START + COMPLAINTS["before the alert"][0] - late,
    }


def test_the_misses_are_the_planted_ones(month: tuple[Report, dict[str, float]]) -> None:
    report, _ = month
    missed = {each.owner: [(one.complaint, one.remedy.obstacle) for one in each.missed] for each in report.owners}
    assert missed == {"payments": [("of the short fault", "budget")], "search": [("of nothing", "nothing")]}
    (lost,) = owner(report, "payments").missed
    assert lost.known[0].signal == "run.failed" and 0.02 < lost.known[0].evidence < 1.0
    assert report.undecided == 0


def test_the_rest_adds_up(month: tuple[Report, dict[str, float]]) -> None:
    report, _ = month
    payments, search = owner(report, "payments"), owner(report, "search")
    assert (payments.complaints, search.complaints) == (3, 3)
    assert [line.complaints for line in faults(report, "payments")] == [0, 2]
    assert (payments.pages, search.pages) == (2, 2)
    assert payments.pages_accepted == pytest.approx(31.0 / 7.0)
    (objective,) = payments.objectives
    assert objective.runs == pytest.approx(30 * 72, rel=0.02)
