"""What detection costs: bytes per node while keys come and go without end, and events a second of one core."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

from benchmarks.detection import table
from benchmarks.detection.feed import START
from monitor.engine import Engine, Record
from schemas.config import Config
from schemas.event import Event
from schemas.records import Tick

TOOLS = 50
"""New tools of a run; each is a key with the run's version and one without."""
SHARED = (int, bool, type(None))


def log(agents: int, keys: int) -> Iterator[Record]:
    """A log in which every run calls tools that nobody called before, for a new version each time."""
    number = 0
    for run in range(keys // TOOLS):
        now = START + float(run)
        common: dict[str, Any] = {
            "agent": f"agent-{run % agents}",
            "version": f"v{run // agents}",
            "run": f"r{run}",
            "time": now,
        }
        yield Event(kind="run_started", id=f"{run}.s", **common)
        for i in range(TOOLS):
            number += 1
            yield Event(
                kind="tool_call", id=f"{run}.{i}", tool=f"tool-{number}", status="ok", soft_error=False, **common
            )
        yield Event(kind="run_finished", id=f"{run}.f", status="ok", duration_seconds=1.0, **common)
        yield Tick(now + 1.0, now)


def size_of(value: object, seen: set[int]) -> int:
    """Bytes of a value and all that it holds and nothing `seen` did; small whole numbers are not counted."""
    if id(value) in seen:
        return 0
    seen.add(id(value))
    if isinstance(value, SHARED):
        return 0
    size = sys.getsizeof(value)
    if isinstance(value, Struct):
        return size + sum(size_of(getattr(value, name), seen) for name in value.__struct_fields__)
    if isinstance(value, dict):
        return size + sum(size_of(key, seen) + size_of(one, seen) for key, one in value.items())
    if isinstance(value, list | tuple | set):
        return size + sum(size_of(one, seen) for one in value)
    return size


def resident_bytes() -> int:
    """What the process holds in memory (Linux)."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096


def memory(quick: bool) -> None:
    """Nodes of a fleet to which ever new keys come."""
    agents, keys = (20, 50_000) if quick else (60, 500_000)
    engine = Engine(Config())
    gc.collect()
    before = resident_bytes()
    most = nodes = 0
    offset = 0
    for offset, record in enumerate(log(agents, keys)):
        engine.step([(offset, record)])
    last = START + keys / TOOLS
    for hours in (1, 2, 3):  # closed runs are remembered for an hour, and are no nodes
        offset += 1
        engine.step([(offset, Tick(last + 3600.0 * hours, None))])
    gc.collect()
    grown = resident_bytes() - before
    seen: set[int] = set()
    size = 0
    for agent in engine.partition.agents.values():
        nodes += len(agent.slices.nodes)
        most = max(most, len(agent.slices.nodes))
        size += sum(size_of(key, seen) + size_of(node, seen) for key, node in agent.slices.nodes.items())
    counts = engine.partition.counts
    table.heading(
        "Memory",
        f"{agents} agents; {keys:,} tools that were never seen before, {TOOLS} in each run, a new version each time: "
        f"{2 * keys:,} keys.",
    )
    table.heads("", "")
    table.row("nodes that are kept", f"{nodes:,}, at most {most:,} of one agent")
    table.row("nodes that were evicted, counted", f"{counts.get('nodes_evicted', 0):,}")
    table.row("bytes of one node, its key and its place included", f"{(size / max(nodes, 1)) + 100:,.0f}")
    table.row("the process grew, per node that is kept", f"{grown / max(nodes, 1):,.0f} bytes")
    table.row("nodes above agents", f"{len(engine.aggregator.parents):,}")
    said = {name: count for name, count in sorted(counts.items()) if "evict" in name or "refused" in name}
    print(f"\nCounted: {', '.join(f'{name} {count:,}' for name, count in said.items())}.", flush=True)


def speed(quick: bool) -> None:
    """`bench_engine.py` in a process of its own, as CPU time."""
    table.heading("Speed", "`benchmarks/bench_engine.py`: engine alone, default detectors, CPU time of one core.")
    script = Path(__file__).resolve().parent.parent / "bench_engine.py"
    seconds = "5" if quick else "20"
    done = subprocess.run(
        [sys.executable, str(script), "--seconds", seconds], capture_output=True, text=True, check=True
    )
    print(done.stdout, flush=True)


def main(quick: bool) -> None:
    """Print both."""
    memory(quick)
    speed(quick)


if __name__ == "__main__":
    memory(True)
