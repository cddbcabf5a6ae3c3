"""All incidents that the router knows: the open ones, and the closed ones for as long as they are kept.

It looks up and it forgets; who is told stands elsewhere. Invariant: `changes()` names every incident that differs from
what was last written, so that `load` of all changes gives the same store.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from monitor.alerting.incidents.record import Record, decode, encode, incident_id, slice_of
from schemas.alert import Incident
from schemas.finding import Finding

OPEN_PER_OWNER = 100
"""Open incidents of one owner. Beyond, a new alert joins the newest one; counted as `overflow`."""

CLOSED = 2_000
"""Closed incidents that are kept. Beyond, the oldest is forgotten; counted as `evicted`."""

PREFIX = "incident/"


class Incidents:
    """Incidents by id and by the episodes that they hold. `retention`: seconds for which a closed one is kept."""

    def __init__(self, retention: float) -> None:
        self._retention = retention
        self._open: dict[str, Record] = {}
        self._closed: dict[str, Record] = {}
        self._by_key: dict[str, set[str]] = {}
        self._by_slice: dict[str, set[str]] = {}
        self._changed: dict[str, None] = {}
        self._order = 0
        self.counts: Counter[str] = Counter()

    def __iter__(self) -> Iterator[Record]:
        """Open ones in the order in which they opened, then closed ones in the order in which they closed."""
        yield from self._open.values()
        yield from self._closed.values()

    def open(self) -> Iterable[Record]:
        """Open incidents, oldest first."""
        return self._open.values()

    def closed(self, finding: Finding) -> list[Record]:
        """Closed incidents of a finding's slice, the latest first."""
        known = self._by_slice.get(slice_of(finding), ())
        found = [record for name in known if (record := self._closed.get(name)) is not None]
        return sorted(found, key=_order, reverse=True)

    def closed_since(self, since: float) -> Iterator[Record]:
        """Closed incidents that were over at `since` (epoch seconds) or later, the latest to close first."""
        for record in reversed(list(self._closed.values())):
            if (record.incident.resolved_at or 0.0) < since:
                return
            yield record

    def keep_for(self, retention: float) -> None:
        """Keep closed ones for so many seconds from now on."""
        self._retention = retention

    def reopen(self, record: Record) -> None:
        """Move a closed incident back to the open ones."""
        del self._closed[record.incident.id]
        self._number(record)
        self._open[record.incident.id] = record
        self._changed[record.incident.id] = None

    def get(self, incident: str) -> Record:
        """An open incident; raises `KeyError` where there is none."""
        return self._open[incident]

    def find(self, incident: str) -> Record | None:
        """An incident, open or closed, while it is kept."""
        return self._open.get(incident) or self._closed.get(incident)

    def is_open(self, incident: str) -> bool:
        """Whether an incident of this id fires."""
        return incident in self._open

    def holding(self, key: str) -> list[Record]:
        """All incidents that know an episode, open and closed, in the order in which they opened or closed."""
        known = self._by_key.get(key, ())
        found = (self._open.get(name) or self._closed.get(name) for name in known)
        return sorted((record for record in found if record is not None), key=_order)

    def of_owner(self, owner: str) -> list[Incident]:
        """Open incidents of one owner, oldest first."""
        return [record.incident for record in self._open.values() if record.incident.owner == owner]

    def free_id(self, finding: Finding) -> str:
        """The id of the next incident that this episode opens: one that was never used, and the same in a replay."""
        key = finding.incident_key
        if finding.words:  # it comes under this key again, also when the incident of before is forgotten
            key = f"{key}@{finding.time!r}"
        occurrence = 1
        while (name := incident_id(key, occurrence)) in self._open or name in self._closed:
            occurrence += 1
        return name

    def add(self, record: Record) -> None:
        """Keep a new open incident."""
        self._number(record)
        self._open[record.incident.id] = record
        self._index(record)
        self._changed[record.incident.id] = None

    def touch(self, record: Record) -> None:
        """Note that an incident changed."""
        self._index(record)
        self._changed[record.incident.id] = None

    def close(self, record: Record) -> None:
        """Move a resolved incident to the closed ones."""
        record.close()
        self._number(record)
        del self._open[record.incident.id]
        self._closed[record.incident.id] = record
        self._changed[record.incident.id] = None
        while len(self._closed) > CLOSED:
            self._forget(next(iter(self._closed)))

    def expire(self, now: float) -> None:
        """Forget closed incidents beyond the retention."""
        while self._closed:
            oldest = next(iter(self._closed.values())).incident
            if (oldest.resolved_at or 0.0) + self._retention > now:
                return
            self._forget(oldest.id)

    def next_expiry(self) -> float | None:
        """When the oldest closed incident may be forgotten, epoch seconds."""
        for record in self._closed.values():
            return (record.incident.resolved_at or 0.0) + self._retention
        return None

    def changes(self) -> list[tuple[str, bytes | None]]:
        """Entries that changed since the last call; None deletes."""
        out: list[tuple[str, bytes | None]] = []
        for name in self._changed:
            record = self._open.get(name) or self._closed.get(name)
            out.append((PREFIX + name, encode(record) if record is not None else None))
        self._changed.clear()
        return out

    def load(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """Take up what `changes` gave; other entries are ignored. Before the first step only."""
        records = [decode(raw) for key, raw in entries if key.startswith(PREFIX)]
        for record in sorted(records, key=_order):
            kept = self._open if record.incident.status == "firing" else self._closed
            kept[record.incident.id] = record
            self._order = record.order
            self._index(record)

    def _number(self, record: Record) -> None:
        self._order += 1
        record.order = self._order

    def _index(self, record: Record) -> None:
        for key in _keys(record):
            self._by_key.setdefault(key, set()).add(record.incident.id)
        for alert in record.incident.alerts:
            self._by_slice.setdefault(slice_of(alert.finding), set()).add(record.incident.id)

    def _forget(self, name: str) -> None:
        record = self._closed.pop(name)
        for key in _keys(record):
            _drop(self._by_key, key, name)
        for alert in record.incident.alerts:
            _drop(self._by_slice, slice_of(alert.finding), name)
        self._changed[name] = None
        self.counts["evicted"] += 1


def _order(record: Record) -> int:
    return record.order


def _keys(record: Record) -> list[str]:
    return [*record.past, *(alert.key for alert in record.incident.alerts)]


def _drop(index: dict[str, set[str]], key: str, name: str) -> None:
    known = index.get(key, set())
    known.discard(name)
    if not known:
        index.pop(key, None)
