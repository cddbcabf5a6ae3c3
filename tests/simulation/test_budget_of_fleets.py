"""Fleets in which nothing changes page no more than their budget allows; the long version is
`benchmarks/bench_false_pages.py`. Seeded; the bound is that of a Poisson count three standard errors up.
"""

from __future__ import annotations

import math

import pytest

from benchmarks.bench_false_pages import SCENARIOS, Fleet, simulate

WEEKS = 0.5
BUDGET = 20.0


@pytest.mark.parametrize("scenario", sorted(SCENARIOS))
def test_pages_stay_within_what_was_granted(scenario: str) -> None:
    fleet = SCENARIOS[scenario]
    small = Fleet(**{**fleet.__dict__, "agents": 3, "tools": 2})
    seen = [simulate(small, WEEKS, BUDGET, seed) for seed in (11, 12)]
    granted = sum(one.granted for one in seen)
    pages = sum(one.pages for one in seen)
    assert 0.5 * BUDGET * WEEKS * 2 <= granted <= BUDGET * WEEKS * 2
    assert pages <= granted + 3.0 * math.sqrt(granted)
    assert pages + sum(one.notices for one in seen) <= 40
    assert min(one.runs for one in seen) > 1_000
