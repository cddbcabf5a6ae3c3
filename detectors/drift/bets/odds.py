"""Bets on the share of one category: its odds times r, in both directions, longer ones where it is rare.

L = (1 + (r - 1) y) / (1 + (r - 1) p*) for y in [0, 1], the category's part of the run (0 or 1 for a plain category).
For r > 1 p* is the upper end of the tolerance band and E[L] <= 1 for every conditional mean at or below it; for r < 1
it is the lower end, and the same holds for every mean at or above it (T5). Where y is 0 or 1 this is the likelihood
ratio of odds times r. The longest odds on a category never seen, 128 at most, stand for the novelty bet .1 p^-.9 of
detection.md 3f, which needs a first sighting to be worth more than the account.
"""

from __future__ import annotations

from typing import Final

from detectors.drift.bets.band import band

BETS: Final = 4
_USUAL = (2.5, 8.0, 0.4, 0.05)
_RARE = (2.5, 8.0, 32.0, 128.0)
_RARE_BELOW: Final = 0.02


def bets(
    p: float, n: float, tolerance: float, harmless: float = 0.0, declared: float | None = None
) -> tuple[list[float], list[float]]:
    """`slopes` r - 1 and `scales` 1 / (1 + (r - 1) p*), so that L = (1 + slope * y) * scale.

    Arguments as in `band`; where no fall is a change, all bets are on more.
    """
    low, high = band(p, n, tolerance, harmless, declared)
    normal = p if declared is None else declared
    slopes = [ratio - 1.0 for ratio in (_RARE if normal < _RARE_BELOW or not low else _USUAL)]
    return slopes, [1.0 / (1.0 + slope * (high if slope > 0.0 else low)) for slope in slopes]
