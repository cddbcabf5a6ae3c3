"""Whose run, session or user it was: for events that name no agent, as a complaint may.

A bounded map of two generations: what is noted goes into the young one; when that is full it becomes the old one, and
the old one is forgotten. One look-up more than a dict, and no walk over what was deleted, which makes a dict that loses
its first key again and again slow. Invariant: the `NAMES` names that were noted last are known, at most twice as many;
of agents that share a session or user the one that started a run last, however the log was cut into batches.
"""

from __future__ import annotations

from operator import itemgetter
from typing import Final

from schemas.event import Event

NAMES: Final = 100_000
"""Runs, sessions and users whose agent is known without being named, the latest. What comes late for one that is
forgotten is counted as `unassigned`. After a restart runs are known again, sessions and users once they come back."""


class Remembered:
    """Run, session or user → agent."""

    def __init__(self) -> None:
        self._young: dict[str, str] = {}
        self._old: dict[str, str] = {}
        self._noted: list[tuple[int, Event, str]] = []

    def note(self, offset: int, event: Event, agent: str) -> None:
        """A run of `agent` starts, or ends without a start that was told, at this offset of the log. It is known after
        `put_in_order`."""
        self._noted.append((offset, event, agent))

    def put_in_order(self) -> None:
        """Remember what was noted, in the order of the log: agents were stepped one after the other."""
        self._noted.sort(key=itemgetter(0))
        for _, event, agent in self._noted:
            run = event.run or ""
            if event.kind == "run_finished" and self._of(run) == agent:
                continue
            if run:
                self.put(run, agent)
            session, user = event.session, event.user
            if session:
                self.put(f"session {session}", agent)
            if user:
                self.put(f"user {user}", agent)
        self._noted.clear()

    def put(self, name: str, agent: str) -> None:
        """Remember a run, or a session or user under that word and its name."""
        self._young[name] = agent
        if len(self._young) >= NAMES:
            self._old, self._young = self._young, {}

    def agent_of(self, event: Event) -> str | None:
        """The agent of an event by its run, or its session's or user's; None where none of them is known (any more)."""
        return self._of(event.run or "") or self._of(f"session {event.session}") or self._of(f"user {event.user}")

    def _of(self, name: str) -> str | None:
        return self._young.get(name) or self._old.get(name)
