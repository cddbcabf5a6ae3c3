"""State in Faust tables: the entries of the cores, by partition.

A table holds entries of all partitions that this worker owns, so the partition stands in front of each key. Values are
opaque bytes. Not here: when to write (`partition`). Invariant: an entry is acknowledged by the broker before the next
group of entries is sent, and the last entry of a write, which names the others, goes alone at the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import faust
from faust.types import TP

Entry = tuple[str, bytes | None]
"""A key of a core and its value; None deletes."""


class StateTable:
    """One Faust table with raw keys and values; `partitions` must be those of the topic beside it."""

    def __init__(self, app: faust.App, name: str, partitions: int) -> None:
        schema: faust.Schema[bytes, bytes] = faust.Schema(
            key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
        )
        self._app = app
        self._table: Any = app.Table(name, partitions=partitions, schema=schema)
        self.topic = str(self._table.changelog_topic.get_topic_name())

    def entries(self, partition: int) -> list[tuple[str, bytes]]:
        """What is stored for the partition, in no order."""
        prefix = _prefix(partition)
        cut = len(prefix)
        return [(key[cut:].decode(), value) for key, value in self._table.data.items() if key.startswith(prefix)]

    async def write(self, partition: int, entries: Sequence[Entry]) -> None:
        """Make the entries durable, the last one last. Raises what the broker answers."""
        if not entries:
            return
        await self._send(partition, entries[:-1])
        await self._send(partition, entries[-1:])

    async def _send(self, partition: int, entries: Iterable[Entry]) -> None:
        prefix = _prefix(partition)
        sent = []
        for name, value in entries:
            key = prefix + name.encode()
            sent.append(await self._app.producer.send(self.topic, key, value, partition, None, None))
            if value is None:
                self._table.data.pop(key, None)
            else:
                self._table.data[key] = value
        if sent:
            acknowledged = await asyncio.gather(*sent)
            self._table.data.set_persisted_offset(TP(self.topic, partition), acknowledged[-1].offset)


def _prefix(partition: int) -> bytes:
    return b"%d/" % partition
