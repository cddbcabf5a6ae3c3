"""Brokers that are away: a line that says so, since when, why and what will be done; then one in a while, and the end.

aiokafka says the same thousands of times in its own words, which the log of `forewarn run` leaves out (`SAID_BY_US`).
Pure, but for the ear. Whether the group answers is the lease's to know (`cluster.lease`).
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable

HEARD_SECONDS = 5.0
"""So long after a failed connection there is still trouble: aiokafka tries several times a second."""
AGAIN_SECONDS = 30.0
"""What lasts is said again so often."""
REASON_CHARACTERS = 200

SAID_BY_US = re.compile(
    r"Unable connect to|Unable to update metadata|NodeNotReady|KafkaConnectionError|Connect call failed|"
    r"coordinator dead|coordinator \(node|NotLeaderForPartition|GroupCoordinatorNotAvailable|RequestTimedOut|"
    r"Heartbeat session expired"
)
"""What aiokafka says of brokers that do not answer."""
_WHY = re.compile(r"Unable connect to .*?: (?P<why>.+)$", re.DOTALL)
_DECORATION = re.compile(r"^(?:KafkaConnectionError|KafkaError): ")


class Ear(logging.Handler):
    """Hears when aiokafka last failed to reach a broker, and why. `steady`: seconds that never go back."""

    def __init__(self, steady: Callable[[], float] = time.monotonic) -> None:
        super().__init__(logging.WARNING)
        self._steady = steady
        self.at = float("-inf")
        self.why = ""

    def emit(self, record: logging.LogRecord) -> None:
        """A message of the library; called on any thread."""
        text = record.getMessage()
        if not SAID_BY_US.search(text):
            return
        self.at = self._steady()
        if found := _WHY.search(text):
            self.why = _DECORATION.sub("", found["why"])[:REASON_CHARACTERS].rstrip(".")


class Absence:
    """What there is to say of the brokers. `where`: as an error names them; `limit`: seconds that a write waits."""

    def __init__(self, where: str, limit: float) -> None:
        self._where = where
        self._limit = limit
        self._since: float | None = None
        self._said: float | None = None

    def look(self, now: float, ear: Ear, *, answered: bool) -> str | None:
        """A line to write at `now`, or None. `answered`: whether the group has answered lately."""
        if not answered and now - ear.at < HEARD_SECONDS:
            return self._away(now, ear.why or "no connection")
        if answered and self._since is not None:
            since, said, self._since, self._said = self._since, self._said, None, None
            return f"{self._where} answers again, after {now - since:.0f} s" if said is not None else None
        return None

    def _away(self, now: float, why: str) -> str | None:
        if self._since is None:
            self._since = now
        if self._said is not None and now - self._said < AGAIN_SECONDS:
            return None
        first, self._said = self._said is None, now
        if first:
            return (
                f"{self._where} does not answer: {why}. We go on trying; senders over HTTP are told to come again. "
                f"A write that has waited for {self._limit:.0f} s ends the monitor (exit code 2); it goes on where it "
                "committed when it is started again"
            )
        return f"{self._where} has not answered for {now - self._since:.0f} s: {why}; still trying"
