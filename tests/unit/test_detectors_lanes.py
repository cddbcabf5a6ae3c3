"""The lanes that the benchmarks simulate are the engine's node: the same pages and the same evidence, bit for bit."""

from __future__ import annotations

import random

import numpy as np
import pytest

from benchmarks.detection.lanes import Lanes
from detectors import failure, recursion
from detectors.failure import Grid
from monitor.evidence import nodes
from monitor.evidence.within.node import NO_EVIDENCE, Node

WIDTH = 8
STEPS = 2_000
DRIP = 1.0 / 300.0


class OneNode:
    """The engine's node, stepped as `monitor.evidence.slices` steps it: reference, bets, date, learn, feed."""

    def __init__(self, grid: Grid, tolerance: float, declared: float | None) -> None:
        signal = "run.failed" if grid == "odds" else "tool.failed"
        self.node = Node(signal, None, None, "owner", NO_EVIDENCE, 0.0, share=1.0, tolerance=tolerance)
        self.node.declared = declared
        self.now = 0.0

    def step(self, y: float) -> bool:
        node = self.node
        self.now += 1.0
        if not node.live or node.saturated:
            nodes.learn(node, y)
            return False
        bets = nodes.bets_of(node, nodes.normal_of(node))
        values = bets.values(y)
        nodes.date(node, values[nodes.ONSET_BET], y, bets.mean, "", None, self.now, 0.0)
        nodes.learn(node, y)
        evidence = list(node.evidence)
        paged = recursion.step(evidence, values, bets.weights, DRIP)
        node.evidence = tuple(evidence)
        if paged:
            node.last = self.now
            nodes.silence_evidence(node)
        return paged


@pytest.mark.parametrize("grid", ["odds", "bounded"])
@pytest.mark.parametrize(
    ("tolerance", "declared", "why"),
    [
        (1.0, 0.06, "declared, nothing tolerated"),
        (1.25, 0.06, "declared, the default tolerance"),
        (1.25, 0.005, "declared and small: the longer bets"),
        (1.0, None, "learned, nothing tolerated: nothing is held back"),
        (1.25, None, "learned, the default: suspicious stretches are held back"),
        (2.0, None, "learned, much tolerated"),
    ],
)
def test_lanes_are_the_engines_node(grid: Grid, tolerance: float, declared: float | None, why: str) -> None:
    rng = random.Random(f"{grid} {tolerance} {declared}")
    rates = [rng.choice((0.004, 0.03, 0.06, 0.2, 0.95)) for _ in range(WIDTH)]
    singles = [OneNode(grid, tolerance, declared) for _ in rates]
    lanes = Lanes(WIDTH, grid, tolerance, DRIP, declared)
    pages = 0
    for i in range(STEPS):
        level = [min(rate * (3.0 if i % 1_000 > 900 else 1.0), 0.99) for rate in rates]
        y = [float(rng.random() < one) * (1.0 if grid == "odds" else rng.choice((0.25, 1.0))) for one in level]
        found = lanes.step(np.array(y))
        assert [single.step(one) for single, one in zip(singles, y, strict=True)] == found.tolist(), f"{why}: run {i}"
        pages += int(found.sum())
    for j in range(failure.SIZE):
        assert [single.node.evidence[j] for single in singles] == lanes.evidence[j].tolist(), why
    assert pages > 0
