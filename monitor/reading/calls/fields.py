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

_IDENTIFIER = re.compile(r"[@$]?[A-Za-z_][A-Za-z0-9_-]*")
_DIGITS = re.compile(r"[0-9]+")
_TYPES = {str: "string", bool: "boolean", int: "number", float: "number", type(None): "null", dict: "object"}


def fields(value: Any) -> list[str]:
    """`name:type` of each field, sorted, at most `FIELDS` and one `MORE`."""
    found: set[str] = set()
    if isinstance(value, dict):
        _of_object("", value, found, True)
    else:
        found.add(f":{_type(value)}")
        if isinstance(value, list):
            _of_items("[]", value, found)
    told = sorted(found)
    return told if len(told) <= FIELDS else [*told[:FIELDS], MORE]


def folded(name: str) -> str:
    """A name as it may be shown."""
    return _folded(name) if len(name) <= NAME_CHARACTERS else _fold(name)


def _fold(name: str) -> str:
    return _DIGITS.sub("*", name[:NAME_CHARACTERS]) if _IDENTIFIER.fullmatch(name) else "*"


_folded: Callable[[str], str] = lru_cache(maxsize=NAMES)(_fold)


def _of_object(before: str, value: dict[str, Any], found: set[str], deeper: bool) -> None:
    """Tell of each field, and of what is below where one is to look deeper."""
    is_wide = len(value) > WIDE
    for name, inner in value.items():
        place = before + ("*" if is_wide else folded(name))
        found.add(f"{place}:{_type(inner)}")
        if deeper:
            if isinstance(inner, dict):
                _of_object(place + ".", inner, found, False)
            elif isinstance(inner, list):
                _of_items(place + "[]", inner, found)


def _of_items(place: str, items: list[Any], found: set[str]) -> None:
    """Tell of the items of an array: of an object its fields, of anything else the type."""
    for item in items[:ITEMS]:
        if isinstance(item, dict):
            _of_object(place + ".", item, found, False)
        else:
            found.add(f"{place}:{_type(item)}")


def _type(value: Any) -> str:
    return _TYPES.get(type(value), "array")
