"""The dispatcher: alerts and time in, notifications of groups out. It is there while the YAML has a `route:`.

Pure. Time goes on in steps to named moments: what is due before an alert came is told before the alert is taken, so
that it does not matter how records were cut into batches. Invariant: a look at a group ends in one notification or one
named reason, and resolved alerts leave the group behind it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from weakref import ref

import msgspec

from monitor.alerting.decisions import Decisions
from monitor.alerting.dispatch.book import Held
from monitor.alerting.dispatch.groups import Group, Groups
from monitor.alerting.dispatch.parting import part, went_to
from monitor.alerting.dispatch.stages import Look, Quiet, World, judge, ringing
from monitor.alerting.dispatch.telling import explained, in_order, root_of, runs_of, shown, timeline_of
from monitor.alerting.dispatch.told import COLLECT_SECONDS, Told
from monitor.alerting.incidents.record import Record
from monitor.alerting.routing.tree import Node, Routing
from schemas.alert import Call, Notification, NotificationReason, Severity, TimelineEntry

LISTED = 1_000
"""Alerts that one notification lists, what fires first. Beyond: counted in `alerts_dropped`."""

CALLED = 50
"""Owners whom one message calls, those of the first pages in it. Beyond, they are told of and not rung: `owner
not called`."""


class Dispatcher:
    """Groups, their times, and what is said of them. `world`: what the stages look at, shared with the router."""

    def __init__(self, routing: Routing, world: World, decisions: Decisions) -> None:
        self.groups = Groups()
        self.counts: Counter[str] = Counter()
        self._world = world
        self._decisions = decisions
        self._route(routing)

    def reload(self, routing: Routing, world: World, now: float) -> None:
        """Go on under another tree."""
        self._world = world
        self._route(routing)
        self._regroup(now)

    def loaded(self, now: float) -> None:
        """Groups were taken up as they were at `now`. If the tree was edited meanwhile, they go on under this one."""
        alerts = list(self._world.book)
        if not self.groups.made_by(self._routing, alerts, now):
            self._regroup(now)

    def take(self, held: Held, now: float) -> None:
        """An alert was put into the book at `now`."""
        self.groups.place(held, self._routing, now)

    def put_off(self, now: float) -> None:
        """The monitor was away: groups wait once for `group_wait`, and what was told is not forgotten before."""
        root = self._routing.root
        self.groups.put_off(now + (root.wait_seconds if root is not None else 0.0))
        self._world.told.keep_until(now + COLLECT_SECONDS)

    def run(self, until: float, *, included: bool) -> list[Notification]:
        """What is due before `until` (epoch seconds), or then as well, in the order of its time."""
        told: list[Notification] = []
        while (group := self.groups.due(until, included=included)) is not None:
            told += self._look(group, group.next_at)
        return told

    def knows(self, incident: str) -> bool:
        """Whether a group was told of an alert of the incident."""
        mine = {held.alert.fingerprint for held in self._world.book.of_incident(incident)}
        if not mine:
            return False
        groups = (group for group in self.groups if not mine.isdisjoint(group.members))
        lasts = (self._world.told.last(group.key, group.receiver) for group in groups)
        return any(last is not None and bool(last.firing & mine) for last in lasts)

    def word(self, incident: str, reason: NotificationReason, now: float) -> list[Notification]:
        """A word of ours about an incident, on the messages of the groups that were told of its alerts.

        It rings where the incident was handed over, and its new owner was not rung in that message yet.
        """
        said: list[Notification] = []
        for group in sorted(self.groups, key=lambda each: (each.key, each.receiver, each.name)):
            last = self._world.told.last(group.key, group.receiver)
            held = [each for name in group.members if (each := self._world.book.get(name)) is not None]
            mine = {each.alert.fingerprint for each in held if each.incident == incident}
            if last is None or not last.firing & mine:
                continue
            given = self._given(held, last, now)
            fires = (each for each in held if not each.over(now))
            known = [each for each in fires if each.alert.fingerprint in last.firing or each.incident in given]
            if known:
                calls = tuple(each for each in known if each.incident == incident and each.handed)
                node = self._nodes[group.node]
                rings = ringing(Look(group=group, node=node, now=now, alerts=calls, muted={}), self._world)
                told = self._world.told.again(group.key, group.receiver, last, rings, held)
                self.counts[f"notification {reason}"] += 1
                self._decisions.note(now, "told", group.key, group.receiver, reason, known[0].alert.labels)
                said.append(self._notification(group, known, told, reason, now, rings=bool(rings)))
        return said

    def _given(self, held: Sequence[Held], last: Told, now: float) -> set[str]:
        """Incidents that were handed over since a group was told of them: known, though their labels are others."""
        gave_way = {each.incident for each in held if each.alert.fingerprint in last.firing and each.over(now)}
        records = {name: self._world.incident(name) for name in gave_way if name}
        return {name for name, record in records.items() if record is not None and record.incident.handed_from}

    def _route(self, routing: Routing) -> None:
        self._routing = routing
        self._nodes = {node.id: node for node in routing.nodes()}

    def _regroup(self, now: float) -> None:
        before = list(self.groups)
        self.groups.regroup(list(self._world.book), self._routing, now)
        part(before, self.groups, self._world.told, self._world.book, self._routing, now)

    def _part(self, group: Group, now: float) -> list[Notification]:
        """Say in a group's message that other messages tell of some of its alerts now, or of all: then it is over."""
        last = self._world.told.last(group.key, group.receiver)
        members = [held for name in group.members if (held := self._world.book.get(name)) is not None]
        stays = [] if last is None else [held for held in members if held.alert.fingerprint in last.firing]
        left = [held for name in group.left if (held := self._world.book.get(name)) is not None]
        goes_on = [held for held in left if not held.over(now)]
        closes = all(held.over(now) for held in stays)
        ended = NotificationReason.ALL_RESOLVED if closes else NotificationReason.SOME_RESOLVED
        reason = NotificationReason.HANDED_OVER if goes_on else ended
        shown_now = stays if goes_on and not closes else [*stays, *left]
        firing = frozenset(held.alert.fingerprint for held in stays) if not closes else frozenset[str]()
        told = None if last is None else self._world.told.parted(group.key, group.receiver, last, firing)
        self.groups.parted(group)
        wanted = self._world.send_resolved.get(group.receiver, True)
        there = group.receiver in self._routing.receivers
        if told is None or not there or not any(wanted or not held.over(now) for held in shown_now):
            return []
        self.counts[f"notification {reason}"] += 1
        self._decisions.note(now, "told", group.key, group.receiver, reason, shown_now[0].alert.labels)
        to = went_to(goes_on, self._routing)
        made = self._notification(group, shown_now, told, reason, now, gone_to=to, closes=closes)
        if to:
            entry = TimelineEntry(now, f"the configuration was edited: {', '.join(to)} told of it from now on")
            made = msgspec.structs.replace(made, timeline=(*made.timeline, entry))
        return [made]

    def _given_away(self, look: Look) -> tuple[str, ...]:
        """Who is told now of what a message ends with, where that did not end but was handed over; nobody: it ended."""
        over = [held for held in look.alerts if held.incident and held.over(look.now)]
        records = (self._world.incident(name) for name in dict.fromkeys(held.incident for held in over))
        found = (
            each.incident for each in records if each is not None and each.handed and each.incident.status == "firing"
        )
        alerts = (alert for incident in found for alert in incident.alerts if alert.status == "firing")
        receivers = (each.receiver for alert in alerts for each in self._routing.destinations(alert.labels))
        return tuple(dict.fromkeys(receivers))

    def _look(self, group: Group, now: float) -> list[Notification]:
        """One look at a group at `now`."""
        if group.left:
            return self._part(group, now)
        node = self._nodes[group.node]
        members = [held for name in group.members if (held := self._world.book.get(name)) is not None]
        look = judge(Look(group=group, node=node, now=now, alerts=tuple(members), muted={}), self._world)
        if look.muted and not all(held.alert.posted for held in members):
            # Nothing repeats what is muted, and what was told must be known when it ends.
            self._world.told.keep(group.key, group.receiver, now + node.interval_seconds + COLLECT_SECONDS)
        told = self._say(look, node, members)
        found = ((name, self._world.book.get(name)) for name in group.members if name not in look.owed)
        gone = [name for name, held in found if held is None or held.over(now)]
        self.groups.looked_at(group, gone, now + node.interval_seconds)
        collected = [name for name in gone if (held := self._world.book.get(name)) is not None and held.collected]
        for name in set(collected) - self.groups.members() if collected else ():
            self._world.book.forget(name)
        return told

    def _say(self, look: Look, node: Node, members: Sequence[Held]) -> list[Notification]:
        group, verdict = look.group, look.verdict
        labels = look.alerts[0].alert.labels if look.alerts else group.labels
        for name, why in look.muted.items():
            if (held := self._world.book.get(name)) is not None:
                self._decisions.note(look.now, "muted", f"{group.key}|{name}", group.receiver, why, held.alert.labels)
        if not isinstance(verdict, NotificationReason):
            self.counts[f"quiet {verdict}"] += 1
            self._decisions.note(look.now, "quiet", group.key, group.receiver, str(verdict), labels)
            return []
        told = self._world.told.record(
            group.key, group.receiver, verdict, look.firing, look.resolved, node.repeat_seconds, look.now,
            held=members, rings=look.rings, rung_before=group.rung,
        )  # fmt: skip
        group.rung = ()
        if not look.firing and not self._world.send_resolved.get(group.receiver, True):
            self.counts[f"quiet {Quiet.UNWANTED}"] += 1
            self._decisions.note(look.now, "quiet", group.key, group.receiver, Quiet.UNWANTED, labels)
            return []
        gone_to = self._given_away(look) if verdict is NotificationReason.ALL_RESOLVED else ()
        verdict = NotificationReason.HANDED_OVER if gone_to else verdict
        self.counts[f"notification {verdict}"] += 1
        self._decisions.note(look.now, "told", group.key, group.receiver, verdict, labels)
        known = frozenset[str]() if look.last is None or told.sequence == 1 else look.last.firing
        fresh = (held.alert for held in look.alerts if held.alert.fingerprint in look.firing - known)
        self.counts["owner unknown"] += any(self._routing.by(node, alert.labels).stands_for for alert in fresh)
        rings = bool(look.rings)
        return [self._notification(group, look.alerts, told, verdict, look.now, rings=rings, gone_to=gone_to)]

    def _notification(
        self,
        group: Group,
        members: Sequence[Held],
        told: Told,
        reason: NotificationReason,
        now: float,
        *,
        rings: bool = False,
        gone_to: tuple[str, ...] = (),
        closes: bool = False,
    ) -> Notification:
        wanted, find = self._world.send_resolved.get(group.receiver, True), self._world.incident
        listed = in_order((held for held in members if wanted or not held.over(now)), now, find)
        alerts = tuple(shown(held, now) for held in listed)
        firing, node = alerts[0].status == "firing" and not closes, self._nodes.get(group.node)
        pages = (held for held in listed if held.alert.severity == "page")
        severity: Severity = "notice" if all(root_of(held, find) for held in pages) else "page"
        names = tuple(dict.fromkeys(held.incident for held in (*listed, *members) if held.incident))
        records = {name: record for name in names[:LISTED] if (record := find(name)) is not None}
        calls = self._calls(listed, told, now, rings=rings)
        made = Notification(
            time=now,
            receiver=group.receiver,
            owner=self._routing.owner(alerts[0].labels),
            reason=reason,
            status="firing" if firing else "resolved",
            severity=severity,
            incident=told.message,
            sequence=told.sequence,
            group_key=group.key,
            group_labels=group.labels,
            alerts=alerts[:LISTED],
            opened_at=told.opened_at,
            resolved_at=None if firing else max(each.ends_at or now for each in alerts),
            mention=rings,
            runs=runs_of(listed),
            timeline=self._timeline(group, told, records),
            alerts_dropped=max(0, len(alerts) - LISTED),
            incidents=names,
            call=calls[0] if calls else None,
            calls=calls[1:],
            instead_of="" if node is None else self._routing.by(node, alerts[0].labels).stands_for,
            gone_to=gone_to,
        )
        return explained(made, listed, records, now)

    def _timeline(self, group: Group, told: Told, records: Mapping[str, Record]) -> tuple[TimelineEntry, ...]:
        timeline, mark = timeline_of(records.values(), told.left_out)
        self._world.told.leave_out(group.key, group.receiver, mark)
        return timeline

    def _calls(self, listed: Sequence[Held], told: Told, now: float, *, rings: bool) -> tuple[Call, ...]:
        """For what the message rang last, as far as that still fires: one call for each owner."""
        ringing, found = frozenset(told.ringing), dict[str, Held]()
        for held in listed if ringing else ():
            if held.matter in ringing and held.alert.severity == "page" and not held.over(now):
                found.setdefault(held.matter, held)
        whose: dict[str, list[Held]] = {}
        for held in found.values():
            whose.setdefault(self._routing.owner(held.alert.labels), []).append(held)
        self.counts["owner not called"] += max(0, len(whose) - CALLED) if rings else 0
        return tuple(
            Call(
                fingerprint=mine[0].alert.fingerprint,
                owner=owner,
                more=len(mine) - 1,
                given=all(held.handed for held in mine),
            )
            for owner, mine in list(whose.items())[:CALLED]
        )


class Heard:
    """Whether anybody was told of an incident, by its own messages or a group's; made before the dispatcher.

    It does not hold the dispatcher: parts that hold each other outlive their partition until the next collection.
    """

    def by(self, dispatcher: Dispatcher) -> None:
        """Ask this one from now on."""
        self._dispatcher = ref(dispatcher)

    def told(self, record: Record) -> bool:
        """Whether anybody knows of it."""
        dispatcher = self._dispatcher()
        return bool(record.sent) or (dispatcher is not None and dispatcher.knows(record.incident.id))
