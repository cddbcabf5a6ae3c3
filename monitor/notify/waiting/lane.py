"""One target: what waits for it, which of that is next, and when it is written to again.

Pure. A failure is either the target's or that of what was sent. While one entry alone fails it backs off by itself, and
others may try; where a second one fails behind it, before anything was delivered, the target is taken to be away: it is
left alone ever longer with all that waits, and its probes go round: pages first, then what was tried longest ago.
Invariants: a target that fails is tried with one entry at a time, not before `until`; no entry waits for ever behind
others that fail.
"""

from __future__ import annotations

import math
from collections.abc import Container, Mapping

import msgspec
from msgspec import Struct

from monitor.notify.delivery import DeliveryError, FailureReason, pause_seconds
from monitor.notify.waiting.entry import Entry


class Lane(Struct):
    """What waits for one target, by key. Times in epoch seconds.

    `failures`: since the last delivery; `tries`: which of them was an entry's latest. `head`, `opens_at`: the next, and
    when another one may go before it; known where `looked`.
    """

    waiting: dict[str, None] = msgspec.field(default_factory=dict)
    failures: int = 0
    tries: dict[str, int] = msgspec.field(default_factory=dict)
    until: float = 0.0
    paced: float = 0.0
    served: int = 0
    head: str | None = None
    opens_at: float = math.inf
    looked: bool = False

    def look(self, entries: Mapping[str, Entry], fresh: Container[str], now: float) -> Entry | None:
        """The next that may be sent at `now`, however long the target is left alone. `fresh`: not durable yet."""
        if not self.looked or now >= self.opens_at:
            self.looked, self.head, self.opens_at = True, None, math.inf
            first: tuple[bool, int, tuple[int, float, str]] | None = None
            for key in self.waiting:
                if key in fresh:
                    continue
                entry = entries[key]
                if (at := entry.opens_at) > now:
                    self.opens_at = min(self.opens_at, at)
                    continue
                # What failed more often than the target did, failed while others were delivered.
                suspect = bool(self.tries) and entry.attempts > self.failures
                turn = (suspect, self.tries.get(key, 0), entry.rank)
                if first is None or turn < first:
                    first, self.head = turn, key
        return None if self.head is None else entries[self.head]

    def wake(self, entries: Mapping[str, Entry], fresh: Container[str], now: float) -> float | None:
        """When the next may be sent; None while nothing waits."""
        opens_at = 0.0 if self.look(entries, fresh, now) is not None else self.opens_at
        return None if opens_at == math.inf else max(self.until, self.paced, opens_at)

    def line_up(self, key: str, *, waits: bool) -> None:
        """Let an entry wait, or not."""
        if waits:
            self.waiting[key] = None
        else:
            self.waiting.pop(key, None)
        self.looked, self.paced = False, 0.0

    def leave(self, key: str) -> None:
        """An entry is gone."""
        self.waiting.pop(key, None)
        self.tries.pop(key, None)
        self.looked = False

    def delivered(self) -> None:
        """The target took something: what fails from now on fails anew."""
        self.failures, self.until, self.served = 0, 0.0, self.served + 1
        self.tries.clear()
        self.looked = False

    def failed(self, key: str, entry: Entry | None, error: DeliveryError, now: float) -> None:
        """A send failed that is worth another try: hold the entry, or leave the target alone."""
        self.failures += 1
        self.looked = False
        self.until = now + pause_seconds(error, self.failures)
        if entry is None or error.reason is FailureReason.RATE_LIMITED:
            return  # that the target has enough says nothing of what was sent
        self.tries[key] = self.failures
        if len(self.tries) == 1:
            entry.not_before = now + pause_seconds(error, entry.attempts)
            self.until = now + pause_seconds(error, 1)
