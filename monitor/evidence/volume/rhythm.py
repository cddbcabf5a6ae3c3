"""What is usual now: hours of the clock of two weeks, and the least intensity that they support for the present one.

Not here: evidence and episodes (`monitor.evidence.volume.traffic`). An hour is told what its like was: the same hour of
the same weekday one and two weeks ago, else the same hour of the latest day that is known. A stretch counts as much as
its least part, with the hours beside it: where a day begins, breaks off, or has its lunch, little is expected. Where
runs are few the parts are longer, so that each has enough of them.

On the first day no hour is known by its like. That runs stopped is told all the same, of an agent that had runs in
every hour so far: a quarter of the least of these hours is expected, so that only a stop is.

What a single like hour says holds only for an agent that also ran in the hours before: an office that went home, or
did not come on its first Saturday, is no silence. Two weeks that agree stand on their own.

Invariant: hours in which the monitor was blind, and hours of an episode, support nothing. Where the like hour was one
of an episode, no other day stands for it: a weekend that was told as silence is not told again.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

from msgspec import Struct

UNKNOWN = -1
"""Nobody looked."""
TOLD = -2
"""An episode ran, whether it was a fault or a weekend that nobody knew of."""
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
"""The steps between the hours of a part say where runs begin or end; those of all hours weigh as so many of them."""
MIDDLE = 0.455
"""Median of the square of a normal number."""
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
    counts = [count for count in bins[-BINS:] if count >= 0]
    if len(counts) < LEAST_BINS:
        runs = steps = TOLD if TOLD in bins[-BINS:] else UNKNOWN
    else:
        near = [count for count in bins[-BINS - 1 :] if count >= 0]
        runs = round(sum(counts) * BINS / len(counts))
        steps = sum((b - a) ** 2 for a, b in pairwise(near)) * BINS // (2 * max(len(near) - 1, 1))
    rhythm.hours.append(runs)
    rhythm.rough.append(steps)
    del rhythm.hours[:-HOURS], rhythm.rough[:-HOURS]


def usual(rhythm: Rhythm, *, always: bool = False) -> Usual:
    """What is usual in the hour that runs. `always`: whether or not the agent was there in the hours before."""
    if len(rhythm.hours) <= DAY:
        return _young(rhythm)
    hours = rhythm.hours
    here = len(hours)
    grain = _grain(rhythm)
    last_week, week_before = (_around(rhythm, here - back, grain) for back in (WEEK, 2 * WEEK))
    if last_week is not None and week_before is not None:
        part = min(last_week, week_before, key=lambda each: each.least)
        there = _before(rhythm, part.span) >= PRESENT * part.level
        like = Usual(part.least, part.level, part.dispersion, there)
    else:
        found = last_week or week_before
        if found is None:
            if here >= WEEK and hours[here - WEEK] == TOLD:
                return NOTHING
            days = (_around(rhythm, here - DAY * back, grain) for back in range(1, 7))
            found = next((part for part in days if part is not None), None)
        if found is None:
            return NOTHING
        before = math.inf if always else _before(rhythm, found.span)
        page = last_week is not None or week_before is not None
        like = Usual(min(found.least, before), min(found.level, before), found.dispersion, page)
    steady = None if hours[here - (WEEK if here >= WEEK else DAY)] == TOLD else _steady(rhythm)
    if steady is None:
        return like
    least = steady.least if last_week is None else min(steady.least, last_week.level)
    if least / steady.dispersion <= like.least / like.dispersion:
        return like
    return Usual(least, steady.level, steady.dispersion, here >= WEEK)


def _young(rhythm: Rhythm) -> Usual:
    """What the hours of the first day support."""
    last = max((i for i in range(len(rhythm.hours)) if rhythm.hours[i] > 0), default=0)
    known = [i for i in range(last) if rhythm.hours[i] >= 0]
    total = sum(rhythm.hours[i] for i in known)
    if len(known) + 1 < YOUNG_HOURS or not total:
        return NOTHING
    level = total / len(known)
    rough = max(sum(rhythm.rough[i] for i in known) / total, 1.0)
    lowest = min(rhythm.hours[i] for i in known)
    least = max(lowest - math.sqrt(lowest * rough), 0.0)
    return Usual(YOUNG_PART * least, level, rough, False)


def _around(rhythm: Rhythm, at: int, grain: float) -> _Part | None:
    """What the hour `at` and those on both sides support; None where they are not known."""
    found = None
    for span in SPANS:
        first, after = at - span, at + span + 1
        if first < 0 or after > len(rhythm.hours) or min(rhythm.hours[first:after]) < 0:
            break
        found = _part(rhythm, first, after, span, grain)
        if found.level * span >= ENOUGH * found.dispersion:
            break
    return found


def _steady(rhythm: Rhythm) -> _Part | None:
    """What every hour of the latest days supports, if they differ little beyond chance."""
    known = [i for i in range(max(len(rhythm.hours) - WEEK, 0), len(rhythm.hours) - DAY) if rhythm.hours[i] >= 0]
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


def _part(rhythm: Rhythm, first: int, after: int, span: int, grain: float) -> _Part:
    hours = rhythm.hours[first:after]
    level = sum(hours) / len(hours)
    if level <= 0.0:
        return _Part(span, 0.0, 0.0, 1.0)
    grain = max(sum(rhythm.rough[first:after]) / sum(hours), grain)
    steps = sum((b - a) ** 2 for a, b in pairwise(hours)) / (2.0 * level)
    dispersion = max((steps + FEW * grain) / (len(hours) - 1 + FEW), grain)
    lowest = min(sum(hours[i : i + span]) for i in range(len(hours) - span + 1))
    least = max(lowest - math.sqrt(lowest * dispersion), 0.0) / span
    return _Part(span, least, level, dispersion)


def _grain(rhythm: Rhythm) -> float:
    """Runs that come as one: by the step from one hour to the next that the middle run saw, for the steps at which a
    day begins and ends are larger."""
    steps = sorted(((b - a) ** 2 / (a + b), a + b) for a, b in pairwise(rhythm.hours[-WEEK:]) if min(a, b) >= 0 < a + b)
    half = sum(runs for _, runs in steps) / 2.0
    for step, runs in steps:
        half -= runs
        if half <= 0.0:
            return max(step / MIDDLE, 1.0)
    return 1.0


def _before(rhythm: Rhythm, span: int) -> float:
    """Runs per hour in the fullest part of the hours before."""
    hours = rhythm.hours[-3 * span - 1 :]
    parts = [hours[i : i + span] for i in range(len(hours) - span + 1)]
    return max((sum(part) / span for part in parts if min(part) >= 0), default=0.0)
