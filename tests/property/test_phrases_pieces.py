"""Phrases are looked for by pieces that they share; that must find what looking for each of them finds."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.reading.phrases import HEAD, TAIL, Phrases, plain

WORDS = st.sampled_from(
    ["can", "not", "i can't", "help", "sorry", "désolé", "无法", "a", "", "sorry for", "elp w", " "]
)
TEXTS = st.lists(WORDS, max_size=8).map("".join)
SAID = ["I can\u2019t help", "sorry", "no", "d\u00e9sol\u00e9", "x\ny"]
PHRASES = st.lists(st.lists(WORDS, min_size=1, max_size=4).map("".join).filter(bool), max_size=6)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(PHRASES, TEXTS)
def test_a_text_holds_a_phrase_exactly_if_one_of_them_is_in_it(phrases: list[str], text: str) -> None:
    assert len(text) <= HEAD + TAIL
    found = any(plain(phrase) in plain(text) for phrase in phrases)

    assert Phrases(phrases, []).found(text) == (found, False)
    assert Phrases([], phrases).found(text) == (False, found)


@settings(deadline=None)
@given(st.lists(st.sampled_from([*SAID, "I CAN", "N'T HELP", "sorr", "\n", "K", "x " * HEAD, "y" * TAIL]), max_size=6))
def test_case_apostrophes_and_what_is_left_out_of_a_long_text(pieces: list[str]) -> None:
    text = "".join(pieces)
    said = plain(text if len(text) <= HEAD + TAIL else f"{text[:HEAD]}\n{text[-TAIL:]}")
    found = any(plain(phrase) in said for phrase in SAID)
    assert Phrases(SAID, ["no such"]).found(text) == (found, False)
