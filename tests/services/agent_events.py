"""Streams of events as a fleet sends them, from a seed: the same seed gives the same bytes.

No randomness but the seed's, no clock but the one that is given.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

TOOL = "issue_refund"


@dataclass
class Told:
    """What a stream said: the truth that a monitor must find."""

    events: int = 0
    runs: dict[str, int] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)


class Fleet:
    """Runs of some agents, four events each. Ordinary failures first; `broken` breaks one tool of the first agent."""

    EVENTS_PER_RUN = 4

    def __init__(self, seed: int, start: float, step: float = 0.01, agents: int = 3) -> None:
        self.told = Told()
        self.time = start
        self.step = step
        self._random = random.Random(seed)
        self._agents = [f"agent-{number}" for number in range(agents)]
        self._number = 0

    def runs(self, count: int, *, broken: bool = False) -> Iterator[list[dict[str, Any]]]:
        """`count` runs; each is its events in the order of time."""
        for _ in range(count):
            yield self._run(broken)

    def lines(self, count: int, *, broken: bool = False) -> list[bytes]:
        """The same as JSON lines."""
        return [json.dumps(event).encode() for run in self.runs(count, broken=broken) for event in run]

    def _run(self, broken: bool) -> list[dict[str, Any]]:
        agent = self._agents[self._number % len(self._agents)]
        run = f"run-{self._number}"
        self._number += 1
        breaks = broken and agent == self._agents[0]
        tool_fails = self._random.random() < (0.7 if breaks else 0.03)
        run_fails = self._random.random() < (0.3 if breaks else 0.02)
        told = self.told
        told.runs[agent] = told.runs.get(agent, 0) + 1
        told.failed[agent] = told.failed.get(agent, 0) + run_fails
        said: tuple[dict[str, Any], ...] = (
            {"kind": "run_started", "input": "Where is my money?"},
            {"kind": "llm_call", "model": "gpt-4o", "input_tokens": 900, "output_tokens": 40},
            {"kind": "tool_call", "tool": TOOL, "status": "ok", "result": {"error": "no"} if tool_fails else {"id": 7}},
            {"kind": "run_finished", "status": "error" if run_fails else "ok"},
        )
        events = []
        for number, fields in enumerate(said):
            self.time += self.step
            identity = {
                "id": f"{run}/{number}",
                "time": round(self.time, 3),
                "agent": agent,
                "version": "v1",
                "run": run,
            }
            events.append(identity | fields)
        told.events += len(events)
        return events
