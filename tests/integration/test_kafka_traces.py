"""Traces over the Collector's topics while one of the workers that read them stands still: their runs are whole."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiokafka
import msgspec
import pytest

from schemas.config import Config
from schemas.records import is_control
from tests.integration.test_kafka_intake import bodies_of, spans_of_runs
from tests.services.kafka_broker import Broker
from tests.services.kafka_cluster import Worker, totals
from tests.services.kafka_monitor import config_of

RUNS = 60
BEHIND = 4
"""Ticks: more than a trace waits after its topmost span, less than the group takes to give partitions to another."""


@pytest.fixture
async def workers(broker: Broker, prefix: str, tmp_path: Path) -> AsyncIterator[tuple[Config, list[Worker]]]:
    """Two that are ready."""
    config = config_of(broker.bootstrap, prefix, tmp_path, trace_timeout="60s")
    given = {"bootstrap": broker.bootstrap, "prefix": prefix, "directory": tmp_path, "trace_timeout": "60s"}
    found = [Worker(name, given) for name in ("one", "two")]
    try:
        await asyncio.gather(*(worker.start() for worker in found))
        yield config, found
    finally:
        for worker in found:
            with contextlib.suppress(ProcessLookupError):
                worker.thaw()
            await worker.kill()


async def test_a_run_is_whole_though_some_of_its_spans_are_read_seconds_later(
    workers: tuple[Config, list[Worker]], broker: Broker
) -> None:
    config, both = workers
    looks = [await worker.look() for worker in both]
    behind = next(worker for worker, look in zip(both, looks, strict=True) if not look.active)
    other = next(worker for worker in both if worker is not behind)
    behind.freeze()  # the other one writes the ticks, and reads its half of the partitions at once
    topic = config.runtime.kafka.topics.otlp_spans
    async with aiokafka.AIOKafkaProducer(bootstrap_servers=broker.bootstrap) as producer:
        for number, body in enumerate(bodies_of(spans_of_runs(RUNS))):
            await producer.send(topic, body, partition=number % 4)  # no key, as the Collector's exporter
        await producer.flush()
    begun = await other.look()
    later = begun.counts["ticks"] + BEHIND * begun.gauges[f"partitions_assigned:{config.runtime.kafka.topics.events}"]
    async with asyncio.timeout(30.0):
        while (await other.look()).counts["ticks"] < later:
            await asyncio.sleep(0.1)
    behind.thaw()

    async with asyncio.timeout(90.0):
        while totals(looks := [await worker.look() for worker in both])[0] < RUNS:
            await asyncio.sleep(0.2)
    counts = Counter[str]()
    for look in looks:
        counts.update(look.counts)
    assert counts["spans_received"] == 4 * RUNS
    assert counts["events_late"] == 0 and counts["traces_timed_out"] == 0
    kinds = await kinds_of_runs(config)
    assert len(kinds) == RUNS
    assert {tuple(Counter(each).items()) for each in kinds.values()} == {
        (("run_started", 1), ("llm_call", 2), ("tool_call", 1), ("run_finished", 1))
    }
    assert all(each[-1] == "run_finished" for each in kinds.values()), "what is told of a run comes before its end"


async def kinds_of_runs(config: Config) -> dict[str, list[str]]:
    """Run → the kinds of its events, in the order of the log."""
    kafka = config.runtime.kafka
    found: dict[str, list[str]] = defaultdict(list)
    names = [aiokafka.TopicPartition(kafka.topics.events, number) for number in range(kafka.partitions)]
    async with aiokafka.AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap_servers) as consumer:
        consumer.assign(names)
        await consumer.seek_to_beginning(*names)
        ends = await consumer.end_offsets(names)

        async def read_all() -> bool:
            return all([await consumer.position(name) >= end for name, end in ends.items()])

        while not await read_all():
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    if not is_control(record.value):
                        event: dict[str, Any] = msgspec.json.decode(record.value)
                        found[event["run"]].append(event["kind"])
    return found
