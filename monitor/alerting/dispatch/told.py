"""What each receiver was last told of each group: Alertmanager's notification log.

Invariant: an entry says what stands in the message that the receiver sees, and `message` names that message; a new one
begins when something fires after all had resolved.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec
from msgspec import Struct

from monitor.alerting.entries import Entries
from schemas.alert import NotificationReason

KEPT_SECONDS = 120 * 3600.0
"""For how long it is known what was told, or for two repeat intervals where that is shorter."""
COLLECT_SECONDS = 900.0
"""Entries are forgotten on a grid of so many seconds, as Alertmanager does."""
PREFIX = "router/told/"


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
        page: bool,
    ) -> tuple[Told, bool]:
        """Note a notification, and whether it rings; `repeat` in seconds, `page`: whether a page fires."""
        last = self.last(key, receiver)
        begins = last is None or reason is NotificationReason.FIRST
        rang = last is not None and not begins and last.rang
        told = Told(
            time=now,
            message=_message(key, receiver, now) if last is None or begins else last.message,
            sequence=1 if last is None or begins else last.sequence + 1,
            firing=firing,
            resolved=resolved,
            expires_at=now + min(KEPT_SECONDS, 2.0 * repeat),
            opened_at=now if last is None or begins else last.opened_at,
            rang=rang or page,
        )
        self._told.put(_name(key, receiver), told)
        return told, page and not rang

    def again(self, key: str, receiver: str, told: Told) -> Told:
        """Note one more word of ours on the same message; it does not count as Alertmanager's last."""
        more = msgspec.structs.replace(told, sequence=told.sequence + 1)
        self._told.put(_name(key, receiver), more)
        return more

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


def _name(key: str, receiver: str) -> str:
    return hashlib.blake2b(f"{key}\xff{receiver}".encode("utf-8", "replace"), digest_size=12).hexdigest()


def _message(key: str, receiver: str, now: float) -> str:
    return hashlib.blake2b(f"{key}\xff{receiver}\xff{now!r}".encode("utf-8", "replace"), digest_size=6).hexdigest()
