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

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def odds_of(rate: Floats, tolerance: Floats | float) -> Floats:
    """`failure.tolerated` for many rates."""
    odds = rate / (1.0 - rate) * tolerance
    return odds / (1.0 + odds)


def slopes_of(grid: Grid, mean: Floats) -> tuple[list[Floats], list[Floats]]:
    """`failure.bets` for many means: slopes and weights per bet."""
    small = mean < failure._SMALL
    if grid == "odds":
        odds = mean / (1.0 - mean)
        whole = 1.0 + odds

        def slope(ratio: float) -> Floats:
            return (ratio - 1.0) * whole / (1.0 + ratio * odds)

        usual = [*[slope(ratio) for ratio in failure._RATIOS], 0.0, 0.0]
        longer = [slope(ratio) for ratio in failure._LONG_RATIOS] if small.any() else usual
    else:
        cap = 0.99 / mean
        a, b, _, d = failure._SLOPES
        usual = [*[np.minimum(slope, cap) for slope in failure._SLOPES], 0.0, 0.0]
        half = np.sqrt(cap / d)
        quarter = np.sqrt(half)
        longer = [a, b, failure._MIDDLE, d * quarter, d * half, d * half * quarter]
    if not small.any():
        return [np.broadcast_to(one, mean.shape) for one in usual], [np.float64(one) for one in failure._EQUAL]
    slopes = [np.where(small, many, few) for many, few in zip(longer, usual, strict=True)]
    weights = [np.where(small, many, few) for many, few in zip(failure._SMALL_WEIGHTS, failure._EQUAL, strict=True)]
    return slopes, weights


class Lanes:
    """Nodes side by side. `drip` is what flows in per observation; `declared` None learns, as the engine does."""

    def __init__(
        self, width: int, grid: Grid, tolerance: float, drip: Floats | float, declared: Floats | float | None = None
    ) -> None:
        self.grid = grid
        self.tolerance = tolerance
        self.drip = drip
        self.evidence = [np.zeros(width) for _ in range(failure.SIZE)]
        self.k = np.zeros(width)
        self.n = np.zeros(width)
        self.cusum = np.zeros(width)
        self.since_n = np.zeros(width)
        self.since_bad = np.zeros(width)
        self.fixed: tuple[Floats, list[Floats], list[Floats]] | None = None
        if declared is not None:
            mean = odds_of(np.full(width, declared, dtype=float), tolerance)
            self.fixed = (mean, *slopes_of(grid, mean))

    def step(self, y: Floats, drip: Floats | float | None = None) -> Flags:
        """One observation in every lane; which lanes page."""
        flow = self.drip if drip is None else drip
        if self.fixed is not None:
            mean, slopes, weights = self.fixed
            live: Flags | None = None
        else:
            k, n = self.k, self.n
            live = ((n >= reference.LIVE_RUNS) | (k >= reference.LIVE_FAILURES)) & (
                k + 0.5 <= reference.HIGHEST * (n + 1.0)
            )
            mean = odds_of(self.normal(), self.tolerance)
            slopes, weights = slopes_of(self.grid, mean)
            self.k, self.n = k + y, n + 1.0
        gap = y - mean
        total = np.zeros_like(gap)
        for j, evidence in enumerate(self.evidence):
            grown = (evidence + flow * weights[j]) * (1.0 + slopes[j] * gap)
            if live is not None:
                grown = np.where(live, grown, evidence)
            self.evidence[j] = grown
            total = total + grown
        pages = total >= recursion.PAGE
        if live is not None and self.tolerance >= nodes.COVERING:
            self._date(1.0 + slopes[nodes.ONSET_BET] * gap, y, live)
        if pages.any():
            self.clear(pages)
        return pages

    def normal(self) -> Floats:
        """`Node.reference`: what is normal, suspicious stretches held back where a tolerance covers that."""
        k, n = self.k, self.n
        if self.tolerance >= nodes.COVERING:
            held = (self.cusum > nodes.SUSPICIOUS) & (self.since_n <= nodes.HELD_BACK * n)
            k = np.where(held, np.maximum(k - self.since_bad, 0.0), k)
            n = np.where(held, n - self.since_n, n)
        return np.clip((k + 0.5) / (n + 1.0), reference.LOWEST, reference.HIGHEST)

    def clear(self, lanes: Flags) -> None:
        """Evidence is zero again, as after a page."""
        for evidence in self.evidence:
            evidence[lanes] = 0.0
        self.cusum[lanes] = 0.0
        self.since_n[lanes] = 0.0
        self.since_bad[lanes] = 0.0

    def _date(self, value: Floats, y: Floats, live: Flags) -> None:
        """`nodes.date`, as far as the reference asks for it."""
        idle = self.cusum <= 1.0
        begins = idle & (value > 1.0)
        went_on = ~idle
        cusum = np.where(idle, np.where(begins, value, 0.0), self.cusum * value)
        since_n = np.where(went_on, self.since_n + 1.0, begins.astype(float))
        since_bad = np.where(went_on, self.since_bad + y, np.where(begins, y, 0.0))
        self.cusum = np.where(live, cusum, self.cusum)
        self.since_n = np.where(live, since_n, self.since_n)
        self.since_bad = np.where(live, since_bad, self.since_bad)
