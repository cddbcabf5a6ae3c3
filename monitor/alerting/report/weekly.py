"""When the weekly report is due, and from when on the router has kept what stands in it.

The router owns it: one entry. After a crash before it is written the same report is told again under the same name,
which the outbox knows; after weeks away only the latest is told.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from msgspec import Struct

from monitor.alerting.entries import Entries
from schemas.config import DAY, WEEK
from schemas.settings.report import DAYS, Reporting

HOUR = 3_600.0
MONDAY = 4.0 * DAY
"""The first Monday after the beginning of epoch time, which was a Thursday."""


class _Week(Struct):
    """Epoch seconds. `began`: the first step of this router; `told`: the end of the latest report."""

    began: float
    told: float


class Weekly:
    """The grid of weeks of a configuration."""

    def __init__(self, settings: Reporting) -> None:
        self._kept = Entries("router/report", _Week)
        self.settings = settings

    @property
    def began(self) -> float:
        """From when on the router has kept incidents and complaints; infinity before its first step."""
        week = self._kept.get("")
        return math.inf if week is None else week.began

    def begin(self, now: float) -> None:
        """Time begins, if it has not."""
        if now > 0.0 and self._kept.get("") is None:
            self._kept.put("", _Week(now, now))

    def next_due(self) -> float | None:
        """When the next report is due, epoch seconds; None where none is wanted, or time has not begun."""
        week = self._kept.get("")
        if week is None or self.settings.weekly == "off":
            return None
        first = MONDAY + DAYS.index(self.settings.weekly) * DAY + self.settings.hour * HOUR
        return first + (math.floor((week.told - first) / WEEK) + 1.0) * WEEK

    def due(self, now: float) -> float | None:
        """The end of the week of which the report is due at `now`; it is told then."""
        at, week = self.next_due(), self._kept.get("")
        if at is None or week is None or at > now:
            return None
        at += math.floor((now - at) / WEEK) * WEEK
        week.told = at
        self._kept.put("", week)
        return at

    def changes(self) -> list[tuple[str, bytes | None]]:
        """The entry, if it changed since the last call."""
        return self._kept.changes()

    def load(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """Take up what `changes` gave."""
        self._kept.load(entries)
