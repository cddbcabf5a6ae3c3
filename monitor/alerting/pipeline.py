"""The stages between an incident and a notification, in their order.

For routing by owner, where the incident is the group, and for escalations; a written `route:` has `dispatch.stages`. A
stage is a pure function: it lets a candidate pass (None), or says with a `Verdict` how it ends. What is inhibited or
silenced is not told; of what was told before, the end still is.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Iterable, Mapping, Sequence

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
    ROOTED = "another incident causes it"
    ONLOOKER = "told once, then the end"
    INHIBITED = "inhibited"
    SILENCED = "silenced"


Verdict = NotificationReason | Quiet
Mutes = Callable[[Alert], Quiet | None]
"""What mutes an alert now."""


class Candidate(Struct, frozen=True):
    """What one receiver could be told of one incident. `alerts`: those that its route takes, the leading one first.

    `firing` and `resolved`: keys of the alerts as the receiver may know them; what is muted counts as it was told last.
    `muted`: why, where all that fires is. `onlooker`: the reason of the one word that is told before the end. `left`:
    whether only the end is told, for others are told of it now.
    """

    record: Record
    destination: Destination
    alerts: tuple[Alert, ...]
    firing: frozenset[str]
    resolved: frozenset[str]
    shown: tuple[str, ...]
    last: Sent | None
    first: NotificationReason = NotificationReason.FIRST
    muted: Quiet | None = None
    onlooker: NotificationReason | None = None
    left: bool = False

    @property
    def strays(self) -> bool:
        """Whether it is the first word to a receiver who stands for an owner whom nobody knows."""
        return bool(self.destination.stands_for) and self.destination.receiver not in self.record.sent

    @property
    def rings(self) -> bool:
        """Whether there is a page that has not rung at this receiver, or that calls it once more."""
        page = any(alert.severity == "page" and alert.key in self.firing for alert in self.alerts)
        quiet = self.onlooker is not None or bool(self.record.incident.root) or self.muted is not None
        waits = self.last is None or self.last.rang is False or self.last.called is not None
        return page and not quiet and waits


Stage = Callable[[Candidate, float], Verdict | None]


def in_digest(candidate: Candidate, now: float) -> Verdict | None:
    """What waits for the digest has no message of its own."""
    del now
    return Quiet.IN_DIGEST if candidate.record.in_digest else None


def never_fired(candidate: Candidate, now: float) -> Verdict | None:
    """Nobody hears of what was over, or muted, before they were told."""
    del now
    if candidate.last is None and not candidate.firing:
        return candidate.muted or Quiet.NEVER_FIRED
    return None


def looking_on(candidate: Candidate, now: float) -> Verdict | None:
    """Who only looks on is told one word, and the end."""
    del now
    word, last = candidate.onlooker, candidate.last
    if word is None:
        return None
    if candidate.firing:
        return word if last is None or not (last.parted or candidate.left) else Quiet.ONLOOKER
    return NotificationReason.ALL_RESOLVED if last is not None and last.firing else Quiet.ONLOOKER


def rooted(candidate: Candidate, now: float) -> Verdict | None:
    """What another incident causes is one line, no page: to whom was told of it, that it is so; to others nothing."""
    del now
    if not candidate.record.incident.root or not candidate.firing:
        return None
    last = candidate.last
    if last is None:
        return NotificationReason.AFFECTED
    return NotificationReason.AFFECTED if not last.parted else Quiet.ROOTED


def news(candidate: Candidate, now: float) -> Verdict | None:
    """Our reasons: a person did something, or it has another standing now."""
    del now
    record, last = candidate.record, candidate.last
    return record.why if last is not None and last.revision < record.revision else None


def calling(candidate: Candidate, now: float) -> Verdict | None:
    """Who knows of it and is given it rings, with the reason for that, whatever else is new."""
    del now
    return candidate.last.called if candidate.last is not None and candidate.rings else None


def dedup(candidate: Candidate, now: float) -> Verdict | None:
    """Alertmanager's reasons to notify. What was acknowledged, or is muted, is not repeated."""
    quiet = candidate.muted is not None or candidate.record.incident.acked_at is not None
    repeat = math.inf if quiet else candidate.destination.repeat_seconds
    reason = needs_update(candidate.last, candidate.firing, candidate.resolved, repeat, now)
    if reason is NotificationReason.FIRST:
        if candidate.last is not None:
            return NotificationReason.FLAPPING
        return candidate.first
    if reason is NotificationReason.ALL_RESOLVED and candidate.record.incident.verdict:
        return candidate.record.why
    return reason


def ringing(candidate: Candidate, now: float) -> Verdict | None:
    """What grew from a notice to a page rings."""
    del now
    return NotificationReason.NEW_ALERTS if candidate.rings else None


def evidence(candidate: Candidate, now: float) -> Verdict | None:
    """Our reason: the numbers moved."""
    return None if candidate.muted is not None else evidence_moved(candidate.last, candidate.shown, now)


STAGES: tuple[Stage, ...] = (in_digest, never_fired, looking_on, rooted, calling, dedup, ringing, news, evidence)


def judge(candidate: Candidate, now: float) -> Verdict:
    """The first verdict of a stage."""
    for stage in STAGES:
        if (verdict := stage(candidate, now)) is not None:
            return verdict
    return candidate.muted or Quiet.NOTHING_NEW


def candidates(record: Record, routing: Routing, mutes: Mutes) -> list[Candidate]:
    """One candidate for each receiver that is told of the incident itself: its owner's, and each owner's beside it.

    A written `route:` tells its groups instead; of the incident itself it then hears whom it was escalated to, and who
    has a message of it already, to its end. Without one, who was told in the place of an owner who is in the
    configuration now is told the end.
    """
    taken: dict[str, tuple[Destination, list[Alert]]] = {}
    alerts = leading(record.incident.alerts)
    for alert in alerts if routing.root is None else ():
        for destination in routing.destinations(alert.labels):
            taken.setdefault(destination.receiver, (destination, []))[1].append(alert)
    beside = record.onlookers if routing.root is None else record.sent
    for destination in map(routing.to, (*record.also, *beside)):
        taken.setdefault(destination.receiver, (destination, list(alerts)))
    left = [each for each in map(routing.to, record.sent) if each.receiver not in taken and not each.stands_for]
    taken.update((destination.receiver, (destination, list(alerts))) for destination in left)
    if not taken:
        return []
    muted = {alert.key: why for alert in alerts if alert.status == "firing" and (why := mutes(alert)) is not None}
    return [
        _candidate(record, destination, tuple(found), muted, left=destination in left)
        for destination, found in taken.values()
    ]


def _candidate(
    record: Record, destination: Destination, alerts: tuple[Alert, ...], muted: Mapping[str, Quiet], *, left: bool
) -> Candidate:
    receiver, meant = destination.receiver, destination.stands_for or destination.receiver
    last = record.sent.get(receiver) or record.sent.get(meant)  # who stands for an owner hears what is new
    fires = [alert.key for alert in alerts if alert.status == "firing"]
    heard = [key for key in fires if key not in muted]
    known = frozenset[str]() if last is None else last.firing
    return Candidate(
        record=record,
        destination=destination,
        alerts=alerts,
        firing=frozenset((*heard, *(key for key in fires if key in known))),
        resolved=frozenset(alert.key for alert in alerts if alert.status == "resolved"),
        shown=tuple(visible(alert.finding) for alert in alerts if alert.status == "firing"),
        last=last,
        first=record.also.get(meant) or record.firsts.get(meant) or NotificationReason.FIRST,
        muted=muted[fires[0]] if fires and not heard else None,
        onlooker=NotificationReason.HANDED_OVER if left else record.onlookers.get(meant),
        left=left,
    )


def wake(candidate: Candidate) -> float:
    """When the verdict on an unchanged candidate may change, epoch seconds; infinity for never."""
    quiet = candidate.record.in_digest or candidate.onlooker is not None or bool(candidate.record.incident.root)
    if candidate.last is None or not candidate.firing or quiet or candidate.muted is not None:
        return math.inf
    # The repeat is due when the last word is older than the interval, so a moment after it.
    repeat = math.nextafter(candidate.last.time + candidate.destination.repeat_seconds, math.inf)
    if candidate.record.incident.acked_at is not None:
        repeat = math.inf
    if candidate.shown != candidate.last.shown:
        return min(repeat, candidate.last.time + EVIDENCE_SECONDS)
    return repeat


def notification(candidate: Candidate, reason: NotificationReason, now: float) -> Notification:
    """The notification, and the note of it in the incident's record."""
    incident, destination, last = candidate.record.incident, candidate.destination, candidate.last
    sequence = 1 if last is None else last.sequence + 1
    mention = candidate.rings
    record = candidate.record
    record.sent[destination.receiver] = Sent(
        time=now,
        sequence=sequence,
        firing=candidate.firing,
        resolved=candidate.resolved,
        shown=candidate.shown,
        revision=record.revision,
        rang=mention or (last is not None and last.rang is not False),
        parted=candidate.onlooker is not None or bool(incident.root),
        called=None if mention or last is None else last.called,
    )
    page = any(alert.severity == "page" for alert in candidate.alerts)
    looks_on = candidate.onlooker is not None or bool(incident.root)
    severity: Severity = "page" if page and not looks_on else "notice"
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
        mention=mention,
        runs=incident.runs,
        timeline=incident.timeline,
        alerts_dropped=incident.alerts_dropped,
        incidents=(incident.id,),
        acked_by=incident.acked_by,
        acked_at=incident.acked_at,
        escalated_to=incident.escalated_to,
        impact=incident.impact,
        root=incident.root or (incident.id if candidate.onlooker is NotificationReason.AFFECTED else ""),
        cause=incident.cause,
        causes=incident.causes,
        onset_from=incident.onset_from,
        onset_to=incident.onset_to,
        silenced_until=incident.silenced_until,
        no_data_since=incident.no_data_since,
        series=record.series_of(candidate.alerts[0]),
        complained_at=incident.complained_at,
        instead_of=destination.stands_for,
    )


def digests(
    due: Iterable[tuple[str, float, Sequence[str], int]],
    find: Callable[[str], Record | None],
    routing: Routing,
    now: float,
) -> list[Notification]:
    """The digests that are `due`, of `Digest.due`: of each owner one message per receiver, whatever became of its
    incidents."""
    told: list[Notification] = []
    for owner, at, names, beyond in due:
        records = [record for name in names if (record := find(name)) is not None]
        told += _digest(owner, at, records, beyond + len(names) - len(records), routing, now)
    return told


def _digest(
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
            instead_of=destination.stands_for,
        )
        for destination, alerts in taken.values()
    ]
