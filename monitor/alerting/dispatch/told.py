"""What each receiver was last told of each group: Alertmanager's notification log.

Invariant: an entry says what stands in the message that the receiver sees, and `message` names that message; a new one
begins when something fires after all had resolved.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct

from monitor.alerting.dispatch.book import POSTED, Held
from monitor.alerting.entries import Entries
from schemas.alert import NotificationReason

KEPT_SECONDS = 120 * 3600.0
"""For how long it is known what was told, or for two repeat intervals where that is shorter."""
COLLECT_SECONDS = 900.0
"""Entries are forgotten on a grid of so many seconds, as Alertmanager does."""
RUNG = 256
"""Incidents that rang in a message, left it, and are remembered. Beyond, the oldest is forgotten and may ring again."""
PREFIX = "router/told/"

Mark = tuple[float, str]
"""A place in a timeline: time (epoch seconds) and text of an entry."""


class Told(Struct, frozen=True, kw_only=True):
    """One entry. `firing`, `resolved`: fingerprints; times in epoch seconds."""

    time: float
    message: str
    sequence: int
    firing: frozenset[str]
    resolved: frozenset[str]
    expires_at: float
    opened_at: float
    rang: bool = False
    """Whether a page has rung in this message."""
    rung: tuple[str, ...] | None = None
    """The matters (`Held.matter`) for which it rang. None: written before that was noted."""
    ringing: tuple[str, ...] = ()
    """Those for which it rang last."""
    left_out: Mark = (0.0, "")
    """Entries of timelines before this one were left out of the message."""

    def knows(self, held: Iterable[Held]) -> frozenset[str]:
        """What rang in this message; of one that did not note it, all of `held` that fired while it rang."""
        if self.rung is not None:
            return frozenset(self.rung)
        return frozenset(each.matter for each in held if self.rang and each.alert.fingerprint in self.firing)


class ToldLog:
    """Entries by group key and receiver."""

    def __init__(self) -> None:
        self._told = Entries(PREFIX, Told)

    def __len__(self) -> int:
        return len(self._told)

    def last(self, key: str, receiver: str) -> Told | None:
        """What the receiver was last told of a group."""
        return self._told.get(_name(key, receiver))

    def record(
        self,
        key: str,
        receiver: str,
        reason: NotificationReason,
        firing: frozenset[str],
        resolved: frozenset[str],
        repeat: float,
        now: float,
        *,
        held: Sequence[Held],
        rings: tuple[str, ...],
        rung_before: tuple[str, ...] = (),
    ) -> Told:
        """Note a notification; `repeat` in seconds, `held`: what is in the group, `rings`: matters that ring.

        `rung_before`: matters that rang in other messages, and count as those that rang in this one.
        """
        last = self.last(key, receiver)
        begins = last is None or reason is NotificationReason.FIRST
        rung = () if last is None or begins else _rung(last, held, resolved)
        told = Told(
            time=now,
            message=_message(key, receiver, now) if last is None or begins else last.message,
            sequence=1 if last is None or begins else last.sequence + 1,
            firing=firing,
            resolved=resolved,
            expires_at=now + min(KEPT_SECONDS, 2.0 * repeat),
            opened_at=now if last is None or begins else last.opened_at,
            rang=bool(rings) or (last is not None and not begins and last.rang),
            rung=tuple(dict.fromkeys((*rung, *rung_before, *rings))),
            ringing=rings if rings or last is None or begins else last.ringing,
            left_out=(0.0, "") if last is None or begins else last.left_out,
        )
        self._told.put(_name(key, receiver), told)
        return told

    def again(self, key: str, receiver: str, told: Told, rings: tuple[str, ...], held: Sequence[Held]) -> Told:
        """Note one more word of ours on the same message, that `rings`; it does not count as Alertmanager's last."""
        more = msgspec.structs.replace(told, sequence=told.sequence + 1)
        if rings:
            known = told.rung if told.rung is not None else tuple(sorted(told.knows(held)))
            more = msgspec.structs.replace(more, rang=True, rung=(*known, *rings), ringing=rings)
        self._told.put(_name(key, receiver), more)
        return more

    def parted(self, key: str, receiver: str, told: Told, firing: frozenset[str]) -> Told:
        """Note that alerts have left a message for others: `firing` is what it still shows. Nothing: it is over."""
        less = msgspec.structs.replace(told, sequence=told.sequence + 1, firing=firing)
        self._told.put(_name(key, receiver), less)
        return less

    def leave_out(self, key: str, receiver: str, mark: Mark) -> None:
        """Entries of timelines before `mark` are not told in the present message any more."""
        told = self.last(key, receiver)
        if told is not None and told.left_out < mark:
            self._told.put(_name(key, receiver), msgspec.structs.replace(told, left_out=mark))

    def keep(self, key: str, receiver: str, until: float) -> None:
        """Do not forget before `until` what a message shows that says that something fires."""
        told = self.last(key, receiver)
        if told is not None and told.firing and told.expires_at < until:
            self._told.put(_name(key, receiver), msgspec.structs.replace(told, expires_at=until))

    def keep_until(self, until: float) -> None:
        """Forget nothing before `until`: nothing could be told meanwhile."""
        for name, told in self._told.items():
            if told.expires_at < until:
                self._told.put(name, msgspec.structs.replace(told, expires_at=until))

    def collect(self, now: float) -> None:
        """Forget what was told too long ago."""
        for name, told in self._told.items():
            if told.expires_at <= now:
                self._told.drop(name)

    def changes(self) -> list[tuple[str, bytes | None]]:
        """Entries that changed since the last call."""
        return self._told.changes()

    def load(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """Take up what `changes` gave."""
        self._told.load(entries)


def _rung(last: Told, held: Sequence[Held], resolved: frozenset[str]) -> tuple[str, ...]:
    """What is still known to have rung: what is in the group, and of what left it the latest incidents.

    An incident that fires again says itself whether it is the same one; a posted alert that was over is not.
    """
    known = last.rung if last.rung is not None else tuple(sorted(last.knows(held)))
    there = {each.matter for each in held}
    gone = [matter for matter in known if matter not in there and not matter.startswith(POSTED)]
    over = {each.matter for each in held if each.alert.posted and each.alert.fingerprint in resolved}
    return (*gone[-RUNG:], *(matter for matter in known if matter in there and matter not in over))


def _name(key: str, receiver: str) -> str:
    return hashlib.blake2b(f"{key}\xff{receiver}".encode("utf-8", "replace"), digest_size=12).hexdigest()


def _message(key: str, receiver: str, now: float) -> str:
    return hashlib.blake2b(f"{key}\xff{receiver}\xff{now!r}".encode("utf-8", "replace"), digest_size=6).hexdigest()
