"""Which version do the bad runs belong to? Bets on the labels of a block of runs, given what the runs did.

Runs are given to baseline or candidate by lot. If both do alike, then within a block every way of handing out the
labels is equally likely, whatever the runs did, whatever happened to both at that time, and whatever the share of the
candidate is. With scores s (higher is worse) and B the candidate's runs of the block,

    L = exp(slope * sum of s over B) / mean of the same over all sets as large as B

has mean one: T9 with the block's own labels in place of a known share. For outcomes 0 and 1 it is the likelihood ratio
of Fisher's noncentral hypergeometric law with odds ratio e^slope. L falls when a bad run of the candidate becomes a
good one, so it stays an e-value if the candidate is better. Products over blocks are looked at after each block, and
nothing changes in between: the test holds at any look.

Measured (`benchmarks/bench_rollouts.py`): 5 against 15 % failures, half each, alpha 0.01: a median of 340 runs; bets
that know the share take 341.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from librt.vecs import vec
from mypy_extensions import i64

BLOCK: Final = 20
"""Runs of a block. A shorter one says sooner what it says, and less: a part of 1 / BLOCK is lost."""
SLOPES: Final[list[float]] = [math.log(1.6), math.log(2.5), math.log(4.0), math.log(8.0)]
"""Bets on shares, as logs of odds ratios."""
RANK_SLOPES: Final[list[float]] = [1.0, 3.0, 0.0, 0.0]
"""Bets on numbers, whose scores are ranks in the block, 0 … 1; as many, the last two of them unused."""
WEIGHTS: Final[list[float]] = [0.2, 0.35, 0.35, 0.1]
RANK_WEIGHTS: Final[list[float]] = [0.5, 0.5, 0.0, 0.0]


def log_bets(
    scores: Sequence[float], candidate: Sequence[bool], slopes: Sequence[float], null: float = 0.0
) -> list[float]:
    """log L per slope, nats, for one block.

    `null`: the log odds ratio that is still no worse (for scores 0 and 1); then the law of the labels is that with this
    odds ratio, which is exact while the rates stand still within the block.
    """
    size = sum(candidate)
    if size in (0, len(scores)) or min(scores) == max(scores):
        return [0.0] * len(slopes)
    theirs = sum((s for s, mine in zip(scores, candidate, strict=True) if mine), 0.0)
    base = _log_mean(scores, size, null) if null else 0.0
    return [slope * theirs - _log_mean(scores, size, null + slope) + base if slope else 0.0 for slope in slopes]


def ranks(values: Sequence[float]) -> list[float]:
    """Places of values among each other, 0 … 1; equal ones share the middle of their places."""
    order = sorted(range(len(values)), key=lambda index: values[index])
    found = [0.0] * len(values)
    first = 0
    while first < len(order):
        last = first
        while last + 1 < len(order) and values[order[last + 1]] == values[order[first]]:
            last += 1
        for place in range(first, last + 1):
            found[order[place]] = (first + last) / 2.0 / max(len(values) - 1, 1)
        first = last + 1
    return found


def evidence(logs: Sequence[float], weights: Sequence[float]) -> float:
    """The mixture of the bets: an e-value. Infinite evidence is cut at e^300."""
    return sum((w * math.exp(min(log, 300.0)) for log, w in zip(logs, weights, strict=True) if w), 0.0)


def information(base: float, candidate: float, share: float) -> float:
    """Nats that one run of either version brings on average, if these are the rates in (0, 1)."""
    pooled = (1.0 - share) * base + share * candidate
    return (1.0 - share) * _divergence(base, pooled) + share * _divergence(candidate, pooled)


def _divergence(p: float, q: float) -> float:
    return p * math.log(p / q) + (1.0 - p) * math.log((1.0 - p) / (1.0 - q))


def _log_mean(scores: Sequence[float], size: int, slope: float) -> float:
    """log of the mean of exp(slope * sum) over all sets of `size`: an elementary symmetric polynomial, term by term."""
    sums = vec[float]([0.0] * (size + 1))
    sums[0] = 1.0
    for score in scores:
        weight = math.exp(slope * score)
        taken: i64 = size
        while taken > 0:
            sums[taken] += weight * sums[taken - 1]
            taken -= 1
    return math.log(sums[size] / math.comb(len(scores), size))
