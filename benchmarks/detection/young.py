"""Nodes from their first observation on, at rates at which their references rest on few failures: pages against drip.

An agent that begins with twenty tools has twenty such nodes, and ten agents two hundred. What chance does to a young
reference must cost no more than the drip pays, also where that is next to nothing.
"""

from __future__ import annotations

import numpy as np

from benchmarks.detection import table
from benchmarks.detection.lanes import Lanes
from monitor.signals import TOOL_FAILED

RATES = (0.003, 0.01, 0.03, 0.1)
DRIPS = (1e-4, 1e-6, 1e-7)
"""Expected false pages per observation. One agent with one tool, 100 runs a day: 4e-4; twenty with twenty: 1e-6."""
OBSERVATIONS = 3_000


def pages(rate: float, drip: float, nodes: int) -> int:
    """Pages of `nodes` nodes in their first `OBSERVATIONS`, at a failure rate that they have for good."""
    rng = np.random.default_rng(23)
    lanes = Lanes(nodes, TOOL_FAILED.grid, TOOL_FAILED.tolerance, drip)
    return sum(int(lanes.step((rng.random(nodes) < rate).astype(float)).sum()) for _ in range(OBSERVATIONS))


def main(quick: bool) -> None:
    """Print a row per failure rate."""
    nodes = 4_000 if quick else 20_000
    table.heading(
        "Young tools that fail rarely: false pages for each page dripped",
        f"{nodes:,} nodes a cell from their first call on, {OBSERVATIONS:,} runs with one call each, learned "
        "references, default tolerance. In brackets the pages that were counted.",
    )
    table.heads("fails in", *[f"{drip:g} dripped a run" for drip in DRIPS])
    for rate in RATES:
        counts = [pages(rate, drip, nodes) for drip in DRIPS]
        cells = [
            f"{count / (drip * OBSERVATIONS * nodes):.2f} ({count})" for count, drip in zip(counts, DRIPS, strict=True)
        ]
        table.row(f"{100.0 * rate:g} %", *cells)


if __name__ == "__main__":
    main(quick=True)
