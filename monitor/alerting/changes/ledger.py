"""Changes that engines told of, each once.

The router owns it. Bound: `CHANGES`; beyond, the one with the earliest time is forgotten and counted. Each change is
one entry of the state; a crash before it is written repeats the news, and an id that is known changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from monitor.alerting.entries import Entries
from schemas.news import ChangeSeen

CHANGES = 5_000
"""Changes that are kept. Beyond, the earliest is forgotten; counted as `changes forgotten`."""
PREFIX = "router/change/"


class Changes:
    """Changes by id. `counts`: what came of news, by name."""

    def __init__(self) -> None:
        self._kept = Entries(PREFIX, ChangeSeen)
        self.counts: Counter[str] = Counter()

    def take(self, news: ChangeSeen) -> None:
        """Keep a change; one that is known changes nothing."""
        if news.id in self._kept:
            self.counts["change repeated"] += 1
            return
        self._kept.put(news.id, news)
        self.counts["change"] += 1
        if len(self._kept) > CHANGES:
            self._kept.drop(min(self._kept, key=lambda each: (each.time, each.id)).id)
            self.counts["changes forgotten"] += 1

    def seen(self) -> list[ChangeSeen]:
        """Those that are kept, the latest first."""
        return sorted(self._kept, key=lambda each: (each.time, each.id), reverse=True)

    def changes(self) -> list[tuple[str, bytes | None]]:
        """Entries that changed since the last call."""
        return self._kept.changes()

    def load(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """Take up what `changes` gave."""
        self._kept.load(entries)
