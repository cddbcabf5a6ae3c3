"""What a tool's result is as a whole, in a word: results that become other ones are seen without a list of faults.

    [{"id": 1}] → list     {"hits": []} → no entries     "Weather in Paris: 20 C" → line #7     "" → empty

Of a text the form also has its hashed first word, for many tools begin always alike. Forms are few and coarse: what a
healthy tool gives in one run and not in another (one hit or three, a long text or a short one) should be one form, or
two that are both usual.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final
from zlib import crc32

from monitor.reading.values import UNREAD, parsed

EMPTY: Final = "empty"
NO_ENTRIES: Final = "no entries"
"""An object that has lists, and nothing in any of them."""
STARTS: Final = "first word "
BUCKETS: Final = 16
"""Hashed first words. More would fill the memory of tools whose texts begin anyhow."""
WORD_CHARACTERS: Final = 40
"""Of a first word. More: cut."""
LOOKED_AT: Final = 2_000
"""Characters in which a text's first word and its second line are looked for."""

_WORD = re.compile("[^\\W\\d_]+")
_PAIR: Final = " #"


def form(value: Any) -> str | None:
    """The form of a result, `unwrapped`; None if it could not be read."""
    if value is UNREAD:
        return None
    if isinstance(value, str):
        return _of_text(value)
    if value is None:
        return EMPTY
    if isinstance(value, dict):
        return _of_object(value)
    if isinstance(value, list):
        return "list" if value else EMPTY
    return "true or false" if isinstance(value, bool) else "number"


def names_of(forms: Sequence[str]) -> list[str]:
    """The forms of one run's results of a tool, as names that are learned: forms, and first words apart."""
    names: set[str] = set()
    if len(forms) == 1 and _PAIR not in forms[0]:
        return [forms[0]]
    for each in forms:
        word, pair, first = each.partition(_PAIR)
        names.add(word)
        if pair:
            names.add(f"{STARTS}#{first}")
    return sorted(names)


def is_new(young: Iterable[str]) -> bool:
    """Whether one of the new names is a form; a first word may be any."""
    return any(not name.startswith(STARTS) for name in young)


def _of_text(text: str) -> str:
    head = text[:LOOKED_AT].strip()
    if not head:
        return EMPTY
    kind = "page" if head[0] == "<" else "lines" if "\n" in head else "line"
    found = _WORD.search(head)
    first = found.group()[:WORD_CHARACTERS].lower() if found is not None else ""
    return f"{kind}{_PAIR}{crc32(first.encode('utf-8', 'replace')) % BUCKETS}"


def _of_object(value: dict[str, Any]) -> str:
    lists = False
    for inner in value.values():
        if isinstance(inner, list):
            if inner:
                return "object"
            lists = True
    return NO_ENTRIES if lists else "object" if value else EMPTY


def unwrapped(value: Any) -> Any:
    """Content as models and the Model Context Protocol have it (`[{"type": "text", "text": …}]`), if it is one text:
    that text, or the JSON in it; any other value as it is."""
    blocks = value.get("content") if isinstance(value, dict) else value
    if not isinstance(blocks, list) or len(blocks) != 1 or not isinstance(blocks[0], dict):
        return value
    block = blocks[0]
    text = block.get("text")
    if block.get("type") != "text" or not isinstance(text, str):
        return value
    if text.lstrip()[:1] in ("{", "["):
        inner = parsed(text)
        return text if inner is UNREAD else inner
    return text
