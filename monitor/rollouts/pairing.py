"""A shadow's pairs: two runs of one input, one of them in production.

Not here: which runs are one pair (`monitor.rollouts.book`). Pairs come in as their second run closes.
"""

from __future__ import annotations

from typing import Final

from detectors.arms import medians, pairs
from monitor.rollouts.state import Number, Rate, Reading, Rollout
from schemas.config import RolloutSettings

EXAMPLES: Final = 5
"""Pairs that disagree, the latest, whose runs are named."""


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
        beyond = 0.0 if b == a * settings.factor else 1.0 if b > a * settings.factor else -1.0
        _add(number.up, pairs.log_bets(beyond))
        _add(number.down, pairs.log_bets(-beyond))
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


def _tally(counts: list[float], hit: bool) -> None:
    counts[0] += hit
    counts[1] += 1.0


def _add(logs: list[float], more: list[float]) -> None:
    for index, log in enumerate(more):
        logs[index] += log
