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
from collections.abc import Sequence
from typing import Final, Literal

from mypy_extensions import mypyc_attr

Grid = Literal["odds", "bounded"]
SIZE: Final = 6
"""Bets per node, the two longer ones included."""

_R0: Final = 1.6
_R1: Final = 2.5
_R2: Final = 4.0
_R3: Final = 8.0
_R4: Final = 32.0
_R5: Final = 128.0
RATIOS = (_R0, _R1, _R2, _R3, _R4, _R5)
"""Odds ratios of the bets on outcomes."""
_S0: Final = 1.0
_S1: Final = 2.5
_S2: Final = 5.0
_S3: Final = 9.0
SLOPES = (_S0, _S1, _S2, _S3)
"""Slopes of the bets on shares of a run, but for the two longer ones."""
_SMALL: Final = 0.0125
"""Null means below this have the longer bets: references up to 1 % with the default tolerance."""
LONG_WEIGHTS = (0.225, 0.225, 0.225, 0.225, 0.05, 0.05)
"""Weights of parents, whose children may have any reference."""


@mypyc_attr(acyclic=True)
class Weights:
    """The part of the drip that each bet gets; together at most one."""

    def __init__(self, w0: float, w1: float, w2: float, w3: float, w4: float, w5: float) -> None:
        self.w0, self.w1, self.w2, self.w3, self.w4, self.w5 = w0, w1, w2, w3, w4, w5

    @property
    def all(self) -> tuple[float, ...]:
        """One after the other."""
        return (self.w0, self.w1, self.w2, self.w3, self.w4, self.w5)


@mypyc_attr(acyclic=True)
class Bets:
    """The slope of each bet, `s0` … `s5`, against the null mean `mean`, and their weights.

    A plain class of floats, so that it compiles to a C struct. Only the logs are added to one that was made.
    """

    def __init__(
        self, mean: float, s0: float, s1: float, s2: float, s3: float, s4: float, s5: float, parts: Weights
    ) -> None:
        self.mean = mean
        self.s0, self.s1, self.s2, self.s3, self.s4, self.s5 = s0, s1, s2, s3, s4, s5
        self.parts = parts
        self.logged = False
        """Whether the logs of a good run, `g0` …, were worked out (`detectors.recursion.fixed_log`)."""
        self.g0, self.g1, self.g2, self.g3, self.g4, self.g5 = 0, 0, 0, 0, 0, 0

    @property
    def slopes(self) -> tuple[float, ...]:
        """The slope of each bet."""
        return (self.s0, self.s1, self.s2, self.s3, self.s4, self.s5)

    @property
    def weights(self) -> tuple[float, ...]:
        """The part of the drip that each bet gets."""
        return self.parts.all

    def values(self, y: float) -> list[float]:
        """The e-values L[j] of one observation `y` in [0, 1]."""
        gap = y - self.mean
        return [
            1.0 + self.s0 * gap, 1.0 + self.s1 * gap, 1.0 + self.s2 * gap,
            1.0 + self.s3 * gap, 1.0 + self.s4 * gap, 1.0 + self.s5 * gap,
        ]  # fmt: skip


EQUAL = Weights(0.25, 0.25, 0.25, 0.25, 0.0, 0.0)
SMALL_WEIGHTS = Weights(0.03, 0.04, 0.08, 0.1, 0.5, 0.25)


def bets(grid: Grid, mean: float) -> Bets:
    """The bets against a null mean in (0, 1)."""
    parts = SMALL_WEIGHTS if mean < _SMALL else EQUAL
    if grid == "odds":
        # L = q/m for y = 1 is 1 + slope * (1 - m) with slope = (q - m) / (m * (1 - m)) = (r - 1) (1 + o) / (1 + r o)
        odds = mean / (1.0 - mean)
        return Bets(
            mean, _slope(_R0, odds), _slope(_R1, odds), _slope(_R2, odds), _slope(_R3, odds), _slope(_R4, odds),
            _slope(_R5, odds), parts,
        )  # fmt: skip
    cap = 0.99 / mean
    longest = max(cap / _S3, 1.0)
    half = math.sqrt(longest)
    long, longer = _S3 * half, _S3 * half * math.sqrt(half)
    return Bets(
        mean, min(_S0, cap), min(_S1, cap), min(_S2, cap), min(_S3, cap), min(long, cap), min(longer, cap), parts
    )  # fmt: skip


def made(mean: float, slopes: Sequence[float], weights: Sequence[float]) -> Bets:
    """Bets of one's own, `SIZE` of each."""
    a, b, c, d, e, f = slopes
    u, v, w, x, y, z = weights
    return Bets(mean, a, b, c, d, e, f, Weights(u, v, w, x, y, z))


def _slope(ratio: float, odds: float) -> float:
    return (ratio - 1.0) * (1.0 + odds) / (1.0 + ratio * odds)


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
