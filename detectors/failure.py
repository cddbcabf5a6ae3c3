"""Bets on failure rates: `y` in [0, 1] against a null mean `m`, all of the form L = 1 + slope * (y - m).

Valid for every conditional mean at or below `m`, without independence (T5). Two grids:

- `odds`: outcomes 0 or 1. Odds ratios 1.6, 2.5, 4, 8: q = odds(m) * r as a probability, L = q/m or (1-q)/(1-m).
- `bounded`: shares of a run. Slopes 1, 2.5, 5, 9, each at most 0.99/m.

Both have two longer bets for small references, with a tenth of the weight: with a reference of 0.3 % and a new share of
25 %, slopes up to 9 need 25 runs, slopes up to 0.99/m need 15.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

Grid = Literal["odds", "bounded"]
SIZE = 6
"""Bets per node, the two longer ones included."""

_RATIOS = (1.6, 2.5, 4.0, 8.0)
_LONG_RATIOS = (32.0, 128.0)
_SLOPES = (1.0, 2.5, 5.0, 9.0)
_SMALL = 0.05
"""Null means below this have the longer bets."""
_EQUAL = (0.25, 0.25, 0.25, 0.25, 0.0, 0.0)
LONG_WEIGHTS = (0.225, 0.225, 0.225, 0.225, 0.05, 0.05)
"""Weights of a node whose reference is small, and of parents, whose children may have any reference."""


class Bets(NamedTuple):
    """`slopes[j]` and `weights[j]` of the bets against the null mean `mean`."""

    mean: float
    slopes: tuple[float, ...]
    weights: tuple[float, ...]

    def values(self, y: float) -> list[float]:
        """The e-values L[j] of one observation `y` in [0, 1]."""
        gap = y - self.mean
        a, b, c, d, e, f = self.slopes
        return [1.0 + a * gap, 1.0 + b * gap, 1.0 + c * gap, 1.0 + d * gap, 1.0 + e * gap, 1.0 + f * gap]


def bets(grid: Grid, mean: float) -> Bets:
    """The bets against a null mean in (0, 1)."""
    small = mean < _SMALL
    if grid == "odds":
        # L = q/m for y = 1 is 1 + slope * (1 - m) with slope = (q - m) / (m * (1 - m)) = (r - 1) (1 + o) / (1 + r o)
        odds = mean / (1.0 - mean)
        whole = 1.0 + odds
        a, b, c, d = _RATIOS
        e, f = _LONG_RATIOS
        slopes = (
            (a - 1.0) * whole / (1.0 + a * odds),
            (b - 1.0) * whole / (1.0 + b * odds),
            (c - 1.0) * whole / (1.0 + c * odds),
            (d - 1.0) * whole / (1.0 + d * odds),
            (e - 1.0) * whole / (1.0 + e * odds) if small else 0.0,
            (f - 1.0) * whole / (1.0 + f * odds) if small else 0.0,
        )
    else:
        cap = 0.99 / mean
        a, b, c, d = _SLOPES
        if small:
            slopes = (a, b, c, d, math.sqrt(d * cap), cap)  # none of them reaches the cap
        else:
            slopes = (min(a, cap), min(b, cap), min(c, cap), min(d, cap), 0.0, 0.0)
    return Bets(mean, slopes, LONG_WEIGHTS if small else _EQUAL)


def tolerated(reference: float, tolerance: float) -> float:
    """The null mean: the reference moved by `tolerance` in odds. What lies within it is not worth a page."""
    odds = reference / (1.0 - reference) * tolerance
    return odds / (1.0 + odds)
