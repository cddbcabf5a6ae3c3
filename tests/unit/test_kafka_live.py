"""The monitor on Kafka as it shows itself: its clock, readiness and counters, on a worker without a broker."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from monitor.alerting.blind import BLIND_SECONDS
from monitor.runtime import counting
from monitor.runtime.clock import SteadyClock
from monitor.runtime.counting import Totals
from monitor.runtime.kafka import live
from monitor.runtime.kafka.broker.fetched import Record
from monitor.runtime.kafka.events import EventsCore, partition_of
from monitor.runtime.kafka.live import AHEAD_SECONDS, KafkaMonitor
from monitor.runtime.kafka.partition import Core
from monitor.runtime.kafka.worker import Role
from schemas.event import Event, encode
from schemas.records import Tick, decode_control, encode_control
from schemas.view import Check
from tests.doubles.clock import START, Clock
from tests.services.kafka_monitor import config_of, parts_of, until

PARTITIONS = 3
CONFIG = config_of("nowhere:9092", "t", Path("unused"), partitions=PARTITIONS)
TOPICS = CONFIG.runtime.kafka.topics
State = dict[tuple[str, int], dict[str, bytes]]


class Worker:
    """Holds the partitions that the test assigns. `sent`: topic, partition and value of all that was written."""

    started = ready = True
    failure: BaseException | None = None

    def __init__(
        self,
        _: object,
        roles: Sequence[Role],
        on_moved: Callable[[], None],
        on_leaving: Callable[[], Awaitable[None]],
    ) -> None:
        self._roles = {role.topic: role for role in roles}
        self._moved, self._leaving = on_moved, on_leaving
        self._held: dict[tuple[str, int], Core] = {}
        self.sent: list[tuple[str, int | None, bytes | None]] = []

    def assign(self, places: Iterable[tuple[str, int]], state: State) -> None:
        """Have these partitions, each from its state. Those that we have already go on."""
        places = list(places)
        self._held = {place: self._held.get(place) or self._built(place, state) for place in places}
        self._moved()

    async def revoke(self, state: State | None = None) -> None:
        """Have none any more; with `state`, what was done is saved there first."""
        await self._leaving()
        for place, core in self._held.items():
            if state is not None:
                saved = state.setdefault(place, {})
                saved.update((key, value) for key, value in core.changes() if value is not None)
        self._held = {}
        self._moved()

    def core(self, topic: str, partition: int) -> Any:
        return self._held[topic, partition]

    def cores(self, topic: str) -> list[Core]:
        return [core for (name, _), core in sorted(self._held.items()) if name == topic]

    def holds(self) -> bool:
        return True

    def lags(self) -> dict[tuple[str, int], int]:
        return {}

    def partitions(self) -> Counter[str]:
        return Counter(topic for topic, _ in self._held)

    def recovery(self) -> None:
        return None

    def counts(self) -> Counter[str]:
        return Counter()

    async def progress(self, _: Sequence[str]) -> dict[Any, Any]:
        return {}

    async def fail(self, error: BaseException) -> None:
        raise error

    async def save(self, topic: str, partition: int = 0) -> None:
        del topic, partition

    async def send(self, topic: str, value: bytes | None, *, partition: int | None = None, **_: Any) -> Any:
        self.sent.append((topic, partition, value))
        return asyncio.sleep(0)

    def _built(self, place: tuple[str, int], state: State) -> Core:
        core = self._roles[place[0]].build(place)  # type: ignore[arg-type]
        core.load(state.get(place, {}).items())
        return core


class Bench:
    """One monitor on such a worker, and the clock that it sees."""

    def __init__(self) -> None:
        self.wall, steady = Clock(), Clock(0.0)
        self._steady = steady
        self.monitor = KafkaMonitor(CONFIG, parts_of(CONFIG, dict), SteadyClock(self.wall, steady), "test")
        self.worker: Worker = self.monitor._worker  # type: ignore[assignment]

    def advance(self, seconds: float) -> None:
        self.wall.advance(seconds)
        self._steady.advance(seconds)

    def ticks(self) -> Check:
        return next(check for check in self.monitor.health().ready if check.name == "ticks")

    def age(self) -> float:
        return self.monitor.gauges()["tick_age_seconds"]


@pytest_asyncio.fixture
async def bench(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    monkeypatch.setattr(live, "KafkaWorker", Worker)
    made = Bench()
    yield made
    await made.worker.revoke()


def put(core: Core, *values: bytes, first: int | None = None) -> None:
    """Step records of a log, each after those that this core has stepped; `first`: their offset, after a load."""
    begin = core.settled() + 1 if first is None else first
    core.step([Record(begin + place, None, value, START, ()) for place, value in enumerate(values)])


def tick(time: float) -> bytes:
    return encode_control(Tick(time, time - 1.0))


EVENTS = [(TOPICS.events, number) for number in range(PARTITIONS)]
FINDINGS = (TOPICS.findings, 0)


async def state_of(bench: Bench, *ticks: float) -> State:
    """What a worker leaves that has seen these ticks everywhere."""
    state: State = {}
    bench.worker.assign([*EVENTS, FINDINGS], state)
    for place in (*EVENTS, FINDINGS):
        put(bench.worker.core(*place), *map(tick, ticks))
    await bench.worker.revoke(state)
    bench.worker.sent.clear()
    return state


# -- a clock that was ahead


async def test_the_next_active_one_goes_on_from_the_last_tick_and_says_so(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    state = await state_of(bench, START + 600.0)
    caplog.clear()
    next_one = Bench()
    next_one.worker.assign([FINDINGS], state)
    assert [message for message in caplog.messages if "clock" in message] == [
        "the clock is 600 s behind the last tick in the log; time goes on from there"
    ]
    await until(lambda: next_one.worker.sent, what="the first tick")
    times = {decode_control(value or b"").time for topic, _, value in next_one.worker.sent if topic == TOPICS.events}  # type: ignore[union-attr]
    assert times == {START + 600.0}
    await next_one.worker.revoke()


async def test_a_tick_of_the_one_before_that_is_read_late_is_gone_on_from_too(bench: Bench) -> None:
    bench.advance(0.995)  # close to the next second, at which it is looked again
    bench.worker.assign([FINDINGS], {})
    router = bench.worker.core(*FINDINGS)
    await until(lambda: bench.worker.sent, what="a tick by the clock")
    bench.worker.sent.clear()
    put(router, tick(START + 600.0), tick(START + 601.0))
    bench.advance(1.0)
    await until(lambda: bench.worker.sent, what="the next tick")
    _, _, value = bench.worker.sent[0]
    assert decode_control(value or b"") == Tick(START + 601.0), "what lies between is a gap"


async def test_a_second_between_two_clocks_is_no_news(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    state = await state_of(bench, START + 2.0)
    caplog.clear()
    bench.worker.assign([*EVENTS, FINDINGS], state)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_ticks_that_run_ahead_are_not_ready_until_partitions_are_dealt_out_anew(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    state: State = {}
    bench.worker.assign(EVENTS, state)
    for number, ahead in enumerate((0.0, AHEAD_SECONDS, 600.0)):
        put(bench.worker.core(*EVENTS[number]), tick(START + ahead))
        assert bench.ticks().ok is (ahead <= AHEAD_SECONDS)
    assert bench.ticks().message == "ticks are 600 s ahead of this clock"
    assert bench.age() == 0.0
    await bench.worker.revoke(state)
    for number in range(2):
        put_state(state, EVENTS[number], START + 600.0)
    bench.worker.assign(EVENTS, state)
    assert bench.ticks() == Check(name="ticks", ok=True)
    assert caplog.messages == ["the clock is 600 s behind the last tick in the log; time goes on from there"]


def put_state(state: State, place: tuple[str, int], time: float) -> None:
    """The state of a partition once it has seen a tick more."""
    core = EventsCore(CONFIG, place[1], parts_of(CONFIG, dict).read_events, parts_of(CONFIG, dict).letters)
    core.load(state[place].items())
    put(core, tick(time), first=1)
    state[place].update((key, value) for key, value in core.changes() if value is not None)


# -- how old the time in the log is


async def test_the_partition_that_is_furthest_behind_is_shown(bench: Bench) -> None:
    bench.worker.assign(EVENTS, {})
    for place in EVENTS:
        put(bench.worker.core(*place), tick(START))
    bench.advance(60.0)
    for place in EVENTS[1:]:
        put(bench.worker.core(*place), tick(START + 60.0))
    assert bench.age() == 60.0
    assert bench.ticks() == Check(name="ticks", ok=False, message="no tick for 60 s")
    put(bench.worker.core(*EVENTS[0]), tick(START + 60.0))
    assert (bench.age(), bench.ticks().ok) == (0.0, True)


@pytest.mark.parametrize("seen", [(), (0, 1)], ids=["a fresh group", "two have seen one"])
async def test_a_partition_without_a_tick_counts_since_it_was_assigned(bench: Bench, seen: Sequence[int]) -> None:
    assert (bench.age(), bench.ticks().ok) == (0.0, True), "one that stands by is ready"
    bench.advance(100.0)
    bench.worker.assign(EVENTS, {})
    put(bench.worker.core(*EVENTS[2]), encode(Event(kind="run_started", time=START, agent="a", run="r")))
    assert (bench.age(), bench.ticks().ok) == (0.0, True)
    bench.advance(BLIND_SECONDS)
    for number in seen:
        put(bench.worker.core(*EVENTS[number]), tick(bench.wall()))
    assert (bench.age(), bench.ticks().ok) == (BLIND_SECONDS, True)
    bench.advance(1.0)
    assert (bench.age(), bench.ticks().ok) == (BLIND_SECONDS + 1.0, False)
    for place in EVENTS:
        put(bench.worker.core(*place), tick(bench.wall()))
    assert (bench.age(), bench.ticks().ok) == (0.0, True)


# -- counters


def run_of(number: int) -> bytes:
    return encode(Event(kind="run_finished", time=START, id=f"e{number}", agent=AGENT, run=f"r{number}", status="ok"))


AGENT = next(name for name in map(str, range(100)) if partition_of(name, PARTITIONS) == 0)


def counted(*benches: Bench) -> list[tuple[int, int]]:
    """Events and dead letters that each shows."""
    found = [bench.monitor.counts() for bench in benches]
    return [(counts.get("events_received", 0), counts.get("dead_letters:not_json", 0)) for counts in found]


async def test_counters_only_rise_and_count_once_when_partitions_move(bench: Bench) -> None:
    one, two, state = bench, Bench(), State()
    one.worker.assign(EVENTS, state)
    put(one.worker.core(*EVENTS[0]), *map(run_of, range(3)), b"{nope")
    assert counted(one, two) == [(3, 1), (0, 0)]
    await one.worker.revoke(state)
    assert counted(one) == [(3, 1)], "between two stays nothing falls"
    one.worker.assign(EVENTS[1:], state)
    two.worker.assign(EVENTS[:1], state)
    assert counted(one, two) == [(3, 1), (0, 0)], "what it took over was shown by the other"
    put(two.worker.core(*EVENTS[0]), run_of(3), b"{nope", first=4)
    assert counted(one, two) == [(3, 1), (1, 1)]
    await two.worker.revoke(state)
    one.worker.assign(EVENTS, state)
    put(one.worker.core(*EVENTS[0]), run_of(4), b"{nope", first=6)
    assert counted(one, two) == [(4, 2), (1, 1)]
    assert one.worker.core(*EVENTS[0]).engine.counts["events"] == 5


async def test_what_was_not_saved_and_comes_again_counts_once(bench: Bench) -> None:
    state: State = {}
    bench.worker.assign(EVENTS, state)
    put(bench.worker.core(*EVENTS[0]), run_of(0))
    await bench.worker.revoke(state)
    for events in (2, 4):  # both begin after the first event
        bench.worker.assign(EVENTS, state)
        before = counted(bench)
        for number in range(1, events):
            put(bench.worker.core(*EVENTS[0]), run_of(number), first=number)
            assert counted(bench) >= before
        assert counted(bench) == [(events, 0)]
        await bench.worker.revoke()


async def test_a_core_that_stays_goes_on(bench: Bench) -> None:
    bench.worker.assign(EVENTS, {})
    put(bench.worker.core(*EVENTS[0]), run_of(0), b"{nope")
    bench.worker.assign([*EVENTS, FINDINGS], {})
    put(bench.worker.core(*EVENTS[0]), run_of(1), b"{nope")
    assert counted(bench) == [(2, 2)]


def test_a_part_that_goes_and_comes_back_as_it_was_counts_what_it_adds() -> None:
    part = Counter({"events_received": 7})
    totals = Totals[Counter[str]](Counter)
    for added in (1, 2):
        totals.hold({"a": part})
        part["events_received"] += added
        totals.hold({})
    assert totals.total() == {"events_received": 3}


def test_names_that_producers_gave_do_not_pile_up_while_partitions_come_and_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "GONE_NAMES", 3)
    totals = Totals[Counter[str]](Counter)
    for number in range(20):
        part = Counter[str]()
        totals.hold({"a": part})
        part.update({"events_received": 1, f"events_skewed:pod-{number}": 2})
        totals.hold({})
    assert totals.total() == {
        "events_received": 20, "events_skewed:pod-0": 2, "events_skewed:pod-1": 2, "events_skewed:_other": 36,
    }  # fmt: skip
