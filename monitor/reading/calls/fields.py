"""The form of a tool's arguments or result: which fields there are and of what type.

    {"order_id": "A-1", "items": [{"price": 9.5}]}  →  items:array, items[].price:number, order_id:string

Fields of the top and of one level below. What a field holds is not kept. A name that does not look like an identifier
may be data, and so may the names of an object with more than `WIDE` of them: they are written `*`, as are digits.

Not here: the fields of an answer (`monitor.reading.calls.answers`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from schemas import limits

FIELDS: Final = limits.FIELDS_READ - 1
"""Fields that are named, in the order of the alphabet. More: `MORE` stands for the rest."""
MORE: Final = "~more"
WIDE: Final = 40
"""Names of one object that are told apart."""
ITEMS: Final = 20
"""Items of an array whose fields are read."""
NAME_CHARACTERS: Final = 40
"""Longer names are cut."""
NAMES: Final = 4_096
"""Names of at most so many characters of which it is remembered how they are shown."""
OUTLINES: Final = 1_024
"""Outlines of arguments and results whose fields are remembered, for calls of one tool are mostly alike."""
REMEMBERED_PARTS: Final = 300
"""Larger outlines are not remembered."""

_IDENTIFIER = re.compile(r"[@$]?[A-Za-z_][A-Za-z0-9_-]*")
_DIGITS = re.compile(r"[0-9]+")
_TYPES = {str: "string", bool: "boolean", int: "number", float: "number", type(None): "null", dict: "object"}


def fields(value: Any) -> list[str]:
    """`name:type` of each field, sorted, at most `FIELDS` and one `MORE`. Not to be changed: it is remembered."""
    parts: list[Any] = []
    if isinstance(value, dict):
        is_wide = len(value) > WIDE
        for name, inner in value.items():
            below: tuple[Any, ...] = ()
            if isinstance(inner, dict):
                below = _outline(inner)
            elif isinstance(inner, list):
                below = _items(inner)
            parts += ("*" if is_wide else folded(name), type(inner), below)
    elif isinstance(value, list):
        parts += _items(value)
    outline = tuple(parts)
    return (_told if _size(outline) <= REMEMBERED_PARTS else _tell)(type(value), outline)


def folded(name: str) -> str:
    """A name as it may be shown."""
    return _folded(name) if len(name) <= NAME_CHARACTERS else _fold(name)


def _fold(name: str) -> str:
    return _DIGITS.sub("*", name[:NAME_CHARACTERS]) if _IDENTIFIER.fullmatch(name) else "*"


_folded: Callable[[str], str] = lru_cache(maxsize=NAMES)(_fold)


def _tell(kind: Any, parts: tuple[Any, ...]) -> list[str]:
    """The fields of a value by its outline: name, type and what is below in turn, or the items of an array."""
    found: set[str] = set()
    if kind is dict:
        for at in range(0, len(parts), 3):
            name, below = parts[at], parts[at + 2]
            found.add(f"{name}:{_name_of(parts[at + 1])}")
            if parts[at + 1] is dict:
                found.update(_of_outline(name + ".", below))
            elif parts[at + 1] is list:
                found.update(_of_items(name + "[]", below))
    else:
        found.add(f":{_name_of(kind)}")
        found.update(_of_items("[]", parts))
    if len(found) > FIELDS:
        return [*sorted(found)[:FIELDS], MORE]
    return sorted(found)


_told: Callable[[Any, tuple[Any, ...]], list[str]] = lru_cache(maxsize=OUTLINES)(_tell)


def _size(outline: tuple[Any, ...]) -> int:
    """Parts on all levels."""
    size = len(outline)
    for part in outline:
        if isinstance(part, tuple):
            size += _size(part)
    return size


def _outline(value: dict[str, Any]) -> tuple[Any, ...]:
    """Name and type of each field in turn."""
    parts: list[Any] = []
    if len(value) > WIDE:
        for kind in dict.fromkeys([type(each) for each in value.values()]):
            parts += ("*", kind)
    else:
        for name, each in value.items():
            parts += (folded(name), type(each))
    return tuple(parts)


def _items(items: list[Any]) -> tuple[Any, ...]:
    """The different items of an array: the outline of an object, the type of anything else."""
    found: list[Any] = []
    for item in items[:ITEMS]:
        part = _outline(item) if isinstance(item, dict) else type(item)
        if part not in found:
            found.append(part)
    return tuple(found)


def _of_outline(prefix: str, parts: tuple[Any, ...]) -> list[str]:
    return [f"{prefix}{parts[at]}:{_name_of(parts[at + 1])}" for at in range(0, len(parts), 2)]


def _of_items(prefix: str, parts: tuple[Any, ...]) -> list[str]:
    found: list[str] = []
    for part in parts:
        found += _of_outline(prefix + ".", part) if isinstance(part, tuple) else [f"{prefix}:{_name_of(part)}"]
    return found


def _name_of(kind: type) -> str:
    return _TYPES.get(kind, "array")
