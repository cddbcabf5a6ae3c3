"""Silence and volume of one agent: the bets of `detectors.silence` against what its like hours had (`rhythm`).

Runs are counted in bins of five minutes and hours of the clock. The bound is the least that is usual in this hour,
divided by a tolerance; a burst counts as one. Until a day is known only a stop is told, until a whole week is known all
is a notice, after it a stop is a page; runs that become few, and days that never begin, are notices. A declared
reference is live at once and exact.

Invariant: bins in which the monitor was blind, and bins of an episode, never enter what is normal.
"""

from __future__ import annotations

import math

from msgspec import Struct, field

from detectors import silence
from detectors.resolution import RESOLVED
from monitor.evidence.volume import rhythm
from monitor.evidence.volume.rhythm import Rhythm

BIN_SECONDS = 300.0
HOUR_SECONDS = 3600.0
HOUR_BINS = rhythm.BINS
UNKNOWN = rhythm.UNKNOWN
TOLD = rhythm.TOLD
KEPT_BINS = 2 * HOUR_BINS
DAYS_SECONDS = 7 * 86_400.0
"""Two stops within so long that ended by themselves: what stops so often is told as a notice."""
SETTLED_SECONDS = 7 * 86_400.0
"""Few runs for so long are what is normal now."""
NOTHING_LEFT = 0.05
"""A smaller share of the usual runs is a silence with exceptions, and never normal."""


class Traffic(Struct, array_like=True):
    """State of one agent's traffic node. Times in epoch seconds of ticks, rates in runs per second."""

    last: float
    """Up to here time was counted."""
    bin_start: float
    bin_count: int = 0
    bin_spoilt: bool = False
    """The monitor was blind in this bin, or it began half-way."""
    bins: list[int] = []
    """Runs per bin, the latest; UNKNOWN for one in which the monitor was blind, TOLD for one of an episode."""
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
    """The last run before the silence; of runs that became few, since when."""
    after: float = 0.0
    since_n: int = 0
    back: float = 0.0
    before: float = 0.0
    mode: str = "notice"
    usual: float = 0.0
    """The level that the bound was made from."""
    flowed_at: float = 0.0
    """Up to here the budget's flow was counted into `pending`."""
    rhythm: Rhythm = field(default_factory=Rhythm)
    rho: float = 0.0
    """Of the bet that led to the episode: the part of the bound that is left; zero for a silence."""
    lean: float = 0.0
    lean_since: float = 0.0
    """When there was last nothing to say for runs that become few, and the runs since."""
    lean_n: int = 0
    ends: list[float] = []
    """When the latest two stops ended by themselves."""


def new(now: float) -> Traffic:
    """The traffic of an agent that is seen for the first time."""
    return Traffic(
        now,
        math.floor(now / BIN_SECONDS) * BIN_SECONDS,
        bin_spoilt=True,
        evidence=[0.0] * silence.SIZE,
        quiet_since=now,
        flowed_at=now,
        lean_since=now,
    )


def next_wake(traffic: Traffic, drip_rate: float) -> float:
    """When to look again if nothing comes: the end of the bin or the moment of a page; the next hour, where nothing is
    usual in this one; infinity if nothing is due."""
    if traffic.firing_key:
        return math.inf
    end = traffic.bin_start + BIN_SECONDS
    if traffic.rate <= 0.0:
        due = len(traffic.rhythm.hours) >= rhythm.DAY and any(count > 0 for count in traffic.rhythm.hours)
        return math.ceil(end / HOUR_SECONDS) * HOUR_SECONDS if due else math.inf
    seconds = silence.seconds_until_page([*traffic.evidence, traffic.pending], traffic.rate, drip_rate)
    return min(end, math.ceil(traffic.last + seconds) if seconds < BIN_SECONDS else end)


def advance(traffic: Traffic, now: float, declared: float | None, tolerance: float) -> str:
    """Count the time up to `now` with the runs that arrived; `fire`, `resolve`, `settle` or nothing."""
    seconds = now - traffic.last
    arrivals = traffic.arrivals
    if seconds <= 0.0:
        return ""
    _renew(traffic)
    flowed, traffic.pending = traffic.pending, 0.0
    verdict = ""
    if traffic.firing_key:
        verdict = _follow(traffic, now, seconds, declared, tolerance)
    elif traffic.rate > 0.0:
        events = arrivals / traffic.dispersion
        traffic.lean_n += arrivals
        traffic.lean = silence.lean(traffic.lean, traffic.rate, seconds, events)
        leads = silence.advance(traffic.evidence, traffic.rate, seconds, events, flowed)
        if leads != silence.STILL:
            verdict = "fire"
            traffic.rho = silence.RHOS[leads]
    elif arrivals:
        _refute(traffic)  # what spoke for a silence is over, and nobody multiplied it
    if traffic.lean == 0.0:
        traffic.lean_since, traffic.lean_n = now, 0
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
    _renew(traffic)
    traffic.last = now
    traffic.arrivals = 0
    _skip(traffic, now, UNKNOWN)
    while now >= traffic.bin_start + BIN_SECONDS:
        _next_bin(traffic, UNKNOWN)
    traffic.bin_spoilt = True


def fire(traffic: Traffic, key: str, now: float, *, declared: bool = False) -> None:
    """Begin an episode. Of what was learned, only a stop is a page."""
    traffic.firing_key = key
    traffic.began = now
    traffic.since_n = 0
    if traffic.rho > 0.0:
        traffic.quiet_since, traffic.since_n = traffic.lean_since, traffic.lean_n
    if not declared and traffic.rho >= 0.5:
        traffic.mode = "notice"
    traffic.back = 0.0
    traffic.after = 0.0
    traffic.before = traffic.usual


def end(traffic: Traffic, now: float, *, by_itself: bool = True) -> None:
    """Close the episode. What did not end by itself is normal, so that all is learned anew."""
    traffic.firing_key = ""
    traffic.quiet_since = now
    _refute(traffic)
    traffic.lean_since, traffic.lean_n = now, 0
    if by_itself:
        traffic.ends = [*traffic.ends[-1:], now]
        return
    traffic.rhythm = Rhythm()
    traffic.bins = [UNKNOWN] * len(traffic.bins)
    traffic.bin_spoilt = True
    traffic.rate = 0.0


def waiting_for(traffic: Traffic) -> str:
    """What is still missing before anything can be said, as words; empty when live."""
    if traffic.rate > 0.0:
        return ""
    known = sum(count > 0 for count in traffic.rhythm.hours)
    if known < rhythm.YOUNG_HOURS:
        return f"warming up: {known} of {rhythm.YOUNG_HOURS} hours with runs seen"
    return "too few runs are usual at this hour to notice their absence"


def recent(traffic: Traffic, now: float) -> float | None:
    """Runs per second of the last hour that was watched, or since they stopped or became few; None: nothing was."""
    if traffic.firing_key:
        return (traffic.since_n + traffic.arrivals) / max(now - traffic.quiet_since, 1.0)
    over = int((now - traffic.bin_start) // BIN_SECONDS)
    bins = (
        [*traffic.bins, traffic.bin_count + traffic.arrivals, *[0] * min(over - 1, HOUR_BINS)] if over else traffic.bins
    )
    known = [count for count in bins[-HOUR_BINS:] if count >= 0]
    return sum(known) / (len(known) * BIN_SECONDS) if known else None


def _follow(traffic: Traffic, now: float, seconds: float, declared: float | None, tolerance: float) -> str:
    """Whether the episode that runs is over."""
    if traffic.rate <= 0.0:
        return ""
    arrivals = traffic.arrivals
    traffic.since_n += arrivals
    traffic.after = traffic.since_n / max(now - traffic.quiet_since, 1.0)
    normal, most = traffic.rate, traffic.rate * 0.5
    if traffic.rho >= 0.5:  # what is left is near the bound: back is what is usual
        normal = traffic.rate * tolerance
        most = normal * 0.8
    floor = max(min(traffic.after, most), traffic.rate * max(traffic.rho, NOTHING_LEFT))
    traffic.back = silence.resolve(traffic.back, normal, floor, seconds, arrivals / traffic.dispersion)
    if traffic.back >= RESOLVED:
        return "resolve"
    few = traffic.after > NOTHING_LEFT * traffic.before
    if declared is None and arrivals and few and now - traffic.began >= SETTLED_SECONDS:
        return "settle"
    return ""


def _refute(traffic: Traffic) -> None:
    traffic.evidence = [0.0] * silence.SIZE
    traffic.lean = 0.0


def _roll(traffic: Traffic, now: float, declared: float | None, tolerance: float) -> None:
    if now < traffic.bin_start + BIN_SECONDS:
        if declared is not None and traffic.rate == 0.0:
            _bound(traffic, now, declared, tolerance)
        return
    hour = traffic.bin_start // HOUR_SECONDS
    _skip(traffic, now, UNKNOWN if traffic.firing_key else 0)
    while now >= traffic.bin_start + BIN_SECONDS:
        _next_bin(traffic, TOLD if traffic.firing_key else UNKNOWN if traffic.bin_spoilt else traffic.bin_count)
    if declared is not None or traffic.bin_start // HOUR_SECONDS > hour:
        _bound(traffic, now, declared, tolerance)


def _skip(traffic: Traffic, now: float, count: int) -> None:
    """Of a gap longer than all that is remembered only the end needs its bins, each of `count` runs."""
    bins = int((now - traffic.bin_start) // BIN_SECONDS) - (rhythm.HOURS + 1) * HOUR_BINS
    if bins > 0:
        traffic.bins = []
        traffic.rhythm = Rhythm()
        traffic.bin_start += bins * BIN_SECONDS
        traffic.bin_count = max(count, 0)
        traffic.bin_spoilt = traffic.bin_spoilt or count == UNKNOWN


def _next_bin(traffic: Traffic, count: int) -> None:
    traffic.bins.append(count)
    traffic.bin_start += BIN_SECONDS
    traffic.bin_count = 0
    traffic.bin_spoilt = False
    if traffic.bin_start % HOUR_SECONDS == 0.0:
        rhythm.close(traffic.rhythm, traffic.bins)
        del traffic.bins[:-KEPT_BINS]


def _bound(traffic: Traffic, now: float, declared: float | None, tolerance: float) -> None:
    """The least intensity that is still normal now, and the voice in which its absence is told."""
    if traffic.firing_key:
        usual = rhythm.usual(traffic.rhythm, always=True)
        if declared is None and usual.least > 0.0:
            traffic.dispersion = usual.dispersion
            traffic.rate = usual.least / HOUR_SECONDS / tolerance / usual.dispersion
        return
    if declared is not None:
        traffic.rate, traffic.dispersion, traffic.usual = declared / tolerance, 1.0, declared
        _speak(traffic, "page")
        return
    usual = rhythm.usual(traffic.rhythm)
    traffic.usual = usual.level / HOUR_SECONDS
    traffic.dispersion = usual.dispersion
    traffic.rate = usual.least / HOUR_SECONDS / tolerance / usual.dispersion
    if traffic.rate > 0.0:
        often = len(traffic.ends) > 1 and traffic.ends[0] > now - DAYS_SECONDS
        _speak(traffic, "page" if usual.page and not often else "notice")


def _speak(traffic: Traffic, mode: str) -> None:
    """What one voice's budget gathered is not spent by the other."""
    if traffic.mode != mode:
        traffic.mode = mode
        traffic.pending = 0.0
        _refute(traffic)


def _renew(traffic: Traffic) -> None:
    """State of the version before: bins of a week in place of hours, a bet less."""
    traffic.evidence += [0.0] * (silence.SIZE - len(traffic.evidence))
    if len(traffic.bins) <= KEPT_BINS + HOUR_BINS:
        return
    bins, start = traffic.bins, traffic.bin_start - len(traffic.bins) * BIN_SECONDS
    for after in range(1, len(bins) + 1):
        if (start + after * BIN_SECONDS) % HOUR_SECONDS == 0.0:
            rhythm.close(traffic.rhythm, bins[:after][-HOUR_BINS - 1 :])
    traffic.bins = bins[-KEPT_BINS:]
