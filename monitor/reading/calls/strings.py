"""What a string of a tool looks like, told in one walk over its characters; never what it says.

    "A-17" → capitals code     "2026-11-27" → digits 9-9-9     "not yet {sent}" → marked words

`monitor.reading.calls.fields.looks` says the same more slowly, and is asked where a walk over ASCII letters, digits and
blanks does not tell.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

from mypy_extensions import i64

from monitor.reading.calls.fields import FEW_WORDS, LONG, SHORT, STRINGS, looks

_SMALL: Final = 1
_CAPITAL: Final = 2
_DIGIT: Final = 4
_MARK: Final = 8
_BLANK: Final = 16
"""Of which class a character is, by bits that add up to what is in a string."""
_MANY_BLANKS: Final = 32
_ASKS: Final = 64
"""Something of which the walk does not tell: what is not ASCII, and what may begin an entity."""
_ASCII: Final = 128
_LETTERS: Final = _SMALL | _CAPITAL


def written(text: str) -> str:
    """What a string of a tool looks like: as `looks`, with `capitals` before it where no letter is small."""
    if len(text) > LONG:
        return _write(text)
    text = text.strip(" \t\r\n")
    if not text:
        return "empty"
    found: i64 = 0
    blanks: i64 = 0
    at: i64 = 0
    end: i64 = len(text)
    while at < end:
        code: i64 = ord(text[at])
        kind: i64 = _CLASSES[code] if code < _ASCII else _ASKS
        found |= kind
        if kind == _BLANK:
            blanks += 1
        at += 1
    if blanks > FEW_WORDS:
        found |= _MANY_BLANKS
    elif found & _LETTERS == 0:
        found |= _ASKS
    if found & _ASKS != 0:
        return _written(text) if end <= SHORT else _write(text)
    return _TOLD[found]


def is_capitals(text: str) -> bool:
    """Whether there are letters of ASCII, none of them small, and no others."""
    return text.isascii() and text.isupper()


def _write(text: str) -> str:
    kind = looks(text)
    return f"capitals {kind}" if is_capitals(text) else kind


_written: Final[Callable[[str], str]] = lru_cache(maxsize=STRINGS)(_write)


def _classes() -> bytes:
    table = bytearray(_ASCII)
    for code in range(_ASCII):
        character = chr(code)
        table[code] = (
            _SMALL * character.islower()
            | _CAPITAL * character.isupper()
            | _DIGIT * character.isdigit()
            | _MARK * (character in "{<")
            | _BLANK * (character == " ")
            | _ASKS * (character == "&")
        )
    return bytes(table)


_CLASSES: Final[bytes] = _classes()


def _tell(found: int) -> str:
    """The words for what a walk found."""
    kind = "text" if found & _MANY_BLANKS else "code" if found & _DIGIT and not found & _BLANK else "words"
    if found & _MARK:
        kind = "marked " + kind
    return "capitals " + kind if found & _LETTERS == _CAPITAL else kind


_TOLD: Final[list[str]] = [_tell(found) for found in range(_ASKS)]
