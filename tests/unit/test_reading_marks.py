"""The marks of an answer: what is one, and that nothing else of a text is kept."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.reading import marks, reader
from schemas.config import Config
from schemas.event import Event, raw
from schemas.limits import FIELDS_READ

TEXTS: list[tuple[str, list[str], str]] = [
    ("", [], "nothing"),
    ("a word and another", [], "blanks between words"),
    ("Dear Mara,\n\nwe sent it.", ["a,↵↵a", "a."], "signs of a letter"),
    ("it is 9.50", ["9", "9.9"], "a decimal point"),
    ("it is 9,50", ["9", "9,9"], "a decimal comma"),
    ("# One\n## Two", ["# a", "a↵## a"], "headings of two levels"),
    ("a---------b a------b", ["a----a"], "a long row is a row"),
    ("if x:\n        y\nif x:\n    y", ["a:↵  a", "a↵a"], "however far it is indented"),
    ("<state>open</state><b/>", ["<a", "<b>", "<state>", "a/>", "a</a", "a><a", "a>a"], "tags by name"),
    ("well 😊🎉 done 👍🏽", ["a ☺", "a ☺ a"], "emoji are all one"),
    ("ends with a blank ", ["a "], "a blank at the end"),
    ("größer, schöner", ["a, a"], "letters of any script"),
    ("你好，世界。", ["a。", "a，a"], "signs of any script"),  # noqa: RUF001 (the characters themselves)
    ("x = [1, {'a': (2)}]", ["9", "9)}]", "9, {'a", "a = [9", "a': (9"], "code"),
    ("col\tcol\r\ncol", ["a⇥a", "a␍↵a"], "tabs and ends of lines"),
]


@pytest.mark.parametrize(("text", "found", "why"), TEXTS, ids=[row[2] for row in TEXTS])
def test_what_is_a_mark(text: str, found: list[str], why: str) -> None:
    assert marks.of_text(text) == (found, False), why


VALUES: list[tuple[Any, list[str], str]] = [
    ({}, [], "nothing"),
    ({"customer_name": "Mara", "done": True, "why": None}, [], "names of fields, true and null are none"),
    ({"why": "it broke."}, ["a."], "the end of a string"),
    ([["a, b"], {"c": [{"d": "(e)"}]}], ["(a", "a)", "a, a"], "at any depth"),
    ({"share": 0.5}, ["9", "9.9"], "a number"),
    ({"share": -50}, ["-9", "9"], "another one"),
    ({"a": "x", "b": "y"}, [], "two strings do not touch"),
]


@pytest.mark.parametrize(("value", "found", "why"), VALUES, ids=[row[2] for row in VALUES])
def test_marks_of_json_are_those_of_what_it_holds(value: Any, found: list[str], why: str) -> None:
    assert marks.of_value(value) == (found, False), why


def _side(character: str) -> str:
    return "9" if character in "0123456789" else "a"


def _slowly(text: str) -> set[str]:
    """Rows of signs between words, by a regular expression; without tags."""
    signs = r"[\x00-/:-@\[-`{-\xbf\xd7\xf7\u2000-\u206f\u2190-\u2bff\u3000-\u303f\uff00-\uff0f\uff1a-\uff20]+"
    found = set()
    for match in re.finditer(signs, text):
        left = _side(text[match.start() - 1]) if match.start() else ""
        right = _side(text[match.end()]) if match.end() < len(text) else ""
        if match[0] == " " and left and right:
            continue
        found.add(left + marks._write(match[0]) + right)
    return found | ({"9"} if re.search("[0-9]", text) else set())


@given(text=st.text(st.sampled_from("ab1 .,:-()#*\n“é你…"), max_size=60))
def test_a_walk_finds_what_a_regular_expression_does(text: str) -> None:
    assert set(marks.of_text(text)[0]) == _slowly(text)


@given(text=st.text(st.characters(codec="utf-8"), max_size=300))
def test_no_letter_and_no_digit_of_a_text_is_kept(text: str) -> None:
    for mark in marks.of_text(text)[0]:
        if not re.fullmatch("<[A-Za-z][A-Za-z0-9_.*-]*>", mark):
            assert not re.search("[b-zB-ZA0-8]", mark)
        assert len(mark) <= marks.SIGNS + 2 or mark.startswith("<")


def test_a_text_of_many_marks_tells_the_same_ones_each_time() -> None:
    signs = "!$%&*+,-/:;=?@^|~"
    rows = [one + other for one in signs for other in signs]
    found, more = marks.of_text(f"a{'a'.join(rows)}a")
    assert more
    assert len(found) == FIELDS_READ
    assert set(found) <= {f"a{row}a" for row in rows}
    assert marks.of_text(f"a{'a'.join(reversed(rows))}a") == (found, True)


def _nested(depth: int) -> Any:
    value: Any = "a, b"
    for _ in range(depth):
        value = [value]
    return value


IN_PART: list[tuple[Any, list[str], bool, str]] = [
    ("a" * marks.CHARACTERS, [], False, "as long as is read"),
    ("a" * marks.CHARACTERS + ".", [], True, "one more"),
    (["a, b"] * marks.VALUES, ["a, a"], False, "as many as are read"),
    (["a, b"] * marks.VALUES + ["a. b"], ["a, a"], True, "one more string"),
    (_nested(marks.DEPTH), ["a, a"], False, "as deep as is read"),
    (_nested(marks.DEPTH + 1), [], True, "deeper"),
]


@pytest.mark.parametrize(("value", "found", "more", "why"), IN_PART, ids=[row[3] for row in IN_PART])
def test_a_long_answer_is_read_in_part_and_counted(value: Any, found: list[str], more: bool, why: str) -> None:
    assert (marks.of_text(value) if isinstance(value, str) else marks.of_value(value)) == (found, more), why
    door = reader.Reader(Config())
    door.read(Event(kind="run_finished", time=1.0, id="f", agent="a", run="r", status="ok", output=raw(value)))
    assert door.counts.get("evicted:marks_of_an_output", 0) == more


def test_an_event_has_the_marks_of_its_output() -> None:
    door = reader.Reader(Config())
    for output, found in (("it is 9.50", ["9", "9.9"]), (json.dumps({"why": "it broke."}), ["a."])):
        event = Event(kind="run_finished", time=1.0, id="f", agent="a", run="r", status="ok", output=raw(output))
        door.read(event)
        assert event.output_marks == found
