"""One partition of one topic in work: step, send, save, commit.

The core is pure and knows nothing of Kafka; its state lies in a Faust table beside the topic. Here is the order in
which its results become durable:

    outgoing records acknowledged by the broker → state entries (the naming one last) → the offset may be committed

Steps do not wait for any of it: results are gathered and made durable together, `save_seconds` later, under load up to
`LONGEST_SAVE_SECONDS`, so that speed does not depend on round trips. Records that go out do so at once.
A crash replays what was not committed; outgoing records have ids that are the same when they are made again, and the
core skips offsets that its state has seen. The state says itself up to where it counts (`SETTLED`), and reading begins
there where that is before the committed offset: so state that is older than it should be, whatever made it so, costs
time and nothing else. Only where somebody moved that offset by hand, past what nobody can read, his word counts.

Invariant: what `save` writes is the state after exactly those records whose offset it reports as done, and all that
came of them is acknowledged. So a step or a save that fails is the partition's last.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

import msgspec
from faust.types import TP

from monitor.runtime.kafka.broker.fetched import Record
from monitor.runtime.kafka.cluster.floods import Flood
from monitor.runtime.kafka.cluster.notes import NOTHING, Committed
from monitor.runtime.kafka.cluster.store import Generation
from monitor.runtime.kafka.microbatch import Batch, MicroBatchConsumer
from monitor.runtime.kafka.saving.changelog import StateTable
from monitor.runtime.parts import Entry
from schemas.event import BadEvent

_log = logging.getLogger(__name__)

PENDING_RECORDS = 200_000
"""Records stepped and not yet durable, per partition. At the bound the partition waits for its save."""

SAVE_RATIO = 400
"""Between two saves lies so many times the CPU time that the last one took: each rewrites whatever was touched since,
so under load, when every agent is, saves that are rarer do less."""

LONGEST_SAVE_SECONDS = 4.0
"""But no longer: a crash replays what was not saved, and takeover is promised in 15 s, the group's session included."""


SETTLED = "settled"
"""The last entry of a save: the offset up to which the entries before it count."""
_SETTLED_VERSION = 1


class Outgoing(NamedTuple):
    """A record that a core wants written. `partition` None: by the key, as Kafka's own clients do."""

    topic: str
    value: bytes | None
    key: bytes | None = None
    partition: int | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


class Core(Protocol):
    """The pure part of a partition."""

    def step(self, records: Sequence[Record]) -> Sequence[Outgoing]:
        """Records in order → what to write. Never raises on what a record holds."""

    def counted(self) -> Counter[str]:
        """What came of records, by metric name, since the start."""

    def settled(self) -> int:
        """The last offset that `changes` accounts for; -1 before the first. Later records come again after a crash."""

    def changes(self) -> Sequence[Entry]:
        """Entries that changed since the last call, in the order in which they must become durable."""

    def load(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """What was saved, before the first step."""


class LetterParts(NamedTuple):
    """How dead letters are made: `dead_letter` and `encode` of `monitor.intake.dead_letters`."""

    make: Callable[..., Any]
    encode: Callable[[Any], bytes]


class Letters:
    """Dead letters of one partition: each says topic, partition, offset and reason."""

    def __init__(self, parts: LetterParts, destination: str, topic: str, partition: int) -> None:
        self.counts: Counter[str] = Counter()
        self._parts = parts
        self._destination = destination
        self._place = f"kafka:{topic}/{partition}"

    def source(self, record: Record) -> str:
        """Where a record stands, as a dead letter says it."""
        return f"{self._place}@{record.offset}"

    def of(self, record: Record, error: BadEvent) -> Outgoing:
        """The letter for a record that could not be read at all."""
        made = self._parts.make(record.value or b"", error, time=record.time, source=self.source(record))
        return self.sent(made)

    def sent(self, letter: Any) -> Outgoing:
        """A letter that the intake made."""
        self.counts[f"dead_letters:{letter.reason}"] += 1
        return Outgoing(self._destination, self._parts.encode(letter))


class Watermark:
    """The last offset that is in a core's state, for cores that do not keep it themselves, and the last tick's time."""

    KEY = "offset"
    _VERSION = 1

    def __init__(self) -> None:
        self.offset = -1
        self.now = 0.0

    def entry(self) -> Entry:
        """To be the last entry of a save."""
        return self.KEY, msgspec.msgpack.encode((self._VERSION, self.offset, self.now))

    def load(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """Take it up from the entries of the partition."""
        for key, value in entries:
            if key == self.KEY:
                version, self.offset, self.now = msgspec.msgpack.decode(value, type=tuple[int, int, float])
                if version != self._VERSION:
                    raise ValueError(f"{key}: state of version {version}; this monitor reads {self._VERSION}")


class PartitionWorker:
    """Drives one core over one partition. `crash` ends the whole worker: the broker refused what must not be lost.

    `letters`: the topic of the dead letters, which `flood` counts. `loaded`: the core has its state already.
    `skipped`: records past which somebody has moved the `committed` offset by hand.
    """

    def __init__(
        self,
        tp: TP,
        core: Core,
        *,
        table: StateTable | None,
        producer: Any,
        consumer: MicroBatchConsumer,
        save_seconds: float,
        flood: Flood,
        letters: str,
        crash: Callable[[BaseException], Awaitable[None]],
        saved: Callable[[], None] | None = None,
        loaded: bool = False,
        committed: Committed = NOTHING,
        generation: Generation = (0,),
    ) -> None:
        self.tp = tp
        self.core = core
        self._table = table
        self._producer = producer
        self._consumer = consumer
        self._save_seconds = save_seconds
        self._flood = flood
        self._letters = letters
        self._crash = crash
        self._saved = saved
        self._unsaved: list[Awaitable[Any]] = []
        self._unwritten: list[Entry] = []
        """What the core gave to be saved, until it is written: it gives each change once."""
        self._epoch: int | None = None
        self._pending = 0
        self._cost = 0.0
        """CPU seconds that the last save took to make what it writes."""
        self._wake = asyncio.Event()
        self._stepping = asyncio.Lock()
        self._saving = asyncio.Lock()
        self._saver: asyncio.Task[None] | None = None
        self._stopped = False
        self._broken = False
        """Whether a step or a save failed: the core may be ahead of what was sent, so nothing more is saved."""
        self._generation = generation
        self.skipped = 0
        if table is not None:
            entries = table.entries(tp.partition)
            begin = None if loaded else _after(entries)
            if begin is not None and committed.moved:
                self.skipped = max(0, (committed.offset or 0) - begin)
            if not self.skipped:
                flood.load(entries)
            if not loaded:
                core.load([entry for entry in entries if entry[0] not in (Flood.KEY, SETTLED)])
            if self.skipped:
                said = "kafka: the offset of %s/%d was moved by hand: %d records from %d on are skipped"
                _log.warning(said, *tp, self.skipped, begin)
            elif begin is not None:
                consumer.read_from(tp, begin)

    def start(self) -> None:
        """Begin to save in the background."""
        self._saver = asyncio.create_task(self._save_forever(), name=f"save {self.tp.topic}/{self.tp.partition}")

    async def take(self, batch: Batch) -> None:
        """Step the records of a batch and send what comes of it; durable later, or on return where nothing may wait.

        Raises `DeadLetterFlood`.
        """
        if batch.epoch != self._consumer.epoch:
            return  # the partitions moved: these records come again
        async with self._stepping:
            if self._stopped or self._broken:
                return  # it comes again, to whoever has the partition then
            try:
                await self._step(batch)
            except BaseException:
                self._broken = True
                raise
        if self._save_seconds == 0.0 or self._pending >= PENDING_RECORDS or self._flood.rising:
            await self.save()
        else:
            self._wake.set()

    async def save(self) -> bool:
        """Make all steps so far durable and let their offset be committed. Raises what the broker answers.

        False where another worker may have the partition: nothing is committed, and what was to be written stands
        before the next save's entries, as it does after a save that was cancelled. False for good once a step or a save
        has failed: the worker ends, and what is not durable comes again.
        """
        async with self._saving:
            try:
                if not await self._save():
                    return False
            except Exception:
                self._broken = True
                raise
        if self._saved is not None:
            self._saved()
        return True

    async def stop(self, *, save: bool) -> bool:
        """End; with `save`, what was stepped is made durable first. Whether it is."""
        async with self._stepping:
            self._stopped = True
        saver, self._saver = self._saver, None
        if saver is not None:
            async with self._saving:  # a save cut in two would lose what it had taken from the core
                saver.cancel()
            await asyncio.gather(saver, return_exceptions=True)
        return await self.save() if save else False

    async def _step(self, batch: Batch) -> None:
        outgoing = self.core.step(batch.records)
        unread = [out.value for out in outgoing if out.topic == self._letters]
        pieces = max(len(batch.records), len(outgoing))  # a record may hold many, each forwarded or a letter
        self._flood.took(pieces, unread, batch.records[0].offset)
        for topic, value, key, partition, headers in outgoing:
            sent = await self._producer.send(topic, key, value, partition, None, list(headers) or None)
            self._unsaved.append(sent)
        self._epoch = batch.epoch
        self._pending += len(batch.records)

    async def _save(self) -> bool:
        async with self._stepping:
            if self._broken:
                return False
            settled, epoch = self.core.settled(), self._epoch
            unsaved = self._unsaved.copy()
            self._pending = 0
            begun = time.thread_time()
            if self._table is not None:
                self._unwritten += [*self.core.changes(), *self._flood.changes()]
                if settled >= 0:
                    self._unwritten.append((SETTLED, msgspec.msgpack.encode((_SETTLED_VERSION, settled))))
            note = self._flood.note() if self._table is None else ""
            self._cost = time.thread_time() - begun
        if unsaved:
            await asyncio.shield(asyncio.gather(*unsaved))
            del self._unsaved[: len(unsaved)]
        if not await self._consumer.leased(self._consumer.epoch if epoch is None else epoch):
            return False  # what was stepped since the last save comes again, where the partition is now
        if self._table is not None:
            still = partial(self._consumer.leased, self._consumer.epoch)
            if not await self._table.write(self.tp.partition, self._unwritten, still, self._generation):
                return False
            self._unwritten = []
        if settled >= 0 and epoch is not None:
            self._consumer.done(self.tp, settled, epoch, note)
        return True

    async def _save_forever(self) -> None:
        try:
            while True:
                await self._wake.wait()
                await asyncio.sleep(pause_seconds(self._save_seconds, self._cost))
                self._wake.clear()
                await self.save()
        except asyncio.CancelledError:
            raise
        except Exception as error:
            await self._crash(error)


def pause_seconds(wanted: float, cost: float) -> float:
    """Seconds before the next save where it should come after `wanted`, and the last took `cost` of CPU time."""
    return max(wanted, min(cost * SAVE_RATIO, LONGEST_SAVE_SECONDS))


def _after(entries: Iterable[tuple[str, bytes]]) -> int | None:
    """The offset after those that the state counts; 0 where there is no state, None where it does not say (older)."""
    found = dict(entries)
    if SETTLED not in found:
        return None if found else 0
    version, settled = msgspec.msgpack.decode(found[SETTLED], type=tuple[int, int])
    if version != _SETTLED_VERSION:
        raise ValueError(f"{SETTLED}: state of version {version}; this monitor reads {_SETTLED_VERSION}")
    return settled + 1
