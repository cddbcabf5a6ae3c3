"""Ticks of the running monitor: when they stop, when the process sleeps, when the clock was wrong before."""

from __future__ import annotations

import asyncio
import json

import pytest

from monitor.alerting.blind import BLIND_SECONDS, UNREADABLE
from monitor.intake import dead_letters
from monitor.intake.assembler import Assembler
from monitor.intake.sink import Batch
from monitor.notify.dispatch import Dispatcher
from monitor.notify.outbox import Outbox
from monitor.runtime.clock import SteadyClock
from monitor.runtime.embedded import Embedded
from monitor.runtime.parts import Busy
from monitor.runtime.store import FILE, Store, StoreError, read_log
from schemas.config import Config
from schemas.event import BadEvent, Event, Reason, decode
from schemas.records import Tick, decode_control, is_control
from tests.doubles.clock import START, Clock
from tests.services.serving import until


class Bench:
    """An embedded monitor without a web server, on clocks that the test moves."""

    def __init__(self, directory) -> None:
        self.wall, self.steady = Clock(), Clock(0.0)
        self.directory = directory

    def advance(self, seconds: float) -> None:
        self.wall.advance(seconds)
        self.steady.advance(seconds)

    async def start(self) -> Embedded:
        clock = SteadyClock(self.wall, self.steady)
        self.store = Store(self.directory)
        self.outbox = Outbox({})
        monitor = Embedded(Config(), self.store, Assembler(), self.outbox, dead_letters.encode, clock, "test")
        monitor.start(Dispatcher(self.outbox, {}, monitor.commit_outbox, clock))
        await until(lambda: monitor.health().is_ready, "the first tick")
        return monitor

    async def tick(self) -> None:
        before = len(self.ticks())
        self.advance(1.0)
        await self.until_ticks(before + 1)

    async def until_ticks(self, count: int) -> None:
        """Until so many are on disk: they are counted before they are written."""
        await until(lambda: len(self.ticks()) >= count, f"tick {count}")

    def ticks(self) -> list[Tick]:
        """Those that are on disk, seen from outside."""
        return [decode_control(raw) for raw in read_log(self.directory / FILE) if is_control(raw)]


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def event(**fields) -> Event:
    return decode(json.dumps({"kind": "run_started", "agent": "a", "run": "r", "time": START} | fields).encode())


async def test_it_is_not_ready_while_ticks_stop_and_ready_again_after(bench) -> None:
    monitor = await bench.start()
    await monitor.accept(Batch([event()]))
    bench.advance(BLIND_SECONDS + 1.0)  # nothing runs between this line and the next
    health = monitor.health()
    assert (health.is_live, health.is_ready) == (True, False)
    assert [(check.name, check.message) for check in health.ready if not check.ok] == [("ticks", "no tick for a while")]
    assert [view.state for view in monitor.agents()] == ["blind"]
    await until(lambda: monitor.health().is_ready, "a tick")
    assert [view.state for view in monitor.agents()] == ["warming up"]
    await monitor.stop()


async def test_a_process_that_was_stopped_for_long_does_not_claim_to_have_watched(bench) -> None:
    monitor = await bench.start()
    await bench.tick()
    bench.advance(3_600.0)
    await bench.until_ticks(3)
    assert [tick.since for tick in bench.ticks()] == [None, START, None]
    await monitor.stop()


async def test_a_machine_that_slept_does_not_claim_to_have_watched(bench) -> None:
    """The steady clock stands still while a laptop sleeps; the wall clock jumps."""
    monitor = await bench.start()
    bench.wall.advance(7.0)
    await bench.tick()
    woken = bench.ticks()[1]
    assert woken.time in (START + 7.0, START + 8.0)
    assert woken.since is None
    await monitor.stop()


async def test_a_clock_that_was_set_back_between_two_starts_does_not_stop_time(bench, caplog) -> None:
    monitor = await bench.start()
    await monitor.accept(Batch([event()]))
    await monitor.stop()
    bench.wall.advance(-7_200.0)
    monitor = await bench.start()
    assert "the clock is 7200 s behind the last tick" in caplog.text
    await bench.tick()
    assert monitor.agents()[0].last_seen >= START
    assert bench.ticks()[-1].time == START + 1.0
    await monitor.stop()


async def test_a_restart_is_a_gap_that_starts_no_alarm(bench) -> None:
    monitor = await bench.start()
    await monitor.accept(Batch([event()]))
    await monitor.stop()
    bench.advance(86_400.0)
    monitor = await bench.start()
    await monitor.accept(Batch([event(kind="run_finished", status="ok", time=START + 86_400.0)]))
    (agent,) = monitor.agents()
    assert (agent.runs, agent.hung, agent.state) == (1, 0, "warming up")
    assert monitor.counts()["blind_gaps"] == 1
    await monitor.stop()


async def test_who_owns_the_monitor_is_told_once_that_nobody_watched_and_that_it_is_over(bench, monkeypatch) -> None:
    monitor = await bench.start()
    await bench.tick()
    assert monitor.incidents() == [], "a first start is no gap"
    await monitor.stop()
    bench.advance(BLIND_SECONDS - 1.0)
    monitor = await bench.start()
    assert monitor.incidents() == [], "a planned restart is none"
    await monitor.stop()

    bench.advance(3_600.0)
    for _ in range(2):  # with a restart in between
        monitor = await bench.start()
        await bench.tick()
        (incident,) = monitor.incidents()
        assert (incident.owner, incident.status, incident.alerts[0].finding.signal) == (
            "everyone",
            "firing",
            "monitor.gap",
        )
        assert "nobody watched for 60 min since" in incident.alerts[0].annotations["summary"]
        assert len(incident.timeline) == 1
        await monitor.stop()
    assert "notifications:monitor blind" not in monitor.counts()

    monitor = await bench.start()
    monkeypatch.setattr("monitor.alerting.blind.STAYS_SECONDS", 0.0)
    bench.advance(BLIND_SECONDS + 1.0)
    await until(lambda: monitor.incidents()[0].status == "resolved", "the end")
    (incident,) = monitor.incidents()
    assert len(incident.timeline) == 2
    await monitor.stop()


async def test_what_cannot_be_read_and_who_is_missing_is_told_of(bench, monkeypatch) -> None:
    monkeypatch.setattr("monitor.alerting.blind.MISSING_SECONDS", 5.0)
    monitor = await bench.start()
    for _ in range(4):
        await monitor.accept(Batch([event(kind="heartbeat", agent=None, run=None, producer="checkout-worker")]))
        await bench.tick()
    letters = [dead_letters.dead_letter(b"{", BadEvent(Reason.NOT_JSON, "no"), time=START, source="test")] * UNREADABLE
    await monitor.accept(Batch([], (), letters))
    bench.advance(BLIND_SECONDS - 1.0)
    await until(lambda: len(monitor.incidents()) == 2, "both notices")
    assert {each.alerts[0].labels["alertname"] for each in monitor.incidents()} == {
        "monitor.heartbeat",
        "monitor.unreadable",
    }
    await monitor.stop()


async def test_what_could_not_be_written_is_refused_and_never_written_later(bench) -> None:
    monitor = await bench.start()
    pages = bench.store._db.execute("PRAGMA page_count").fetchone()[0]
    bench.store._db.execute(f"PRAGMA max_page_count={pages + 2}")  # a disk that is full
    events = [event(run=f"r{number}", id=f"e{number}" + "x" * 400) for number in range(1_000)]
    with pytest.raises(Busy):
        await monitor.accept(Batch(events))
    bench.store._db.execute("PRAGMA max_page_count=100000")
    with pytest.raises(Busy):
        await monitor.accept(Batch([event()]))
    assert not monitor.health().is_live
    bench.advance(1.0)
    with pytest.raises(StoreError, match="disk is full"):
        await monitor.wait()
    await monitor.stop()

    monitor = await bench.start()
    assert monitor.agents() == []
    await monitor.accept(Batch(events))
    assert monitor.agents()[0].open_runs == 1_000
    await monitor.stop()


async def test_senders_are_told_to_come_back_when_too_much_waits(bench, monkeypatch) -> None:
    monkeypatch.setattr("monitor.runtime.embedded.QUEUE_EVENTS", 10)
    monitor = await bench.start()
    batch = Batch([event(run=f"r{number}") for number in range(8)])
    first = asyncio.create_task(monitor.accept(batch))
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await monitor.accept(Batch([event(run="one"), event(run="two"), event(run="three")]))
    await first
    await monitor.accept(batch)
    assert monitor.agents()[0].open_runs == 8
    await monitor.stop()
