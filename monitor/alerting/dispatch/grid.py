"""How far the router's time has come, and when it next clears away what is over: on a grid that a restart keeps.

It clears nothing itself. Invariant: what was written holds at the time that is saved; what was due before it was done.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from msgspec import Struct

from monitor.alerting.dispatch import book, told
from monitor.alerting.entries import Entries


class _Clock(Struct):
    """Epoch seconds."""

    now: float
    alerts: float
    told: float


class Grid:
    """The saved time, and the two moments."""

    def __init__(self) -> None:
        self._kept = Entries("router/clock", _Clock)

    @property
    def now(self) -> float:
        """The time that was saved; minus infinity before the first."""
        clock = self._kept.get("")
        return -math.inf if clock is None else clock.now

    def begin(self, now: float) -> None:
        """Time begins, if it has not: before the first tick there is none."""
        if now > 0.0 and self._kept.get("") is None:
            self._kept.put("", _Clock(now, now + book.COLLECT_SECONDS, now + told.COLLECT_SECONDS))

    def times(self) -> tuple[float, ...]:
        """When alerts and what was told are cleared away next; nothing before time began."""
        clock = self._kept.get("")
        return () if clock is None else (clock.alerts, clock.told)

    def due(self, now: float) -> tuple[bool, bool]:
        """Whether alerts, and what was told, are to be cleared away at `now`; the next moments are set."""
        clock = self._kept.get("")
        if clock is None:
            return False, False
        alerts, told_too = clock.alerts <= now, clock.told <= now
        if alerts:
            clock.alerts = _on_grid(clock.alerts, book.COLLECT_SECONDS, now)
        if told_too:
            clock.told = _on_grid(clock.told, told.COLLECT_SECONDS, now)
        if alerts or told_too:
            self._kept.put("", clock)
        return alerts, told_too

    def changes_at(self, now: float) -> list[tuple[str, bytes | None]]:
        """The entry with `now` as the time up to which everything else holds."""
        clock = self._kept.get("")
        if clock is not None and clock.now != now:
            clock.now = now
            self._kept.put("", clock)
        return self._kept.changes()

    def changes(self) -> list[tuple[str, bytes | None]]:
        """Entries that changed since the last call."""
        return self._kept.changes()

    def load(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """Take up what `changes` gave."""
        self._kept.load(entries)


def _on_grid(at: float, seconds: float, now: float) -> float:
    """The next point of a grid that is after `now`."""
    return at + seconds * (math.floor((now - at) / seconds) + 1.0)
