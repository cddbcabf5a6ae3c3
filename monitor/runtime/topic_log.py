"""A Kafka topic as history: every record that stands in it now, once, partition by partition.

It joins no group and commits nothing. Invariant: it ends where the topic ended when it began to read.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from monitor.runtime.kafka.broker.connect import CannotConnect, connect, described, refusal
from schemas.config import Kafka

SCHEME = "kafka://"
PATIENCE_SECONDS = 30.0
"""Without a record for so long the broker is given up, although it said that there are more."""
BOOTSTRAP_SECONDS = 10.0


class TopicLogError(Exception):
    """The topic cannot be read; the message says where and why."""


def read_topic(kafka: Kafka, topic: str) -> Iterator[tuple[str, bytes]]:
    """`topic/partition@offset` and value of every record. Raises `TopicLogError`."""
    where = f"{SCHEME}{topic}: {described(kafka)}"
    try:
        consumer: KafkaConsumer = connect(
            KafkaConsumer, kafka, patience_seconds=BOOTSTRAP_SECONDS, client_id="forewarn-replay", group_id=None,
            enable_auto_commit=False,
        )  # fmt: skip
    except CannotConnect as error:
        raise TopicLogError(f"{SCHEME}{topic}: {error}") from None
    try:
        yield from _read(consumer, topic, where)
    except KafkaError as error:
        raise TopicLogError(f"{where} cannot be read: {refusal(error)}") from error
    finally:
        consumer.close()


def _read(consumer: KafkaConsumer, topic: str, where: str) -> Iterator[tuple[str, bytes]]:
    numbers = consumer.partitions_for_topic(topic)
    if not numbers:
        raise TopicLogError(f"{where}: there is no such topic")
    for number in sorted(numbers):
        place = TopicPartition(topic, number)
        consumer.assign([place])
        consumer.seek_to_beginning(place)
        end = consumer.end_offsets([place])[place]
        last = time.monotonic()
        while consumer.position(place) < end:
            fetched = consumer.poll(timeout_ms=500).get(place, [])
            if fetched:
                last = time.monotonic()
            elif time.monotonic() - last > PATIENCE_SECONDS:
                raise TopicLogError(f"{where}: no more records came after {consumer.position(place)} of {end}")
            for record in fetched:
                if record.offset < end and record.value is not None:
                    yield f"{topic}/{number}@{record.offset}", record.value
