"""The number channels of a bank, in packed arrays: which cell a value falls in, and the e-values of all bets.

Values are rounded at the door (`memory.rounded`), so that edges and values compare exactly. Only comparisons, table
look-ups and products run per run; tables change when a channel freezes its reference (`freeze`, `refresh`).

Invariant: a channel that is not live, or says nothing of a run, has e-values of exactly one.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from typing import Final, cast

import numpy as np
from librt.vecs import vec
from mypy_extensions import i64, u8
from numpy.typing import NDArray

from detectors.drift.bets import shapes
from detectors.drift.bets.shapes import BETS, CELLS, SILENT
from detectors.drift.channels import Value
from detectors.drift.plan import Plan
from detectors.drift.references import learning, memory
from detectors.drift.references.cells import below, cells_of, masses_of

WINDOW: Final = 160
"""Runs whose cells are remembered, to date an onset; older ones count as the window's first."""
RECENT: Final = 32
"""Runs whose values are remembered, to say a median; cells are counted into the reference in batches of so many."""
NONE: Final = 255
HALVED_AT: Final = 8_000
"""Runs in a reference; from there on it is halved and filled again, so that it follows slowly."""

_WEIGHT_ROWS = np.array(shapes.WEIGHTS)
WEIGHTS: Final = memory.floats(_WEIGHT_ROWS.ravel().tolist())
"""Weights of places, bets in a row."""
_EDGES: Final = CELLS - 1


class NumberChannels:
    """The number channels of `plan`, in its order. `edges`, `places`, `scales`: a channel's cells or bets in a row."""

    def __init__(self, plan: Plan) -> None:
        size = len(plan.numbers)
        self.plan = plan
        self.size = size
        self.live = [False] * size
        self.learns = [False] * size
        self.edges = memory.filled(size * _EDGES, math.inf)
        self.places = memory.filled_bytes(size * CELLS, SILENT)
        self.scales = memory.filled(size * BETS, 1.0)
        self.counts = np.zeros((size, CELLS), dtype=np.uint32)
        self.due = np.zeros(size, dtype=np.uint32)
        """Runs in the reference at which the tables are made anew."""
        self.medians = np.zeros(size, dtype=np.float32)
        self.gaps = np.zeros((size, CELLS), dtype=bool)
        self.few = [False] * size
        """Whether it has so few values that each has its cell."""
        self.marks = memory.filled_bytes(WINDOW * size, NONE)
        """The cells of the latest runs, run by run."""
        self.values = np.full((RECENT, size), math.nan, dtype=np.float32)
        """The values of the latest runs, run by run; NaN where there was none."""
        self.kept = 0
        """Runs of which there are values, at most `RECENT`."""
        self._next = 0
        """Where the next one goes."""
        self._run = memory.filled(size, math.nan)
        self._run_view = memory.view(self._run)
        """The values of one run, until they are among the latest."""
        self.lows = memory.filled(size, math.inf)
        self.highs = memory.filled(size, -math.inf)
        """Extremes since the tables were made, while the channel learned."""

    def read(self, values: list[Value], run: int, out: vec[float]) -> None:
        """Mark the cells of one run's values and write the e-values, `BETS` a channel, to the front of `out`."""
        edges, places, scales, marks = self.edges, self.places, self.scales, self.marks
        lows, highs, learns = self.lows, self.highs, self.learns
        weights, positions, latest = WEIGHTS, self.plan.number_positions, self._run
        size: i64 = self.size
        mark: i64 = (run % WINDOW) * size
        at: i64 = 0
        while at < size:
            value = values[positions[at]]
            bet: i64 = at * BETS
            last: i64 = bet + BETS
            x = math.nan
            if value is not None:
                x = memory.rounded(cast(float, value))
            latest[at] = x
            if x != x:
                marks[mark + at] = u8(NONE)
                while bet < last:
                    out[bet] = 1.0
                    bet += 1
            else:
                edge: i64 = at * _EDGES
                cell: i64 = 0
                while cell < _EDGES and x > edges[edge + cell]:
                    cell += 1
                marks[mark + at] = u8(cell)
                if learns[at]:
                    if x < lows[at]:
                        lows[at] = x
                    if x > highs[at]:
                        highs[at] = x
                weight: i64 = i64(places[at * CELLS + cell]) * BETS
                while bet < last:
                    out[bet] = weights[weight] * scales[bet]
                    bet += 1
                    weight += 1
            at += 1
        self.values[self._next] = self._run_view
        self._next = (self._next + 1) % RECENT
        if self.kept < RECENT:
            self.kept += 1

    def count(self, first: int, end: int) -> None:
        """Count the cells of runs `first` to `end` (at most `RECENT`) into the references that learn."""
        marks, learns = self.marks, self.learns
        found = vec[i64]([i64(0)] * (self.size * CELLS))
        size: i64 = self.size
        run: i64 = first
        last: i64 = end
        while run < last:
            mark: i64 = run % WINDOW * size
            at: i64 = 0
            while at < size:
                cell: i64 = i64(marks[mark + at])
                if cell != NONE and learns[at]:
                    found[at * CELLS + cell] += 1
                at += 1
            run += 1
        self.counts += memory.view_indices(found).reshape(-1, CELLS).astype(np.uint32)

    def ripe(self) -> list[int]:
        """Channels whose reference has grown enough to make new tables."""
        totals, due = self.counts.sum(axis=1, dtype=np.uint32).tolist(), self.due.tolist()
        return [at for at in range(self.size) if self.learns[at] and totals[at] >= due[at]]

    def inherit(self, channel: int, other: NumberChannels) -> None:
        """Take over another's reference, scaled down to `INHERITED` runs."""
        self._set_edges(channel, other.edges_of(channel))
        self.medians[channel] = other.medians[channel]
        self.gaps[channel], self.few[channel] = other.gaps[channel], other.few[channel]
        self.counts[channel] = other.counts[channel]
        total = self.total(channel)
        if total > learning.INHERITED:
            self.counts[channel] = [int(count) * learning.INHERITED // total for count in self.counts[channel]]
        self._forget(channel)
        self.live[channel] = self.learns[channel] = True
        self._tables(channel)
        self.due[channel] = 2 * self.total(channel)

    def uncount(self, channel: int, cells: list[int]) -> None:
        """Take the runs of a changed stretch out of the reference."""
        for cell in cells:
            if cell != NONE and self.counts[channel, cell]:
                self.counts[channel, cell] -= 1

    def edges_of(self, channel: int) -> list[float]:
        """The edges in use, ascending; one less than its cells."""
        return [edge for edge in self.edges[channel * _EDGES : (channel + 1) * _EDGES] if edge < math.inf]

    def cells(self, channel: int) -> int:
        """Cells in use."""
        return len(self.edges_of(channel)) + 1

    def total(self, channel: int) -> int:
        """Runs in the reference."""
        return int(self.counts[channel].sum())

    def freeze(self, channel: int, values: array[float]) -> None:
        """Make learned values the reference."""
        found = cells_of(values)
        self._set_edges(channel, found.edges)
        self.counts[channel] = 0
        self.counts[channel, : len(found.counts)] = found.counts
        self.medians[channel] = found.median
        self.few[channel] = found.few
        self._forget(channel)
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
        told = self.rows()[-max(end - first, 1) :, channel]
        return sorted(told[~np.isnan(told)].tolist())

    def rows(self) -> NDArray[np.float32]:
        """The values of the latest runs, (runs, channels), the latest last; NaN where there was none."""
        return self.values[np.arange(self._next - self.kept, self._next) % RECENT]

    def recall(self, rows: NDArray[np.float32]) -> None:
        """Put back the values of the latest runs, as `rows` gave them."""
        self.kept, self._next = len(rows), len(rows) % RECENT
        self.values[: self.kept] = rows

    def drop(self, channel: int) -> None:
        """Forget the reference."""
        self.silence(channel)
        self.live[channel] = self.learns[channel] = False
        self._set_edges(channel, [])
        self.counts[channel] = 0
        self._forget(channel)

    def silence(self, channel: int) -> None:
        """No bets any more, until the next `freeze` or `refresh`."""
        for cell in range(CELLS):
            self.places[channel * CELLS + cell] = u8(SILENT)
        for bet in range(BETS):
            self.scales[channel * BETS + bet] = 1.0

    def bets(self, channels: Sequence[int], first: int, end: int) -> NDArray[np.float64]:
        """The e-values, (runs, channels * BETS), that the present tables give for runs `first` to `end`."""
        marks = self._marks()[np.arange(first, end) % WINDOW][:, channels]
        none = marks == NONE
        cells = np.where(none, 0, marks) + np.array(channels, dtype=np.intp) * CELLS
        scales = memory.view(self.scales).reshape(-1, BETS)[channels]
        found: NDArray[np.float64] = _WEIGHT_ROWS[memory.view_bytes(self.places)[cells]] * scales
        found[none] = 1.0
        return found.reshape(end - first, -1)

    def past(self, channel: int, first: int, end: int) -> list[int]:
        """The cells of runs `first` to `end`, at most `WINDOW`."""
        return [int(self.marks[run % WINDOW * self.size + channel]) for run in range(first, end)]

    def _marks(self) -> NDArray[np.uint8]:
        return memory.view_bytes(self.marks).reshape(WINDOW, self.size)

    def _forget(self, channel: int) -> None:
        """What the latest runs showed lies in cells that are no more."""
        for run in range(WINDOW):
            self.marks[run * self.size + channel] = u8(NONE)

    def _set_edges(self, channel: int, edges: Sequence[float]) -> None:
        for i in range(_EDGES):
            self.edges[channel * _EDGES + i] = edges[i] if i < len(edges) else math.inf

    def _widen(self, channel: int) -> None:
        """Let the outer cells begin at the extremes seen since; what was in them has its own cell or a neighbour's."""
        edges = self.edges_of(channel)
        n, counts = len(edges) + 1, self.counts[channel]
        low, high = self.lows[channel], self.highs[channel]
        if counts[0] and low <= edges[0]:
            edges[0] = below(low)
            counts[1] += counts[0]
            counts[0] = 0
        if counts[n - 1] and high > edges[n - 2]:
            if n < CELLS:
                edges.append(high)
            else:
                edges[n - 2] = high
                counts[n - 2] += counts[n - 1]
                counts[n - 1] = 0
        self._set_edges(channel, edges)
        self.lows[channel], self.highs[channel] = math.inf, -math.inf

    def _tables(self, channel: int) -> None:
        n = self.cells(channel)
        counts: list[float] = self.counts[channel, :n].astype(np.float64).tolist()
        masses = masses_of(counts)
        gaps: list[bool] = self.gaps[channel, :n].tolist()
        where = shapes.places(masses, gaps)
        suprema = shapes.suprema(where, masses, sum(counts, 1.0), self.plan.tolerances[self.plan.numbers[channel]])
        for cell, place in enumerate(where):
            self.places[channel * CELLS + cell] = u8(place)
        for bet, supremum in enumerate(suprema):
            self.scales[channel * BETS + bet] = 1.0 / supremum
