"""How an agent stood against its objective over the objective's window: runs and bad runs, counted in bins.

It measures and never bets. The agent owns it and saves it with its state. Bound: `BINS` bins, so that a window is
known to a sixtieth of its length; what is older falls out. A crash loses nothing that was saved with the runs.
"""

from __future__ import annotations

import math

from msgspec import Struct

from schemas.news import ObjectiveSeen

BINS = 60
SAID_SECONDS = 3_600.0
"""The router is told at most so often."""


class Window(Struct, array_like=True):
    """Bins of `width` seconds, the oldest first; the newest began at `newest`. Times in epoch seconds."""

    width: float
    newest: float = 0.0
    runs: list[int] = []
    bad: list[int] = []
    since: float = 0.0
    """When the first run was counted."""
    said_at: float = 0.0

    def count(self, bad: bool, now: float) -> None:
        """Count one run that closed at `now`."""
        if not self.runs:
            self.since = now
            self.newest = math.floor(now / self.width) * self.width
            self.runs, self.bad = [0], [0]
        self._advance(now)
        self.runs[-1] += 1
        self.bad[-1] += bad

    def seen(self, agent: str, owner: str, name: str, target: float, now: float) -> ObjectiveSeen | None:
        """What the router is told at `now`; None where nothing was counted, or it was told a short time ago."""
        if not self.runs or now < self.said_at + SAID_SECONDS:
            return None
        self._advance(now)
        self.said_at = now
        return ObjectiveSeen(
            id=f"{agent}/{name}/{now!r}",
            time=now,
            agent=agent,
            owner=owner,
            name=name,
            target=target,
            window=self.width * BINS,
            since=max(self.since, self.newest - self.width * (BINS - 1)),
            runs=sum(self.runs),
            bad=sum(self.bad),
        )

    def _advance(self, now: float) -> None:
        passed = min(int((now - self.newest) // self.width), BINS)
        if passed > 0:
            self.newest = math.floor(now / self.width) * self.width
            self.runs = [*self.runs, *([0] * passed)][-BINS:]
            self.bad = [*self.bad, *([0] * passed)][-BINS:]
