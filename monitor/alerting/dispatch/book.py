"""All alerts that are held: ours and those that others posted, one per set of labels.

Rules of Alertmanager for an alert that comes again: the earliest start is kept, a real end beats one by time-out, else
the later one wins. It decides nothing about who is told. Invariant: an alert is over when its end is not after now;
what has no end fires.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import msgspec
from msgspec import Struct

from monitor.alerting.entries import Entries
from monitor.alerting.incidents.alerts import fingerprint
from schemas.actions import PostedAlert, encode_action
from schemas.alert import LABELS, Alert, Incident
from schemas.finding import Finding

ALERTS = 20_000
"""Alerts that are held. Beyond, one that is over gives way, then a posted notice; else the new one is refused."""
COLLECT_SECONDS = 1_800.0
"""Alerts that are over are forgotten on a grid of so many seconds, as Alertmanager does."""
LABELS_MOST = 64
"""Labels, and annotations, of a posted alert. More: it is refused."""
TEXT_CHARACTERS = 4_096
"""Of a label or an annotation of a posted alert. Longer ones are cut."""
PAGES = frozenset({"page", "critical", "emergency", "error", "high", ""})
"""Severities of posted alerts that ring; none at all does as well. Others are notices."""
PREFIX = "router/alert/"
POSTED = "posted/"
"""Begins the episodes of posted alerts."""


class Held(Struct, frozen=True, kw_only=True):
    """An alert with what only the router knows of it. `incident`: the one that ours belongs to.

    `timeout`: its end was not sent but comes from `resolve_timeout`. `collected`: its time in the book is over, but a
    group has not told it yet; it is not merged any more.
    """

    alert: Alert
    updated_at: float
    timeout: bool = False
    incident: str = ""
    collected: bool = False
    action: str = ""
    """A digest of the record that posted it: the same one again changes nothing."""
    handed: int = 0
    """How often its incident was handed over before."""

    @property
    def ends(self) -> float:
        """When it is over, epoch seconds; infinity where nothing says so."""
        return math.inf if self.alert.ends_at is None else self.alert.ends_at

    @property
    def matter(self) -> str:
        """What rings once in a message: the incident, anew for each owner who is given it; or the posted alert."""
        return f"{self.incident}/{self.handed}" if self.handed else self.incident or self.alert.key

    def over(self, now: float) -> bool:
        """Whether it is resolved at `now`."""
        return self.ends <= now


class Book:
    """Alerts by fingerprint."""

    def __init__(self) -> None:
        self._held = Entries(PREFIX, Held)
        self._own: dict[str, None] = {}
        self._incidents: dict[str, dict[str, None]] = {}
        self._dropped: list[Held] = []
        self.counts: Counter[str] = Counter()

    def __iter__(self) -> Iterator[Held]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)

    def get(self, name: str) -> Held | None:
        """The alert of a fingerprint."""
        return self._held.get(name)

    def own(self) -> Iterator[Held]:
        """Those that came of our findings."""
        return (held for name in self._own if (held := self._held.get(name)) is not None)

    def of_incident(self, incident: str) -> list[Held]:
        """Those of ours that belong to an incident."""
        return [held for name in self._incidents.get(incident, ()) if (held := self._held.get(name)) is not None]

    def post(self, posted: PostedAlert, now: float, resolve_timeout: float) -> Held | None:
        """Take what another system sent at `now`; what is held then. None: refused and counted, or taken before."""
        action = hashlib.blake2b(encode_action(posted), digest_size=8).hexdigest()
        labels = {name: value[:TEXT_CHARACTERS] for name, value in posted.labels.items() if value}
        starts_at, ends_at, timeout = posted.starts_at, posted.ends_at, posted.ends_at is None
        if starts_at is None:
            starts_at = now if ends_at is None else ends_at
        if ends_at is None:
            ends_at = now + resolve_timeout
        if not labels or ends_at < starts_at or "" in labels or max(len(labels), len(posted.annotations)) > LABELS_MOST:
            self.counts["alert refused"] += 1
            return None
        alert = Alert(
            labels=labels,
            annotations={name: text[:TEXT_CHARACTERS] for name, text in posted.annotations.items()},
            starts_at=starts_at,
            ends_at=ends_at,
            fingerprint=fingerprint(labels),
            finding=words_of(labels, posted.annotations, starts_at, now),
            generator_url=posted.generator_url[:TEXT_CHARACTERS],
            posted=True,
        )
        old = self.get(alert.fingerprint)
        if old is not None and old.action == action:
            return None if old.over(now) else old
        return self._put(_merged(old, Held(alert=alert, updated_at=now, timeout=timeout, action=action)), now)

    def take(self, alert: Alert, incident: str, now: float, handed: int = 0) -> Held | None:
        """Take one of ours, as its incident has it now."""
        return self._put(Held(alert=alert, updated_at=now, incident=incident, handed=handed), now)

    def follow(self, incident: Incident, now: float, *, handed: int = 0) -> Iterator[Held]:
        """Take the alerts of an incident, which was `handed` over so often, as they are now; those that changed. Posted
        ones are known already."""
        names = {alert.fingerprint for alert in incident.alerts}
        gone = [h.alert for h in self.of_incident(incident.id) if h.alert.fingerprint not in names and not h.over(now)]
        alerts = [alert for alert in incident.alerts if not alert.posted]
        for alert in (*alerts, *(msgspec.structs.replace(each, ends_at=now) for each in gone)):
            known = self.get(alert.fingerprint)
            if known is not None and known.alert == alert:
                continue
            if alert.ends_at is not None and (known is None or known.incident != incident.id):
                continue  # over before it was put, or another episode of the same labels goes on
            held = self.take(alert, incident.id, now, handed)
            if held is not None:
                yield held

    def gave_way(self) -> list[Held]:
        """Those that fired and were dropped for others, since the last call."""
        dropped, self._dropped = self._dropped, []
        return dropped

    def forget(self, name: str) -> None:
        """Drop one that no group and no incident needs."""
        self._own.pop(name, None)
        held = self._held.get(name)
        if held is not None and held.incident in self._incidents:
            self._incidents[held.incident].pop(name, None)
            if not self._incidents[held.incident]:
                del self._incidents[held.incident]
        self._held.drop(name)

    def collect(self, now: float, needed: Iterable[str]) -> None:
        """Forget what is over, but for those that a group still has to tell (`needed`)."""
        keep = set(needed)
        for name, held in self._held.items():
            if not held.over(now):
                continue
            if name not in keep:
                self.forget(name)
            elif not held.collected:
                self._held.put(name, msgspec.structs.replace(held, collected=True))

    def changes(self) -> list[tuple[str, bytes | None]]:
        """Entries that changed since the last call."""
        return self._held.changes()

    def load(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """Take up what `changes` gave."""
        self._held.load(entries)
        for name, held in self._held.items():
            if not held.alert.posted:
                self._own[name] = None
                self._incidents.setdefault(held.incident, {})[name] = None

    def _put(self, held: Held, now: float) -> Held | None:
        name = held.alert.fingerprint
        if name not in self._held and not self._make_room(held, now):
            self.counts["alert refused"] += 1
            return None
        if name in self._held:
            self.forget(name)
        self._held.put(name, held)
        if not held.alert.posted:
            self._own[name] = None
            self._incidents.setdefault(held.incident, {})[name] = None
        return held

    def _make_room(self, held: Held, now: float) -> bool:
        if len(self._held) < ALERTS:
            return True
        found = [name for name, each in self._held.items() if each.over(now)]
        if not found and held.alert.severity == "page":
            found = [name for name, each in self._held.items() if each.alert.posted and each.alert.severity != "page"]
        if found:
            dropped = self._held.get(found[0])
            if dropped is not None and not dropped.over(now):
                self._dropped.append(dropped)
            self.forget(found[0])
            self.counts["alert dropped"] += 1
        return bool(found)


def words_of(labels: Mapping[str, str], annotations: Mapping[str, str], starts_at: float, now: float) -> Finding:
    """What a posted alert says, in the form of our findings; it has words instead of numbers."""
    name = labels.get("alertname", "alert")
    words = annotations.get("summary") or annotations.get("description") or annotations.get("message") or name
    return Finding(
        id=f"{POSTED}{fingerprint(labels)}/{now!r}",
        incident_key=f"{POSTED}{fingerprint(labels)}",
        status="firing",
        time=now,
        signal=name,
        direction="up",
        mode="page" if labels.get("severity", "").lower() in PAGES else "notice",
        owner=labels.get("owner", ""),
        node={label: labels[label] for label in LABELS if label in labels},
        watched={},
        before=0.0,
        after=0.0,
        before_n=0.0,
        after_n=0.0,
        before_bad=0.0,
        after_bad=0.0,
        onset=starts_at,
        paid=False,
        words=words[:TEXT_CHARACTERS],
    )


def _merged(old: Held | None, new: Held) -> Held:
    """What is held when `new` comes while `old` is known: they are one where their times overlap."""
    if old is None or old.collected:
        return new
    ends, starts = new.ends, new.alert.starts_at
    if not (old.alert.starts_at < ends < old.ends or old.alert.starts_at < starts < old.ends):
        return new
    starts_at, ends_at = min(starts, old.alert.starts_at), new.alert.ends_at
    if new.over(new.updated_at):
        if old.over(new.updated_at) and old.ends > ends:
            ends_at = old.alert.ends_at
    elif old.ends > ends and not old.timeout:
        ends_at = old.alert.ends_at
    return msgspec.structs.replace(new, alert=msgspec.structs.replace(new.alert, starts_at=starts_at, ends_at=ends_at))
