"""What a string in arguments, results and answers looks like; never what it says.

    "A-17" → code     "2026-11-27" → digits 9-9-9     "not yet {sent}" → marked words

Most strings are short and of ASCII: one walk over their characters tells. Others are looked at by regular expressions,
which tell the same of those short ones (a property test).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from mypy_extensions import i64

SHORT: Final = 24
"""Characters up to which a string of digits and signs is told by its signs."""
STRINGS: Final = 4_096
"""Strings of at most so many characters as `SHORT` says of which it is remembered what they look like."""
LONG: Final = 40
"""Characters from which on a string is text, whatever its words."""
FEW_WORDS: Final = 3
"""Blanks up to which a string is a few words; more: text."""

_SMALL: Final = 1
_CAPITAL: Final = 2
_DIGIT: Final = 4
_MARK: Final = 8
_BLANK: Final = 16
"""Of which class a character is, by bits that add up to what is in a string."""
_MANY_BLANKS: Final = 32
_UNTOLD: Final = 64
"""Something of which the walk does not tell: what is not ASCII, what may begin an entity, a string without letters."""
_ASCII: Final = 128
_LETTERS: Final = _SMALL | _CAPITAL
_BLANKS: Final = " \t\r\n"
"""What is no part of a string at its ends."""
_LAST_BLANK: Final = ord(" ")
"""None of these is beyond it."""

_DIGITS = re.compile(r"[0-9]+")
# a letter of any script, by ranges that are ours: `str.isalpha` grows with Python's version
_LETTER = re.compile(
    "[A-Za-z\\xaa\\xb5\\xba\\xc0-\\xd6\\xd8-\\xf6\\xf8-\u1fff\u2c00-\u2dff\u3040-\ud7ff\uf900-\ufdff\ufe70-\ufefc"
    "\uff21-\uff3a\uff41-\uff5a\uff66-\uffdc\U00010000-\U0001efff\U00020000-\U0003ffff]"
)
_ENTITY = re.compile("&(?:[A-Za-z]{2,8}|#[0-9xX][0-9A-Fa-f]{0,6});")
_NUMBERS = re.compile(r"[0-9]+(?:[.,'][0-9]+)*")


def looks(text: str) -> str:
    """What a string looks like: `empty`; `digits` with the signs between them (`9-9-9`), `code` (letters with digits),
    `words`, `text`; `marked` before it where it has marks that a program writes (braces, tags, entities)."""
    found = _walk(text)
    return _LOOKS[found] if found < _UNTOLD else look(text)


def written(text: str) -> str:
    """What a string of a tool looks like: as `looks`, with `capitals` before it where no letter is small."""
    found = _walk(text)
    if found < _UNTOLD:
        return _WRITTEN[found]
    return _written(text) if len(text) <= SHORT else _write(text)


def is_capitals(text: str) -> bool:
    """Whether there are letters of ASCII, none of them small, and no others."""
    return text.isascii() and text.isupper()


def look(text: str) -> str:
    """As `looks`, of any string, without a walk."""
    text = text.strip(_BLANKS)
    if not text:
        return "empty"
    blanks = text.count(" ")
    is_text = len(text) > LONG or blanks > FEW_WORDS
    if not is_text and not _LETTER.search(text):
        signs = _NUMBERS.sub("9", text) if len(text) <= SHORT else ""
        return f"digits {signs}" if "9" in signs else "signs"
    kind = "text" if is_text else "code" if not blanks and _DIGITS.search(text) else "words"
    is_marked = "{" in text or "<" in text or ("&" in text and _ENTITY.search(text) is not None)
    return f"marked {kind}" if is_marked else kind


def _walk(text: str) -> i64:
    """The classes of all characters together; `_UNTOLD` and more where they do not tell what the string looks like."""
    if len(text) > LONG:
        return _UNTOLD
    end: i64 = len(text)
    # most strings neither begin nor end with a blank
    if end > 0 and (ord(text[0]) <= _LAST_BLANK or ord(text[end - 1]) <= _LAST_BLANK):
        text = text.strip(_BLANKS)
        end = len(text)
    found: i64 = 0
    blanks: i64 = 0
    at: i64 = 0
    while at < end:
        code: i64 = ord(text[at])
        kind: i64 = _CLASSES[code] if code < _ASCII else _UNTOLD
        found |= kind
        if kind == _BLANK:
            blanks += 1
        at += 1
    if blanks > FEW_WORDS:
        return found | _MANY_BLANKS
    return found if found & _LETTERS != 0 or end == 0 else _UNTOLD


def _write(text: str) -> str:
    kind = look(text)
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
            | _UNTOLD * (character == "&")
        )
    return bytes(table)


_CLASSES: Final[bytes] = _classes()


def _tell(found: int) -> str:
    """The words for what a walk found."""
    if not found:
        return "empty"
    kind = "text" if found & _MANY_BLANKS else "code" if found & _DIGIT and not found & _BLANK else "words"
    return "marked " + kind if found & _MARK else kind


_LOOKS: Final[list[str]] = [_tell(found) for found in range(_UNTOLD)]
_WRITTEN: Final[list[str]] = [
    "capitals " + told if found & _LETTERS == _CAPITAL else told for found, told in enumerate(_LOOKS)
]
