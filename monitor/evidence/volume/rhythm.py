"""What is usual now: hours of the clock of two weeks, and the least intensity that they support for the present one.

Not here: evidence and episodes (`monitor.evidence.volume.traffic`). An hour is told what its like was: the same hour of
the same weekday one and two weeks ago, else the same hour of the latest day that is known. A stretch counts as much as
its least part, with the hours beside it: where a day begins, breaks off, or has its lunch, little is expected. Where
runs are few the parts are longer, so that each has enough of them.

On the first day no hour is known by its like. That runs stopped is told all the same, of an agent that had runs in
every hour so far: a quarter of the least of these hours is expected, so that only a stop is.

What a single like hour says holds only for an agent that also ran in the hours before: an office that went home, or
did not come on its first Saturday, is no silence. Two weeks that agree stand on their own.

Invariant: hours in which the monitor was blind, and hours of an episode, support nothing.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

from msgspec import Struct

UNKNOWN = -1
BINS = 12
"""Bins of an hour."""
LEAST_BINS = 6
"""So many bins stand for their hour."""
DAY = 24
WEEK = 168
SPANS = (1, 2, 4, 8)
"""Hours of one part; the first in which there are `ENOUGH` runs is taken."""
ENOUGH = 12.0
"""Runs, a burst of them counted as one, that a part should have."""
HOURS = 2 * WEEK + SPANS[-1]
STEADY = 0.5
"""Traffic is steady whose low hours have this share of the mean. It is read from the week before the last day: runs
that become few do not make themselves usual at once."""
LOW = 1.65
"""Standard deviations below the mean of a low hour: one in twenty."""
FEW = 2.0
"""The steps between few hours say little of how runs come; those between bins weigh as much as so many of them."""
YOUNG_HOURS = 2
"""Hours of the first day that must have had runs before anything is said; in the latest of them they may have stopped,
so that it says nothing of how many are usual."""
YOUNG_PART = 0.25
"""Of the least hour of the first day."""
PRESENT = 0.5
"""An agent with this share of its usual runs in the hours before was there, so that it can stop."""


class Rhythm(Struct, array_like=True):
    """Runs of the latest hours, oldest first."""

    hours: list[int] = []
    """Runs per hour of the clock that is over, or UNKNOWN."""
    rough: list[int] = []
    """Of each hour half the sum of the squared steps between its bins: as much as its runs where they come singly."""


class Usual(NamedTuple):
    """What the hours support."""

    least: float
    """Runs per hour, a lower bound."""
    level: float
    """Runs per hour, as they were."""
    dispersion: float
    """Runs that come as one."""
    page: bool
    """Whether a whole week is behind it, and the agent was there; else it is good for a notice."""


NOTHING = Usual(0.0, 0.0, 1.0, False)


class _Part(NamedTuple):
    span: int
    least: float
    level: float
    dispersion: float


def close(rhythm: Rhythm, bins: list[int]) -> None:
    """An hour is over; `bins` end with its own."""
    counts = [count for count in bins[-BINS:] if count != UNKNOWN]
    if len(counts) < LEAST_BINS:
        runs = steps = UNKNOWN
    else:
        near = [count for count in bins[-BINS - 1 :] if count != UNKNOWN]
        runs = round(sum(counts) * BINS / len(counts))
        steps = sum((b - a) ** 2 for a, b in pairwise(near)) * BINS // (2 * max(len(near) - 1, 1))
    rhythm.hours.append(runs)
    rhythm.rough.append(steps)
    del rhythm.hours[:-HOURS], rhythm.rough[:-HOURS]


def usual(rhythm: Rhythm, *, always: bool = False) -> Usual:
    """What is usual in the hour that runs. `always`: whether or not the agent was there in the hours before."""
    if len(rhythm.hours) <= DAY:
        return _young(rhythm)
    like = _like(rhythm, always)
    steady = _steady(rhythm)
    if steady is None or like.least / like.dispersion >= steady.least / steady.dispersion:
        return like
    return Usual(steady.least, steady.level, steady.dispersion, len(rhythm.hours) >= WEEK)


def _young(rhythm: Rhythm) -> Usual:
    """What the hours of the first day support."""
    last = max((i for i in range(len(rhythm.hours)) if rhythm.hours[i] > 0), default=0)
    known = [i for i in range(last) if rhythm.hours[i] != UNKNOWN]
    total = sum(rhythm.hours[i] for i in known)
    if len(known) + 1 < YOUNG_HOURS or not total:
        return NOTHING
    level = total / len(known)
    rough = max(sum(rhythm.rough[i] for i in known) / total, 1.0)
    lowest = min(rhythm.hours[i] for i in known)
    least = max(lowest - math.sqrt(lowest * rough), 0.0)
    return Usual(YOUNG_PART * least, level, rough, False)


def _like(rhythm: Rhythm, always: bool) -> Usual:
    """What like hours support."""
    here = len(rhythm.hours)
    weeks = [part for back in (WEEK, 2 * WEEK) if (part := _around(rhythm, here - back)) is not None]
    if len(weeks) > 1:
        part = min(weeks, key=lambda each: each.least)
        there = _before(rhythm, part.span) >= PRESENT * part.level
        return Usual(part.least, part.level, part.dispersion, there)
    days = (_around(rhythm, here - DAY * back) for back in range(1, 7))
    found = weeks[0] if weeks else next((part for part in days if part is not None), None)
    if found is None:
        return NOTHING
    before = math.inf if always else _before(rhythm, found.span)
    return Usual(min(found.least, before), min(found.level, before), found.dispersion, bool(weeks))


def _around(rhythm: Rhythm, at: int) -> _Part | None:
    """What the hour `at` and those on both sides support; None where they are not known."""
    found = None
    for span in SPANS:
        first, after = at - span, at + span + 1
        if first < 0 or after > len(rhythm.hours) or UNKNOWN in rhythm.hours[first:after]:
            break
        found = _part(rhythm, first, after, span)
        if found.level * span >= ENOUGH * found.dispersion:
            break
    return found


def _steady(rhythm: Rhythm) -> _Part | None:
    """What every hour of the latest days supports, if they differ little beyond chance."""
    known = [i for i in range(max(len(rhythm.hours) - WEEK, 0), len(rhythm.hours) - DAY) if rhythm.hours[i] != UNKNOWN]
    if len(known) < DAY:
        return None
    hours = [rhythm.hours[i] for i in known]
    total = sum(hours)
    if not total:
        return None
    level = total / len(hours)
    rough = max(sum(rhythm.rough[i] for i in known) / total, 1.0)
    spread = sum((count - level) ** 2 for count in hours) / (len(hours) - 1)
    beyond = math.sqrt(max(spread - rough * level, 0.0))
    least = level - LOW * beyond - math.sqrt(level * rough / len(hours))
    return _Part(1, least, level, max(spread / level, rough)) if least >= STEADY * level else None


def _part(rhythm: Rhythm, first: int, after: int, span: int) -> _Part:
    hours = rhythm.hours[first:after]
    level = sum(hours) / len(hours)
    if level <= 0.0:
        return _Part(span, 0.0, 0.0, 1.0)
    rough = max(sum(rhythm.rough[first:after]) / sum(hours), 1.0)
    steps = sum((b - a) ** 2 for a, b in pairwise(hours)) / (2.0 * level)
    dispersion = max((steps + FEW * rough) / (len(hours) - 1 + FEW), rough)
    lowest = min(sum(hours[i : i + span]) for i in range(len(hours) - span + 1))
    least = max(lowest - math.sqrt(lowest * dispersion), 0.0) / span
    return _Part(span, least, level, dispersion)


def _before(rhythm: Rhythm, span: int) -> float:
    """Runs per hour in the fullest part of the hours before."""
    hours = rhythm.hours[-3 * span - 1 :]
    parts = [hours[i : i + span] for i in range(len(hours) - span + 1)]
    return max((sum(part) / span for part in parts if UNKNOWN not in part), default=0.0)
