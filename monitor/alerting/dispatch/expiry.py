"""Where no `route:` looks at groups on a grid: when posted alerts are over.

Only a clock: it names fingerprints, the book says whether they are over.
"""

from __future__ import annotations

import heapq
import math

from monitor.alerting.dispatch.book import Book, Held


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

    def next_due(self) -> float | None:
        """When the next end comes, epoch seconds."""
        return self._ends[0][0] if self._ends else None

    def load(self, book: Book) -> None:
        """Begin anew with what the book holds."""
        self._ends = [
            (held.ends, held.alert.fingerprint) for held in book if held.alert.posted and held.ends < math.inf
        ]
        heapq.heapify(self._ends)
