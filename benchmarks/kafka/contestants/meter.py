"""How every contestant is measured: events per second of wall time and of CPU time, after a warm-up, for a while.

Standard library only: it runs in the contestants' own environments. The process ends as soon as it has its number, with
one line of JSON on standard output; nobody is measured while it stops.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

FIXED = 6
"""Arguments that every contestant takes."""


@dataclass
class Meter:
    """Call `add` for events that are done; the first `warm` do not count, then `seconds` do, or until `last`."""

    warm: int
    seconds: float
    last: int
    count: int = 0
    observed: Callable[[], dict[str, float]] = dict
    """Numbers that grow; the result says by how much they grew meanwhile."""
    _first: tuple[int, dict[str, float], float, float] | None = None

    def add(self, events: int) -> None:
        """Count; may end the process."""
        self.set(self.count + events)

    def set(self, count: int) -> None:
        """The number of events that were done until now."""
        self.count = count
        if self._first is None:
            if count >= self.warm:
                self._first = (count, self.observed(), time.perf_counter(), time.process_time())
        elif count >= self.last or time.perf_counter() - self._first[2] >= self.seconds:
            self.finish()

    def finish(self) -> None:
        """Print the result and end the process."""
        now, now_cpu = time.perf_counter(), time.process_time()
        assert self._first is not None, "the topic ended within the warm-up"
        count, observed, begun, cpu = self._first
        result = {"events": self.count - count, "seconds": now - begun, "cpu_seconds": now_cpu - cpu}
        result |= {name: value - observed.get(name, 0.0) for name, value in self.observed().items()}
        os.write(1, f"{json.dumps(result)}\n".encode())  # Faust takes sys.stdout for its log
        os._exit(0)


def arguments() -> tuple[str, str, str, Meter]:
    """From the command line: bootstrap server, topic, a name that no other run has, meter."""
    bootstrap, topic, name, warm, seconds, last = sys.argv[1 : 1 + FIXED]
    return bootstrap, topic, name, Meter(int(warm), float(seconds), int(last))


def further() -> list[str]:
    """What follows them."""
    return sys.argv[1 + FIXED :]
