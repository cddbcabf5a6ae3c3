"""How memory grows: one slope for all lives of all processes, after the start of each."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.soak.cluster import Life

WARM_SECONDS = 120.0
"""Of each life left out: imports, recovery, first fetches, the first runs that are remembered."""
LEAST_SECONDS = 120.0
"""A life that was measured for less says nothing of growth."""


def slope(lives: Sequence[Life]) -> float | None:
    """MiB per hour by least squares, each life with a level of its own; None where no life was long enough."""
    above = below = 0.0
    for life in lives:
        points = [(at, size) for at, size in life.rss if at >= WARM_SECONDS]
        if not points or points[-1][0] - points[0][0] < LEAST_SECONDS:
            continue
        middle = sum(at for at, _ in points) / len(points)
        level = sum(size for _, size in points) / len(points)
        above += sum((at - middle) * (size - level) for at, size in points)
        below += sum((at - middle) ** 2 for at, _ in points)
    return above / below * 3600.0 / 2**20 if below else None


def most(lives: Sequence[Life]) -> float:
    """The largest resident size, MiB."""
    return max((size for life in lives for _, size in life.rss), default=0) / 2**20


def measured_seconds(lives: Sequence[Life]) -> float:
    """How long processes were watched in all, of lives that were long enough and without their starts."""
    watched = [life.rss[-1][0] - WARM_SECONDS for life in lives if life.rss]
    return sum(seconds for seconds in watched if seconds >= LEAST_SECONDS)
