"""What an operator does to the group from outside: the worker goes on with its state, and with what is meant."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiokafka
import pytest
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.structs import OffsetAndMetadata

from monitor.runtime.kafka.live import KafkaMonitor
from monitor.runtime.kafka.worker import WorkerFailed
from schemas.config import Config
from tests.services.kafka_broker import Broker
from tests.services.kafka_monitor import config_of, monitor_of, until


@asynccontextmanager
async def life(config: Config) -> AsyncIterator[KafkaMonitor]:
    """A monitor from its start to its stop."""
    monitor = monitor_of(config)
    await monitor.start()
    try:
        yield monitor
    finally:
        await monitor.stop()


def runs_of(monitor: KafkaMonitor) -> int:
    return sum(agent.runs for agent in monitor.agents())


async def write(config: Config, *values: bytes) -> None:
    kafka = config.runtime.kafka
    async with aiokafka.AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers) as producer:
        for value in values:
            await producer.send(kafka.topics.events, value, key=b"a", partition=0)


def finished(first: int, count: int) -> list[bytes]:
    """Runs from this number on."""
    names = {"kind": "run_finished", "agent": "a", "status": "ok", "time": time.time()}
    return [json.dumps({"run": f"r{number}", **names}).encode() for number in range(first, first + count)]


async def test_state_outlives_the_group(broker: Broker, prefix: str, tmp_path: Path) -> None:
    """Deleted, or empty for a week: Kafka counts its generations from one again, and events may be gone by then."""
    config = config_of(broker.bootstrap, prefix, tmp_path, partitions=1)
    async with life(config) as monitor:
        await write(config, *finished(0, 50))
        await until(lambda: runs_of(monitor) == 50, what="50 runs")
    async with life(config) as monitor:
        assert runs_of(monitor) == 50
    admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap)
    try:
        admin.delete_groups([prefix])
        async with life(config) as monitor:
            await write(config, *finished(50, 50))
            await until(lambda: runs_of(monitor) == 100, what="50 runs more")
        admin.delete_records({TopicPartition(config.runtime.kafka.topics.events, 0): -1})
    finally:
        admin.close()
    async with life(config) as monitor:
        assert runs_of(monitor) == 100
        assert monitor.counts().get("state_outdated", 0) == 0


async def test_the_remedy_for_a_flood_is_what_the_docs_say(broker: Broker, prefix: str, tmp_path: Path) -> None:
    """On the events topic, where the state says as well how far it is: the offset is moved past what is bad."""
    config = config_of(broker.bootstrap, prefix, tmp_path, partitions=1)
    place = TopicPartition(config.runtime.kafka.topics.events, 0)
    admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap)
    try:
        async with life(config) as monitor:
            await write(config, *finished(0, 20))
            await until(lambda: runs_of(monitor) == 20, what="20 runs")
            await until(lambda: _committed(admin, prefix, place).offset >= 20, what="a commit")
            assert _committed(admin, prefix, place).metadata, "it says whose it is"
            await write(config, *[b"{nope"] * 3_000)
            with pytest.raises(WorkerFailed, match="move the group's offset past the bad records"):
                await monitor.wait()
        end = _end(broker, place)
        admin.alter_group_offsets(prefix, {place: OffsetAndMetadata(end, "", -1)})
        await write(config, *finished(20, 5))
        async with life(config) as monitor:
            await until(lambda: runs_of(monitor) == 25, what="the runs behind what was bad")
            assert monitor.ready
            skipped = monitor.counts()["records_skipped"]
            assert 3_000 <= skipped <= end
        async with life(config) as monitor:
            assert runs_of(monitor) == 25 and monitor.counts().get("records_skipped", 0) == 0, "once"
    finally:
        admin.close()


def _committed(admin: KafkaAdminClient, group: str, place: TopicPartition) -> OffsetAndMetadata:
    found: OffsetAndMetadata = admin.list_group_offsets([group])[group].get(place, OffsetAndMetadata(-1, "", -1))
    return found


def _end(broker: Broker, place: TopicPartition) -> int:
    consumer = KafkaConsumer(bootstrap_servers=broker.bootstrap)
    try:
        return int(consumer.end_offsets([place])[place])
    finally:
        consumer.close()
