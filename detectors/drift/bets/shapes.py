"""Bets on the shape of a number's distribution over ordered cells: eight shapes, and two for what was never seen.

A cell stands at its mid-rank u in the reference, rounded to one of a few places; a bet j puts weight w[place, j] on it,
and L_j = w[cell, j] / sup of <w_j, p'> over all p' in the tolerance band, so E[L_j] <= 1 for every p' in the band.
The sup: with survival S_i = P(cell >= i), <w, p'> = w_0 + sum_i (w_i - w_{i-1}) S'_i is linear in S', and each S'_i of
the band lies between its own limits: take the upper one where the increment is positive, the lower one elsewhere. That
is the sup for monotone w, and not below it for the others. The two bets on what was never seen (below, above, and
between known values) are bets on one set of cells, and the band limits the odds of that set as well. Masses are
learned, atoms included (detection.md 9).

The shapes are likelihood ratios of a normal law moved (by 0.4 and 1.2), widened and narrowed (by 1.5), and of a heavier
tail of 3 % and 1 %. Weights are rounded to six digits, so that no last bit of an exp reaches a decision.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Final

import numpy as np
from mypy_extensions import i64

from detectors.drift.bets.band import band
from detectors.drift.references import memory

BETS: Final = 10
CELLS: Final = 10

_RANKS = (
    0.0025, 0.01, 0.02, 0.035, 0.06, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5,
    0.6, 0.7, 0.8, 0.85, 0.9, 0.94, 0.965, 0.98, 0.99, 0.9975,
)  # fmt: skip
_ODDS = tuple(rank / (1.0 - rank) for rank in _RANKS)
_SCORES = tuple(NormalDist().inv_cdf(rank) for rank in _RANKS)
_BEYOND: Final = 3.0
"""Normal score of what lies below or above everything seen."""
LOW, HIGH, GAP, SILENT = len(_RANKS), len(_RANKS) + 1, len(_RANKS) + 2, len(_RANKS) + 3
"""Places: below all, above all, between known values, and "no bet"."""
_UNSEEN_RATIO: Final = 64.0
_UNSEEN = (8, 9)


def _weights(score: float, tail: float) -> list[float]:
    """The eight shapes at a normal score; `tail` is the rank as far as tails are concerned."""
    out = 1.0 - 1.0 / 2.25
    found = [
        math.exp(0.4 * score),
        math.exp(1.2 * score),
        math.exp(-0.4 * score),
        math.exp(-1.2 * score),
        math.exp(score * score / 2.0 * out),
        math.exp(-score * score / 2.0 * 1.25),
        4.0 if tail > 0.96 else 0.91,
        7.0 if tail > 0.985 else 0.94,
    ]
    return [round(weight, 6) for weight in found]


def _table() -> np.ndarray:
    rows = [[*_weights(score, rank), 1.0, 1.0] for score, rank in zip(_SCORES, _RANKS, strict=True)]
    rows.append([*_weights(-_BEYOND, 0.0), _UNSEEN_RATIO, 1.0])
    rows.append([*_weights(_BEYOND, 1.0), 1.0, _UNSEEN_RATIO])
    rows.append([*_weights(0.0, 0.5), _UNSEEN_RATIO, _UNSEEN_RATIO])
    rows.append([1.0] * BETS)
    return np.array(rows)


WEIGHTS = _table()
"""Weight per place and bet; read only."""
WEIGHTS.flags.writeable = False
_WEIGHTS: Final = memory.floats(WEIGHTS.ravel().tolist())


def places(masses: Sequence[float], gaps: Sequence[bool]) -> list[int]:
    """The place of each cell; the first and the last cell are those below and above everything seen."""
    found, below = [], 0.0
    for i, mass in enumerate(masses):
        if i == 0:
            found.append(LOW)
        elif i == len(masses) - 1:
            found.append(HIGH)
        elif gaps[i]:
            found.append(GAP)
        else:
            found.append(_nearest(below + mass / 2.0))
        below += mass
    return found


def _nearest(rank: float) -> int:
    """The place that is nearest in odds, which are nearly normal scores and need no function; of two the lower."""
    odds = rank / (1.0 - rank)
    above = bisect.bisect_left(_ODDS, odds)
    if above == 0 or above == len(_ODDS):
        return min(above, len(_ODDS) - 1)
    return above if _ODDS[above] / odds < odds / _ODDS[above - 1] else above - 1


def suprema(where: Sequence[int], masses: Sequence[float], n: float, tolerance: float) -> list[float]:
    """Per bet the largest <w, p'> over the band; `masses` sum to one and are all positive."""
    size: i64 = len(where)
    rows = memory.indices(where)
    lows, highs = memory.filled(size, 0.0), memory.filled(size, 0.0)
    survival = 0.0
    at: i64 = size - 1
    while at > 0:
        survival += masses[at]
        low, high = band(min(survival, 1.0 - 1e-9), n, tolerance)
        lows[at], highs[at] = low, high
        at -= 1
    weights = _WEIGHTS
    found: list[float] = []
    for bet in range(BETS):
        column: i64 = bet
        if bet in _UNSEEN:
            unseen = 0.0
            for place, mass in zip(where, masses, strict=True):
                if weights[place * BETS + column] > 1.0:
                    unseen += mass
            found.append(1.0 + (_UNSEEN_RATIO - 1.0) * band(unseen, n, tolerance)[1])
            continue
        before = weights[rows[0] * BETS + column]
        total = before
        at = 1
        while at < size:
            weight = weights[rows[at] * BETS + column]
            step = weight - before
            total += step * (highs[at] if step > 0.0 else lows[at])
            before = weight
            at += 1
        found.append(total)
    return found
