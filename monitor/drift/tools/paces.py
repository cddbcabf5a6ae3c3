"""How long an agent's tools usually take a call, learned from their calls alone, and which of them is slower of late.

Not here: whether the agent changed; the bank bets on how much slower than usual the slowest tool of a run is.

Invariant: nothing is said of a tool before its first `LEARNED` runs. What is usual follows what is there by `STEP` a
run: a tool three times slower is so for a thousand of its runs.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

LEARNED = 32
"""Runs of a tool before it is known how long it takes: their median."""
STEP = 0.001
"""Part by which the usual seconds move, up or down, with each further run: they stay a median."""
GRAIN = 0.5
"""Times are told in steps of so much, from one on: where a tool always takes the same, what is usual still moves a
little, and would be a change of its own."""
TOOLS = 40
"""Tools of one agent that are known. More: the one that was quiet longest is forgotten."""
FELT = 0.05
"""Part of a run's duration that a tool must take more than usual, or it is as fast as usual: nobody would feel it."""
LATEST = 5
"""Runs of a tool of which the middle one says how long it takes of late."""
SLOWER = 2.0
"""Times its usual seconds that a tool must take of late to be named."""


class Pace(Struct, array_like=True, gc=False):
    """Of one tool, in seconds a call. `latest`: all its runs until there are `LEARNED`, then the latest few."""

    usual: float = 0.0
    latest: list[float] = []


def observe(paces: dict[str, Pace], tool: str, seconds: float, calls: int, duration: float) -> float | None:
    """Count one run's `calls` of a tool, which took `seconds` together; how many times the usual that is.

    None while the tool is too new to tell. `duration`: of the run, seconds.
    """
    each = seconds / calls
    if not each > 0.0:
        return None
    pace = paces.pop(tool, None)
    if pace is None:
        pace = Pace(latest=[])
        if len(paces) >= TOOLS:
            del paces[next(iter(paces))]
    paces[tool] = pace  # the order of a dict is that of the latest run
    pace.latest.append(each)
    usual = pace.usual
    if not usual:
        if len(pace.latest) >= LEARNED:
            pace.usual = sorted(pace.latest)[LEARNED // 2]
        return None
    del pace.latest[:-LATEST]
    if abs(each - usual) > STEP * usual:
        pace.usual = usual * (1.0 + STEP if each > usual else 1.0 - STEP)
    times = round(each / usual / GRAIN) * GRAIN
    return times if times > 1.0 and seconds - usual * calls >= FELT * duration else 1.0


def slower(paces: Mapping[str, Pace]) -> tuple[str, float, float] | None:
    """The tool that takes most beside its usual time of late, with the seconds of a call, usual and of late.

    None if none is slower.
    """
    found = [
        (sorted(pace.latest[-LATEST:])[LATEST // 2] / pace.usual, tool) for tool, pace in paces.items() if pace.usual
    ]
    times, tool = max(found, default=(0.0, ""))
    return (tool, paces[tool].usual, times * paces[tool].usual) if times >= SLOWER else None
