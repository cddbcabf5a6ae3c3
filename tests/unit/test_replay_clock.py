"""History on a virtual clock: where time comes from, and that it decides what is said."""

from __future__ import annotations

from monitor.runtime.replay import Replay, Said
from schemas.alert import Notification
from schemas.config import Config
from schemas.event import Event, decode
from schemas.finding import Finding
from schemas.records import Control, Tick
from tests.services.agent_events import Fleet

START = 1_760_000_000.0
RATE = Config.model_validate({"detectors": {"agent.traffic": {"reference": "1800 per hour"}}})


def fleet_events(count: int = 400, step: float = 0.5) -> list[Event]:
    return [decode(line) for line in Fleet(1, START, step=step, agents=1).lines(count)]


def findings(said: list[Said]) -> list[Finding]:
    return [one for one in said if isinstance(one, Finding) and one.status == "firing"]


def test_the_clock_stops_after_the_last_event() -> None:
    replay = Replay(RATE)
    assert findings(list(replay.said(fleet_events()))) == []


def test_until_lets_silence_be_heard() -> None:
    replay = Replay(RATE)
    (finding,) = findings(list(replay.said(fleet_events(), until=START + 7_200.0)))
    assert finding.signal == "agent.traffic"
    assert START + 800.0 < finding.time < START + 2_000.0


def test_time_that_nobody_watched_is_no_silence() -> None:
    """Ticks as a live monitor writes them; for an hour there was none, and the next one says so."""
    events = fleet_events(200)
    end = events[-1].at
    for since, wanted in ((None, 0), (float(int(end)), 1)):
        gap = int(end) + 3_600
        ticks = [Tick(START + n, START + n - 1.0 if n else None) for n in range(int(end - START) + 1)]
        back = [Tick(gap + 0.0, since), *(Tick(gap + n + 0.0, gap + n - 1.0) for n in range(1, 30))]
        history: list[Event | Control] = sorted([*events, *ticks, *back], key=lambda record: record.time)
        said = list(Replay(RATE).said(history))
        assert len(findings(said)) == wanted, since


def test_runs_that_were_open_when_the_monitor_stopped_are_not_hung_by_the_gap() -> None:
    config = Config.model_validate({"runtime": {"run_timeout": "60s"}})
    started = decode(b'{"kind":"run_started","agent":"a","run":"r","time":1760000000.5}')
    for since, hung in ((None, 0), (START, 1)):
        replay = Replay(config)
        list(replay.said([Tick(START, None), started, Tick(START + 3_600.0, since), Tick(START + 3_601.0)]))
        assert replay.summary(0, 0, 0.0)["agents"]["a"]["hung"] == hung


def test_the_same_history_says_the_same_twice() -> None:
    fleet = Fleet(4, START, step=0.05, agents=2)
    events = [decode(line) for line in fleet.lines(1_500) + fleet.lines(500, broken=True)]
    first, second = (list(Replay(Config()).said([decode_again(event) for event in events])) for _ in range(2))
    assert first == second
    assert any(isinstance(one, Notification) for one in first)


def decode_again(event: Event) -> Event:
    return event.__copy__()


def test_nothing_in_gives_nothing_out() -> None:
    replay = Replay(Config())
    assert list(replay.said([])) == []
    assert replay.summary(0, 0, 0.0)["agents"] == {}
