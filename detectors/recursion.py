"""The node recursion: evidence times budget, paged when it reaches one.

    R[j] <- (R[j] + b * w[j]) * L[j];  page when sum(R) >= 1;  then R <- 0

`b` is the part of the owner's budget that was dripped since the last step (expected false pages), fixed before the
outcome is seen; `w` are the weights of the bets, at most one together; `L[j]` are e-values. Then the number of pages
minus the budget dripped is a supermartingale (T1): the expected number of false pages never exceeds the budget, at any
horizon and under any dependence between nodes. This is the Shiryaev-Roberts e-detector of Shin, Ramdas and Rinaldo
(arXiv 2203.03532) with a drip in time.

Invariant: 0 <= sum(R) < 1 after every step. Losing R costs power, never validity.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

PAGE: Final = 1.0
SCALE: Final = 1 << 32
"""Fixed-point units of log L: sums of integers do not depend on their order."""
LOG_CAP: Final = 60.0
"""Nats that one tick may add to a parent; more says nothing more."""


def step(evidence: list[float], bets: Sequence[float], weights: Sequence[float], drip: float) -> bool:
    """Advance `evidence` (J floats, in place) by one observation; True is a page, and evidence is zero again."""
    total = 0.0
    for j, bet in enumerate(bets):
        grown = (evidence[j] + drip * weights[j]) * bet
        evidence[j] = grown
        total += grown
    if total >= PAGE:
        for j in range(len(evidence)):
            evidence[j] = 0.0
        return True
    return False


def step_sums(evidence: list[float], sums: Sequence[int], weights: Sequence[float], drip: float) -> bool:
    """The same for a parent node: `sums` are the tick's sums of log L per bet, in units of 1 / SCALE."""
    bets = [math.exp(min(total / SCALE, LOG_CAP)) for total in sums]
    return step(evidence, bets, weights, drip)


def fixed(value: float) -> int:
    """A number in units of 1 / SCALE, halves up."""
    return math.floor(value * SCALE + 0.5)


def fixed_log(bet: float) -> int:
    """log L of one bet as an integer in units of 1 / SCALE, for parents to add up (T4: the same L at every level)."""
    return 0 if bet == 1.0 else math.floor(math.log(bet) * SCALE + 0.5)
