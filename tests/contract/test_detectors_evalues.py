"""What every bet owes: for any mean at or below the null, E[L] is at most one. In exact arithmetic, by enumeration.

And what the recursion makes of it (T1): expected pages never exceed the budget dripped, however oddly it is dripped.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import failure, recursion, resolution, silence

GRIDS: list[failure.Grid] = ["odds", "bounded"]
MEANS = [1e-4, 0.001, 0.01, 0.0499, 0.05, 0.2, 0.5, 0.9, 0.92, 0.99]
ROUNDING = Fraction(1, 10**9)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("mean", MEANS)
def test_bets_are_fair_at_the_null_and_never_negative(grid: failure.Grid, mean: float) -> None:
    bets = failure.bets(grid, mean)
    assert len(bets.slopes) == len(bets.weights) == failure.SIZE
    assert Fraction(0) <= sum(map(Fraction, bets.weights)) <= 1 + ROUNDING
    bad, good = bets.values(1.0), bets.values(0.0)
    null = Fraction(bets.mean)
    for j in range(failure.SIZE):
        assert good[j] > 0.0
        assert bad[j] >= good[j]
        assert null * Fraction(bad[j]) + (1 - null) * Fraction(good[j]) <= 1 + ROUNDING


@given(
    grid=st.sampled_from(GRIDS),
    mean=st.floats(1e-4, 0.99),
    points=st.lists(st.tuples(st.floats(0.0, 1.0), st.integers(1, 10)), min_size=1, max_size=6),
)
@settings(max_examples=200, deadline=None)
def test_any_law_of_shares_with_a_mean_below_the_null_gives_at_most_one(
    grid: failure.Grid, mean: float, points: list[tuple[float, int]]
) -> None:
    """A law on a few points, moved towards zero until its mean is the null's at most."""
    weight = sum(count for _, count in points)
    middle = sum(Fraction(y) * count for y, count in points) / weight
    bets = failure.bets(grid, mean)
    shrink = float(min(Fraction(1), Fraction(bets.mean) / middle)) if middle else 1.0
    law = [(min(y * shrink, 1.0), Fraction(count, weight)) for y, count in points]
    law_mean = sum(Fraction(y) * part for y, part in law)
    slack = max(law_mean - Fraction(bets.mean), Fraction(0)) * 10_000  # what rounding `shrink` may add
    values = [(bets.values(y), part) for y, part in law]
    for j in range(failure.SIZE):
        assert sum(Fraction(value[j]) * part for value, part in values) <= 1 + ROUNDING + slack


@pytest.mark.parametrize("grid", GRIDS)
def test_failures_may_be_bet_against_an_earlier_and_smaller_mean_than_successes(grid: failure.Grid) -> None:
    """Failures that close first meet a smaller mean than the successes after them; both means are at least the true
    one. That takes a slope * mean that never falls as the mean rises: the successes lose no less than they should."""
    means = [0.001 * 1.07**i for i in range(100)]
    for smaller, larger in itertools.pairwise(mean for mean in means if mean < 0.92):
        first, then = failure.bets(grid, smaller), failure.bets(grid, larger)
        bad, good = first.values(1.0), then.values(0.0)
        for j in range(failure.SIZE):
            assert first.slopes[j] * smaller <= then.slopes[j] * larger * (1.0 + 1e-12), (j, smaller)
            expected = Fraction(smaller) * Fraction(bad[j]) + (1 - Fraction(smaller)) * Fraction(good[j])
            assert expected <= 1 + ROUNDING, (j, smaller)


@pytest.mark.parametrize("normal", [0.001, 0.05, 0.5])
@pytest.mark.parametrize("level", [0.06, 0.6, 0.98])
def test_the_bet_on_recovery_is_fair_while_the_fault_lasts(normal: float, level: float) -> None:
    if level <= normal:
        return
    slope = Fraction(resolution.slope(normal, level))
    for mean in (Fraction(level), Fraction(1)):
        expected = mean * (1 + slope * (Fraction(level) - 1)) + (1 - mean) * (1 + slope * Fraction(level))
        assert expected <= 1 + ROUNDING


@pytest.mark.parametrize("rho", silence.RHOS)
@pytest.mark.parametrize("rate", [0.001, 0.1, 3.0])
def test_the_bet_on_silence_is_fair_for_a_poisson_stream(rho: float, rate: float) -> None:
    """E[rho^N e^((1-rho) rate t)] over N ~ Poisson(rate t) is one."""
    seconds = 7.0
    expected = sum(
        math.exp(-rate * seconds + n * math.log(rate * seconds) - math.lgamma(n + 1))
        * (rho**n)
        * math.exp((1.0 - rho) * rate * seconds)
        for n in range(200)
    )
    assert expected == pytest.approx(1.0, abs=1e-9)


DRIPS: dict[str, Callable[[int, list[float]], float]] = {
    "evenly": lambda _, __: 0.0015,
    "in one burst": lambda i, _: 0.3 if i == 100 else 0.0005,
    "more where evidence is": lambda _, evidence: 0.01 * sum(evidence) + 0.0005,
    "late": lambda i, _: 0.003 if i > 150 else 0.0,
}


REPLICATES = 600


@pytest.mark.parametrize("how", DRIPS)
@pytest.mark.parametrize(("grid", "mean"), [("odds", 0.02), ("odds", 0.2), ("bounded", 0.1)])
def test_pages_stay_within_the_budget_however_it_is_dripped(how: str, grid: failure.Grid, mean: float) -> None:
    """T1: mean pages over replicates is at most the mean of what was dripped, three standard errors allowed."""
    bets = failure.bets(grid, mean)
    rng = random.Random(f"{how} {grid} {mean}")
    good, bad = bets.values(0.0), bets.values(1.0)
    pages, dripped = [], 0.0
    for _ in range(REPLICATES):
        evidence = [0.0] * failure.SIZE
        count = 0
        for i in range(300):
            drip = DRIPS[how](i, evidence)
            dripped += drip
            count += recursion.step(evidence, bad if rng.random() < mean else good, bets.weights, drip)
        pages.append(count)
    average = sum(pages) / REPLICATES
    spread = math.sqrt(sum((count - average) ** 2 for count in pages) / REPLICATES)
    assert average <= dripped / REPLICATES + 3.0 * spread / math.sqrt(REPLICATES)
    assert sum(pages) > 0
