"""The form of a tool's result: what is the same form, and what is another."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.reading import Reader
from monitor.reading.calls import forms
from schemas.config import Config
from schemas.event import Event, raw

TEXT = {"type": "text", "text": "Weather in Paris: 20 C"}

FORMS: list[tuple[str, Any, str | None]] = [
    ("nothing", None, "empty"),
    ("an empty text", "", "empty"),
    ("white space", " \n", "empty"),
    ("an empty list", [], "empty"),
    ("an empty object", {}, "empty"),
    ("an object", {"a": 1}, "object"),
    ("an object with rows", {"rows": [1], "total": 1}, "object"),
    ("an object whose lists have nothing", {"rows": [], "total": 0}, "no entries"),
    ("an object one of whose lists has something", {"rows": [1], "notes": []}, "object"),
    ("a list", [{"a": 1}], "list"),
    ("a number", 5, "number"),
    ("a flag", True, "true or false"),
    ("JSON in a string", '{"a": 1}', "object"),
    ("text that only begins like JSON", "{a: 1}", "line"),
    ("a line", "Weather in Paris: 20 C", "line"),
    ("several lines", "one\ntwo", "lines"),
    ("a page", "<html>x</html>", "page"),
    ("content that is one text", {"content": [TEXT], "isError": False}, "line"),
    ("content that is one text, as a list", [TEXT], "line"),
    ("content that is one text of JSON", {"content": [{"type": "text", "text": "[]"}]}, "empty"),
    ("content of two texts", {"content": [TEXT, TEXT]}, "object"),
]


@pytest.mark.parametrize(("sentence", "result", "form"), FORMS, ids=[row[0] for row in FORMS])
def test_a_form(sentence: str, result: Any, form: str | None) -> None:
    event = Event(kind="tool_call", time=0.0, agent="a", run="r", tool="t", result=raw(result))
    Reader(Config()).read(event)
    assert event.result_form is not None and event.result_form.partition(" #")[0] == form, sentence


def test_the_first_word_is_told_apart_without_case_and_numbers() -> None:
    found = [forms.form(text) for text in ("Found 3 results", "found 12 more", "5: FOUND", "Nothing")]
    assert found[0] == found[1] == found[2] != found[3]


def test_names_are_forms_and_first_words_apart() -> None:
    assert forms.names_of(["line #3", "lines #3", "empty"]) == ["empty", "first word #3", "line", "lines"]
    assert not forms.is_new(["first word #3"])
    assert forms.is_new(["first word #3", "page"])
