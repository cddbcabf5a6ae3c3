"""One walk over a text: its characters and their classes, its words, and the hashed sums of its trigrams and words.

Compiled, a walk is faster than a dozen calls of numpy up to some thousand characters; `monitor.reading.shape` takes
numpy beyond, and where this runs interpreted. Both give the same numbers (a property test). Hashes are 32 bits wide,
and no step leaves 64.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from librt.vecs import vec
from mypy_extensions import i64

from monitor.reading import characters as chars

_LOW: Final = 0xFFFFFFFF
_A: Final = 2654435761
_B: Final = 2246822519
_C: Final = 3266489917
_TIMES: Final = _A - (1 << 32)
"""`_A` as far as 32 bits go, and small enough that its product with a hash stays within 64."""
_HALVES: Final = 6755399441055744.0
"""1.5 * 2**52: added and taken away again it rounds a smaller number to an integer, halves to the even one."""

MOST: Final = 4_000
"""Characters of a text whose words are walked over."""
SHORT: Final = 3
"""Characters of a short word."""
STEP: Final = 1_000.0
"""Numbers are multiples of 1/STEP, so that a log holds three decimals of them."""
_SLOTS: Final = 4_096
"""More than twice the words of such a text: those of `_Room` are never full."""
_SLOTS_MASK: Final = _SLOTS - 1


def _crc_of(code: int) -> int:
    for _ in range(8):
        code = (code >> 1) ^ (0xEDB88320 if code & 1 else 0)
    return code


_CRC: Final[vec[i64]] = vec[i64]([i64(_crc_of(code)) for code in range(256)])
"""CRC-32 of one byte, as zlib has it (ISO 3309)."""
_FOLDED: Final[vec[i64]] = vec[i64]([i64(48 if 48 <= code <= 57 else code) for code in range(128)])
"""Digits are one character in words and trigrams: a date, a number, an id is told by its form."""
_CLASS: Final[vec[i64]] = vec[i64]([i64(chars.TABLE[code]) for code in range(128)])
_CLASSES: Final = len(chars.CLASSES)
_IN_WORD: Final = 1
_BLANK: Final = 2
_END: Final = 4


def _kind_of(code: int) -> int:
    character = chr(code)
    return _IN_WORD if character.isalnum() else _BLANK if character in " \n" else _END if character in ".?!" else 0


_KIND: Final = 7
_BITS: Final = 3
_READ_AS: Final[vec[i64]] = vec[i64]([i64((_FOLDED[code] << _BITS) + _kind_of(code)) for code in range(128)])
"""What a character of ASCII is to words and sentences (`_KIND`), and above that many bits as `_FOLDED`."""


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


class Walk:
    """What a text is made of. `ascii`: how often it has each character of ASCII, by code. `classes`: each class of
    `characters`. `trigrams`: its sequences of three characters, as `hashed` gives them.
    """

    def __init__(self, ascii: vec[i64], classes: vec[i64], trigrams: list[float], words: Words) -> None:
        self.ascii = ascii
        self.classes = classes
        self.trigrams = trigrams
        self.words = words


def walk(text: bytes, sums: int) -> Walk:
    """What an ASCII text of at most `MOST` characters is made of.

    Its words are what stands between characters other than letters and digits. Two words of the same length and CRC-32
    are taken for the same, and so are those that differ in digits only.
    """
    assert len(text) <= MOST, "its words would not find room"
    _room.mark += 1
    mark: i64 = _room.mark
    marks, keys, order = _room.marks, _room.keys, _room.order
    three_marks, three_keys = _room.three_marks, _room.three_keys
    reads, crcs = _READ_AS, _CRC
    shift: i64 = 33 - _bits(2 * sums)
    low: i64 = _LOW
    end: i64 = len(text)
    found = vec[i64]([i64(0)] * 128)
    trigrams = vec[i64]([i64(0)] * (2 * sums))
    words = vec[i64]([i64(0)] * (2 * sums))
    at: i64 = 0
    count: i64 = 0
    letters: i64 = 0
    short: i64 = 0
    distinct: i64 = 0
    threes: i64 = 0
    ends: i64 = 0
    first: i64 = 0
    last: i64 = 0
    crc: i64 = low
    size: i64 = 0
    ended: i64 = 0
    # the two characters before, and the two words before
    one: i64 = 0
    two: i64 = 0
    word_one: i64 = 0
    word_two: i64 = 0
    while at <= end:
        kind: i64 = 0
        if at < end:
            code: i64 = text[at]
            found[code] += 1
            read: i64 = reads[code]
            kind = read & _KIND
            three: i64 = read >> _BITS
            if at > 1:
                # as `_place(one * _A + two * _B + three * _C, shift)`; compiled code does not make one of the other
                mixed = (one * _A + two * _B + three * _C) & low
                mixed = ((mixed ^ (mixed >> 15)) * _TIMES) & low
                trigrams[mixed >> shift] += 1
            one = two
            two = three
        at += 1
        if kind == _IN_WORD:
            crc = crcs[(crc ^ two) & 255] ^ (crc >> 8)
            size += 1
            ended = 0
            continue
        if kind == _BLANK:
            ends += ended
        ended = 1 if kind == _END else 0
        if size == 0:
            continue
        crc = crc ^ low
        if count == 0:
            first = crc
        last = crc
        count += 1
        letters += size
        if size <= SHORT:
            short += 1
        words[_place(crc, shift)] += 1
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
            key = (word_one << 40) + (word_two << 20) + this
            slot = (key ^ (key >> 15) ^ (key >> 31)) & _SLOTS_MASK
            while three_marks[slot] == mark and three_keys[slot] != key:
                slot = (slot + 1) & _SLOTS_MASK
            if three_marks[slot] != mark:
                three_marks[slot] = mark
                three_keys[slot] = key
                threes += 1
        word_one = word_two
        word_two = this
        crc = low
        size = 0
    return Walk(
        found,
        _classes(found),
        _signed(trigrams, end - 2),
        Words(count, letters, short, distinct, threes, first, last, _signed(words, count), ends),
    )


def walk_wide(text: bytes, sums: int, words: Words) -> Walk:
    """What any text is made of. `text`: code points, each of four bytes, the least first. `words`: its words."""
    table = chars.TABLE
    top: i64 = len(table)
    shift: i64 = 33 - _bits(2 * sums)
    low: i64 = _LOW
    end: i64 = len(text)
    found = vec[i64]([i64(0)] * 128)
    beyond = vec[i64]([i64(0)] * _CLASSES)
    trigrams = vec[i64]([i64(0)] * (2 * sums))
    at: i64 = 0
    one: i64 = 0
    two: i64 = 0
    while at < end:
        code: i64 = text[at]
        second: i64 = text[at + 1]
        third: i64 = text[at + 2]
        code += second * 256 + third * 65536
        three = code
        if code < 128:
            found[code] += 1
            three = _FOLDED[code]
        else:
            kind: i64 = table[code] if code < top else chars.OTHER
            beyond[kind] += 1
        if at > 4:
            # a code point has 24 bits at most, so the products and their sum stay within 64
            mixed = (one * _A + two * _B + three * _C) & low
            mixed = ((mixed ^ (mixed >> 15)) * _TIMES) & low
            trigrams[mixed >> shift] += 1
        one = two
        two = three
        at += 4
    classes = _classes(found)
    kind = 0
    while kind < len(beyond):
        classes[kind] += beyond[kind]
        kind += 1
    return Walk(found, classes, _signed(trigrams, end // 4 - 2), words)


def hashed(hashes: Sequence[int], sums: int) -> list[float]:
    """Hashes of 32 bits as `sums` signed sums over the root of their number."""
    bins = vec[i64]([i64(0)] * (2 * sums))
    shift: i64 = 33 - _bits(2 * sums)
    for each in hashes:
        bins[_place(i64(each), shift)] += 1
    return _signed(bins, len(hashes))


def crc(text: bytes) -> i64:
    """CRC-32 of a few bytes; of many `zlib` is faster."""
    found: i64 = _LOW
    crcs = _CRC
    end: i64 = len(text)
    at: i64 = 0
    while at < end:
        code: i64 = text[at]
        found = crcs[(found ^ code) & 255] ^ (found >> 8)
        at += 1
    return found ^ _LOW


def rounded(value: float) -> float:
    """A value as a multiple of 1/`STEP`, halves to the even one; below 2**51 / `STEP`."""
    return ((value * STEP + _HALVES) - _HALVES) / STEP


def _classes(found: vec[i64]) -> vec[i64]:
    """The classes of characters of ASCII."""
    classes = vec[i64]([i64(0)] * _CLASSES)
    of = _CLASS
    code: i64 = 0
    while code < 128:
        number = found[code]
        if number != 0:
            classes[of[code]] += number
        code += 1
    return classes


def _place(value: i64, shift: i64) -> i64:
    """The top bits of a mixed hash."""
    value = value & _LOW
    return (((value ^ (value >> 15)) * _TIMES) & _LOW) >> shift


def _bits(number: int) -> i64:
    bits: i64 = 0
    left: i64 = number
    while left > 0:
        bits += 1
        left = left >> 1
    return bits


def _signed(bins: vec[i64], size: i64) -> list[float]:
    """The first half of sums less the second, over the root of their number."""
    half: i64 = len(bins) // 2
    if size < 1:
        return [0.0] * half
    root = math.sqrt(float(size))
    return [rounded(float(bins[at] - bins[half + at]) / root) for at in range(half)]
