"""When the monitor says of itself that it cannot see, and when it says nothing."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from monitor.alerting import blind
from monitor.alerting.blind import PRODUCERS, STAYS_SECONDS, Sight
from monitor.notify.incidents.message import compose
from schemas.config import DAY, Config
from schemas.finding import Finding
from tests.doubles.alert_log import Told, alert, routed
from tests.doubles.clock import START

Step = float | str | tuple[int, int]


class Log:
    """A log of ticks, each second, and what is said of it. `restart` after each tick if `crashing`."""

    def __init__(self, crashing: bool = False) -> None:
        self.sight = Sight("platform")
        self.said: list[Finding] = []
        self.at = 0.0
        self._ticked = 0.0
        self._saved: dict[str, bytes] = {}
        self._crashing = crashing

    def tick(self) -> None:
        before = START + self._ticked if self._ticked else 0.0
        self.said += self.sight.tick(before, START + self.at)
        self._ticked = self.at
        for key, value in self.sight.changes():
            self._saved.pop(key, None) if value is None else self._saved.__setitem__(key, value)
        if self._crashing:
            self.sight = Sight("platform")
            self.sight.load(self._saved.items())

    def until(self, seconds: float) -> None:
        while self.at < seconds:
            self.at += 1.0
            self.tick()

    def away(self, seconds: float) -> None:
        self.at += seconds
        self.tick()

    def beats(self, producer: str, every: float, count: int) -> None:
        for _ in range(count):
            self.until(self.at + every)
            self.sight.beat(producer)

    @property
    def lines(self) -> list[str]:
        """`20 firing The monitor was not there: …`: at, status, words."""
        return [f"{each.time - START:g} {each.status} {each.words}" for each in self.said]

    @property
    def short(self) -> list[str]:
        return [
            f"{each.time - START:g} {each.status} {each.incident_key.removeprefix('monitor.')}" for each in self.said
        ]


GAPS: list[tuple[str, Sequence[float], list[str]]] = [
    ("a first start has nothing before it", (), []),
    ("a planned restart within ten seconds", (10.0,), []),
    ("eleven seconds are a gap, over once nothing came back", (11.0,), ["21 firing gap/", "321 resolved gap/"]),
    (
        "a second gap meanwhile is the same story",
        (11.0, 60.0),
        ["21 firing gap/", "81 firing gap/", "381 resolved gap/"],
    ),
    (
        "nor does a long one begin another",
        (11.0, 310.0, 20.0),
        ["21 firing gap/", "331 firing gap/", "351 firing gap/", "651 resolved gap/"],
    ),
]


@pytest.mark.parametrize("crashing", [False, True], ids=["running", "crashing"])
@pytest.mark.parametrize(("why", "gaps", "said"), GAPS, ids=[row[0] for row in GAPS])
def test_a_gap_in_the_ticks(why: str, gaps: Sequence[float], said: list[str], crashing: bool) -> None:
    log = Log(crashing)
    log.until(10.0)
    for seconds in gaps:
        log.away(seconds)
    log.until(1_000.0)
    assert log.short == said, why


def test_a_gap_says_how_long_and_since_when_and_adds_up() -> None:
    log = Log()
    log.until(10.0)
    log.away(41.0)
    log.away(7_200.0)
    assert log.lines == [
        "51 firing The monitor was not there: nobody watched for 41 s since 2025-10-09 08:53:30 UTC",
        "7251 firing The monitor was not there: nobody watched for 2 h since 2025-10-09 08:53:30 UTC",
    ]
    assert {each.owner for each in log.said} == {"platform"} and {each.mode for each in log.said} == {"notice"}


LETTERS: list[tuple[str, Sequence[tuple[int, int]], list[str]]] = [
    ("few, though all", [(0, 19)], []),
    ("many, but not of what came", [(380, 20)], []),
    ("many, and more than one in twenty", [(379, 20)], ["2 firing unreadable/", "302 resolved unreadable/"]),
    ("many by and by", [(1, 1)] * 25, ["21 firing unreadable/", "326 resolved unreadable/"]),
    ("good ones after them push nothing off", [(0, 20), (10, 0)], ["2 firing unreadable/", "302 resolved unreadable/"]),
    ("long ago is not now", [(0, 10), *[(0, 0)] * 310, (0, 10)], []),
]


@pytest.mark.parametrize(("why", "came", "said"), LETTERS, ids=[row[0] for row in LETTERS])
def test_events_that_cannot_be_read(why: str, came: Sequence[tuple[int, int]], said: list[str]) -> None:
    log = Log()
    log.until(1.0)
    for read, unread in came:
        log.sight.came(read, unread)
        log.until(log.at + 1.0)
    log.until(log.at + STAYS_SECONDS + 60.0)
    assert log.short == said, why
    assert not said or " of " in log.lines[0]


BEATS: list[tuple[str, float, int, list[str]]] = [
    ("two are no habit", 30.0, 2, []),
    ("a minute at least is waited", 1.0, 10, ["72 firing heartbeat/w"]),
    ("three usual intervals are waited", 30.0, 4, ["212 firing heartbeat/w"]),
]


@pytest.mark.parametrize("crashing", [False, True], ids=["running", "crashing"])
@pytest.mark.parametrize(("why", "every", "count", "said"), BEATS, ids=[row[0] for row in BEATS])
def test_a_heartbeat_that_does_not_come(why: str, every: float, count: int, said: list[str], crashing: bool) -> None:
    log = Log(crashing)
    log.beats("w", every, count)
    log.until(1_000.0)
    assert log.short == said, why


def test_a_heartbeat_that_comes_again_ends_it_and_the_silence_is_no_interval() -> None:
    log = Log()
    log.beats("w", 30.0, 5)
    log.until(1_000.0)
    log.beats("w", 1.0, 1)
    log.until(1_200.0)
    assert log.short == ["242 firing heartbeat/w", "1002 resolved heartbeat/w", "1093 firing heartbeat/w"]
    assert log.lines[0].endswith("A producer's heartbeat is missing: w, usually every 30 s")
    assert log.said[0].node == {"producer": "w"}


def test_heartbeats_that_nobody_could_hear_are_not_missing() -> None:
    log = Log()
    log.beats("w", 30.0, 5)
    log.away(3_600.0)
    log.until(log.at + 80.0)
    log.beats("w", 5.0, 1)
    log.beats("w", 30.0, 5)
    assert {each.signal for each in log.said} == {"monitor.gap"}


def test_a_producer_that_was_taken_out_of_service_is_forgotten_after_a_day() -> None:
    log = Log()
    log.beats("w", 30.0, 5)
    log.until(300.0)
    for _ in range(int(DAY / 10.0)):
        log.away(10.0)
    assert log.short[0] == "242 firing heartbeat/w" and log.short[1].endswith("resolved heartbeat/w")
    assert len(log.short) == 2 and DAY < log.said[1].time - log.said[1].onset < DAY + 200.0


def test_so_many_producers_are_awaited_and_more_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blind, "PRODUCERS", 2)
    log = Log()
    for _ in range(4):
        for name in ("a", "b", "c"):
            log.sight.beat(name)
        log.until(log.at + 1.0)
    log.until(200.0)
    assert sorted(each.incident_key for each in log.said) == ["monitor.heartbeat/a", "monitor.heartbeat/b"]
    assert log.sight.counts["producers_unwatched"] == 4 < PRODUCERS


@pytest.mark.parametrize(
    ("config", "told_of"),
    [
        (Config.model_validate({"owners": {"platform": {"notices": "0 per day"}}}), ["monitor blind"]),
        (routed({"group_wait": "4m"}), ["first notification"]),
    ],
    ids=["by owner", "with a route"],
)
def test_a_gap_is_one_story_that_ends(config: Config, told_of: list[str]) -> None:
    log, told = Log(), Told(config)
    log.until(10.0)
    log.away(60.0)
    log.until(1_000.0)
    told.take(*log.said)
    told.until(2_000.0)
    assert [str(each.reason) for each in told.notifications] == [*told_of, "all alerts resolved"]


def test_it_is_shown_as_the_monitors_own_word_and_a_posted_alert_of_such_a_name_is_not() -> None:
    config = Config.model_validate({"owners": {"platform": {}}})
    log, told = Log(), Told(config)
    log.until(10.0)
    log.away(60.0)
    told.take(*log.said, alert(80.0, "monitor.gap"))
    assert [(str(each.reason), compose(each, config).footer[2]) for each in told.notifications] == [
        ("monitor blind", "the monitor about itself"),
        ("first notification", "told by another system"),
    ]


def test_producers_are_alerts_of_their_own_in_one_incident() -> None:
    log, told = Log(), Told(Config.model_validate({"owners": {"platform": {}}}))
    for name in ("a", "b"):
        log.beats(name, 10.0, 4)
    log.until(200.0)
    log.sight.beat("a")
    log.until(210.0)
    told.take(*log.said)
    (incident,) = told.router.incidents()
    assert {each.labels["producer"]: each.status for each in incident.alerts} == {"a": "resolved", "b": "firing"}
