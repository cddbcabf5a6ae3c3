"""What is normal for a node: declared by the owner, or learned from its own runs before the present one.

Learned: p = (k + 1/2) / (n + 1), clipped to [0.001, 0.9]; live after 200 runs or 20 failures. A budget is proved for
declared references and calibrated, not proved, for learned ones.

The latest runs, up to a fifth of all, wait in a block of their own and are not part of the reference until it is full:
what a fault does to the reference would hide it. From 2 to 6 %, at one false alarm in 100,000 runs, the mean delay is
1.18 times that of the optimal CUSUM, and was 1.32 with every run counted at once (`benchmarks/detection/delay.py`).

A young reference may be low by chance: of tools that fail in 1 % of their calls, one in eight has not failed in its
first 200. What then looks like a fault is held back (`monitor.evidence.within.node`), so that nothing sets it right; of
such tools one in 134 paged within 3,000 runs, 25 times what 1e-7 a run had dripped. So a stretch that is held back is
judged as if there had been 3 failures before it in place of the half: much for a young node, nothing for an old. Not
while the latest ones come close together: that is seldom chance, and must be found soon. With it, one in 1,400
(`benchmarks/detection/young.py`).
"""

from __future__ import annotations

from typing import Final

LIVE_RUNS: Final = 200
LIVE_FAILURES: Final = 20.0
LOWEST: Final = 0.001
HIGHEST: Final = 0.9
PRIOR: Final = 0.5
"""Failures that every reference starts from."""
SUSPECTED_PRIOR: Final = 3.0
"""Failures that stand in place of the half while a stretch is held back."""
LATE_PART: Final = 0.2
"""The latest runs are counted once they are this part of all, and at least so many:"""
LATE_RUNS: Final = 20.0
INHERITED_RUNS: Final = 2_000.0
"""At most so many runs of its parent's experience a new leaf starts with."""


def learned(failures: float, runs: float) -> float:
    """The learned rate from `failures` among `runs`, both before the run that is judged."""
    return _clipped((failures + PRIOR) / (runs + 1.0))


def suspected(failures: float, runs: float) -> float:
    """The rate by which a stretch that is held back is judged, from what came before it."""
    return _clipped((failures + SUSPECTED_PRIOR) / (runs + 1.0))


def is_full(late: float, runs: float) -> bool:
    """Whether the block of the `late` newest of `runs` is full, and counts from now on."""
    return late >= LATE_RUNS and late >= LATE_PART * runs


def is_live(failures: float, runs: float) -> bool:
    """Whether enough was seen to judge by."""
    return runs >= LIVE_RUNS or failures >= LIVE_FAILURES


def waiting_for(failures: float, runs: float) -> str:
    """What a node that warms up still needs, as words."""
    return f"warming up: {int(failures)} of about {int(LIVE_FAILURES)} failures or {int(runs)} of {LIVE_RUNS} runs seen"


def inherited(failures: float, runs: float) -> tuple[float, float]:
    """Counts that a new leaf takes over from its parent: the same rate, from a bounded number of runs."""
    if runs <= INHERITED_RUNS:
        return failures, runs
    return failures * INHERITED_RUNS / runs, INHERITED_RUNS


def _clipped(rate: float) -> float:
    if rate < LOWEST:
        return LOWEST
    return rate if rate < HIGHEST else HIGHEST
