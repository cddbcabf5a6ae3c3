"""What is written of what the runs of an agent carried; counted by `monitor.readiness.carried`."""

from __future__ import annotations

from typing import Final

from msgspec import Struct, field

COUNTS: Final = 6
COUNTS_OF_USE: Final = 5


class Use(Struct, array_like=True):
    """One component. Times in epoch seconds.

    `now`, `before`: runs of a stretch that used it, and of a tool its calls and the runs in which every call carried
    arguments, a result, a version.
    """

    first: float
    last: float
    now: list[int]
    before: list[int]


class Carried(Struct, array_like=True):
    """What runs carried in this stretch and in the one before, and all uses by component.

    `now`, `before`: runs, and how many of them had a version, an outcome, a model call, and with that tokens, a cost.
    `tick`, `taken`: runs that closed since the last tick.
    """

    now: list[int] = field(default_factory=lambda: [0] * COUNTS)
    before: list[int] = field(default_factory=lambda: [0] * COUNTS)
    uses: dict[str, Use] = {}
    tools: dict[str, Use] = {}
    """By name alone; in `uses` are all other components, as `depends_on` writes them, and callers."""
    tick: float = 0.0
    taken: int = 0

    @property
    def runs(self) -> int:
        """Runs that are counted."""
        return self.now[0] + self.before[0]
