"""The seam through which Faust becomes fast: each fetch of a partition reaches a stream as one message.

Faust spends some 90 µs on every message. Here a message stands for up to `BATCH_RECORDS` records of one partition: its
value is the tuple of them, its offset that of the last. Everything else of Faust (group, rebalance, changelogs) is
used as it is. Not here: what the records mean (`partition`), and Faust's settings (`worker`).

Invariants, for batched topics:

1. An offset is committed only after `done` said so. Faust's own acknowledgement counts for nothing, because a stream
   also acknowledges what it skips while partitions move, and because offsets between two messages are no gap here.
2. `done` counts only in the generation in which the records were fetched; whatever was fetched before a rebalance or
   a seek is read again from the committed offset.
3. Compaction holes and offset 0 need no care: what is committed is the offset after the last record that is done.
4. Between two seeks each record is handed on once, in order, and no queue on its way is emptied: what is done may be
   counted by the last offset alone.

`broker.reliance` names what this module uses of Faust beyond its public interface.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast
from weakref import WeakSet

import faust
from aiokafka.errors import IllegalStateError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.tuples import ConsumerMessage

from monitor.runtime.kafka.broker.fetched import Record
from monitor.runtime.kafka.cluster.lease import Lease, LeasedThread, Progress
from monitor.runtime.kafka.cluster.notes import Committed, Notes

BATCH_RECORDS = 4000
"""Records in one message at most: what the loop works on before it looks at anything else (some 0.2 s, where so many
wait). The engine steps one agent after another, so in a larger batch what it knows of each is fetched from memory more
rarely: per record 4,000 take a tenth less than 2,000, and 8,000 as much as 4,000."""

LOOK_SECONDS = 0.05
"""While events are handed on, records of `first_topics` are looked for so often."""

MANY_RECORDS = 200
"""A fetch that brings so many, and no full batch, is followed by a second one, which may take `FETCH_SECONDS`: what lay
ready was fetched when the last was handed on, and is old; what has come since comes now."""

FETCH_SECONDS = 0.1

WAITING_BATCHES = 2
"""The next fetch begins when so many batches are still to be stepped: earlier it would find little, and what it finds
would grow old in the queue; later nobody would work while it lasts. Larger batches cost less per record."""

PATIENCE_SECONDS = 2.0
"""But it begins after so long at the latest."""

LEASE_WAIT_SECONDS = 120.0
"""So long the group may not answer before the worker ends: as long as a write to the broker is tried."""

_Given = tuple[TP, int, Any]
"""A partition, how many of its records a message stands for, and the message."""


class MicroBatchConsumer(driver.Consumer):
    """Faust's consumer, with the topics of `app.batched_topics` in batches."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.lease = Lease()
        self._notes = Notes()
        super().__init__(*args, **kwargs)
        self._batched = cast(MicroBatchApp, self.app).batched_topics
        self._first = cast(MicroBatchApp, self.app).first_topics
        self._done: dict[TP, int] = {}
        self._begin: dict[TP, int] = {}
        self._epoch = 0
        self._in_work: WeakSet[Any] = WeakSet()
        """Batches that were handed on, as long as somebody holds them."""
        self._seeking = False
        self.behind = 0
        """Times that reading began before the committed offset, because the state was older."""

    def _new_consumer_thread(self) -> LeasedThread:
        thread = LeasedThread(self, loop=self.loop, beacon=self.beacon)
        thread.lease, thread.notes = self.lease, self._notes
        return thread

    @property
    def epoch(self) -> int:
        """Grows with every seek and rebalance: what was fetched in an older one is fetched again."""
        return self._epoch

    def done(self, tp: TP, offset: int, epoch: int, note: str = "") -> bool:
        """Everything of `tp` up to and including `offset` is durable and may be committed, with `note` beside it.

        False, and nothing happens, if it was fetched before the partitions last moved.
        """
        if epoch != self._epoch or tp not in self.assignment():
            return False
        if offset > self._done.get(tp, -1):
            self._done[tp] = offset
            self._notes.put(tp, note)
        return True

    async def committed(self, tps: Iterable[TP]) -> dict[TP, Committed]:
        """The committed offsets of these partitions and what stands beside them; without those that have none."""
        thread = cast(LeasedThread, self._thread)
        return cast(dict[TP, Committed], await thread.call_thread(thread.read_committed, tuple(tps)))

    async def progress(self, topics: Sequence[str]) -> dict[TP, Progress]:
        """Every partition of these topics, also those of other workers: its end, and up to where the group is done."""
        thread = cast(LeasedThread, self._thread)
        found = cast(dict[TP, Progress], await thread.call_thread(thread.read_progress, tuple(topics)))
        done = self._done  # what is not committed yet
        return {tp: Progress(end, max(at, done.get(tp, -1) + 1)) for tp, (end, at) in found.items()}

    def read_from(self, tp: TP, offset: int) -> None:
        """Begin no later than at `offset` when the flow resumes: the state of the partition counts up to there."""
        self._begin[tp] = offset

    def lags(self, tps: Iterable[TP]) -> dict[tuple[str, int], int]:
        """Records between what is done and the end of each partition, as far as the last fetch knew it."""
        found = {}
        for tp in tps:
            end = self.highwater(tp)
            done = self._done.get(tp)
            begun = self._committed_offset.get(tp) if done is None else done + 1
            if end is not None:
                found[tp.topic, tp.partition] = max(0, end - (begun or 0))
        return found

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:
        """Fetch, and give each partition's records as messages of at most `BATCH_RECORDS`.

        Those of `first_topics` go first, and what has come of them meanwhile goes between the others.
        """
        if not self.flow_active:
            await self.wait(cast(Any, self.can_resume_flow))
        if self._seeking:
            await asyncio.sleep(LOOK_SECONDS)
            return  # what was handed on now might be behind the place that is sought, or before it
        # Read before the fetch: what moves while it waits makes its records void.
        generation, epoch = self.app.consumer_generation_id, self._epoch
        came, active = await self._wait_next_records(timeout)
        records: dict[TP, list[Any]] = dict(came or {})
        if _brings_more({tp: fetched for tp, fetched in records.items() if tp.topic in self._batched}):
            for place, fetched in (await self._getmany(active, FETCH_SECONDS)).items():
                records[place] = [*records.get(place, ()), *fetched]
        if not records or self.should_stop:
            return
        first = {tp for tp in active or () if tp.topic in self._first}
        looked, given = time.monotonic(), Counter[TP]()
        patience = looked + PATIENCE_SECONDS
        ahead, others = deque[_Given](), self._messages(records, active, epoch)
        while not self._moved(generation, epoch):
            each = ahead.popleft() if ahead else next(others, None)
            if each is not None:
                tp, size, message = each
                given[tp] += size
                if self._in_batches(tp):
                    # Faust's reader would else mark all offsets since the message before as a gap, one interval each.
                    self._read_offset[tp] = message.offset
                if tp.topic in self._batched:
                    self._in_work.add(message)
                yield tp, message
            elif self._waiting() > WAITING_BATCHES and time.monotonic() < patience and not self.should_stop:
                await asyncio.sleep(LOOK_SECONDS / 10.0)
            else:
                break
            due = first and not ahead and time.monotonic() - looked >= LOOK_SECONDS
            if due and (each is None or each[0] not in first):
                more = await self._getmany(first, 0.0)
                looked = time.monotonic()
                for place, fetched in more.items():
                    records[place] = [*records.get(place, ()), *fetched]
                ahead.extend(self._messages(more, active, epoch))
        await self._give_back({tp: fetched[given[tp]] for tp, fetched in records.items() if given[tp] < len(fetched)})

    async def _wait_next_records(self, timeout: float) -> Any:
        if self._get_active_partitions():
            return await super()._wait_next_records(timeout)
        await asyncio.sleep(LOOK_SECONDS)  # all pause, between a recovery and the flow: Faust would wait for a second
        return {}, set()

    def _waiting(self) -> int:
        """Batches that were handed on and are not stepped yet; what nobody holds any more never will be."""
        return sum(not message.acked for message in self._in_work)

    def _messages(self, records: Mapping[TP, list[Any]], active: set[TP] | None, epoch: int) -> Iterator[_Given]:
        """Each message and the records it stands for; of partitions that may not be read (any more) there is none."""
        may = None if active is None else active | self._buffered_partitions
        allowed = {tp: fetched for tp, fetched in records.items() if may is None or tp in may}
        for tp in allowed:
            self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
        for tp, fetched in sorted(allowed.items(), key=lambda each: each[0].topic not in self._first):
            if self._in_batches(tp):
                for start in range(0, len(fetched), BATCH_RECORDS):
                    piece = fetched[start : start + BATCH_RECORDS]
                    yield tp, len(piece), self._batch(tp, piece, epoch)
        one_by_one = {tp: fetched for tp, fetched in allowed.items() if not self._in_batches(tp)}
        for tp, record in self.scheduler.iterate(one_by_one):
            yield tp, 1, self._to_message(tp, record)

    async def _give_back(self, first: Mapping[TP, Any]) -> None:
        """Records that nobody got are read again, from these on; else a changelog would have a hole for ever."""
        if first:
            await self._thread.call_thread(self._rewind, {tp: record.offset for tp, record in first.items()})

    async def _rewind(self, places: Mapping[TP, int]) -> None:
        consumer = self._thread._ensure_consumer()
        for tp, offset in places.items():
            place = driver.ensure_aiokafka_TP(tp)
            with contextlib.suppress(IllegalStateError):  # it has gone meanwhile, and is somebody else's to read
                # Lower is where somebody sought meanwhile: from there these come as well.
                if await consumer.position(place) > offset:
                    consumer.seek(place, offset)

    def _batch(self, tp: TP, fetched: list[Any], epoch: int) -> Any:
        last = fetched[-1]
        message = self._to_message(tp, last)
        message.key = None
        message.headers = {}
        message.value = cast(Any, Batch(tp, epoch, tuple(fetched)))
        return message

    def _to_message(self, tp: TP, record: Record) -> Any:
        """Faust's message of a record, of which we keep no checksum, nor who set its time."""
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            record.offset,
            record.time,
            0,
            list(record.headers),
            record.key,
            record.value,
            None,
            len(record.key or b""),
            len(record.value or b""),
            tp,
            generation_id=self.app.consumer_generation_id,
        )

    def _in_batches(self, tp: TP) -> bool:
        """Changelogs come in batches as well, to a recovery that knows them (`cluster.store`)."""
        return tp.topic in self._batched or self._is_changelog_tp(tp)

    def _moved(self, generation: int, epoch: int) -> bool:
        return not self.flow_active or generation != self.app.consumer_generation_id or epoch != self._epoch

    def ack(self, message: Any) -> bool:
        """For batched topics only Faust's own list of messages in work is kept; `done` decides on commits."""
        if message.topic not in self._batched:
            return bool(super().ack(message))
        if message.acked:
            return False
        message.acked = True
        self._unacked_messages.discard(message)
        return True

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Any:
        yield from super()._filter_tps_with_pending_acks(topics)
        for tp in list(self._done):
            if topics is None or tp in topics or tp.topic in topics:
                yield tp

    def _new_offset(self, tp: TP) -> int | None:
        if tp.topic not in self._batched:
            return super()._new_offset(tp)
        done = self._done.get(tp)
        return None if done is None else done + 1

    async def perform_seek(self) -> None:
        """Seek to the committed offsets; what was fetched before is void, and nothing is handed on meanwhile.

        Where nothing was ever committed Faust leaves the position where it is, behind what was fetched and dropped;
        there it goes back to the beginning.
        """
        self._forget()
        self._seeking = True
        try:
            await super().perform_seek()
            ours = [tp for tp in self.assignment() if tp.topic in self._batched]
            if uncommitted := [tp for tp in ours if self._read_offset.get(tp) is None]:
                await self._thread.seek_to_beginning(*map(driver.ensure_aiokafka_TP, uncommitted))
            begin, self._begin = self._begin, {}
            for tp in ours:
                at, committed = begin.get(tp), self._read_offset.get(tp)
                if at is not None and committed is not None and at < committed:
                    self.behind += 1
                    self.log.warning("state of %s/%d counts up to %d, committed is %d: read again", *tp, at, committed)
                    await self.seek(driver.ensure_aiokafka_TP(tp), at)
        finally:
            self._seeking = False

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Partitions move away."""
        await super().on_partitions_revoked(revoked)
        self._forget()

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Partitions came: the group counts on us."""
        self.lease.renew()
        await super().on_partitions_assigned(assigned, generation_id)

    async def leased(self, epoch: int) -> bool:
        """Wait for the lease; False once the partitions have moved since `epoch`. Raises `TimeoutError`."""
        if self.lease.held:
            return epoch == self._epoch
        async with asyncio.timeout(LEASE_WAIT_SECONDS):
            while epoch == self._epoch and not self.lease.held:
                await asyncio.sleep(0.05)
        return epoch == self._epoch

    def _forget(self) -> None:
        self._epoch += 1
        self._done.clear()
        self._notes.clear()


def _brings_more(records: Mapping[TP, list[Any]]) -> bool:
    """Whether a second fetch would bring more that is not yet old: there was much, and in no partition a full batch.

    Of a recovery, whose changelogs are no such records, nothing waits.
    """
    most = max(map(len, records.values()), default=0)
    return most < BATCH_RECORDS and sum(map(len, records.values())) >= MANY_RECORDS


class Batch(NamedTuple):
    """What a stream gets for one message: records of one partition in order, and the epoch they were fetched in."""

    tp: TP
    epoch: int
    records: tuple[Record, ...]


class MicroBatchTransport(driver.Transport):
    """Faust's Kafka transport with our consumer."""

    Consumer = MicroBatchConsumer


class MicroBatchSchema(faust.Schema[None, Any]):
    """Decodes nothing: the batch is the value already."""

    def compile(self, app: Any, **_: Any) -> Callable[..., Any]:
        """The function that Faust calls for each message."""
        create_event = app.create_event

        async def decode(message: Any, *, propagate: bool = False) -> Any:  # noqa: ARG001 (Faust passes it by name)
            return create_event(message.key, message.value, message.headers, message)

        return decode


class MicroBatchApp(faust.App):
    """A Faust app whose `batched_topics` come in batches; those of `first_topics` do not wait behind the others."""

    batched_topics: frozenset[str] = frozenset()
    first_topics: frozenset[str] = frozenset()
    state_folder: Path | None = None
    """Where state lies on disk; None: it is held in memory."""

    def _new_transport(self) -> Any:
        return MicroBatchTransport(self.conf.broker_consumer, self)

    def FlowControlQueue(self, maxsize: int | None = None, *, clear_on_resume: bool = False) -> Any:  # noqa: N802
        """A queue that keeps what is in it when the flow goes on: Faust would empty it, and the next batch be committed
        over what nobody read. What came before the partitions moved is known by its epoch."""
        del clear_on_resume
        return super().FlowControlQueue(maxsize)

    def batches(self, topic: str, *, waiting: int) -> Any:
        """The stream source of one batched topic; `waiting` messages are held at most, then fetching pauses."""
        if topic not in self.batched_topics:
            raise ValueError(f"topic {topic!r} is not among the batched topics {sorted(self.batched_topics)}")
        return self.topic(topic, schema=MicroBatchSchema(), maxsize=waiting)
