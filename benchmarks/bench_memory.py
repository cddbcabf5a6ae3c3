"""How the memory of one worker grows over hours of event time: the pure engine, with the state that it would save.

    python benchmarks/bench_memory.py [--agents 40] [--per-second 50] [--hours 3]

Runs of three events, as in the soak, at a steady rate. Closed runs are remembered for an hour: memory should grow for
an hour and then stay; the table shows whether it does. Resident size of the process, Python itself included.
"""

from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.detection.costs import resident_bytes
from monitor.engine import Engine, Record
from monitor.saved.collecting import collect_rarely
from schemas.config import Config
from schemas.event import Event, decode, encode
from schemas.records import Tick

START = 1_800_000_000.0
SHOWN_SECONDS = 900
"""Of event time, between two rows."""


def second(at: float, first: int, runs: int, agents: int, rng: random.Random) -> list[Record]:
    """The runs of one second and its tick; `first`: the number of the first run."""
    records: list[Record] = []
    for i in range(runs):
        run = f"{rng.getrandbits(64):016x}-{first + i}"
        common: dict[str, Any] = {
            "time": at + i / runs,
            "agent": f"agent-{rng.randrange(agents)}",
            "version": "v1",
            "run": run,
        }
        made = [
            Event(kind="run_started", id=f"{run}.s", **common),
            Event(kind="tool_call", id=f"{run}.t", tool="lookup", soft_error=rng.random() < 0.03, **common),
            Event(kind="run_finished", id=f"{run}.f", status="ok", duration_seconds=1.0 + rng.random(), **common),
        ]
        records += [decode(encode(event)) for event in made]
    return [*records, Tick(at + 1.0, at)]


def main() -> None:
    """Print one row for each quarter of an hour."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=int, default=40)
    parser.add_argument("--per-second", type=int, default=50, help="runs a second of event time")
    parser.add_argument("--hours", type=float, default=3.0, help="hours of event time")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()

    rng = random.Random(options.seed)
    collect_rarely()
    engine = Engine(Config())
    offset = runs = 0
    print("| minutes | runs | MiB |\n| ---: | ---: | ---: |")
    for number in range(int(options.hours * 3_600.0)):
        records = second(START + number, runs, options.per_second, options.agents, rng)
        engine.step(enumerate(records, start=offset))
        engine.partition.changes()  # else it would gather what is to be saved
        offset += len(records)
        runs += options.per_second
        if (number + 1) % SHOWN_SECONDS == 0:
            print(f"| {(number + 1) // 60} | {runs:,} | {resident_bytes() / 2**20:.0f} |", flush=True)


if __name__ == "__main__":
    main()
