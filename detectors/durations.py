"""Usual durations: a histogram with logarithmic bins, integers only, so that equal runs give equal quantiles.

Bins are powers of 2 ** (1/4) from 1 ms up: a quantile is right within 19 %. Bounded: `BINS` counters.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

BINS: Final = 96
_EDGES: Final[list[float]] = [0.001 * 2.0 ** (i / 4.0) for i in range(BINS - 1)]
ENOUGH: Final = 20
"""Durations below which no quantile is given."""


def new_histogram() -> list[int]:
    """No durations yet."""
    return [0] * BINS


def add(histogram: list[int], seconds: float) -> None:
    """Count one duration, in place."""
    histogram[bisect_left(_EDGES, seconds)] += 1


def quantile(histogram: list[int], share: float) -> float | None:
    """Upper edge, in seconds, of the bin that holds the quantile; None while too few durations are known."""
    total = sum(histogram)
    if total < ENOUGH:
        return None
    need = share * total
    seen = 0
    for i, count in enumerate(histogram):
        seen += count
        if seen >= need:
            return _EDGES[min(i, BINS - 2)]
    return _EDGES[-1]
