"""The stages between a group and a notification, in Alertmanager's order. Each is a pure function.

A stage takes alerts out, or ends the look with a named reason. What mutes stands before the decision whether anything
is new. Sending is the outbox's part: it tries again with backoff until the receiver has the present state.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from monitor.alerting.dedup import needs_update
from monitor.alerting.dispatch.book import Book, Held
from monitor.alerting.dispatch.groups import Group
from monitor.alerting.dispatch.telling import root_of
from monitor.alerting.dispatch.told import Told, ToldLog
from monitor.alerting.incidents.record import Record
from monitor.alerting.muting.inhibition import Inhibition
from monitor.alerting.muting.silences import Silences
from monitor.alerting.muting.times import Times
from monitor.alerting.routing.tree import Node
from schemas.alert import NotificationReason


class Quiet(enum.StrEnum):
    """Why a receiver is not told of a group now. Counted by name."""

    INHIBITED = "inhibited"
    NOT_ACTIVE = "outside active times"
    MUTED = "within mute times"
    SILENCED = "silenced"
    NOTHING_NEW = "nothing new"
    UNWANTED = "resolves are not sent"


@dataclass(frozen=True)
class World:
    """What the stages look at."""

    book: Book
    inhibition: Inhibition
    times: Times
    silences: Silences
    told: ToldLog
    send_resolved: Mapping[str, bool]
    """Receiver → whether any place of it wants to hear of resolved alerts; True where it is not named."""
    incident: Callable[[str], Record | None]


@dataclass(frozen=True)
class Look:
    """One look at a group: what is left of its alerts, what was muted and by what, and the verdict.

    `rings`: the matters (`Held.matter`) that ring with it. `kept`: what is muted and told all the same, as it was told
    last; `owed`: what is over and waits for its route's times to be told so. Both are fingerprints.
    """

    group: Group
    node: Node
    now: float
    alerts: tuple[Held, ...]
    muted: Mapping[str, Quiet]
    last: Told | None = None
    verdict: NotificationReason | Quiet | None = None
    rings: tuple[str, ...] = ()
    kept: frozenset[str] = frozenset()
    owed: frozenset[str] = frozenset()

    @property
    def firing(self) -> frozenset[str]:
        """Fingerprints of those that fire and are not muted."""
        return frozenset(held.alert.fingerprint for held in self.alerts if not held.over(self.now))

    @property
    def resolved(self) -> frozenset[str]:
        """Fingerprints of those that are over and not muted."""
        return frozenset(held.alert.fingerprint for held in self.alerts if held.over(self.now))


Stage = Callable[[Look, World], Look]


def inhibit(look: Look, world: World) -> Look:
    """Targets of a source that fires are taken out."""
    return _without(
        look,
        Quiet.INHIBITED,
        lambda held: world.inhibition.muting(held.alert.labels, look.now, world.book) is not None,
    )


def active_times(look: Look, world: World) -> Look:
    """Outside of a route's active times nothing passes."""
    inactive = _inactive(look, world)
    return _without(look, Quiet.NOT_ACTIVE, lambda _: inactive)


def mute_times(look: Look, world: World) -> Look:
    """Within a route's mute times nothing passes."""
    muted = _within_mute_times(look, world)
    return _without(look, Quiet.MUTED, lambda _: muted)


def silence(look: Look, world: World) -> Look:
    """Silenced alerts are taken out."""
    return _without(look, Quiet.SILENCED, lambda held: bool(world.silences.muting(held.alert.labels, look.now)))


def dedup(look: Look, world: World) -> Look:
    """Is there anything that the receiver does not know? Ours: a page that did not ring in the message is such."""
    last = world.told.last(look.group.key, look.group.receiver)
    wanted = world.send_resolved.get(look.group.receiver, True)
    resolved = look.resolved if wanted or last is None else look.resolved & last.resolved
    reason = needs_update(last, look.firing, resolved, look.node.repeat_seconds, look.now)
    rings = _rings(look, None if reason is NotificationReason.FIRST else last, world)
    if reason is None and rings:
        reason = NotificationReason.NEW_ALERTS
    return replace(look, last=last, verdict=reason or Quiet.NOTHING_NEW, rings=rings)


MUTES: tuple[Stage, ...] = (inhibit, active_times, mute_times, silence)


def judge(look: Look, world: World) -> Look:
    """The look after the stages, with a verdict."""
    whole = look
    for stage in MUTES:
        look = stage(look, world)
        if look.verdict is not None:
            break
    look = with_ends(look, whole, world)
    return look if look.verdict is not None else dedup(look, world)


def ringing(look: Look, world: World) -> tuple[str, ...]:
    """What of a look may ring now, and did not ring in its group's message: for a word that waits for no look."""
    for stage in MUTES:
        look = stage(look, world)
    return _rings(look, world.told.last(look.group.key, look.group.receiver), world)


def with_ends(look: Look, whole: Look, world: World) -> Look:
    """Ours: no message of an incident fires for ever. `whole`: the look before anything was muted.

    The end of what a message shows is told whatever mutes it, for an edit rings nobody; behind the times of the route,
    within which nothing passes. What goes on beside it stays in the message as it was told, muted or not. Alerts of
    other systems leave without a word, as with Alertmanager.
    """
    last = world.told.last(whole.group.key, whole.group.receiver)
    known = frozenset[str]() if last is None else last.firing
    shown = {held.alert.fingerprint: held for held in whole.alerts if held.alert.fingerprint in known}
    fires = {held.alert.key: held for held in whole.alerts if not held.over(look.now)}
    # What changed hands goes on under the labels of its new owner.
    ended = (held for held in shown.values() if held.over(look.now) and held.alert.key not in fires)
    over = frozenset(held.alert.fingerprint for held in ended if not held.alert.posted)
    if not over:
        return look
    if _inactive(look, world) or _within_mute_times(look, world):
        return replace(look, owed=over)
    goes_on = {fires[held.alert.key].alert.fingerprint for held in shown.values() if held.alert.key in fires}
    kept = frozenset(goes_on & look.muted.keys())
    told = {held.alert.fingerprint for held in look.alerts} | over | kept
    return replace(
        look,
        alerts=tuple(held for held in whole.alerts if held.alert.fingerprint in told),
        muted={name: why for name, why in look.muted.items() if name not in over},
        verdict=None,
        kept=kept,
    )


def _rings(look: Look, last: Told | None, world: World) -> tuple[str, ...]:
    """Pages that fire, that no other incident causes, and that did not ring in the message: the matters of them.

    Whom an incident is given who has a message of its own of it is rung there.
    """
    known = frozenset(look.group.rung) | (frozenset() if last is None else last.knows(look.alerts))
    found = (
        held.matter
        for held in look.alerts
        if held.alert.severity == "page"
        and not held.over(look.now)
        and not root_of(held, world.incident)
        and held.alert.fingerprint not in look.kept
        and not _has_own(held, world.incident)
    )
    return tuple(dict.fromkeys(matter for matter in found if matter not in known))


def _has_own(held: Held, find: Callable[[str], Record | None]) -> bool:
    """Whether the owner of an alert's incident has a message of its own of it: it was escalated to them before it was
    handed over, or there was no tree then."""
    record = find(held.incident) if held.incident else None
    return record is not None and record.incident.owner in record.sent


def _inactive(look: Look, world: World) -> bool:
    names = look.node.active_times
    return bool(names) and not world.times.within(names, look.now)


def _within_mute_times(look: Look, world: World) -> bool:
    names = look.node.mute_times
    return bool(names) and bool(world.times.within(names, look.now))


def _without(look: Look, why: Quiet, muted: Callable[[Held], bool]) -> Look:
    out = {held.alert.fingerprint: why for held in look.alerts if muted(held)}
    left = tuple(held for held in look.alerts if held.alert.fingerprint not in out)
    return replace(look, alerts=left, muted={**look.muted, **out}, verdict=look.verdict if left else why)
