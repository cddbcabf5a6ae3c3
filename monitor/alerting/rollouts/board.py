"""How each rollout stood last.

The router owns it. Bound: `ROLLOUTS`; beyond, the one that was heard of longest ago is forgotten and counted. Each is
one entry of the state; a crash before it is written repeats the news, and news that is not newer changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from monitor.alerting.entries import Entries
from schemas.news import RolloutSeen

ROLLOUTS = 1_000
"""Rollouts that are kept. Beyond, the one heard of longest ago is forgotten; counted as `rollouts forgotten`."""
PREFIX = "router/rollout/"


class Rollouts:
    """Rollouts by id. `counts`: what came of news, by name."""

    def __init__(self) -> None:
        self._kept = Entries(PREFIX, RolloutSeen)
        self.counts: Counter[str] = Counter()

    def take(self, news: RolloutSeen) -> None:
        """Keep how a rollout stands; what is not newer than what is known changes nothing."""
        known = self._kept.get(news.id)
        if known is not None and news.time <= known.time:
            self.counts["rollout repeated"] += 1
            return
        self._kept.put(news.id, news)
        self.counts["rollout"] += 1
        if len(self._kept) > ROLLOUTS:
            self._kept.drop(min(self._kept, key=lambda each: (each.time, each.id)).id)
            self.counts["rollouts forgotten"] += 1

    def seen(self) -> list[RolloutSeen]:
        """Those that are kept, the latest first."""
        return sorted(self._kept, key=lambda each: (each.time, each.id), reverse=True)

    def changes(self) -> list[tuple[str, bytes | None]]:
        """Entries that changed since the last call."""
        return self._kept.changes()

    def load(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """Take up what `changes` gave."""
        self._kept.load(entries)
