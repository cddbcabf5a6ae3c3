"""Runs that begin and never end, through the engine: many at once are a page, the usual few and the slow are not."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

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
