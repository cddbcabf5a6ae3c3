"""How alike runs in a row are: what one run of an agent is worth as news where no session says what belongs together.

Work often comes in stretches: somebody hands in five documents of a kind, then another asks ten questions. A bank bets
as if runs were drawn apart, and takes such a stretch for a change. Statistics knows the measure: the integrated
autocorrelation time of a sequence, t = 1 + 2 times the sum of its correlations, is how many of its values are worth one
that was drawn apart (Sokal 1996; the sum ends where it is noise). Where each run goes on with the last one's kind of
work by lot, (t + 1) / 2 is the mean length of a stretch. The e-values of a run count as that root, as in a session
(see `sessions`), and what is normal is learned from one run in as many.

It is looked at in stretches of `RING` runs, each by itself: a change for good shows in one of them, stretches of work
in more. So the second highest of the latest eight counts, and no fault makes a bank deaf to itself.

Calibrated, not proved. Not seen: a mix of kinds that swings slowly, with each run drawn apart from the mix of its hour.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Final

from librt.vecs import vec
from mypy_extensions import i64

from detectors.drift.channels import Value
from detectors.drift.references import memory
from monitor.drift.banks.columns import Columns
from monitor.drift.banks.sessions import roots_of

WINDOWS: Final = 8
"""Stretches that are kept."""
OFTEN: Final = 320
"""Up to this run each stretch is looked at, later one in `SELDOM`."""
SELDOM: Final = 8
FEWEST: Final = 40
"""A channel of which a stretch has fewer values says nothing."""
APART: Final = 0.17
"""The same where two values of it, drawn apart, differ more rarely: chance puts its few exceptions together."""
MOSTLY: Final = 0.9
"""Where more of them are the same value, they differ too rarely for sure."""
CLEAR: Final = 4.0
"""So many standard errors the correlation of neighbours must have."""
PARTS: Final = 3
EVERYWHERE: Final = 0.15
"""In the parts of a stretch neighbours agree by so much of what they could more often than others."""
NOISE: Final = 0.1
LAGS: Final = 24
"""Correlations are summed up to the first that is lower than the one, and no further than the other."""


def is_due(number: int, ring: int) -> bool:
    """Whether the stretch that run `number` (from 1) ended is looked at."""
    return number % ring == 0 and (number <= OFTEN or number // ring % SELDOM == 0)


def look(runs: list[list[Value]]) -> int:
    """The square roots that the runs of one stretch should count as, by the channel whose values cling together most.

    `runs`: the values of each run by channel, in the order in which they closed.
    """
    longest = 1.0
    numbers = memory.filled(len(runs), 0.0)
    width: i64 = len(runs[0])
    position: i64 = 0
    while position < width:
        told: i64 = 0
        of_number: i64 = 0
        for row in runs:
            value = row[position]
            if value is not None:
                told += 1
                if isinstance(value, float):
                    numbers[of_number] = value
                    of_number += 1
        if told >= FEWEST:
            if of_number == told:
                longest = max(longest, _time_of_numbers(numbers[:told]))
            else:
                longest = max(longest, _time_of_kinds([row[position] for row in runs if row[position] is not None]))
        position += 1
    return roots_of(2.0 / (1.0 + longest))


def look_at(columns: Columns) -> int:
    """The same, of runs that are read as they are packed."""
    longest = 1.0
    position: i64 = 0
    width: i64 = columns.width
    while position < width:
        told: i64 = columns.told[position]
        if told >= FEWEST and float(columns.same[position]) <= MOSTLY * float(told):
            if columns.is_of_numbers(position):
                numbers = columns.numbers(position)
                low, high = _limits(numbers)
                longest = max(longest, _time_by_thirds(numbers, low, high))
            else:
                longest = max(longest, _time_by_kinds(columns.kinds(position)))
        position += 1
    return roots_of(2.0 / (1.0 + longest))


def followed(found: Sequence[int], roots: int) -> list[int]:
    """What is kept of the latest stretches, with one more."""
    return [*found[1 - WINDOWS :], roots]


def second(found: Sequence[int]) -> int:
    """Of the roots of the latest stretches the second highest; of one its own."""
    return sorted(found)[-2:][0] if found else 0


def _time_of_numbers(numbers: vec[float]) -> float:
    """The integrated autocorrelation time of a channel's numbers, by their ranks; 1 where it is not clear that there
    is any."""
    size: i64 = len(numbers)
    n = int(size)
    first = numbers[0]
    same: i64 = 0
    at: i64 = 0
    while at < size:
        if numbers[at] == first:
            same += 1
        at += 1
    if int(same) > MOSTLY * n:
        return 1.0  # most channels of most agents
    order = sorted(numbers)
    return _time_by_thirds(numbers, order[n // 3], order[2 * n // 3])


def _time_by_thirds(numbers: vec[float], low: float, high: float) -> float:
    """The same of numbers that are not mostly one, by the limits of their thirds."""
    size: i64 = len(numbers)
    n = int(size)
    at: i64 = 0
    kinds = _thirds(numbers, low, high)
    clear = CLEAR / sqrt(n)
    if not _clings(kinds, _agree(kinds), 0.5 * clear):  # thirds show less than the ranks, which are asked below
        return 1.0
    ranks = _ranks(numbers, memory.floats(sorted(numbers)))
    spread = sum([rank * rank for rank in ranks]) / n
    found = 1.0
    for lag in range(1, LAGS + 1):
        total = 0.0
        further: i64 = lag
        at = 0
        while at + further < size:
            total += ranks[at] * ranks[at + further]
            at += 1
        correlation = total / ((n - lag) * spread)
        if correlation < (clear if lag == 1 else NOISE):
            break
        found += 2.0 * correlation
    return found


def _time_of_kinds(values: list[Value]) -> float:
    """The same of anything else: the correlation at a lag is by how much pairs at this distance agree more often than
    pairs drawn apart, as a part of what they could."""
    return 1.0 if _is_mostly_one(values) else _time_by_kinds(_kinds(values))


def _time_by_kinds(kinds: vec[i64]) -> float:
    """The same of values that are not mostly one."""
    agree = _agree(kinds)
    clear = CLEAR / sqrt(len(kinds))
    if not _clings(kinds, agree, clear):
        return 1.0
    found = 1.0
    for lag in range(1, LAGS + 1):
        correlation = (_same(kinds, lag) - agree) / (1.0 - agree)
        if correlation < (clear if lag == 1 else NOISE):
            break
        found += 2.0 * correlation
    return found


def _clings(kinds: vec[i64], agree: float, enough: float) -> bool:
    """Whether neighbours agree enough more often than others, and everywhere."""
    if 1.0 - agree < APART or (_same(kinds, 1) - agree) / max(1.0 - agree, APART) < enough:
        return False
    return _everywhere(kinds)


def _is_mostly_one(values: list[Value]) -> bool:
    """Whether nearly all are the same as the first."""
    first, same, most = values[0], len(values), MOSTLY * len(values)
    for value in values:
        if value is not first and value != first:
            same -= 1
            if same <= most:
                return False
    return True


def _everywhere(kinds: vec[i64]) -> bool:
    """Whether neighbours agree in each part of a stretch, as they do where work changes again and again. Left out is
    the part in which they do most: there one change for good may be."""
    part, excess, apart = len(kinds) // PARTS, [], []
    for at in range(PARTS):
        mine = kinds[at * part : (at + 1) * part]
        agree = _agree(mine)
        excess.append(_same(mine, 1) - agree)
        apart.append(1.0 - agree)
    most = excess.index(max(excess))
    return sum(excess) - excess[most] >= EVERYWHERE * max(sum(apart) - apart[most], APART)


def _agree(kinds: vec[i64]) -> float:
    """How often two values, drawn apart, agree."""
    size: i64 = len(kinds)
    counts = vec[i64]([i64(0)] * len(kinds))
    pairs: i64 = 0
    at: i64 = 0
    while at < size:
        kind = kinds[at]
        pairs += 2 * counts[kind]
        counts[kind] += 1
        at += 1
    return int(pairs) / (len(kinds) * (len(kinds) - 1))


def _same(kinds: vec[i64], lag: int) -> float:
    """How often two values at this distance agree."""
    end: i64 = len(kinds) - lag
    further: i64 = lag
    same: i64 = 0
    at: i64 = 0
    while at < end:
        if kinds[at] == kinds[at + further]:
            same += 1
        at += 1
    return int(same) / (len(kinds) - lag)


def _kinds(values: list[Value]) -> vec[i64]:
    """A small number for each value, alike where they have the same name, or the same names."""
    names: dict[str, int] = {}
    found = memory.indices([0] * len(values))
    before: Value = None
    kind: i64 = 0
    for at, value in enumerate(values):
        if value is not before:
            if isinstance(value, str):
                name = value
            elif isinstance(value, dict):
                name = next(iter(value)) if len(value) == 1 else "\0".join(sorted(value))
            else:
                name = str(value)
            kind = names.setdefault(name, len(names))
            before = value
        found[at] = kind
    return found


def _limits(numbers: vec[float]) -> tuple[float, float]:
    """The lowest number of the middle third and of the highest one. None of them is NaN."""
    size: i64 = len(numbers)
    some = numbers[:]
    low, high = size // 3, 2 * size // 3
    return _put_in_place(some, low), _put_in_place(some, high)


def _put_in_place(numbers: vec[float], place: i64) -> float:
    """The number that has this place in ascending order (Hoare's FIND, 1961: numbers are changed in place)."""
    first: i64 = 0
    last: i64 = len(numbers) - 1
    while first < last:
        pivot = numbers[place]
        low, high = first, last
        while low <= high:
            while numbers[low] < pivot:
                low += 1
            while pivot < numbers[high]:
                high -= 1
            if low <= high:
                number = numbers[low]
                numbers[low] = numbers[high]
                numbers[high] = number
                low += 1
                high -= 1
        if high < place:
            first = low
        if place < low:
            last = high
    return numbers[place]


def _thirds(numbers: vec[float], low: float, high: float) -> vec[i64]:
    """For each number whether it is in the lowest third, the middle or the highest; equal ones are in one."""
    size: i64 = len(numbers)
    found = vec[i64]([i64(0)] * len(numbers))
    at: i64 = 0
    while at < size:
        number = numbers[at]
        if number >= low:
            found[at] = 1 if number < high else 2
        at += 1
    return found


def _ranks(numbers: vec[float], order: vec[float]) -> vec[float]:
    """Ranks, their mean zero; those of equal numbers in the middle."""
    middle = 0.5 * float(len(numbers) - 1)
    first: dict[float, int] = {}
    last: dict[float, int] = {}
    for at, number in enumerate(order):
        first.setdefault(number, at)
        last[number] = at
    return memory.floats([0.5 * (first[number] + last[number]) - middle for number in numbers])
