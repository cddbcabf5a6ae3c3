"""The SDK's Kafka transport against a real broker."""

import os
import subprocess
import sys

import forewarn
import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient

from schemas import event


@pytest.fixture
def topic(broker, prefix) -> str:
    admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap)
    try:
        admin.create_topics(
            {prefix: {"num_partitions": 3, "replication_factor": 1}}, timeout_ms=20_000, wait_for_metadata=True
        )
    finally:
        admin.close()
    return prefix


def _read(broker, topic: str, number: int) -> list:
    consumer = KafkaConsumer(
        bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest", consumer_timeout_ms=20_000
    )
    try:
        consumer.assign([TopicPartition(topic, partition) for partition in consumer.partitions_for_topic(topic)])
        records = []
        for record in consumer:
            records.append(record)
            if len(records) == number:
                break
        return records
    finally:
        consumer.close()


def test_events_arrive_keyed_by_agent(broker, topic) -> None:
    transport = forewarn.KafkaTransport(broker.bootstrap, topic)
    with forewarn.Emitter("refund-agent", "v12", transport=transport, strict=True, linger_seconds=0.0) as emitter:
        with emitter.run() as run:
            run.tool("issue_refund", {"order_id": 7}, result={"error": "no"})
        emitter.change("prompt:refund", "v13")
        assert emitter.flush(30.0)
        assert emitter.counts.snapshot() == {"emitted": 4, "sent": 4}
    records = _read(broker, topic, 4)
    assert sorted((record.key or b"").decode() for record in records) == ["", *["refund-agent"] * 3]
    assert {event.decode(record.value).kind for record in records} == {
        "run_started",
        "tool_call",
        "run_finished",
        "change",
    }


def test_a_forked_child_has_a_producer_of_its_own(broker, topic) -> None:
    transport = forewarn.KafkaTransport(broker.bootstrap, topic)
    with forewarn.Emitter("a", transport=transport, linger_seconds=0.0) as emitter:
        emitter.heartbeat()
        assert emitter.flush(30.0)
        child = os.fork()
        if child == 0:
            emitter.heartbeat()
            os._exit(0 if emitter.flush(30.0) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        emitter.heartbeat()
        assert emitter.flush(30.0)
    records = _read(broker, topic, 3)
    assert len({event.decode(record.value).id for record in records}) == 3


def test_a_broker_that_is_not_there_raises_nothing() -> None:
    transport = forewarn.KafkaTransport("127.0.0.1:9", "t", timeout=0.3)
    emitter = forewarn.Emitter("a", transport=transport, linger_seconds=0.0, retry_seconds=0.0)
    emitter.heartbeat()
    assert emitter.flush(30.0)
    assert emitter.dropped == {"undelivered": 1}
    emitter.close()


def test_without_the_extra_the_error_says_which() -> None:
    script = "import sys; sys.modules['kafka'] = None\nimport forewarn\nforewarn.KafkaTransport()"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "KafkaTransport needs kafka-python: pip install 'kafka-python[lz4,snappy,zstd]'" in ended.stderr
