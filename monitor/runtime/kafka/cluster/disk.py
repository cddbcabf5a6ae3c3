"""The state that a worker holds on disk, in RocksDB: not in memory a second time, and not read anew after a restart.

One database per partition of a changelog. Each write is one batch: entries, the offset up to which they are complete,
the generation, the stale keys. So a crash between any two steps leaves a whole state, an older one at worst, and the
recovery reads on from its offset.

Owner: the worker, alone (RocksDB locks a database). Bound: the partitions that are assigned or stood by for; others are
destroyed when a recovery completes. One that was written last `OLD_SECONDS` ago is destroyed as well: compaction may
have forgotten the tombstones of what it still holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, cast

import msgspec
from faust.types import TP
from rocksdict import Options, Rdict, WriteBatch

from monitor.runtime.clock import SteadyClock
from monitor.runtime.kafka.cluster.store import PartitionStore

OLD_SECONDS: Final = 12 * 3600.0
"""Half of Kafka's default `delete.retention.ms`."""
_META: Final = b"\0meta"
"""No entry has this key: theirs begin with the number of the partition."""
_VERSION: Final = 1


class StateInUse(Exception):
    """A database cannot be opened, mostly because another worker has it."""


class _Meta(msgspec.Struct, array_like=True):
    """What is known beside the entries. `written`: when it was written last, epoch seconds. `since`: the numbers of the
    generation behind its first."""

    version: int
    offset: int
    generation: int
    stale: list[bytes]
    written: float
    since: list[int] = []


class Shelf:
    """The database of one partition."""

    def __init__(self, path: Path) -> None:
        self.path = path
        options = Options(raw_mode=True)
        options.create_if_missing(True)
        options.set_keep_log_file_num(2)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._db = Rdict(str(path), options)
        except Exception as error:
            raise StateInUse(
                f"{path} cannot be opened: {error}. Does another worker use it? Each needs a `runtime.directory` of "
                f"its own. If not, remove it: what it holds is read from Kafka again"
            ) from error

    def value(self, key: bytes) -> bytes | None:
        """What is held under a key."""
        return cast("bytes | None", self._db.get(key))

    def pairs(self) -> Iterator[tuple[bytes, bytes]]:
        """Entries in one walk."""
        return ((key, value) for key, value in cast("Iterator[tuple[bytes, bytes]]", self._db.items()) if key != _META)

    def meta(self) -> _Meta | None:
        """What was written with the entries; None where that is nothing, or of another version of ours."""
        raw = self.value(_META)
        try:
            meta = msgspec.msgpack.decode(raw or b"", type=_Meta)
        except msgspec.DecodeError:
            return None
        return meta if meta.version == _VERSION else None

    def write(self, entries: Mapping[bytes, bytes | None], meta: _Meta) -> None:
        """All of it, or nothing."""
        batch = WriteBatch(raw_mode=True)
        for key, value in entries.items():
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        batch.put(_META, msgspec.msgpack.encode(meta))
        self._db.write(batch)

    def close(self) -> None:
        """Let go of the lock."""
        self._db.close()

    def destroy(self) -> None:
        """Remove it from the disk."""
        self.close()
        Rdict.destroy(str(self.path))


class DiskStore(PartitionStore):
    """A store whose partitions lie in `folder`."""

    def __init__(self, *args: Any, folder: Path, clock: Callable[[], float] | None = None, **kwargs: Any) -> None:
        self._folder = folder
        self._clock = clock or SteadyClock()
        self._shelves: dict[int, Shelf] = {}
        super().__init__(*args, **kwargs)

    def entries(self, partition: int) -> Iterable[tuple[bytes, bytes]]:
        """What is held of a partition."""
        shelf = self._shelves.get(partition)
        return shelf.pairs() if shelf is not None else ()

    def value(self, partition: int, key: bytes) -> bytes | None:
        """What is held under a key."""
        shelf = self._shelves.get(partition)
        return shelf.value(key) if shelf is not None else None

    def persisted_offset(self, tp: TP) -> int | None:
        """Where a recovery may go on: what lies on the disk is looked at when it is first asked for."""
        if tp.topic == self.topic and tp.partition not in self._shelves and self._path(tp.partition).exists():
            self._open(tp)
        return super().persisted_offset(tp)

    async def on_recovery_completed(self, active_tps: set[TP], standby_tps: set[TP]) -> None:
        """Destroy what is neither ours nor stood by for."""
        await super().on_recovery_completed(active_tps, standby_tps)
        kept = {tp.partition for tp in active_tps | standby_tps if tp.topic == self.topic}
        for path in self._folder.glob("[0-9]*"):
            if int(path.name) not in kept:
                shelf = self._shelves.pop(int(path.name), None) or Shelf(path)
                shelf.destroy()

    async def on_stop(self) -> None:
        """Close the databases; they are opened anew when somebody asks."""
        await super().on_stop()
        for partition, shelf in self._shelves.items():
            self._forget(TP(self.topic, partition))
            shelf.close()
        self._shelves.clear()

    def _keep(self, place: TP, entries: Mapping[bytes, bytes | None]) -> None:
        shelf = self._shelves.get(place.partition)
        if shelf is None:
            shelf = self._shelves[place.partition] = Shelf(self._path(place.partition))
        stale = sorted(self.stale.get(place.partition, ()))
        first, *since = self._generations[place]
        shelf.write(entries, _Meta(_VERSION, self._offsets[place], first, stale, self._clock(), since))

    def _open(self, tp: TP) -> None:
        shelf = Shelf(self._path(tp.partition))
        meta = shelf.meta()
        if meta is None or self._clock() - meta.written > OLD_SECONDS:
            shelf.destroy()
            return
        self._shelves[tp.partition] = shelf
        self._offsets[tp], self._generations[tp] = meta.offset, (meta.generation, *meta.since)
        if meta.stale:
            self.stale[tp.partition] = set(meta.stale)

    def _path(self, partition: int) -> Path:
        return self._folder / str(partition)
