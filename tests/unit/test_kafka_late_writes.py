"""State that is written while a partition moves away: nothing follows it, and nobody believes to hold it."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

import pytest

from monitor.runtime.kafka.microbatch import MicroBatchApp
from monitor.runtime.kafka.partition import StateTable


class _Acknowledged(NamedTuple):
    offset: int


class _Changelog:
    """A producer to one partition; `others` is how many records somebody else has written before ours."""

    def __init__(self) -> None:
        self.records: list[tuple[bytes, bytes | None]] = []
        self.others = 0

    async def send(self, topic: str, key: bytes, value: bytes | None, *_: Any) -> asyncio.Future[_Acknowledged]:
        del topic
        self.records.append((key, value))
        done: asyncio.Future[_Acknowledged] = asyncio.get_running_loop().create_future()
        done.set_result(_Acknowledged(self.others + len(self.records) - 1))
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
