"""What one partition tells the router of what it sees: heartbeats, what was read and what not, and how far it is.

The router has the findings topic and no other, so each partition of the events topic writes a `Sighting` there on a
grid of `EVERY_SECONDS` of tick time. One that a crash repeats has the same place and time, and is recognised. What was
counted since the last one is lost with a crash: ten seconds of dead letters, and no heartbeat that will not come again.
Pure. Bound: `PRODUCERS` heartbeats between two sightings; more are counted by the router's own bound.
"""

from __future__ import annotations

from monitor.alerting.blind import PRODUCERS
from schemas.records import Sighting

EVERY_SECONDS = 10.0
"""Between two sightings of a partition, in tick time: the router's slots are as long."""


class Sighter:
    """Counts for one partition until its next sighting. `place`: as `events/3`."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._slot = -1.0
        self._read = self._unread = 0
        self._beats: dict[str, None] = {}

    def beat(self, producer: str) -> None:
        """A heartbeat came."""
        if len(self._beats) < PRODUCERS:
            self._beats[producer] = None

    def saw(self, now: float, read: int, unread: int) -> Sighting | None:
        """A step has come to the tick `now` (epoch seconds, 0 before the first): what to tell, if it is time."""
        self._read += read
        self._unread += unread
        slot = now // EVERY_SECONDS
        if not now or slot == self._slot:
            return None
        self._slot = slot
        told = Sighting(self._place, now, self._read, self._unread, tuple(self._beats))
        self._read = self._unread = 0
        self._beats.clear()
        return told
