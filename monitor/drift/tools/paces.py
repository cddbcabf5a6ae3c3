"""How long an agent's tools usually take a call, learned from their calls alone, and which of them is slower of late.

Not here: whether the agent changed; the bank bets on how much slower than usual the slowest tool of a run is.

Invariant: nothing is said of a tool before its first `LEARNED` runs. What is usual stays as it was learned, or the bank
would see a change that is ours: of a tool that takes 50 ms or 2 s, as its cache wants, any running median wanders, and
one that follows a tool that stays slow would say that it is back. It is learned anew only where it is `STALE`, and then
the bank must learn anew as well what is normal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from monitor.drift.tools.pace import Pace

LEARNED: Final = 32
"""Runs of a tool before it is known how long it takes: their median."""
GRAIN: Final = 0.5
FINEST: Final = 8
"""Times are told in steps of `GRAIN`, and of one in so many where that is more: a tool that always takes the same moves
by some hundredths with the load, which is nobody's business."""
MOST: Final = 1_000_000.0
"""Times that are told at most."""
STALE: Final = 250
"""A tool counts as changed for good after so many runs that were mostly `SLOWER` than usual, or faster by that."""
_ONCE: Final = 1.0 + GRAIN / 2.0
"""Up to so many times it is told as once: halves go to the even number of steps."""
TOOLS: Final = 40
"""Tools of one agent that are known. More: the one that was quiet longest is forgotten."""
FELT: Final = 0.05
"""Part of a run's duration that a tool must take more than usual, or it is as fast as usual: nobody would feel it."""
LATEST: Final = 5
"""Runs of a tool of which the middle one says how long it takes of late."""
SLOWER: Final = 2.0
"""Times its usual seconds that a tool must take of late to be named."""


def observe(paces: dict[str, Pace], tool: str, seconds: float, calls: int, duration: float) -> float | None:
    """Count one run's `calls` of a tool, which took `seconds` together; how many times the usual that is.

    None while the tool is too new to tell. `duration`: of the run, seconds.
    """
    each = seconds / calls
    if not each > 0.0:
        return None
    pace = paces.get(tool)
    if pace is None:
        pace = Pace(latest=[])
        if len(paces) >= TOOLS:
            del paces[next(iter(paces))]
    else:
        del paces[tool]
    paces[tool] = pace  # the order of a dict is that of the latest run
    latest, usual = pace.latest, pace.usual
    latest.append(each)
    if not usual:
        if len(latest) >= LEARNED:
            pace.usual = sorted(latest)[LEARNED // 2]
        return None
    while len(latest) > LATEST:
        latest.pop(0)
    side = 1 if each > SLOWER * usual else -1 if each * SLOWER < usual else 0
    away = pace.away
    if side or away:
        pace.away = _further(away, side)
    times = each / usual
    if times <= _ONCE or seconds - usual * calls < FELT * duration:
        return 1.0
    return told(min(times, MOST))


def told(times: float) -> float:
    """In steps: see `GRAIN`."""
    grain = GRAIN
    while times > FINEST * grain:
        grain *= 2.0
    return round(times / grain) * grain


def is_stale(paces: dict[str, Pace], tools: Iterable[str]) -> bool:
    """Whether one of some tools takes something else than usual for good."""
    for tool in tools:
        pace = paces.get(tool)
        if pace is not None:
            away = pace.away
            if away >= STALE or away <= -STALE:
                return True
    return False


def renew(paces: dict[str, Pace]) -> None:
    """Let those that are stale be learned anew (in place)."""
    for tool in [tool for tool, pace in paces.items() if abs(pace.away) >= STALE]:
        paces[tool] = Pace(latest=[])


def slower(paces: Mapping[str, Pace]) -> tuple[str, float, float] | None:
    """The tool that takes most beside its usual time of late, with the seconds of a call, usual and of late.

    None if none is slower.
    """
    found = [
        (sorted(pace.latest[-LATEST:])[LATEST // 2] / pace.usual, tool) for tool, pace in paces.items() if pace.usual
    ]
    times, tool = max(found, default=(0.0, ""))
    return (tool, paces[tool].usual, times * paces[tool].usual) if times >= SLOWER else None


def _further(away: int, side: int) -> int:
    if side and away * side >= 0:
        return away + side
    return away - 2 if away > 1 else away + 2 if away < -1 else 0
