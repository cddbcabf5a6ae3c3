"""How often a partition's state is saved: rarely enough to stay a small part of the work; and that nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

import pytest
from faust.types import TP

from monitor.runtime.kafka.broker.fetched import Record
from monitor.runtime.kafka.cluster.floods import DeadLetterFlood, Flood
from monitor.runtime.kafka.cluster.lease import SESSION_SECONDS
from monitor.runtime.kafka.cluster.store import Generation
from monitor.runtime.kafka.microbatch import Batch
from monitor.runtime.kafka.partition import LONGEST_SAVE_SECONDS, SETTLED, Outgoing, PartitionWorker, pause_seconds
from monitor.runtime.parts import Entry
from schemas.config import Floods


@pytest.mark.parametrize(
    ("wanted", "cost", "pause"),
    [
        (1.0, 0.0, 1.0),  # nothing saved yet
        (1.0, 0.001, 1.0),  # few agents: as often as is wanted
        (1.0, 0.005, 2.0),  # more of them: a quarter of a per cent of the time
        (1.0, 0.500, 4.0),  # a great many: a crash must not replay more than this
        (0.2, 0.0, 0.2),  # without state, offsets are committed soon
        (0.2, 0.001, 0.4),
    ],
)
def test_a_dear_save_is_followed_by_a_long_pause(wanted: float, cost: float, pause: float) -> None:
    assert pause_seconds(wanted, cost) == pytest.approx(pause)


def test_what_a_crash_replays_leaves_time_for_the_takeover() -> None:
    assert SESSION_SECONDS + LONGEST_SAVE_SECONDS < 15.0


class _Core:
    """Counts records by key; gives each change once, as cores do. A record with a value is a letter."""

    def __init__(self) -> None:
        self.seen: dict[str, int] = {}
        self._changed: dict[str, None] = {}
        self._offset = -1

    def step(self, records: Sequence[Record]) -> list[Outgoing]:
        for record in records:
            name = (record.key or b"").decode()
            self.seen[name] = self.seen.get(name, 0) + 1
            self._changed[name] = None
            self._offset = record.offset
        return [Outgoing("dead", record.value) for record in records if record.value]

    def settled(self) -> int:
        return self._offset

    def changes(self) -> list[Entry]:
        changed, self._changed = self._changed, {}
        return [(name, b"%d" % self.seen[name]) for name in changed]

    def load(self, entries: Iterable[tuple[str, bytes]]) -> None:
        del entries


class _Consumer:
    """Knows the epoch, and what it was told is done."""

    def __init__(self) -> None:
        self.epoch = 1
        self.done_: list[tuple[int, int]] = []
        self.note = ""

    async def leased(self, epoch: int) -> bool:
        return epoch == self.epoch

    def done(self, _: TP, offset: int, epoch: int, note: str = "") -> None:
        self.done_.append((offset, epoch))
        self.note = note

    async def send(self, *_: object) -> Awaitable[None]:
        """As the producer, acknowledged at once."""
        return asyncio.sleep(0)

    def read_from(self, _: TP, offset: int) -> None:
        assert offset == 0, "there is no state"


class _Table:
    """Holds what was written; `refuse`: writes that are not ours any more when the broker has them."""

    def __init__(self) -> None:
        self.held: dict[str, bytes | None] = {}
        self.refuse = 0

    def entries(self, _: int) -> list[tuple[str, bytes]]:
        return []

    async def write(
        self, _: int, entries: Sequence[Entry], still: Callable[[], Awaitable[bool]], generation: Generation = (0,)
    ) -> bool:
        del generation
        if self.refuse or not await still():
            self.refuse -= 1
            return False
        self.held.update(entries)
        return True


PLACE = TP("events", 0)


def _batch(epoch: int, first: int, *keys: str) -> Batch:
    return Batch(PLACE, epoch, tuple(Record(first + at, key.encode(), b"", 0.0, ()) for at, key in enumerate(keys)))


@pytest.mark.parametrize("cut", ["before the write", "while it is written"])
async def test_what_was_not_written_goes_before_what_is_written_next(cut: str) -> None:
    """A seek moves the epoch and leaves the partition ours: the core goes on, and gives no change a second time."""

    async def crash(error: BaseException) -> None:
        raise error

    consumer, table, core = _Consumer(), _Table(), _Core()
    worker = PartitionWorker(
        PLACE, core, table=table, producer=None, consumer=consumer, save_seconds=60.0,
        flood=Flood(Floods(), "events/0"), letters="dead", crash=crash,
    )  # type: ignore[arg-type]  # fmt: skip
    await worker.take(_batch(1, 0, "a", "b"))
    if cut == "before the write":
        consumer.epoch = 2
    else:
        table.refuse = 1
    assert not await worker.save()
    assert (table.held, consumer.done_) == ({}, [])
    await worker.take(_batch(consumer.epoch, 2, "b"))
    assert await worker.save()
    assert {name: table.held[name] for name in ("a", "b")} == {"a": b"1", "b": b"2"}
    assert SETTLED in table.held and consumer.done_ == [(2, consumer.epoch)]


@pytest.mark.parametrize(
    ("why", "table", "values", "noted"),
    [
        ("without a table what could not be read stands beside the offset", False, [b"{}", b""], True),
        ("with one it is in the state", True, [b"{}", b""], False),
        ("what was read needs no note", False, [b"", b""], False),
    ],
)
async def test_a_partition_without_state_notes_its_flood_beside_the_offset(
    why: str, table: bool, values: list[bytes], noted: bool
) -> None:
    async def crash(error: BaseException) -> None:
        raise error

    def made(letters: int) -> PartitionWorker:
        flood = Flood(Floods(letters=letters), "otlp_spans/0")
        flood.recall(consumer.note)
        return PartitionWorker(
            PLACE, _Core(), table=_Table() if table else None, producer=consumer, consumer=consumer,
            save_seconds=60.0, flood=flood, letters="dead", crash=crash,
        )  # type: ignore[arg-type]  # fmt: skip

    consumer = _Consumer()
    records = tuple(Record(at, b"k", value, 0.0, ()) for at, value in enumerate(values))
    worker = made(letters=2)
    await worker.take(Batch(PLACE, 1, records))
    assert await worker.save()
    assert (consumer.done_[-1], bool(consumer.note)) == ((1, 1), noted), why
    more = Batch(PLACE, 1, (Record(2, b"k", b"{}", 0.0, ()),))
    if noted:
        with pytest.raises(DeadLetterFlood, match=r"2 of the last 3 records .* stops at offset 2"):
            await made(letters=2).take(more)
    else:
        await made(letters=2).take(more)


@pytest.mark.parametrize(
    ("why", "spans", "stops"),
    [
        ("one bad span in each body of a hundred", 99, False),
        ("bodies of which nothing else is left", 0, True),
    ],
)
async def test_a_body_counts_as_many_as_it_holds(why: str, spans: int, stops: bool) -> None:
    class Bodies(_Core):
        def step(self, records: Sequence[Record]) -> list[Outgoing]:
            super().step(records)
            return [out for _ in records for out in (Outgoing("dead", b"{}"), *[Outgoing("spans", b"")] * spans)]

    async def crash(error: BaseException) -> None:
        raise error

    consumer = _Consumer()
    worker = PartitionWorker(
        PLACE, Bodies(), table=None, producer=consumer, consumer=consumer,
        save_seconds=60.0, flood=Flood(Floods(letters=20), "otlp_spans/0"), letters="dead", crash=crash,
    )  # type: ignore[arg-type]  # fmt: skip
    batch = _batch(1, 0, *["body"] * 50)
    if stops:
        with pytest.raises(DeadLetterFlood):
            await worker.take(batch)
    else:
        await worker.take(batch)
        assert consumer.done_, why


class _Producer:
    """Takes so many records, then raises; `refused`: what the broker answers to those that it took."""

    def __init__(self, takes: int = 1_000, refused: Exception | None = None) -> None:
        self.sent = 0
        self._takes, self._refused = takes, refused

    async def send(self, *_: object) -> Awaitable[None]:
        if self.sent == self._takes:
            raise RuntimeError("the buffer is full")
        self.sent += 1
        acknowledged: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._refused is not None:
            acknowledged.set_exception(self._refused)
        else:
            acknowledged.set_result(None)
        return acknowledged


class _Failing(_Core):
    """Counts a record and fails."""

    def step(self, records: Sequence[Record]) -> list[Outgoing]:
        out = super().step(records)
        if any(record.key == b"bad" for record in records):
            raise AssertionError("ours")
        return out


class _Refusing(_Table):
    """Raises what the broker answers to the first write."""

    async def write(self, *given: Any, **named: Any) -> bool:
        if not self.refuse:
            return await super().write(*given, **named)
        self.refuse = 0
        raise TimeoutError("not delivered")


@pytest.mark.parametrize(
    ("why", "core", "producer", "table", "limit"),
    [
        ("a flood is seen", _Core(), _Producer(), _Table(), 3),
        ("a record that came of it cannot be handed over", _Core(), _Producer(takes=2), _Table(), 0),
        ("the step itself fails", _Failing(), _Producer(), _Table(), 0),
        ("the broker refuses a record that came of it", _Core(), _Producer(refused=TimeoutError()), _Table(), 0),
        ("the broker refuses the state", _Core(), _Producer(), _Refusing(), 0),
    ],
)
async def test_nothing_is_saved_once_a_step_or_a_save_has_failed(
    why: str, core: _Core, producer: _Producer, table: _Table, limit: int
) -> None:
    """The saver in the background wakes up before the worker has come to its end."""
    crashed: list[BaseException] = []

    async def crash(error: BaseException) -> None:
        crashed.append(error)

    consumer = _Consumer()
    worker = PartitionWorker(
        PLACE, core, table=table, producer=producer, consumer=consumer, save_seconds=60.0,
        flood=Flood(Floods(letters=limit, share=0.1), "events/0"), letters="dead", crash=crash,
    )  # type: ignore[arg-type]  # fmt: skip
    table.refuse = isinstance(table, _Refusing)
    await worker.take(_batch(1, 0, "a"))
    letters = [Record(at, b"bad", b"{}", 0.0, ()) for at in range(1, 4)]
    with pytest.raises((DeadLetterFlood, RuntimeError, AssertionError, TimeoutError)):
        await worker.take(Batch(PLACE, 1, tuple(letters)))
        await worker.save()
    sent, begun = producer.sent, dict(table.held)
    assert not await worker.save(), why
    await worker.take(_batch(1, 4, "b"))
    assert not await worker.stop(save=True)
    assert (consumer.done_, table.held, producer.sent) == ([], begun, sent)
    assert begun == {} and not crashed


async def test_a_save_that_is_cancelled_leaves_everything_to_the_next() -> None:
    """The sender of messages asks for saves as well, and may be stopped in the middle of one."""

    class Slow(_Producer):
        acknowledged = asyncio.Event()

        async def send(self, *_: object) -> Awaitable[None]:
            return asyncio.create_task(self._late())

        async def _late(self) -> None:
            await self.acknowledged.wait()

    async def crash(error: BaseException) -> None:
        raise error

    consumer, table, producer = _Consumer(), _Table(), Slow()
    worker = PartitionWorker(
        PLACE, _Core(), table=table, producer=producer, consumer=consumer, save_seconds=60.0,
        flood=Flood(Floods(letters=0), "events/0"), letters="dead", crash=crash,
    )  # type: ignore[arg-type]  # fmt: skip
    await worker.take(Batch(PLACE, 1, (Record(0, b"k", b"{}", 0.0, ()),)))
    for _ in range(2):
        saving = asyncio.create_task(worker.save())
        for _ in range(5):
            await asyncio.sleep(0)
        saving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await saving
    assert consumer.done_ == []
    saving = asyncio.create_task(worker.save())
    for _ in range(5):
        await asyncio.sleep(0)
    assert not saving.done(), "it waits for what the first one waited for"
    producer.acknowledged.set()
    assert await saving
    assert consumer.done_ == [(0, 1)] and table.held["k"] == b"1"
