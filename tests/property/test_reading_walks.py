"""A text is walked over by compiled code, or looked at by Python's own means and numpy: both say the same."""

from __future__ import annotations

import re
from zlib import crc32

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from monitor.reading import characters as chars
from monitor.reading import shape, tally
from monitor.reading.calls import strings

PIECES = st.sampled_from(
    ["a", "to", "the", "word", "Word", "42", " ", "  ", ". ", "? ", "!", "\n", "-", "{", '"', "\x00", "~"]
)
ASCII = st.lists(st.one_of(PIECES, st.characters(max_codepoint=127)), max_size=60).map("".join)
ANY = st.text(max_size=40)
OF_TOOLS = st.sampled_from(
    ["A", "a", "é", "ß", "日", "ﬁ", "1", "23", " ", "-", ".", "'", "{", "<", "&", "&amp;", "\t", "\n", "\x0b", "½", "٣"]
)
SUMS = 8


def _said(words: tally.Words) -> tuple[object, ...]:
    return (
        words.count, words.letters, words.short, words.distinct, words.threes, words.first, words.last, words.sums,
        words.ends,
    )  # fmt: skip


@given(ASCII)
def test_words_of_ascii_are_what_splitting_finds(text: str) -> None:
    raw = text.encode()
    for _ in range(2):  # the working memory of the first walk does not show in the second
        assert _said(tally.walk(raw, SUMS).words) == _said(shape._words(text, True, True))


def test_the_longest_text_that_is_walked_over_has_room_for_its_words() -> None:
    text = " ".join(chr(ord("a") + number % 26) for number in range(tally.MOST // 2))
    raw = text.encode()
    assert len(raw) == tally.MOST - 1
    assert _said(tally.walk(raw, SUMS).words) == _said(shape._words(text, True, True))
    letters = str.maketrans("0123456789", "ghijklmnop")  # digits are one character
    different = "".join(f"{number:03x}," for number in range(tally.MOST // 4)).translate(letters).encode()
    assert tally.walk(different, SUMS).words.distinct == tally.MOST // 4


@given(ASCII)
def test_a_hash_of_words_is_that_of_zlib(text: str) -> None:
    folded = re.sub("[0-9]", "0", text)
    found = "".join(character if character.isalnum() else " " for character in folded).split()
    words = tally.walk(text.encode(), SUMS).words
    assert words.count == len(found)
    if found:
        assert (words.first, words.last) == (crc32(found[0].encode()), crc32(found[-1].encode()))


@given(st.one_of(ANY, ASCII))
def test_characters_and_their_sequences_are_what_numpy_counts(text: str) -> None:
    codes = chars.codes_of(text)
    words = shape._words(text, False, True)
    walk = tally.walk_wide(text.encode("utf-32-le", "surrogatepass"), SUMS, words)
    assert (list(walk.ascii), list(walk.classes)) == chars.count(codes)
    assert walk.trigrams == shape._projected(shape._trigrams(codes))
    assert walk.words is words
    hashes = [crc32(word.encode("utf-8", "replace")) for word in text.split()]
    assert tally.hashed(hashes, SUMS) == shape._projected(np.array(hashes, np.uint32))


@given(st.one_of(st.lists(OF_TOOLS, max_size=50).map("".join), ANY))
@example("a" * 40)
@example(" " + "a" * 40)
@example("1 2 3 4 5")
@example("1,000.5 '2")
def test_a_string_of_a_tool_looks_as_regular_expressions_find(text: str) -> None:
    assert strings.looks(text) == strings.look(text)
    assert strings.written(text) == ("capitals " if strings.is_capitals(text) else "") + strings.look(text)


@given(ASCII)
def test_a_text_of_ascii_is_the_same_whichever_way_it_is_walked(text: str) -> None:
    walk = tally.walk(text.encode("ascii"), SUMS)
    wide = tally.walk_wide(text.encode("utf-32-le"), SUMS, walk.words)
    assert (list(walk.ascii), list(walk.classes)) == (list(wide.ascii), list(wide.classes))
    assert walk.trigrams == wide.trigrams


@given(st.binary(max_size=60))
def test_a_hash_of_bytes_is_that_of_zlib(raw: bytes) -> None:
    assert tally.crc(raw) == crc32(raw)
