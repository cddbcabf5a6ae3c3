"""What is known of one tool's pace, as it is written. Not here: how it is learned (`paces`)."""

from __future__ import annotations

from msgspec import Struct


class Pace(Struct, array_like=True, gc=False):
    """Of one tool, in seconds a call. `latest`: all its runs until there are `LEARNED`, then the latest few."""

    usual: float = 0.0
    latest: list[float] = []
    away: int = 0
    """Runs of late, less twice the others, that took far more than usual; negative: far less."""
