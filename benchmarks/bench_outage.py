"""Faults above agents: how soon the node that they belong to is named, and how much else is said.

    python benchmarks/bench_outage.py [--seeds 10] [--scenario provider ...]

110 agents of one owner, 100 of them at one provider with two models and 10 at another, a run every 90 seconds each,
failure rates from 0.5 % to 20 %, ten of them with a tool in common. References are learned over `WARM` runs before the
fault. `alone`: the same fleet and the same budget, all of it for nodes of agents: runs are children of runs elsewhere
and every agent has its own tool, so that nodes above hear nothing.
"""

from __future__ import annotations

import argparse
import random
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from monitor.engine import Engine, Record
from monitor.signals import AGGREGATOR_SHARE, DRIFT_SIGNALS
from schemas.config import Config
from schemas.event import Event
from schemas.finding import Finding
from schemas.records import Tick

START = 1_800_000_000.0
GAP = 90.0
GRID = 5.0
"""Runs end on a grid of so many seconds, which is also how exactly times are measured."""
WARM = 205
"""Runs of each agent before the fault."""
AGENTS = 100
OTHERS = 10
TOOL_USERS = 10


@dataclass(frozen=True)
class Fault:
    """What breaks. `odds`: by how much the odds of failing grow; infinite for "everything fails"."""

    where: str
    odds: float
    names: dict[str, str]
    """Labels of the finding that names it; empty where nothing should be said."""
    runs: int
    """Runs of each agent while it lasts."""


SCENARIOS: dict[str, Fault] = {
    "provider x3": Fault("provider", 3.0, {"provider": "one"}, 45),
    "provider down": Fault("provider", float("inf"), {"provider": "one"}, 15),
    "model down": Fault("model", float("inf"), {"provider": "one", "model": "large"}, 15),
    "tool": Fault("tool", 10.0, {"tool": "search"}, 45),
    "one agent": Fault("agent", float("inf"), {"agent": "agent-7"}, 20),
    "mix shift": Fault("mix", 1.0, {}, 45),
}


@dataclass
class Measured:
    """One fault in one fleet. `seconds`: from the fault to its finding; None where it was not named."""

    seconds: float | None
    findings: list[Finding] = field(default_factory=list)
    early: int = 0
    """Findings before the fault: the price of the budget."""


def measure(fault: Fault, seed: int, *, alone: bool = False) -> Measured:
    """One fleet with one fault; every finding that begins an episode counts."""
    engine = Engine(_config(alone))
    begins = START + WARM * GAP
    said = engine.step(enumerate(_log(fault, random.Random(seed), alone))).findings
    fired = [one for one in said if one.status == "firing"]
    found = [one for one in fired if one.time >= begins]
    early = len(fired) - len(found)
    hit = next((one for one in found if alone or _names(one, fault)), None)
    return Measured(hit.time - begins if hit is not None else None, found, early)


def measure_outages(seeds: int, scenarios: list[str] | None = None) -> Iterator[tuple[str, dict[str, float]]]:
    """Per scenario, medians over `seeds` fleets: seconds, findings during the fault, and the same for agents alone."""
    for name in scenarios or list(SCENARIOS):
        fault = SCENARIOS[name]
        with_parents = [measure(fault, seed) for seed in range(seeds)]
        row = {
            "named": float(sum(one.seconds is not None for one in with_parents)),
            "seconds": _median([one.seconds for one in with_parents]),
            "findings": statistics.median(len(one.findings) for one in with_parents),
            "most findings": float(max(len(one.findings) for one in with_parents)),
        }
        if fault.where in ("provider", "tool"):
            alone = [measure(fault, seed, alone=True) for seed in range(seeds)]
            row["seconds alone"] = _median([one.seconds for one in alone])
            row["findings alone"] = statistics.median(len(one.findings) for one in alone)
        yield name, row


def _names(finding: Finding, fault: Fault) -> bool:
    """Whether a finding names what broke, no more and no less."""
    node = finding.node if "agent" in fault.names else {k: v for k, v in finding.node.items() if k != "version"}
    return bool(fault.names) and node == fault.names


def _config(alone: bool) -> Config:
    off = {signal: {"mode": "off"} for signal in ("agent.traffic", "run.hung", "run.silent", *DRIFT_SIGNALS)}
    budget = 1.0 / (1.0 - AGGREGATOR_SHARE) if alone else 1.0
    return Config.model_validate({"owners": {"one": {"budget": f"{budget:.6f} per week"}}, "detectors": off})


def _log(fault: Fault, rng: random.Random, alone: bool) -> Iterator[Record]:
    """Events of all agents in the order of time, with a tick wherever a second ended."""
    begins = START + WARM * GAP
    rates = [0.005 * 40.0 ** rng.random() for _ in range(AGENTS + OTHERS)]
    starts = []
    for number in range(AGENTS + OTHERS):
        phase = rng.randrange(int(GAP / GRID)) * GRID
        runs = WARM + fault.runs
        starts += [(START + phase + i * GAP, number) for i in range(runs)]
        if fault.where == "mix" and rates[number] > 0.08:  # the bad ones get four times the traffic
            starts += [(begins + phase + (i + j / 4) * GAP, number) for i in range(fault.runs) for j in (1, 2, 3)]
    starts.sort()
    now: float | None = None
    for i, (at, number) in enumerate(starts):
        if now is None or at >= now + 1.0:
            yield Tick(float(int(at)), now)
            now = float(int(at))
        yield from _run(fault, rng, number, rates[number], at, at >= begins, f"{i}", alone)
    if now is not None:
        yield Tick(now + 1.0, now)


def _run(
    fault: Fault, rng: random.Random, number: int, rate: float, at: float, broken: bool, run: str, alone: bool
) -> Iterator[Event]:
    provider, model = ("one", rng.choice(("large", "small"))) if number < AGENTS else ("two", "other")
    agent = f"agent-{number}"
    hit = {
        "provider": provider == "one",
        "model": model == "large",
        "agent": number == 7,
    }.get(fault.where, False)
    failed = rng.random() < (_worse(rate, fault.odds) if broken and hit else rate)
    common: dict[str, Any] = {"agent": agent, "run": run, "parent_run": "outside" if alone else None}
    if number % (AGENTS // TOOL_USERS) == 0:
        worse = broken and fault.where == "tool"
        bad = rng.random() < (_worse(0.02, fault.odds) if worse else 0.02)
        tool = f"search-{number}" if alone else "search"
        yield Event(kind="tool_call", time=at, id=f"{run}.t", tool=tool, soft_error=bad, **common)
        failed = failed or (bad and rng.random() < 0.5)
    yield Event(kind="llm_call", time=at, id=f"{run}.m", provider=provider, model=model, **common)
    status: Literal["ok", "error"] = "error" if failed else "ok"
    yield Event(kind="run_finished", time=at, id=f"{run}.f", status=status, **common)


def _worse(rate: float, odds: float) -> float:
    if odds == float("inf"):
        return 1.0
    new = rate / (1.0 - rate) * odds
    return new / (1.0 + new)


def _median(seconds: list[float | None]) -> float:
    return statistics.median([float("inf") if one is None else one for one in seconds])


def main() -> None:
    """Print a line per scenario."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--scenario", choices=sorted(SCENARIOS), nargs="*", default=None)
    options = parser.parse_args()
    say: Callable[..., None] = print
    for name, row in measure_outages(options.seeds, options.scenario):
        say(f"{name:<14}" + "  ".join(f"{key} {value:g}" for key, value in row.items()), flush=True)


if __name__ == "__main__":
    main()
