"""The same inputs given to both versions: bets on the difference within each pair.

    L = 1 + slope * (other - base),   other and base in [0, 1], slope < 1

has mean one at most while the candidate is not worse on average, whatever the inputs are and however they change:
exact, and at any look. The other way round, `1 + slope * (margin - difference) / (1 - margin)` is evidence that it is
no worse than the margin allows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

SLOPES: Final[list[float]] = [0.1, 0.3, 0.6, 0.9]
CELLS: Final = 20
"""Differences are counted in steps of 1 / CELLS, for the interval: down for its lower end, up for its upper end."""
_STEPS: Final = 16


def log_bets(gap: float) -> list[float]:
    """log L per slope of one pair whose badness differs by `gap` (candidate minus baseline, in [-1, 1])."""
    return [math.log(1.0 + slope * gap) for slope in SLOPES]


def evidence(logs: Sequence[float]) -> float:
    """The mixture of the bets: an e-value."""
    return sum((math.exp(min(log, 300.0)) for log in logs), 0.0) / len(logs)


def new_counts() -> list[int]:
    """No differences yet: a cell for each from -1 to 1."""
    return [0] * (2 * CELLS + 1)


def cell(gap: float) -> int:
    """The cell of a difference. What lies between two cells counts as the one below."""
    return min(max(math.floor(gap * CELLS + 1e-9) + CELLS, 0), 2 * CELLS)


def interval(counts: Sequence[int], alpha: float, exact: bool = True) -> tuple[float, float]:
    """Mean differences that are not ruled out. `exact`: every difference lay on a cell, else the upper end is moved.

    Each end is a test of its own, at half of `alpha`.
    """
    n = sum(counts)
    if not n:
        return -1.0, 1.0
    mean = sum((count * _value(index) for index, count in enumerate(counts)), 0.0) / n
    least = math.log(2.0 / alpha)
    low = _edge(counts, mean, -1.0, least)
    high = _edge(counts, mean, 1.0, least)
    return low, high if exact else min(high + 1.0 / CELLS, 1.0)


def against(counts: Sequence[int], gap: float) -> float:
    """The e-value against "the mean difference is at least `gap`"."""
    return math.exp(min(_log_evidence(counts, gap, -1.0), 300.0))


def _value(index: int) -> float:
    return (index - CELLS) / CELLS


def _log_evidence(counts: Sequence[int], mean: float, sign: float) -> float:
    """log e-value against "the mean is `mean`, or on the other side": differences above it (sign 1) or below it."""
    widest = 1.0 + sign * mean  # how far below the mean, seen from the side that is bet on, a difference can lie
    logs = [
        sum(
            (
                count * math.log(max(1.0 + slope * sign * (_value(index) - mean) / max(widest, 1e-9), 1e-300))
                for index, count in enumerate(counts)
                if count
            ),
            0.0,
        )
        for slope in SLOPES
    ]
    top = max(logs)
    return top + math.log(sum((math.exp(log - top) for log in logs), 0.0) / len(logs))


def _edge(counts: Sequence[int], inside: float, outside: float, least: float) -> float:
    sign = 1.0 if outside < inside else -1.0
    if inside == outside or _log_evidence(counts, outside, sign) < least:
        return outside
    for _ in range(_STEPS):
        middle = (inside + outside) / 2.0
        if _log_evidence(counts, middle, sign) < least:
            inside = middle
        else:
            outside = middle
    return outside
