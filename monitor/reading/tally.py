"""One walk over a text: how many characters of each class it has, and the hashed sums of its trigrams and words.

Compiled, a walk is faster than a dozen calls of numpy up to some thousand characters; `monitor.reading.shape` takes
numpy beyond, and where this runs interpreted. Both give the same numbers (a property test). Hashes are 32 bits wide:
a product of two is taken in two halves, so that no step leaves 64 bits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from librt.vecs import vec
from mypy_extensions import i64

_LOW: Final = 0xFFFFFFFF
_HALF: Final = 0xFFFF
_A: Final = 2654435761
_B: Final = 2246822519
_C: Final = 3266489917
_HALVES: Final = 6755399441055744.0
"""1.5 * 2**52: added and taken away again it rounds a smaller number to an integer, halves to the even one."""

MOST: Final = 4_000
"""Characters of a text whose words are walked over."""
SHORT: Final = 3
"""Characters of a short word."""
_SLOTS: Final = 4_096
"""More than twice the words of such a text: those of `_Room` are never full."""
_SLOTS_MASK: Final = _SLOTS - 1


def _crc_of(code: int) -> int:
    for _ in range(8):
        code = (code >> 1) ^ (0xEDB88320 if code & 1 else 0)
    return code


_CRC: Final[vec[i64]] = vec[i64]([i64(_crc_of(code)) for code in range(256)])
"""CRC-32 of one byte, as zlib has it (ISO 3309)."""
_IN_WORD: Final[vec[i64]] = vec[i64]([i64(chr(code).isascii() and chr(code).isalnum()) for code in range(256)])
_FOLDED: Final[vec[i64]] = vec[i64]([i64(48 if 48 <= code <= 57 else code) for code in range(256)])
"""Digits are one character in words and trigrams: a date, a number, an id is told by its form."""
_BLANK: Final[vec[i64]] = vec[i64]([i64(code in b" \n") for code in range(256)])
_ENDS: Final[vec[i64]] = vec[i64]([i64(code in b".?!") for code in range(256)])


class _Room:
    """Working memory of one walk; nothing in it outlives that. A slot is in use where its mark is that of the walk."""

    def __init__(self) -> None:
        self.mark = 0
        self.marks = vec[i64]([i64(0)] * _SLOTS)
        self.keys = vec[i64]([i64(0)] * _SLOTS)
        self.order = vec[i64]([i64(0)] * _SLOTS)
        self.three_marks = vec[i64]([i64(0)] * _SLOTS)
        self.three_keys = vec[i64]([i64(0)] * _SLOTS)


_room: Final = _Room()


def classes(text: bytes, width: int, table: bytes, size: int) -> list[int]:
    """How many characters of each class; `table` gives the class of a code point below its length, others have class 0.

    `text`: code points, each of `width` bytes, the least first (1 or 4). `size`: how many classes there are.
    """
    found = vec[i64]([i64(0)] * size)
    at: i64 = 0
    end: i64 = len(text)
    step: i64 = width
    top: i64 = len(table)
    while at < end:
        code: i64 = text[at]
        if step == 4:
            second: i64 = text[at + 1]
            third: i64 = text[at + 2]
            code += second * 256 + third * 65536
        kind: i64 = table[code] if code < top else 0
        found[kind] += 1
        at += step
    return [int(count) for count in found]


def trigrams(text: bytes, width: int, sums: int) -> list[float]:
    """Hashes of each three characters in a row as `sums` signed sums over the root of their number."""
    step: i64 = width
    end: i64 = len(text)
    bins = vec[i64]([i64(0)] * (2 * sums))
    shift: i64 = 33 - _bits(2 * sums)
    size: i64 = end // step - 2
    if size < 1:
        return [0.0] * sums
    # a code point has 24 bits at most, so the products and their sum stay within 64. The loops below say what
    # `_place(one * _A + two * _B + three * _C, shift)` does, for compiled code does not make one of the other
    one = _fold(_code(text, 0, step))
    two = _fold(_code(text, step, step))
    at: i64 = 2 * step
    low: i64 = _LOW
    half: i64 = _HALF
    lower: i64 = _A & _HALF
    upper: i64 = _A >> 16
    a: i64 = _A
    b: i64 = _B
    c: i64 = _C
    while at < end:
        three: i64 = text[at]
        if step == 4:
            second: i64 = text[at + 1]
            third: i64 = text[at + 2]
            three += second * 256 + third * 65536
        if 48 <= three <= 57:
            three = 48
        mixed = (one * a + two * b + three * c) & low
        mixed = mixed ^ (mixed >> 15)
        mixed = (mixed * lower + (((mixed * upper) & half) << 16)) & low
        bins[mixed >> shift] += 1
        one = two
        two = three
        at += step
    return _signed(bins, int(size))


def hashed(hashes: Sequence[int], sums: int) -> list[float]:
    """Hashes of 32 bits as `sums` signed sums over the root of their number."""
    bins = vec[i64]([i64(0)] * (2 * sums))
    shift: i64 = 33 - _bits(2 * sums)
    if not hashes:
        return [0.0] * sums
    for each in hashes:
        bins[_place(i64(each), shift)] += 1
    return _signed(bins, len(hashes))


class Words:
    """What the words of a text are like. `count`, `letters`, `short`: words, their characters, those of at most
    `SHORT` characters. `distinct`: different words. `threes`: different sequences of three words. `first`, `last`: the
    CRC-32 of these. `sums`: as `hashed` gives them. `ends`: ends of sentences with something after them.
    """

    def __init__(
        self, count: int, letters: int, short: int, distinct: int, threes: int, first: int, last: int,
        sums: list[float], ends: int,
    ) -> None:  # fmt: skip
        self.count = count
        self.letters = letters
        self.short = short
        self.distinct = distinct
        self.threes = threes
        self.first = first
        self.last = last
        self.sums = sums
        self.ends = ends


def words(text: bytes, sums: int) -> Words:
    """The words of an ASCII text of at most `MOST` characters: what stands between characters other than letters and
    digits. Two words of the same length and CRC-32 are taken for the same, and so are those that differ in digits only.
    """
    assert len(text) <= MOST, "its words would not find room"
    _room.mark += 1
    mark: i64 = _room.mark
    marks, keys, order = _room.marks, _room.keys, _room.order
    three_marks, three_keys = _room.three_marks, _room.three_keys
    bins = vec[i64]([i64(0)] * (2 * sums))
    shift: i64 = 33 - _bits(2 * sums)
    at: i64 = 0
    end: i64 = len(text)
    count: i64 = 0
    letters: i64 = 0
    short: i64 = 0
    distinct: i64 = 0
    threes: i64 = 0
    first: i64 = 0
    crc: i64 = _LOW
    size: i64 = 0
    one: i64 = 0
    two: i64 = 0
    ends: i64 = 0
    before: i64 = 0
    while at <= end:
        code: i64 = text[at] if at < end else 0
        at += 1
        if _BLANK[code] != 0 and _ENDS[before] != 0:
            ends += 1
        before = code
        if _IN_WORD[code] != 0:
            crc = _CRC[(crc ^ _FOLDED[code]) & 255] ^ (crc >> 8)
            size += 1
            continue
        if size == 0:
            continue
        crc = crc ^ _LOW
        if count == 0:
            first = crc
        last = crc
        count += 1
        letters += size
        if size <= SHORT:
            short += 1
        bins[_place(crc, shift)] += 1
        key: i64 = crc + (size << 32)
        slot: i64 = (crc ^ (crc >> 13)) & _SLOTS_MASK
        while marks[slot] == mark and keys[slot] != key:
            slot = (slot + 1) & _SLOTS_MASK
        if marks[slot] != mark:
            marks[slot] = mark
            keys[slot] = key
            order[slot] = distinct
            distinct += 1
        this: i64 = order[slot]
        if count > 2:
            key = (one << 40) + (two << 20) + this
            slot = (key ^ (key >> 15) ^ (key >> 31)) & _SLOTS_MASK
            while three_marks[slot] == mark and three_keys[slot] != key:
                slot = (slot + 1) & _SLOTS_MASK
            if three_marks[slot] != mark:
                three_marks[slot] = mark
                three_keys[slot] = key
                threes += 1
        one = two
        two = this
        crc = _LOW
        size = 0
    if count == 0:
        return Words(0, 0, 0, 0, 0, 0, 0, [0.0] * sums, int(ends))
    found = _signed(bins, int(count))
    return Words(
        int(count), int(letters), int(short), int(distinct), int(threes), int(first), int(last), found, int(ends)
    )


def rounded(values: list[float], step: float) -> list[float]:
    """Values as multiples of 1/`step`, halves to the even one; below 2**51 / `step`."""
    return [((value * step + _HALVES) - _HALVES) / step for value in values]


def _code(text: bytes, at: i64, width: i64) -> i64:
    code: i64 = text[at]
    if width == 4:
        second: i64 = text[at + 1]
        third: i64 = text[at + 2]
        code += second * 256 + third * 65536
    return code


def _fold(code: i64) -> i64:
    return 48 if 48 <= code <= 57 else code


def _times(value: i64, factor: i64) -> i64:
    """The low 32 bits of a product."""
    return (value * (factor & _HALF) + (((value * (factor >> 16)) & _HALF) << 16)) & _LOW


def _place(value: i64, shift: i64) -> i64:
    """The top bits of a mixed hash."""
    value = value & _LOW
    return _times(value ^ (value >> 15), _A) >> shift


def _bits(number: int) -> i64:
    bits: i64 = 0
    left: i64 = number
    while left > 0:
        bits += 1
        left = left >> 1
    return bits


def _signed(bins: vec[i64], size: int) -> list[float]:
    root = math.sqrt(float(size))
    half = len(bins) // 2
    return [float(bins[at] - bins[half + at]) / root for at in range(half)]
