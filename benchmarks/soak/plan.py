"""Which faults come when: drawn from a seed before anything runs, so that a bad run can be run again.

Every kind of fault comes once before any comes twice. Faults of one target do not overlap; others may.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

QUIET_SECONDS = 15.0
"""Before the first fault: references are learned, the group has formed."""
GAP_SECONDS = 9.0
"""Between the beginnings of two faults, on average."""

STEADY_FROM_SECONDS = 600.0
STEADY_SHARE = 1.0 / 3.0
"""Of a soak that is at least so long, the last share is without faults of processes: a life that long shows whether
memory grows."""

SECONDS: dict[str, tuple[float, float]] = {
    "kill worker": (0.0, 3.0),
    "kill router": (0.0, 3.0),
    "restart worker": (0.0, 1.0),
    "freeze worker": (3.0, 14.0),
    "kill broker": (1.0, 5.0),
    "restart broker": (1.0, 5.0),
    "slack down": (5.0, 20.0),
    "clock jump": (5.0, 20.0),
    "duplicates": (5.0, 20.0),
    "reordering": (5.0, 20.0),
}
"""Fault → how long it lasts, least and most: for a process, until it is started again or goes on."""

EXCLUSIVE = {"kill worker", "kill router", "restart worker", "freeze worker", "kill broker", "restart broker"}
"""Faults of processes: the next begins when the one before is over."""


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong. `at`: seconds from the start; `draw`: 0 to 1, chooses the target."""

    at: float
    kind: str
    seconds: float
    draw: float


def faults(seed: int, seconds: float, only: Sequence[str] | None = None) -> list[Fault]:
    """The plan of a soak that loads for so many seconds, in order; of all kinds, or `only` of these."""
    chance = random.Random(seed)
    kinds = list(only or SECONDS)
    found: list[Fault] = []
    at, waiting = QUIET_SECONDS, list[str]()
    steady = seconds * (1.0 - STEADY_SHARE) if seconds >= STEADY_FROM_SECONDS else seconds
    while at < seconds:
        if not waiting:
            waiting = chance.sample(kinds, len(kinds))
        kind = waiting.pop()
        fault = Fault(at, kind, chance.uniform(*SECONDS[kind]), chance.random())
        gap = chance.uniform(0.5, 1.5) * GAP_SECONDS
        if at + fault.seconds <= (steady if kind in EXCLUSIVE else seconds):
            found.append(fault)
            gap = max(gap, fault.seconds + 1.0) if kind in EXCLUSIVE else gap
        at += gap
    return found
