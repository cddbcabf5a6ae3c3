"""Groups of alerts, and when each is looked at: after `group_wait` first, then every `group_interval`.

It keeps time and members; what is told stands in `dispatch.stages`. Rules of Alertmanager: the wait starts when the
group is made; if the alert that makes it began longer ago than that, it is looked at at once. Invariant: a group
without alerts does not exist.
"""

from __future__ import annotations

import hashlib
import heapq
import math
from collections import Counter
from collections.abc import Iterable, Iterator

from msgspec import Struct

from monitor.alerting.dispatch.book import Held
from monitor.alerting.entries import Entries
from monitor.alerting.routing.tree import Node, Routing, labels_text

GROUPS = 20_000
"""Groups in all. Beyond, no new one is made: its alerts are counted as `alert without group`."""
PREFIX = "router/group/"


class Group(Struct, kw_only=True):
    """Alerts that one receiver is told of together. `node`: id of its route; `members`: fingerprints.

    `next_at`: when it is looked at next, epoch seconds. `looked`: whether it ever was.
    """

    name: str
    node: str
    key: str
    receiver: str
    labels: dict[str, str]
    next_at: float
    members: dict[str, None] = {}
    looked: bool = False
    urgent: bool = False
    """Whether a page is in it: of many that are due, these come first."""
    left: dict[str, None] = {}
    """Alerts that its message shows and that other groups hold since the tree was edited: it is to say so."""
    resumes_at: float = 0.0
    """When it was to be looked at, before it had that to say."""
    rung: tuple[str, ...] = ()
    """Matters that rang, before the tree was edited, in the messages of others; its own is told of them once."""


class Groups:
    """All groups, and the times at which they are due."""

    def __init__(self) -> None:
        self._groups = Entries(PREFIX, Group)
        self._due: list[tuple[float, int, str, str]] = []
        self.counts: Counter[str] = Counter()

    def __iter__(self) -> Iterator[Group]:
        return iter(self._groups)

    def place(self, held: Held, routing: Routing, now: float) -> None:
        """Put an alert into the group of every route that takes it, now."""
        for node, receiver, group_labels, name in _places(held, routing):
            group = self._groups.get(name)
            if group is None:
                if len(self._groups) >= GROUPS:
                    self.counts["alert without group"] += 1
                    continue
                old = held.alert.starts_at + node.wait_seconds < now
                group = Group(
                    name=name,
                    node=node.id,
                    key=f"{node.key}:{labels_text(group_labels)}",
                    receiver=receiver,
                    labels=group_labels,
                    next_at=now if old else now + node.wait_seconds,
                )
            group.members[held.alert.fingerprint] = None
            group.urgent = group.urgent or held.alert.severity == "page"
            self._keep(group)

    def due(self, until: float, *, included: bool) -> Group | None:
        """The group that is due first, pages first, not after `until`; None for none."""
        while self._due:
            at, _, _, name = self._due[0]
            group = self._groups.get(name)
            if group is None or group.next_at != at:
                heapq.heappop(self._due)
                continue
            return group if at < until or (included and at == until) else None
        return None

    def next_due(self) -> float | None:
        """When a group is due next, epoch seconds."""
        group = self.due(math.inf, included=True)
        return None if group is None else group.next_at

    def looked_at(self, group: Group, gone: Iterable[str], next_at: float) -> None:
        """A group was told or found quiet: members that are `gone` leave; it is due again at `next_at`."""
        for name in gone:
            group.members.pop(name, None)
        if not group.members:
            self._groups.drop(group.name)
            return
        group.looked, group.next_at = True, next_at
        self._keep(group)

    def put_off(self, until: float) -> None:
        """Nothing is due before `until`: the monitor was away, and sources first send again what they have."""
        for group in list(self._groups):
            if group.next_at < until:
                group.next_at = until
                self._keep(group)

    def regroup(self, alerts: Iterable[Held], routing: Routing, now: float) -> None:
        """Go on under another tree: groups that it has as well keep their time, others begin."""
        old = dict(self._groups.items())
        self._groups.clear()
        self._due.clear()
        found = list(alerts)
        for held in found:
            self.place(held, routing, now)
        over = {held.alert.fingerprint for held in found if held.over(now)}
        for name, group in self._groups.items():
            before = old.get(name)
            told = over if before is None else over - before.members.keys()
            # What was told to be over is not put into a group again.
            group.members = {member: None for member in _in_order(group, before) if member not in told}
            if not group.members:
                self._groups.drop(name)
                continue
            if before is not None:
                group.next_at, group.looked = before.next_at, before.looked
                group.rung = before.rung
            self._keep(group)

    def part(self, group: Group, left: Iterable[str], now: float) -> None:
        """Alerts have left a group that was told of them: it is due at once. One that is not made any more is kept for
        that, without members."""
        known = self._groups.get(group.name)
        if known is None:
            known = group
            known.members, known.left = {}, {}
        if not known.left:
            known.resumes_at = known.next_at
        known.left = {**known.left, **dict.fromkeys(left)}
        known.next_at = now
        self._keep(known)

    def parted(self, group: Group) -> None:
        """It has said what left it."""
        group.left = {}
        self.looked_at(group, (), group.resumes_at)

    def rang(self, group: Group, matters: tuple[str, ...]) -> None:
        """Note what rang elsewhere; empty once its own message was told."""
        group.rung = matters
        self._keep(group)

    def made_by(self, routing: Routing, alerts: Iterable[Held], now: float) -> bool:
        """Whether this tree puts the alerts that go on where they are."""
        known = list(alerts)
        places = {(name, held.alert.fingerprint) for held in known for *_, name in _places(held, routing)}
        held_now = {(group.name, member) for group in self._groups for member in group.members}
        over = {held.alert.fingerprint for held in known if held.over(now)}
        full = len(self._groups) >= GROUPS
        return held_now <= places and (full or all(fingerprint in over for _, fingerprint in places - held_now))

    def members(self) -> set[str]:
        """Fingerprints that some group holds."""
        return {name for group in self._groups for name in (*group.members, *group.left)}

    def changes(self) -> list[tuple[str, bytes | None]]:
        """Entries that changed since the last call."""
        return self._groups.changes()

    def load(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """Take up what `changes` gave."""
        self._groups.load(entries)
        self._due = [_turn(group) for group in self._groups]
        heapq.heapify(self._due)

    def _keep(self, group: Group) -> None:
        self._groups.put(group.name, group)
        heapq.heappush(self._due, _turn(group))
        if len(self._due) > 4 * len(self._groups) + 64:
            self._due = [_turn(each) for each in self._groups]
            heapq.heapify(self._due)


def _in_order(group: Group, before: Group | None) -> list[str]:
    """Members in the order in which they came."""
    known = () if before is None else before.members
    return [*(name for name in known if name in group.members), *(name for name in group.members if name not in known)]


def _places(held: Held, routing: Routing) -> Iterator[tuple[Node, str, dict[str, str], str]]:
    """Where a tree puts an alert: route, receiver, labels and name of each group."""
    labels = held.alert.labels
    for node in routing.handling(labels):
        receiver = routing.by(node, labels).receiver
        group_labels = node.group_labels(labels)
        yield node, receiver, group_labels, _name(node, receiver, group_labels)


def _turn(group: Group) -> tuple[float, int, str, str]:
    return group.next_at, 0 if group.urgent else 1, group.key, group.name


def _name(node: Node, receiver: str, labels: dict[str, str]) -> str:
    text = f"{node.id}\xff{receiver}\xff{labels_text(labels)}"
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=12).hexdigest()
