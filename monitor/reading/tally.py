"""One walk over a text: how many characters of each class it has, and the hashed sums of its trigrams and words.

Compiled, a walk is faster than a dozen calls of numpy up to some thousand characters; `monitor.reading.shape` takes
numpy beyond, and where this runs interpreted. Both give the same numbers (a property test). Hashes are 32 bits wide:
each product is taken in two halves, so that no step leaves 64 bits.
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
        code = _code(text, at, step)
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
    one = _code(text, 0, step)
    two = _code(text, step, step)
    at: i64 = 2 * step
    while at < end:
        three = _code(text, at, step)
        bins[_place(_times(one, _A) + _times(two, _B) + _times(three, _C), shift)] += 1
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
