"""What was counted up to when: running sums of a node at ticks, so that any stretch up to now can be counted later.

Recent ticks are kept one by one, older ones thinned out in proportion to their age, so a node has few rows however old
it is. A stretch is then counted from a little before its start.
"""

from __future__ import annotations

import math
from typing import Final

ROWS: Final = 40
"""More: the row is dropped whose loss leaves the smallest gap for its age."""

Counts = tuple[float, float, float]
"""Observations, bad ones, and how many of them were expected to be bad."""


def note(past: list[list[float]], now: float, counts: Counts) -> None:
    """Add what one tick brought."""
    n, bad, expected = counts
    if past:
        last = past[-1]
        past.append([now, last[1] + n, last[2] + bad, last[3] + expected])
    else:
        past.append([now, n, bad, expected])
    if len(past) > ROWS:
        smallest, found = math.inf, 1
        for at in range(1, len(past) - 1):
            gap = _gap(past, at, now)
            if gap < smallest:
                smallest, found = gap, at
        del past[found]


def since(past: list[list[float]], start: float) -> Counts:
    """What the ticks at and after `start` brought."""
    if not past:
        return (0.0, 0.0, 0.0)
    last = past[-1]
    for row in reversed(past):
        if row[0] < start:
            return (last[1] - row[1], last[2] - row[2], last[3] - row[3])
    return (last[1], last[2], last[3])


def _gap(past: list[list[float]], i: int, now: float) -> float:
    before = past[i - 1][0]
    return (past[i + 1][0] - before) / (now - before)
