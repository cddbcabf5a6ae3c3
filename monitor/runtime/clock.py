"""The one clock of a live monitor. It never goes back, and it tells when the wall clock jumped ahead."""

from __future__ import annotations

import time
from collections.abc import Callable

JUMP_SECONDS = 5.0
"""A wall clock this far ahead of the seconds that really passed has jumped (sleep, time server)."""


class SteadyClock:
    """Epoch seconds that pass as real seconds do. Where the wall clock jumps ahead it follows; back, it does not."""

    def __init__(self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic) -> None:
        self._wall = wall
        self._steady = steady
        self._ahead = wall() - steady()
        self.jumps = 0

    def __call__(self) -> float:
        """Now, in epoch seconds."""
        steady = self._steady()
        ahead = self._wall() - steady
        if ahead > self._ahead + JUMP_SECONDS:
            self._ahead = ahead
            self.jumps += 1
        return steady + self._ahead

    def go_on_from(self, time: float) -> float:
        """Never tell less than `time`, at which an earlier process stopped; by how many seconds that is ahead."""
        behind = time - self()
        if behind <= 0.0:
            return 0.0
        self._ahead += behind
        return behind
