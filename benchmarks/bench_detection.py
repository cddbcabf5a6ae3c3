"""False alarms and delay on one failure rate: our node beside river's drift detectors, as a user would take them.

    python benchmarks/bench_detection.py [--runs 200000] [--changes 60]

One Bernoulli stream per case, one observation per run, one run every six seconds (ten a minute). Ours: one node with
the default tolerance that holds a whole budget of one false page a week, reference learned from the stream itself.
River: default settings, fed the same stream, reset as its documentation says. Seeded; prints a table.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Iterator

from river import drift

from detectors import failure, recursion
from monitor.evidence import nodes
from monitor.evidence.nodes import Node
from monitor.signals import RUN_FAILED

SECONDS_PER_RUN = 6.0
WEEK = 604_800.0
LEARNED_RUNS = 2_000
LONGEST = 5_000
"""Runs after the change; a detector that never speaks counts as this many."""

Detector = Callable[[float], bool]


def ours() -> Detector:
    """One node with a budget of one false page a week; after a page it starts anew, as after an incident."""
    node = Node("run.failed", None, None, "owner", [0.0] * failure.SIZE, 0.0, share=1.0, tolerance=RUN_FAILED.tolerance)
    now = 0.0

    def step(y: float) -> bool:
        nonlocal now
        now += SECONDS_PER_RUN
        paged = False
        if node.live:
            bets = nodes.bets_of(node, node.reference)
            flowed = nodes.drip(node, now, 1.0 / WEEK, float("inf"))
            values = bets.values(y)
            nodes.date(node, values[nodes.ONSET_BET], y, bets.mean, "", None, now, 0.0)
            paged = recursion.step(node.evidence, values, bets.weights, flowed)
        nodes.learn(node, y)
        return paged

    return step


def rivers(make: Callable[[], drift.base.DriftDetector]) -> Detector:
    """A detector of river with the settings that it was made with."""
    detector = make()

    def step(y: float) -> bool:
        detector.update(int(y))
        return bool(detector.drift_detected)

    return step


CONTESTANTS: dict[str, Callable[[], Detector]] = {
    "Forewarn, 1 false page a week": ours,
    "river ADWIN, default": lambda: rivers(drift.ADWIN),
    "river PageHinkley, default": lambda: rivers(drift.PageHinkley),
    "river DDM, default": lambda: rivers(drift.binary.DDM),
    "river HDDM_A, default": lambda: rivers(drift.binary.HDDMA),
}
CHANGES = ((0.02, 0.06), (0.05, 0.15), (0.10, 0.20))


def stream(seed: int, rate: float, runs: int) -> Iterator[float]:
    """Outcomes of runs: 1 for a failure."""
    rng = random.Random(seed)
    return (1.0 if rng.random() < rate else 0.0 for _ in range(runs))


def false_alarms_per_week(make: Callable[[], Detector], rate: float, runs: int) -> float:
    """Alarms on a stream that does not change."""
    detector = make()
    alarms = sum(detector(y) for y in stream(1, rate, runs))
    return alarms / (runs * SECONDS_PER_RUN / WEEK)


def delay(make: Callable[[], Detector], before: float, after: float, changes: int) -> tuple[float, float]:
    """Mean number of runs from the change to the alarm, and the share of streams that had alarmed before it."""
    delays = []
    early = 0
    for seed in range(changes):
        detector = make()
        early += sum(detector(y) for y in stream(1_000 + seed, before, LEARNED_RUNS)) > 0
        runs = (run for run, y in enumerate(stream(2_000 + seed, after, LONGEST), start=1) if detector(y))
        delays.append(next(runs, LONGEST))
    return sum(delays) / len(delays), early / changes


def main() -> None:
    """Print both tables as one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=200_000, help="runs of each unchanged stream")
    parser.add_argument("--changes", type=int, default=60, help="streams per change")
    arguments = parser.parse_args()
    began = time.perf_counter()
    weeks = arguments.runs * SECONDS_PER_RUN / WEEK
    print(f"ten runs a minute; {weeks:.1f} weeks without a change; {arguments.changes} streams per change\n")
    heads = [f"false alarms a week at {before:.0%}" for before, _ in CHANGES]
    heads += [f"runs until {before:.0%} → {after:.0%} is seen" for before, after in CHANGES]
    print("| | " + " | ".join(heads) + " |")
    print("| --- " * (len(heads) + 1) + "|")
    for name, make in CONTESTANTS.items():
        cells = [f"{false_alarms_per_week(make, before, arguments.runs):.1f}" for before, _ in CHANGES]
        for before, after in CHANGES:
            runs, early = delay(make, before, after, arguments.changes)
            cells.append(f"{runs:.0f}" + (f" ({early:.0%} had alarmed before)" if early else ""))
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
    print(f"\n{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
