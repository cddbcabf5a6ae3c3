"""Event time by producer: how far each has come, and what comes late.

A producer's watermark is the latest time among its events, and never later than the moment at which an event was first
seen: a clock that runs ahead moves nobody's watermark, its own included. An event that lies further behind its
producer's watermark than `late_after` is late; whether it is taken or dropped is the operator's word
(`runtime.kafka.late_events`), and it is counted either way. Time-outs know nothing of this: they go by ticks.

Pure. Owner: one partition of the events topic. Bound: `PRODUCERS`; of further ones nothing is late, and they are
counted. Where late events are dropped the watermarks are saved behind the agents' state, so that after a crash the same
events are dropped; elsewhere they only show where producers stand, and begin anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from schemas.config import Kafka

PRODUCERS = 1_000
"""Producers whose watermark is kept, per partition: they name themselves."""
_VERSION = 1


class Watermarks:
    """The watermarks of one partition's producers; an agent without a `producer` is its own."""

    KEY = "watermarks"

    def __init__(self, kafka: Kafka, counts: Counter[str]) -> None:
        self.latest: dict[str, float] = {}
        self._after = kafka.late_after
        self._drop = kafka.late_events == "drop"
        self._counts = counts
        self._changed = False

    def take(self, name: str, at: float, observed: float) -> bool:
        """Note the time (already settled) of an event of this producer, or of this agent where it names none; False if
        it is late and is to be dropped."""
        mark = self.latest.get(name)
        if mark is None:
            if len(self.latest) >= PRODUCERS:
                self._counts["evicted:watermarks"] += 1
                return True
            mark = -1.0
        if at > mark:
            self.latest[name] = min(at, observed) if observed > mark else mark
            self._changed = True
        elif mark - at > self._after:
            self._counts["events_behind:dropped" if self._drop else "events_behind:taken"] += 1
            return not self._drop
        return True

    def changes(self) -> list[tuple[str, bytes]]:
        """To be written behind the agents' state."""
        if not self._drop or not self._changed:
            return []
        self._changed = False
        return [(self.KEY, msgspec.msgpack.encode((_VERSION, self.latest)))]

    def load(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """Take them up from the entries of the partition."""
        for key, value in entries:
            if key == self.KEY:
                version, self.latest = msgspec.msgpack.decode(value, type=tuple[int, dict[str, float]])
                if version != _VERSION:
                    raise ValueError(f"{key}: state of version {version}; this monitor reads {_VERSION}")
