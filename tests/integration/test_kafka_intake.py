"""What comes in over Kafka: OTLP bodies with nil keys, every shape of our own events, and garbage on every topic."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiokafka
import msgspec
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from monitor import history
from monitor.intake import dead_letters
from monitor.runtime.kafka.live import KafkaMonitor
from schemas.config import Config
from schemas.event import Event
from schemas.view import RunView
from tests.services import serving
from tests.services.kafka_broker import Broker
from tests.services.kafka_monitor import config_of, monitor_of, until


@contextlib.asynccontextmanager
async def monitor(config: Config) -> AsyncIterator[tuple[KafkaMonitor, aiokafka.AIOKafkaProducer]]:
    found = monitor_of(config)
    await found.start()
    producer = aiokafka.AIOKafkaProducer(
        bootstrap_servers=config.runtime.kafka.bootstrap_servers, max_request_size=2_000_000
    )
    await producer.start()
    try:
        yield found, producer
    finally:
        await producer.stop()
        await found.stop()


def spans_of_runs(runs: int) -> list[ReadableSpan]:
    """Spans of the real SDK: an agent, two model calls, a tool; every fifth run fails, every third tool call too."""
    exporter = InMemorySpanExporter()
    resource = Resource.create({"service.name": "shop", "service.version": "7"})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("test")
    for number in range(runs):
        name = f"agent-{number % 2}"
        with tracer.start_as_current_span(f"invoke_agent {name}") as top:
            top.set_attributes({"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": name})
            for _ in range(2):
                with tracer.start_as_current_span("chat m") as call:
                    call.set_attributes({"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"})
            with tracer.start_as_current_span("execute_tool refund") as tool:
                tool.set_attributes({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "refund"})
                if number % 3 == 0:
                    tool.set_status(StatusCode.ERROR, "no")
            if number % 5 == 0:
                top.set_status(StatusCode.ERROR, "failed")
    return list(exporter.get_finished_spans())


def bodies_of(spans: list[ReadableSpan]) -> list[bytes]:
    """OTLP bodies of one to five spans in any order: a trace is spread over many."""
    chance = random.Random(7)
    shuffled = chance.sample(spans, len(spans))
    bodies = []
    while shuffled:
        size = chance.randint(1, 5)
        bodies.append(encode_spans(shuffled[:size]).SerializeToString())
        shuffled = shuffled[size:]
    return bodies


def records(runs: list[RunView]) -> list[RunView]:
    """Run records without what the way of arrival decides."""
    return sorted((msgspec.structs.replace(run) for run in runs), key=lambda run: run.run)


async def test_spans_with_nil_keys_give_the_run_records_that_http_gives(
    broker: Broker, prefix: str, tmp_path: Path
) -> None:
    spans = spans_of_runs(40)
    bodies = bodies_of(spans)
    async with serving.running(tmp_path / "embedded") as embedded:
        whole = encode_spans(spans).SerializeToString()
        assert await embedded.post("/v1/traces", whole, Content_Type="application/x-protobuf") == 200
        await until(lambda: len(embedded.view.runs(100)) == 40, what="40 runs over HTTP")
        over_http = records(list(embedded.view.runs(100)))
    config = config_of(broker.bootstrap, prefix, tmp_path)
    topic = config.runtime.kafka.topics.otlp_spans
    async with monitor(config) as (found, producer):
        for number, body in enumerate(bodies):
            await producer.send(topic, body, partition=number % 4)  # no key: one trace lands on all partitions
        await producer.flush()
        await until(lambda: len(found.runs(100)) == 40, what="40 runs over Kafka")
        over_kafka = records(found.runs(100))
    assert over_kafka == over_http
    assert sum(run.status == "error" for run in over_kafka) == 8
    assert sum(bool(run.failed_tools) for run in over_kafka) == 14


async def test_a_trace_split_over_partitions_and_workers_is_one_run(
    broker: Broker, prefix: str, tmp_path: Path
) -> None:
    """Bodies of the Collector with nil keys, two workers, the second of which comes in the middle."""
    spans = spans_of_runs(60)
    bodies = bodies_of(spans)
    half = len(bodies) // 2
    config = config_of(broker.bootstrap, prefix, tmp_path / "one")
    other = config_of(broker.bootstrap, prefix, tmp_path / "two")
    topic = config.runtime.kafka.topics.otlp_spans
    async with monitor(config) as (first, producer):
        for number, body in enumerate(bodies[:half]):
            await producer.send(topic, body, partition=number % 4)
        await producer.flush()
        async with monitor(other) as (second, _):
            for number, body in enumerate(bodies[half:]):
                await producer.send(topic, body, partition=number % 4)
            await producer.flush()
            both = (first, second)
            await until(lambda: sum(a.runs for m in both for a in m.agents()) == 60, 60.0, "60 runs on two workers")
            assert all(found.ready for found in both)
            names = [agent.agent for found in both for agent in found.agents()]
            assert sorted(names) == ["agent-0", "agent-1"], "an agent lives on one worker"
            assert sum(agent.failed for found in both for agent in found.agents()) == 12
            assert not [n for found in both for n in found.counts() if n.startswith("dead_letters")]


async def test_every_codec_of_either_client_is_read_live_and_replayed(
    broker: Broker, prefix: str, tmp_path: Path
) -> None:
    config = config_of(broker.bootstrap, prefix, tmp_path)
    names = config.runtime.kafka.topics
    now = time.time()

    def event(client: str, codec: str | None) -> bytes:
        text = "much the same text " * 50  # something to compress
        event = {
            "kind": "run_finished",
            "agent": client,
            "run": str(codec),
            "status": "ok",
            "time": now,
            "output": text,
        }
        return json.dumps(event).encode()

    (body,) = [encode_spans(spans_of_runs(1)).SerializeToString()]
    async with monitor(config) as (found, _):
        for codec in CODECS:
            async with aiokafka.AIOKafkaProducer(bootstrap_servers=broker.bootstrap, compression_type=codec) as one:
                await one.send_and_wait(names.events, event("aiokafka", codec), key=b"aiokafka")
            await asyncio.to_thread(_sent_by_kafka_python, broker, codec, names.events, event("kafka-python", codec))
            # The same spans again and again: duplicates by their ids.
            await asyncio.to_thread(_sent_by_kafka_python, broker, codec, names.otlp_spans, body)
        wanted = {(client, str(codec)) for client in ("aiokafka", "kafka-python") for codec in CODECS}
        await until(lambda: {(run.agent, run.run) for run in found.runs(100)} >= wanted, what="runs of every codec")
        await until(lambda: len(found.runs(100)) == len(wanted) + 1, what="the run of the spans, once")
    read = await asyncio.to_thread(history.read, [f"kafka://{names.events}"], 60.0, config.runtime.kafka)
    again = {(record.agent, record.run) for record in read.records if isinstance(record, Event)}
    assert again >= wanted and read.dead_letters == 0


CODECS = (None, "gzip", "snappy", "lz4", "zstd")


def _sent_by_kafka_python(broker: Broker, codec: str | None, topic: str, value: bytes) -> None:
    with KafkaProducer(bootstrap_servers=broker.bootstrap, compression_type=codec) as producer:
        producer.send(topic, value).get(10.0)


async def test_every_shape_of_our_own_events_is_read(broker: Broker, prefix: str, tmp_path: Path) -> None:
    now = time.time()

    def event(number: int) -> dict[str, Any]:
        return {"kind": "run_finished", "agent": "a", "run": f"r{number}", "status": "ok", "time": now}

    plain = [json.dumps(event(number)).encode() for number in range(8)]
    cloud = {"specversion": "1.0", "type": "run_finished", "source": "/a", "id": "c", "data": event(6)}
    config = config_of(broker.bootstrap, prefix, tmp_path)
    topic = config.runtime.kafka.topics.events
    async with monitor(config) as (found, producer):
        await producer.send(topic, plain[0])
        await producer.send(topic, b"[" + plain[1] + b"," + plain[2] + b"]")
        await producer.send(topic, plain[3] + b"\n" + plain[4] + b"\n")
        await producer.send(topic, b"\0\0\0\0\7" + plain[5])
        structured = [("content-type", b"application/cloudevents+json")]
        await producer.send(topic, json.dumps(cloud).encode(), headers=structured)
        binary = [("ce_id", b"b"), ("ce_source", b"/a"), ("ce_type", b"run_finished"), ("ce_specversion", b"1.0")]
        await producer.send(topic, plain[7], headers=binary)
        await producer.send(topic, None, key=b"a")
        await producer.flush()
        await until(lambda: len(found.runs(100)) == 8, what="8 runs")
        assert {run.run for run in found.runs(100)} == {f"r{number}" for number in range(8)}
        assert not [name for name in found.counts() if name.startswith("dead_letters")]


GARBAGE: dict[str, tuple[bytes, str]] = {
    "not JSON": (b"{nope", "not_json"),
    "not UTF-8": (b'{"kind":"run_finished","x":"\xff"}', "not_utf8"),
    "a wrong type": (b'{"kind":"run_finished","time":1e9,"agent":5,"run":"r"}', "wrong_type"),
    "no agent": (b'{"kind":"run_finished","time":1e9,"run":"r"}', "no_agent"),
    "an unreadable time": (b'{"kind":"run_finished","time":"soon","agent":"a","run":"r"}', "unreadable_time"),
    "our own kind, made up": (b'{"kind":"forewarn.tock","time":1e9}', "reserved_kind"),
    "an event too large": (b'{"kind":"run_finished","output":"' + b"x" * 1_100_000 + b'"}', "too_large"),
    "deep nesting": (b'{"kind":"run_finished","output":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "too_deep"),
}


async def test_garbage_on_any_topic_is_a_dead_letter_and_stops_nothing(
    broker: Broker, prefix: str, tmp_path: Path
) -> None:
    config = config_of(broker.bootstrap, prefix, tmp_path)
    names = config.runtime.kafka.topics
    wanted: dict[str, str] = {}
    async with monitor(config) as (found, producer):
        for raw, reason in GARBAGE.values():
            at = await producer.send_and_wait(names.events, raw, partition=1)
            wanted[f"kafka:{names.events}/1@{at.offset}"] = reason
        for topic, reason in (
            (names.otlp_spans, "not_otlp"),
            (names.otlp_logs, "not_otlp"),
            (names.spans, "bad_span"),
            (names.evidence, "not_json"),
            (names.findings, "not_json"),
            (names.control, "not_json"),
        ):
            at = await producer.send_and_wait(topic, b"\xc1 garbage", partition=0)
            wanted[f"kafka:{topic}/0@{at.offset}"] = reason
        unknown = {"kind": "run_paused", "time": time.time(), "agent": "a"}
        await producer.send(names.events, json.dumps(unknown).encode(), partition=1)
        far = {"kind": "run_finished", "time": 4e9, "agent": "skewed", "run": "far", "status": "ok"}
        near = {"kind": "run_finished", "time": time.time(), "agent": "sound", "run": "near", "status": "ok"}
        for event in (far, near):
            await producer.send(names.events, json.dumps(event).encode())
        await producer.flush()
        await until(lambda: len(found.runs(10)) == 2, what="the sound events are counted")
        letters = await asyncio.to_thread(_letters, config, len(wanted))
        assert {letter.source: str(letter.reason) for letter in letters} == wanted
        assert all(letter.size > 0 and len(letter.sha256) == 16 for letter in letters)
        counts = found.counts()
        assert sum(count for name, count in counts.items() if name.startswith("dead_letters:")) == len(wanted)
        assert counts["events_skipped"] == 1 and counts["events_skewed:skewed"] == 1
        assert {agent.agent for agent in found.agents()} == {"skewed", "sound"}
        assert found.health().live[0].ok


def _letters(config: Config, number: int) -> list[dead_letters.DeadLetter]:
    consumer = KafkaConsumer(
        bootstrap_servers=config.runtime.kafka.bootstrap_servers,
        auto_offset_reset="earliest",
        consumer_timeout_ms=20_000,
    )
    try:
        consumer.assign([TopicPartition(config.runtime.kafka.topics.dead_letters, 0)])
        found = []
        for record in consumer:
            found.append(dead_letters.decode(record.value))
            if len(found) == number:
                break
        return found
    finally:
        consumer.close()
