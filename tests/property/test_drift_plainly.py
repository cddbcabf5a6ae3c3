"""What banks do to many values at once, for speed, is what the plain way does to one after the other."""

from __future__ import annotations

import math
from array import array

from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.drift import Channel, Plan, Signal
from detectors.drift.channels import Value
from detectors.drift.references import learning, memory
from detectors.drift.references.gathering import Gathering
from detectors.drift.references.share import ShareChannel
from detectors.drift.references.shares import ShareChannels
from monitor.drift.banks import serial

told = st.one_of(st.floats(allow_nan=False), st.sampled_from([0.0, -0.0, 1.0, 2.5, 1e-40, 1e300]))


@settings(deadline=None)
@given(st.lists(st.lists(st.none() | told, min_size=2, max_size=2), max_size=90), st.integers(0, 260))
def test_learners_of_numbers_take_runs_together_as_one_by_one(rows: list[list[Value]], before: int) -> None:
    plan = Plan([Channel("a", "s", "number"), Channel("b", "s", "number")], [Signal("s", 1.0, 1.0)])
    shares = ShareChannels(plan.channels, [])
    old = [0.5 * number for number in range(min(before, learning.LIVE))]
    learners = {at: learning.Numbers(array("f", old), before) for at in range(2)}
    plain = {at: (list(old), before) for at in range(2)}
    gathering = Gathering()
    for row in rows:
        gathering.take(row, learners, plan, shares)
        for at, value in enumerate(row):
            if isinstance(value, float):
                kept, n = plain[at]
                if n < learning.LIVE:
                    kept.append(memory.rounded(value))
                else:
                    kept[n % learning.LIVE] = memory.rounded(value)
                plain[at] = kept, n + 1
    gathering.give(learners, plan, None, shares)
    assert {at: (list(one.values), one.n) for at, one in learners.items()} == plain


names = st.sampled_from([*(f"tool {number}" for number in range(80)), "x" * 64, "x" * 65, "x" * 70])


@settings(deadline=None)
@given(st.lists(st.none() | names, max_size=200), st.lists(st.none() | st.floats(0.0, 1.0), max_size=200))
def test_learners_of_shares_take_runs_together(words: list[str | None], rates: list[float | None]) -> None:
    category, rate = (ShareChannel(0, kind, 1.5, learning.Shares({})) for kind in ("category", "rate"))
    category.learn_from([[word] for word in words])
    rate.learn_from([[one] for one in rates])
    sums: dict[str | int, float] = {}
    met = 0.0
    for word in words:
        if word is not None:
            name = word[: learning.LONGEST]
            if name in sums or len(sums) < learning.KNOWN:
                sums[name] = sums.get(name, 0.0) + 1.0
            else:
                met += 1.0
    assert category.learner is not None
    assert (list(category.learner.sums.items()), category.learner.met) == (list(sums.items()), met)
    assert category.learner.n == sum(word is not None for word in words)
    total = 0.0
    for one in rates:
        if one is not None:
            total += one
    assert rate.learner is not None
    assert rate.learner.sums == ({"": total} if any(one is not None for one in rates) else {})


def _time(column: list[float]) -> float:
    """As `serial` has it, in lists."""
    n = len(column)
    if column.count(column[0]) > serial.MOSTLY * n:
        return 1.0
    order = sorted(column)
    low, high = order[n // 3], order[2 * n // 3]
    kinds = [(one >= low) + (one >= high) for one in column]

    def same(part: list[int], lag: int) -> float:
        return sum(one == other for one, other in zip(part, part[lag:], strict=False)) / (len(part) - lag)

    def agree(part: list[int]) -> float:
        return sum(part.count(one) - 1 for one in part) / (len(part) * (len(part) - 1))

    apart, clear = 1.0 - agree(kinds), serial.CLEAR / math.sqrt(n)
    parts = [kinds[at * (n // serial.PARTS) : (at + 1) * (n // serial.PARTS)] for at in range(serial.PARTS)]
    excess = [same(part, 1) - agree(part) for part in parts]
    most = excess.index(max(excess))
    left = sum(1.0 - agree(part) for part in parts) - (1.0 - agree(parts[most]))
    if (
        apart < serial.APART
        or (same(kinds, 1) - agree(kinds)) / max(apart, serial.APART) < 0.5 * clear
        or sum(excess) - excess[most] < serial.EVERYWHERE * max(left, serial.APART)
    ):
        return 1.0
    ranks = [0.5 * (order.index(one) + n - 1 - order[::-1].index(one)) - 0.5 * (n - 1) for one in column]
    found = 1.0
    for lag in range(1, serial.LAGS + 1):
        total = sum(one * other for one, other in zip(ranks, ranks[lag:], strict=False))
        correlation = total / ((n - lag) * sum(rank * rank for rank in ranks) / n)
        if correlation < (clear if lag == 1 else serial.NOISE):
            break
        found += 2.0 * correlation
    return found


@settings(deadline=None)
@given(st.lists(st.integers(0, 4), min_size=50, max_size=64), st.integers(1, 9))
def test_numbers_cling_together_as_in_lists(levels: list[int], block: int) -> None:
    column = [levels[at // block] + 0.25 * (at * 7 % 3) for at in range(len(levels))]
    rows: list[list[Value]] = [[one] for one in column]
    assert serial.look(rows) == serial.roots_of(2.0 / (1.0 + _time(column)))
