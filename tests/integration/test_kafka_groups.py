"""What an operator does to the group from outside: the worker goes on with its state, and with what is meant."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiokafka
from kafka import KafkaAdminClient, TopicPartition

from monitor.runtime.kafka.live import KafkaMonitor
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
