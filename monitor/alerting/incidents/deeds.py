"""What people do with an incident, and what happens when nobody does: acknowledge, hand over, dismiss, escalate.

Changes one record and says whether it changed; who is told then stands elsewhere. Invariant: an acknowledgement ends
with the episode, and every deed is an entry of the timeline with the name of who did it. Of what is over it can still
be said what it was, for people look later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

from monitor.alerting.incidents.record import Record
from schemas.actions import Deed
from schemas.alert import NotificationReason
from schemas.config import Escalation, Owner
from schemas.records import Ack

WORDS = {"false_alarm": NotificationReason.FALSE_ALARM, "new_normal": NotificationReason.NEW_NORMAL}
BY_CHARACTERS = 80
NOTE_CHARACTERS = 200
OWNERS_NAMED = 20
"""Owners that a refusal names. Beyond, it says how many there are."""


@dataclass(frozen=True)
class Line:
    """Whom a page goes to that nobody acknowledges. `stands`: an owner, or who is told where nobody knows that one."""

    owners: Mapping[str, Owner]
    default: str
    stands: Callable[[str], str]

    def after(self, record: Record) -> Escalation | None:
        """The rule of whoever was told last; None where that asks nobody, or somebody who was asked."""
        asked = (record.incident.owner, *record.chain)
        told = [self.stands(owner) for owner in asked]
        rule = self.owners[told[-1]].escalate if told[-1] in self.owners else None
        return None if rule is None or rule.to in (*asked, *told) else rule


def done(record: Record, deed: Deed, line: Line, now: float) -> bool:
    """Apply a deed; False where it changes nothing. An incident that is over takes a verdict and nothing else."""
    by, note = deed.by[:BY_CHARACTERS], f": {deed.note[:NOTE_CHARACTERS]}" if deed.note else ""
    incident = record.incident
    name = f"deed/{deed.press or repr(deed.time)}/{deed.act}/{by}"
    over = incident.status != "firing"
    if name in record.seen or (over and (deed.act not in WORDS or deed.act == incident.verdict)):
        return False
    record.remember(name)
    if deed.act == "ack":
        if incident.acked_at is not None:
            return False
        record.change(acked_by=by, acked_at=now)
        record.escalate_at = None
        record.news(NotificationReason.ACKNOWLEDGED, now, f"acknowledged by {by}{note}")
    elif deed.act == "unack":
        if incident.acked_at is None:
            return False
        record.change(acked_by="", acked_at=None)
        arm(record, line, now)
        record.news(NotificationReason.UNACKNOWLEDGED, now, f"acknowledgement taken back by {by}{note}")
    elif deed.act == "not_mine":
        if refusal(deed.to, incident.owner, line.owners, line.default):
            return False
        _hand_over(record, deed.to or _next_owner(incident.owner, line.owners, line.default), by, note, line, now)
    else:
        _dismiss(record, deed, f"{WORDS[deed.act]}, says {by}{note}", now)
    return True


def refusal(to: str, owner: str | None, owners: Mapping[str, Owner], default: str) -> str:
    """Why an incident of `owner` cannot be handed over to `to`, in one sentence; "" where it can.

    `to` "": to the next in line. `owner` None: nobody here knows whose it is, and only what is wrong anyway is told.
    """
    if to and owners and to not in owners:
        return f"there is no owner `{to[:BY_CHARACTERS]}`; {_named(owners)}"
    if owner is None:
        return ""
    if to == owner:
        return f"it is {owner[:BY_CHARACTERS]}'s already; {_named(owners)}"
    following = _next_owner(owner, owners, default)
    if not to and (following == owner or (owners and following not in owners)):
        return f"nobody is next in line after {owner[:BY_CHARACTERS]}, say `to`; {_named(owners)}"
    return ""


def acks(record: Record, deed: Deed) -> list[Ack]:
    """What the engine is told: one for each alert of ours that fires."""
    if deed.act not in WORDS:
        return []
    return [
        Ack(deed.time, alert.finding.node.get("agent", ""), alert.key, deed.act)
        for alert in record.incident.alerts
        if alert.status == "firing" and not alert.posted
    ]


def arm(record: Record, line: Line, now: float) -> None:
    """Set when a page that nobody acknowledges goes to the next owner."""
    incident, rule = record.incident, line.after(record)
    waits = incident.severity == "page" and incident.acked_at is None and not incident.root and not record.in_digest
    if rule is None or not waits:
        record.escalate_at = None
    elif record.escalate_at is None:
        record.escalate_at = now + rule.after


def escalated(record: Record, line: Line, now: float) -> None:
    """Nobody acknowledged: the next owner is paged as well, and the owner after that is armed."""
    rule, record.escalate_at = line.after(record), None
    if rule is None:
        return
    record.chain.append(rule.to)
    record.also[rule.to] = NotificationReason.ESCALATED
    record.onlookers.pop(rule.to, None)
    _call(record, rule.to, NotificationReason.ESCALATED)
    record.change(escalated_to=rule.to)
    record.news(NotificationReason.ESCALATED, now, f"nobody acknowledged: escalated to {rule.to}")
    arm(record, line, now)


def _call(record: Record, owner: str, why: NotificationReason) -> None:
    """Ring an owner also where it has rung before: in an earlier episode, or before somebody else had it."""
    if (last := record.sent.get(owner)) is not None:
        last.called = why


def _next_owner(owner: str, owners: Mapping[str, Owner], default: str) -> str:
    rule = owners[owner].escalate if owner in owners else None
    return rule.to if rule is not None else default


def _named(owners: Mapping[str, Owner]) -> str:
    if not owners:
        return "the configuration names no owner"
    more = f" and {len(owners) - OWNERS_NAMED} more" if len(owners) > OWNERS_NAMED else ""
    return f"owners: {', '.join(list(owners)[:OWNERS_NAMED])}{more}"


def _hand_over(record: Record, to: str, by: str, note: str, line: Line, now: float) -> None:
    """Another owner has it from now on; the one before is told so, and of the end."""
    old = record.incident.owner
    record.onlookers[old] = NotificationReason.HANDED_OVER
    record.onlookers.pop(to, None)
    record.also.pop(to, None)
    record.firsts[to] = NotificationReason.HANDED_OVER
    _call(record, to, NotificationReason.HANDED_OVER)
    record.chain, record.escalate_at, record.handed = [], None, record.handed + 1
    record.change(owner=to, handed_from=old, acked_by="", acked_at=None, escalated_to="")
    record.own(to)
    record.news(NotificationReason.HANDED_OVER, now, f"{by} says it is not {old}'s{note}: handed over to {to}")
    arm(record, line, now)


def _dismiss(record: Record, deed: Deed, text: str, now: float) -> None:
    alerts = tuple(
        msgspec.structs.replace(alert, ends_at=now) if alert.status == "firing" else alert
        for alert in record.incident.alerts
    )
    ended = now if record.incident.status == "firing" else record.incident.resolved_at
    record.change(alerts=alerts, status="resolved", resolved_at=ended, verdict=deed.act)
    record.escalate_at = None
    record.news(WORDS[deed.act], now, text)
