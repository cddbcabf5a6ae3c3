"""Packed arrays of a bank: what is stepped for every run lies in `vec`, which compiled code reads as C arrays.

Numpy looks at one through `view` where runs are many and steps are few; a view cannot be written. Invariant: nothing
else holds a view while its array is replaced.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, cast

import numpy as np
from librt.vecs import vec
from mypy_extensions import i64, u8
from numpy.typing import NDArray

SMALLEST: Final = 1e-37
LARGEST: Final = 3e38
_SPLIT: Final = 536_870_913.0  # 2 ** 29 + 1


def rounded(value: float) -> float:
    """The value with a mantissa of 24 bits, so that it survives 32 bits of memory unchanged (Veltkamp's splitting).

    Smaller than `SMALLEST`: zero. Larger than `LARGEST`: that.
    """
    if -SMALLEST < value < SMALLEST:
        return 0.0
    if value > LARGEST:
        value = LARGEST
    elif value < -LARGEST:
        value = -LARGEST
    c = value * _SPLIT
    return c - (c - value)


def floats(values: Iterable[float]) -> vec[float]:
    """A packed array of floats."""
    return vec[float](values)


def filled(size: int, value: float) -> vec[float]:
    """`size` times the same float."""
    return vec[float]([value] * size)


def filled_bytes(size: int, value: int) -> vec[u8]:
    """`size` times the same small integer."""
    return vec[u8]([u8(value)] * size)


def bytes_of(values: bytes) -> vec[u8]:
    """A packed array of the small integers of these bytes."""
    return vec[u8]([u8(value) for value in values])


def to_bytes(values: vec[u8]) -> bytes:
    """The small integers as bytes."""
    return bytes(cast(Any, values)) if len(values) else b""


def indices(values: Iterable[int]) -> vec[i64]:
    """A packed array of integers."""
    return vec[i64]([i64(value) for value in values])


def view(values: vec[float]) -> NDArray[np.float64]:
    """What lies in a packed array, to be read."""
    return np.frombuffer(cast(Any, values), dtype=np.float64) if len(values) else np.zeros(0)


def view_bytes(values: vec[u8]) -> NDArray[np.uint8]:
    """The same of small integers."""
    return np.frombuffer(cast(Any, values), dtype=np.uint8) if len(values) else np.zeros(0, dtype=np.uint8)


def view_indices(values: vec[i64]) -> NDArray[np.int64]:
    """The same of integers."""
    return np.frombuffer(cast(Any, values), dtype=np.int64) if len(values) else np.zeros(0, dtype=np.int64)


def follow(array: NDArray[np.float64], moved: NDArray[np.intp], filling: float) -> NDArray[np.float64]:
    """The rows of `array` in their new places; rows that are new are `filling`."""
    found = np.full((len(moved), *array.shape[1:]), filling)
    old = moved >= 0
    found[old] = array[moved[old]]
    return found
