"""What is remembered of objects and arrays that are alike: their fields and what their values look like.

Calls of one tool mostly differ in what they say alone. The outline of a value is its names and, in turn, what each
value looks like: all that `fields` and `looks` tell of it follows from that. One walk gives the outline, one look-up
the rest.

Invariant: two values with the same outline have the same `fields`, `looks` and volatile names (a property test holds
the one against the other). What is too large or too wide for that has no outline and is read by itself.
"""

from __future__ import annotations

from typing import Any, Final

from mypy_extensions import i64

from monitor.reading.calls import fields, looks
from monitor.reading.calls.fields import ITEMS, WIDE
from monitor.reading.calls.strings import written
from monitor.reading.values import UNREAD
from schemas.texts.derive import holds_volatile

OUTLINES: Final = 2_048
"""Outlines that are remembered. More: all are forgotten."""
ROOM: Final = 1_500
"""Of an outline: the characters of its names, and `VALUE` more for each value. Larger ones are not remembered."""
VALUE: Final = 10
"""With it an outline has fewer values than `looks.VALUES`, so that none was left out."""
REMEMBERED: Final = 400_000
"""Room of all outlines that are remembered. More: all are forgotten."""

_TEXT: Final = fields.fields("")
"""The fields of any text."""


class Told:
    """What follows from an outline. The lists are not to be changed: they are remembered.

    `fields`: None of what could not be read. `looks`: None where there are none. `more_fields`, `more_looks`: whether
    there may be more. `volatile`: whether there are names of `schemas.texts.derive.VOLATILE`.
    """

    def __init__(self, named: list[str] | None, found: list[str], more_looks: bool, volatile: bool) -> None:
        self.fields = named
        self.more_fields = named is not None and len(named) > fields.FIELDS
        self.looks: list[str] | None = found or None
        self.more_looks = more_looks
        self.volatile = volatile


class Outlines:
    """What was told of the outlines that were seen: the same whoever reads, so that all readers share one."""

    def __init__(self) -> None:
        self._told: dict[tuple[Any, ...], Told] = {}
        self.room = 0
        """What the outlines take of `REMEMBERED`."""

    def __len__(self) -> int:
        return len(self._told)

    def told(self, value: Any) -> Told:
        """What there is to tell of a value that was read."""
        parts: list[Any] = []
        left: i64 = 0
        if isinstance(value, dict):
            left = _of_object(value, parts, ROOM, True)
        elif isinstance(value, list):
            parts.append(None)  # stands in an object's outline where names do
            left = _of_items(value, parts, ROOM, True)
        if left <= 0:
            return _tell(value)
        outline = tuple(parts)
        told = self._told.get(outline)
        if told is None:
            told = _tell(value)
            self._remember(outline, told, ROOM - int(left))
        return told

    def _remember(self, outline: tuple[Any, ...], told: Told, room: int) -> None:
        if len(self._told) >= OUTLINES or self.room + room > REMEMBERED:
            self._told.clear()
            self.room = 0
        self._told[outline] = told
        self.room += room


def _tell(value: Any) -> Told:
    found, more = looks.looks(value)
    if isinstance(value, str):
        return Told(_TEXT, found, more, False)
    return Told(None if value is UNREAD else fields.fields(value), found, more, holds_volatile(value))


def _of_object(value: dict[str, Any], parts: list[Any], left: i64, deeper: bool) -> i64:
    """Add name and look of each value in turn; how much room is left, nothing where there was too little."""
    if len(value) > WIDE:
        return 0
    for name, each in value.items():
        left -= VALUE + len(name)
        if left <= 0:
            return 0
        parts.append(name)
        if isinstance(each, str):
            parts.append(written(each))
        elif isinstance(each, dict):
            parts.append("object")
            if deeper:
                left = _of_object(each, parts, left, False)
                parts.append(None)
        elif isinstance(each, list):
            parts.append("array")
            left = _of_items(each, parts, left, deeper)
            parts.append(None)
        else:
            parts.append(_kind(each))
    return left


def _of_items(items: list[Any], parts: list[Any], left: i64, deeper: bool) -> i64:
    """Add the look of each different item, an object's as an outline of its own; returns as `_of_object` does."""
    first: i64 = len(parts)
    for each in items[:ITEMS]:
        left -= VALUE
        if left <= 0:
            return 0
        part: Any = None
        if isinstance(each, str):
            part = written(each)
        elif isinstance(each, dict):
            part = "object"
            if deeper:
                inner: list[Any] = []
                left = _of_object(each, inner, left, False)
                part = tuple(inner)
        elif isinstance(each, list):
            part = "array"
        else:
            part = _kind(each)
        at = first
        while at < len(parts) and parts[at] != part:
            at += 1
        if at == len(parts):
            parts.append(part)
    return left


def _kind(value: Any) -> str:
    """What a value looks like that is neither a string nor a container."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, float):
        return "zero" if value == 0.0 else "negative fraction" if value < 0.0 else "fraction"
    whole: int = value
    return "zero" if whole == 0 else "negative whole" if whole < 0 else "whole"
