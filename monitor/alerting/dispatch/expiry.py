"""Where no `route:` looks at groups on a grid: when posted alerts are over.

Only a clock: it names fingerprints, the book says whether they are over.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable

from monitor.alerting.dispatch.book import Held


class Expiry:
    """Ends of posted alerts that lie ahead."""

    def __init__(self) -> None:
        self._ends: list[tuple[float, str]] = []

    def watch(self, held: Held, now: float) -> None:
        """An alert was put into the book at `now`."""
        if held.alert.posted and not held.over(now) and held.ends != math.inf:
            heapq.heappush(self._ends, (held.ends, held.alert.fingerprint))

    def due(self, now: float) -> list[str]:
        """Fingerprints whose end has come; an alert that was sent again may go on."""
        found: dict[str, None] = {}
        while self._ends and self._ends[0][0] <= now:
            found[heapq.heappop(self._ends)[1]] = None
        return list(found)

    def awaited(self) -> set[str]:
        """Fingerprints whose end lies ahead, or was put off."""
        return {name for _, name in self._ends}

    def put_off(self, until: float) -> None:
        """Nothing is over before `until`: the monitor was away, and sources first send again what they have."""
        self._ends = [(max(at, until), name) for at, name in self._ends]
        heapq.heapify(self._ends)

    def next_due(self) -> float | None:
        """When the next end comes, epoch seconds."""
        return self._ends[0][0] if self._ends else None

    def load(self, waiting: Iterable[Held]) -> None:
        """Begin anew with alerts whose end was not told."""
        self._ends = [(held.ends, held.alert.fingerprint) for held in waiting if held.ends < math.inf]
        heapq.heapify(self._ends)
