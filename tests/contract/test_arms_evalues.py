"""What the bets on two versions owe, by enumeration: a mean of one where both do alike, less where the candidate is
better. And the intervals: the truth stays in them however often one looks."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.arms import labels, medians, pairs, past, shares

SCORES = [
    [1.0, 0.0, 0.0, 1.0, 0.0, 0.0],
    [1.0, 1.0, 1.0, 1.0, 1.0, 0.0],
    [0.25, 0.5, 0.0, 1.0, 0.0, 0.75],
    labels.ranks([3.0, 1.0, 1.0, 8.0, 2.5, 0.0]),
]


@pytest.mark.parametrize("scores", SCORES)
@pytest.mark.parametrize("size", [1, 3, 5])
def test_bets_on_labels_have_mean_one_over_all_ways_to_hand_them_out(scores: list[float], size: int) -> None:
    found = [
        labels.log_bets(scores, [index in chosen for index in range(6)], labels.SLOPES)
        for chosen in map(set, itertools.combinations(range(6), size))
    ]
    for j in range(len(labels.SLOPES)):
        assert sum(math.exp(logs[j]) for logs in found) / len(found) == pytest.approx(1.0)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=12), st.data())
@settings(max_examples=200, deadline=None)
def test_a_bad_run_of_the_candidate_that_becomes_good_is_less_evidence(
    runs: list[tuple[bool, bool]], data: st.DataObject
) -> None:
    """So the test holds as well where the candidate is better, whatever the rates of both are at each moment."""
    bad = [index for index, (candidate, failed) in enumerate(runs) if candidate and failed]
    if not bad:
        return
    index = data.draw(st.sampled_from(bad))
    mine = [candidate for candidate, _ in runs]
    before = [float(failed) for _, failed in runs]
    after = [0.0 if i == index else score for i, score in enumerate(before)]
    for more, less in zip(
        labels.log_bets(before, mine, labels.SLOPES), labels.log_bets(after, mine, labels.SLOPES), strict=True
    ):
        assert less <= more + 1e-9


def test_with_a_tolerance_the_bets_are_fair_at_that_odds_ratio() -> None:
    """Labels of four runs at 20 % (baseline) and the tolerated odds (candidate): all outcomes, weighed."""
    base, share = 0.2, 0.4
    odds = base / (1 - base) * past.TOLERANCE
    other = odds / (1 + odds)
    totals = [0.0] * len(labels.SLOPES)
    for runs in itertools.product(itertools.product((False, True), repeat=2), repeat=4):
        weight = 1.0
        for candidate, failed in runs:
            rate = other if candidate else base
            weight *= (share if candidate else 1 - share) * (rate if failed else 1 - rate)
        logs = labels.log_bets(
            [float(failed) for _, failed in runs], [c for c, _ in runs], labels.SLOPES, math.log(past.TOLERANCE)
        )
        totals = [total + weight * math.exp(log) for total, log in zip(totals, logs, strict=True)]
    assert totals == pytest.approx([1.0] * len(totals))


def test_bets_say_nothing_where_nothing_can_be_compared() -> None:
    assert labels.log_bets([1.0, 0.0], [True, True], labels.SLOPES) == [0.0] * 4
    assert labels.log_bets([1.0, 1.0], [True, False], labels.SLOPES) == [0.0] * 4
    assert past.log_bets(1.0, 30.0, [1.0] * 20) == [0.0] * 4, "too little is known of the baseline"


@pytest.mark.parametrize("gap_mean", [0.0, -0.2])
def test_bets_on_pairs_have_a_mean_of_one_at_most(gap_mean: float) -> None:
    """Any law of differences with a mean of zero or less."""
    law = {-1.0: 0.3 - gap_mean / 2, 0.0: 0.25, 0.5: 0.3, 1.0: 0.15 + gap_mean / 2}
    assert sum(gap * part for gap, part in law.items()) == pytest.approx(gap_mean)
    for j in range(len(pairs.SLOPES)):
        assert sum(math.exp(pairs.log_bets(gap)[j]) * part for gap, part in law.items()) <= 1.0 + 1e-12


def test_bets_against_the_past_are_fair_within_the_tolerance() -> None:
    bad, n = 30.0, 600.0
    mean = past.null_mean(bad, n)
    assert bad / n * past.TOLERANCE < mean < bad / n * past.TOLERANCE * 1.3
    good, worse = past.log_bets(bad, n, [0.0]), past.log_bets(bad, n, [1.0])
    for j in range(len(labels.SLOPES)):
        assert mean * math.exp(worse[j]) + (1 - mean) * math.exp(good[j]) == pytest.approx(1.0)
    for above in (True, False):
        over, under = (past.log_bets_beyond([value], 2.0, above) for value in (3.0, 1.0))
        assert [0.5 * math.exp(a) + 0.5 * math.exp(b) for a, b in zip(over, under, strict=True)] == pytest.approx(
            [1.0] * 4
        )


def test_intervals_of_shares_hold_at_any_look() -> None:
    """60 streams of 300 runs at 5 and 15 %, looked at every twentieth run, alpha 5 %."""
    rng = random.Random(5)
    left = {"rate": 0, "difference": 0, "same": 0}
    for _ in range(60):
        base, other = [0.0, 0.0], [0.0, 0.0]
        out = set()
        for number in range(300):
            side, rate = (other, 0.15) if rng.random() < 0.5 else (base, 0.05)
            side[0] += rng.random() < rate
            side[1] += 1.0
            if number % 20:
                continue
            a, b = (base[0], base[1]), (other[0], other[1])
            low, high = shares.difference(a, b, 0.05)
            out |= {"difference"} if not low <= 0.1 <= high else set()
            low, high = shares.interval(*b, 0.05)
            out |= {"rate"} if not low <= 0.15 <= high else set()
            out |= {"same"} if shares.against(a, b, 0.1) >= 20.0 else set()
        for name in out:
            left[name] += 1
    assert max(left.values()) <= 3, left  # 5 % of 60


def test_an_interval_ends_where_the_test_says_no_worse() -> None:
    base, other = (20.0, 800.0), (22.0, 800.0)
    _, high = shares.difference(base, other, 0.01)
    assert shares.against(base, other, high + 0.001) >= 100.0
    assert shares.against(base, other, high - 0.001) < 100.0


def test_intervals_of_pairs_and_medians_hold_at_any_look() -> None:
    rng = random.Random(6)
    left = {"pairs": 0, "median": 0}
    for _ in range(60):
        counts, histogram = pairs.new_counts(), dict[int, int]()
        out = set()
        for number in range(200):
            counts[pairs.cell(float(rng.random() < 0.3) - float(rng.random() < 0.1))] += 1
            place = medians.place(rng.lognormvariate(0.0, 1.0))
            histogram[place] = histogram.get(place, 0) + 1
            if number % 10:
                continue
            low, high = pairs.interval(counts, 0.05)
            out |= {"pairs"} if not low <= 0.2 <= high else set()
            low, high = medians.interval(histogram, 0.05)
            out |= {"median"} if not low <= 1.0 <= high else set()
        for name in out:
            left[name] += 1
    assert max(left.values()) <= 3, left  # 5 % of 60


@pytest.mark.parametrize(
    ("value", "low", "high"),
    [(0.0, 0.0, 0.0), (-3.0, 0.0, 0.0), (1e-9, 0.0, 1e-6), (0.02, 0.019, 0.0211), (1e12, 3e10, 5e10)],
)
def test_a_number_lies_in_its_bin(value: float, low: float, high: float) -> None:
    assert low <= medians.upper_edge(medians.place(value)) <= high


def test_equal_numbers_share_a_rank() -> None:
    assert labels.ranks([2.0, 1.0, 2.0, 5.0]) == pytest.approx([0.5, 0.0, 0.5, 1.0])
