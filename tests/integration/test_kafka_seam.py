"""The worker's engine room against a real broker: batches, codecs, offsets, state, all with a core that counts."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from typing import Any

import aiokafka
import msgspec
import pytest
from kafka import KafkaAdminClient

from monitor.runtime.kafka import topics
from monitor.runtime.kafka.broker.fetched import Record
from monitor.runtime.kafka.cluster.disk import DiskStore
from monitor.runtime.kafka.partition import Outgoing, Watermark
from monitor.runtime.kafka.worker import KafkaWorker, Role, WorkerFailed
from monitor.runtime.parts import Entry
from schemas.config import Config
from tests.services.kafka_broker import Broker
from tests.services.kafka_monitor import config_of, until


class Count:
    """Counts values; a record that its state has seen counts no more."""

    def __init__(self) -> None:
        self.values: Counter[str] = Counter()
        self.stepped = 0
        self._mark = Watermark()

    def step(self, records: Sequence[Record]) -> list[Outgoing]:
        for record in records:
            self.stepped += 1
            if record.offset > self._mark.offset:
                self._mark.offset = record.offset
                self.values[(record.value or b"").decode()] += 1
        return []

    def counted(self) -> Counter[str]:
        return Counter()

    def settled(self) -> int:
        return self._mark.offset

    def changes(self) -> list[Entry]:
        return [("values", msgspec.msgpack.encode(dict(self.values))), self._mark.entry()]

    def load(self, entries: Iterable[tuple[str, bytes]]) -> None:
        found = dict(entries)
        self._mark.load(found.items())
        if "values" in found:
            self.values = Counter(msgspec.msgpack.decode(found["values"], type=dict[str, int]))


class Room:
    """One topic, its worker, and what was produced."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.kafka = config.runtime.kafka
        self.topic = self.kafka.topics.events
        self.worker = self.fresh()

    def fresh(self) -> KafkaWorker:
        self.worker = KafkaWorker(
            self.config.runtime,
            [Role(self.topic, lambda _: Count(), "agents", self.kafka.partitions, save_seconds=0.1)],
        )
        return self.worker

    @property
    def cores(self) -> list[Count]:
        return [core for core in self.worker.cores(self.topic) if isinstance(core, Count)]

    def total(self) -> Counter[str]:
        return sum((core.values for core in self.cores), Counter())

    async def produce(self, values: Sequence[str], *, codec: str | None = None) -> None:
        producer = aiokafka.AIOKafkaProducer(bootstrap_servers=self.kafka.bootstrap_servers, compression_type=codec)
        await producer.start()
        try:
            for number, value in enumerate(values):
                await producer.send(self.topic, value.encode(), partition=number % self.kafka.partitions)
            await producer.flush()
        finally:
            await producer.stop()

    async def committed(self) -> dict[int, int]:
        """Offsets that the group has committed, by partition."""

        def ask() -> dict[int, int]:
            admin = KafkaAdminClient(bootstrap_servers=self.kafka.bootstrap_servers)
            try:
                found = admin.list_group_offsets([self.kafka.group])[self.kafka.group]
                return {
                    tp.partition: at.offset for tp, at in found.items() if tp.topic == self.topic and at.offset >= 0
                }
            finally:
                admin.close()

        return await asyncio.to_thread(ask)


@pytest.fixture
async def room(broker: Broker, prefix: str, tmp_path: Path) -> AsyncIterator[Room]:
    config = config_of(broker.bootstrap, prefix, tmp_path, partitions=2)
    await asyncio.to_thread(topics.prepare, config.runtime)
    room = Room(config)
    yield room
    if room.worker.started:
        await room.worker.stop()


async def test_every_codec_is_read(room: Room) -> None:
    codecs = [None, "gzip", "snappy", "lz4", "zstd"]
    for codec in codecs:
        await room.produce([str(codec)] * 100, codec=codec)
    await room.worker.start()
    await until(lambda: room.total().total() == 500)
    assert room.total() == Counter({str(codec): 100 for codec in codecs})
    assert await _committed_to(room, {0: 250, 1: 250})
    await room.worker.stop()


async def test_a_restart_goes_on_where_it_was(room: Room) -> None:
    await room.produce(["only one"])  # offset 0 alone
    await room.worker.start()
    await until(lambda: room.total().total() == 1)
    await room.worker.stop()
    assert await room.committed() == {0: 1}
    await room.produce(["more"] * 1000)
    await room.fresh().start()
    await until(lambda: room.total().total() == 1001)
    assert sum(core.stepped for core in room.cores) == 1000, "what was committed is not read again"
    await room.worker.stop()


async def test_a_worker_that_dies_before_it_saves_loses_nothing_and_counts_nothing_twice(room: Room) -> None:
    await room.worker.start()
    await room.produce(["first"] * 100)
    await until(lambda: room.total().total() == 100)
    await _committed_to(room, {0: 50, 1: 50})
    for worker in room.worker._workers.values():
        assert worker._saver is not None
        worker._saver.cancel()  # from here on nothing is saved any more
    await room.produce(["second"] * 100)
    await until(lambda: room.total().total() == 200)
    await room.worker.app.stop()
    await room.fresh().start()
    await until(lambda: room.total().total() == 200)
    assert room.total() == Counter({"first": 100, "second": 100})
    await room.worker.stop()


async def test_what_a_worker_wrote_that_had_lost_the_partition_is_written_over(room: Room) -> None:
    """It was frozen between its look at the lease and the write: the state that it wrote is an old one."""
    await room.worker.start()
    await room.produce(["first"] * 100)
    await until(lambda: room.total().total() == 100)
    assert await _committed_to(room, {0: 50, 1: 50})
    table = room.worker._tables[room.topic]
    await _write(room, table.topic, b"0/values", msgspec.msgpack.encode({"old": 1}))
    await room.produce(["second"] * 100)
    await until(lambda: table.healed == 1, what="the hole in the offsets is seen")
    await room.worker.app.stop()  # without a last save
    await room.fresh().start()
    await until(lambda: room.total().total() == 200)
    assert room.total() == Counter({"first": 100, "second": 100})


async def test_a_worker_whose_state_lies_on_disk_reads_only_what_was_written_since(
    broker: Broker, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_of(broker.bootstrap, prefix, tmp_path, partitions=2, kafka={"store": "rocksdb"})
    await asyncio.to_thread(topics.prepare, config.runtime)
    room = Room(config)
    await room.worker.start()
    await room.produce(["first"] * 100)
    await until(lambda: room.total().total() == 100)
    await room.worker.stop()
    read: list[bytes] = []
    apply = DiskStore.apply_changelog_batch

    def counted(store: DiskStore, batch: Sequence[Any], **codecs: Any) -> None:
        read.extend(record.key for event in batch for record in event.value.records)
        apply(store, batch, **codecs)

    monkeypatch.setattr(DiskStore, "apply_changelog_batch", counted)
    table = room.worker._tables[room.topic].topic
    await _write(room, table, b"0/other", b"meanwhile")
    await room.fresh().start()
    try:
        await until(lambda: room.total().total() == 100, what="the state is there")
        assert read == [b"0/settled", b"0/other"], "Faust begins with the last one that is held"
        await room.produce(["second"] * 100)
        await until(lambda: room.total() == Counter(first=100, second=100), what="it goes on")
    finally:
        await room.worker.stop()


async def test_a_directory_that_another_worker_has_ends_the_second_one(
    broker: Broker, prefix: str, tmp_path: Path
) -> None:
    config = config_of(broker.bootstrap, prefix, tmp_path, partitions=2, kafka={"store": "rocksdb"})
    await asyncio.to_thread(topics.prepare, config.runtime)
    one, two = Room(config), Room(config)
    await one.worker.start()
    try:
        await one.produce(["x"] * 100)
        await until(lambda: one.total().total() == 100)
        with pytest.raises(WorkerFailed, match=r"Each needs a `runtime.directory` of its own"):
            async with asyncio.timeout(30.0):
                await two.worker.start()
                await two.worker.wait()
        await two.worker.stop()
        await until(lambda: one.worker.ready and one.total().total() == 100, what="the first goes on")
    finally:
        await one.worker.stop()


async def test_a_worker_that_stands_by_has_the_state_of_the_other(broker: Broker, prefix: str, tmp_path: Path) -> None:
    kafka = {"standby_replicas": 1}
    config = config_of(broker.bootstrap, prefix, tmp_path, partitions=2, kafka=kafka)
    await asyncio.to_thread(topics.prepare, config.runtime)
    one, two = Room(config), Room(config)
    try:
        await one.worker.start()
        await one.produce(["x"] * 100)
        await until(lambda: one.total().total() == 100)
        await two.worker.start()
        stores = [room.worker._tables[room.topic]._store for room in (one, two)]
        await until(lambda: all(set(store.held) == {0, 1} for store in stores), what="each has both partitions")
        await one.produce(["y"] * 100)
        await until(lambda: one.total() + two.total() == Counter(x=100, y=100), what="both count")
        assert one.cores and two.cores
        await one.worker.stop()
        await until(lambda: two.total() == Counter(x=100, y=100), what="the other has all")
    finally:
        for room in (one, two):
            await room.worker.stop()


async def _write(room: Room, topic: str, key: bytes, value: bytes) -> None:
    producer = aiokafka.AIOKafkaProducer(bootstrap_servers=room.kafka.bootstrap_servers)
    await producer.start()
    try:
        await producer.send_and_wait(topic, value, key=key, partition=0)
    finally:
        await producer.stop()


async def test_holes_in_the_offsets_are_no_obstacle(room: Room) -> None:
    """Transaction markers take offsets, as compaction does: one hole after each transaction."""
    producer = aiokafka.AIOKafkaProducer(
        bootstrap_servers=room.kafka.bootstrap_servers, transactional_id=room.kafka.group
    )
    await producer.start()
    for _ in range(3):
        async with producer.transaction():
            await producer.send(room.topic, b"x", partition=0)
    await producer.stop()
    await room.worker.start()
    await until(lambda: room.total().total() == 3)
    assert await _committed_to(room, {0: 5}), "records stand at 0, 2 and 4"
    await room.produce(["after"] * 2)
    await until(lambda: room.total().total() == 5)
    assert await _committed_to(room, {0: 7, 1: 1})


async def _committed_to(room: Room, wanted: dict[int, int]) -> bool:
    for _ in range(100):
        if await room.committed() == wanted:
            return True
        await asyncio.sleep(0.1)
    return False
