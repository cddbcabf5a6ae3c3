"""Traces over the Collector's topics while a worker that reads them stands still or is killed: their runs are whole."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiokafka
import msgspec
import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

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


async def test_a_trace_larger_than_a_record_outlives_the_worker_that_held_it(
    broker: Broker, prefix: str, tmp_path: Path
) -> None:
    """Its open state is some 5 MB that hardly compress; the broker takes 2 MiB at once."""
    config = config_of(broker.bootstrap, prefix, tmp_path, trace_timeout="60s")
    given = {"bootstrap": broker.bootstrap, "prefix": prefix, "directory": tmp_path, "trace_timeout": "60s"}
    *calls, top = spans_of_one_run(40, 120_000)
    topics = config.runtime.kafka.topics
    first, second = Worker("one", given), Worker("two", given)
    try:
        await first.start()
        async with aiokafka.AIOKafkaProducer(bootstrap_servers=broker.bootstrap) as producer:
            for span in calls:
                await producer.send_and_wait(topics.otlp_spans, encode_spans([span]).SerializeToString(), partition=0)
            async with asyncio.timeout(60.0):
                while (await first.look()).counts.get("spans_received", 0) < len(calls):
                    await asyncio.sleep(0.1)
            await saved(config, topics.spans)
            await first.kill()
            await second.start()
            await producer.send_and_wait(topics.otlp_spans, encode_spans([top]).SerializeToString(), partition=0)
        async with asyncio.timeout(60.0):
            while totals([await second.look()])[0] < 1:
                await asyncio.sleep(0.1)
    finally:
        await first.kill()
        await second.kill()
    (kinds,) = (await kinds_of_runs(config)).values()
    assert Counter(kinds) == {"run_started": 1, "tool_call": len(calls), "run_finished": 1}


def spans_of_one_run(calls: int, size: int) -> list[ReadableSpan]:
    """Calls of a tool that answer with `size` characters each, and behind them the agent's own span."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer, chance = provider.get_tracer("test"), random.Random(3)
    with tracer.start_as_current_span("invoke_agent browser") as top:
        top.set_attributes({"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "browser"})
        for _ in range(calls):
            with tracer.start_as_current_span("execute_tool fetch") as tool:
                text = base64.b64encode(chance.randbytes(size * 3 // 4)).decode()
                tool.set_attributes({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "fetch"})
                tool.set_attribute("gen_ai.tool.call.result", text)
    return list(exporter.get_finished_spans())


async def saved(config: Config, topic: str) -> None:
    """Until all that stands in a topic now is done: its state is durable."""
    kafka = config.runtime.kafka
    names = [aiokafka.TopicPartition(topic, number) for number in range(kafka.partitions)]
    group = {"group_id": kafka.group, "enable_auto_commit": False}
    async with aiokafka.AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap_servers, **group) as consumer:
        consumer.assign(names)
        ends = await consumer.end_offsets(names)
        async with asyncio.timeout(60.0):
            while any([(await consumer.committed(name) or 0) < end for name, end in ends.items()]):
                await asyncio.sleep(0.2)


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
