"""False pages against the alert budget, where nothing changes: fleets that only fail as they always do.

    python benchmarks/bench_false_pages.py [--owners 3] [--weeks 2] [--budget 5] [--agents 8] [--scenario steady ...]

Each owner is a fleet of its own, stepped through the whole engine with learned references, from cold. A page counts
whatever its signal. `pages` must stay at or below `granted`, give or take chance: two standard errors are shown.
"""

from __future__ import annotations

import argparse
import collections
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from monitor.engine import Engine
from schemas.config import Config
from schemas.event import Event
from schemas.records import Tick

START = 1_800_000_000.0
DAY = 86_400.0
WEEK = 7 * DAY
LEVELS = (0.005, 0.02, 0.05, 0.1, 0.2)
"""Failure rates that agents and tools have for good."""
CALLS = 5


@dataclass(frozen=True)
class Fleet:
    """One owner's agents: how much they do, and what is peculiar about it."""

    agents: int = 8
    tools: int = 4
    runs_per_day: float = 200.0
    clustered: float = 0.0
    """Correlation of the calls of one run: failures come together."""
    children: bool = False
    """Every run calls another agent's run, and fails with it four times out of five."""
    deploys: bool = False
    """A new version a day; then nothing for two minutes, then 600 runs at once. Failures end after 5 s, others after
    60 s."""
    swing: float = 0.0
    """Traffic is up and down by so much over the day."""


SCENARIOS: dict[str, Fleet] = {
    "steady": Fleet(),
    "clustered": Fleet(clustered=0.3),
    "nested": Fleet(children=True),
    "deploys": Fleet(deploys=True, agents=3),
    "seasonal": Fleet(swing=0.4),
}


@dataclass
class Counted:
    """What one owner saw."""

    pages: int
    notices: int
    granted: float
    nodes: int
    runs: int
    signals: collections.Counter[str]


def simulate(fleet: Fleet, weeks: float, budget: float, seed: int) -> Counted:
    """One owner through `weeks`, with a budget of so many pages a week."""
    config = Config.model_validate(
        {"owners": {"one": {"budget": f"{budget:g} per week"}}, "detectors": {"agent.traffic": {"mode": "off"}}}
    )
    engine = Engine(config)
    signals: collections.Counter[str] = collections.Counter()
    counted = [0, 0]
    for offset, record in enumerate(_ticked(_events(fleet, weeks, random.Random(seed)))):
        for finding in engine.step(((offset, record),)).findings:
            if finding.status == "firing":
                counted[finding.mode != "page"] += 1
                signals[f"{finding.signal} at {'/'.join(finding.watched) or 'fleet'}"] += 1
    view = engine.aggregator.budgets()[0]
    nodes = sum(len(agent.slices.nodes) for agent in engine.partition.agents.values()) + len(engine.aggregator.parents)
    return Counted(counted[0], counted[1], view.granted, nodes, engine.partition.counts["runs"], signals)


def _ticked(events: list[Event]) -> Iterator[Event | Tick]:
    now: float | None = None
    for event in events:
        at = math.floor(event.at)
        if now is None or at > now:
            yield Tick(float(at), now)
            now = float(at)
        yield event
    if now is not None:
        yield Tick(now + 1.0, now)


def _events(fleet: Fleet, weeks: float, rng: random.Random) -> list[Event]:
    found: list[Event] = []
    for number in range(fleet.agents):
        level = LEVELS[number % len(LEVELS)]
        tools = {f"tool-{rng.randrange(3 * fleet.tools)}": rng.choice(LEVELS) for _ in range(fleet.tools)}
        starts = list(_starts(fleet, weeks, rng))
        for i, at in enumerate(starts):
            _run(fleet, rng, number, f"{number}.{i}", at, level, tools, found)
    found.sort(key=lambda event: event.at)
    return found


def _starts(fleet: Fleet, weeks: float, rng: random.Random) -> Iterator[float]:
    most = fleet.runs_per_day * (1.0 + fleet.swing) / DAY
    at = START + rng.random() * 60.0
    deployed = START
    while True:
        at += rng.expovariate(most)
        if at >= START + weeks * WEEK:
            return
        if fleet.deploys and at - deployed > DAY:
            deployed += DAY
            yield from [deployed + 120.0] * 600
            at = deployed + 125.0
        phase = 1.0 + fleet.swing * math.sin(2.0 * math.pi * at / DAY)
        if rng.random() * (1.0 + fleet.swing) < phase:
            yield at


def _run(
    fleet: Fleet, rng: random.Random, agent: int, name: str, at: float, level: float, tools: dict[str, float],
    found: list[Event],
) -> bool:  # fmt: skip
    version = f"v{int((at - START) // DAY)}" if fleet.deploys else rng.choice(("v1", "v1", "v2"))
    parent = f"r{name[:-2]}" if name.endswith(".c") else None
    common: dict[str, Any] = {"agent": f"agent-{agent}", "version": version, "run": f"r{name}", "parent_run": parent}
    failed = rng.random() < level
    found.append(Event(kind="run_started", time=at, id=f"{name}.s", **common))
    if fleet.children and not name.endswith(".c"):
        child = _run(fleet, rng, agent + 100, f"{name}.c", at, level, tools, found)
        failed = failed or (child and rng.random() < 0.8)
    for tool, rate in tools.items():
        if rng.random() < 0.5:
            share = rate
            if fleet.clustered:
                spread = (1.0 - fleet.clustered) / fleet.clustered
                share = rng.betavariate(rate * spread, (1.0 - rate) * spread)
            for i in range(CALLS):
                bad = rng.random() < share
                call = Event(kind="tool_call", time=at, id=f"{name}.{tool}.{i}", tool=tool, soft_error=bad, **common)
                found.append(call)
    seconds = (5.0 if failed else 60.0) if fleet.deploys else rng.choice((1.0, 3.0, 9.0))
    found.append(
        Event(kind="run_finished", time=at + seconds, id=f"{name}.f", status="error" if failed else "ok", **common)
    )
    return failed


def main() -> None:
    """Print a line per scenario."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--owners", type=int, default=3)
    parser.add_argument("--weeks", type=float, default=2.0)
    parser.add_argument("--budget", type=float, default=5.0, help="pages per week")
    parser.add_argument("--agents", type=int, default=0, help="per owner; default: the scenario's")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scenario", choices=sorted(SCENARIOS), nargs="*", default=list(SCENARIOS))
    options = parser.parse_args()
    say: Callable[..., None] = print
    say(f"{'scenario':<12}{'owner-weeks':>12}{'nodes':>7}{'runs':>10}{'granted':>9}{'pages':>7}{'+- 2 se':>9}")
    for name in options.scenario:
        fleet = SCENARIOS[name]
        if options.agents:
            fleet = Fleet(**{**fleet.__dict__, "agents": options.agents})
        seen = [simulate(fleet, options.weeks, options.budget, options.seed + i) for i in range(options.owners)]
        granted, pages = sum(one.granted for one in seen), sum(one.pages for one in seen)
        say(
            f"{name:<12}{options.owners * options.weeks:>12g}{max(one.nodes for one in seen):>7}"
            f"{sum(one.runs for one in seen):>10,}{granted:>9.2f}{pages:>7}{2.0 * math.sqrt(max(pages, 1)):>9.1f}"
        )
        for signal, count in sum((one.signals for one in seen), collections.Counter()).most_common():
            say(f"{'':<12}{count:>4} {signal}")


if __name__ == "__main__":
    main()
