"""What every target is to show, and what it shows: one entry per target and incident.

Pure: the dispatcher sends. The outbox keeps the latest state only, so a target that was away for an hour is told the
present, not the past; under a message that is there, what changed is told line by line (`lines`). What rings goes
first, then pages, then the rest; among equals the target that was served least; what fails waits in its lane
(`waiting.lane`). An owner is rung once, by the first message or under it. Invariants: a notification of a sequence that
was put before changes nothing; nothing is due before what was put is durable (`release`); an entry that was loaded
without a reference is uncertain, for nobody knows what was sent before the crash.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping

import msgspec

from monitor.alerting.routing.receivers import Target, targets_of
from monitor.notify.delivery import Delivery, DeliveryError, Fate, Trouble
from monitor.notify.lines import Thread, patience
from monitor.notify.waiting.entry import Entry
from monitor.notify.waiting.lane import Lane
from schemas.alert import Notification, NotificationReason

PREFIX = "delivery/"
VERSION = b"\x01"

LATE_SECONDS = 300.0
"""A first message that comes later is counted as late."""

GENERATIONS = 5
"""Messages that one incident may have at one target where editing, or ringing, fails; beyond, only the resolution."""

FINISHED = 1_000
"""Entries of finished incidents that are remembered. Beyond, the oldest is forgotten."""

ENTRIES = 10_000
"""Entries in all. Beyond, the oldest that waits gives way, a resolved one first; counted as `dropped`."""

LISTS = frozenset((NotificationReason.DIGEST, NotificationReason.REPORT))
"""Reasons of messages that are over as soon as they are said: the end of nothing, wanted where no end is."""


class Outbox:
    """Entries by target and incident.

    `planned`: receiver → targets, from `receivers.plan`; `default`: who is told where a receiver is not in it.
    """

    def __init__(self, planned: Mapping[str, tuple[Target, ...]], default: str = "") -> None:
        self._planned, self._default = dict(planned), default
        self._entries: dict[str, Entry] = {}
        self._finished: dict[str, None] = {}
        self._fresh: set[str] = set()
        self._lanes: dict[str, Lane] = {}
        self._changed: dict[str, None] = {}
        self._now = 0.0
        self.counts: Counter[str] = Counter()

    def put(self, notification: Notification) -> None:
        """Note what the targets of a receiver are to show. Due once `release` says that the note is durable."""
        for target in self._places(notification):
            self._put(target, notification)

    def replan(self, planned: Mapping[str, tuple[Target, ...]], default: str = "") -> None:
        """From now on these are the targets of each receiver; what a target was told stays known, and stands there.

        What a target that is gone was not told yet goes where its receiver is told now.
        """
        self._planned, self._default = dict(planned), default
        self._move()

    def release(self) -> None:
        """What was put so far is durable."""
        durable, self._fresh = self._fresh, set()
        for key in sorted(durable):
            self._line_up(key)

    def due(self, now: float, busy: Container[str] = ()) -> list[Delivery]:
        """The next of each target that is not `busy` and may be written to at `now`, epoch seconds."""
        self._now = now
        heads = [
            (entry.rank[0], lane.served, entry.since, target, entry)
            for target, lane in self._lanes.items()
            if target not in busy and max(lane.until, lane.paced) <= now and (entry := self._head(lane)) is not None
        ]
        heads.sort(key=lambda head: head[:4])
        return [entry.delivery(now) for *_, entry in heads]

    def next_wake(self, busy: Container[str] = ()) -> float | None:
        """When the next delivery to a target that is not `busy` becomes due, epoch seconds; None while nothing does."""
        times = (
            lane.wake(self._entries, self._fresh, self._now)
            for target, lane in self._lanes.items()
            if target not in busy
        )
        return min((at for at in times if at is not None), default=None)

    def pace(self, delivery: Delivery, until: float) -> None:
        """The target wants this delivery later, epoch seconds. A more urgent one that comes meanwhile may ask anew."""
        self._lane(delivery.target).paced = until

    def begin(self, delivery: Delivery) -> None:
        """The delivery is being sent: from now on it may have arrived."""
        entry = self._entry_of(delivery)
        if entry is None:
            return
        if delivery.line is not None and entry.thread is not None:
            entry.thread.under_way = True
        elif entry.reference is None:
            entry.tried = entry.tried or delivery.revision

    def sent(self, delivery: Delivery, reference: str, now: float) -> None:
        """The target shows the delivery's state; `reference` finds it again."""
        self._lane(delivery.target).delivered()
        entry = self._entry_of(delivery)
        if entry is None:
            return
        entry.attempts, entry.error, entry.not_before = 0, "", 0.0
        if delivery.line is not None:
            if entry.thread is not None:
                entry.thread.said(delivery.line.id)
            entry.rang(delivery)
            self.counts["sent lines"] += 1
            self._touch(entry)
            return
        if entry.thread is not None and entry.reference is None:
            entry.thread.opened(entry.tried or delivery.revision)
        entry.reference, entry.uncertain, entry.tried = reference, False, 0
        entry.rang(delivery)
        entry.delivered = max(entry.delivered, delivery.revision)
        entry.renew()
        self.counts["sent"] += 1
        self.counts["sent late"] += now - delivery.since > LATE_SECONDS and delivery.reference is None
        self._touch(entry)

    def failed(self, delivery: Delivery, error: DeliveryError, now: float) -> Fate:
        """The delivery did not succeed: wait and try again, start a new message, or give up with a reason."""
        self.counts[f"failed {error.reason}"] += 1
        entry = self._entry_of(delivery)
        if entry is not None:
            entry.attempts += 1
            entry.error = f"{error.reason}: {error.detail}"
        if error.retryable and not error.gone:
            self._lane(delivery.target).failed(_key(delivery), entry, error, now)
        return Fate.GIVEN_UP if entry is None else self._fate(entry, delivery, error, now)

    def _fate(self, entry: Entry, delivery: Delivery, error: DeliveryError, now: float) -> Fate:
        """What becomes of an entry whose delivery failed."""
        line, fate = delivery.line, Fate.AGAIN
        # Where the thread may not ring, a message of its own does.
        unheard = line is not None and line.rings and entry.mention and not error.retryable
        again = entry.generation < GENERATIONS or (error.gone and entry.desired.status == "resolved")
        anew = again and (error.gone or unheard)
        if line is not None and entry.thread is not None and not anew:
            entry.thread.under_way = False
            entry.thread.uncertain = entry.thread.uncertain or error.uncertain
            if error.gone or not error.retryable:
                entry.thread.said(line.id)  # the message itself shows the state; its thread is a comfort
                entry.rang(delivery)
                self.counts["lines given up"] += 1
                fate = Fate.GIVEN_UP
            self._touch(entry)
            return fate
        entry.uncertain = entry.uncertain or (error.uncertain and entry.reference is None)
        entry.tried = entry.tried if entry.uncertain else 0
        if anew:
            entry.generation, entry.reference, entry.uncertain = entry.generation + 1, None, False
            entry.delivered = min(entry.delivered, entry.desired.sequence - 1)
            if entry.thread is not None:
                entry.thread.uncertain = entry.thread.under_way = False
        elif (error.gone or not error.retryable) and entry.desired.sequence == delivery.revision:
            # A newer state that came meanwhile is worth its own attempt.
            fate = self._give_up(entry, error, now)
        self._touch(entry)
        return fate

    def _give_up(self, entry: Entry, error: DeliveryError, now: float) -> Fate:
        if error.gone:
            entry.given_up = fresh = True
        else:
            fresh = entry.refuse(now)
        self.counts["given up"] += fresh
        if entry.again_at:
            return Fate.REFUSED if fresh else Fate.STILL_REFUSED
        return Fate.GIVEN_UP

    def pending(self) -> int:
        """How many targets do not show the present state yet."""
        return sum(entry.waiting for entry in self._entries.values())

    def troubles(self) -> list[Trouble]:
        """Deliveries that fail or were given up, oldest first."""
        return [
            Trouble(entry.target, entry.incident, entry.error, entry.attempts, entry.since, entry.given_up)
            for entry in self._entries.values()
            if entry.error
        ]

    @property
    def dirty(self) -> bool:
        """Whether `changes` would give something."""
        return bool(self._changed)

    def changes(self) -> list[tuple[str, bytes | None]]:
        """Entries `delivery/<target>/<incident>` that changed since the last call; None deletes."""
        out: list[tuple[str, bytes | None]] = []
        for key in self._changed:
            entry = self._entries.get(key)
            out.append((key, VERSION + msgspec.msgpack.encode(entry) if entry is not None else None))
        self._changed.clear()
        return out

    def load(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """Take up what `changes` gave, before the first put. What had been given up gets another chance."""
        for key, raw in entries:
            if not key.startswith(PREFIX):
                continue
            if raw[:1] != VERSION:
                raise ValueError(f"delivery of unknown version {raw[:1]!r}")
            entry = msgspec.msgpack.decode(raw[1:], type=Entry)
            self._entries[key] = entry
            if entry.finished:
                self._finished[key] = None
                continue
            entry.given_up, entry.again_at = False, 0.0
            entry.uncertain = entry.reference is None
            entry.tried = entry.tried or (entry.desired.sequence if entry.uncertain else 0)
            if entry.thread is not None:
                entry.thread.uncertain, entry.thread.under_way = bool(entry.thread.waiting), False
            self._line_up(key)
        self._move()
        for entry in (self._entries[key] for key in self._fresh):  # a life before this one may have sent them there
            entry.uncertain = entry.reference is None

    def _move(self) -> None:
        """What waits for a target that is gone goes where its receiver is told now; what stands there is left."""
        places = {target.name for targets in self._planned.values() for target in targets}
        stranded = [each for each in self._entries.values() if each.waiting and each.target not in places]
        for entry in sorted(stranded, key=lambda each: -each.desired.sequence):
            wanted = entry.unheard()
            targets = targets_of(wanted.receiver, self._planned, self._default)
            if any(target.name == entry.target for target in targets):
                continue
            if entry.reference is not None:
                self.counts["given up"] += entry.leave()
                self._touch(entry)
                continue
            self._remove(_key(entry))
            if wanted.receiver in self._planned or not self._default:
                self.put(wanted)
            elif not _is_of_group(wanted) or wanted.status == "resolved":  # other groups tell what fires
                self._put_instead(msgspec.structs.replace(wanted, receiver=self._default, instead_of=wanted.receiver))

    def _put_instead(self, wanted: Notification) -> None:
        """Tell another receiver; who has a message of the incident goes on with that, for its sequences are others."""
        for target in self._places(wanted):
            if f"{PREFIX}{target.name}/{wanted.incident}" not in self._entries:
                self._put(target, wanted)

    def _places(self, notification: Notification) -> list[Target]:
        found = targets_of(notification.receiver, self._planned, self._default)
        return [target for target in found if (target.kind == "verdict") == notification.signed]

    def _put(self, target: Target, notification: Notification) -> None:
        if notification.reason is NotificationReason.SOME_RESOLVED and not (
            target.send_resolved or notification.mention
        ):
            return  # what rings is told, whatever has ended beside it
        key = f"{PREFIX}{target.name}/{notification.incident}"
        entry = self._entries.get(key)
        if entry is None and _moved(notification):
            return  # what a place was never told has not left it
        if entry is not None and notification.sequence <= entry.desired.sequence:
            self.counts["replayed"] += 1
            return
        if entry is None:
            entry = Entry(
                target=target.name,
                incident=notification.incident,
                desired=notification,
                since=notification.time,
                thread=Thread() if target.kind == "slack" else None,
            )
            self._make_room()
            self._entries[key] = entry
        elif entry.thread is None and target.kind == "slack":  # written by a version that told no lines
            entry.thread = Thread()
            entry.thread.note(entry.desired.timeline, entry.desired.sequence, 0.0, patience=0.0, wanted=False)
        entry.desired = notification
        entry.renew()
        rung, owed = entry.mention, entry.mention or entry.owed or notification.mention
        goes_on = notification.status == "firing" or _moved(notification)
        calls = goes_on and (notification.severity == "page" or not entry.owed)
        entry.mention, entry.owed = owed and calls, owed and not calls
        wanted = notification.status != "resolved" or target.send_resolved or notification.reason in LISTS
        wanted = wanted and not (target.kind == "webhook" and _moved(notification))
        if not wanted:
            entry.delivered = notification.sequence
        if entry.thread is not None:
            lane = self._lane(target.name)
            wait = patience(lane.failures, len(lane.waiting))
            sequence, time = notification.sequence, notification.time
            entry.thread.note(notification.timeline, sequence, time, patience=wait, wanted=wanted)
            if not entry.mention:
                entry.thread.hush()
        if entry.mention:
            entry.ring(notification, rung=rung)
        else:
            entry.calls = ()
        self._fresh.add(key)
        self._touch(entry)

    def _touch(self, entry: Entry) -> None:
        key = _key(entry)
        self._changed[key] = None
        self._line_up(key)
        if not entry.finished:
            self._finished.pop(key, None)
            return
        if not entry.given_up:
            entry.desired = msgspec.structs.replace(
                entry.desired, alerts=(), timeline=(), runs=(), impact=(), series=(), incidents=(), lines=(),
                rollout=None, standings=(), calls=(),
            )  # fmt: skip
        self._finished[key] = None
        while len(self._finished) > FINISHED:
            self._remove(next(iter(self._finished)))
            self.counts["forgotten"] += 1

    def _make_room(self) -> None:
        if len(self._entries) < ENTRIES:
            return
        self._remove(
            min(self._entries, key=lambda key: (self._entries[key].desired.status != "resolved", key in self._fresh))
        )
        self.counts["dropped"] += 1

    def _remove(self, key: str) -> None:
        entry = self._entries.pop(key)
        self._lane(entry.target).leave(key)
        self._finished.pop(key, None)
        self._changed[key] = None

    def _line_up(self, key: str) -> None:
        """Let an entry wait at its target, or not, as it now is."""
        entry = self._entries.get(key)
        if entry is None:
            return
        lane = self._lane(entry.target)
        lane.line_up(key, waits=entry.waiting and (key not in self._fresh or key in lane.waiting))

    def _head(self, lane: Lane) -> Entry | None:
        """The next of a target; what was refused for too long is left on the way."""
        while (entry := lane.look(self._entries, self._fresh, self._now)) is not None and entry.lapse(self._now):
            self._touch(entry)
        return entry

    def _entry_of(self, delivery: Delivery) -> Entry | None:
        return self._entries.get(_key(delivery))

    def _lane(self, target: str) -> Lane:
        lane = self._lanes.get(target)
        if lane is None:
            lane = self._lanes[target] = Lane()
        return lane


def _is_of_group(told: Notification) -> bool:
    """Whether a group of a written `route:` tells it: its message is of no single incident, list or rollout."""
    return told.incident not in told.incidents and told.reason not in LISTS and told.rollout is None


def _moved(told: Notification) -> bool:
    """Whether it only says that other messages tell of alerts that go on: to a webhook that is no news of an alert, and
    as an end it would be wrong."""
    return bool(told.gone_to) and any(alert.status == "firing" for alert in told.alerts)


def _key(of: Entry | Delivery) -> str:
    return f"{PREFIX}{of.target}/{of.incident}"
