"""What a fetch brings, from the bytes of the wire to our records."""

from __future__ import annotations

from collections import OrderedDict
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.consumer import AIOKafkaConsumer
from aiokafka.consumer.fetcher import Fetcher, FetchError, FetchResult, PartitionRecords
from aiokafka.consumer.subscription_state import Assignment, SubscriptionState
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition

from monitor.runtime.kafka.broker.fetched import Record, fetched_as_records

PLACE = TopicPartition("t", 3)
NONE, GZIP, SNAPPY, LZ4, ZSTD = range(5)


def _wire(codec: int, first: int, *rows: tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]) -> bytes:
    builder = DefaultRecordBatchBuilder(2, codec, 0, -1, -1, 0, 1 << 16)
    for place, (key, value, headers) in enumerate(rows):
        assert builder.append(place, 1_700_000_000_500 + place, key, value, headers) is not None
    return first.to_bytes(8, "big") + bytes(builder.build())[8:]


def _result(raw: bytes, begin: int) -> FetchResult:
    assignment = Assignment({PLACE})
    assignment.state_value(PLACE).reset_to(begin)
    records = PartitionRecords(PLACE, MemoryRecords(raw), [], begin, None, None, True, 0)
    return FetchResult(PLACE, assignment=assignment, partition_records=records, backoff=0.0)


def _consumer() -> Any:
    return SimpleNamespace(_fetcher=SimpleNamespace(_records={}))


@pytest.mark.parametrize("codec", [NONE, GZIP, SNAPPY, LZ4, ZSTD])
async def test_records_are_what_was_written_with_their_offsets(codec: int) -> None:
    consumer = _consumer()
    fetched_as_records(consumer)
    rows = (b"k", b"v", [("h", b"1"), ("h", b"2")]), (None, b"w", []), (b"gone", None, [])
    consumer._fetcher._records[PLACE] = _result(_wire(codec, 40, *rows), 40)
    assert consumer._fetcher._records[PLACE].getall() == [
        Record(40, b"k", b"v", 1_700_000_000.5, (("h", b"1"), ("h", b"2"))),
        Record(41, None, b"w", 1_700_000_000.501, ()),
        Record(42, b"gone", None, 1_700_000_000.502, ()),
    ]


async def test_reading_begins_where_it_was_asked_to_and_goes_on_behind_the_last() -> None:
    """A batch is fetched whole; of one that was partly read before only the rest comes."""
    consumer = _consumer()
    fetched_as_records(consumer)
    raw = _wire(NONE, 10, *[(None, b"%d" % number, []) for number in range(4)]) + _wire(NONE, 20, (None, b"later", []))
    result = consumer._fetcher._records[PLACE] = _result(raw, 12)
    assert [record.offset for record in result.getall(max_records=1)] == [12]
    assert [record.offset for record in result.getall()] == [13, 20]
    assert not result.has_more()


async def test_what_was_fetched_before_is_taken_over_and_an_error_stays_one() -> None:
    consumer = _consumer()
    other = TopicPartition("t", 4)
    error = FetchError(error=OSError("gone"), backoff=0.0)
    consumer._fetcher._records = {PLACE: _result(_wire(NONE, 0, (b"k", b"v", [])), 0), other: error}
    fetched_as_records(consumer)
    assert consumer._fetcher._records[PLACE].getall() == [Record(0, b"k", b"v", 1_700_000_000.5, ())]
    assert consumer._fetcher._records[other] is error


async def test_a_fetcher_of_aiokafka_holds_its_results_where_they_are_taken_over() -> None:
    found = Fetcher(AIOKafkaConsumer(bootstrap_servers="127.0.0.1:1")._client, SubscriptionState())
    try:
        assert type(found._records) is OrderedDict
        fetched_as_records(SimpleNamespace(_fetcher=found))
        assert isinstance(found._records, OrderedDict) and type(found._records) is not OrderedDict
    finally:
        await found.close()
