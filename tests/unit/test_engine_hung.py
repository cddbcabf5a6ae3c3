"""Runs that begin and never end, through the engine: many at once are a page, the usual few and the slow are not."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from monitor.runs import RunTracker
from monitor.runs.packing import runs_from_bytes, runs_to_bytes
from schemas.config import Config
from schemas.event import Event
from schemas.finding import Finding
from tests.doubles.fleet_log import START, firing, replay

CONFIG = Config.model_validate({"owners": {"one": {}}, "detectors": {"agent.traffic": {"mode": "off"}}})
RUNS, AT, GAP = 700, 500, 30.0
Ends = Callable[[int, random.Random], float | None]
"""Number of a run → seconds that it takes; None: it never ends."""


def _findings(ends: Ends) -> list[Finding]:
    rng = random.Random(2)
    found = []
    for number in range(RUNS):
        at, common = START + number * GAP, {"agent": "x", "version": "v1", "run": f"r{number}"}
        found.append(Event(kind="run_started", time=at, id=f"s{number}", **common))
        seconds = ends(number, rng)
        if seconds is not None:
            found.append(
                Event(
                    kind="run_finished", time=at + seconds, id=f"f{number}", status="ok", duration_seconds=seconds,
                    **common,
                )
            )  # fmt: skip
    return replay(CONFIG, sorted(found, key=lambda event: event.at))[1]


def _usual(rng: random.Random) -> float:
    return rng.lognormvariate(2.0, 0.3)


def test_runs_that_never_end_are_a_page() -> None:
    findings = _findings(lambda n, rng: None if n >= AT and rng.random() < 0.4 else _usual(rng))
    (page,) = [one for one in firing(findings) if one.signal == "run.hung"]
    assert page.mode == "page"
    assert page.node == {"agent": "x", "version": "v1"}
    assert START + AT * GAP < page.time < START + (AT + 60) * GAP
    assert page.after > 0.2


FINE: list[tuple[Ends, str]] = [
    (lambda _, rng: None if rng.random() < 0.02 else _usual(rng), "two in a hundred, as always"),
    (lambda n, rng: _usual(rng) * (2.0 if n >= AT else 1.0), "twice as slow: they end"),
    (lambda n, rng: None if n == AT else _usual(rng), "one, once"),
]


@pytest.mark.parametrize(("ends", "why"), FINE, ids=[row[1] for row in FINE])
def test_what_hangs_nobody(ends: Ends, why: str) -> None:
    assert [one for one in _findings(ends) if one.signal == "run.hung"] == [], why


def _long_runs(seconds: float, fails: Callable[[int], bool], runs: int) -> list[Event]:
    """Runs side by side, without a sign of life between their beginning and their end."""
    found = []
    for number in range(runs):
        at, common = START + number * GAP, {"agent": "x", "version": "v1", "run": f"r{number}"}
        status = "error" if fails(number) else "ok"
        found.append(Event(kind="run_started", time=at, id=f"s{number}", **common))
        found.append(Event(kind="run_finished", time=at + seconds, id=f"f{number}", status=status, **common))
    return sorted(found, key=lambda event: event.at)


def test_runs_that_take_longer_than_anybody_knows_teach_how_long_they_take() -> None:
    """They are taken for hung at first; when some have ended after all, the next ones are waited for, and judged."""
    engine, findings = replay(CONFIG, _long_runs(1_800.0, lambda number: number >= AT and number % 2 == 0, RUNS + 100))
    agent = engine.partition.agents["x"]
    assert agent.hung < 200
    assert agent.tracker.usual_seconds() >= 1_800.0
    failed = [one for one in firing(findings) if one.signal == "run.failed"]
    assert [one.mode for one in failed] == ["page"]
    assert failed[0].time > START + AT * GAP


def test_a_late_end_counts_once_and_no_shadows_does() -> None:
    tracker = RunTracker({})
    for number in range(40):
        shadow = "shadow" if number % 2 else "stable"
        named: dict[str, Any] = {"agent": "x", "run": f"r{number}", "variant": shadow}
        start = Event(kind="run_started", time=START, id=f"s{number}", **named)
        run = tracker.take(start, START)
        assert run is not None
        tracker.hang(run, START + 600.0)
        seconds = 5_000.0 if number % 2 else 1_000.0
        end = Event(kind="run_finished", time=START + seconds, id=f"f{number}", **named)
        assert tracker.take(end, START + seconds) is None
    tracker.learn_usual()
    assert tracker.counts["late"] == 40
    assert 1_000.0 <= tracker.usual_seconds() < 1_500.0


def test_a_late_end_that_is_sent_twice_counts_once_also_after_a_restart() -> None:
    tracker = RunTracker({})
    run = tracker.take(Event(kind="run_started", time=START, id="s", agent="x", run="r"), START)
    assert run is not None
    tracker.hang(run, START + 600.0)
    end = Event(kind="run_finished", time=START + 1_000.0, id="f", agent="x", run="r")
    for _ in range(2):
        assert tracker.take(end, START + 1_000.0) is None
    saved = runs_from_bytes(runs_to_bytes(tracker.block(0)))
    again = RunTracker(tracker.counts)
    again.restore(saved)
    assert again.take(end, START + 1_001.0) is None
    assert tracker.counts == {"late": 1, "duplicates": 2}
    assert (sum(tracker.histogram), sum(again.histogram)) == (1, 0)


def test_a_run_that_hung_until_its_client_gave_up_teaches_nothing() -> None:
    """One of a few dozen runs is the usual p99: such an end would blind the monitor to the next ones for hours."""
    tracker = RunTracker({})
    for number in range(40):
        common: dict[str, Any] = {"agent": "x", "run": f"r{number}"}
        run = tracker.take(Event(kind="run_started", time=START, id=f"s{number}", **common), START)
        assert run is not None
        end = Event(kind="run_finished", time=START + 5.0, id=f"f{number}", status="ok", **common)
        if number == 20:
            tracker.hang(run, START + 600.0)
            end = Event(kind="run_finished", time=START + 3_600.0, id="f", status="error", **common)
            assert tracker.take(end, START + 3_600.0) is None
        else:
            tracker.finish(run, end, START + 5.0)
    tracker.learn_usual()
    assert tracker.timeout_seconds() == 60.0
