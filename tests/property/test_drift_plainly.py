"""What banks do to many values at once, for speed, is what the plain way does to one after the other."""

from __future__ import annotations

import math
import random
from array import array

from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.drift import Channel, Plan, Signal
from detectors.drift.channels import Value
from detectors.drift.references import learning, memory
from detectors.drift.references.gathering import Gathering
from detectors.drift.references.share import ShareChannel
from detectors.drift.references.shares import ShareChannels
from monitor.drift.banks import packed, serial
from monitor.drift.banks.columns import Columns
from monitor.drift.banks.recent import RING, Recent
from monitor.drift.banks.slots import Sample
from monitor.drift.channels import ROWS, Row

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


@given(st.lists(st.integers(-4, 4).map(float) | st.floats(allow_nan=False), min_size=40, max_size=RING))
def test_limits_of_thirds_are_found_as_by_sorting(numbers: list[float]) -> None:
    order, size = sorted(numbers), len(numbers)
    assert serial._limits(memory.floats(numbers)) == (order[size // 3], order[2 * size // 3])


_EDGES = [
    0.0,
    -0.0,
    127.0,
    128.0,
    255.0,
    256.0,
    65_536.0,
    2.0**32,
    2.0**53,
    1e300,
    -32.0,
    -33.0,
    -200.0,
    -4e4,
    -2e9,
    -3e9,
]
_NAMES = ["a", "b", "ü" * 20, "", "x" * 40, "y" * 300, *(f"t{at}" for at in range(20))]


def _pool(row: Row, rng: random.Random) -> list[Value]:
    """A few values that a channel may have."""
    some = rng.randrange(1, 6)
    if row.kind in ("number", "rate"):
        return rng.choice([[0.0, 1.0], [rng.random() for _ in range(some)], rng.sample(_EDGES, some)])
    if row.kind == "category":
        return [rng.choice(row.place.words if row.place is not None else _NAMES) for _ in range(some)]
    maps: list[Value] = [
        {name: part for name in rng.sample(_NAMES, rng.choice([1, 2, 3, 18])) for part in [rng.choice([0.5, 1.0])]}
        for _ in range(some)
    ]
    return [*maps, *(dict(reversed(one.items())) for one in maps if isinstance(one, dict)), {}]


def _stretch(rng: random.Random, block: int) -> Recent:
    """Packed runs, some channels of which go on for `block` runs with the same."""
    pools = [(_pool(row, rng), rng.random() < 0.5, rng.choice([0.0, 0.0, 0.3, 1.0])) for row in ROWS]
    ring, turn = Recent(), 0
    for number in range(RING):
        turn = turn if number % block else rng.randrange(100)
        values = [
            None if rng.random() < silent else pool[turn % len(pool)] if clings else rng.choice(pool)
            for pool, clings, silent in pools
        ]
        ring.add(Sample(number, "r" * rng.choice([1, 40, 400]), "v", 0.5 + number, values, 0.0, 1.5))
    return ring


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32), st.integers(1, 12))
def test_a_packed_stretch_says_what_the_unpacked_one_does(seed: int, block: int) -> None:
    ring = _stretch(random.Random(seed), block)
    rows, columns = [one.values for one in ring.samples()], Columns(len(ROWS), RING, packed.WORDED)
    assert columns.read(ring._packed)
    for position in range(len(ROWS)):
        said: list[Value] = [row[position] for row in rows if row[position] is not None]
        assert columns.told[position] == len(said)
        assert columns.same[position] == sum(value == said[0] for value in said)
        if columns.is_of_numbers(position):
            assert list(columns.numbers(position)) == said
        else:
            assert list(columns.kinds(position)) == list(serial._kinds(said))
    assert ring.alike() == serial.look_at(columns) == serial.look(rows)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32), st.sampled_from(["no word", {"a": 1.0}]), st.integers(0, len(ROWS) - 1))
def test_a_stretch_that_is_written_otherwise_is_unpacked(seed: int, odd: Value, at: int) -> None:
    ring = _stretch(random.Random(seed), 5)
    one = ring.samples()[9]
    one.values[at] = odd
    ring._packed[9] = packed.pack(one)
    assert ring.alike() == serial.look([sample.values for sample in ring.samples()])
