"""Shapes of traffic, a few weeks of each, minute by minute: what is told of healthy ones, and when a fault is found."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import NamedTuple

import msgspec
import pytest

from monitor.evidence.volume import traffic
from monitor.signals import TRAFFIC_SHARE, TRAFFIC_TOLERANCE

SINCE = ("rhythm", "rho", "lean", "lean_since", "lean_n", "ends")
"""Fields that the version before did not have."""
MONDAY = 1_799_625_600.0
MINUTE = 60.0
HOUR = 3_600.0
DAY = 24 * HOUR
WEEK = 7 * DAY
PER_SECOND = {"notice": TRAFFIC_SHARE / DAY, "page": TRAFFIC_SHARE / WEEK}
"""What the only agent of an owner gets."""
Shape = Callable[[float], float]
"""Runs per hour at so many seconds since the first Monday began."""


class Told(NamedTuple):
    at: float
    """Seconds since the first Monday."""
    verdict: str
    mode: str
    onset: float
    before: float
    after: float


def steady(per_hour: float) -> Shape:
    return lambda _: per_hour


def open_from(first: float, last: float, per_hour: float, days: int = 7) -> Shape:
    return lambda at: per_hour if at // DAY % 7 < days and first <= at % DAY / HOUR < last else 0.0


def tides(per_hour: float) -> Shape:
    """Seven times as many in the afternoon as in the night."""
    return lambda at: per_hour * (4.0 - 3.0 * math.cos(2.0 * math.pi * (at / DAY - 0.125))) / 7.0


office = open_from(9, 18, 60, days=5)
quiet_nights = open_from(7, 23, 60)


def until(end: float, shape: Shape, left: float = 0.0) -> Shape:
    """From `end` on the part `left` of what would come."""
    return lambda at: shape(at) if at < end else left * shape(at)


def lunch(at: float) -> float:
    return office(at) * (0.3 if 12 <= at % DAY / HOUR < 13 else 1.0)


def fewer_each_week(at: float) -> float:
    return 60 * 0.9 ** (at / WEEK)


def holiday(at: float) -> float:
    """The second Wednesday."""
    return 0.0 if at // DAY == 9 else office(at)


def fewer_on_weekends(at: float) -> float:
    return tides(120)(at) * (0.5 if at // DAY % 7 > 4 else 1.0)


def runs(shape: Shape, seed: int, end: float) -> list[int]:
    """Per minute; those of a Poisson process."""
    rng = random.Random(seed)
    counts = [0] * int(end // MINUTE)
    most = max(shape(hour * HOUR) for hour in range(int(end // HOUR)))
    at = rng.expovariate(most / HOUR)
    while at < end:
        counts[int(at // MINUTE)] += rng.random() * most < shape(at)
        at += rng.expovariate(most / HOUR)
    return counts


def batches(every: Callable[[random.Random], float], size: int, end: float, at: float = 0.0) -> list[int]:
    """`size` runs at once, the next after `every` hours."""
    rng = random.Random(1)
    counts = [0] * int(end // MINUTE)
    while at < end:
        counts[int(at // MINUTE)] += size
        at += every(rng) * HOUR
    return counts


def play(counts: list[int], declared: float | None = None) -> tuple[list[Told], traffic.Traffic]:
    """As an agent does it: looked at where runs came, and when it asked to be."""
    state = traffic.new(MONDAY)
    told = []
    wake = math.inf
    for minute, count in enumerate(counts):
        now = MONDAY + (minute + 1) * MINUTE
        if not count and now < wake:
            continue
        state.arrivals += count
        state.pending += PER_SECOND[state.mode] * (now - state.flowed_at)
        state.flowed_at = now
        verdict = traffic.advance(state, now, declared, TRAFFIC_TOLERANCE)
        if verdict == "fire":
            traffic.fire(state, "key", now, declared=declared is not None)
        if verdict:
            after = state.since_n / max(now - state.quiet_since, 1.0) * HOUR
            onset = state.quiet_since - MONDAY
            told.append(Told(now - MONDAY, verdict, state.mode, onset, state.before * HOUR, after))
        if verdict in ("resolve", "settle"):
            traffic.end(state, now, by_itself=verdict == "resolve")
        wake = traffic.next_wake(state, PER_SECOND[state.mode])
    return told, state


HEALTHY: dict[str, Callable[[], list[int]]] = {
    "ten a minute": lambda: runs(steady(600), 1, 8 * DAY),
    "three an hour": lambda: runs(steady(3), 1, 3 * WEEK),
    "one each quarter of an hour": lambda: batches(lambda _: 0.25, 1, 3 * WEEK),
    "days and nights": lambda: runs(tides(60), 1, 16 * DAY),
    "an office goes home, has weekends": lambda: runs(office, 1, 3 * WEEK),
    "an office that has lunch": lambda: runs(lunch, 1, 2 * WEEK),
    "quiet nights": lambda: runs(quiet_nights, 1, 2 * WEEK),
    "a holiday while one week is known": lambda: runs(holiday, 1, 3 * WEEK),
    "half as many on weekends": lambda: runs(fewer_on_weekends, 1, 2 * WEEK),
    "a tenth fewer each week": lambda: runs(fewer_each_week, 1, 16 * DAY),
    "fifty at once, the next after two to five hours": lambda: batches(lambda rng: rng.uniform(2.0, 5.0), 50, 3 * WEEK),
    "fifty at once, the next after some hours": lambda: batches(lambda rng: rng.expovariate(1 / 3), 50, 3 * WEEK),
    "a job of the night": lambda: batches(lambda _: 24.0, 50, 3 * WEEK, at=2 * HOUR),
}


@pytest.mark.parametrize("shape", HEALTHY)
def test_nothing_is_told_of_what_is_healthy(shape: str) -> None:
    assert play(HEALTHY[shape]())[0] == []


@pytest.mark.parametrize(("per_hour", "within"), [(600, 0.3), (60, 2.0)])
def test_a_stop_on_the_first_day_is_a_notice(per_hour: float, within: float) -> None:
    stop = 5.2 * HOUR
    told, _ = play(runs(until(stop, steady(per_hour)), 2, DAY))
    assert [(one.verdict, one.mode) for one in told] == [("fire", "notice")]
    assert stop < told[0].at < stop + within * HOUR
    assert told[0].before == pytest.approx(per_hour, rel=0.2)


def test_who_goes_home_on_the_first_evening_is_told_so_once() -> None:
    """Nobody can know it; from the second day on it is known, weekends but the first one included."""
    monday = runs(lambda at: office(at + 9 * HOUR), 1, 3 * WEEK)
    told, _ = play(monday)
    assert [(one.verdict, one.mode) for one in told] == [("fire", "notice"), ("resolve", "notice")]
    assert 9 * HOUR < told[0].at < 12 * HOUR
    assert told[1].at < DAY + 3 * HOUR


TUESDAY_NOON = DAY + 12 * HOUR
THIRD_MONDAY = 2 * WEEK
FAULTS: dict[str, tuple[Shape, float, float, str]] = {
    # what happens: the shape, from when on, found within so many hours, in which voice
    "quiet nights, stops at noon of the second day": (quiet_nights, TUESDAY_NOON, 1.0, "notice"),
    "an office stops at noon of the second day": (office, TUESDAY_NOON, 1.0, "notice"),
    "it stops in the night": (tides(120), 2 * DAY + 3 * HOUR, 4.0, "notice"),
    "it stops after a whole week": (quiet_nights, WEEK + TUESDAY_NOON, 1.5, "page"),
    "three an hour stop": (steady(3), 3 * DAY, 7.0, "notice"),
    "an office does not come on its third Monday": (office, THIRD_MONDAY + 9 * HOUR, 2.5, "notice"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_stop_is_found(fault: str) -> None:
    shape, stop, within, mode = FAULTS[fault]
    told, _ = play(runs(until(stop, shape), 2, stop + DAY))
    (fired,) = told
    assert (fired.verdict, fired.mode) == ("fire", mode)
    assert stop < fired.at <= stop + within * HOUR
    assert fired.after == 0.0
    last = max(minute for minute, count in enumerate(runs(until(stop, shape), 2, stop)) if count)
    assert fired.onset == (last + 1) * MINUTE  # since the last run, were it on Friday


NEARLY: dict[str, Shape] = {
    "on its first day one hour says nothing": until(HOUR, steady(60)),
    "nor is a first night with a fifth of the runs a stop": lambda at: tides(60)(at + 12 * HOUR),
    "an office does not come on its first Saturday": until(5 * DAY, office),
    "nor on a Monday after one known week: it may be a holiday": until(WEEK - DAY, office),
    "three quarters are within the tolerance": until(9 * DAY, steady(60), left=0.75),
}


@pytest.mark.parametrize("near", NEARLY)
def test_what_is_no_stop(near: str) -> None:
    assert play(runs(NEARLY[near], 3, 10 * DAY))[0] == []


@pytest.mark.parametrize(("per_hour", "hours", "off"), [(600, 4.0, 0.5), (60, 16.0, 8.0)])
def test_half_of_steady_traffic_is_a_notice_that_says_since_when(per_hour: float, hours: float, off: float) -> None:
    half = 9 * DAY
    told, _ = play(runs(until(half, steady(per_hour), left=0.5), 4, half + DAY))
    (fired,) = told
    assert fired.mode == "notice"  # a week is known, but runs still come
    assert half < fired.at < half + hours * HOUR
    assert abs(fired.onset - half) < off * HOUR
    assert fired.before == pytest.approx(per_hour, rel=0.1)
    assert fired.after == pytest.approx(0.5 * per_hour, rel=0.2)


def test_few_runs_that_stay_are_normal_after_a_week() -> None:
    half = 3 * DAY
    told, state = play(runs(until(half, steady(600), left=0.4), 5, half + 10 * DAY))
    assert [(one.verdict, one.mode) for one in told] == [("fire", "notice"), ("settle", "notice")]
    assert state.usual * HOUR == pytest.approx(240.0, rel=0.1)


def test_few_runs_that_become_many_again_are_back() -> None:
    half = 3 * DAY
    dip = until(half, steady(600), left=0.5)
    told, _ = play(runs(lambda at: dip(at) if at < half + 12 * HOUR else 600.0, 6, half + 2 * DAY))
    assert [one.verdict for one in told] == ["fire", "resolve"]
    assert half + 12 * HOUR < told[1].at < half + 13 * HOUR


def test_what_stops_each_day_and_comes_back_pages_twice() -> None:
    """Two hours of each day from the second week on, at another hour each day."""

    def lulls(at: float) -> float:
        begins = 7 * (at // DAY) % 20
        return 0.0 if at > 8 * DAY and begins <= at % DAY / HOUR < begins + 2 else 120.0

    told, _ = play(runs(lulls, 7, 2 * WEEK))
    assert [one.mode for one in told if one.verdict == "fire"] == ["page"] * 2 + ["notice"] * 4


@pytest.mark.parametrize("minutes", [1, 20])
def test_a_declared_rate_is_exact_from_the_first_minute(minutes: int) -> None:
    told, _ = play([1] * 600 + [0] * 120, declared=60.0 / HOUR / minutes)
    assert [(one.verdict, one.mode) for one in told] == [("fire", "page")] * (minutes == 1)


def test_hours_are_read_from_the_state_of_the_version_before() -> None:
    counts = runs(quiet_nights, 8, 9 * DAY)
    _, state = play(counts)
    old = msgspec.convert(msgspec.to_builtins(state)[: -len(SINCE)], traffic.Traffic)
    old.bins = [sum(counts[5 * i : 5 * i + 5]) for i in range(len(counts) // 5)][-2_028:]
    old.evidence = old.evidence[:3]
    traffic.advance(old, old.last + 1.0, None, TRAFFIC_TOLERANCE)
    assert old.rhythm.hours == [sum(counts[60 * i : 60 * i + 60]) for i in range(9 * 24)][-169:]
    assert len(old.evidence) == 4
    assert len(old.bins) == 24


def test_its_memory_is_bounded() -> None:
    _, state = play(runs(steady(3), 9, 20 * DAY))
    assert len(state.bins) <= 36
    assert len(state.rhythm.hours) == len(state.rhythm.rough) == 344
