"""Silence and volume of one agent, through the engine: who is told, when and what. Shapes of traffic have a table
(`test_volume_shapes`)."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator

import pytest

from monitor.alerting import headline
from monitor.engine import Engine, Record
from schemas.config import Config
from schemas.event import Event
from schemas.finding import Finding
from schemas.records import Ack, Tick

START = 1_800_000_000.0
HOUR = 3_600.0
DAY = 24 * HOUR
LEARNED = Config.model_validate({"owners": {"one": {}}})
DECLARED = Config.model_validate({"owners": {"one": {}}, "detectors": {"agent.traffic": {"reference": "60 per hour"}}})


def _steps(times: Iterable[float], until: float, blind: tuple[float, float] | None = None) -> Iterator[Record]:
    """Runs at `times`, a tick each minute, none while the monitor is blind."""
    pending = iter(sorted(times))
    at = next(pending, None)
    now: float | None = None
    tick = START
    while tick <= until:
        if blind is not None and blind[0] < tick < blind[1]:
            tick, now = blind[1], None
        yield Tick(tick, now)
        now = tick
        tick += 60.0
        while at is not None and at < tick:
            yield Event(kind="run_finished", time=at, id=f"{at}", agent="x", run=f"{at}", duration_seconds=1.0)
            at = next(pending, None)


def _play(config: Config, records: Iterable[Record]) -> tuple[Engine, list[Finding]]:
    engine = Engine(config)
    said = []
    for offset, record in enumerate(records):
        said += [one for one in engine.step(((offset, record),)).findings if one.signal == "agent.traffic"]
    return engine, said


def _poisson(seed: int, per_hour: float, start: float, end: float) -> list[float]:
    rng = random.Random(seed)
    times, at = [], start
    while (at := at + rng.expovariate(per_hour / HOUR)) < end:
        times.append(at)
    return times


def test_an_agent_that_dies_is_found_and_comes_back() -> None:
    dead = START + 30 * HOUR
    times = _poisson(1, 60, START, dead) + _poisson(2, 60, dead + 2 * HOUR, dead + 4 * HOUR)
    engine, said = _play(LEARNED, _steps(times, dead + 4 * HOUR))
    assert [one.status for one in said] == ["firing", "resolved"]
    fired, resolved = said
    assert fired.mode == "notice"  # nights and weekends are not known yet
    assert fired.direction == "down"
    assert fired.time - dead < 45 * 60
    assert fired.onset == pytest.approx(max(at for at in times if at < dead), abs=60.0)
    assert fired.before == pytest.approx(60 / HOUR, rel=0.25)
    assert headline.told(fired).startswith("no runs any more, was ")
    assert dead + 2 * HOUR < resolved.time < dead + 3 * HOUR
    assert engine.partition.agents["x"].traffic.mode == "notice"


@pytest.mark.parametrize("word", ["false_alarm", "new_normal"])
def test_a_human_ends_it_and_the_silence_is_not_told_again(word: str) -> None:
    dead = START + 30 * HOUR
    records = _steps(_poisson(1, 60, START, dead), dead + 6 * HOUR)
    engine = Engine(LEARNED)
    said: list[Finding] = []
    for offset, record in enumerate(records):
        said += [one for one in engine.step(((offset, record),)).findings if one.signal == "agent.traffic"]
        if isinstance(record, Tick) and [one.status for one in said] == ["firing"]:
            ack = Ack(record.time, "x", said[0].incident_key, word)
            said += [one for one in engine.step(((offset, ack),)).findings if one.signal == "agent.traffic"]
    assert [one.status for one in said] == ["firing", "resolved"]


def test_a_declared_rate_pages_at_once_and_says_the_declared_level() -> None:
    times = _poisson(3, 60, START, START + HOUR)
    _, said = _play(DECLARED, _steps(times, START + 2 * HOUR))
    (fired,) = said
    assert fired.mode == "page"
    assert fired.reference == "declared"
    assert fired.before == pytest.approx(60 / HOUR)
    assert START + HOUR < fired.time < START + HOUR + 40 * 60


def test_a_declared_rate_before_the_first_grant_or_without_a_budget_stops_nothing() -> None:
    broke = Config.model_validate(
        {"owners": {"one": {"budget": "0 per week"}}, "detectors": {"agent.traffic": {"reference": "60 per hour"}}}
    )
    engine, said = _play(broke, _steps([START + 1.0], START + 2 * HOUR))
    assert said == []
    assert engine.partition.counts["runs"] == 1


@pytest.mark.parametrize("seed", range(3))
def test_bursts_are_no_silence(seed: int) -> None:
    """Forty runs within a minute, then nothing for half an hour or so, for two days."""
    rng = random.Random(seed)
    times: list[float] = []
    at = START
    while at < START + 2 * DAY:
        times += [at + rng.random() * 60.0 for _ in range(40)]
        at += rng.uniform(20 * 60, 45 * 60)
    _, said = _play(LEARNED, _steps(times, START + 2 * DAY))
    assert said == []


@pytest.mark.parametrize(
    ("per_hour", "found"), [(10, True), (45, False)], ids=["a sixth of the runs", "three quarters of the runs"]
)
def test_runs_that_become_few(per_hour: float, found: bool) -> None:
    few = START + 36 * HOUR
    times = _poisson(6, 60, START, few) + _poisson(7, per_hour, few, few + 4 * HOUR)
    _, said = _play(LEARNED, _steps(times, few + 4 * HOUR))
    assert bool(said) is found
    assert all(one.time > few for one in said)


def test_after_a_week_it_is_a_page_and_the_night_is_known() -> None:
    times: list[float] = []
    for day in range(9):
        begin = START + day * DAY
        times += _poisson(day, 30, begin, begin + 14 * HOUR)  # ten hours of night
    dead = START + 8 * DAY + 5 * HOUR
    _, said = _play(LEARNED, _steps([at for at in times if at < dead], dead + 12 * HOUR))
    assert [one for one in said if one.mode == "page" and one.time < dead] == []
    assert len([one for one in said if one.status == "firing" and one.time < dead]) <= 2
    assert [one.mode for one in said if one.status == "firing" and one.time >= dead] == ["page"]


def test_what_the_monitor_did_not_see_is_no_silence() -> None:
    end = START + 36 * HOUR
    gap = (START + 30 * HOUR, START + 33 * HOUR)
    times = [at for at in _poisson(4, 60, START, end) if not gap[0] < at < gap[1]]
    engine, said = _play(LEARNED, _steps(times, end, blind=gap))
    assert said == []
    assert engine.partition.counts["blind_gaps"] == 1


def test_the_budget_flows_to_the_traffic_node_once() -> None:
    """Between grants the node is looked at seldom; what flowed before a grant must not flow again after it."""
    times = _poisson(5, 60, START, START + 3 * HOUR)
    engine = Engine(DECLARED)
    flowed = 0.0
    agent = None
    last = START
    for offset, record in enumerate(_steps(times, START + 3 * HOUR)):
        engine.step(((offset, record),))
        agent = agent or engine.partition.agents.get("x")
        if agent is not None:
            assert agent.traffic.flowed_at >= last
            last = agent.traffic.flowed_at
            flowed = max(flowed, agent.traffic.pending)
    assert agent is not None
    assert 0.0 <= flowed <= 0.12 * HOUR / 604_800.0


def test_the_rate_that_is_shown_falls_with_the_runs() -> None:
    stop = START + 5 * HOUR
    engine, said = _play(LEARNED, _steps(_poisson(1, 600, START, stop), stop))
    agent = engine.partition.agents["x"]
    assert said == []
    assert agent.runs_per_minute(stop) == pytest.approx(10.0, rel=0.1)
    assert agent.runs_per_minute(stop + HOUR / 2) == pytest.approx(5.0, rel=0.2)
    assert agent.runs_per_minute(stop + 2 * HOUR) == 0.0
    engine, said = _play(LEARNED, _steps(_poisson(1, 600, START, stop), stop + HOUR / 2))
    assert [one.status for one in said] == ["firing"]
    assert engine.partition.agents["x"].runs_per_minute(stop + HOUR / 2) == 0.0
