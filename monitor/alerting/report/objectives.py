"""How agents stand against their objectives, as engines told last.

The router owns it. Bound: `OBJECTIVES`; beyond, the one that was heard of longest ago is forgotten and counted. Each is
one entry of the state; a crash before it is written repeats the news, and news that is not newer changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from monitor.alerting.entries import Entries
from schemas.news import ObjectiveSeen

OBJECTIVES = 10_000
"""Objectives that are kept. Beyond, the one heard of longest ago is forgotten; counted as `objectives forgotten`."""
PREFIX = "router/objective/"


class Objectives:
    """The latest of each agent and objective. `counts`: what came of news, by name."""

    def __init__(self) -> None:
        self._kept = Entries(PREFIX, ObjectiveSeen)
        self.counts: Counter[str] = Counter()

    def take(self, news: ObjectiveSeen) -> None:
        """Keep how an objective stands; what is not newer than what is known changes nothing."""
        key = f"{news.agent}/{news.name}"
        known = self._kept.get(key)
        if known is not None and news.time <= known.time:
            return
        self._kept.put(key, news)
        if len(self._kept) > OBJECTIVES:
            oldest = min(self._kept, key=lambda each: (each.time, each.agent, each.name))
            self._kept.drop(f"{oldest.agent}/{oldest.name}")
            self.counts["objectives forgotten"] += 1

    def all(self) -> list[ObjectiveSeen]:
        """All of them, by agent."""
        return sorted(self._kept, key=lambda each: (each.agent, each.name))

    def changes(self) -> list[tuple[str, bytes | None]]:
        """Entries that changed since the last call."""
        return self._kept.changes()

    def load(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """Take up what `changes` gave."""
        self._kept.load(entries)
