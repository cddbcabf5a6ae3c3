"""A canary's runs: counted for what is shown, and bet on block by block.

Invariant: what is bet on is a function of the order in which the runs come in here, which is that of their starts.
"""

from __future__ import annotations

import math
from typing import Final
from zlib import crc32

from detectors.arms import labels, medians, past
from monitor.rollouts.state import Number, Placed, Rate, Reading, Rollout, Waiting
from schemas.config import RolloutSettings

TOOLS: Final = 20
"""Tools of a rollout that are told apart. Further ones are not compared."""
_TOLERATED: Final = math.log(past.TOLERANCE)


def add(rollout: Rollout, reading: Reading, candidate: bool, settings: RolloutSettings) -> None:
    """One run of either version."""
    for signal, y in reading.shares.items():
        count(rollout, signal, y, candidate)
    for signal, value in reading.numbers.items():
        number = rollout.numbers.get(signal) or rollout.numbers.setdefault(signal, Number())
        histogram = number.other if candidate else number.base
        place = medians.place(value)
        histogram[place] = histogram.get(place, 0) + 1
    for tool in reading.tools:
        if tool in rollout.tools or len(rollout.tools) < TOOLS:
            rollout.tools.setdefault(tool, [0.0, 0.0])[candidate] += 1.0
    rollout.block.append(Placed(candidate, reading.shares, reading.numbers))
    if len(rollout.block) >= labels.BLOCK:
        close(rollout, rollout.block, settings)


def judge(rollout: Rollout, signal: str, y: float, candidate: bool, settings: RolloutSettings) -> None:
    """What was said of a run after it had closed."""
    count(rollout, signal, y, candidate)
    rollout.late.append(Placed(candidate, {signal: y}, {}))
    if len(rollout.late) >= labels.BLOCK:
        close(rollout, rollout.late, settings)


def count(rollout: Rollout, signal: str, y: float, candidate: bool) -> None:
    """Count one share of one side."""
    rate = rollout.rates.get(signal) or rollout.rates.setdefault(signal, Rate())
    side = rate.other if candidate else rate.base
    side[0] += y
    side[1] += 1.0


def drawn(item: Waiting, every: int) -> bool:
    """Whether a run, or its session, is the one of so many that counts: by its name, so whatever came of it."""
    return every == 1 or crc32((item.session or item.reading.run).encode()) % every == 0


def close(rollout: Rollout, block: list[Placed], settings: RolloutSettings) -> None:
    """Bet on a block, and empty it (in place)."""
    lot = settings.randomised != "no"
    for signal in sorted({name for placed in block for name in placed.shares}):
        mine = [placed.candidate for placed in block if signal in placed.shares]
        scores = [placed.shares[signal] for placed in block if signal in placed.shares]
        rate = rollout.rates[signal]
        if all(mine) and not lot:
            _add(rate.logs, past.log_bets(rate.base[0], rate.base[1], scores))
        else:
            _add(rate.logs, labels.log_bets(scores, mine, labels.SLOPES, 0.0 if lot else _TOLERATED))
    for signal in sorted({name for placed in block for name in placed.numbers}):
        number = rollout.numbers[signal]
        there = [placed for placed in block if signal in placed.numbers]
        mine = [placed.candidate for placed in there]
        if all(mine) and not lot:
            if sum(number.base.values()) >= past.KNOWN:
                values = [placed.numbers[signal] for placed in there]
                bound = settings.factor * medians.median(number.base)
                _add(number.up, past.log_bets_beyond(values, bound * math.sqrt(medians.RATIO), above=True))
                _add(number.down, past.log_bets_beyond(values, bound / math.sqrt(medians.RATIO), above=False))
            continue
        values = [p.numbers[signal] * (1.0 if p.candidate else settings.factor) for p in there]
        _add(number.up, labels.log_bets(labels.ranks(values), mine, labels.RANK_SLOPES))
        # What is just at the factor is allowed, and so is nothing against nothing: it speaks for "no worse".
        allowed = [v if own else math.nextafter(v, math.inf) for v, own in zip(values, mine, strict=True)]
        below = [1.0 - place for place in labels.ranks(allowed)]
        _add(number.down, labels.log_bets(below, mine, labels.RANK_SLOPES))
    rollout.bets += 1
    block.clear()


def _add(logs: list[float], more: list[float]) -> None:
    for index, log in enumerate(more):
        logs[index] += log
