"""The number channels of a bank, side by side in arrays: which cell a value falls in, and the e-values of all bets.

Values are rounded to 32 bits at the door, so that edges and values compare exactly. Only comparisons, table look-ups
and products run per run; tables change when a channel freezes its reference (`freeze`, `refresh`).

Invariant: a channel that is not live, or says nothing of a run, has e-values of exactly one.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from detectors.drift.bets import shapes
from detectors.drift.bets.shapes import BETS, CELLS, SILENT
from detectors.drift.plan import Plan
from detectors.drift.references import learning

WINDOW = 160
"""Runs whose cells are remembered, to date an onset; older ones count as the window's first."""
RECENT = 32
"""Runs whose values are remembered, to say a median; cells are counted into the reference in batches of so many."""
NONE = 255
HALVED_AT = 8_000
"""Runs in a reference; from there on it is halved and filled again, so that it follows slowly."""

_WEIGHTS = np.array(shapes.WEIGHTS)
_STRIDE = 16
"""Cells of a channel while they are counted; the last takes what is none."""


class NumberChannels:
    """The number channels of `plan`, in its order."""

    __slots__ = (
        "counts", "due", "edges", "few", "gaps", "highs", "learns", "live", "lows", "marks", "medians", "places",
        "plan", "recent", "scales",
    )  # fmt: skip

    def __init__(self, plan: Plan) -> None:
        size = len(plan.numbers)
        self.plan = plan
        self.live = [False] * size
        self.learns = [False] * size
        self.edges = np.full((CELLS - 1, size), np.inf, dtype=np.float32)
        self.places = np.full(size * CELLS, SILENT, dtype=np.uint8)
        self.scales = np.ones((size, BETS))
        self.counts = np.zeros((size, CELLS), dtype=np.uint32)
        self.due = np.zeros(size, dtype=np.uint32)
        """Runs in the reference at which the tables are made anew."""
        self.medians = np.zeros(size, dtype=np.float32)
        self.gaps = np.zeros((size, CELLS), dtype=bool)
        self.few = [False] * size
        """Whether it has so few values that each has its cell."""
        self.marks = np.full((WINDOW, size), NONE, dtype=np.uint8)
        self.recent = np.full((RECENT, size), np.nan, dtype=np.float32)
        self.lows = np.full(size, np.inf, dtype=np.float32)
        self.highs = np.full(size, -np.inf, dtype=np.float32)
        """Extremes since the tables were made, of runs that were counted."""

    def read(self, values: NDArray[np.float32], run: int, out: NDArray[np.float64]) -> None:
        """Mark the cells of one run's values (NaN: none) and write the e-values, (size, BETS), to `out`."""
        plan = self.plan
        bins = plan.bins
        np.greater(values, self.edges, out=plan.above)
        np.add.reduce(plan.counted, axis=0, dtype=np.uint8, out=bins)
        np.add(plan.first, bins, out=plan.rows)
        self.places.take(plan.rows, out=plan.where, mode="clip")
        _WEIGHTS.take(plan.where, axis=0, out=out, mode="clip")
        np.multiply(out, self.scales, out=out)
        squares = values.dot(values)
        if squares != squares:  # no other way to find a NaN is as quick; the sum itself decides nothing
            none = np.isnan(values)
            out[none] = 1.0
            bins[none] = NONE
        self.marks[run % WINDOW] = bins
        self.recent[run % RECENT] = values

    def count(self, first: int, end: int) -> None:
        """Count the cells of runs `first` to `end` (at most `RECENT`) into the references that learn."""
        runs = np.arange(first, end)
        block = np.minimum(self.marks[runs % WINDOW], _STRIDE - 1) + self.plan.first // CELLS * _STRIDE
        found = np.bincount(block.ravel(), minlength=len(self.live) * _STRIDE).reshape(-1, _STRIDE)[:, :CELLS]
        learns = np.array(self.learns)
        self.counts[learns] += found[learns].astype(np.uint32)
        values = self.recent[runs % RECENT]
        values[:, ~learns] = np.nan
        self.lows = np.fmin(self.lows, np.fmin.reduce(values, axis=0))
        self.highs = np.fmax(self.highs, np.fmax.reduce(values, axis=0))

    def ripe(self) -> list[int]:
        """Channels whose reference has grown enough to make new tables."""
        totals = self.counts.sum(axis=1, dtype=np.uint32)
        return [int(at) for at in np.flatnonzero(np.array(self.learns) & (totals >= self.due))]

    def inherit(self, channel: int, other: NumberChannels) -> None:
        """Take over another's reference, scaled down to `INHERITED` runs."""
        for mine, theirs in ((self.edges, other.edges), (self.medians, other.medians)):
            mine[..., channel] = theirs[..., channel]
        self.gaps[channel], self.few[channel] = other.gaps[channel], other.few[channel]
        self.counts[channel] = other.counts[channel]
        total = self.total(channel)
        if total > learning.INHERITED:
            self.counts[channel] = [int(count) * learning.INHERITED // total for count in self.counts[channel]]
        self.marks[:, channel] = NONE
        self.live[channel] = self.learns[channel] = True
        self._tables(channel)
        self.due[channel] = 2 * self.total(channel)

    def uncount(self, channel: int, cells: list[int]) -> None:
        """Take the runs of a changed stretch out of the reference."""
        for cell in cells:
            if cell != NONE and self.counts[channel, cell]:
                self.counts[channel, cell] -= 1

    def cells(self, channel: int) -> int:
        """Cells in use."""
        return int(np.isfinite(self.edges[:, channel]).sum()) + 1

    def total(self, channel: int) -> int:
        """Runs in the reference."""
        return int(self.counts[channel].sum())

    def freeze(self, channel: int, values: array[float]) -> None:
        """Make learned values the reference."""
        found = learning.cells_of(values)
        self.edges[:, channel] = np.inf
        self.edges[: len(found.edges), channel] = found.edges
        self.counts[channel] = 0
        self.counts[channel, : len(found.counts)] = found.counts
        self.medians[channel] = found.median
        self.few[channel] = found.few
        self.marks[:, channel] = NONE
        self.live[channel] = self.learns[channel] = True
        self.gaps[channel] = False
        self.gaps[channel, : len(found.gaps)] = found.gaps
        self._tables(channel)
        self.due[channel] = 2 * self.total(channel)

    def refresh(self, channel: int, held_back: list[int]) -> None:
        """Make the tables from what was counted since, but not from the cells of a suspicious stretch."""
        self.uncount(channel, held_back)
        self._widen(channel)
        self._tables(channel)
        for cell in held_back:
            if cell != NONE:
                self.counts[channel, cell] += 1
        total = self.total(channel)
        if total >= HALVED_AT:
            self.counts[channel] //= 2
            self.due[channel] = HALVED_AT
        else:
            self.due[channel] = min(2 * total, HALVED_AT)

    def latest(self, channel: int, first: int, end: int) -> list[float]:
        """The values of runs `first` to `end`, of the last `RECENT` at most, in ascending order."""
        values = [float(self.recent[run % RECENT, channel]) for run in range(max(first, end - RECENT), end)]
        return sorted(value for value in values if value == value)

    def drop(self, channel: int) -> None:
        """Forget the reference."""
        self.silence(channel)
        self.live[channel] = self.learns[channel] = False
        self.edges[:, channel] = np.inf
        self.counts[channel] = 0
        self.marks[:, channel] = NONE

    def silence(self, channel: int) -> None:
        """No bets any more, until the next `freeze` or `refresh`."""
        self.places[channel * CELLS : (channel + 1) * CELLS] = SILENT
        self.scales[channel] = 1.0

    def bets(self, channels: Sequence[int], first: int, end: int) -> NDArray[np.float64]:
        """The e-values, (runs, channels * BETS), that the present tables give for runs `first` to `end`."""
        marks = self.marks[np.arange(first, end) % WINDOW][:, channels]
        none = marks == NONE
        cells = np.where(none, 0, marks) + np.array(channels, dtype=np.intp) * CELLS
        found: NDArray[np.float64] = _WEIGHTS[self.places[cells]] * self.scales[channels]
        found[none] = 1.0
        return found.reshape(end - first, -1)

    def past(self, channel: int, first: int, end: int) -> list[int]:
        """The cells of runs `first` to `end`, at most `WINDOW`."""
        return [int(self.marks[run % WINDOW, channel]) for run in range(first, end)]

    def _widen(self, channel: int) -> None:
        """Let the outer cells begin at the extremes seen since; what was in them has its own cell or a neighbour's."""
        n = self.cells(channel)
        edges, counts = self.edges[:, channel], self.counts[channel]
        low, high = self.lows[channel], self.highs[channel]
        if counts[0] and low <= edges[0]:
            edges[0] = np.nextafter(low, np.float32(-np.inf), dtype=np.float32)
            counts[1] += counts[0]
            counts[0] = 0
        if counts[n - 1] and high > edges[n - 2]:
            if n < CELLS:
                edges[n - 1] = high
            else:
                edges[n - 2] = high
                counts[n - 2] += counts[n - 1]
                counts[n - 1] = 0
        self.lows[channel], self.highs[channel] = np.inf, -np.inf

    def _tables(self, channel: int) -> None:
        n = self.cells(channel)
        counts = [float(count) for count in self.counts[channel, :n]]
        masses = learning.masses_of(counts)
        where = shapes.places(masses, [bool(gap) for gap in self.gaps[channel, :n]])
        suprema = shapes.suprema(where, masses, sum(counts) + 1.0, self.plan.tolerances[self.plan.numbers[channel]])
        self.places[channel * CELLS : channel * CELLS + len(where)] = where
        self.scales[channel] = [1.0 / supremum for supremum in suprema]
