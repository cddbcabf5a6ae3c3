"""The open incidents that an inhibition mutes, and when they are to be judged again: when it mutes them no more.

It judges nothing, tells nobody and saves nothing: the incidents and the book say all of it anew after a restart.
Invariant: what of an incident is muted stands at the side that mutes it, and `next_due` is not after the end of the
source there. Bounded by the alerts of open incidents. A source that changes is a look at the incidents on its own
sides, and at none where nobody waits.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping

from monitor.alerting.dispatch.book import Book, Held
from monitor.alerting.muting.inhibition import Inhibition
from schemas.alert import Incident

Labels = Mapping[str, str]


class Inhibited:
    """Incidents by the sides of `inhibition` that mute them; sources are looked up in `book`."""

    def __init__(self, inhibition: Inhibition, book: Book) -> None:
        self._inhibition = inhibition
        self._book = book
        self._waiting: dict[str, dict[str, None]] = {}
        """Side → incidents."""
        self._muted: dict[str, dict[str, list[Labels]]] = {}
        """Incident → side → labels of its alerts that are muted there."""
        self._looks: dict[str, float] = {}
        """Side → when a source there may be over, at the earliest."""
        self._order: list[tuple[float, str]] = []
        """The same as a heap; what `_looks` does not have any more stands there too."""
        self._over: dict[str, None] = {}
        """Sides on which a source is over that was not looked at."""

    def __contains__(self, incident: str) -> bool:
        return incident in self._muted

    def note(self, incident: Incident, now: float) -> None:
        """An incident was judged at `now`, as it is."""
        self.forget(incident.id)
        self._keep(incident.id, [alert.labels for alert in incident.alerts if alert.status == "firing"], now)

    def forget(self, incident: str) -> None:
        """It is over, or nobody is told of it."""
        for side in self._muted.pop(incident, ()):
            waiting = self._waiting[side]
            del waiting[incident]
            if not waiting:
                del self._waiting[side]
                self._looks.pop(side, None)

    def seen(self, held: Held, now: float) -> None:
        """An alert was put into the book; where it is a source, its end may be another now."""
        if not self._waiting:
            return
        for side in self._inhibition.sides(held.alert.labels):
            if side in self._waiting:
                self._await(side, held, now)

    def reach(self, now: float) -> None:
        """Time went on to `now`; sources may be over by it."""
        while (at := self.next_due()) is not None and at <= now:
            side = heapq.heappop(self._order)[1]
            self._looks.pop(side)
            self._over[side] = None

    def freed(self, now: float) -> list[str]:
        """Incidents of which something was muted that is not any more, in the order of their names."""
        for held in self._book.gave_way():
            self._over.update((side, None) for side in self._inhibition.sides(held.alert.labels))
        if not self._over:
            return []
        names = {name for side in self._over for name in self._waiting.get(side, ())}
        self._over.clear()
        return [name for name in sorted(names) if not self._still(name, now)]

    def put_off(self, until: float) -> None:
        """No source is over before `until` by its time: the monitor was away, and sources first send again."""
        self._looks = {side: max(at, until) for side, at in self._looks.items()}
        self._order = [(at, side) for side, at in self._looks.items()]
        heapq.heapify(self._order)

    def next_due(self) -> float | None:
        """When a source may be over next, epoch seconds."""
        while self._order:
            at, side = self._order[0]
            if self._looks.get(side) == at:
                return at
            heapq.heappop(self._order)
        return None

    def _still(self, incident: str, now: float) -> bool:
        """Whether all of an incident that was muted is; by whom may have changed."""
        labels = [each for found in self._muted[incident].values() for each in found]
        self.forget(incident)
        return self._keep(incident, labels, now) == len(labels)

    def _keep(self, incident: str, labels: list[Labels], now: float) -> int:
        """Let an incident wait where these labels are muted; how many of them are."""
        muted = 0
        for each in labels:
            found = self._inhibition.source(each, now, self._book)
            if found is None:
                continue
            side, held = found
            muted += 1
            self._muted.setdefault(incident, {}).setdefault(side, []).append(each)
            self._waiting.setdefault(side, {})[incident] = None
            self._await(side, held, now)
        return muted

    def _await(self, side: str, held: Held, now: float) -> None:
        """Look at a side when this source of it is over."""
        if held.over(now):
            self._over[side] = None
        elif held.ends < self._looks.get(side, math.inf):
            self._looks[side] = held.ends
            heapq.heappush(self._order, (held.ends, side))
