"""What an engine tells of a complaint: whose, of which run, and what the detectors knew before it counted itself."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import pytest

from monitor.engine import Engine
from monitor.evidence.within.window import BINS
from schemas.config import Config
from schemas.event import Event, is_skewed
from schemas.finding import Finding
from schemas.news import ComplaintSeen, ObjectiveSeen
from schemas.records import Tick
from tests.doubles.fleet_log import START, Run, bernoulli, events, firing, log

QUIET = {"agent.traffic": {"mode": "off"}, "user.unhappy": {"mode": "off"}}


def config(budget: float = 1.0, **more: Any) -> Config:
    return Config.model_validate({"owners": {"one": {"budget": f"{budget!r} per week"}}, "detectors": QUIET} | more)


def complaint(at: float, name: str = "c", **fields: Any) -> Event:
    return Event(kind="complaint", time=at, id=name, **({"agent": "x"} | fields))


def told(settings: Config, happened: list[Event]) -> tuple[list[ComplaintSeen], list[Finding]]:
    step = Engine(settings).step(log(sorted(happened, key=lambda event: event.at)))
    return [each for each in step.news if isinstance(each, ComplaintSeen)], step.findings


def test_a_complaint_has_the_slice_of_its_run_while_that_is_remembered() -> None:
    happened = events([Run("x", START, version="v7", tools={"pay": (2, 1)}, seconds=5.0, name="r")])
    happened += [
        complaint(START + 60.0, "of the run", run="r", user="u", source="mail"),
        complaint(START + 61.0, "of no run that is known", run="z", version="v8"),
        complaint(START + 62.0, "of the run", run="r"),
    ]
    (one, other), _ = told(config(), happened)
    assert (one.agent, one.owner, one.version, one.tools, one.started) == ("x", "one", "v7", ("pay",), START)
    assert (one.time, one.heard, one.run, one.user, one.source) == (START + 60.0, START + 60.0, "r", "u", "mail")
    assert (other.version, other.tools, other.started) == ("v8", (), None)


def test_a_complaint_about_a_shadow_run_is_none() -> None:
    happened = [
        Event(kind="run_started", time=START, id="s", agent="x", run="r", variant="shadow"),
        complaint(START + 5.0, run="r"),
    ]
    assert told(config(), happened)[0] == []


def test_a_complaint_that_is_told_late_keeps_its_time() -> None:
    """Other events are taken at the time at which they were seen; nothing lies in the future."""
    late, early = complaint(START), complaint(START + 7_200.0, "early")
    assert not is_skewed(late, START + 7_200.0)
    assert is_skewed(early, START + 3_600.0)
    assert is_skewed(Event(kind="evaluation", time=START, id="e", run="r", name="n"), START + 7_200.0)
    late.observed_time = START + 7_200.0
    step = Engine(config()).step([(0, Tick(START + 7_200.0)), (1, late)])
    (seen,) = step.news
    assert isinstance(seen, ComplaintSeen)
    assert (seen.time, seen.heard) == (START, START + 7_200.0)


def _rising(seed: int, versions: int) -> list[Event]:
    """4 % of runs fail, from the 400th on 15 %, of every version alike."""
    runs = bernoulli("x", seed, lambda i: 0.04 if i < 400 else 0.15, runs=520, version=lambda i: f"v{i % versions}")
    return events(runs)


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
@pytest.mark.parametrize("versions", [1, 2])
def test_with_the_budget_over_the_evidence_there_had_been_a_page(seed: int, versions: int) -> None:
    """Exactly: the recursion is linear in the drip. A hundredth less, and at its height the evidence does not do."""
    happened = _rising(seed, versions)
    failures = [event for event in happened if event.status == "error" and event.at > START + 400 * 60.0]
    found: list[tuple[float, Event]] = []
    for number, failure in enumerate(failures):
        happened.append(complaint(failure.at + 1.5, f"c{number}"))
        found.append((failure.at + 1.5, failure))
    seen, findings = told(config(), happened)
    assert not list(firing(findings)) or next(firing(findings)).time > seen[0].time
    until = min((one.time for one in firing(findings)), default=float("inf"))
    held = [
        (one.known[0].evidence, one.time) for one in seen if one.time < until and one.known[0].signal == "run.failed"
    ]
    evidence, at = max(held)
    assert 0.01 < evidence < 1.0
    runs = [event for event in happened if event.kind != "complaint" and event.at <= at]
    assert list(firing(told(config(1.000001 / evidence), runs)[1])), "enough"
    assert not list(firing(told(config(0.99 / evidence), runs)[1])), "a little less is not enough"


def test_what_stands_between_is_said_of_each_signal() -> None:
    """The nearest first, what is still learned, and what is off."""
    happened = events(bernoulli("x", 3, lambda _: 0.04, runs=300))
    happened += events([Run("x", START + 300 * 60.0, tools={"pay": (1, 0)}, seconds=1.0, name="last")])
    happened.append(complaint(START + 301 * 60.0))
    (seen,), _ = told(config(), happened)
    by_state = {state: [one.signal for one in seen.known if one.state == state] for state in ("warming up", "off")}
    assert by_state["off"] == ["user.unhappy", "agent.traffic"]
    assert len(by_state["warming up"]) == 1
    assert seen.known[0].state == "watching" and seen.known[0].evidence >= seen.known[1].evidence
    assert sum(one.per_week for one in seen.known if one.mode == "page") < 1.0


def test_a_complaint_does_not_count_before_what_is_known_is_told() -> None:
    quiet = config(detectors={"agent.traffic": {"mode": "off"}})
    happened = events(bernoulli("x", 1, lambda _: 0.0, runs=250))
    happened += [complaint(START + 250 * 60.0 + i, f"c{i}", user=f"u{i}") for i in range(2)]
    seen, _ = told(quiet, happened)
    assert [any(one.signal == "user.unhappy" for one in each.known) for each in seen] == [False, True]


def test_a_restart_between_changes_nothing_of_what_is_told() -> None:
    happened = sorted([*_rising(1, 1), complaint(START + 450 * 60.0)], key=lambda event: event.at)
    records = log(happened)
    whole = Engine(config())
    expected = whole.step(records).news
    first, second = Engine(config()), Engine(config())
    half = len(records) // 2
    before = first.step(records[:half]).news
    second.load([(key, value) for key, value in first.changes() if value is not None])
    assert [*before, *second.step(records[half:]).news] == expected


# -- objectives


def objectives(target: str, window: str, rates: Any, runs: int) -> list[ObjectiveSeen]:
    declared = [{"agent": "x", "owner": "one", "objectives": [{"target": target, "window": window}]}]
    happened = events(bernoulli("x", 1, rates, runs=runs))
    step = Engine(config(components=declared)).step(log(happened))
    return [each for each in step.news if isinstance(each, ObjectiveSeen)]


def test_an_objective_is_told_once_an_hour_with_the_runs_of_its_window() -> None:
    told_ = objectives("90%", "1d", lambda i: float(i % 10 == 0), 3_000)
    assert all(later.time - earlier.time >= 3_600.0 for earlier, later in pairwise(told_))
    last = told_[-1]
    assert (last.agent, last.owner, last.name, last.window) == ("x", "one", "success", 86_400.0)
    assert last.target == pytest.approx(0.9)
    day = 86_400.0 / 60.0
    assert day * (1.0 - 1.0 / BINS) - 1 <= last.runs <= day
    assert last.bad == pytest.approx(last.runs / 10.0, abs=1.0)
    assert last.time - last.since <= 86_400.0
    assert told_[0].runs <= 61 and told_[0].since == pytest.approx(START, abs=60.0)


def test_who_has_no_objective_tells_none() -> None:
    step = Engine(config()).step(log(events(bernoulli("x", random.Random(1).randrange(9), lambda _: 0.0, runs=100))))
    assert step.news == []
