"""What the README claims of detection, measured: delay, false pages, shape, versions, loops, traffic, memory, speed.

    python benchmarks/bench_detection.py [--quick] [--data PATH] [--section delay ...]

Prints Markdown, each table with its settings. Seeded: the same numbers each time, but for memory and speed. `--data`:
a folder of recorded runs that is no part of the project (`benchmarks.detection.recordings` says which fields); without
it the tables that need them are left out.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import bench_outage
from benchmarks.detection import costs, delay, fleets, recorded, recordings, shape, table, tools, young


def outage(quick: bool) -> None:
    """Faults above agents: see `bench_outage`."""
    table.heading("Faults above agents", "`benchmarks/bench_outage.py` says what each column is.")
    measured = list(bench_outage.measure_outages(2 if quick else 6))
    heads = list(dict.fromkeys(head for _, numbers in measured for head in numbers))
    table.heads("fault", *heads)
    for name, numbers in measured:
        table.row(name, *[f"{numbers[head]:g}" if head in numbers else "" for head in heads])


SECTIONS: dict[str, Callable[[bool], None]] = {
    "delay": delay.main,
    "false-pages": fleets.main,
    "young": young.main,
    "outage": outage,
    "shape": shape.main,
    "tools": tools.main,
    "costs": costs.main,
}
RECORDED = "recorded"


def main() -> None:
    """Print the sections that are asked for, all of them by default."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer streams, owners and seeds")
    parser.add_argument("--data", type=Path, help="folder with recorded runs")
    parser.add_argument("--section", choices=[*SECTIONS, RECORDED], nargs="*", default=[*SECTIONS, RECORDED])
    options = parser.parse_args()
    try:
        files = recordings.files_of(options.data) if options.data else None
    except (OSError, ValueError) as error:
        parser.error(f"--data: {error}")
    for name in options.section:
        began = time.process_time()
        if name == RECORDED:
            recorded.main(files, options.quick)
        else:
            SECTIONS[name](options.quick)
        print(f"\n({name}: {time.process_time() - began:.0f} s of CPU)", flush=True)


if __name__ == "__main__":
    main()
