"""What the router shows of itself: alerts, groups and silences as Alertmanager's API has them.

Pure and without memory; asked rarely, so it works everything out anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from monitor.alerting.dispatch.book import Held
from monitor.alerting.dispatch.groups import Group, Groups
from monitor.alerting.dispatch.stages import World
from monitor.alerting.incidents.record import Record
from monitor.alerting.muting.silences import Silences
from monitor.alerting.routing.tree import Node, Routing
from schemas.alert import AlertView, GroupView, NotificationReason


class Part(Protocol):
    """A part of the router's state."""

    def changes(self) -> list[tuple[str, bytes | None]]:
        """Entries that changed since the last call."""
        ...

    def load(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """Take up what `changes` gave."""
        ...


def alerts(routing: Routing, world: World, groups: Groups, now: float) -> list[AlertView]:
    """Every alert that fires, and those that are over and not told to be."""
    nodes = {node.id: node for node in routing.nodes()}
    of: dict[str, list[Group]] = {}
    for group in groups:
        for name in group.members:
            of.setdefault(name, []).append(group)
    found = [
        _view(held, of.get(held.alert.fingerprint, []), nodes, routing, world, now)
        for held in world.book
        if not held.over(now) or held.alert.fingerprint in of
    ]
    return sorted(found, key=lambda each: (each.starts_at, each.fingerprint))


def groups(routing: Routing, world: World, kept: Groups, records: Sequence[Record], now: float) -> list[GroupView]:
    """What each receiver is told together: groups of a written `route:`, else open incidents."""
    nodes = {node.id: node for node in routing.nodes()}
    found = []
    for group in kept:
        if not group.members:
            continue  # another tree made it; it has only to say that
        held = [each for name in group.members if (each := world.book.get(name)) is not None]
        shown = tuple(_view(each, [group], nodes, routing, world, now) for each in held)
        found.append(
            GroupView(
                labels=group.labels,
                receiver=group.receiver,
                alerts=shown,
                key=group.key,
                next_at=group.next_at,
                looked=group.looked,
            )
        )
    if routing.root is None:
        for record in records:
            held = [each for a in record.incident.alerts if (each := world.book.get(a.fingerprint)) is not None]
            shown = tuple(_view(each, [], nodes, routing, world, now) for each in held)
            labels = {"owner": record.incident.owner, "incident": record.incident.id}
            receiver = routing.to(record.incident.owner).receiver
            found.append(GroupView(labels=labels, receiver=receiver, alerts=shown, key=record.incident.id))
    return sorted(found, key=lambda each: (sorted(each.labels.items()), each.receiver))


def note_silence(record: Record, silences: Silences, now: float) -> bool:
    """Write into an incident until when all of it that fires is silenced, as news; whether that changed."""
    firing = [alert for alert in record.incident.alerts if alert.status == "firing"]
    found = [silences.muting(alert.labels, now) for alert in firing]
    until = min((silences.until(ids) or now for ids in found), default=None) if firing and all(found) else None
    if not firing or until == record.incident.silenced_until:
        return False
    began = record.incident.silenced_until is None
    record.change(silenced_until=until)
    if until is None:
        record.news(NotificationReason.UNSILENCED, now, "silence ended")
    elif began:
        record.news(NotificationReason.SILENCED, now, "silenced")
    else:
        record.revision += 1
    return True


def _view(
    held: Held, groups: Sequence[Group], nodes: dict[str, Node], routing: Routing, world: World, now: float
) -> AlertView:
    labels = held.alert.labels
    silenced = world.silences.muting(labels, now)
    source = world.inhibition.muting(labels, now, world.book)
    muted = [_muted_by(nodes[group.node], world, now) for group in groups]
    by = tuple(dict.fromkeys(name for names in muted for name in names)) if muted and all(muted) else ()
    waits = bool(groups) and not any(group.looked for group in groups)
    return AlertView(
        labels=labels,
        annotations=held.alert.annotations,
        starts_at=held.alert.starts_at,
        ends_at=held.alert.ends_at,
        updated_at=held.updated_at,
        fingerprint=held.alert.fingerprint,
        generator_url=held.alert.generator_url,
        state="suppressed" if silenced or source or by else "unprocessed" if waits else "active",
        silenced_by=silenced,
        inhibited_by=(source,) if source is not None else (),
        muted_by=by,
        receivers=tuple(sorted({each.receiver for each in routing.destinations(labels)})),
    )


def _muted_by(node: Node, world: World, now: float) -> tuple[str, ...]:
    """The time intervals that mute a route now: those it is within, or all active ones that it is outside of."""
    muting = world.times.within(node.mute_times, now)
    if node.active_times and not world.times.within(node.active_times, now):
        return (*muting, *node.active_times)
    return muting
