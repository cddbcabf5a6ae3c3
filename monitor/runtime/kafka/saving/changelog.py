"""The table behind a partition's state: entries into the changelog in their order, and what of it a worker holds.

Not here: what an entry means, and when it is time to write (`partition`). Invariant: what a crash or a refusal leaves
in the changelog is a beginning of what was to be written; so an entry that names others, written behind them, never
outruns them.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

import faust
from faust.types import TP

from monitor.runtime.kafka.cluster.store import Generation, PartitionStore, after, named
from monitor.runtime.kafka.cluster.table import PartitionTable
from monitor.runtime.kafka.microbatch import MicroBatchSchema
from monitor.runtime.kafka.saving.parts import Parts
from monitor.runtime.parts import Entry

_log = logging.getLogger(__name__)


class StateTable:
    """One table with raw keys and values; `partitions` must be those of the topic beside it."""

    def __init__(self, app: faust.App, name: str, partitions: int) -> None:
        self._app = app
        table: Any = PartitionTable(
            app,
            name=name,
            partitions=partitions,
            schema=MicroBatchSchema(),
            beacon=app.tables.beacon,
            standby_buffer_size=1,  # events are batches already
        )
        app.tables.add(table)
        self._store: PartitionStore = table.data
        self._parts = defaultdict[int, Parts](Parts)
        self.topic = self._store.topic = str(table.changelog_topic.get_topic_name())
        self.healed = 0

    def entries(self, partition: int) -> list[tuple[str, bytes]]:
        """What is stored for the partition, in no order."""
        cut = len(_prefix(partition))
        entries = self._parts[partition].joined(self._store.entries(partition))
        return [(key[cut:].decode(), value) for key, value in entries]

    def offset(self, partition: int) -> int | None:
        """Up to where the changelog is held; None where it holds nothing."""
        return self._store.persisted_offset(TP(self.topic, partition))

    def generation(self, partition: int, generation: int) -> Generation:
        """What we write in this generation of the group: above all that anybody has written to the partition."""
        return after(self._store.generation(TP(self.topic, partition)), generation)

    @property
    def outdated(self) -> int:
        """Records of changelogs that were left out of a recovery: a later owner had written before them."""
        return self._store.outdated

    async def write(
        self,
        partition: int,
        entries: Sequence[Entry],
        still: Callable[[], Awaitable[bool]],
        generation: Generation = (0,),
    ) -> bool:
        """Make the entries durable in their order. Raises what the broker answers; then the worker must end.

        `generation`: what `generation` said when the partition came to us.
        `still`: whether the partition is ours, asked once the broker has them. A write may wait for a broker that is
        away, and others may own the partition by then. False: nothing is written after it, and we do not hold it, for
        what they wrote before it we have not seen; a recovery reads all of that in its order.

        What a crash or a refusal leaves is a beginning of `entries`; those too large for a record go in parts. Offsets
        that are not ours in between are those of a worker that did not know that it had lost the partition: what we
        hold is written again over what it wrote.
        """
        prefix = _prefix(partition)
        place = TP(self.topic, partition)
        before = self._store.persisted_offset(place)
        parts = self._parts[partition]
        keyed = parts.cut([(prefix + name.encode(), value) for name, value in entries])
        if stale := sorted(self._store.stale.get(partition, set()).difference(key for key, _ in keyed)):
            keyed = [*((key, self._store.value(partition, key)) for key in stale), *keyed]
            self.healed += 1
            _log.warning("kafka: a former owner wrote late to %s/%d; what we hold is written over it", *place)
        offsets = await self._send(place, keyed, generation)
        if not await still():
            return False
        if offsets:
            self._store.write(place, dict(keyed), offsets[-1], generation)
        parts.written()
        if before is not None and offsets and offsets[-1] - before > len(offsets):
            self.healed += 1
            _log.warning("kafka: somebody else wrote state of %s/%d; what we hold is written over it", *place)
            healed = list(self._store.entries(partition))
            again = await self._send(place, healed, generation)
            if not await still():
                return False
            self._store.write(place, dict(healed), again[-1], generation)
        return True

    async def _send(
        self, place: TP, entries: Sequence[tuple[bytes, bytes | None]], generation: Generation
    ) -> list[int]:
        """Write entries in their order, and wait; their offsets. In whole batches: one by one each costs 50 µs.

        The next batch is handed over when the broker has the one before: where it refuses one, nothing follows. That
        costs no time, for the producer has one on its way to a partition anyhow.
        """
        producer = cast(Any, self._app.producer)._ensure_producer()
        headers = [named(generation)]
        batches = [producer.create_batch()]
        for key, value in entries:
            if batches[-1].append(timestamp=None, key=key, value=value, headers=headers) is None:
                batches.append(producer.create_batch())
                batches[-1].append(timestamp=None, key=key, value=value, headers=headers)  # the first always has room
        offsets: list[int] = []
        for batch in batches:
            if count := batch.record_count():
                sent = await producer.send_batch(batch, place.topic, partition=place.partition)
                first = (await sent).offset
                offsets += range(first, first + count)
        return offsets


def _prefix(partition: int) -> bytes:
    return b"%d/" % partition
