"""Medians of numbers, with intervals that hold at any look, from a histogram with logarithmic bins.

An edge is above the median once so many values lie at or below it that a fair coin is ruled out (the KT mixture against
one half), and below it once so few do. Ends are edges of bins, so they are on the safe side.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from detectors.arms.shares import log_mixture

RATIO: Final = 1.05
"""Width of a bin: medians are right within 5 %."""
LOWEST: Final = -300
"""The bin of zero and of what is smaller than 1.05 ** -299, about half a millionth."""
HIGHEST: Final = 500
"""The bin of what is larger than 1.05 ** 499, about 4e10."""
_STEP: Final = math.log(RATIO)


def place(value: float) -> int:
    """The bin of a number; negative ones count as zero."""
    if value <= 0.0:
        return LOWEST
    return min(max(math.ceil(math.log(value) / _STEP), LOWEST + 1), HIGHEST)


def upper_edge(bin_: int) -> float:
    """The largest number of a bin."""
    return 0.0 if bin_ == LOWEST else RATIO**bin_


def median(histogram: Mapping[int, int]) -> float:
    """The middle of the bin that holds the median; 0 where there is nothing."""
    half = sum(histogram.values()) / 2.0
    seen = 0
    for bin_ in sorted(histogram):
        seen += histogram[bin_]
        if seen >= half:
            return 0.0 if bin_ == LOWEST else RATIO ** (bin_ - 0.5)
    return 0.0


def interval(histogram: Mapping[int, int], alpha: float) -> tuple[float, float]:
    """Numbers between which the median lies, at any look; infinity while nothing is ruled out."""
    n = sum(histogram.values())
    least = math.log(2.0 / alpha)
    low, high, seen = 0.0, math.inf, 0
    for bin_ in sorted(histogram):
        seen += histogram[bin_]
        ruled_out = log_mixture(seen, n) + n * math.log(2.0) >= least
        if ruled_out and 2 * seen < n:
            low = upper_edge(bin_)
        elif ruled_out and high == math.inf:
            high = upper_edge(bin_)
    return low, high


def difference(base: Mapping[int, int], other: Mapping[int, int], alpha: float) -> tuple[float, float]:
    """Bounds of the difference of medians (other minus base), at any look."""
    (a, b), (c, d) = interval(base, alpha / 2.0), interval(other, alpha / 2.0)
    return c - b, d - a
