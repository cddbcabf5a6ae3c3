"""The one clock of a live monitor. It never goes back, and it tells when the wall clock jumped ahead."""

from __future__ import annotations

import time

JUMP_SECONDS = 5.0
"""A wall clock this far ahead of the seconds that really passed has jumped (sleep, time server)."""


class SteadyClock:
    """Epoch seconds that pass as real seconds do. Where the wall clock jumps ahead it follows; back, it does not."""

    def __init__(self) -> None:
        self._ahead = time.time() - time.monotonic()
        self.jumps = 0

    def __call__(self) -> float:
        """Now, in epoch seconds."""
        steady = time.monotonic()
        ahead = time.time() - steady
        if ahead > self._ahead + JUMP_SECONDS:
            self._ahead = ahead
            self.jumps += 1
        return steady + self._ahead
