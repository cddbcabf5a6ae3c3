"""What every bet of the drift bank owes: for every law inside the tolerance band, E[L] is at most one. Exact sums."""

from __future__ import annotations

from array import array
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from detectors.drift import Bank, Channel, Plan, Signal
from detectors.drift.bets import odds, shapes
from detectors.drift.bets.band import band
from detectors.drift.references import memory
from detectors.drift.references.cells import below, cells_of, masses_of

ROUNDING = Fraction(1, 10**9)
TOLERANCES = [1.0, 1.5, 3.0]


@given(
    counts=st.lists(st.integers(0, 400), min_size=3, max_size=shapes.CELLS),
    tolerance=st.sampled_from(TOLERANCES),
    moves=st.lists(st.fractions(0, 1), min_size=shapes.CELLS, max_size=shapes.CELLS),
)
@settings(max_examples=60, deadline=None)
def test_no_law_of_a_number_in_the_band_makes_a_bet_profitable(
    counts: list[int], tolerance: float, moves: list[Fraction]
) -> None:
    """Survival anywhere between its limits, atoms and empty cells included; what is not monotone is no law."""
    masses = masses_of([float(count) for count in counts])
    n = sum(counts) + 1.0
    where = shapes.places(masses, [False] * len(masses))
    suprema = shapes.suprema(where, masses, n, tolerance)
    survival = [Fraction(1)]
    for i in range(1, len(masses)):
        low, high = map(Fraction, band(min(sum(masses[i:]), 1.0 - 1e-9), n, tolerance))
        survival.append(min(low + (high - low) * moves[i - 1], survival[-1]))
        if survival[-1] < low:
            return
    law = [a - b for a, b in zip(survival, [*survival[1:], Fraction(0)], strict=True)]
    for j in range(shapes.BETS):
        expected = sum(Fraction(float(shapes.WEIGHTS[place, j])) * mass for place, mass in zip(where, law, strict=True))
        assert expected / Fraction(suprema[j]) <= 1 + 10 * ROUNDING


@pytest.mark.parametrize("tolerance", TOLERANCES)
def test_a_value_between_known_ones_is_as_unlikely_as_it_was(tolerance: float) -> None:
    """Gaps: the set of all that was never seen has a band of its own, and a bet on it is fair at the band's end."""
    masses = masses_of([0.0, 100.0, 0.0, 100.0, 0.0])
    where = shapes.places(masses, [False, False, True, False, False])
    suprema = shapes.suprema(where, masses, 201.0, tolerance)
    for j in (8, 9):
        weights = [Fraction(float(shapes.WEIGHTS[place, j])) for place in where]
        likely = [weight == 1 for weight in weights]
        unseen = sum(mass for mass, known in zip(masses, likely, strict=True) if not known)
        most = Fraction(band(unseen, 201.0, tolerance)[1])
        assert (1 - most + most * max(weights)) / Fraction(suprema[j]) <= 1 + ROUNDING
        assert weights[2] / Fraction(suprema[j]) > 10  # one sighting is worth something


@given(
    p=st.floats(1e-5, 1.0 - 1e-5),
    n=st.integers(1, 10_000),
    tolerance=st.sampled_from(TOLERANCES),
    part=st.fractions(0, 1),
    split=st.fractions(0, 1),
)
@settings(max_examples=150, deadline=None)
def test_no_mean_of_a_share_in_the_band_makes_a_bet_profitable(
    p: float, n: int, tolerance: float, part: Fraction, split: Fraction
) -> None:
    """The mean is made of runs without any and runs with the part that it takes, at most all of the run."""
    low, high = map(Fraction, band(p, float(n), tolerance))
    assert 0 < low <= Fraction(p) <= high < 1
    mean = low + (high - low) * part
    y = mean + (1 - mean) * split
    slopes, scales = odds.bets(p, float(n), tolerance)
    assert len(slopes) == len(scales) == odds.BETS
    for slope, scale in zip(slopes, scales, strict=True):
        full, none = (1 + Fraction(slope) * y) * Fraction(scale), Fraction(scale)
        assert full >= 0
        assert mean / y * full + (1 - mean / y) * none <= 1 + ROUNDING


@pytest.mark.parametrize(
    ("values", "cells"),
    [
        ([3.0] * 200, 3),  # a constant: below, itself, above
        ([0.0, 100.0] * 100, 5),  # two values: what lies between them is a cell as well
        ([float(i % 7) for i in range(200)], 9),  # few values: one cell each
        ([0.0] * 150 + [float(i) for i in range(1, 51)], 8),  # ties at the lower quantiles: they share a cell
        ([float(i) for i in range(200)], 10),  # no ties
    ],
)
def test_learned_cells_hold_all_that_was_learned_and_leave_room_outside(values: list[float], cells: int) -> None:
    found = cells_of(array("f", values))
    assert len(found.counts) == len(found.gaps) == len(found.edges) + 1 == cells
    assert sum(found.counts) == len(values)
    assert found.counts[0] == found.counts[-1] == 0
    assert found.edges == sorted(set(found.edges))
    masses = masses_of([float(count) for count in found.counts])
    assert sum(masses) == pytest.approx(1.0)
    assert min(masses) > 0.0


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
@example(0.0)
@example(1.0)
@example(-1.0)
@example(2.0**-122)
def test_the_next_smaller_number_is_that_of_32_bits(value: float) -> None:
    value = memory.rounded(value)
    assert below(value) == float(np.nextafter(np.float32(value), np.float32(-np.inf), dtype=np.float32))


@pytest.mark.parametrize("live", [[True, True, True, True], [True, False, True, False], [False] * 4])
def test_the_weights_of_an_account_are_the_signals_share_whatever_is_live(live: list[bool]) -> None:
    """T1 and T3 need no more: dripping one gives each signal that is live its share, and no more than that in all."""
    plan = Plan(
        [
            Channel("a", "s", "number"),
            Channel("b", "s", "rate"),
            Channel("c", "t", "number"),
            Channel("d", "u", "rate"),
        ],
        [Signal("s", 0.5, 0.25), Signal("t", 0.25, 0.5, blocked=True), Signal("u", 0.25, 0.25)],
    )
    bank = Bank(plan)
    for i in range(200):
        bank.observe([float(i), i % 2, float(i), i % 2], "r", float(i))
    accounts = bank.accounts
    accounts.weigh("notice", live, [True, True, True])
    accounts.step(memory.filled(accounts.size, 1.0), 1.0, 0.0)
    for i, (signal, members) in enumerate(zip(plan.signals, plan.members, strict=True)):
        held = sum(accounts.by_channel("notice", i).values())
        assert held == pytest.approx(signal.notice_share if any(live[at] for at in members) else 0.0)
