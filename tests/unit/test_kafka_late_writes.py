"""State that is written while a partition moves away: nothing follows it, and nobody believes to hold it."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

import pytest
from aiokafka.errors import MessageSizeTooLargeError

from monitor.runtime.kafka.microbatch import MicroBatchApp
from monitor.runtime.kafka.saving.changelog import StateTable
from monitor.runtime.kafka.saving.parts import PART_BYTES


class _Acknowledged(NamedTuple):
    offset: int


class _Batch:
    """A batch of at most two records."""

    def __init__(self) -> None:
        self.records: list[tuple[bytes, bytes | None]] = []

    def append(self, *, timestamp: float | None, key: bytes, value: bytes | None, headers: Any) -> object | None:
        assert timestamp is None and headers == [("forewarn-generation", b"0")]
        if len(self.records) == 2:
            return None
        self.records.append((key, value))
        return object()

    def record_count(self) -> int:
        return len(self.records)


class _Changelog:
    """A producer to one partition; `others` is how many records somebody else has written before ours."""

    def __init__(self) -> None:
        self.records: list[tuple[bytes, bytes | None]] = []
        self.batches: list[int] = []
        self.others = 0
        self.refuses = b""
        """The broker does not take a batch with this value."""

    def _ensure_producer(self) -> _Changelog:
        return self

    def create_batch(self) -> _Batch:
        return _Batch()

    async def send_batch(self, batch: _Batch, topic: str, *, partition: int) -> asyncio.Future[_Acknowledged]:
        assert topic and partition == 0
        done: asyncio.Future[_Acknowledged] = asyncio.get_running_loop().create_future()
        if self.refuses and any(value == self.refuses for _, value in batch.records):
            done.set_exception(MessageSizeTooLargeError())
            return done
        done.set_result(_Acknowledged(self.others + len(self.records)))
        self.records += batch.records
        self.batches.append(len(batch.records))
        return done


async def ours() -> bool:
    return True


async def gone() -> bool:
    return False


@pytest.fixture
async def log(monkeypatch: pytest.MonkeyPatch) -> _Changelog:
    found = _Changelog()
    monkeypatch.setattr(MicroBatchApp, "producer", found)
    return found


@pytest.fixture
async def table(log: _Changelog) -> StateTable:
    del log
    app = MicroBatchApp("late", broker="kafka://127.0.0.1:1", web_enabled=False, store="memory://")
    return StateTable(app, "t", 1)


async def test_a_write_that_comes_after_the_partition_went_is_neither_held_nor_healed(
    table: StateTable, log: _Changelog
) -> None:
    assert await table.write(0, [("a", b"1")], ours)
    log.others = 5  # the new owner has written while ours waited for the broker
    assert not await table.write(0, [("a", b"2"), ("b", b"2")], gone)
    assert len(log.records) == 3, "nothing is written over what the new owner wrote"
    assert dict(table.entries(0)) == {"a": b"1"} and table.offset(0) == 0, "a recovery reads all from there"
    assert table.healed == 0


async def test_what_a_stranger_wrote_is_written_over_by_the_owner(table: StateTable, log: _Changelog) -> None:
    assert await table.write(0, [("a", b"1"), ("b", b"1")], ours)
    log.others = 3
    assert await table.write(0, [("a", b"2")], ours)
    assert log.records[-2:] == [(b"0/a", b"2"), (b"0/b", b"1")] and table.healed == 1
    assert table.offset(0) == 3 + 4


async def test_a_healing_that_the_partition_outran_is_not_held(table: StateTable, log: _Changelog) -> None:
    assert await table.write(0, [("a", b"1")], ours)
    log.others = 3
    answers = iter((True, False))

    async def still() -> bool:
        return next(answers)

    assert not await table.write(0, [("a", b"2")], still)
    assert table.offset(0) == 3 + 1


async def test_entries_go_in_as_few_batches_as_hold_them_in_their_order(table: StateTable, log: _Changelog) -> None:
    entries: list[tuple[str, bytes | None]] = [(name, name.encode()) for name in "abcde"]
    assert await table.write(0, entries, ours)
    assert log.batches == [2, 2, 1]
    assert [key for key, _ in log.records] == [b"0/a", b"0/b", b"0/c", b"0/d", b"0/e"]
    assert table.offset(0) == 4
    assert await table.write(0, [], ours)
    assert (len(log.records), table.offset(0)) == (5, 4)


async def test_nothing_is_written_behind_what_the_broker_refuses(table: StateTable, log: _Changelog) -> None:
    """Else the last entry would say that the state counts what it lacks."""
    log.refuses = b"3"
    with pytest.raises(MessageSizeTooLargeError):
        await table.write(0, [("a", b"1"), ("b", b"2"), ("c", b"3"), ("d", b"4"), ("settled", b"9")], ours)
    assert log.records == [(b"0/a", b"1"), (b"0/b", b"2")]
    assert table.entries(0) == [] and table.offset(0) is None


async def test_a_value_too_large_for_a_record_is_held_and_read_as_it_was(table: StateTable, log: _Changelog) -> None:
    large = b"large" * PART_BYTES
    assert await table.write(0, [("trace/t", large), ("settled", b"9")], ours)
    assert max(len(value or b"") for _, value in log.records) == PART_BYTES
    assert log.records[-1] == (b"0/settled", b"9"), "it is behind all of them"
    assert sorted(table.entries(0)) == [("settled", b"9"), ("trace/t", large)]
    assert await table.write(0, [("trace/t", b"small")], ours)
    assert sorted(table.entries(0)) == [("settled", b"9"), ("trace/t", b"small")]
    assert {key for key, _ in table._store.entries(0)} == {b"0/settled", b"0/trace/t"}
    assert not await table.write(0, [("trace/t", large)], gone)
    assert await table.write(0, [("trace/t", large)], ours)
    kept = {key for key, value in dict(log.records).items() if value is not None}
    assert kept == {key for key, _ in table._store.entries(0)}, "what the attempt before wrote is deleted"
