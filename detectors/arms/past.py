"""The candidate against what was normal of the baseline, where no run of the baseline stands beside it.

Outcomes are bet on with the odds ratios of `labels`, against the learned reference with its tolerance; numbers by
whether they lie above (below) a multiple of the baseline's median. Calibrated, not proved: whatever else changed with
the version counts as its doing. Measured (`benchmarks/bench_rollouts.py`): where nothing changed, 0 to 1.3 % wrong
verdicts at alpha 1 %, over 3,000 runs, with references of 200 runs or more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from detectors import failure, reference
from detectors.arms import labels

TOLERANCE: Final = 1.25
"""Odds ratio within which the candidate may be worse than the baseline was."""
ERRORS: Final = 1.5
"""Standard errors by which a reference may be too low: it was learned from so many runs and no more."""
KNOWN: Final = 50
"""Numbers of the baseline that must be known before its median is a reference."""
NUMBER_SLOPES: Final[list[float]] = [0.6, 1.4, 0.0, 0.0]


def log_bets(bad: float, n: float, outcomes: Sequence[float]) -> list[float]:
    """log L per odds ratio of the candidate's outcomes, given `bad` among `n` of the baseline; zeros if too few."""
    logs = [0.0] * len(labels.SLOPES)
    if not reference.is_live(bad, n):
        return logs
    mean = null_mean(bad, n)
    for j, slope in enumerate(labels.SLOPES):
        ratio = math.exp(slope)
        odds = mean / (1.0 - mean)
        lean = (ratio - 1.0) * (1.0 + odds) / (1.0 + ratio * odds)
        logs[j] = sum((math.log(1.0 + lean * (y - mean)) for y in outcomes), 0.0)
    return logs


def null_mean(bad: float, n: float) -> float:
    """The most that is still no worse: the learned reference, `ERRORS` standard errors higher, with its tolerance."""
    rate = reference.learned(bad, n)
    rate = min(rate + ERRORS * math.sqrt(rate * (1.0 - rate) / n), reference.HIGHEST)
    return failure.tolerated(rate, TOLERANCE)


def log_bets_beyond(values: Sequence[float], bound: float, above: bool) -> list[float]:
    """log L of "more than half of the numbers lie above (below) the bound"; nothing lies above none, so 0 is below."""
    logs = [0.0] * len(NUMBER_SLOPES)
    for value in values:
        beyond = value > bound if above else value < bound or value <= 0.0
        for j, slope in enumerate(NUMBER_SLOPES):
            if slope:
                logs[j] += math.log(1.0 + slope * ((1.0 if beyond else 0.0) - 0.5))
    return logs
