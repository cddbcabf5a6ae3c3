"""The marks of an answer: the signs between its words with what stands on either side, and the names of its tags.

    "Dear Mara,\\n\\nit is 9.50 (<b>paid</b>)."  →  "9", "9 (<a", "9.9", "<b>", "a,↵↵a", "a</a", "a>).", "a>a"

A letter is written `a`, a digit `9`, an end of a line `↵`, a tab `⇥`, an emoji `☺`; blanks in a row are two, others
four at most. Nothing of what a text says is kept. One blank between words is no mark, and `9` says that there are
digits. Of an answer that is JSON it is the marks of all strings and numbers in it. Topics come and go and marks stay.

Not here: whether marks are new or gone (`monitor.drift.outputs.marks`).
"""

from __future__ import annotations

import re
from typing import Any, Final
from zlib import crc32

from librt.vecs import vec
from mypy_extensions import i64

from schemas import limits

MARKS: Final = limits.FIELDS_READ
"""Marks of one answer that are told. More: those with the least CRC-32, which are the same ones in each answer."""
CHARACTERS: Final = 4_000
"""Characters of a text that are looked at."""
VALUES: Final = 400
"""Strings and numbers of an answer that are looked at."""
DEPTH: Final = 16
"""How deep they are looked for."""
SIGNS: Final = 6
"""Signs of one mark. More: cut."""
REMEMBERED: Final = 4_096
"""Marks of which it is remembered how they are written. More: all are forgotten."""
REMEMBERED_SIGNS: Final = 40
"""Signs of a row that is remembered."""

_LETTER: Final = 1
_DIGIT: Final = 2
_EDGE: Final = 3
"""A beginning or an end; between two strings stands a character that is one."""
_SIDES: Final = ("", "a", "9", "")
_BETWEEN: Final = "\x00"
_BLANK: Final = 32
_RANGES: Final = (
    (0x00, 0x2F), (0x3A, 0x40), (0x5B, 0x60), (0x7B, 0xBF), (0xD7, 0xD7), (0xF7, 0xF7), (0x2000, 0x206F),
    (0x2190, 0x2BFF), (0x3000, 0x303F), (0xFF00, 0xFF0F), (0xFF1A, 0xFF20),
)  # fmt: skip
"""Signs and blanks, first and last code point; what is none of them is a word's, as `monitor.reading.shape` has it."""
_FIRST_EMOJI: Final = 0x1F000
_LAST_EMOJI: Final = 0x1FAFF
_LOW: Final = 0xFFFFFFFF
_SLOTS: Final = 1_024
_MOST: Final = _SLOTS // 2
"""Different marks of a text that find room; others are not told."""
_TAG = re.compile("<([A-Za-z][A-Za-z0-9_.-]{0,39})[ />]")
_BLANKS = re.compile(r"(\s)\1+")
_ROW = re.compile(r"(.)\1{4,}", re.DOTALL)
_DIGITS = re.compile("[0-9]+")
_EMOJI = re.compile("[\U0001f000-\U0001faff][\U0001f000-\U0001faff\ufe0f\u200d]*")
_SHOWN = str.maketrans({"\n": "↵", "\r": "␍", "\t": "⇥"})


def _table() -> bytes:
    kinds = bytearray([_LETTER]) * 0x10000
    for first, last in _RANGES:
        kinds[first : last + 1] = bytes(last + 1 - first)
    kinds[ord("0") : ord("9") + 1] = bytes([_DIGIT]) * 10
    kinds[ord(_BETWEEN)] = _EDGE
    return bytes(kinds)


_KINDS: Final[bytes] = _table()
"""Code point → letter, digit, or 0 for a sign; beyond it are letters."""


class _Room:
    """Working memory of one walk; nothing in it outlives that. A slot is in use where its walk is the latest."""

    def __init__(self) -> None:
        self.walk = 0
        self.walks = vec[i64]([i64(0)] * _SLOTS)
        self.keys = vec[i64]([i64(0)] * _SLOTS)
        self.rows = vec[i64]([i64(0)] * (4 * _MOST + 4))
        """What `_walk` found, four numbers each."""


class _Written:
    """How rows of signs between two sides are written: remembered, for answers mostly have the same ones."""

    def __init__(self) -> None:
        self._known: list[dict[str, str]] = [{} for _ in range(len(_SIDES) * len(_SIDES))]
        self._size = 0

    def mark(self, left: i64, signs: str, right: i64) -> str:
        """A row of signs as it is written, with its sides."""
        known = self._known[left * len(_SIDES) + right]
        found = known.get(signs)
        if found is None:
            found = _SIDES[left] + _write(signs) + _SIDES[right]
            if len(signs) <= REMEMBERED_SIGNS:
                if self._size >= REMEMBERED:
                    self._size = 0
                    for each in self._known:
                        each.clear()
                known[signs] = found
                self._size += 1
        return found


_room: Final = _Room()
_written: Final = _Written()


def of_text(text: str) -> tuple[list[str], bool]:
    """The different marks of a text, sorted, at most `MARKS`, a tag as `<name>`; and whether there may be more."""
    more = len(text) > CHARACTERS
    text = text[:CHARACTERS]
    raw, width = (text.encode("ascii"), 1) if text.isascii() else (text.encode("utf-32-le", "surrogatepass"), 4)
    told: set[str] = set()
    rows = _room.rows
    at: i64 = 0
    end: i64 = _walk(raw, width)
    while at < end:
        told.add(_written.mark(rows[at], text[rows[at + 1] : rows[at + 2]], rows[at + 3]))
        at += 4
    if "<" in text:
        told.update(_tags(text))
    if len(told) > MARKS:
        told = set(sorted(told, key=order)[:MARKS])
        more = True
    return sorted(told), more


def tags(text: str) -> list[str]:
    """The names of a text's tags alone, as `of_text` has them, sorted, at most `MARKS`."""
    return sorted(sorted(_tags(text[:CHARACTERS]), key=order)[:MARKS])


def order(mark: str) -> int:
    """By what it is chosen which marks are told where there are too many: the same ones of each text."""
    return crc32(mark.encode("utf-8", "replace"))


def of_value(value: Any) -> tuple[list[str], bool]:
    """The marks of all strings and numbers of an answer that is JSON, as `of_text` gives them."""
    texts: list[str] = []
    left = _gather([value], texts, DEPTH)
    found, more = of_text(_BETWEEN.join(texts))
    return found, more or left


def _gather(values: list[Any], texts: list[str], depth: i64) -> bool:
    """Add the strings of values, and their numbers as they look; whether some were left."""
    left = False
    for each in values:
        if len(texts) >= VALUES:
            return True
        if isinstance(each, str):
            texts.append(each)
        elif isinstance(each, dict):
            left |= _gather(list(each.values()), texts, depth - 1) if depth > 0 else bool(each)
        elif isinstance(each, list):
            left |= _gather(each, texts, depth - 1) if depth > 0 else bool(each)
        elif isinstance(each, float):
            texts.append("-9.9" if each < 0.0 else "9.9")
        elif isinstance(each, int) and not isinstance(each, bool):
            texts.append("-9" if each < 0 else "9")
    return left


def _walk(text: bytes, width: i64) -> i64:
    """Write the different rows of signs to `_Room.rows`, each once: what stands before it, its first character and the
    one after its last, and what stands behind. How many numbers that are. `text`: code points, each of `width` bytes,
    the least first (1 or 4)."""
    found: i64 = 0
    room = _room
    rows = room.rows
    room.walk += 1
    walk: i64 = room.walk
    walks, keys = room.walks, room.keys
    step = width
    end: i64 = len(text)
    at: i64 = 0
    number: i64 = 0
    first: i64 = -1
    before: i64 = _EDGE
    left: i64 = _EDGE
    digits: i64 = -1
    hashed: i64 = 0
    blank: i64 = 0
    low: i64 = _LOW
    while at <= end:
        kind: i64 = _EDGE
        if at < end:
            code: i64 = text[at]
            if step == 4:
                second: i64 = text[at + 1]
                third: i64 = text[at + 2]
                code += second * 256 + third * 65536
            kind = _KINDS[code] if code < 65536 else 0 if _FIRST_EMOJI <= code <= _LAST_EMOJI else _LETTER
        if kind == 0:
            if first < 0:
                first = number
                left = before
                hashed = left
                blank = 1 if code == _BLANK and left != _EDGE else 0
            else:
                blank = 0
            hashed = (hashed * 16777619 + code + 1) & low
        else:
            if kind == _DIGIT:
                digits = number
            if first >= 0 and (blank == 0 or kind == _EDGE):
                key: i64 = (hashed * 16777619 + kind) & low
                slot: i64 = (key ^ (key >> 10) ^ (key >> 20)) & (_SLOTS - 1)
                while walks[slot] == walk and keys[slot] != key:
                    slot = (slot + 1) & (_SLOTS - 1)
                if walks[slot] != walk and found < 4 * _MOST:
                    walks[slot] = walk
                    keys[slot] = key
                    rows[found] = left
                    rows[found + 1] = first
                    rows[found + 2] = number
                    rows[found + 3] = kind
                    found += 4
            first = -1
            before = kind
        number += 1
        at += step
    if digits >= 0:
        rows[found] = _DIGIT
        rows[found + 1] = digits
        rows[found + 2] = digits
        rows[found + 3] = _EDGE
        found += 4
    return found


def _write(signs: str) -> str:
    """How signs are written: blanks in a row as two, other signs as four at most, emoji as one, the whole cut."""
    shown = _EMOJI.sub("☺", _ROW.sub(r"\1\1\1\1", _BLANKS.sub(r"\1\1", signs)))
    return shown[:SIGNS].translate(_SHOWN)


def _tags(text: str) -> set[str]:
    return {f"<{_DIGITS.sub('*', name)}>" for name in _TAG.findall(text)}
