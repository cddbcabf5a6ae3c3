"""The shape of an output: numbers, categories and flags that say how a text looks, never what it says.

General on purpose: no row knows of a fault. A change of length, structure, language, framing or topic moves some of
them, and which ones moved says what kind of change it was. Same text, same numbers, on any machine: only integers,
counts, one division each, then rounded to `STEP`; hashes are CRC-32 and a fixed multiplication.

Not here: whether a change matters (`monitor.drift`).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from itertools import islice
from typing import Final, Literal
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from monitor.reading import characters as chars
from monitor.reading import structure
from monitor.reading.phrases import Phrases
from monitor.reading.structure import KINDS

TEXT_CHARACTERS: Final = 20_000
"""Characters of a text that are looked at. Longer: its first and its last half of that, counted as `texts_cut`."""
STEP: Final = 1_000
"""Numbers are multiples of 1/STEP, so that a log holds three decimals of them."""
BUCKETS: Final = 64
"""Values of a hashed category: 0 is none."""
PROJECTIONS: Final = 8
"""Signed sums of hashed trigrams of characters, and as many of hashed words."""
SHORT_WORD: Final = 3

FeatureKind = Literal["number", "category", "flag"]


@dataclass(frozen=True, slots=True)
class Feature:
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
        Feature("short_words_share", "number", says=f"words of at most {SHORT_WORD} letters"),
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
    )  # fmt: skip


FEATURES: tuple[Feature, ...] = _features()
"""What stands where in `output_shape`. The order is part of what is written: append, never insert."""
INDEX: dict[str, int] = {feature.name: number for number, feature in enumerate(FEATURES)}
"""Name → place."""

# A word is what stands between ASCII punctuation and the usual signs of other scripts: our own rule, for `\w` grows.
_APART = bytes(code if chr(code).isascii() and chr(code).isalnum() else ord(" ") for code in range(256))
_WORD = re.compile(
    "[^\\x00-/:-@\\[-`{-\\xbf\\xd7\\xf7\u2000-\u206f\u2190-\u2bff\u3000-\u303f\uff00-\uff0f\uff1a-\uff20]+"
)
_SENTENCE_ENDS = (". ", ".\n", "? ", "?\n", "! ", "!\n")
_SENTENCE_ENDS_BEYOND_ASCII = ("。", "！", "？", "।", "۔", "؟", "…")  # noqa: RUF001 (the characters themselves)
_ENDS = frozenset((chars.STOP, chars.QUESTION, chars.EXCLAMATION))
_STOPPED = frozenset(
    (chars.STOP, chars.QUESTION, chars.EXCLAMATION, chars.COLON, chars.QUOTE, chars.CLOSER, chars.MARK, chars.TICK,
     chars.ANGLE, chars.PIPE, chars.EMOJI, chars.OTHER, chars.SIGN, chars.HASH)
)  # fmt: skip
"""Classes of a last character after which nothing need follow; a letter, a digit or a comma is cut off."""
_ENDLESS = frozenset((structure.EMPTY, structure.NUMBER, structure.WORD, structure.SIGNS))
_MIXED = {name: np.uint32(value) for name, value in (("a", 2654435761), ("b", 2246822519), ("c", 3266489917))}
_SIGNED = np.uint32(2 * PROJECTIONS)
_FIFTEEN, _TOP = np.uint32(15), np.uint32(32 - (2 * PROJECTIONS - 1).bit_length())


def read(text: str, phrases: Phrases) -> list[float]:
    """The numbers of one text, one per row of `FEATURES`."""
    length = len(text)
    stripped = text.strip()
    if length > TEXT_CHARACTERS:
        half = TEXT_CHARACTERS // 2
        text = text[:half] + text[-half:]
    codes = chars.codes_of(text)
    counts = chars.count(codes)
    ascii_only = text.isascii()
    size = len(text) or 1
    lines = text.split("\n")
    line_count = len(lines)
    words, lengths = _words(text, ascii_only)
    word_count = len(words)
    per_word = word_count or 1
    short = sum([lengths.count(letters) for letters in range(1, SHORT_WORD + 1)])
    first = chars.class_of(stripped[0]) if stripped else chars.OTHER
    last = chars.class_of(stripped[-1]) if stripped else chars.OTHER
    sentences = _sentences(text, ascii_only) + (length == len(stripped) and last in _ENDS)
    latin_lower, latin_upper = counts[chars.LOWER], counts[chars.UPPER]
    accents = counts[chars.LATIN_LOWER] + counts[chars.LATIN_UPPER]
    upper = latin_upper + counts[chars.LATIN_UPPER] + counts[chars.GREEK_UPPER] + counts[chars.CYRILLIC_UPPER]
    letters = latin_lower + latin_upper + sum(counts[chars.LATIN_LOWER :])
    marks = structure.marks(text, lines, counts)
    found = structure.find(stripped, lines, marks, counts, word_count)
    refuses, apologises = phrases.found(stripped)
    values = [
        _log2(length),
        line_count,
        size / line_count if length else 0,
        max(map(len, lines)),
        word_count,
        sum(lengths) / per_word,
        sentences,
        word_count / (sentences or 1),
        letters / size,
        upper / (letters or 1),
        counts[chars.DIGIT] / size,
        sum([counts[kind] for kind in chars.PUNCTUATION]) / size,
        (counts[chars.SPACE] + counts[chars.NEWLINE]) / size,
        0 if ascii_only else int(np.count_nonzero(codes > 127)) / size,
        accents / ((latin_lower + latin_upper + accents) or 1),
        short / per_word,
        len(set(words)) / per_word,
        1 - len(set(lines)) / line_count,
        _repeated(words),
        marks.items / line_count,
        marks.headings / line_count,
        marks.bold / line_count,
        marks.links / line_count,
        counts[chars.TICK] / line_count,
        counts[chars.EMOJI] / line_count,
        counts[chars.QUESTION],
        counts[chars.EXCLAMATION],
        counts[chars.QUOTE],
        found.depth,
        found.keys,
        chars.script_of(counts),
        found.kind,
        first,
        last,
        bucket(words[0]) if words else 0,
        bucket(words[-1]) if words else 0,
        bucket(found.key_set.encode("utf-8", "replace")) if found.key_set else 0,
        len(stripped) != length,
        counts[chars.OPENER] != counts[chars.CLOSER],
        found.kind not in _ENDLESS and last not in _STOPPED,
        refuses,
        apologises,
    ]
    values += _projected(_trigrams(codes), np.array(list(map(crc32, words)), np.uint32))
    rounded: list[float] = (np.rint(np.array(values, np.float64) * STEP) / STEP).tolist()
    return rounded


def bucket(word: bytes) -> int:
    """A word as one of `BUCKETS` categories, never 0."""
    return 1 + crc32(word) % (BUCKETS - 1)


def _words(text: str, ascii_only: bool) -> tuple[list[bytes], list[int]]:
    """Words as UTF-8, and how many characters each has."""
    if ascii_only:
        words = text.encode("ascii").translate(_APART).split()
        return words, list(map(len, words))
    found: list[str] = _WORD.findall(text)
    return [word.encode("utf-8", "replace") for word in found], list(map(len, found))


def _sentences(text: str, ascii_only: bool) -> int:
    """Ends of sentences with something after them."""
    ends = sum([text.count(end) for end in _SENTENCE_ENDS])
    return ends if ascii_only else ends + sum([text.count(end) for end in _SENTENCE_ENDS_BEYOND_ASCII])


def _log2(count: int) -> float:
    """log2(1 + count), straight between the powers of two: the same on every machine."""
    count += 1
    power = count.bit_length() - 1
    return power + count / (1 << power) - 1.0


def _repeated(words: list[bytes]) -> float:
    """Share of the sequences of three words that stood before."""
    sequences = len(words) - 2
    if sequences < 1:
        return 0.0
    return 1 - len(set(zip(words, islice(words, 1, None), islice(words, 2, None), strict=False))) / sequences


def _trigrams(codes: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """A hash for each three characters in a row."""
    mixed = codes[:-2] * _MIXED["a"]
    mixed += codes[1:-1] * _MIXED["b"]
    mixed += codes[2:] * _MIXED["c"]
    return mixed


def _projected(trigrams: NDArray[np.uint32], words: NDArray[np.uint32]) -> list[float]:
    """Hashes of each kind added up in `PROJECTIONS` sums, each with a sign of its own, over the root of their number.

    Both in one pass: of a short text, numpy's calls are dearer than its arithmetic.
    """
    first = len(trigrams)
    hashes = np.concatenate((trigrams, words))
    mixed = hashes ^ (hashes >> _FIFTEEN)
    mixed *= _MIXED["a"]
    mixed >>= _TOP
    mixed[first:] += _SIGNED
    sums: list[int] = np.bincount(mixed, minlength=2 * 2 * PROJECTIONS).tolist()
    return _over_root(sums, 0, first) + _over_root(sums, 2 * PROJECTIONS, len(words))


def _over_root(sums: list[int], start: int, size: int) -> list[float]:
    if not size:
        return [0.0] * PROJECTIONS
    root = math.sqrt(size)
    return [(sums[at] - sums[at + PROJECTIONS]) / root for at in range(start, start + PROJECTIONS)]
