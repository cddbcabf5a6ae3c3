"""Learning what is normal for one channel: values are collected until there are enough.

Not here: what becomes of them then (`cells`, `shares`).

Invariant: a learner holds at most `LIVE` numbers, or `KNOWN` categories.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import Final, cast

from msgspec import Struct

from detectors.drift.channels import Kind, Value

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


def parts(kind: Kind, values: Sequence[Value]) -> list[tuple[str | int, float]]:
    """Names with their parts of a run, run by run."""
    if kind == "category":
        return [(value[:LONGEST] if isinstance(value, str) else cast(int, value), 1.0) for value in values]
    if kind == "rate":
        return [("", cast(float, value)) for value in values]
    return [(name[:LONGEST], part) for value in values for name, part in cast("dict[str, float]", value).items()]


class Numbers(Struct):
    """Collects a number; the oldest of more than `LIVE` are overwritten."""

    values: array[float]
    n: int = 0

    def extend(self, values: Sequence[float]) -> None:
        """More values, in the order in which they came."""
        free = max(LIVE - self.n, 0)
        self.values.extend(values[:free])
        for i, value in enumerate(values[free:], start=max(self.n, LIVE)):
            self.values[i % LIVE] = value
        self.n += len(values)


class Shares(Struct):
    """Collects categories, shares or a rate: `sums` per category (a rate has the one category "")."""

    sums: dict[str | int, float]
    n: int = 0
    met: float = 0.0
    """Parts of runs that went to categories beyond `KNOWN`."""

    def extend(self, parts: Iterable[tuple[str | int, float]], runs: int) -> None:
        """More runs: names with their parts of a run, in the order in which they came."""
        sums = self.sums
        for name, part in parts:
            if name in sums:
                sums[name] += part
            elif len(sums) < KNOWN:
                sums[name] = part
            else:
                self.met += part
        self.n += runs
