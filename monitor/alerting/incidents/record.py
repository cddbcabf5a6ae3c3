"""One incident with what the router remembers of it, as a value that goes to the log and back.

It holds no rule about who is told. Invariant: `incident` is `firing` exactly while one of its alerts is.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
from msgspec import Struct

from monitor.alerting.headline import closing_entry, headline, unit_of
from monitor.alerting.incidents.alerts import Step, fingerprint, last_heard, opened, stepped
from schemas.alert import LABELS, Alert, Incident, NotificationReason, TimelineEntry
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

PAST = 64
"""Episodes that gave way and are still known. Beyond, the oldest is forgotten."""

SERIES = 120
"""Points of a chart. Beyond, every second one gives way."""

CHARTED = 4
"""Alerts of one incident whose levels are kept. Beyond, those of the alert that says least give way."""

VERSION = b"\x01"


class Sent(Struct, kw_only=True):
    """What a receiver was last told: episodes that fired and that had resolved, and what it could see of them."""

    time: float
    sequence: int
    firing: frozenset[str]
    resolved: frozenset[str]
    shown: tuple[str, ...]
    revision: int = 0
    """Of the record, as it was told."""
    rang: bool | None = None
    """Whether a page of it has rung. None: written before that was noted."""
    parted: bool = False
    """Whether it was told its only word before the end."""
    called: NotificationReason | None = None
    """Why it is to ring once more, although it has rung; None where it is not."""


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
    revision: int = 0
    """Counts what changed beside the alerts."""
    why: NotificationReason = NotificationReason.EVIDENCE
    """The reason of the latest revision."""
    firsts: dict[str, NotificationReason] = msgspec.field(default_factory=dict)
    """Receiver → reason of the first word to it, where that is not `first notification`."""
    also: dict[str, NotificationReason] = msgspec.field(default_factory=dict)
    """Owners beside its own who are told like it, and why at first."""
    onlookers: dict[str, NotificationReason] = msgspec.field(default_factory=dict)
    """Owners who are told one word, and the end."""
    escalate_at: float | None = None
    chain: list[str] = msgspec.field(default_factory=list)
    """Owners to whom it was escalated, in order."""
    series: list[tuple[float, float]] = msgspec.field(default_factory=list)
    """Of a record that was written before `levels`: those of the alert `series_key`. Empty since."""
    series_key: str = ""
    past: list[str] = msgspec.field(default_factory=list)
    """Episodes whose alert gave way to a later one of the same slice."""
    said: int = 0
    """The revision that groups of a written `route:` were told of."""
    levels: dict[str, list[tuple[float, float]]] = msgspec.field(default_factory=dict)
    """Episode → time and level of its alert, as they were reported."""
    handed: int = 0
    """How often it was handed over."""

    def change(self, **fields: Any) -> None:
        """Replace fields of the incident."""
        self.incident = msgspec.structs.replace(self.incident, **fields)

    def news(self, reason: NotificationReason, now: float, text: str) -> None:
        """Something happened to it that whoever was told of it is shown."""
        self.revision += 1
        self.why = reason
        timeline, gone = _appended(self.incident.timeline, TimelineEntry(now, text))
        self.change(timeline=timeline, timeline_dropped=self.incident.timeline_dropped + gone)

    def own(self, owner: str) -> None:
        """Give all alerts to an owner."""
        self.change(
            alerts=tuple(
                msgspec.structs.replace(alert, labels=labels, fingerprint=fingerprint(labels), finding=finding)
                for alert in self.incident.alerts
                for finding in (msgspec.structs.replace(alert.finding, owner=owner),)
                for labels in ({**alert.labels, "owner": owner},)
            )
        )

    def reopen(self) -> None:
        """It fires again soon after its end: the same incident goes on, unacknowledged."""
        self.change(
            status="firing", resolved_at=None, reopened=self.incident.reopened + 1, acked_by="", acked_at=None,
            escalated_to="", root="", impact=(),
        )  # fmt: skip
        self.chain, self.escalate_at = [], None
        self.revision += 1
        self.why = NotificationReason.FLAPPING

    def alert(self, key: str) -> Alert | None:
        """The alert of an episode."""
        return next((alert for alert in self.incident.alerts if alert.key == key), None)

    def series_of(self, alert: Alert) -> tuple[tuple[float, float], ...]:
        """Time and level of one of its alerts, oldest first; empty where they were not kept."""
        return tuple(self.levels.get(alert.key, ()))

    def take(self, step: Step, finding: Finding, given: Alert | None = None) -> None:
        """Apply a finding that this incident holds or that joins it; `given`: the alert, where another system wrote it.

        Who owns it stays so until it ends.
        """
        self.remember(finding.id)
        if finding.owner != self.incident.owner:
            finding = msgspec.structs.replace(finding, owner=self.incident.owner)
        fresh = opened(finding) if given is None else _owned(given, finding, self.incident.handed_from)
        alerts, timeline = self.incident.alerts, self.incident.timeline
        dropped, gone = self.incident.alerts_dropped, self.incident.timeline_dropped
        current = self.alert(finding.incident_key) or self._flapping(step, finding)
        if finding.mode == "page" and step is not Step.END:
            self.in_digest = False  # what grows to a page has a message of its own
        if current is not None:
            after = stepped(current, step, finding, fresh)
            alerts = tuple(after if alert.key == current.key else alert for alert in alerts)
            if after.key != current.key:
                self.past = [*(key for key in self.past if key != after.key), current.key][-PAST:]
        elif len(alerts) < ALERTS:
            alerts = (*alerts, fresh)
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
        self._level(current, finding)

    def _flapping(self, step: Step, finding: Finding) -> Alert | None:
        """The alert that is over and whose slice a new episode speaks of: the new one stands in its place."""
        if step is not Step.REFIRE:
            return None
        return next((a for a in self.incident.alerts if a.status == "resolved" and same_slice(a, finding)), None)

    def _level(self, before: Alert | None, finding: Finding) -> None:
        """A level was reported. `before`: the alert as it was; where it spoke of something else, its levels end."""
        if finding.words or self.alert(finding.incident_key) is None:
            return
        points = [] if before is None else self.levels.get(before.key, [])
        if before is not None and _measured(before.finding) != _measured(finding):
            if finding.status == "resolved":
                return  # its last levels stay those of what fired
            points = []
        if before is not None and before.key != finding.incident_key:
            self.levels.pop(before.key, None)
        points.append((finding.time, finding.after))
        if len(points) > SERIES:
            del points[1::2]  # half as many points over the whole time
        self.levels[finding.incident_key] = points
        if len(self.levels) > CHARTED:
            keys = [alert.key for alert in leading(self.incident.alerts) if alert.key in self.levels]
            self.levels = {key: self.levels[key] for key in keys[:CHARTED]}

    def is_late(self, finding: Finding) -> bool:
        """Whether an episode that gave way to a later one speaks of the time before."""
        found = [alert for alert in self.incident.alerts if same_slice(alert, finding)]
        return finding.incident_key in self.past and any(finding.time < last_heard(alert) for alert in found)

    def remember(self, finding_id: str) -> None:
        """Know a finding again, at most `SEEN` of them."""
        self.seen.append(finding_id)
        del self.seen[:-SEEN]

    def close(self) -> None:
        """Keep only what a closed incident needs."""
        del self.seen[:-SEEN_CLOSED]


def new_record(incident_id: str, finding: Finding, given: Alert | None = None) -> Record:
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
    record.take(Step.OPEN, finding, given)
    return record


def _owned(given: Alert, finding: Finding, handed_from: str) -> Alert:
    """A posted alert in an incident; where that was handed over, the new owner stands in its labels."""
    labels = {**given.labels, "owner": finding.owner} if handed_from else given.labels
    return msgspec.structs.replace(given, labels=labels, finding=finding)


def incident_id(key: str, occurrence: int) -> str:
    """12 hex digits from the name of the first finding's episode; `occurrence` counts its incidents from 1."""
    name = key if occurrence == 1 else f"{key}#{occurrence}"
    return hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=6).hexdigest()


def slice_of(finding: Finding) -> str:
    """What a finding speaks of, whatever the episode: its signal and its slice; of a posted alert the alert itself."""
    if finding.words:
        return finding.incident_key
    return "\xff".join((finding.signal, *(finding.node.get(name, "") for name in LABELS)))


def same_slice(alert: Alert, finding: Finding) -> bool:
    """Whether an alert and a finding speak of the same signal in the same slice."""
    return slice_of(alert.finding) == slice_of(finding)


def _measured(finding: Finding) -> tuple[str, str, str]:
    """What a level is a level of: only such levels stand in one chart."""
    return slice_of(finding), unit_of(finding), finding.share_of


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
    record = msgspec.msgpack.decode(raw[1:], type=Record)
    if record.series:
        record.levels, record.series = {record.series_key: record.series}, []
    return record


def _entry(step: Step, finding: Finding) -> str | None:
    if step is Step.END:
        return closing_entry(finding)
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
