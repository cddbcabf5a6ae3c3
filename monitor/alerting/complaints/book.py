"""Complaints that engines told of, each once, and the incident that each belongs to.

The router owns it. Bound: `COMPLAINTS`; beyond, the one with the earliest time is forgotten and counted; a complaint is
kept as long as an incident. Each is one entry of the state; a crash before it is written repeats the news, and an id
that is known changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from msgspec import Struct

from monitor.alerting.entries import Entries
from schemas.config import DAY
from schemas.news import ComplaintSeen

COMPLAINTS = 5_000
"""Complaints that are kept. Beyond, the earliest is forgotten; counted as `complaints forgotten`."""
WAITING = 500
"""Complaints that no incident has which are looked at when one changes: the latest. Earlier ones stay missed."""
LATEST = DAY
"""An incident that opens later than so long after a complaint has nothing to do with it."""
PREFIX = "router/complaint/"


class Complaint(Struct):
    """One complaint. `incident`: its id; empty where none has it, which is a miss `LATEST` seconds later."""

    seen: ComplaintSeen
    incident: str = ""


class Complaints:
    """Complaints by id. `counts`: what came of news, by name."""

    def __init__(self) -> None:
        self._kept = Entries(PREFIX, Complaint)
        self._waiting: dict[str, None] = {}
        self.counts: Counter[str] = Counter()

    def __iter__(self) -> Iterator[Complaint]:
        """All that are kept."""
        return iter(self._kept)

    def take(self, news: ComplaintSeen) -> Complaint | None:
        """Keep a complaint; None for one that is known, which changes nothing."""
        if news.id in self._kept:
            self.counts["complaint repeated"] += 1
            return None
        found = Complaint(news)
        self._kept.put(news.id, found)
        self._wait(news.id)
        self.counts["complaint"] += 1
        if len(self._kept) > COMPLAINTS:
            self._forget(min(self._kept, key=lambda each: (each.seen.time, each.seen.id)).seen.id)
            self.counts["complaints forgotten"] += 1
        return found

    def attach(self, complaint: Complaint, incident: str) -> None:
        """The complaint belongs to an incident."""
        complaint.incident = incident
        self._waiting.pop(complaint.seen.id, None)
        self._kept.put(complaint.seen.id, complaint)
        self.counts["complaint attached"] += 1

    def waiting(self, now: float) -> list[Complaint]:
        """Complaints that no incident has and that one may still explain."""
        for name in list(self._waiting):
            known = self._kept.get(name)
            if known is None or known.seen.time + LATEST < now:
                del self._waiting[name]
        return [known for name in self._waiting if (known := self._kept.get(name)) is not None]

    def expire(self, before: float) -> None:
        """Forget complaints from before a time, epoch seconds."""
        for name, each in self._kept.items():
            if each.seen.time >= before:
                return  # in the order of their coming, which is nearly that of their time
            self._forget(name)

    def seen(self) -> list[ComplaintSeen]:
        """Those that are kept, the latest first."""
        return sorted((each.seen for each in self._kept), key=lambda each: (each.time, each.id), reverse=True)

    def changes(self) -> list[tuple[str, bytes | None]]:
        """Entries that changed since the last call."""
        return self._kept.changes()

    def load(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """Take up what `changes` gave."""
        self._kept.load(entries)
        loaded = sorted(self._kept, key=lambda each: (each.seen.heard, each.seen.id))
        for each in loaded:
            if not each.incident:
                self._wait(each.seen.id)

    def _wait(self, name: str) -> None:
        self._waiting[name] = None
        if len(self._waiting) > WAITING:
            del self._waiting[next(iter(self._waiting))]

    def _forget(self, name: str) -> None:
        self._kept.drop(name)
        self._waiting.pop(name, None)
