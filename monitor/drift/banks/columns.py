"""A stretch of runs channel by channel, read from the bytes in which the runs lie: no object is made for a value.

Not here: what is looked for in a channel (`serial`).

Invariant: what is found is what the unpacked runs say. Where one is written as it is not expected, as versions before
did, nothing is found, and they must be unpacked.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

import msgspec
from librt.strings import read_f64_be
from librt.vecs import vec
from mypy_extensions import i64

from detectors.drift.references import memory
from monitor.drift.banks.packed import DOUBLE, FIELDS, NIL, VALUES

_NAN: Final = math.nan
_SMALL: Final[vec[float]] = vec[float]([float(number) for number in range(128)])
"""The numbers that are their own tag."""


def _size_of(tag: int) -> int:
    if tag < 0x80 or tag >= 0xE0 or tag in (0xC0, 0xC2, 0xC3):
        return 1
    if 0xA0 <= tag < 0xC0:
        return tag - 0xA0 + 1
    return {0xCC: 2, 0xCD: 3, 0xCE: 5, 0xCF: 9, 0xD0: 2, 0xD1: 3, 0xD2: 5, 0xD3: 9, DOUBLE: 9}.get(tag, 0)


_SIZES: Final[vec[i64]] = vec[i64]([i64(_size_of(tag)) for tag in range(256)])
"""Bytes of a value with its tag; 0 where they are told behind that."""
_TEXT: Final = 0
_WHOLE: Final = 1
_MAP: Final = 2
_OTHER: Final = 3


def _kind_of(tag: int) -> int:
    if 0xA0 <= tag < 0xC0 or tag in (0xD9, 0xDA, 0xDB):
        return _TEXT
    if 0x80 <= tag < 0x90 or tag in (0xDE, 0xDF):
        return _MAP
    return _WHOLE if tag >= 0xE0 or 0xCC <= tag <= 0xD3 else _OTHER


_KINDS: Final[vec[i64]] = vec[i64]([i64(_kind_of(tag)) for tag in range(256)])


class Columns:
    """Working memory of one look, for runs of as many channels. `told`: of each channel, the runs that say something
    of it; `same`: those that say the same as the first of them."""

    def __init__(self, width: int, runs: int, worded: Iterable[int]) -> None:
        """`runs`: at most so many; `worded`: channels whose words are written by their place."""
        self.width = width
        self.told = memory.indices([0] * width)
        self.same = memory.indices([0] * width)
        self._first = memory.filled(width, 0.0)
        self._texts = memory.indices([0] * width)
        """Of those that say something, the runs with a text or a map."""
        self._cells = memory.filled(width * runs, 0.0)
        """Run by run: the number, or that of the value in `_values`; NaN where nothing is said."""
        self._most = runs
        self._runs = 0
        self._worded = memory.indices([0] * width)
        for position in worded:
            self._worded[position] = 1
        self._before = [b""] * width
        """The text or the map that the first of them has, as it is written."""
        self._written: dict[bytes, int] = {}
        """Texts and maps as they are written, by the number of their value."""
        self._numbers: dict[object, int] = {}
        self._values: list[str | dict[str, float]] = []
        """By number."""

    def read(self, packed: list[bytes]) -> bool:
        """Take up the runs; False where one is written as it is not expected."""
        for position in range(self.width):
            self.told[position] = self.same[position] = self._texts[position] = 0
        self._runs = len(packed)
        self._values.clear()
        found = len(packed) <= self._most
        for run, raw in enumerate(packed):
            found = found and self._read_run(raw, run)
        for position in range(self.width):
            found = found and self._texts[position] in (0, self.told[position])
        self._written.clear()
        self._numbers.clear()
        return found

    def is_of_numbers(self, position: i64) -> bool:
        """Whether a channel's values are numbers, not names."""
        return self._texts[position] == 0 and self._worded[position] == 0

    def numbers(self, position: i64) -> vec[float]:
        """The numbers of a channel that has numbers, of the runs that say something."""
        found = memory.filled(int(self.told[position]), 0.0)
        cells = self._cells
        width: i64 = self.width
        end: i64 = self._runs * width
        at: i64 = position
        to: i64 = 0
        while at < end:
            number = cells[at]
            if number == number:
                found[to] = number
                to += 1
            at += width
        return found

    def kinds(self, position: i64) -> vec[i64]:
        """The same of one that has names: a small number for each, alike where the name is. The name of a text is
        itself, of a map those that are in it."""
        numbers = self.numbers(position)
        found = memory.indices([0] * len(numbers))
        kinds: dict[int, int] = {}
        names: dict[str, int] = {}
        worded = self._worded[position] != 0
        for at in range(len(numbers)):
            number = int(numbers[at])
            kind = kinds.get(number)
            if kind is None:
                if worded:
                    kind = len(kinds)
                else:
                    value = self._values[number]
                    name = value if isinstance(value, str) else "\0".join(sorted(value))
                    kind = names.setdefault(name, len(names))
                kinds[number] = kind
            found[at] = kind
        return found

    # -- inner

    def _read_run(self, raw: bytes, run: i64) -> bool:
        small, sizes, kinds = _SMALL, _SIZES, _KINDS
        told, same, first, cells = self.told, self.same, self._first, self._cells
        at: i64 = 1
        for _ in range(VALUES):
            at = _end(raw, at)
            if at < 0:
                return False
        size: i64 = raw[at]
        if size == 0xDC:
            size = raw[at + 1] << 8 | raw[at + 2]
            at += 3
        elif FIELDS <= size < FIELDS + 16:
            size -= FIELDS
            at += 1
        else:
            return False
        width: i64 = self.width
        if size > width:
            return False
        cell: i64 = run * width
        position: i64 = 0
        while position < size:
            tag: i64 = raw[at]
            if tag < 0x80:
                number = small[tag]
                at += 1
            elif tag == DOUBLE:
                number = read_f64_be(raw, at + 1)
                if number != number:
                    return False
                at += 9
            elif tag == NIL:
                cells[cell + position] = _NAN
                at += 1
                position += 1
                continue
            elif kinds[tag] == _WHOLE:
                number = _whole(raw, at, tag)
                at += sizes[tag]
            else:
                end = _end(raw, at)
                if end < 0 or kinds[tag] == _OTHER or self._worded[position]:
                    return False
                written = raw[at:end]
                if self._texts[position] == 0:
                    self._before[position] = written
                    number = self._number_of(written)
                else:
                    number = first[position] if written == self._before[position] else self._number_of(written)
                self._texts[position] += 1
                at = end
            cells[cell + position] = number
            count: i64 = told[position]
            if count == 0:
                first[position] = number
                same[position] = 1
            elif number == first[position]:
                same[position] += 1
            told[position] = count + 1
            position += 1
        while position < width:
            cells[cell + position] = _NAN
            position += 1
        return True

    def _number_of(self, written: bytes) -> float:
        """The number of a text or a map."""
        found = self._written.get(written)
        if found is None:
            value: str | dict[str, float] = _read(written)
            values = self._values
            # the same map may be written in another order
            found = self._numbers.setdefault(
                frozenset(value.items()) if isinstance(value, dict) else value, len(values)
            )
            if found == len(values):
                values.append(value)
            self._written[written] = found
        return float(found)


_read: Final = msgspec.msgpack.Decoder(str | dict[str, float]).decode


def _end(raw: bytes, at: i64) -> i64:
    """Where a value ends; negative where it is one that no run has there."""
    tag: i64 = raw[at]
    size: i64 = _SIZES[tag]
    if size:
        return at + size
    if tag == 0xD9:
        return at + 2 + raw[at + 1]
    if tag == 0xDA:
        return at + 3 + (raw[at + 1] << 8 | raw[at + 2])
    parts: i64 = -1
    if 0x80 <= tag < 0x90:
        parts = tag - 0x80
        at += 1
    elif tag == 0xDE:
        parts = raw[at + 1] << 8 | raw[at + 2]
        at += 3
    if parts < 0:
        return -1
    parts += parts
    while parts and at >= 0:
        at = _end(raw, at)
        parts -= 1
    return at


def _whole(raw: bytes, at: i64, tag: i64) -> float:
    """An integer with a tag of its own."""
    number: i64 = tag - 256
    if tag < 0xE0:
        number = 0
        end: i64 = at + _SIZES[tag]
        at += 1
        if tag >= 0xD0 and raw[at] >= 0x80:
            number = -1
        while at < end:
            number = number << 8 | raw[at]
            at += 1
    return float(number)
