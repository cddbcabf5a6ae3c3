"""Silence and volume of one agent: the bets of `detectors.silence` against a low quantile of what was seen.

Runs are counted in bins of five minutes. The bound is the tenth percentile of hourly counts, divided by a tolerance and
by the dispersion of the bins (bursts are few events, not many). Until a whole week is known, nights and weekends are
not, and what is found is a notice; after it, the bound is that of the same hour a week before, and it is a page. A
declared reference is live at once and exact.

Invariant: bins in which the monitor was blind, and bins of an episode, never enter what is normal.
"""

from __future__ import annotations

import math

from msgspec import Struct

from detectors import silence
from detectors.resolution import RESOLVED

BIN_SECONDS = 300.0
WEEK_BINS = 2016
HOUR_BINS = 12
DAY_BINS = 288
LEAST_BINS = 12
"""An hour must have been seen before anything is said."""
LOW_QUANTILE = 0.1
UNKNOWN = -1


class Traffic(Struct, array_like=True):
    """State of one agent's traffic node. Times in epoch seconds of ticks, rates in runs per second."""

    last: float
    """Up to here time was counted."""
    bin_start: float
    bin_count: int = 0
    bin_spoilt: bool = False
    """The monitor was blind in this bin, or it began half-way."""
    bins: list[int] = []
    """Runs per bin; UNKNOWN for one in which the monitor was blind or an episode ran."""
    arrivals: int = 0
    """Runs since `last`."""
    rate: float = 0.0
    dispersion: float = 1.0
    evidence: list[float] = []
    pending: float = 0.0
    total: int = 0
    firing_key: str = ""
    began: float = 0.0
    quiet_since: float = 0.0
    """The last run before the silence."""
    after: float = 0.0
    since_n: int = 0
    back: float = 0.0
    before: float = 0.0
    mode: str = "notice"
    usual: float = 0.0
    """The level that the bound was made from."""
    flowed_at: float = 0.0
    """Up to here the budget's flow was counted into `pending`."""


def new(now: float) -> Traffic:
    """The traffic of an agent that is seen for the first time."""
    return Traffic(
        now,
        math.floor(now / BIN_SECONDS) * BIN_SECONDS,
        bin_spoilt=True,
        evidence=[0.0] * silence.SIZE,
        quiet_since=now,
        flowed_at=now,
    )


def next_wake(traffic: Traffic, drip_rate: float) -> float:
    """When to look again if nothing comes: the end of the bin or the moment of a page; infinity if nothing is due."""
    if traffic.firing_key or traffic.rate <= 0.0:
        return math.inf
    end = traffic.bin_start + BIN_SECONDS
    seconds = silence.seconds_until_page([*traffic.evidence, traffic.pending], traffic.rate, drip_rate)
    return min(end, math.ceil(traffic.last + seconds) if seconds < BIN_SECONDS else end)


def advance(traffic: Traffic, now: float, declared: float | None, tolerance: float) -> str:
    """Count the time up to `now` with the runs that arrived; `fire`, `resolve` or nothing."""
    seconds = now - traffic.last
    arrivals = traffic.arrivals
    if seconds <= 0.0:
        return ""
    flowed, traffic.pending = traffic.pending, 0.0
    verdict = ""
    if traffic.rate > 0.0:
        events = arrivals / traffic.dispersion
        if traffic.firing_key:
            traffic.since_n += arrivals
            traffic.after = traffic.since_n / max(now - traffic.quiet_since, 1.0)
            floor = max(min(traffic.after, traffic.rate * 0.5), traffic.rate * 0.05)
            traffic.back = silence.resolve(traffic.back, traffic.rate, floor, seconds, events)
            if traffic.back >= RESOLVED:
                verdict = "resolve"
        elif silence.advance(traffic.evidence, traffic.rate, seconds, events, flowed):
            verdict = "fire"
    if arrivals and not traffic.firing_key and verdict != "fire":
        traffic.quiet_since = now
    traffic.total += arrivals
    traffic.arrivals = 0
    traffic.last = now
    _roll(traffic, now, declared, tolerance)
    traffic.bin_count += arrivals  # they came in the last second, however long the wait before it was
    return verdict


def blind(traffic: Traffic, now: float) -> None:
    """Nobody could see runs up to `now`: the time does not count, and its bins are not normal."""
    traffic.last = now
    traffic.arrivals = 0
    _skip(traffic, now, UNKNOWN)
    while now >= traffic.bin_start + BIN_SECONDS:
        _next_bin(traffic, UNKNOWN)
    traffic.bin_spoilt = True


def fire(traffic: Traffic, key: str, now: float) -> None:
    """Begin an episode."""
    traffic.firing_key = key
    traffic.began = now
    traffic.since_n = 0
    traffic.back = 0.0
    traffic.after = 0.0
    traffic.before = traffic.usual


def end(traffic: Traffic, now: float) -> None:
    """Close the episode."""
    traffic.firing_key = ""
    traffic.quiet_since = now
    traffic.evidence = [0.0] * silence.SIZE


def waiting_for(traffic: Traffic) -> str:
    """What is still missing before anything can be said, as words; empty when live."""
    if traffic.rate > 0.0:
        return ""
    known = sum(count != UNKNOWN for count in traffic.bins)
    if known < LEAST_BINS:
        return f"warming up: {known * 5} of 60 minutes seen"
    return "too few runs to notice their absence"


def _roll(traffic: Traffic, now: float, declared: float | None, tolerance: float) -> None:
    if now < traffic.bin_start + BIN_SECONDS:
        if declared is not None and traffic.rate == 0.0:
            _bound(traffic, declared, tolerance)
        return
    _skip(traffic, now, UNKNOWN if traffic.firing_key else 0)
    while now >= traffic.bin_start + BIN_SECONDS:
        _next_bin(traffic, UNKNOWN if traffic.bin_spoilt or traffic.firing_key else traffic.bin_count)
    if not traffic.firing_key:
        _bound(traffic, declared, tolerance)


def _skip(traffic: Traffic, now: float, count: int) -> None:
    """Of a gap longer than all that is remembered only the end needs its bins, each of `count` runs."""
    bins = int((now - traffic.bin_start) // BIN_SECONDS) - WEEK_BINS - HOUR_BINS - 1
    if bins > 0:
        traffic.bins = []
        traffic.bin_start += bins * BIN_SECONDS
        traffic.bin_count = max(count, 0)
        traffic.bin_spoilt = traffic.bin_spoilt or count == UNKNOWN


def _next_bin(traffic: Traffic, count: int) -> None:
    traffic.bins.append(count)
    del traffic.bins[: -WEEK_BINS - HOUR_BINS]
    traffic.bin_start += BIN_SECONDS
    traffic.bin_count = 0
    traffic.bin_spoilt = False


def _bound(traffic: Traffic, declared: float | None, tolerance: float) -> None:
    """The least intensity that is still normal now, and the voice in which its absence is told."""
    if declared is not None:
        traffic.rate, traffic.dispersion, traffic.usual = declared / tolerance, 1.0, declared
        _speak(traffic, "page")
        return
    bins = traffic.bins
    whole_week = len(bins) >= WEEK_BINS
    recent = [count for count in bins[-DAY_BINS:] if count != UNKNOWN]
    if len(recent) < LEAST_BINS:
        traffic.rate = 0.0
        return
    mean = sum(recent) / len(recent)
    spread = sum((count - mean) ** 2 for count in recent) / len(recent)
    traffic.dispersion = max(spread / mean, 1.0) if mean > 0.0 else 1.0
    low = _low_hour(bins[-DAY_BINS:])
    if whole_week:
        low = min(low, _low_hour(bins[: 2 * HOUR_BINS]))
    elif len(bins) >= DAY_BINS:
        low = min(low, _low_hour(bins[-DAY_BINS : -DAY_BINS + 2 * HOUR_BINS]))
    traffic.usual = low / 3600.0
    traffic.rate = traffic.usual / tolerance / traffic.dispersion
    _speak(traffic, "page" if whole_week else "notice")


def _speak(traffic: Traffic, mode: str) -> None:
    """What one voice's budget gathered is not spent by the other."""
    if traffic.mode != mode:
        traffic.mode = mode
        traffic.pending = 0.0
        traffic.evidence = [0.0] * silence.SIZE


def _low_hour(bins: list[int]) -> float:
    """The tenth percentile of the hourly counts in a stretch of bins; nothing where no hour of it is known."""
    hours: list[int] = []
    total = known = 0
    for i, count in enumerate(bins):
        total += count if count != UNKNOWN else 0
        known += count != UNKNOWN
        if i >= HOUR_BINS:
            total -= bins[i - HOUR_BINS] if bins[i - HOUR_BINS] != UNKNOWN else 0
            known -= bins[i - HOUR_BINS] != UNKNOWN
        if known == HOUR_BINS:
            hours.append(total)
    hours.sort()
    return float(hours[int(LOW_QUANTILE * (len(hours) - 1))]) if hours else 0.0
