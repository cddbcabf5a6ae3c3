"""The tolerance band: which probabilities are still "nothing changed", given a learned one.

A learned probability is off by its standard error and a harmless move of `tolerance` in odds is nobody's business; the
band has room for both. It makes the learned reference safe, not exact: `STANDARD_ERRORS` is calibrated by simulation.
"""

from __future__ import annotations

import math

STANDARD_ERRORS = 1.0


def band(p: float, n: float, tolerance: float) -> tuple[float, float]:
    """Lowest and highest probability that is no change; `p` in (0, 1) was learned from `n` runs."""
    error = STANDARD_ERRORS * math.sqrt(p * (1.0 - p) / n)
    low, high = p - error, p + error
    low = p / 2.0 if low < p / 2.0 else low
    high = (1.0 + p) / 2.0 if high > (1.0 + p) / 2.0 else high
    low_odds, high_odds = low / (1.0 - low) / tolerance, high / (1.0 - high) * tolerance
    return low_odds / (1.0 + low_odds), high_odds / (1.0 + high_odds)
