"""Which kind of character a code point is, by a table that is ours.

Python's own tables grow with its version; these ranges do not, so that the same text gives the same numbers everywhere.
What is not in a range is `OTHER`.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from librt.vecs import vec
from mypy_extensions import i64
from numpy.typing import NDArray

CLASSES: Final[tuple[str, ...]] = (
    "other",
    "space",
    "newline",
    "digit",
    "lower",
    "upper",
    "stop",
    "comma",
    "question",
    "exclamation",
    "colon",
    "quote",
    "apostrophe",
    "opener",
    "closer",
    "mark",
    "hash",
    "tick",
    "angle",
    "pipe",
    "sign",
    "emoji",
    "latin_lower",
    "latin_upper",
    "greek_lower",
    "greek_upper",
    "cyrillic_lower",
    "cyrillic_upper",
    "hebrew",
    "arabic",
    "indic",
    "southeast_asian",
    "hangul",
    "kana",
    "han",
    "letter",
)
"""Class of a character by its number. `stop` to `sign`: punctuation. From `latin_lower` on: letters beyond ASCII."""

OTHER: Final = 0
SPACE: Final = 1
NEWLINE: Final = 2
DIGIT: Final = 3
LOWER: Final = 4
UPPER: Final = 5
STOP: Final = 6
COMMA: Final = 7
QUESTION: Final = 8
EXCLAMATION: Final = 9
COLON: Final = 10
QUOTE: Final = 11
APOSTROPHE: Final = 12
OPENER: Final = 13
CLOSER: Final = 14
MARK: Final = 15
HASH: Final = 16
TICK: Final = 17
ANGLE: Final = 18
PIPE: Final = 19
SIGN: Final = 20
EMOJI: Final = 21
LATIN_LOWER: Final = 22
LATIN_UPPER: Final = 23
GREEK_LOWER: Final = 24
GREEK_UPPER: Final = 25
CYRILLIC_LOWER: Final = 26
CYRILLIC_UPPER: Final = 27
HEBREW: Final = 28
ARABIC: Final = 29
INDIC: Final = 30
SOUTHEAST_ASIAN: Final = 31
HANGUL: Final = 32
KANA: Final = 33
HAN: Final = 34
LETTER: Final = 35

SCRIPTS = (
    "none", "latin", "greek", "cyrillic", "hebrew", "arabic", "indic", "southeast_asian", "hangul", "japanese", "han",
    "other",
)  # fmt: skip
"""Scripts by number; `japanese` is kana, with or without Han beside it."""

_TABLE_SIZE: Final = 0x40000
_ASCII: Final = 128

_RANGES: tuple[tuple[int, int, int], ...] = (
    (LATIN_LOWER, 0x00DF, 0x00FF),
    (LATIN_UPPER, 0x00C0, 0x00DE),
    (LATIN_LOWER, 0x0180, 0x02AF),
    (GREEK_LOWER, 0x0370, 0x03FF),
    (GREEK_UPPER, 0x0386, 0x03AB),
    (GREEK_LOWER, 0x1F00, 0x1FFF),
    (CYRILLIC_UPPER, 0x0400, 0x042F),
    (CYRILLIC_LOWER, 0x0430, 0x052F),
    (LETTER, 0x0531, 0x0587),
    (HEBREW, 0x0591, 0x05F4),
    (ARABIC, 0x0600, 0x077F),
    (ARABIC, 0x08A0, 0x08FF),
    (ARABIC, 0xFB50, 0xFDFF),
    (ARABIC, 0xFE70, 0xFEFC),
    (INDIC, 0x0900, 0x0DFF),
    (SOUTHEAST_ASIAN, 0x0E00, 0x0EFF),
    (LETTER, 0x0F00, 0x0FFF),
    (SOUTHEAST_ASIAN, 0x1000, 0x109F),
    (LETTER, 0x10A0, 0x10FF),
    (HANGUL, 0x1100, 0x11FF),
    (LETTER, 0x1200, 0x137F),
    (SOUTHEAST_ASIAN, 0x1780, 0x17FF),
    (EMOJI, 0x2600, 0x27BF),
    (EMOJI, 0x2B50, 0x2B55),
    (KANA, 0x3041, 0x30FF),
    (HANGUL, 0x3131, 0x318E),
    (KANA, 0x31F0, 0x31FF),
    (HAN, 0x3400, 0x4DBF),
    (HAN, 0x4E00, 0x9FFF),
    (HANGUL, 0xAC00, 0xD7A3),
    (HAN, 0xF900, 0xFAFF),
    (DIGIT, 0xFF10, 0xFF19),
    (LATIN_UPPER, 0xFF21, 0xFF3A),
    (LATIN_LOWER, 0xFF41, 0xFF5A),
    (KANA, 0xFF66, 0xFF9F),
    (EMOJI, 0x1F000, 0x1FAFF),
    (HAN, 0x20000, 0x3FFFF),
    (DIGIT, 0x0660, 0x0669),
    (DIGIT, 0x06F0, 0x06F9),
    (DIGIT, 0x0966, 0x096F),
    (SPACE, 0x2000, 0x200A),
    (DIGIT, ord("0"), ord("9")),
    (LOWER, ord("a"), ord("z")),
    (UPPER, ord("A"), ord("Z")),
)
"""Class, first and last code point; a later row wins."""

_SINGLE: tuple[tuple[int, str], ...] = (
    (SPACE, " \t\r\x0b\x0c\xa0\u1680\u202f\u205f\u3000"),
    (NEWLINE, "\n\u0085\u2028\u2029"),
    (STOP, ".…。．।॥۔"),  # noqa: RUF001 (the characters themselves)
    (COMMA, ",;、，；،؛"),  # noqa: RUF001
    (QUESTION, "?？؟"),  # noqa: RUF001
    (EXCLAMATION, "!！"),  # noqa: RUF001
    (COLON, ":："),  # noqa: RUF001
    (QUOTE, '"“”„«»「」『』'),
    (APOSTROPHE, "'‘’"),  # noqa: RUF001
    (OPENER, "([{（【《"),  # noqa: RUF001
    (CLOSER, ")]}）】》"),  # noqa: RUF001
    (MARK, "-*+•‣◦–—−"),  # noqa: RUF001
    (HASH, "#"),
    (TICK, "`"),
    (ANGLE, "<>"),
    (PIPE, "|"),
    (SIGN, "/\\@$%&=^_~€£¥"),
    (OTHER, "×÷"),  # noqa: RUF001
)


def _alternating(table: bytearray, first: int, last: int, odd_is_upper: bool) -> None:
    for code in range(first, last + 1):
        table[code] = LATIN_UPPER if (code % 2 == 1) == odd_is_upper else LATIN_LOWER


def _build() -> bytes:
    table = bytearray(_TABLE_SIZE)
    _alternating(table, 0x0100, 0x0137, odd_is_upper=False)
    _alternating(table, 0x0139, 0x0148, odd_is_upper=True)
    _alternating(table, 0x014A, 0x0177, odd_is_upper=False)
    _alternating(table, 0x0178, 0x017F, odd_is_upper=True)
    _alternating(table, 0x1E00, 0x1EFF, odd_is_upper=False)
    for kind, first, last in _RANGES:
        table[first : last + 1] = bytes((kind,)) * (last + 1 - first)
    for kind, characters in _SINGLE:
        for character in characters:
            table[ord(character)] = kind
    table[-1] = OTHER  # no character; what lies beyond is clipped to it
    return bytes(table)


TABLE: Final[bytes] = _build()
"""The class of each code point up to its length; others have `OTHER`."""
_CLASSES = np.frombuffer(TABLE, np.uint8)


def codes_of(text: str) -> NDArray[np.uint32]:
    """Code points, one per character."""
    if text.isascii():
        return np.frombuffer(text.encode("ascii"), np.uint8).astype(np.uint32)
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.dtype("<u4"))


def count(codes: NDArray[np.uint32]) -> tuple[list[int], list[int]]:
    """How many of each character of ASCII, by code; and of each class, in the order of `CLASSES`."""
    ascii = np.bincount(np.minimum(codes, _ASCII), minlength=_ASCII + 1)[:_ASCII]
    classes = np.bincount(_CLASSES.take(codes, mode="clip"), minlength=len(CLASSES))
    return ascii.tolist(), classes.tolist()


def between(counts: vec[i64], first: i64, last: i64) -> i64:
    """How many of the classes from `first` to `last`."""
    found: i64 = 0
    while first <= last:
        found += counts[first]
        first += 1
    return found


def class_of(character: str) -> int:
    """The class of one character."""
    code = ord(character)
    return TABLE[code] if code < _TABLE_SIZE else OTHER


def script_of(counts: vec[i64]) -> int:
    """The script of most letters, as a number of `SCRIPTS`."""
    ascii = counts[LOWER] + counts[UPPER]
    if between(counts, LATIN_LOWER, LETTER) == 0:
        return 1 if ascii != 0 else 0
    han, kana = counts[HAN], counts[KANA]
    per_script: tuple[int, ...] = (
        0,
        ascii + counts[LATIN_LOWER] + counts[LATIN_UPPER],
        counts[GREEK_LOWER] + counts[GREEK_UPPER],
        counts[CYRILLIC_LOWER] + counts[CYRILLIC_UPPER],
        counts[HEBREW],
        counts[ARABIC],
        counts[INDIC],
        counts[SOUTHEAST_ASIAN],
        counts[HANGUL],
        kana + han if kana != 0 else 0,
        0 if kana != 0 else han,
        counts[LETTER],
    )
    return per_script.index(max(per_script))
