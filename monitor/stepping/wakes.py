"""Which agents a tick has something to do for: those to be looked at next, and when the others want to be.

Invariant: an agent is looked at no later than at the first tick after its `wake`; earlier is harmless, for it is asked
again. At most two entries an agent wait, and a thousand.
"""

from __future__ import annotations

import heapq
import math

from monitor.agents import Agent


class Wakes:
    """The agents of one partition by when they are looked at; `agents` is the engine's own map."""

    def __init__(self, agents: dict[str, Agent]) -> None:
        self._agents = agents
        self._soon: dict[str, None] = {}
        self._heap: list[tuple[float, str]] = []
        self._scheduled: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._heap)

    def soon(self, name: str) -> None:
        """Look at an agent at the next tick."""
        self._soon[name] = None

    def schedule(self, agent: Agent, now: float) -> None:
        """See to it that the agent is looked at when it wants to be."""
        name, wake = agent.name, agent.wake
        if wake <= now + 1.0:
            self._soon[name] = None
        elif wake < self._scheduled.get(name, math.inf):
            self._scheduled[name] = wake
            heapq.heappush(self._heap, (wake, name))
            if len(self._heap) > 2 * len(self._agents) + 1_000:  # most of them were overtaken by earlier ones
                self._heap = [(at, name) for name, at in self._scheduled.items()]
                heapq.heapify(self._heap)

    def take(self, now: float) -> list[str]:
        """The agents to be looked at by the tick `now`, in order; they are to be scheduled anew."""
        while self._heap and self._heap[0][0] <= now:
            self._pop(now)
        due = sorted(self._soon)
        self._soon.clear()
        return due

    def next(self, now: float) -> float | None:
        """The next tick at which something may be due if nothing comes; None while there are no agents."""
        if self._soon:
            return now + 1.0
        while self._heap:
            at, name = self._heap[0]
            if self._scheduled.get(name) == at and self._agents[name].wake == at:
                return at
            self._pop(now)
        return None

    def _pop(self, now: float) -> None:
        """Take the earliest entry away; what its agent still wants is scheduled anew."""
        at, name = heapq.heappop(self._heap)
        if self._scheduled.get(name) == at:
            del self._scheduled[name]
            self.schedule(self._agents[name], now)
