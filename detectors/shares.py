"""Splitting a budget over keys that come and go, without a list in advance.

Within an epoch the known keys share all but a reserve equally; the i-th newcomer of the epoch (i = 1, 2, …) gets
reserve / (i * (i + 1)). Those sum to the reserve for any number of newcomers, so the whole is never exceeded, and each
share is fixed before the key's first observation. At the next epoch newcomers are known.
"""

from __future__ import annotations

RESERVE = 0.25


def known_share(known: int) -> float:
    """The share of each of `known` keys."""
    return (1.0 - RESERVE) / known if known else 0.0


def newcomer_share(known: int, index: int) -> float:
    """The share of the `index`-th newcomer (from 1) of an epoch that began with `known` keys."""
    reserve = RESERVE if known else 1.0
    return reserve / (index * (index + 1))
