"""Our failure node, many copies at once: numpy over lanes, the same numbers as the engine's own core bit for bit.

A lane is one node with a stream of its own. Not a second detector: every operation is that of `detectors.failure`,
`detectors.recursion`, `detectors.reference` and `monitor.evidence.nodes` in the same order, and
`tests/unit/test_detectors_lanes.py` holds them equal, page for page.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors import failure, recursion, reference
from detectors.failure import Grid
from monitor.evidence import nodes
from monitor.evidence.within import node

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def _column(values: tuple[float, ...]) -> Floats:
    return np.array(values)[:, np.newaxis]


_RATIOS = _column(failure.RATIOS)
_SLOPES = _column(failure.SLOPES)
_EQUAL = _column(failure.EQUAL.all)
_SMALL_WEIGHTS = _column(failure.SMALL_WEIGHTS.all)


def odds_of(rate: Floats, tolerance: Floats | float) -> Floats:
    """`failure.tolerated` for many rates."""
    odds = rate / (1.0 - rate) * tolerance
    return odds / (1.0 + odds)


def slopes_of(grid: Grid, mean: Floats) -> tuple[Floats, Floats]:
    """`failure.bets` for many means: slopes and weights, a row per bet."""
    if grid == "odds":
        odds = mean / (1.0 - mean)
        whole = 1.0 + odds
        slopes = (_RATIOS - 1.0) * whole / (1.0 + _RATIOS * odds)
    else:
        cap = 0.99 / mean
        longest = failure.SLOPES[-1]
        half = np.sqrt(np.maximum(cap / longest, 1.0))
        slopes = np.empty((failure.SIZE, *mean.shape))
        slopes[:4] = _SLOPES
        slopes[4] = longest * half
        slopes[5] = longest * half * np.sqrt(half)
        slopes = np.minimum(slopes, cap)
    small = mean < failure._SMALL
    return slopes, np.where(small, _SMALL_WEIGHTS, _EQUAL) if small.any() else _EQUAL


class Lanes:
    """Nodes side by side. `drip` is what flows in per observation; `declared` None learns, as the engine does."""

    def __init__(
        self, width: int, grid: Grid, tolerance: float, drip: Floats | float, declared: Floats | float | None = None
    ) -> None:
        self.grid = grid
        self.tolerance = tolerance
        self.drip = drip
        self.evidence = np.zeros((failure.SIZE, width))
        self.k = np.zeros(width)
        self.n = np.zeros(width)
        self.late_k = np.zeros(width)
        self.late_n = np.zeros(width)
        self.cusum = np.zeros(width)
        self.since_n = np.zeros(width)
        self.since_bad = np.zeros(width)
        self.sharp_cusum = np.zeros(width)
        self.fixed: tuple[Floats, Floats, Floats] | None = None
        if declared is not None:
            mean = odds_of(np.full(width, declared, dtype=float), tolerance)
            self.fixed = (mean, *slopes_of(grid, mean))

    def step(self, y: Floats, drip: Floats | float | None = None) -> Flags:
        """One observation in every lane; which lanes page."""
        values, weights, live = self.bet(y)
        return self.feed(values, weights, self.drip if drip is None else drip, live)

    def bet(self, y: Floats) -> tuple[Floats, Floats, Flags | None]:
        """The e-values of one observation in every lane, their weights, and which lanes bet at all; learns from it."""
        if self.fixed is not None:
            mean, slopes, weights = self.fixed
            return 1.0 + slopes * (y - mean), weights, None
        k, n = self.k, self.n
        live = ((n >= reference.LIVE_RUNS) | (k >= reference.LIVE_FAILURES)) & (
            k + 0.5 <= reference.HIGHEST * (n + 1.0)
        )
        mean = odds_of(self.normal(), self.tolerance)
        slopes, weights = slopes_of(self.grid, mean)
        values = 1.0 + slopes * (y - mean)
        self._count(y)
        if self.tolerance >= node.COVERING:
            self._date(values[nodes.ONSET_BET], y, mean, live)
        return values, weights, None if live.all() else live

    def feed(self, values: Floats, weights: Floats, drip: Floats | float, live: Flags | None = None) -> Flags:
        """`recursion.step` in every lane (that is live); which lanes page."""
        grown = (self.evidence + drip * weights) * values
        self.evidence = grown if live is None else np.where(live, grown, self.evidence)
        pages = self.evidence.sum(axis=0) >= recursion.PAGE
        if pages.any():
            self.clear(pages)
        return pages

    def normal(self) -> Floats:
        """`nodes.normal_of`: what is bet against, suspicious stretches held back where a tolerance covers that."""
        bad, n = self.late_k, self.late_n
        prior: Floats | float = reference.PRIOR
        if self.tolerance >= node.COVERING:
            held = (self.cusum > node.SUSPICIOUS) & (n < self.since_n) & (self.since_n <= node.HELD_BACK * self.n)
            bad, n = np.where(held, self.since_bad, bad), np.where(held, self.since_n, n)
            prior = np.where(held & (self.sharp_cusum <= 1.0), reference.SUSPECTED_PRIOR, prior)
        return np.clip((self.k - bad + prior) / (self.n - n + 1.0), reference.LOWEST, reference.HIGHEST)

    def clear(self, lanes: Flags) -> None:
        """Evidence is zero again, as after a page."""
        self.evidence[:, lanes] = 0.0
        self.cusum[lanes] = 0.0
        self.since_n[lanes] = 0.0
        self.since_bad[lanes] = 0.0
        self.sharp_cusum[lanes] = 0.0

    def _date(self, value: Floats, y: Floats, mean: Floats, live: Flags) -> None:
        """`nodes.date`, as far as the reference asks for it."""
        idle = self.cusum <= 1.0
        begins = idle & (value > 1.0)
        went_on = ~idle
        cusum = np.where(idle, np.where(begins, value, 0.0), self.cusum * value)
        since_n = np.where(went_on, self.since_n + 1.0, begins.astype(float))
        since_bad = np.where(went_on, self.since_bad + y, np.where(begins, y, 0.0))
        # a stretch that is over takes its sharp one with it
        sharp = np.where(idle, 0.0, self.sharp_cusum)
        fresh = sharp <= 1.0
        grown = np.where(fresh, 1.0, sharp) * (1.0 + nodes.SHARP * (y - mean) / mean)
        follows = (went_on | begins) & ~(fresh & (y == 0.0))
        self.sharp_cusum = np.where(live, np.where(follows, grown, 0.0), self.sharp_cusum)
        self.cusum = np.where(live, cusum, self.cusum)
        self.since_n = np.where(live, since_n, self.since_n)
        self.since_bad = np.where(live, since_bad, self.since_bad)

    def _count(self, y: Floats) -> None:
        """`nodes.count`."""
        self.k, self.n = self.k + y, self.n + 1.0
        late_k, late_n = self.late_k + y, self.late_n + 1.0
        full = (late_n >= reference.LATE_RUNS) & (late_n >= reference.LATE_PART * self.n)
        self.late_k, self.late_n = np.where(full, 0.0, late_k), np.where(full, 0.0, late_n)
