"""The stages between an incident and a notification, in their order.

A stage is a pure function: it lets a candidate pass (None), or says with a `Verdict` how it ends. What mutes
(inhibition, time intervals, silences) stands before the decision whether anything is new.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Sequence

from msgspec import Struct

from monitor.alerting.dedup import EVIDENCE_SECONDS, evidence_moved, needs_update
from monitor.alerting.headline import visible
from monitor.alerting.incidents.record import Record, Sent, leading
from monitor.alerting.routing.tree import Destination, Routing
from schemas.alert import Alert, Notification, NotificationReason, Severity


class Quiet(enum.StrEnum):
    """Why a receiver is not told. Counted by name."""

    NOTHING_NEW = "nothing new"
    NEVER_FIRED = "nothing fires and nothing was told"
    IN_DIGEST = "told in the daily digest"


Verdict = NotificationReason | Quiet


class Candidate(Struct, frozen=True):
    """What one receiver could be told of one incident. `alerts`: those that its route takes, the leading one first."""

    record: Record
    destination: Destination
    alerts: tuple[Alert, ...]
    firing: frozenset[str]
    resolved: frozenset[str]
    shown: tuple[str, ...]
    last: Sent | None


Stage = Callable[[Candidate, float], Verdict | None]


def never_fired(candidate: Candidate, now: float) -> Verdict | None:
    """Nobody hears of what was over before they were told."""
    del now
    return Quiet.NEVER_FIRED if candidate.last is None and not candidate.firing else None


def in_digest(candidate: Candidate, now: float) -> Verdict | None:
    """What waits for the digest has no message of its own."""
    del now
    return Quiet.IN_DIGEST if candidate.record.in_digest else None


def dedup(candidate: Candidate, now: float) -> Verdict | None:
    """Alertmanager's reasons to notify."""
    repeat = candidate.destination.repeat_seconds
    return needs_update(candidate.last, candidate.firing, candidate.resolved, repeat, now)


def evidence(candidate: Candidate, now: float) -> Verdict | None:
    """Our reason: the numbers moved."""
    return evidence_moved(candidate.last, candidate.shown, now)


STAGES: tuple[Stage, ...] = (in_digest, never_fired, dedup, evidence)


def judge(candidate: Candidate, now: float) -> Verdict:
    """The first verdict of a stage."""
    for stage in STAGES:
        if (verdict := stage(candidate, now)) is not None:
            return verdict
    return Quiet.NOTHING_NEW


def candidates(record: Record, routing: Routing) -> list[Candidate]:
    """One candidate for each receiver that a route of the incident's alerts names."""
    taken: dict[str, tuple[Destination, list[Alert]]] = {}
    for alert in leading(record.incident.alerts):
        for destination in routing.destinations(alert.labels):
            taken.setdefault(destination.receiver, (destination, []))[1].append(alert)
    return [
        Candidate(
            record=record,
            destination=destination,
            alerts=tuple(alerts),
            firing=frozenset(alert.key for alert in alerts if alert.status == "firing"),
            resolved=frozenset(alert.key for alert in alerts if alert.status == "resolved"),
            shown=tuple(visible(alert.finding) for alert in alerts if alert.status == "firing"),
            last=record.sent.get(destination.receiver),
        )
        for destination, alerts in taken.values()
    ]


def wake(candidate: Candidate) -> float:
    """When the verdict on an unchanged candidate may change, epoch seconds; infinity for never."""
    if candidate.last is None or not candidate.firing or candidate.record.in_digest:
        return math.inf
    # The repeat is due when the last word is older than the interval, so a moment after it.
    repeat = math.nextafter(candidate.last.time + candidate.destination.repeat_seconds, math.inf)
    if candidate.shown != candidate.last.shown:
        return min(repeat, candidate.last.time + EVIDENCE_SECONDS)
    return repeat


def notification(candidate: Candidate, reason: NotificationReason, now: float) -> Notification:
    """The notification, and the note of it in the incident's record."""
    incident, destination, last = candidate.record.incident, candidate.destination, candidate.last
    sequence = 1 if last is None else last.sequence + 1
    candidate.record.sent[destination.receiver] = Sent(
        time=now, sequence=sequence, firing=candidate.firing, resolved=candidate.resolved, shown=candidate.shown
    )
    severity: Severity = "page" if any(alert.severity == "page" for alert in candidate.alerts) else "notice"
    return Notification(
        time=now,
        receiver=destination.receiver,
        owner=incident.owner,
        reason=reason,
        status="firing" if candidate.firing else "resolved",
        severity=severity,
        incident=incident.id,
        sequence=sequence,
        group_key=f'{destination.key}:{{incident="{incident.id}"}}',
        group_labels={"owner": incident.owner},
        alerts=candidate.alerts,
        opened_at=incident.opened_at,
        resolved_at=None if candidate.firing else max(alert.ends_at or now for alert in candidate.alerts),
        mention=severity == "page" and reason is NotificationReason.FIRST,
        runs=incident.runs,
        timeline=incident.timeline,
        alerts_dropped=incident.alerts_dropped,
    )


def digests(
    owner: str, due: float, records: Sequence[Record], beyond: int, routing: Routing, now: float
) -> list[Notification]:
    """One notification per receiver that lists `records`, those that still fire first. It is over once it is sent.

    `beyond`: incidents that belong to it and are not listed.
    """
    taken: dict[str, tuple[Destination, list[Alert]]] = {}
    for record in records:
        for alert in leading(record.incident.alerts)[:1]:
            for destination in routing.destinations(alert.labels):
                taken.setdefault(destination.receiver, (destination, []))[1].append(alert)
    name = f"digest-{owner}-{due:.0f}"
    return [
        Notification(
            time=now,
            receiver=destination.receiver,
            owner=owner,
            reason=NotificationReason.DIGEST,
            status="resolved",
            severity="notice",
            incident=name,
            sequence=1,
            group_key=f'{destination.key}:{{digest="{owner}"}}',
            group_labels={"owner": owner},
            alerts=leading(tuple(alerts)),
            opened_at=min(alert.starts_at for alert in alerts),
            resolved_at=now,
            alerts_dropped=beyond,
        )
        for destination, alerts in taken.values()
    ]
