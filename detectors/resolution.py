"""Resolution by evidence: the recursion the other way round.

While a node fires, the null is "still at or above `after`"; the bet is on the reference. For y in [0, 1] with mean at
or above `after`, L = 1 + slope * (after - y) with slope = (after - reference) / (after * (1 - after)) is an e-value,
the likelihood ratio where y is 0 or 1. Resolved when (R + DRIP) * L reaches 20: while the fault lasts, a false
resolution comes at most once in 20 / DRIP = 400 runs on average.
"""

from __future__ import annotations

RESOLVED = 20.0
DRIP = 0.05
_CLOSEST = 1.5
"""`after` is taken at least this factor above the reference, so that there is something to tell apart."""


def level(reference: float, after: float) -> float:
    """The rate that must be refuted, in (reference, 1)."""
    return min(max(after, min(reference * _CLOSEST, (1.0 + reference) / 2.0)), 0.99)


def step(evidence: float, y: float, reference: float, after: float) -> float:
    """The evidence for "back to the reference" after one observation; at `RESOLVED` it is enough."""
    slope = (after - reference) / (after * (1.0 - after))
    return (evidence + DRIP) * max(1.0 + slope * (after - y), 0.0)
