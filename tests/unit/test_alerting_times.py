"""Time intervals: a moment and whether it lies in one, a sentence per row; and what routes make of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from monitor.alerting.muting.times import interval
from schemas.actions import Action
from schemas.config import TimeSpec
from tests.doubles.alert_log import Told, alert, routed
from tests.doubles.clock import START

OFFICE = {"times": [{"start_time": "09:00", "end_time": "17:00"}]}
BERLIN = {**OFFICE, "location": "Europe/Berlin"}
NIGHT = {"times": [{"start_time": "02:00", "end_time": "03:00"}], "location": "Europe/Berlin"}

MOMENTS: list[tuple[str, dict[str, Any], str, bool]] = [
    ("the start is included", OFFICE, "2026-03-02T09:00:00Z", True),
    ("the end is not", OFFICE, "2026-03-02T17:00:00Z", False),
    ("the last second before the end is", OFFICE, "2026-03-02T16:59:59Z", True),
    ("24:00 takes the day to its end", {"times": [{"start_time": "23:00", "end_time": "24:00"}]},
     "2026-03-02T23:59:59Z", True),
    ("entries of a field are ORed", {"times": [{"start_time": "01:00", "end_time": "02:00"}, *OFFICE["times"]]},
     "2026-03-02T10:00:00Z", True),
    ("fields are ANDed", {**OFFICE, "weekdays": ["saturday"]}, "2026-03-02T10:00:00Z", False),
    ("a field that is given and empty fits nothing", {"weekdays": []}, "2026-03-02T10:00:00Z", False),
    ("without fields every moment fits", {}, "2026-03-02T10:00:00Z", True),
    ("ranges of weekdays include their end", {"weekdays": ["monday:friday"]}, "2026-03-06T10:00:00Z", True),
    ("weeks begin on Sunday", {"weekdays": ["sunday:tuesday"]}, "2026-03-01T10:00:00Z", True),
    ("names are read in any case", {"weekdays": ["Monday"]}, "2026-03-02T10:00:00Z", True),
    ("ranges of months include both ends", {"months": ["january:march"]}, "2026-03-31T23:00:00Z", True),
    ("months may be numbers", {"months": [3, "5:6"]}, "2026-05-01T00:00:00Z", True),
    ("years", {"years": ["2027:2030", 2026]}, "2026-05-01T00:00:00Z", True),
    ("days of the month include both ends", {"days_of_month": ["1:5"]}, "2026-03-05T23:00:00Z", True),
    ("-1 is the last day", {"days_of_month": ["-1"]}, "2026-02-28T10:00:00Z", True),
    ("-1 of a leap year", {"days_of_month": ["-1"]}, "2028-02-28T10:00:00Z", False),
    ("negative ranges count from the end", {"days_of_month": ["-3:-1"]}, "2026-04-28T10:00:00Z", True),
    ("a positive start and a negative end", {"days_of_month": ["10:-5"]}, "2026-04-26T10:00:00Z", True),
    ("an end beyond a short month is its last day", {"days_of_month": ["27:31"]}, "2026-02-28T10:00:00Z", True),
    ("a start beyond a short month fits no day of it", {"days_of_month": ["29:31"]}, "2026-02-28T10:00:00Z", False),
    ("a start before the first day is that day", {"days_of_month": ["-31:-30"]}, "2026-04-01T10:00:00Z", True),
    ("UTC where no zone is given", OFFICE, "2026-07-01T08:00:00Z", False),
    ("a zone in winter", BERLIN, "2026-01-15T08:00:00Z", True),
    ("the same hour in summer is an hour later there", BERLIN, "2026-07-15T07:00:00Z", True),
    ("and ends an hour earlier in UTC", BERLIN, "2026-07-15T15:00:00Z", False),
    ("an hour that the clocks skip does not exist", NIGHT, "2026-03-29T01:00:00Z", False),
    ("an hour that comes twice fits both times: the first", NIGHT, "2026-10-25T00:30:00Z", True),
    ("the second", NIGHT, "2026-10-25T01:30:00Z", True),
    ("a day of the week is that of the zone", {"weekdays": ["saturday"], "location": "Australia/Sydney"},
     "2026-03-06T14:00:00Z", True),
    ("zones of half an hour", {**OFFICE, "location": "Asia/Kolkata"}, "2026-03-02T03:30:00Z", True),
]  # fmt: skip


@pytest.mark.parametrize(("why", "spec", "moment", "fits"), MOMENTS, ids=[row[0] for row in MOMENTS])
def test_a_moment(why: str, spec: dict[str, Any], moment: str, fits: bool) -> None:
    at = datetime.fromisoformat(moment).timestamp()
    assert interval(TimeSpec.model_validate(spec)).contains(at) is fits, why


def hours(first: float, last: float) -> list[dict[str, Any]]:
    """Minutes after the start of the story's day, in which it begins, as one interval of UTC."""
    day = int(START % 86_400 // 60)
    times = [f"{(day + int(m)) // 60:02d}:{(day + int(m)) % 60:02d}" for m in (first, last)]
    return [{"name": "n", "time_intervals": [{"times": [{"start_time": times[0], "end_time": times[1]}]}]}]


def child(key: str, *names: str) -> dict[str, Any]:
    return {
        "group_wait": "10s", "group_interval": "60s", "repeat_interval": "10m",
        "routes": [{"matchers": ["alertname=A"], key: list(names)}],
    }  # fmt: skip


A1 = alert(0, "A inst=1", ends=9000)
ROUTES: list[tuple[str, str, tuple[float, float], list[Action], float, list[str]]] = [
    ("within mute times nothing is told, and the tick after them tells", "mute_time_intervals", (0, 3), [A1], 300,
     ["190 r first notification: A1"]),
    ("what resolves within mute times is not told", "mute_time_intervals", (1, 3),
     [A1, alert(30, "A inst=1", ends=30)], 600, ["10 r first notification: A1"]),
    ("outside of active times nothing is told", "active_time_intervals", (3, 5), [A1], 300,
     ["190 r first notification: A1"]),
    ("within active times it is", "active_time_intervals", (0, 5), [A1], 60, ["10 r first notification: A1"]),
]  # fmt: skip


@pytest.mark.parametrize(("why", "key", "minutes", "records", "until", "lines"), ROUTES, ids=[row[0] for row in ROUTES])
def test_a_route(
    why: str, key: str, minutes: tuple[float, float], records: list[Action], until: float, lines: list[str]
) -> None:
    told = Told(routed(child(key, "n"), time_intervals=hours(*minutes)))
    told.take(*records)
    told.until(until)
    assert told.lines == lines, why


def test_the_views_say_which_interval_mutes() -> None:
    told = Told(routed(child("mute_time_intervals", "n"), time_intervals=hours(0, 3)))
    told.take(A1)
    told.until(20)
    (view,) = told.router.alerts()
    assert (view.state, view.muted_by, view.receivers) == ("suppressed", ("n",), ("r",))
    told.until(200)
    assert told.router.alerts()[0].state == "active"
