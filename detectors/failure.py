"""Bets on failure rates: `y` in [0, 1] against a null mean `m`, all of the form L = 1 + slope * (y - m).

Valid for every conditional mean at or below `m`, without independence (T5). Two grids:

- `odds`: outcomes 0 or 1. Odds ratios 1.6, 2.5, 4, 8: q = odds(m) * r as a probability, L = q/m or (1-q)/(1-m).
- `bounded`: shares of a run. Slopes 1, 2.5, 5, 9, each at most 0.99/m.

Two longer bets (odds ratios 32 and 128; slopes 9 (0.11/m)^(1/2) and 9 (0.11/m)^(3/4)) get three quarters of the weight
where the null mean is small, below 1.25 %, and none elsewhere: a tool that failed in 0.3 % of its calls and now in a
quarter, one call a run, is found when its fourth call fails, after 14 runs; with slopes up to 9 alone it took 25. From
0.3 to 1 % takes a twentieth longer for it. They go on betting where they get no weight.
So slope * m never falls as m rises: where failures close before successes and are bet against an earlier, smaller mean,
the bets are still fair.
"""

from __future__ import annotations

import math
from typing import Literal

from msgspec import Struct

Grid = Literal["odds", "bounded"]
SIZE = 6
"""Bets per node, the two longer ones included."""

_RATIOS = (1.6, 2.5, 4.0, 8.0)
_LONG_RATIOS = (32.0, 128.0)
_SLOPES = (1.0, 2.5, 5.0, 9.0)
_SMALL = 0.0125
"""Null means below this have the longer bets: references up to 1 % with the default tolerance."""
_EQUAL = (0.25, 0.25, 0.25, 0.25, 0.0, 0.0)
_SMALL_WEIGHTS = (0.03, 0.04, 0.08, 0.1, 0.5, 0.25)
LONG_WEIGHTS = (0.225, 0.225, 0.225, 0.225, 0.05, 0.05)
"""Weights of parents, whose children may have any reference."""


class Bets(Struct, frozen=True, gc=False):
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
            (e - 1.0) * whole / (1.0 + e * odds),
            (f - 1.0) * whole / (1.0 + f * odds),
        )
    else:
        cap = 0.99 / mean
        a, b, c, d = _SLOPES
        longest = max(cap / d, 1.0)
        half = math.sqrt(longest)
        long, longer = d * half, d * half * math.sqrt(half)
        slopes = (min(a, cap), min(b, cap), min(c, cap), min(d, cap), min(long, cap), min(longer, cap))
    return Bets(mean, slopes, _SMALL_WEIGHTS if mean < _SMALL else _EQUAL)


def tolerated(reference: float, tolerance: float) -> float:
    """The null mean: the reference moved by `tolerance` in odds. What lies within it is not worth a page."""
    odds = reference / (1.0 - reference) * tolerance
    return odds / (1.0 + odds)


def surprise(bad: float, n: float, expected: float) -> float:
    """log likelihood of `bad` among `n` at their own rate, against that at the null's, nats."""
    if n <= 0.0:
        return 0.0
    null = min(max(expected / n, 1e-9), 1.0 - 1e-9)
    found = 0.0
    if bad > 0.0:
        found += bad * math.log(bad / n / null)
    if bad < n:
        found += (n - bad) * math.log((1.0 - bad / n) / (1.0 - null))
    return found
