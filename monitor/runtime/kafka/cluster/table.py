"""A Faust table on a store of ours: in memory, or on disk where the app has a `state_folder`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Iterator
from typing import Any, cast

import faust
from faust.types import TP

from monitor.runtime.kafka.cluster.disk import DiskStore
from monitor.runtime.kafka.cluster.store import PartitionStore


class PartitionTable(faust.Table[bytes, bytes]):
    """Its data is a `PartitionStore`. What that raises ends the worker: Faust's recovery would log it, and try again
    for ever."""

    _ending: asyncio.Task[None] | None = None

    def apply_changelog_batch(self, batch: Iterable[Any]) -> None:
        """Take up records of the changelog."""
        with self._crashing():
            super().apply_changelog_batch(batch)

    def persisted_offset(self, tp: TP) -> int | None:
        """Up to where the changelog is held."""
        with self._crashing():
            return super().persisted_offset(tp)

    def _new_store(self) -> Any:
        folder = cast(Any, self.app).state_folder
        if folder is None:
            return PartitionStore("memory:", self.app, self, table_name=self.name, loop=self.loop)
        return DiskStore("rocksdb:", self.app, self, table_name=self.name, loop=self.loop, folder=folder / self.name)

    @contextlib.contextmanager
    def _crashing(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self._ending = asyncio.get_running_loop().create_task(self.app.crash(error))
            raise
