"""A dictionary of values that knows what changed since it was last asked: what the parts of the router are kept in.

Each value is one entry of the state, a version byte and msgpack. Invariant: `load` of everything that `changes` ever
gave, the last of each key, gives the same dictionary.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

import msgspec

Value = TypeVar("Value")
VERSION = b"\x01"


class Entries(Generic[Value]):
    """Values by key, in the order of their keys' coming. `prefix` begins every entry's name."""

    def __init__(self, prefix: str, kind: type[Value]) -> None:
        self._prefix = prefix
        self._decoder = msgspec.msgpack.Decoder(kind)
        self._values: dict[str, Value] = {}
        self._changed: dict[str, None] = {}

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[Value]:
        return iter(self._values.values())

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def get(self, key: str) -> Value | None:
        """The value of a key."""
        return self._values.get(key)

    def items(self) -> list[tuple[str, Value]]:
        """Keys and values as they are now."""
        return list(self._values.items())

    def put(self, key: str, value: Value) -> None:
        """Set or replace a value; also to say that it changed in itself."""
        self._values[key] = value
        self._changed[key] = None

    def drop(self, key: str) -> None:
        """Forget a key, if it is known."""
        if self._values.pop(key, None) is not None:
            self._changed[key] = None

    def clear(self) -> None:
        """Forget all keys."""
        for key in list(self._values):
            self.drop(key)

    def changes(self) -> list[tuple[str, bytes | None]]:
        """Entries that changed since the last call; None deletes."""
        out: list[tuple[str, bytes | None]] = []
        for key in self._changed:
            value = self._values.get(key)
            out.append((self._prefix + key, None if value is None else VERSION + msgspec.msgpack.encode(value)))
        self._changed.clear()
        return out

    def load(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """Take up what `changes` gave; others' entries are ignored. Raises `ValueError` on an unknown version."""
        for key, raw in sorted(entries):
            if not key.startswith(self._prefix):
                continue
            if raw[:1] != VERSION:
                raise ValueError(f"{self._prefix} entry of unknown version {raw[:1]!r}")
            self._values[key.removeprefix(self._prefix)] = self._decoder.decode(raw[1:])
