"""River's detectors as `method:` takes them: false alarms on runs that do not change, and runs until a change is seen.

    python benchmarks/bench_methods.py [--streams 30] [--quick]

Defaults of river, one observation per run. False alarms are counted as `forewarn check` and a page count them
(`detectors.river_detectors.calibrate_failures`). Delays: 1,000 runs at 5 %, then the new rate; a stream that has not
spoken after 3,000 runs counts as that many; streams that had alarmed before the change are counted. Seeded.
"""

from __future__ import annotations

import argparse
import random

from detectors.registry import METHODS, Method
from detectors.river_detectors import RATES, Watch, calibrate_failures

BEFORE, USUAL = 1_000, 0.05
LONGEST = 3_000
SLOW = 100.0
"""Microseconds per update from which on fewer streams of fewer runs are tried."""


def delay(method: Method, rate: float, streams: int) -> str:
    """Mean runs until the change to `rate` is seen, and how many streams had alarmed before."""
    longest = LONGEST if method.microseconds < SLOW else 600
    found, early = [], 0
    for seed in range(streams):
        rng = random.Random(seed)
        watch = Watch(method, {})
        early += sum(watch.update(float(rng.random() < USUAL)) is not None for _ in range(BEFORE)) > 0
        runs = (n for n in range(1, longest + 1) if watch.update(float(rng.random() < rate)) is not None)
        found.append(next(runs, longest))
    mean = sum(found) / streams
    text = f"over {longest:,}" if mean >= longest else f"{mean:,.0f}"
    return f"{text} ({early} of {streams} had alarmed)" if early else text


def main() -> None:
    """Print a row per method."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=30)
    parser.add_argument("--quick", action="store_true", help="fewer streams, a tenth of the runs")
    options = parser.parse_args()
    streams = 5 if options.quick else options.streams
    rates = " / ".join(f"{rate:.0%}" for rate in RATES)
    print(f"| method | runs simulated | false alarms at {rates} | 5 → 15 % | 5 → 50 % |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for method in METHODS:
        updates = method.simulated // (10 if options.quick else 1)
        alarms = [calibrate_failures(method, {}, rate, updates).alarms for rate in RATES]
        few = streams if method.microseconds < SLOW else max(streams // 6, 2)
        cells = " | ".join(delay(method, rate, few) for rate in (0.15, 0.5))
        print(f"| `{method.name}` | {updates:,} | {' / '.join(map(str, alarms))} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
