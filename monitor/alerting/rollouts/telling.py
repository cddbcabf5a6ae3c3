"""Who is told of a rollout, and what: one notification per receiver, and one for its signed webhook on a verdict.

Pure. The receivers are those of a notice with the labels of the rollout (`alertname="rollout"`, owner, agent, version).
A rollout never rings: what breaks production pages on its own account, inside the budget. Silences and inhibition are
about alerts, and do not mute it. A verdict for a webhook is a thing of its own, done once it was delivered, so that no
later number takes its place while the other end is away.
"""

from __future__ import annotations

from collections.abc import Collection

from monitor.alerting.incidents.alerts import fingerprint
from monitor.alerting.rollouts.board import Standing, Told, reason_of
from monitor.alerting.rollouts.words import title
from monitor.alerting.routing.tree import Destination, Routing
from schemas.alert import Alert, Notification, NotificationReason
from schemas.finding import Finding
from schemas.news import RolloutSeen

ALERTNAME = "rollout"


def notifications(standing: Standing, routing: Routing, signed: Collection[str], now: float) -> list[Notification]:
    """What the receivers are told at `now`, noted in the standing; nothing if nothing is new.

    `signed`: receivers that have a signed webhook for verdicts.
    """
    reason = reason_of(standing)
    if reason is None:
        return []
    alert = _alert(standing, now)
    destinations = {each.receiver: each for each in routing.destinations(alert.labels)}
    for receiver in standing.sequences:  # who was told of it hears the end
        destinations.setdefault(receiver, Destination(receiver, "{}", 0.0))
    found: list[Notification] = []
    for destination in destinations.values():
        receiver = destination.receiver
        standing.sequences[receiver] = standing.sequences.get(receiver, 0) + 1
        found.append(_notification(standing, destination, reason, alert, now))
        if reason is NotificationReason.VERDICT and receiver in signed:
            found.append(_for_webhook(standing, destination, alert, now))
    standing.told = Told(now, standing.seen.time, standing.seen.verdict, standing.ended_at is not None)
    return found


def _alert(standing: Standing, now: float) -> Alert:
    seen, summary = standing.seen, title(standing.view)
    labels = {"alertname": ALERTNAME, "severity": "notice", "owner": seen.owner}
    labels |= {"agent": seen.agent, "version": seen.candidate}
    annotations = {
        "summary": summary, "description": seen.reason, "verdict": seen.verdict, "mode": seen.mode,
        "baseline": seen.baseline, "candidate": seen.candidate, "rollout": seen.id,
    }  # fmt: skip
    return Alert(
        labels=labels,
        annotations=annotations,
        starts_at=seen.started,
        ends_at=standing.ended_at,
        fingerprint=fingerprint(labels),
        finding=_finding(seen, summary, now),
    )


def _finding(seen: RolloutSeen, summary: str, now: float) -> Finding:
    """The rollout as a finding in words: what lists alerts lists it as well."""
    return Finding(
        id=f"rollout/{seen.id}/{seen.time!r}", incident_key=f"rollout/{seen.id}", status="firing", time=now,
        signal=ALERTNAME, direction="up", mode="notice", owner=seen.owner,
        node={"agent": seen.agent, "version": seen.candidate}, watched={}, before=0.0, after=0.0, before_n=0.0,
        after_n=0.0, before_bad=0.0, after_bad=0.0, onset=seen.started, paid=False, words=summary,
    )  # fmt: skip


def _notification(
    standing: Standing, destination: Destination, reason: NotificationReason, alert: Alert, now: float
) -> Notification:
    seen = standing.seen
    return Notification(
        time=now,
        receiver=destination.receiver,
        owner=seen.owner,
        reason=reason,
        status=alert.status,
        severity="notice",
        incident=seen.id,
        sequence=standing.sequences[destination.receiver],
        group_key=f'{destination.key}:{{rollout="{seen.id}"}}',
        group_labels={"owner": seen.owner, "agent": seen.agent},
        alerts=(alert,),
        opened_at=standing.heard_at,
        resolved_at=standing.ended_at,
        timeline=tuple(standing.timeline),
        rollout=standing.view,
        instead_of=destination.stands_for,
    )


def _for_webhook(standing: Standing, destination: Destination, alert: Alert, now: float) -> Notification:
    """The verdict alone, over as soon as it is delivered: the number makes its id, whatever is told of later."""
    seen = standing.seen
    return Notification(
        time=now,
        receiver=destination.receiver,
        owner=seen.owner,
        reason=NotificationReason.VERDICT,
        status="resolved",
        severity="notice",
        incident=f"{seen.id}/verdict/{standing.verdicts}",
        sequence=1,
        group_key=f'{destination.key}:{{rollout="{seen.id}", verdict="{standing.verdicts}"}}',
        group_labels={"owner": seen.owner, "agent": seen.agent},
        alerts=(alert,),
        opened_at=now,
        resolved_at=now,
        rollout=standing.view,
        signed=True,
    )
