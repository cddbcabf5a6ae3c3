"""Learning what is normal for one channel: values are collected until there are enough, then become cells.

Not here: the tables of bets. Invariant: a learner holds at most `LIVE` numbers, or `KNOWN` categories.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from msgspec import Struct

from detectors.drift.bets.shapes import CELLS

LIVE: Final = 200
"""Observations before a channel is bet on; of numbers, the latest so many are kept."""
INHERITED: Final = 2_000
"""At most so many runs of another slice's experience does a new one start with."""
KNOWN: Final = 64
"""Categories remembered per channel; more are counted together as never seen twice."""
NAMED: Final = 7
"""Categories with a cell of their own; the rest share one, what was never seen has the last."""
LONGEST: Final = 64
"""Characters of a category that are kept."""

_QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.97, 0.99)
_PARTED: Final = 4
"""Numbers with at most so many values have cells for what lies between them, too."""
_LISTED: Final = 8
"""Numbers with at most so many values have a cell for each."""


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


class Cells(Struct):
    """A number's reference: ascending `edges` (cell i holds what is above i of them), `counts` per cell, `median`."""

    edges: list[float]
    gaps: list[bool]
    counts: list[int]
    median: float
    few: bool
    """Whether each value has its own cell."""


def cells_of(values: array[float]) -> Cells:
    """Cut learned values into cells: one per value where there are few, at quantiles elsewhere.

    Ties make fewer cells, each with the mass that was seen in it; the first and the last hold what lies outside.
    """
    ordered = np.sort(np.array(values, dtype=np.float32))
    distinct = np.unique(ordered)
    edges: list[float] = []
    parted = len(distinct) <= _PARTED
    if parted:
        for value in distinct:
            edges += [below(float(value)), float(value)]
    elif len(distinct) <= _LISTED:
        edges = [below(float(distinct[0])), *map(float, distinct)]
    else:
        edges = [below(float(distinct[0]))]
        for quantile in _QUANTILES:
            edge = float(ordered[int(quantile * len(ordered))])
            if edge > edges[-1]:
                edges.append(edge)
        if float(ordered[-1]) > edges[-1]:
            edges.append(float(ordered[-1]))
    assert len(edges) < CELLS
    above = (ordered[:, None] > np.array(edges, dtype=np.float32)[None, :]).sum(axis=1)
    counts: list[int] = np.bincount(above, minlength=len(edges) + 1).tolist()
    gaps = [parted and 0 < i < len(edges) and i % 2 == 0 for i in range(len(edges) + 1)]
    return Cells(edges, gaps, counts, float(ordered[len(ordered) // 2]), len(distinct) <= _LISTED)


def masses_of(counts: list[float]) -> list[float]:
    """Probabilities of cells from their counts, smoothed by one half each (KT)."""
    whole = sum(counts) + 0.5 * len(counts)
    return [(count + 0.5) / whole for count in counts]


def below(value: float) -> float:
    """The next smaller number of 32 bits."""
    return float(np.nextafter(np.float32(value), np.float32(-np.inf), dtype=np.float32))
