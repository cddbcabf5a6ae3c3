"""The form of a tool's arguments or result: which fields there are and of what type, never what they hold.

    {"order_id": "A-1", "items": [{"price": 9.5}]}  →  items:array, items[].price:number, order_id:string

Fields of the top and of one level below. A name that does not look like an identifier may be data, and so may the names
of an object with more than `WIDE` of them: they are written `*`, as are digits.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

from schemas import limits

FIELDS = limits.FIELDS_READ - 1
"""Fields that are named, in the order of the alphabet. More: `MORE` stands for the rest."""
MORE: Final = "~more"
WIDE: Final = 40
"""Names of one object that are told apart."""
ITEMS: Final = 20
"""Items of an array whose fields are read."""
NAME_CHARACTERS: Final = 40
"""Longer names are cut."""

_IDENTIFIER = re.compile(r"[@$]?[A-Za-z_][A-Za-z0-9_-]*")
_DIGITS = re.compile(r"[0-9]+")
_TYPES = {str: "string", bool: "boolean", int: "number", float: "number", type(None): "null", dict: "object"}


def fields(value: Any) -> list[str]:
    """`name:type` of each field, sorted, at most `FIELDS` and one `MORE`."""
    found: set[str] = set()
    if isinstance(value, dict):
        for name, inner in _named(value):
            found.add(f"{name}:{_type(inner)}")
            if isinstance(inner, dict):
                found.update([f"{name}.{below}:{_type(each)}" for below, each in _named(inner)])
            elif isinstance(inner, list):
                found.update(_of_items(f"{name}[]", inner))
    elif isinstance(value, list):
        found.add(":array")
        found.update(_of_items("[]", value))
    else:
        found.add(f":{_type(value)}")
    if len(found) > FIELDS:
        return [*sorted(found)[:FIELDS], MORE]
    return sorted(found)


@lru_cache(maxsize=4_096)
def folded(name: str) -> str:
    """A name as it may be shown."""
    return _DIGITS.sub("*", name[:NAME_CHARACTERS]) if _IDENTIFIER.fullmatch(name) else "*"


def _named(value: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    if len(value) > WIDE:
        return [("*", each) for each in value.values()]
    return [(folded(name), each) for name, each in value.items()]


def _of_items(prefix: str, items: list[Any]) -> list[str]:
    found = []
    for item in items[:ITEMS]:
        if isinstance(item, dict):
            found += [f"{prefix}.{name}:{_type(each)}" for name, each in _named(item)]
        else:
            found.append(f"{prefix}:{_type(item)}")
    return found


def _type(value: Any) -> str:
    return _TYPES.get(type(value), "array")
