"""How many records a second the engine steps: the pure core, without decoding, disk or network.

    python benchmarks/bench_engine.py [--agents 1000] [--tools 20] [--per-second 20000] [--seconds 20] [--warm 90] \
        [--batch 2000]

Each run is eight events: started, three model calls, three tool calls, finished with an answer; a few per cent of runs
and calls fail. Ticks come once a second of event time, as they do live. Default detectors, drift and shape included:
the first `--warm` seconds teach every agent what is normal and are not counted; how many channels are live is printed.
Each batch is decoded from JSON right before it is stepped, as it is live; decoding is not timed, and the answers are
read before (`monitor.reading`), which is timed by itself. Time is the process's own CPU time, so that a shared machine
tells the truth.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import pstats
import random
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from msgspec import Raw

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.detection import outputs
from monitor.engine import Engine, Record
from monitor.evidence import nodes as nodes_module
from monitor.reading import Reader
from monitor.saved.collecting import collect_rarely
from monitor.serving.paging import in_large_pages
from schemas.config import Config
from schemas.event import NOTHING, Event, decode, encode, raw
from schemas.records import Tick

START = 1_800_000_000.0
ANSWERS = 2_000
"""Different answers; each run ends with one of them."""


def fleet(agents: int, tools: int, per_second: int, seconds: int, seed: int) -> Iterator[Record]:
    """A log in the order in which it would be written: a second's events, then its tick."""
    rng = random.Random(seed)
    answers = [raw(outputs.as_json(outputs.record(rng), rng)) for _ in range(ANSWERS)]
    open_runs: list[list[Event]] = []
    number = 0
    for second in range(seconds):
        now = START + second
        for i in range(per_second):
            at = now + i / per_second
            if not open_runs or len(open_runs) < per_second // 4:
                number += 1
                open_runs.append(
                    _run(rng, f"agent-{rng.randrange(agents)}", f"run-{number}", tools, rng.choice(answers))
                )
            pick = rng.randrange(len(open_runs))
            event = open_runs[pick].pop()
            event.time = at
            if not open_runs[pick]:
                open_runs[pick] = open_runs[-1]
                open_runs.pop()
            yield event
        yield Tick(now + 1.0, now if second else None)


def _run(rng: random.Random, agent: str, run: str, tools: int, answer: Raw) -> list[Event]:
    """The events of one run, the last one first; their times come when they are taken."""
    version = f"v{1 + (rng.random() < 0.3)}"

    def event(kind: str, i: int, **fields: Any) -> Event:
        return Event(kind=kind, time=0.0, id=f"{run}.{i}", agent=agent, version=version, run=run, **fields)

    calls = [
        event(
            "tool_call",
            2 + 2 * i,
            tool=f"tool-{rng.randrange(tools)}",
            status="error" if rng.random() < 0.03 else "ok",
            soft_error=False,
        )
        for i in range(3)
    ]
    models = [event("llm_call", 1 + 2 * i, model="gpt-4o", input_tokens=900, output_tokens=90) for i in range(3)]
    status = "error" if rng.random() < 0.02 else "ok"
    finished = event("run_finished", 7, status=status, outcome="resolved", output=answer)
    steps = [event("run_started", 0), models[0], calls[0], models[1], calls[1], models[2], calls[2], finished]
    return steps[::-1]


def _batches(records: Iterable[Record], size: int) -> Iterator[list[Record]]:
    """As many records as one transaction takes."""
    batch: list[Record] = []
    for record in records:
        batch.append(record)
        if len(batch) >= size:
            yield batch
            batch = []
    yield batch


def _read(reader: Reader, batch: list[Record]) -> float:
    """Read the answers and drop the text; CPU seconds it took."""
    begun = time.process_time()
    for record in batch:
        if isinstance(record, Event):
            reader.read(record)
            record.output = NOTHING
    return time.process_time() - begun


def _know(engine: Engine) -> None:
    """Every node knows what is normal, so that every observation is bet on."""
    for agent in engine.partition.agents.values():
        for node in agent.slices.nodes.values():
            node.n, node.k, node.late_n, node.late_k = 1_000.0, 40.0, 0.0, 0.0


def main() -> None:
    """Print records per second of CPU time, and where it goes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=int, default=1_000)
    parser.add_argument("--tools", type=int, default=20)
    parser.add_argument("--per-second", type=int, default=20_000, help="events per second of event time")
    parser.add_argument("--seconds", type=int, default=20, help="seconds of event time")
    parser.add_argument("--warm", type=int, default=90, help="seconds of event time that are not counted")
    parser.add_argument(
        "--batch", type=int, default=2_000, help="records of a step; between ticks, agents take turns within it"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--save", action="store_true", help="take the changes to be saved after each batch, as live")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--small-pages", action="store_true", help="memory as Linux gives it, for comparison")
    options = parser.parse_args()

    seconds = options.warm + options.seconds
    records = fleet(options.agents, options.tools, options.per_second, seconds, options.seed)
    first = options.warm * (options.per_second + 1)
    engine, reader = Engine(Config()), Reader(Config())
    gc.freeze()
    collect_rarely()
    if not options.small_pages:
        in_large_pages()
    profile = cProfile.Profile()
    offset = counted = findings = saved = 0
    took = reading = 0.0
    for batch in _batches(records, options.batch):
        reading += _read(reader, batch)
        fresh = [decode(encode(record)) if isinstance(record, Event) else record for record in batch]
        warm = offset < first
        if options.profile and not warm:
            profile.enable()
        begun = time.process_time()
        step = engine.step(enumerate(fresh, start=offset))
        if options.save:
            saved += sum(len(value or b"") for _, value in engine.changes()) * (not warm)
        took += (time.process_time() - begun) * (not warm)
        profile.disable()
        offset += len(batch)
        counted += len(batch) * (not warm)
        findings += len(step.findings) * (not warm)
        if warm and offset >= first:
            engine.changes()
            _know(engine)
    agents = engine.partition.agents.values()
    nodes = sum(len(agent.slices.nodes) for agent in agents)
    banks = [bank for agent in agents for bank in agent.drift.profile.banks.values()]
    live = sum(sum(bank.live()) for bank in banks)
    compiled = "interpreted" if str(nodes_module.__file__).endswith(".py") else "compiled"
    print(
        f"{counted / took:,.0f} records/s {compiled}  ({counted:,} records in {took:.2f} s of CPU, {findings} findings)"
    )
    print(f"{len(agents):,} agents, {nodes:,} nodes, {engine.partition.counts['runs']:,} runs")
    print(f"{len(banks):,} drift banks with {live / max(len(banks), 1):.0f} live channels each")
    print(f"{1e6 * reading / offset:.1f} µs a record to read the answers, beside that")
    if options.save:
        print(f"{saved / counted:,.0f} bytes of changed state per record")
    if options.profile:
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)


if __name__ == "__main__":
    main()
