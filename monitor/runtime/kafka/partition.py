"""One partition of one topic in work: step, send, save, commit.

The core is pure and knows nothing of Kafka; here is the order in which its results become durable:

    outgoing records acknowledged by the broker → state entries (the naming one last) → the offset may be committed

Steps do not wait for any of it: results are gathered and made durable together, at most `save_seconds` later, so that
speed does not depend on round trips. A crash replays what was not committed; outgoing records have ids that are the
same when they are made again, and the core skips offsets that its state has seen.

Invariant: what `save` writes is the state after exactly those records whose offset it reports as done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

from faust.types import TP

from monitor.runtime.kafka.microbatch import Batch, MicroBatchConsumer, Record
from monitor.runtime.kafka.state import Entry, StateTable

PENDING_RECORDS = 200_000
"""Records stepped and not yet durable, per partition. At the bound the partition waits for its save."""


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

    def changes(self) -> Sequence[Entry]:
        """Entries that changed since the last call, in the order in which they must become durable."""

    def load(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """What was saved, before the first step."""


class PartitionWorker:
    """Drives one core over one partition. `crash` ends the whole worker: the broker refused what must not be lost."""

    def __init__(
        self,
        tp: TP,
        core: Core,
        *,
        table: StateTable | None,
        producer: Any,
        consumer: MicroBatchConsumer,
        save_seconds: float,
        crash: Callable[[BaseException], Awaitable[None]],
        saved: Callable[[TP], None] | None = None,
    ) -> None:
        self.tp = tp
        self.core = core
        self._table = table
        self._producer = producer
        self._consumer = consumer
        self._save_seconds = save_seconds
        self._crash = crash
        self._saved = saved
        self._unsaved: list[Awaitable[Any]] = []
        self._stepped: tuple[int, int] | None = None
        self._pending = 0
        self._wake = asyncio.Event()
        self._stepping = asyncio.Lock()
        self._saving_now = asyncio.Lock()
        self._saver: asyncio.Task[None] | None = None
        if table is not None:
            core.load(table.entries(tp.partition))

    def start(self) -> None:
        """Begin to save in the background."""
        self._saver = asyncio.create_task(self._save_forever(), name=f"save {self.tp.topic}/{self.tp.partition}")

    async def take(self, batch: Batch) -> None:
        """Step the records of a batch and send what comes of it; returns before that is durable."""
        if batch.epoch != self._consumer.epoch:
            return  # the partitions moved: these records come again
        records = batch.records
        async with self._stepping:
            for topic, value, key, partition, headers in self.core.step(records):
                sent = await self._producer.send(topic, key, value, partition, None, headers or None)
                self._unsaved.append(sent)
            self._stepped = (records[-1].offset, batch.epoch)
            self._pending += len(records)
        self._wake.set()
        if self._pending >= PENDING_RECORDS:
            await self.save()

    async def save(self) -> None:
        """Make all steps so far durable and let their offset be committed. Raises what the broker answers."""
        async with self._saving_now:
            async with self._stepping:
                stepped, self._stepped = self._stepped, None
                if stepped is None:
                    return
                unsaved, self._unsaved = self._unsaved, []
                self._pending = 0
                entries = self.core.changes() if self._table is not None else ()
            if unsaved:
                await asyncio.gather(*unsaved)
            if self._table is not None:
                await self._table.write(self.tp.partition, entries)
            self._consumer.done(self.tp, *stepped)
        if self._saved is not None:
            self._saved(self.tp)

    async def stop(self, *, save: bool) -> None:
        """End; with `save`, what was stepped is made durable first."""
        saver, self._saver = self._saver, None
        if saver is not None:
            async with self._saving_now:  # a save cut in two would lose what it had taken from the core
                saver.cancel()
            await asyncio.gather(saver, return_exceptions=True)
        if save:
            await self.save()

    async def _save_forever(self) -> None:
        try:
            while True:
                await self._wake.wait()
                await asyncio.sleep(self._save_seconds)
                self._wake.clear()
                await self.save()
        except asyncio.CancelledError:
            raise
        except Exception as error:
            await self._crash(error)
