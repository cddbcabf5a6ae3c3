"""Learning what is normal for one channel: values are collected until there are enough.

Not here: what becomes of them then (`cells`, `shares`).

Invariant: a learner holds at most `LIVE` numbers, or `KNOWN` categories.
"""

from __future__ import annotations

from array import array
from typing import Final

from msgspec import Struct

LIVE: Final = 200
"""Observations before a channel is bet on; of numbers, the latest so many are kept."""
INHERITED: Final = 2_000
"""At most so many runs of another slice's experience does a new one start with."""
KNOWN: Final = 64
"""Categories remembered per channel; more are counted together as never seen twice."""
NAMED: Final = 7
"""Categories with a cell of their own; the rest share one, what was never seen has the last."""
NAMED_OF_SETS: Final = 24
"""The same of sets, whose names do not share one whole: a tool of twenty is as much a change as one of three."""
LONGEST: Final = 64
"""Characters of a category that are kept."""


class Numbers(Struct):
    """Collects a number; the oldest of more than `LIVE` are overwritten."""

    values: array[float]
    n: int = 0


class Shares(Struct, array_like=True):
    """Collects categories, shares or a rate: `sums` per category (a rate has the one category "")."""

    sums: dict[str | int, float]
    n: int = 0
    met: float = 0.0
    """Parts of runs that went to categories beyond `KNOWN`."""
