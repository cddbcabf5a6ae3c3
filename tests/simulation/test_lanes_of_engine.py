"""The vectorised core of the benchmarks pages when the whole engine does, fed the same runs and what the ledger grants.

One owner, eleven agents that fail as they always do and then twice as often, learned references, from cold; the budget
is large, so that there is something to compare. Runs are children of runs elsewhere, so that nodes above agents, which
have rules of their own, hear nothing. An agent is compared until its first page.
"""

from __future__ import annotations

import random

import numpy as np

from benchmarks.detection.lanes import Lanes
from monitor.engine import Engine
from monitor.signals import RUN_FAILED
from schemas.config import Config
from schemas.event import Event
from schemas.records import Tick
from tests.doubles.nodes import copy_of

START = 1_800_000_000.0
AGENTS = 11
ROUNDS = 450
KEY = (RUN_FAILED.name, None, None)


class Fleet:
    """The engine and its log."""

    def __init__(self) -> None:
        self.engine = Engine(Config.model_validate({"owners": {"one": {"budget": "40 per day"}}}))
        self.offset = -1
        self.now = START - 1.0
        self.spent = 0.0

    def tick(self, seconds: float) -> None:
        before, self.now = self.now, self.now + seconds
        self._write(Tick(self.now, before))

    def run(self, agent: int, number: int, failed: bool) -> tuple[float, bool]:
        """One run of one agent; what its node dripped for it, and whether it paged."""
        common = {"agent": f"a{agent}", "run": f"{agent}.{number}", "parent_run": f"p{agent}.{number}"}
        self._write(Event(kind="run_started", time=self.now, id=f"{agent}.{number}.s", **common))
        status = "error" if failed else "ok"
        ended = Event(kind="run_finished", time=self.now, id=f"{agent}.{number}.f", status=status, **common)
        slices = self.engine.partition.agents[f"a{agent}"].slices
        node = slices.nodes.get(KEY)
        flowed = 0.0 if node is None else slices.table.drip(copy_of(node), self.now)
        paged = self._write(ended)
        if node is not None and node.last == self.now:  # it was bet on
            self.spent += flowed
        return flowed, paged

    def evidence(self, agent: int) -> list[float]:
        return list(self.engine.partition.agents[f"a{agent}"].slices.nodes[KEY].evidence)

    def _write(self, record: Event | Tick) -> bool:
        self.offset += 1
        findings = self.engine.step([(self.offset, record)]).findings
        return any(finding.signal == RUN_FAILED.name and finding.status == "firing" for finding in findings)


def test_lanes_page_when_the_engine_does() -> None:
    rng = random.Random(8)
    fleet = Fleet()
    lanes = Lanes(AGENTS, RUN_FAILED.grid, RUN_FAILED.tolerance, 0.0)
    levels = [rng.choice((0.005, 0.02, 0.05, 0.1, 0.2)) for _ in range(AGENTS)]
    compared = set(range(AGENTS))
    paged = compared_runs = 0
    for number in range(ROUNDS):
        fleet.tick(rng.choice((1.0, 7.0, 60.0, 400.0)))
        failed = [rng.random() < level * (2.0 if number > ROUNDS / 2 else 1.0) for level in levels]
        told = [fleet.run(agent, number, failed[agent]) for agent in range(AGENTS)]
        pages = lanes.step(np.array(failed, dtype=float), np.array([flowed for flowed, _ in told]))
        for agent in sorted(compared):
            assert told[agent][1] == bool(pages[agent]), (agent, number)
            compared_runs += 1
            if pages[agent]:
                compared.discard(agent)
                paged += 1
            else:
                assert fleet.evidence(agent) == lanes.evidence[:, agent].tolist(), (agent, number)
    assert paged >= 3
    assert compared_runs > AGENTS * ROUNDS // 2
    assert 0.0 < fleet.spent <= 40.0 * (fleet.now - START) / 86_400.0
