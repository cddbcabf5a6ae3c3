"""A shadow's pairs: two runs of one input, one of them in production. They come in as their second run closes.

Several shadows may run on one input. A production run waits until each of them has had its pair, so that a shadow whose
runs are slow is compared as well as one whose runs are fast: else failures, which are fast, would pair more often. What
waits is the book's, bounded by `HALVES` and `HALF_SECONDS`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from detectors.arms import medians, pairs
from monitor.rollouts.state import Half, Judged, Number, Rate, Reading, Rollout
from schemas.config import RolloutSettings

EXAMPLES: Final = 5
"""Pairs that disagree, the latest, whose runs are named."""
HALVES: Final = 300
"""Runs that wait for the other one of their pair. More: the oldest is forgotten, counted as `pairs_forgotten`, unless
there is one that has met a shadow already."""
HALF_SECONDS: Final = 3_600.0
"""A run waits that long for the other one of its pair."""


def meet(halves: dict[str, Half], pair: str, half: Half, shadows: Collection[str]) -> list[tuple[Reading, Reading]]:
    """The pairs that a run completes, production first; what waits on goes into `halves` (in place).

    `shadows`: the versions that run as one at present.
    """
    if half.shadow:
        version = half.reading.version
        base = halves.get(pair)
        if base is None or base.shadow or version in base.met:
            _wait(halves, _name(pair, version), half)
            return []
        base.met.append(version)
        if all(each in base.met for each in shadows):
            del halves[pair]
        return [(base.reading, half.reading)]
    found = []
    for name in (pair, *(_name(pair, version) for version in shadows)):
        other = halves.get(name)
        if other is not None and other.shadow:
            del halves[name]
            found.append((half.reading, other.reading))
            half.met.append(other.reading.version)
    if not found or any(each not in half.met for each in shadows):
        _wait(halves, pair, half)
    return found


def make_room(halves: dict[str, Half]) -> bool:
    """Forget one run where too many wait (in place); whether its pair is lost with it."""
    if len(halves) <= HALVES:
        return False
    name = next((name for name, half in halves.items() if half.met), next(iter(halves)))
    return not halves.pop(name).met


def expire(halves: dict[str, Half], now: float) -> bool:
    """Forget what has waited long enough (in place); whether anything has."""
    before = len(halves)
    while halves and next(iter(halves.values())).at + HALF_SECONDS <= now:
        del halves[next(iter(halves))]
    return len(halves) != before


def remember(judged: Judged, rollout: str, base: Reading, its: Reading) -> None:
    """Know the two runs of a pair, for what is said of them later (in place)."""
    judged.partners[_name(base.run, its.version)] = (rollout, its.run, False)
    judged.partners[its.run] = (rollout, base.run, True)


def partners(judged: Judged, run: str, shadows: Collection[str]) -> Iterator[tuple[str, str, bool]]:
    """The other runs of the pairs of a run: rollout, run, whether the one that was asked for is the shadow."""
    for name in (run, *(_name(run, version) for version in shadows)):
        found = judged.partners.get(name)
        if found is not None:
            yield found


def add(rollout: Rollout, base: Reading, other: Reading, settings: RolloutSettings) -> None:
    """One pair: `base` served, `other` did not."""
    for signal in base.shares.keys() & other.shares.keys():
        share(rollout, signal, base.shares[signal], other.shares[signal])
    for signal in base.numbers.keys() & other.numbers.keys():
        number = rollout.numbers.get(signal) or rollout.numbers.setdefault(signal, Number())
        a, b = base.numbers[signal], other.numbers[signal]
        for histogram, value in ((number.base, a), (number.other, b)):
            place = medians.place(value)
            histogram[place] = histogram.get(place, 0) + 1
        most = a * settings.factor
        _add(number.up, pairs.log_bets(0.0 if b == most else 1.0 if b > most else -1.0))
        _add(number.down, pairs.log_bets(-1.0 if b > most else 1.0))  # the most that is allowed is no worse
    rollout.bets += 1
    pairing = rollout.pairing
    same_end, same_tools = base.end == other.end, base.tools == other.tools
    _tally(pairing.end, not same_end)
    _tally(pairing.tools, not same_tools)
    if base.tools or other.tools:
        _tally(pairing.arguments, base.arguments != other.arguments)
    if base.shape >= 0 or other.shape >= 0:
        _tally(pairing.shape, base.shape != other.shape)
    _tally(pairing.same, same_end and same_tools)
    if not (same_end and same_tools):
        pairing.examples.append((base.run, other.run))
        del pairing.examples[:-EXAMPLES]


def share(rollout: Rollout, signal: str, base: float, other: float) -> None:
    """One share of one pair."""
    rate = rollout.rates.get(signal) or rollout.rates.setdefault(signal, Rate(gaps=pairs.new_counts()))
    for side, y in ((rate.base, base), (rate.other, other)):
        side[0] += y
        side[1] += 1.0
    rollout.bets += 1
    _add(rate.logs, pairs.log_bets(other - base))
    rate.gaps[pairs.cell(other - base)] += 1


def _wait(halves: dict[str, Half], name: str, half: Half) -> None:
    halves.pop(name, None)
    halves[name] = half  # the order is that of time


def _name(what: str, version: str) -> str:
    return f"{what}\x1f{version}"


def _tally(counts: list[float], hit: bool) -> None:
    counts[0] += hit
    counts[1] += 1.0


def _add(logs: list[float], more: list[float]) -> None:
    for index, log in enumerate(more):
        logs[index] += log
