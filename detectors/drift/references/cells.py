"""The cells of a number: learned values cut into a few ranges, with the mass that was seen in each."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

import numpy as np
from mypy_extensions import mypyc_attr

from detectors.drift.bets.shapes import CELLS

_QUANTILES: Final[list[float]] = [0.1, 0.25, 0.5, 0.75, 0.9, 0.97, 0.99]
_PARTED: Final = 4
"""Numbers with at most so many values have cells for what lies between them, too."""
_LISTED: Final = 8
"""Numbers with at most so many values have a cell for each."""
_BITS: Final = 24
_LEAST: Final = 2.0**-149
"""Of a number of 32 bits, those of its mantissa; the smallest one that is not zero."""


@mypyc_attr(acyclic=True)
class Cells:
    """A number's reference: ascending `edges` (cell i holds what is above i of them), `counts` per cell, `median`.

    `gaps`: cells between two known values. `few`: whether each value has its own cell.
    """

    def __init__(self, edges: list[float], gaps: list[bool], counts: list[int], median: float, few: bool) -> None:
        self.edges = edges
        self.gaps = gaps
        self.counts = counts
        self.median = median
        self.few = few


def cells_of(values: array[float]) -> Cells:
    """Cut learned values (of 32 bits) into cells: one per value where there are few, at quantiles elsewhere.

    Ties make fewer cells, each with the mass that was seen in it; the first and the last hold what lies outside.
    """
    ordered: list[float] = np.sort(np.frombuffer(values, np.float32)).tolist()
    size = len(ordered)
    distinct: list[float] = ordered[:1]
    for value in ordered:
        if value != distinct[-1]:
            distinct.append(value)
            if len(distinct) > _LISTED:
                break
    edges: list[float] = []
    parted = len(distinct) <= _PARTED
    if parted:
        for value in distinct:
            edges += [below(value), value]
    elif len(distinct) <= _LISTED:
        edges = [below(distinct[0]), *distinct]
    else:
        edges = [below(distinct[0])]
        for quantile in _QUANTILES:
            edge = ordered[int(quantile * size)]
            if edge > edges[-1]:
                edges.append(edge)
        if ordered[-1] > edges[-1]:
            edges.append(ordered[-1])
    assert len(edges) < CELLS
    counts: list[int] = []
    before = 0
    for edge in edges:
        up_to = bisect_right(ordered, edge)
        counts.append(up_to - before)
        before = up_to
    counts.append(size - before)
    gaps = [parted and 0 < i < len(edges) and i % 2 == 0 for i in range(len(edges) + 1)]
    return Cells(edges, gaps, counts, ordered[size // 2], len(distinct) <= _LISTED)


def masses_of(counts: Sequence[float]) -> list[float]:
    """Probabilities of cells from their counts, smoothed by one half each (KT)."""
    whole = sum(counts) + 0.5 * len(counts)
    return [(count + 0.5) / whole for count in counts]


def below(value: float) -> float:
    """The next smaller number of 32 bits; of zero the one that is next to it. `value` is one of them, and not as small
    as those that have fewer bits (`memory.SMALLEST`)."""
    if value == 0.0:
        return -_LEAST
    part, power = math.frexp(value)
    # just below a power of two they lie twice as close
    return value - math.ldexp(1.0, power - (_BITS + 1 if part == 0.5 else _BITS))
