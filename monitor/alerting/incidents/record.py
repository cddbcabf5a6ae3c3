"""One incident with what the router remembers of it, as a value that goes to the log and back.

It holds no rule about who is told. Invariant: `incident` is `firing` exactly while one of its alerts is.
"""

from __future__ import annotations

import hashlib

import msgspec
from msgspec import Struct

from monitor.alerting.headline import headline, subject
from monitor.alerting.incidents.alerts import Step, opened, stepped
from schemas.alert import Alert, Incident, TimelineEntry
from schemas.finding import Finding
from schemas.limits import EXAMPLE_RUNS

ALERTS = 100
"""Alerts that one incident lists. What joins beyond is counted in `alerts_dropped` and not followed."""

TIMELINE = 20
"""Entries of a timeline. Beyond, the second oldest gives way (the first stays) and is counted."""

SEEN = 256
"""Ids of findings that an open incident remembers. Older ones are still known as late by their time."""

SEEN_CLOSED = 16
"""The same for a closed incident."""

VERSION = b"\x01"


class Sent(Struct, kw_only=True):
    """What a receiver was last told: episodes that fired and that had resolved, and what it could see of them."""

    time: float
    sequence: int
    firing: frozenset[str]
    resolved: frozenset[str]
    shown: tuple[str, ...]


class Record(Struct, kw_only=True):
    """An incident, the findings that made it, and the last notification of each receiver.

    `order` counts openings and closings over all incidents, so that what is loaded stands in the order it had.
    """

    incident: Incident
    order: int = 0
    seen: list[str] = msgspec.field(default_factory=list)
    sent: dict[str, Sent] = msgspec.field(default_factory=dict)
    in_digest: bool = False
    """Told in the owner's next digest, not by a message of its own."""

    def alert(self, key: str) -> Alert | None:
        """The alert of an episode."""
        return next((alert for alert in self.incident.alerts if alert.key == key), None)

    def take(self, step: Step, finding: Finding) -> None:
        """Apply a finding that this incident holds or that joins it. Who owns it stays so until it ends."""
        self.remember(finding.id)
        if finding.owner != self.incident.owner:
            finding = msgspec.structs.replace(finding, owner=self.incident.owner)
        alerts, timeline = self.incident.alerts, self.incident.timeline
        dropped, gone = self.incident.alerts_dropped, self.incident.timeline_dropped
        current = self.alert(finding.incident_key)
        if current is not None:
            after = stepped(current, step, finding)
            alerts = tuple(after if alert.key == after.key else alert for alert in alerts)
        elif len(alerts) < ALERTS:
            alerts = (*alerts, opened(finding))
        else:
            dropped += 1
        if (text := _entry(step, finding)) is not None:
            timeline, late = _appended(timeline, TimelineEntry(finding.time, text))
            gone += late
        firing = any(alert.status == "firing" for alert in alerts)
        self.incident = msgspec.structs.replace(
            self.incident,
            alerts=alerts,
            severity="page" if any(alert.severity == "page" for alert in alerts) else "notice",
            status="firing" if firing else "resolved",
            resolved_at=None if firing else max(alert.ends_at or 0.0 for alert in alerts),
            timeline=timeline,
            timeline_dropped=gone,
            runs=_runs(alerts),
            alerts_dropped=dropped,
        )

    def remember(self, finding_id: str) -> None:
        """Know a finding again, at most `SEEN` of them."""
        self.seen.append(finding_id)
        del self.seen[:-SEEN]

    def close(self) -> None:
        """Keep only what a closed incident needs."""
        del self.seen[:-SEEN_CLOSED]


def new_record(incident_id: str, finding: Finding) -> Record:
    """The incident that a firing finding opens."""
    incident = Incident(
        id=incident_id,
        owner=finding.owner,
        severity="page" if finding.mode == "page" else "notice",
        status="firing",
        opened_at=finding.time,
        alerts=(),
    )
    record = Record(incident=incident)
    record.take(Step.OPEN, finding)
    return record


def incident_id(key: str, occurrence: int) -> str:
    """12 hex digits from the first finding's episode; `occurrence` counts the incidents of one episode from 1."""
    name = key if occurrence == 1 else f"{key}#{occurrence}"
    return hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=6).hexdigest()


def leading(alerts: tuple[Alert, ...]) -> tuple[Alert, ...]:
    """Alerts with the one that says most first: firing, then page, then the smallest slice, then the earliest onset."""
    return tuple(
        sorted(
            alerts,
            key=lambda alert: (
                alert.status != "firing",
                alert.severity != "page",
                -len(alert.finding.node),
                alert.finding.onset,
                alert.key,
            ),
        )
    )


def encode(record: Record) -> bytes:
    """Version byte and msgpack."""
    return VERSION + msgspec.msgpack.encode(record)


def decode(raw: bytes) -> Record:
    """Raises `ValueError` on a version that this code does not know."""
    if raw[:1] != VERSION:
        raise ValueError(f"incident of unknown version {raw[:1]!r}")
    return msgspec.msgpack.decode(raw[1:], type=Record)


def _entry(step: Step, finding: Finding) -> str | None:
    if step is Step.END:
        return f"back to normal: {finding.signal} of {subject(finding.node)}"
    if step in (Step.OPEN, Step.REFIRE):
        word = "fires" if step is Step.OPEN else "fires again"
        return f"{word}: {headline(finding)}"
    return None


def _appended(timeline: tuple[TimelineEntry, ...], entry: TimelineEntry) -> tuple[tuple[TimelineEntry, ...], int]:
    if len(timeline) < TIMELINE:
        return (*timeline, entry), 0
    return (timeline[0], *timeline[2:], entry), 1


def _runs(alerts: tuple[Alert, ...]) -> tuple[str, ...]:
    """Example runs of the leading alerts first, at most `EXAMPLE_RUNS`."""
    runs = dict.fromkeys(run for alert in leading(alerts) for run in alert.finding.runs)
    return tuple(runs)[:EXAMPLE_RUNS]
