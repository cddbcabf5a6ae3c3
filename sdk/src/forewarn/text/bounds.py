"""Any Python value → a bounded copy that JSON can hold. Not a serialiser: what does not fit is cut, and said to be.

Invariant: the work and the copy are bounded by `characters` and `VALUES`, whatever comes in (50 MB of text, a cycle, a
`repr` that raises); it never raises; the copy consists of dict, list, str, int, float, bool and None only.
"""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from itertools import islice
from pathlib import PurePath
from typing import Any
from uuid import UUID

from forewarn.text.soft_errors import VERDICTS

TEXT_CHARACTERS = 16_384
"""Characters of one text field (`input`, `output`, `arguments` …). More: cut, counted as `truncated`."""

VALUES = 4_096
"""Values (items, keys with their value) in one text field. More: left out, counted as `truncated`."""

DEPTH = 32
"""Nesting of one text field. Deeper: replaced by a mark, counted as `truncated`."""

_MARK = "…"
_SHOWN_AS_TEXT = (datetime, date, time, Decimal, UUID, PurePath)
_LARGEST = 2**63


def bounded(value: object, characters: int = TEXT_CHARACTERS) -> tuple[object, bool]:
    """The copy, and whether anything was left out.

    The keys by which a tool says that it failed survive a cut: they are copied first then.
    """
    if type(value) is str:  # the commonest by far
        if len(value) <= characters:
            return value, False
        return value[:characters] + _MARK, True
    walk = _Walk(characters)
    copy = walk.copy(value, 0)
    if walk.cut and isinstance(value, dict) and any(name in value for name in VERDICTS):
        first = {name: value[name] for name in VERDICTS if name in value}
        return _Walk(characters).copy({**first, **value}, 0), True
    return copy, walk.cut


class _Walk:
    """One copy under way: what is left of the allowance."""

    __slots__ = ("characters", "cut", "values")

    def __init__(self, characters: int) -> None:
        self.characters = characters
        self.values = VALUES
        self.cut = False

    def copy(self, value: object, depth: int) -> object:
        try:
            return self._copy(value, depth)
        except Exception:  # a repr, an iterator or a property of the agent's own that raises
            self.cut = True
            return f"<unreadable {type(value).__name__[:80]}>"

    def _copy(self, value: object, depth: int) -> object:
        kind = type(value)
        if kind is str:
            return self._text(value)  # type: ignore[arg-type]
        if value is None or kind is bool:
            return value
        if kind is int:
            return value if -_LARGEST <= value < _LARGEST else self._large(value)  # type: ignore[operator, arg-type]
        if kind is float:
            return value if math.isfinite(value) else repr(value)  # type: ignore[arg-type]
        if depth >= DEPTH:
            self.cut = True
            return _MARK
        if isinstance(value, Mapping):
            return self._mapping(value, depth)
        if isinstance(value, (list, tuple, set, frozenset)):
            return self._items(value, depth)
        return self._other(value, depth)

    def _text(self, value: str) -> str:
        length = len(value)
        if length > self.characters:
            value = value[: self.characters] + _MARK
            self.cut = True
            self.characters = 0
        else:
            self.characters -= length
        return value

    def _mapping(self, value: Mapping[Any, Any], depth: int) -> dict[str, object]:
        copy: dict[str, object] = {}
        for key, item in value.items():
            if self._spent():
                break
            copy[self._text(key if type(key) is str else str(key)[:200])] = self.copy(item, depth + 1)
        return copy

    def _items(self, value: Iterable[object], depth: int) -> list[object]:
        copy: list[object] = []
        for item in value:
            if self._spent():
                break
            copy.append(self.copy(item, depth + 1))
        return copy

    def _spent(self) -> bool:
        """Takes one value from the allowance; True, and cut, if there was none left."""
        self.values -= 1
        if self.values < 0 or self.characters <= 0:
            self.cut = True
            return True
        return False

    def _large(self, value: int) -> str:
        if value.bit_length() > 1024:  # longer numbers take their time to become text, and Python refuses the longest
            self.cut = True
            return f"<integer of {value.bit_length()} bits>"
        return self._text(str(value))

    def _other(self, value: object, depth: int) -> object:
        if isinstance(value, enum.Enum):
            return self.copy(value.value, depth + 1)
        if isinstance(value, str):
            return self._text(str.__str__(value))
        if isinstance(value, int):
            return self._copy(int(value), depth)
        if isinstance(value, float):
            return self._copy(float(value), depth)
        if isinstance(value, (bytes, bytearray, memoryview)):
            return f"<{len(value)} bytes>"
        if isinstance(value, _SHOWN_AS_TEXT):
            return self._text(str(value))
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            shown = {each.name: getattr(value, each.name) for each in dataclasses.fields(value) if each.repr}
            return self._mapping(shown, depth)
        if hasattr(type(value), "model_fields"):  # pydantic keeps the fields of a model in its __dict__
            return self._mapping(dict(islice(vars(value).items(), VALUES)), depth)
        return self._text(repr(value))
