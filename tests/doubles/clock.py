"""A clock that stands still until a test moves it."""

from __future__ import annotations

START = 1_760_000_000.0


class Clock:
    """Call it for epoch seconds."""

    def __init__(self, start: float = START) -> None:
        self.time = start

    def __call__(self) -> float:
        return self.time

    def advance(self, seconds: float) -> None:
        """Move on."""
        self.time += seconds
