"""Values too large for one record of a changelog: cut into parts when they are written, put together when read.

A cut value is its parts, each a record of its own, and behind them a record that names them. Every writing numbers its
parts anew, so those of the value before stay as they are until the new name is there; only then they are deleted. A
crash in between leaves the old value whole and parts that nobody names; those go with the next write.

Pure. Owner: the table, one `Parts` per partition. Bound: the large values that its cores keep. Invariant: what a key
holds is what its name says, and where it has none, the record under the key itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from monitor.runtime.kafka.topics import MESSAGE_BYTES

PART_BYTES: Final = MESSAGE_BYTES // 4
"""A value that is longer is cut into parts of so many: they fit a record however badly they compress, also where a
broker takes no more than Kafka's default of 1 MB."""

_SEAM: Final = b"\xff"
"""Between a key and what makes it a name or a part. Keys are UTF-8, in which this byte never is."""
_VERSION: Final = 1

_Raw = tuple[bytes, bytes | None]


class PartMissing(Exception):
    """A name without all of its parts: no order of writes leaves that."""


class Parts:
    """The values of one partition that lie in parts."""

    def __init__(self) -> None:
        self._names: dict[bytes, tuple[int, int]] = {}
        """Key → the number of the writing, and how many parts it has."""
        self._latest = 0
        self._left: set[bytes] = set()
        """Records that count no more, of writes that were cut short."""
        self._given: tuple[dict[bytes, tuple[int, int]], set[bytes]] = ({}, set())
        """What `cut` gave last: the names as they are behind it, and its parts."""

    def joined(self, records: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """The entries that all records of the partition make, in no order. Raises `PartMissing`."""
        found: dict[bytes, bytes] = {}
        parts: dict[bytes, bytes] = {}
        names: dict[bytes, tuple[int, int]] = {}
        for record, value in records:
            key, seam, number = record.partition(_SEAM)
            if not seam:
                found[key] = value
            elif number:
                parts[record] = value
                self._latest = max(self._latest, int(number.partition(b".")[0]))
            else:
                names[key] = _named(key, value)
        self._left = names.keys() & found.keys()
        for key, (writing, count) in names.items():
            try:
                found[key] = b"".join([parts.pop(part) for part in _parts(key, writing, count)])
            except KeyError:
                raise PartMissing(f"{key!r}: {count} parts of writing {writing} are not all there") from None
        self._left |= parts.keys()
        self._names, self._given = names, ({}, set())
        return list(found.items())

    def cut(self, entries: Sequence[_Raw]) -> list[_Raw]:
        """The records that stand for entries, in their order; what is left of former writes is deleted behind them."""
        names = dict(self._names)
        records: list[_Raw] = []
        given: set[bytes] = set()
        for key, value in entries:
            before = names.pop(key, None)
            if value is None or len(value) <= PART_BYTES:
                records.append((key, value))
                if before is not None:
                    records.append((key + _SEAM, None))
            else:
                pieces = [value[start : start + PART_BYTES] for start in range(0, len(value), PART_BYTES)]
                self._latest += 1
                names[key] = self._latest, len(pieces)
                keys = _parts(key, *names[key])
                given.update(keys)
                records += zip(keys, pieces, strict=True)
                records.append((key + _SEAM, msgspec.msgpack.encode((_VERSION, *names[key]))))
                if before is None or key in self._left:
                    records.append((key, None))
            if before is not None:
                records += [(part, None) for part in _parts(key, *before)]
        self._left |= self._given[1]  # what was given before and not written
        self._given = names, given
        return [*records, *((key, None) for key in sorted(self._left.difference(key for key, _ in entries)))]

    def written(self) -> None:
        """What `cut` gave last is durable."""
        self._names, self._left, self._given = self._given[0], set(), ({}, set())


def _parts(key: bytes, number: int, count: int) -> list[bytes]:
    return [key + _SEAM + b"%d.%d" % (number, place) for place in range(count)]


def _named(key: bytes, value: bytes) -> tuple[int, int]:
    version, number, count = msgspec.msgpack.decode(value, type=tuple[int, int, int])
    if version != _VERSION:
        raise ValueError(f"{key!r}: parts of version {version}; this monitor reads {_VERSION}")
    return number, count
