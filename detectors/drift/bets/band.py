"""The tolerance band: which probabilities are still "nothing changed", given a learned one.

A learned probability is off by its standard error and a harmless move of `tolerance` in odds is nobody's business; the
band has room for both. It makes the learned reference safe, not exact: `STANDARD_ERRORS` is calibrated by simulation.
"""

from __future__ import annotations

import math

STANDARD_ERRORS = 1.0
KNOWN = 200.0
"""Runs from which on a fall is compared with what was learned, where the most that is normal is declared."""


def band(
    p: float, n: float, tolerance: float, harmless: float = 0.0, declared: float | None = None
) -> tuple[float, float]:
    """Lowest and highest probability that is no change; `p` in (0, 1) was learned from `n` runs.

    `harmless` and `declared` as in `detectors.drift.Channel`; a lowest of 0 means that no fall is a change.
    """
    error = STANDARD_ERRORS * math.sqrt(p * (1.0 - p) / n)
    low, high = p - error, p + error
    low = p / 2.0 if low < p / 2.0 else low
    high = (1.0 + p) / 2.0 if high > (1.0 + p) / 2.0 else high
    low_odds, high_odds = low / (1.0 - low) / tolerance, high / (1.0 - high) * tolerance
    low, high = low_odds / (1.0 + low_odds), high_odds / (1.0 + high_odds)
    if declared is not None:
        odds = declared / (1.0 - declared) * tolerance
        low, high = (low if n > KNOWN else 0.0), odds / (1.0 + odds)
    elif harmless:
        high = max(high, harmless)
    return (0.0 if harmless else low), high
