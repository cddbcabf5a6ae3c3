"""The form of a tool's arguments or result, and of an answer that is JSON: which fields there are and of what type.

    {"order_id": "A-1", "items": [{"price": 9.5}]}  →  items:array, items[].price:number, order_id:string

Fields of the top and of one level below; of an answer as deep as `LEVELS`, its strings told apart by what they look
like. What a field holds is not kept; of an answer's a few bits of a hash are, to tell whether it moves. A name that
does not look like an identifier may be data, and so may the names of an object with more than `WIDE` of them: they are
written `*`, as are digits.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final
from zlib import crc32

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
OUTLINES: Final = 1_024
"""Outlines of arguments and results whose fields are remembered, for calls of one tool are mostly alike."""
REMEMBERED_PARTS: Final = 300
"""Larger outlines are not remembered."""

LEVELS: Final = 4
"""How deep an answer is read."""
VALUES: Final = 400
"""Values of an answer that are read; what stands behind them is not."""
HASH: Final = 0xFFF
"""Bits of a hash that are kept of a value: of two values one pair in 4,096 has the same."""
_MARKS: Final = [f"#{hashed:x}" for hashed in range(HASH + 1)]
SHORT: Final = 24
"""Characters up to which a string of digits and signs is told by its signs."""
STRINGS: Final = 4_096
"""Strings of at most so many characters as `SHORT` says of which it is remembered what they look like."""
LONG: Final = 40
"""Characters from which on a string is text, whatever its words."""
FEW_WORDS: Final = 3
"""Blanks up to which a string is a few words; more: text."""

_IDENTIFIER = re.compile(r"[@$]?[A-Za-z_][A-Za-z0-9_-]*")
_DIGITS = re.compile(r"[0-9]+")
# a letter of any script, by ranges that are ours: `str.isalpha` grows with Python's version
_LETTER = re.compile(
    "[A-Za-z\\xaa\\xb5\\xba\\xc0-\\xd6\\xd8-\\xf6\\xf8-\u1fff\u2c00-\u2dff\u3040-\ud7ff\uf900-\ufdff\ufe70-\ufefc"
    "\uff21-\uff3a\uff41-\uff5a\uff66-\uffdc\U00010000-\U0001efff\U00020000-\U0003ffff]"
)
_ENTITY = re.compile("&(?:[A-Za-z]{2,8}|#[0-9xX][0-9A-Fa-f]{0,6});")
_NUMBERS = re.compile(r"[0-9]+(?:[.,'][0-9]+)*")
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


def forms(value: Any) -> list[str]:
    """`path:kind#hash` of each field of an answer, sorted, at most `FIELDS` and one `MORE`.

    `kind`: the type; of a string what it looks like (`looks`). The hash stands with the first kind of a path, and is of
    all that the path holds: of an array's items whatever their order, of an array how many it has.
    """
    found: dict[str, str] = {}
    several: dict[str, _Several] = {}
    level: list[tuple[str, Any]] = [("", value)]
    left = VALUES
    for _ in range(LEVELS):
        below: list[tuple[str, Any]] = []
        for path, box in level:
            if isinstance(box, dict):
                before = path + "." if path else ""
                is_wide = len(box) > WIDE
                for name, each in box.items():
                    if left <= 0:
                        break
                    left -= 1
                    place = before + ("*" if is_wide else folded(name))
                    if _note(place, each, found, several):
                        below.append((place, each))
            else:
                place = path + "[]"
                for each in box[:ITEMS]:
                    if left <= 0:
                        break
                    left -= 1
                    if _note(place, each, found, several):
                        below.append((place, each))
        if not below:
            break
        level = below
    told: list[str] = []
    for path in sorted(found):
        more = several.get(path) if several else None
        if more is None:
            told.append(f"{path}:{found[path]}")
        else:
            told += more.told(path)
    return told if len(told) <= FIELDS else [*told[:FIELDS], MORE]


class _Several:
    """Of a path with more than one value: the different kinds and hashes."""

    def __init__(self, first: str) -> None:
        kind, _, mark = first.rpartition("#") if first != "object" else (first, "", "")
        self.kinds = [kind]
        self.hashes = [int(mark, 16)] if mark else []

    def told(self, path: str) -> list[str]:
        """Its kinds, sorted; the hash of all values with the first of them."""
        hashed = 0
        for one in self.hashes:
            hashed ^= one
        mark = _MARKS[hashed] if self.hashes else ""
        found = [f"{path}:{kind}" for kind in sorted(self.kinds)]
        found[0] += mark
        return found


def _note(place: str, value: Any, found: dict[str, str], several: dict[str, _Several]) -> bool:
    """Note one value, as `kind#hash`; whether it is a container that is to be looked into."""
    if isinstance(value, str):
        kind, hashed = _looked(value) if len(value) <= SHORT else _look(value)
    elif isinstance(value, dict):
        kind, hashed = "object", -1
    elif isinstance(value, list):
        kind, hashed = "array", len(value) & HASH
    else:
        kind, hashed = _type(value), crc32(str(value).encode("ascii")) & HASH
    known = found.get(place)
    if known is None:
        if len(found) > FIELDS:
            return False
        found[place] = kind if hashed < 0 else kind + _MARKS[hashed]
    else:
        more = several.get(place)
        if more is None:
            more = several[place] = _Several(known)
        if kind not in more.kinds:
            more.kinds.append(kind)
        if hashed >= 0 and hashed not in more.hashes:
            more.hashes.append(hashed)
    return hashed < 0 or kind == "array"


def _look(text: str) -> tuple[str, int]:
    """What a string looks like, and the bits that are kept of its hash."""
    # compiled, the first way calls no method by its name
    return looks(text), crc32(text.encode("ascii") if text.isascii() else text.encode("utf-8", "replace")) & HASH


_looked: Callable[[str], tuple[str, int]] = lru_cache(maxsize=STRINGS)(_look)


def looks(text: str) -> str:
    """What a string looks like: `empty`; `digits` with the signs between them (`9-9-9`), `code` (letters with digits),
    `words`, `text`; `marked` before it where it has marks that a program writes (braces, tags, entities)."""
    text = text.strip(" \t\r\n")
    if not text:
        return "empty"
    blanks = text.count(" ")
    is_text = blanks > FEW_WORDS or len(text) > LONG
    if not is_text and not _has_letters(text):
        signs = _NUMBERS.sub("9", text) if len(text) <= SHORT else ""
        return f"digits {signs}" if "9" in signs else "signs"
    kind = "text" if is_text else "code" if not blanks and not text.isalpha() and _DIGITS.search(text) else "words"
    if "{" in text or "<" in text or ("&" in text and _ENTITY.search(text)):
        return "marked " + kind
    return kind


@lru_cache(maxsize=4_096)
def folded(name: str) -> str:
    """A name as it may be shown."""
    return _DIGITS.sub("*", name[:NAME_CHARACTERS]) if _IDENTIFIER.fullmatch(name) else "*"


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


def _has_letters(text: str) -> bool:
    return text.lower() != text.upper() if text.isascii() else _LETTER.search(text) is not None


def _type(value: Any) -> str:
    return _name_of(type(value))


def _name_of(kind: type) -> str:
    return _TYPES.get(kind, "array")
