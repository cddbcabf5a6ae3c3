"""The level over time as a chart, in no medium yet: points, a normal level, words for who cannot see it.

Pure. Invariant: 2 to `POINTS` points, labels unique and in order, all numbers finite.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime

from msgspec import Struct

from monitor.alerting.headline import level_before, level_text, level_texts, unit_of
from schemas.finding import Finding

POINTS = 20
"""Points of a chart: Slack takes no more. A longer series is thinned out evenly."""

TITLE = 50
LARGEST = 1e12
"""A level beyond is not drawn."""

_DAY = 86_400.0
_BARS = "▁▂▃▄▅▆▇█"


class Chart(Struct, frozen=True):
    """A line over time. `values` and `normal` in the unit of `axis` (shares in percent)."""

    title: str
    axis: str
    labels: tuple[str, ...]
    values: tuple[float, ...]
    normal: float
    words: str

    @property
    def sparkline(self) -> str:
        """The values as a row of bars, from zero or the lowest to the highest."""
        low, high = min(0.0, *self.values), max(*self.values, self.normal)
        scale = (len(_BARS) - 1) / (high - low) if high > low else 0.0
        return "".join(_BARS[round((value - low) * scale)] for value in self.values)


def chart_of(series: Sequence[tuple[float, float]], finding: Finding) -> Chart | None:
    """The chart of reported levels (epoch seconds, level), from the normal level at the onset on.

    None where less than two were reported.
    """
    points = [(time, level) for time, level in series if abs(time) < LARGEST and abs(level) < LARGEST]
    if len(points) < 2:
        return None
    if finding.onset < points[0][0] and abs(finding.onset) < LARGEST and abs(finding.before) < LARGEST:
        points.insert(0, (finding.onset, level_before(finding)))
    if len(points) > POINTS:
        step = (len(points) - 1) / (POINTS - 1)
        points = [points[round(index * step)] for index in range(POINTS)]
    named = _named(points)
    if len(named) < 2 or abs(finding.before) >= LARGEST:
        return None
    unit = unit_of(finding)
    factor = 100.0 if unit == "share" else 3600.0 if unit == "rate" else 1.0
    first, last = points[0], points[-1]
    words = (
        f"{level_text(first[1], unit)} at {_clock(first[0], long=False)}, {level_text(last[1], unit)} at "
        f"{_clock(last[0], long=False)} UTC; normal is {level_texts(finding)[0]}"
    )
    words = f"{finding.share_of}: {words}" if finding.share_of else words
    return Chart(
        title=f"{finding.share_of or finding.signal} over time"[:TITLE],
        axis={"share": "percent", "rate": "per hour", "usd": "USD", "": "level"}.get(unit, unit)[:TITLE],
        labels=tuple(named),
        values=tuple(_rounded(level * factor) for level in named.values()),
        normal=_rounded(level_before(finding) * factor),
        words=words,
    )


def _named(points: Sequence[tuple[float, float]]) -> dict[str, float]:
    """Levels by a label of their time, as short as tells them apart; of two in one second the later."""
    long = len(points) > 1 and points[-1][0] - points[0][0] >= _DAY
    short = [_clock(time, long=long) for time, _ in points]
    if len(set(short)) < len(short):
        short = [_clock(time, long=long, seconds=True) for time, _ in points]
    return dict(zip(short, (level for _, level in points), strict=True))


def _clock(time: float, *, long: bool, seconds: bool = False) -> str:
    try:
        moment = datetime.fromtimestamp(time, UTC)
    except (ValueError, OverflowError, OSError):
        return "?"
    return moment.strftime(("%m-%d " if long else "") + ("%H:%M:%S" if seconds else "%H:%M"))


def _rounded(value: float) -> float:
    """Four significant digits."""
    return float(f"{value:.4g}") if math.isfinite(value) else 0.0
