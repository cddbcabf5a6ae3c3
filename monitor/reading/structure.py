"""What a text is as a whole: JSON, a table, a list, prose; its marks line by line; JSON's depth and keys."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final
from zlib import crc32

from librt.vecs import vec
from mypy_extensions import i64

from monitor.reading import characters as chars
from monitor.reading.values import UNREAD, parsed

JSON_CHARACTERS: Final = 200_000
"""Text that is read as JSON. Longer: it is taken for what its first and last characters say, without depth or keys."""
JSON_VALUES: Final = 2_000
"""Containers that are visited to find JSON's depth; the rest is taken to be no deeper."""
KEY_SET: Final = 40
"""Keys that make up the key set. More: data, not a form; the set counts as one."""
KEY_SETS: Final = 256
"""Sets of keys whose hash is remembered, for answers mostly have the same ones. More: all are forgotten."""
KEY_SET_CHARACTERS: Final = 1_000
"""Sets of keys with more characters are not remembered."""
NO_KEYS: Final = -1
"""In place of the hash of a set of keys that is empty."""

KINDS = (
    "empty",
    "json_object",
    "json_array",
    "fenced",
    "markup",
    "table",
    "list",
    "markdown",
    "number",
    "word",
    "signs",
    "prose",
)
"""What a text is, by number. The first that fits."""
EMPTY: Final = 0
JSON_OBJECT: Final = 1
JSON_ARRAY: Final = 2
FENCED: Final = 3
MARKUP: Final = 4
TABLE: Final = 5
LIST: Final = 6
MARKDOWN: Final = 7
NUMBER: Final = 8
WORD: Final = 9
SIGNS: Final = 10
PROSE: Final = 11

_key_sets: Final[dict[tuple[str, ...], int]] = {}
_ITEMS: Final = frozenset("-*+•‣◦")
_BLANK: Final = (" ", "\t")
_NUMBERED: Final = re.compile(r"[0-9]{1,3}[.)][ \t]")
_HEADING: Final = re.compile(r"#{1,6}[ \t]")
_NUMBER: Final = re.compile(r"[-+$€£¥]?[ ]?[0-9][0-9.,  ]*(?:%|[eE][-+]?[0-9]+)?")


class Marks:
    """How often each mark of a layout stands in a text."""

    def __init__(self, items: int, headings: int, bold: int, links: int, rows: int) -> None:
        self.items = items
        self.headings = headings
        self.bold = bold
        self.links = links
        self.rows = rows


class Found:
    """What the whole is. `key_set`: a hash of the keys, or `NO_KEYS`. `value`: of JSON what it holds, else `UNREAD`."""

    def __init__(self, kind: int, depth: int = 0, keys: int = 0, key_set: int = NO_KEYS, value: Any = UNREAD) -> None:
        self.kind = kind
        self.depth = depth
        self.keys = keys
        self.key_set = key_set
        self.value = value


def marks(text: str, lines: Sequence[str], ascii: vec[i64]) -> Marks:
    """The marks of a layout; each is looked for only where its characters are. `ascii`: how often each of ASCII is."""
    items = headings = rows = 0
    for line in lines:
        start = line.lstrip(" \t")[:7]
        if not start:
            continue
        kind = chars.class_of(start[0])
        if kind == chars.MARK:
            items += start[0] in _ITEMS and start[1:2] in _BLANK
        elif kind == chars.DIGIT:
            items += _NUMBERED.match(start) is not None
        elif kind == chars.HASH:
            headings += _HEADING.match(start) is not None
        elif kind == chars.PIPE:
            rows += 1
    bold = text.count("**") // 2 if ascii[ord("*")] > 3 else 0
    links = text.count("](") if ascii[ord("]")] > 0 and ascii[ord("(")] > 0 else 0
    if ascii[ord("/")] > 1 and ascii[ord(":")] > 0:
        links += text.count("://")
    return Marks(items, headings, bold, links, rows)


def find(stripped: str, lines: Sequence[str], marks: Marks, counts: vec[i64], words: i64) -> Found:
    """What a text without white space around it is as a whole."""
    if not stripped:
        return Found(EMPTY)
    first, last = stripped[0], stripped[-1]
    if (first == "{" and last == "}") or (first == "[" and last == "]"):
        found = _json(stripped)
        if found is not None:
            return found
    return Found(_kind(stripped, first, last, lines, marks, counts, words))


def _kind(
    stripped: str, first: str, last: str, lines: Sequence[str], marks: Marks, counts: vec[i64], words: i64
) -> int:
    if first == "`" and stripped.startswith("```"):
        return FENCED
    if first == "<" and last == ">":
        return MARKUP
    if marks.rows > 1 and 2 * marks.rows >= len(lines):
        return TABLE
    if marks.items > 1 and 2 * marks.items >= sum(1 for line in lines if line):
        return LIST
    if marks.headings:
        return MARKDOWN
    if counts[chars.DIGIT] != 0 and len(stripped) <= 40 and _NUMBER.fullmatch(stripped):
        return NUMBER
    if words == 0:
        return SIGNS
    if words == 1 and len(stripped) <= 40:
        return WORD
    return PROSE


def _json(text: str) -> Found | None:
    """JSON's kind, depth and keys; None if it is no JSON."""
    kind = JSON_OBJECT if text[0] == "{" else JSON_ARRAY
    if len(text) > JSON_CHARACTERS:
        return Found(kind)
    value = parsed(text)
    if value is UNREAD:
        return None
    form = value if isinstance(value, dict) else next((each for each in value if isinstance(each, dict)), {})
    return Found(kind, _depth(value), len(form), _key_set(form), value)


def _key_set(form: dict[str, Any]) -> int:
    """A hash of the keys, whatever their order."""
    if len(form) > KEY_SET:
        return crc32(b"*")
    keys = tuple(form)
    found = _key_sets.get(keys)
    if found is None:
        said = "\n".join(sorted(keys))
        found = crc32(said.encode("utf-8", "replace")) if said else NO_KEYS
        if len(said) <= KEY_SET_CHARACTERS:
            if len(_key_sets) >= KEY_SETS:
                _key_sets.clear()
            _key_sets[keys] = found
    return found


def _depth(value: Any) -> int:
    """How deep containers stand in each other, breadth first, so that the bound leaves out the deepest."""
    depth, visited = 0, 0
    level = [value]
    while level and visited < JSON_VALUES:
        depth += 1
        visited += len(level)
        room = max(JSON_VALUES - visited, 1)
        inner: list[Any] = []
        for box in level:
            held: list[Any] = list(box.values()) if isinstance(box, dict) else box
            for each in held:
                # not `dict | list`: compiled code would make that union anew for each value
                if (isinstance(each, dict) or isinstance(each, list)) and len(inner) < room:  # noqa: SIM101
                    inner.append(each)
        level = inner
    return depth
