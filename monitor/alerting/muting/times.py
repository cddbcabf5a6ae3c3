"""Time intervals: whether a moment lies in one that a route mutes by, or acts by.

Pure: a moment comes in as epoch seconds. The fields of an entry must all fit, one entry must; the start is included,
the end is not; ranges of days, months and years include both ends; negative days of a month count from its end and are
clamped to it. Zones are IANA's, so a wall clock that is turned takes the interval with it.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from schemas.config import Config, TimeRange, TimeSpec

WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
SHORTEST_MONTH = 28
LONGEST_MONTH = 31
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|24:00", re.ASCII)
_NUMBER = re.compile(r"[+-]?\d{1,9}", re.ASCII)

Range = tuple[int, int]


@dataclass(frozen=True)
class Interval:
    """One entry. None: the field was not given and every moment fits it. Days of the week from Sunday, 0."""

    times: tuple[Range, ...] | None
    """Minutes of the day, the second excluded."""
    weekdays: tuple[Range, ...] | None
    days_of_month: tuple[Range, ...] | None
    months: tuple[Range, ...] | None
    years: tuple[Range, ...] | None
    zone: tzinfo

    def contains(self, now: float) -> bool:
        """Whether a moment (epoch seconds) fits every field."""
        at = datetime.fromtimestamp(now, self.zone)
        minute = at.hour * 60 + at.minute
        return (
            (self.times is None or any(first <= minute < last for first, last in self.times))
            and (self.days_of_month is None or any(_in_month(at, *days) for days in self.days_of_month))
            and _fits(self.months, at.month)
            and _fits(self.weekdays, at.isoweekday() % 7)
            and _fits(self.years, at.year)
        )


class Times:
    """All intervals of a configuration by name. Raises `ValueError` for one that cannot be read."""

    def __init__(self, config: Config) -> None:
        self._intervals: dict[str, tuple[Interval, ...]] = {
            named.name: tuple(interval(spec) for spec in named.time_intervals)
            for named in (*config.time_intervals, *config.mute_time_intervals)
        }

    def within(self, names: Iterable[str], now: float) -> tuple[str, ...]:
        """Which of the named intervals a moment (epoch seconds) lies in."""
        return tuple(
            name for name in names if any(interval.contains(now) for interval in self._intervals.get(name, ()))
        )


def interval(spec: TimeSpec) -> Interval:
    """An entry of the YAML, read. Raises `ValueError`."""
    return Interval(
        times=None if spec.times is None else tuple(time_range(each) for each in spec.times),
        weekdays=_ranges(spec.weekdays, weekday_range),
        days_of_month=_ranges(spec.days_of_month, day_range),
        months=_ranges(spec.months, month_range),
        years=_ranges(spec.years, year_range),
        zone=zone(spec.location),
    )


def time_range(given: TimeRange) -> Range:
    """`09:00` to `17:30` → minutes of the day. Raises `ValueError`."""
    first, last = _minute(given.start_time), _minute(given.end_time)
    if first >= last:
        raise ValueError(f"`{given.start_time}` is not before `{given.end_time}`; write two ranges to go past midnight")
    return first, last


def weekday_range(text: str | int) -> Range:
    """`monday:friday` → days from Sunday, 0. Raises `ValueError`."""
    first, last = _pair(text, lambda word: _word(word, WEEKDAYS, "day of the week"))
    if first > last:
        raise ValueError(f"`{text}` ends before it begins; weeks begin on Sunday")
    return first, last


def day_range(text: str | int) -> Range:
    """`1:5`, `-3:-1` → days of a month. Raises `ValueError`."""
    first, last = _pair(text, lambda word: _whole(word, "day of the month"))
    for day in (first, last):
        if day == 0 or abs(day) > LONGEST_MONTH:
            raise ValueError(f"`{day}` is no day of the month; write 1 to 31, or -1 to -31 from its end")
    if first < 0 < last:
        raise ValueError(f"`{text}`: a range that begins at the month's end cannot end with a day from its start")
    shortest = [day if day > 0 else SHORTEST_MONTH + day for day in (first, last)]
    if shortest[0] > shortest[1]:
        raise ValueError(f"`{text}` always ends before it begins")
    return first, last


def month_range(text: str | int) -> Range:
    """`january:march`, `1:3` → months. Raises `ValueError`."""
    first, last = _pair(text, _month)
    if first > last:
        raise ValueError(f"`{text}` ends before it begins")
    return first, last


def year_range(text: str | int) -> Range:
    """`2026:2028` → years. Raises `ValueError`."""
    first, last = _pair(text, lambda word: _whole(word, "year"))
    if first > last:
        raise ValueError(f"`{text}` ends before it begins")
    return first, last


def zone(location: str | None) -> tzinfo:
    """The zone of an IANA name; UTC without one. Raises `ValueError`."""
    if location in (None, "", "UTC"):
        return UTC
    assert location is not None
    try:
        return ZoneInfo(location)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"`{location}` is no time zone; write an IANA name such as `Europe/Berlin`") from None


def _fits(ranges: tuple[Range, ...] | None, value: int) -> bool:
    return ranges is None or any(first <= value <= last for first, last in ranges)


def _in_month(at: datetime, first: int, last: int) -> bool:
    length = calendar.monthrange(at.year, at.month)[1]
    first = length + first + 1 if first < 0 else first
    last = length + last + 1 if last < 0 else last
    return first <= length and first <= at.day <= min(last, length)


def _ranges(given: Iterable[str | int] | None, read: Callable[[str | int], Range]) -> tuple[Range, ...] | None:
    return None if given is None else tuple(read(each) for each in given)


def _pair(text: str | int, read: Callable[[str], int]) -> Range:
    words = str(text).lower().split(":")
    if len(words) > 2:
        raise ValueError(f"`{text}` is no range; write `first:last`")
    return read(words[0]), read(words[-1])


def _minute(text: str) -> int:
    if _TIME.fullmatch(text) is None:
        raise ValueError(f"`{text}` is no time of day; write `HH:MM`, 00:00 to 24:00")
    return int(text[:2]) * 60 + int(text[3:])


def _word(word: str, words: tuple[str, ...], what: str) -> int:
    if word not in words:
        raise ValueError(f"`{word}` is no {what}")
    return words.index(word)


def _whole(word: str, what: str) -> int:
    if _NUMBER.fullmatch(word) is None:
        raise ValueError(f"`{word}` is no {what}")
    return int(word)


def _month(word: str) -> int:
    if word in MONTHS:
        return MONTHS.index(word) + 1
    number = _whole(word, "month")
    if not 1 <= number <= 12:
        raise ValueError(f"`{word}` is no month; write 1 to 12")
    return number
