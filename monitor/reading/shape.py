"""The shape of an output: numbers, categories and flags that say how a text looks, never what it says.

General on purpose: no row knows of a fault. A change of length, structure, language, framing or topic moves some of
them, and which ones moved says what kind of change it was. Same text, same numbers, on any machine: only integers,
counts, one division each, then rounded to `tally.STEP`; hashes are CRC-32 and a fixed multiplication.

Not here: whether a change matters (`monitor.drift`).
"""

from __future__ import annotations

import math
import re
from itertools import islice
from typing import Any, Final, Literal, NamedTuple
from zlib import crc32

import numpy as np
from librt.vecs import vec
from mypy_extensions import i64
from numpy.typing import NDArray

from monitor.reading import characters as chars
from monitor.reading import structure, tally
from monitor.reading.phrases import Phrases
from monitor.reading.structure import KINDS

TEXT_CHARACTERS: Final = 20_000
"""Characters of a text that are looked at. Longer: its first and its last half of that, counted as `texts_cut`."""
WALKED: Final = 0 if tally.__file__.endswith(".py") else tally.MOST
"""Characters up to which a text is walked over by `tally`, which is slow where it is not compiled; beyond, by numpy."""
BUCKETS: Final = 64
"""Values of a hashed category: 0 is none."""
PROJECTIONS: Final = 8
"""Signed sums of hashed trigrams of characters, and as many of hashed words."""

FeatureKind = Literal["number", "category", "flag"]


class Feature(NamedTuple):
    """One place of `output_shape`. `size`: how many values a category has, from 0."""

    name: str
    kind: FeatureKind
    size: int = 0
    says: str = ""


def _features() -> tuple[Feature, ...]:
    first = len(chars.CLASSES)
    return (
        Feature("length", "number", says="characters, log2"),
        Feature("lines", "number"),
        Feature("line_length_mean", "number", says="characters"),
        Feature("line_length_max", "number", says="characters"),
        Feature("words", "number"),
        Feature("word_length_mean", "number", says="characters"),
        Feature("sentences", "number"),
        Feature("sentence_words_mean", "number", says="words per sentence"),
        Feature("letters_share", "number", says="of the characters"),
        Feature("upper_share", "number", says="of the letters"),
        Feature("digits_share", "number", says="of the characters"),
        Feature("punctuation_share", "number", says="of the characters"),
        Feature("space_share", "number", says="of the characters"),
        Feature("non_ascii_share", "number", says="of the characters"),
        Feature("accents_share", "number", says="letters beyond ASCII, of the Latin ones"),
        Feature("short_words_share", "number", says=f"words of at most {tally.SHORT} letters"),
        Feature("distinct_words_share", "number", says="of the words"),
        Feature("repeated_lines_share", "number", says="lines that stood before, of the lines"),
        Feature("repeated_trigrams_share", "number", says="three words in a row that stood before"),
        Feature("list_marks", "number", says="per line"),
        Feature("headings", "number", says="per line"),
        Feature("bold", "number", says="per line"),
        Feature("links", "number", says="per line"),
        Feature("ticks", "number", says="backticks per line"),
        Feature("emoji", "number", says="per line"),
        Feature("questions", "number", says="question marks"),
        Feature("exclamations", "number", says="exclamation marks"),
        Feature("quotes", "number", says="double quotation marks"),
        Feature("json_depth", "number", says="0: no JSON"),
        Feature("json_keys", "number", says="keys at the top, or of an array's first object"),
        Feature("script", "category", len(chars.SCRIPTS)),
        Feature("kind", "category", len(KINDS), "what the whole is: JSON, a list, a table, prose …"),
        Feature("first_character", "category", first, "class of the first character; `other` where there is none"),
        Feature("last_character", "category", first, "class of the last character"),
        Feature("first_word", "category", BUCKETS, "hashed; 0: none"),
        Feature("last_word", "category", BUCKETS, "hashed; 0: none"),
        Feature("json_key_set", "category", BUCKETS, "hashed; 0: none"),
        Feature("padded", "flag", says="white space before or after"),
        Feature("unbalanced", "flag", says="more brackets open than close, or the other way round"),
        Feature("cut_off", "flag", says="words that end without an end"),
        Feature("refusal", "flag", says="a phrase of `text.refusals`"),
        Feature("apology", "flag", says="a phrase of `text.apologies`"),
        *(Feature(f"trigrams_{i}", "number", says="hashed, signed, over the root of their number")
          for i in range(PROJECTIONS)),
        *(Feature(f"words_{i}", "number", says="hashed, signed, over the root of their number")
          for i in range(PROJECTIONS)),
        Feature("square_brackets", "flag", says="in an answer that is no JSON, as the next two"),
        Feature("braces", "flag"),
        Feature("angle_brackets", "flag"),
        Feature("entities", "flag", says="characters written as HTML does: `&amp;`, `&#39;`"),
        Feature("currency_signs", "flag"),
        Feature("percent_signs", "flag"),
        Feature("colons", "flag"),
        Feature("number_unit", "category", BUCKETS, "the word or sign at the first number that has one; hashed"),
    )  # fmt: skip


FEATURES: tuple[Feature, ...] = _features()
"""What stands where in `output_shape`. The order is part of what is written: append, never insert."""
INDEX: dict[str, int] = {feature.name: number for number, feature in enumerate(FEATURES)}
"""Name → place."""

# A word is what stands between ASCII punctuation and the usual signs of other scripts: our own rule, for `\w` grows.
_DIGITS: Final = bytes(ord("0") if code in b"0123456789" else code for code in range(256))
"""Digits of words and trigrams are one character: a date, a number, an id is told by its form."""
_APART: Final = bytes(code if chr(code).isascii() and chr(code).isalnum() else ord(" ") for code in _DIGITS)
_WORD: Final = re.compile(
    "[^\\x00-/:-@\\[-`{-\\xbf\\xd7\\xf7\u2000-\u206f\u2190-\u2bff\u3000-\u303f\uff00-\uff0f\uff1a-\uff20]+"
)
_SENTENCE_ENDS: Final = (". ", ".\n", "? ", "?\n", "! ", "!\n")
_SENTENCE_ENDS_BEYOND_ASCII: Final = ("。", "！", "？", "।", "۔", "؟", "…")  # noqa: RUF001 (the characters themselves)
_ENTITY: Final = re.compile("&(?:[A-Za-z]{2,8}|#[0-9xX][0-9A-Fa-f]{0,6});")
_SIGNS_BEYOND_LATIN: Final = re.compile("[\u20a0-\u20cf]")
# begins where a number begins and never goes back into one, so that a long row of digits is read once
_UNIT: Final = re.compile(
    "(?<![0-9.,])(?:([$¢-¥\u20a0-\u20cf])[ \xa0]?[0-9]|[0-9][0-9.,]*+[ \xa0]?([A-Za-zµ°À-ɏ]+|[%$¢-¥\u20a0-\u20cf]))"
)
_ENDS: Final = frozenset((chars.STOP, chars.QUESTION, chars.EXCLAMATION))
_STOPPED: Final = frozenset(
    (chars.STOP, chars.QUESTION, chars.EXCLAMATION, chars.COLON, chars.QUOTE, chars.CLOSER, chars.MARK, chars.TICK,
     chars.ANGLE, chars.PIPE, chars.EMOJI, chars.OTHER, chars.SIGN, chars.HASH)
)  # fmt: skip
"""Classes of a last character after which nothing need follow; a letter, a digit or a comma is cut off."""
_JSON: Final = frozenset((structure.JSON_OBJECT, structure.JSON_ARRAY))
_ENDLESS: Final = frozenset((structure.EMPTY, structure.NUMBER, structure.WORD, structure.SIGNS))
_MIXED = {name: np.uint32(value) for name, value in (("a", 2654435761), ("b", 2246822519), ("c", 3266489917))}
_ZERO, _NINE = np.uint32(48), np.uint32(57)
_FIFTEEN, _TOP = np.uint32(15), np.uint32(32 - (2 * PROJECTIONS - 1).bit_length())


def read(text: str, phrases: Phrases) -> list[float]:
    """The numbers of one text, one per row of `FEATURES`."""
    return look(text, phrases)[0]


def look(text: str, phrases: Phrases) -> tuple[list[float], Any]:
    """The numbers of one text, and what it holds if it is JSON, else `UNREAD`."""
    length: i64 = len(text)
    stripped = text.strip()
    if length > TEXT_CHARACTERS:
        half = TEXT_CHARACTERS // 2
        text = text[:half] + text[-half:]
    ascii_only = text.isascii()
    walk = _walk(text, ascii_only)
    ascii, counts, words = walk.ascii, walk.classes, walk.words
    characters: i64 = len(text)
    size = float(characters) if characters != 0 else 1.0
    lines = text.split("\n") if ascii[ord("\n")] != 0 else [text]
    line_count = float(len(lines))
    longest: i64 = 0
    for line in lines:
        longest = max(longest, i64(len(line)))
    words_size = float(words.count)
    per_word = words_size if words.count != 0 else 1.0
    first = chars.class_of(stripped[0]) if stripped else chars.OTHER
    last = chars.class_of(stripped[-1]) if stripped else chars.OTHER
    is_padded = length != len(stripped)
    sentences = float(words.ends + (1 if not is_padded and last in _ENDS else 0))
    latin = counts[chars.LOWER] + counts[chars.UPPER]
    accents = counts[chars.LATIN_LOWER] + counts[chars.LATIN_UPPER]
    upper = counts[chars.UPPER] + counts[chars.LATIN_UPPER] + counts[chars.GREEK_UPPER] + counts[chars.CYRILLIC_UPPER]
    letters = latin + chars.between(counts, chars.LATIN_LOWER, chars.LETTER)
    marks = structure.marks(text, lines, ascii)
    found = structure.find(stripped, lines, marks, counts, words.count)
    refuses, apologises = phrases.found(stripped)
    values: list[float] = [
        tally.rounded(_log2(length)),
        line_count,
        tally.rounded(size / line_count) if length != 0 else 0.0,
        float(longest),
        words_size,
        tally.rounded(float(words.letters) / per_word),
        sentences,
        tally.rounded(words_size / (sentences if sentences != 0.0 else 1.0)),
        tally.rounded(float(letters) / size),
        tally.rounded(float(upper) / float(letters)) if letters != 0 else 0.0,
        tally.rounded(float(counts[chars.DIGIT]) / size),
        tally.rounded(float(chars.between(counts, chars.STOP, chars.SIGN)) / size),
        tally.rounded(float(counts[chars.SPACE] + counts[chars.NEWLINE]) / size),
        0.0 if ascii_only else tally.rounded(float(characters - chars.between(ascii, 0, 127)) / size),
        tally.rounded(float(accents) / float(latin + accents)) if accents != 0 else 0.0,
        tally.rounded(float(words.short) / per_word),
        tally.rounded(float(words.distinct) / per_word),
        tally.rounded(1.0 - float(len(set(lines))) / line_count) if line_count != 1.0 else 0.0,
        tally.rounded(1.0 - float(words.threes) / (words_size - 2.0)) if words.count > 2 else 0.0,
        tally.rounded(float(marks.items) / line_count),
        tally.rounded(float(marks.headings) / line_count),
        tally.rounded(float(marks.bold) / line_count),
        tally.rounded(float(marks.links) / line_count),
        tally.rounded(float(counts[chars.TICK]) / line_count),
        tally.rounded(float(counts[chars.EMOJI]) / line_count),
        float(counts[chars.QUESTION]),
        float(counts[chars.EXCLAMATION]),
        float(counts[chars.QUOTE]),
        float(found.depth),
        float(found.keys),
        float(chars.script_of(counts)),
        float(found.kind),
        float(first),
        float(last),
        float(bucket(words.first)) if words.count != 0 else 0.0,
        float(bucket(words.last)) if words.count != 0 else 0.0,
        float(bucket(found.key_set)) if found.key_set != structure.NO_KEYS else 0.0,
        _flag(is_padded),
        _flag(counts[chars.OPENER] != counts[chars.CLOSER]),
        _flag(found.kind not in _ENDLESS and last not in _STOPPED),
        _flag(refuses),
        _flag(apologises),
    ]
    values += walk.trigrams
    values += words.sums
    values += _signs(text, found.kind, ascii_only, ascii, counts)
    return values, found.value


def _walk(text: str, ascii_only: bool) -> tally.Walk:
    """What a text is made of, by a walk over it or by numpy."""
    if len(text) <= WALKED:
        if ascii_only:
            return tally.walk(text.encode("ascii"), PROJECTIONS)
        return tally.walk_wide(text.encode("utf-32-le", "surrogatepass"), PROJECTIONS, _words(text, False, True))
    codes = chars.codes_of(text)
    ascii, classes = chars.count(codes)
    return tally.Walk(
        vec[i64]([i64(each) for each in ascii]),
        vec[i64]([i64(each) for each in classes]),
        _projected(_trigrams(codes)),
        _words(text, ascii_only, False),
    )


def _signs(text: str, kind: int, ascii_only: bool, ascii: vec[i64], counts: vec[i64]) -> list[float]:
    """Which signs a text has, and the unit of its first number that has one; each is looked for only where it may be.

    JSON has brackets of its own, and numbers without units: of it only what a text within may bring.
    """
    is_json = kind in _JSON
    currency = ascii[ord("$")] != 0
    if not currency and not ascii_only:
        if counts[chars.SIGN] != 0:
            currency = "€" in text or "£" in text or "¥" in text
        if not currency and counts[chars.OTHER] != 0:
            currency = _SIGNS_BEYOND_LATIN.search(text) is not None
    unit = None if is_json or counts[chars.DIGIT] == 0 else _UNIT.search(text)
    return [
        _flag(not is_json and ascii[ord("[")] != 0),
        _flag(not is_json and ascii[ord("{")] != 0),
        _flag(not is_json and counts[chars.ANGLE] != 0),
        _flag(ascii[ord("&")] != 0 and _ENTITY.search(text) is not None),
        _flag(currency),
        _flag(ascii[ord("%")] != 0),
        _flag(not is_json and counts[chars.COLON] != 0),
        0.0 if unit is None else float(bucket(crc32((unit[1] or unit[2]).lower().encode("utf-8", "replace")))),
    ]


def _flag(it_is: bool) -> float:
    return 1.0 if it_is else 0.0


def bucket(hashed: int) -> int:
    """A hashed word as one of `BUCKETS` categories, never 0."""
    return 1 + hashed % (BUCKETS - 1)


def _words(text: str, ascii_only: bool, walks: bool) -> tally.Words:
    """The words of a text that is no ASCII or too long for `tally.walk`, as that says them."""
    if ascii_only:
        found = text.encode("ascii").translate(_APART).split()
        lengths = list(map(len, found))
    else:
        texts: list[str] = _WORD.findall(text)
        found = [word.encode("utf-8", "replace").translate(_DIGITS) for word in texts]
        lengths = list(map(len, texts))
    hashes = [crc32(word) for word in found]
    return tally.Words(
        len(found),
        sum(lengths),
        sum([lengths.count(letters) for letters in range(1, tally.SHORT + 1)]),
        len(set(found)),
        len(set(zip(found, islice(found, 1, None), islice(found, 2, None), strict=False))),
        hashes[0] if hashes else 0,
        hashes[-1] if hashes else 0,
        tally.hashed(hashes, PROJECTIONS) if walks else _projected(np.array(hashes, np.uint32)),
        _sentences(text, ascii_only),
    )


def _sentences(text: str, ascii_only: bool) -> int:
    """Ends of sentences with something after them."""
    ends = sum([text.count(end) for end in _SENTENCE_ENDS])
    return ends if ascii_only else ends + sum([text.count(end) for end in _SENTENCE_ENDS_BEYOND_ASCII])


def _log2(count: i64) -> float:
    """log2(1 + count), straight between the powers of two: the same on every machine."""
    count += 1
    power: i64 = 0
    while count >> power > 1:
        power += 1
    return float(power) + float(count) / float(1 << power) - 1.0


def _trigrams(codes: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """A hash for each three characters in a row."""
    codes = np.where((codes >= _ZERO) & (codes <= _NINE), _ZERO, codes)
    mixed = codes[:-2] * _MIXED["a"]
    mixed += codes[1:-1] * _MIXED["b"]
    mixed += codes[2:] * _MIXED["c"]
    return mixed


def _projected(hashes: NDArray[np.uint32]) -> list[float]:
    """Hashes added up in `PROJECTIONS` sums, each with a sign of its own, over the root of their number."""
    size = len(hashes)
    if not size:
        return [0.0] * PROJECTIONS
    mixed = hashes ^ (hashes >> _FIFTEEN)
    mixed *= _MIXED["a"]
    mixed >>= _TOP
    sums = np.bincount(mixed, minlength=2 * PROJECTIONS).tolist()
    root = math.sqrt(size)
    both = zip(sums[:PROJECTIONS], sums[PROJECTIONS:], strict=True)
    return [tally.rounded((plus - minus) / root) for plus, minus in both]
