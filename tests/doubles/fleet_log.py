"""Logs for the engine, written by tests: runs of agents with their ticks, seeded, in the order of a real log."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from monitor.engine import Engine, Record, Step
from schemas.config import Config
from schemas.event import Event
from schemas.finding import Finding
from schemas.records import Tick

START = 1_800_000_000.0
WEEK = 604_800.0

Item = tuple[int, Record]


@dataclass
class Run:
    """One run as a test thinks of it. `tools`: tool → [calls, failed calls]; `seconds`: how long it takes."""

    agent: str
    at: float
    failed: bool = False
    version: str | None = "v1"
    tools: dict[str, tuple[int, int]] = field(default_factory=dict)
    seconds: float = 0.0
    parent: str | None = None
    name: str = ""


def events(runs: Iterable[Run], *, terse: bool = True) -> list[Event]:
    """The events of runs in the order of time. `terse`: runs without tools are one event."""
    found: list[Event] = []
    for number, run in enumerate(runs):
        name = run.name or f"r{number}"
        common = {"agent": run.agent, "version": run.version, "run": name, "parent_run": run.parent}
        if run.tools or run.seconds or not terse:
            found.append(Event(kind="run_started", time=run.at, id=f"{name}.s", **common))
        for tool, (calls, failed) in run.tools.items():
            found += [
                Event(
                    kind="tool_call", time=run.at, id=f"{name}.{tool}.{i}", tool=tool, soft_error=i < failed, **common
                )
                for i in range(calls)
            ]
        status = "error" if run.failed else "ok"
        at = run.at + run.seconds
        found.append(
            Event(kind="run_finished", time=at, id=f"{name}.f", status=status, duration_seconds=run.seconds, **common)
        )
    found.sort(key=lambda event: event.at)
    return found


def log(happened: Sequence[Event], *, until: float | None = None, every: float = 1.0) -> list[Item]:
    """Events with a tick at each second (or `every`) in which something happened, and one after the last."""
    records: list[Item] = []
    now: float | None = None
    for event in happened:
        if now is None or event.at >= now + every:
            at = event.at // every * every
            records.append((len(records), Tick(at, now)))
            now = at
        records.append((len(records), event))
    if now is not None:
        records.append((len(records), Tick(max(now + every, until or 0.0), now)))
    return records


def replay(config: Config, happened: Sequence[Event], **options: float) -> tuple[Engine, list[Finding]]:
    """All of it through one engine; what it said."""
    engine = Engine(config)
    step: Step = engine.step(log(happened, **options))
    return engine, step.findings


def bernoulli(
    agent: str,
    seed: int,
    rates: Callable[[int], float],
    *,
    runs: int,
    gap: float = 60.0,
    start: float = START,
    version: Callable[[int], str | None] | None = None,
) -> list[Run]:
    """Runs of one agent, one each `gap` seconds; `rates(i)`: the probability that the i-th fails."""
    rng = random.Random(f"{agent} {seed}")
    return [
        Run(agent, start + i * gap, rng.random() < rates(i), version(i) if version else "v1", name=f"{agent}-{i}")
        for i in range(runs)
    ]


def firing(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Those that began an episode."""
    return (finding for finding in findings if finding.status == "firing")
