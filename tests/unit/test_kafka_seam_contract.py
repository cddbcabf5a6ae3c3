"""What the micro-batch seam relies on in Faust. If this fails after an upgrade, read `microbatch` first."""

from __future__ import annotations

import asyncio
import inspect
from importlib import metadata
from typing import Any

import faust
import pytest
from aiokafka.consumer import AIOKafkaConsumer, fetcher, group_coordinator
from faust.stores import memory
from faust.tables.recovery import Recovery
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from monitor.runtime.kafka import microbatch
from monitor.runtime.kafka.broker import reliance
from monitor.runtime.kafka.broker.fetched import Record
from monitor.runtime.kafka.microbatch import Batch, MicroBatchApp, MicroBatchConsumer

OWNERS = {
    "Consumer": driver.Consumer,
    "ConsumerThread": driver.AIOKafkaConsumerThread,
    "PartitionRecords": fetcher.PartitionRecords,
    "Coordinator": group_coordinator.GroupCoordinator,
    "MemoryStore": memory.Store,
    "Producer": driver.Producer,
    "Recovery": Recovery,
    "Schema": faust.Schema,
    "App": faust.App,
    "Table": faust.Table,
}


def test_the_release_is_the_one_that_was_read() -> None:
    assert metadata.version("faust-streaming") == reliance.FAUST, (
        "Faust was upgraded: compare `Consumer.getmany`, `_new_offset`, `_drain_messages`, `perform_seek` and `ack` "
        "with what monitor/runtime/kafka/microbatch.py overrides, run the seam's tests, then raise FAUST in `reliance`"
    )


@pytest.mark.parametrize("name", sorted(reliance.RELIED_ON))
def test_what_is_overridden_or_called_has_the_signature_it_had(name: str) -> None:
    owner, _, method = name.partition(".")
    found = tuple(p for p in inspect.signature(getattr(OWNERS[owner], method)).parameters if p != "kwargs")
    assert found == reliance.RELIED_ON[name]


def test_the_attributes_that_are_read_are_there(consumer: MicroBatchConsumer) -> None:
    assert "fetch_max_wait_ms" in inspect.signature(AIOKafkaConsumer).parameters
    for name in ("_read_offset", "_committed_offset", "_unacked_messages", "_buffered_partitions", "flow_active"):
        assert hasattr(consumer, name), name


def _fetched(offset: int) -> Record:
    """One record as the consumer's thread gives it."""
    return Record(offset, b"k", b"v%d" % offset, 1.0, ())


TOPIC = TP("t", 0)


@pytest.fixture
async def consumer(monkeypatch: pytest.MonkeyPatch) -> MicroBatchConsumer:
    app = MicroBatchApp("seam", broker="kafka://127.0.0.1:1", web_enabled=False, store="memory://")
    app.batched_topics = frozenset({"t"})
    found = app.consumer
    assert isinstance(found, MicroBatchConsumer)
    monkeypatch.setattr(found, "assignment", lambda: {TOPIC})
    monkeypatch.setattr(found, "highwater", lambda _: 10_000)
    monkeypatch.setattr(found._thread, "call_thread", lambda fun, *args: fun(*args))
    monkeypatch.setattr(found._thread, "_ensure_consumer", lambda: Reader.of(found))
    return found


class Reader:
    """The part of aiokafka's consumer that a rewind uses: a position."""

    def __init__(self) -> None:
        self.at = 10

    @classmethod
    def of(cls, consumer: MicroBatchConsumer) -> Reader:
        found: Reader = consumer.__dict__.setdefault("reader", cls())
        return found

    async def position(self, _: Any) -> int:
        return self.at

    def seek(self, _: Any, offset: int) -> None:
        self.at = offset


async def _fetch(consumer: MicroBatchConsumer, monkeypatch: pytest.MonkeyPatch, *offsets: int) -> list[Any]:
    async def fetched(_: float) -> tuple[Any, Any]:
        return {TOPIC: [_fetched(offset) for offset in offsets]}, {TOPIC}

    monkeypatch.setattr(consumer, "_wait_next_records", fetched)
    monkeypatch.setattr(microbatch, "PATIENCE_SECONDS", 0.0)
    return [message async for _, message in consumer.getmany(1.0)]


async def test_while_all_partitions_pause_it_looks_again_soon(
    consumer: MicroBatchConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between a recovery and the flow; Faust sleeps for a second then."""
    monkeypatch.setattr(consumer, "_active_partitions", set())
    async with asyncio.timeout(0.5):
        assert await consumer._wait_next_records(1.0) == ({}, set())


async def test_one_fetch_is_one_message_with_the_last_offset(
    consumer: MicroBatchConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    (message,) = await _fetch(consumer, monkeypatch, 0, 1, 2)
    batch = message.value
    assert isinstance(batch, Batch)
    assert message.offset == 2 and [record.offset for record in batch.records] == [0, 1, 2]
    assert batch.records[1].value == b"v1" and batch.records[1].time == 1.0


async def test_a_long_fetch_is_cut(consumer: MicroBatchConsumer, monkeypatch: pytest.MonkeyPatch) -> None:
    count = microbatch.BATCH_RECORDS * 2 + 1
    messages = await _fetch(consumer, monkeypatch, *range(count))
    assert [len(message.value.records) for message in messages] == [count // 2, count // 2, 1]


@pytest.mark.parametrize(
    ("committed", "done", "expected"),
    [
        pytest.param(None, None, {}, id="nothing done: nothing to commit"),
        pytest.param(None, 0, {TOPIC: 1}, id="the very first offset"),
        pytest.param(None, 57, {TOPIC: 58}, id="a log whose beginning was deleted"),
        pytest.param(58, 99, {TOPIC: 100}, id="across holes that compaction left"),
        pytest.param(100, 99, {}, id="committed already"),
    ],
)
async def test_what_is_committed_is_the_offset_after_the_last_record_done(
    consumer: MicroBatchConsumer, committed: int | None, done: int | None, expected: dict[TP, int]
) -> None:
    consumer._committed_offset[TOPIC] = committed
    if done is not None:
        assert consumer.done(TOPIC, done, consumer.epoch)
    assert consumer._filter_committable_offsets(consumer._filter_tps_with_pending_acks()) == expected


async def test_an_acknowledgement_of_faust_commits_nothing(
    consumer: MicroBatchConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    consumer.app.topics._acking_topics.add("t")
    (message,) = await _fetch(consumer, monkeypatch, 0, 1, 2)
    assert consumer.ack(message) and message.acked
    assert consumer._filter_committable_offsets(consumer._filter_tps_with_pending_acks()) == {}


async def test_what_was_fetched_before_a_seek_cannot_be_done(
    consumer: MicroBatchConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    (message,) = await _fetch(consumer, monkeypatch, 5, 6)

    async def committed() -> dict[TP, int]:
        return {TOPIC: 5}

    monkeypatch.setattr(consumer, "seek_to_committed", committed)
    await consumer.perform_seek()
    assert not consumer.done(TOPIC, 6, message.value.epoch)
    assert consumer._new_offset(TOPIC) is None


@pytest.mark.parametrize(
    ("position", "then", "why"),
    [
        pytest.param(10, 9, "it stood behind what was dropped: back", id="back"),
        pytest.param(5, 5, "somebody sought to an earlier place: stay", id="stay"),
    ],
)
async def test_what_was_fetched_while_partitions_moved_is_read_again(
    consumer: MicroBatchConsumer, monkeypatch: pytest.MonkeyPatch, position: int, then: int, why: str
) -> None:
    """Else a recovery waits for ever for the records of a changelog that an older fetch swallowed."""

    async def fetched(_: float) -> tuple[Any, Any]:
        consumer._forget()
        return {TOPIC: [_fetched(9)]}, {TOPIC}

    Reader.of(consumer).at = position
    monkeypatch.setattr(consumer, "_wait_next_records", fetched)
    assert [message async for _, message in consumer.getmany(1.0)] == []
    assert Reader.of(consumer).at == then, why


async def test_what_is_left_of_a_fetch_when_partitions_move_is_read_again(
    consumer: MicroBatchConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fetched(_: float) -> tuple[Any, Any]:
        return {TOPIC: [_fetched(offset) for offset in range(10, 10 + 2 * microbatch.BATCH_RECORDS)]}, {TOPIC}

    Reader.of(consumer).at = 10 + 2 * microbatch.BATCH_RECORDS
    monkeypatch.setattr(consumer, "_wait_next_records", fetched)
    got = []
    async for _, message in consumer.getmany(1.0):
        got.append(message.offset)
        consumer._forget()
    assert got == [9 + microbatch.BATCH_RECORDS]
    assert Reader.of(consumer).at == 10 + microbatch.BATCH_RECORDS


async def test_what_decides_does_not_wait_behind_events(
    consumer: MicroBatchConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Findings fetched with events go first, and those that come meanwhile go between them, each once and in order."""
    first, places = TP("findings", 0), [TP("t", number) for number in range(3)]
    consumer._batched, consumer._first = frozenset({"t", "findings"}), frozenset({"findings"})
    monkeypatch.setattr(microbatch, "LOOK_SECONDS", 0.0)
    meanwhile = [{}, {first: [_fetched(2), _fetched(3)]}, {}]

    async def fetched(_: float) -> tuple[Any, Any]:
        events = {place: [_fetched(0)] for place in places}
        return {**events, first: [_fetched(1)]}, {*places, first}

    async def looked(active: set[TP], timeout: float) -> Any:
        assert (active, timeout) == ({first}, 0.0)
        return meanwhile.pop(0)

    monkeypatch.setattr(consumer, "_wait_next_records", fetched)
    monkeypatch.setattr(consumer, "_getmany", looked)
    got = [(tp, [record.offset for record in message.value.records]) async for tp, message in consumer.getmany(1.0)]
    assert got == [(first, [1]), (places[0], [0]), (places[1], [0]), (first, [2, 3]), (places[2], [0])]
    assert meanwhile == []


async def test_what_came_meanwhile_is_read_again_when_partitions_move(
    consumer: MicroBatchConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = TP("findings", 0)
    consumer._batched, consumer._first = frozenset({"t", "findings"}), frozenset({"findings"})
    monkeypatch.setattr(microbatch, "LOOK_SECONDS", 0.0)

    async def fetched(_: float) -> tuple[Any, Any]:
        return {TOPIC: [_fetched(9)], first: []}, {TOPIC, first}

    async def looked(_: set[TP], __: float) -> Any:
        consumer._forget()
        return {first: [_fetched(4)]}

    monkeypatch.setattr(consumer, "_wait_next_records", fetched)
    monkeypatch.setattr(consumer, "_getmany", looked)
    assert [tp async for tp, _ in consumer.getmany(1.0)] == [TOPIC]
    assert Reader.of(consumer).at == 4


async def test_what_has_come_since_the_last_fetch_comes_with_what_lay_ready(
    consumer: MicroBatchConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = microbatch.MANY_RECORDS

    async def more(active: set[TP], timeout: float) -> Any:
        assert (active, timeout) == ({TOPIC}, microbatch.FETCH_SECONDS)
        return {TOPIC: [_fetched(many + 1), _fetched(many + 2)]}

    monkeypatch.setattr(consumer, "_getmany", more)
    (message,) = await _fetch(consumer, monkeypatch, *range(many))
    assert [record.offset for record in message.value.records] == [*range(many), many + 1, many + 2]
    (message,) = await _fetch(consumer, monkeypatch, *range(many - 1))
    assert len(message.value.records) == many - 1


async def test_a_recovery_is_fetched_once(consumer: MicroBatchConsumer, monkeypatch: pytest.MonkeyPatch) -> None:
    changelog = TP("seam-t-changelog", 0)

    async def fetched(_: float) -> tuple[Any, Any]:
        return {changelog: [_fetched(at) for at in range(microbatch.MANY_RECORDS)]}, {changelog}

    monkeypatch.setattr(consumer, "_wait_next_records", fetched)
    monkeypatch.setattr(consumer, "_is_changelog_tp", lambda tp: tp == changelog)
    monkeypatch.setattr(consumer, "_getmany", None)
    assert len([message async for _, message in consumer.getmany(1.0)]) == 1


@pytest.mark.parametrize(
    ("sizes", "more"),
    [
        pytest.param((), False, id="nothing"),
        pytest.param((microbatch.MANY_RECORDS - 1,), False, id="few"),
        pytest.param((microbatch.MANY_RECORDS // 2, microbatch.MANY_RECORDS), True, id="many"),
        pytest.param((microbatch.BATCH_RECORDS, 5), False, id="more wait already"),
    ],
)
def test_a_second_fetch_follows_what_is_many_and_not_all_there_can_be(sizes: tuple[int, ...], more: bool) -> None:
    assert microbatch._brings_more({TP("t", at): [None] * size for at, size in enumerate(sizes)}) == more


async def test_the_next_fetch_waits_until_few_batches_are_still_to_be_stepped(
    consumer: MicroBatchConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What would be fetched earlier would only grow old in the queue; and nobody waits for what is never stepped."""
    places = [TP("t", number) for number in range(4)]

    async def fetched(_: float) -> tuple[Any, Any]:
        return {place: [_fetched(0)] for place in places}, set(places)

    monkeypatch.setattr(consumer, "_wait_next_records", fetched)
    monkeypatch.setattr(microbatch, "LOOK_SECONDS", 0.0)
    handed: list[Any] = []

    async def drain() -> None:
        async for _, message in consumer.getmany(1.0):
            handed.append(message)

    draining = asyncio.create_task(drain())
    for _ in range(100):
        await asyncio.sleep(0)
    assert len(handed) == len(places)
    assert not draining.done()
    for message in handed[: len(places) - microbatch.WAITING_BATCHES]:
        assert consumer.ack(message)
    await asyncio.wait_for(draining, 1.0)

    monkeypatch.setattr(microbatch, "PATIENCE_SECONDS", 0.1)
    await asyncio.wait_for(drain(), 1.0)


async def test_partitions_that_may_not_be_read_any_more_give_nothing(
    consumer: MicroBatchConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fetched(_: float) -> tuple[Any, Any]:
        return {TOPIC: [_fetched(9)]}, set()

    monkeypatch.setattr(consumer, "_wait_next_records", fetched)
    assert [message async for _, message in consumer.getmany(1.0)] == []
    assert Reader.of(consumer).at == 9


async def test_while_a_place_is_sought_nothing_is_handed_on(
    consumer: MicroBatchConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is read on from a later place would be counted by the last offset, and the records before it never."""
    monkeypatch.setattr(microbatch, "LOOK_SECONDS", 0.0)
    meanwhile: list[list[Any]] = []
    consumer.read_from(TOPIC, 3)

    async def committed() -> dict[TP, int]:
        meanwhile.append(await _fetch(consumer, monkeypatch, 5, 6))
        return {TOPIC: 5}

    async def sought(_: Any, offset: int) -> None:
        meanwhile.append(await _fetch(consumer, monkeypatch, 5, 6))
        assert offset == 3

    monkeypatch.setattr(consumer, "seek_to_committed", committed)
    monkeypatch.setattr(consumer, "_seek", sought)
    await consumer.perform_seek()
    assert meanwhile == [[], []]
    assert consumer.behind == 1
    (message,) = await _fetch(consumer, monkeypatch, 3, 4, 5, 6)
    assert [record.offset for record in message.value.records] == [3, 4, 5, 6]


async def test_a_seek_that_fails_holds_nothing_back(
    consumer: MicroBatchConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def committed() -> dict[TP, int]:
        raise TimeoutError

    monkeypatch.setattr(consumer, "seek_to_committed", committed)
    with pytest.raises(TimeoutError):
        await consumer.perform_seek()
    assert len(await _fetch(consumer, monkeypatch, 5, 6)) == 1


async def test_what_is_in_a_queue_when_the_flow_goes_on_stays_there(consumer: MicroBatchConsumer) -> None:
    """It was handed on after the seek, so nobody reads it again."""
    app = consumer.app
    queues = [app.batches("t", waiting=4).queue, app.tables.changelog_queue]
    for queue in queues:
        queue.put_nowait("a batch")
    app.flow_control.resume()
    assert [queue.qsize() for queue in queues] == [1, 1]


async def test_where_nothing_was_committed_a_seek_goes_back_to_the_beginning(
    consumer: MicroBatchConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    sought: list[TP] = []

    async def committed() -> dict[TP, Any]:
        return {TOPIC: None}

    async def beginning(*tps: TP) -> None:
        sought.extend(tps)

    monkeypatch.setattr(consumer, "seek_to_committed", committed)
    monkeypatch.setattr(consumer._thread, "seek_to_beginning", beginning)
    await consumer.perform_seek()
    assert sought == [TOPIC]
