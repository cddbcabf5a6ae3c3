"""Which fields a tool was given and gave back: names and types, bounded, never what they hold."""

from __future__ import annotations

import json
from typing import Any

import pytest

from monitor.reading import Reader
from monitor.reading.calls import answers, strings
from monitor.reading.calls import fields as form
from schemas import limits
from schemas.config import Config
from schemas.event import Event, raw

ROWS: list[tuple[str, Any, list[str]]] = [
    ("types of the top", {"a": "x", "b": 1, "c": 2.5, "d": True, "e": None, "f": {}, "g": []},
     ["a:string", "b:number", "c:number", "d:boolean", "e:null", "f:object", "g:array"]),
    ("one level below", {"order": {"id": "A", "lines": [{"price": 1}]}},
     ["order.id:string", "order.lines:array", "order:object"]),
    ("items of an array", {"items": [{"price": 1}, {"price": None, "name": "x"}], "tags": ["x", 1]},
     ["items:array", "items[].name:string", "items[].price:null", "items[].price:number", "tags:array",
      "tags[]:number", "tags[]:string"]),
    ("an array at the top", [{"id": 1}, {"id": 2}], [":array", "[].id:number"]),
    ("text", "all done", [":string"]),
    ("JSON in a string", '{"id": 1}', ["id:number"]),
    ("a string that begins like JSON", "[not json", [":string"]),
    ("digits are data", {"order_1": 1, "order_2": 2}, ["order_*:number"]),
    ("names that are no identifiers are data", {"jane@example.com": 1, "born 1970": 2, "名前": 3, "": 4}, ["*:number"]),
    ("marks of linked data", {"@type": "x", "$id": "y"}, ["$id:string", "@type:string"]),
    ("long names are cut", {"n" * 90: 1}, ["n" * form.NAME_CHARACTERS + ":number"]),
    ("an object with very many names is a map", {f"k{chr(97 + i // 26)}{chr(97 + i % 26)}": i for i in range(60)},
     ["*:number"]),
    ("nothing", None, [":null"]),
]  # fmt: skip


@pytest.mark.parametrize(("says", "result", "expected"), ROWS)
def test_fields_of_a_result(says: str, result: Any, expected: list[str]) -> None:
    event = Event(kind="tool_call", time=1.0, agent="a", run="r", tool="t", result=raw(result))
    Reader(Config()).read(event)
    assert event.result_fields == expected, says
    assert event.arguments_fields is None


def test_a_field_that_vanishes_or_changes_its_type_shows() -> None:
    before = form.fields({"id": 1, "total": 9.5})
    assert form.fields({"id": 1}) != before
    assert form.fields({"id": "1", "total": 9.5}) != before
    assert form.fields({"id": 7, "total": 1}) == before


def test_values_are_told_apart_by_types_and_places() -> None:
    """True is one and 1.0 is 1 to a dictionary, and a list may hold what an object holds."""
    told = [form.fields(value) for value in ({"a": 1}, {"a": True}, {"a": {}}, {"a": []}, {"a": [[]]}, [{"a": 1}])]
    assert told == [
        ["a:number"], ["a:boolean"], ["a:object"], ["a:array"], ["a:array", "a[]:array"], [":array", "[].a:number"]
    ]  # fmt: skip
    assert form.fields({"a": {"b": 1}}) != form.fields({"a": [{"b": 1}]})


def test_many_fields_are_bounded_and_counted() -> None:
    wide = {f"part_{chr(97 + i)}": {f"field_{chr(97 + k)}": k for k in range(20)} for i in range(20)}
    event = Event(kind="tool_call", time=1.0, agent="a", run="r", tool="t", arguments=raw(wide))
    reader = Reader(Config())
    reader.read(event)
    assert event.arguments_fields is not None
    assert len(event.arguments_fields) == limits.FIELDS_READ
    assert event.arguments_fields[-1] == form.MORE
    assert all(len(each) <= limits.NAME_LENGTH for each in event.arguments_fields)
    assert reader.counts == {"evicted:fields_of_a_tool": 1, "evicted:looks_of_a_tool": 1}


LOOKS: list[tuple[str, str, str]] = [
    ("nothing", "", "empty"),
    ("only blanks", " \n", "empty"),
    ("a number as text", "12.50", "digits 9"),
    ("thousands are one number as well", "1,200.50", "digits 9"),
    ("a part of a hundred", "85%", "digits 9%"),
    ("money by its sign", "€1,200", "digits €9"),
    ("a date", "2026-03-05", "digits 9-9-9"),
    ("the same date as Americans write it", "03/05/2026", "digits 9/9/9"),
    ("a moment has letters", "2026-03-05T10:00:00Z", "code"),
    ("an id", "A-1234", "code"),
    ("one word", "approved", "words"),
    ("nothing to say is a word", "N/A", "words"),
    ("a name", "Mara Lee Hart", "words"),
    ("a sentence", "The parcel came one day late.", "text"),
    ("a long word", "x" * 60, "text"),
    ("another script", "返金しました", "words"),
    ("no letter and no digit", "—", "signs"),
    ("a template that nobody filled", "{{name}}", "marked words"),
    ("a tag", "<b>late</b> by a day or two", "marked text"),
    ("written for HTML", "black &amp; white", "marked words"),
    ("and what is not", "black & white; grey", "words"),
]


@pytest.mark.parametrize(("says", "text", "expected"), LOOKS)
def test_what_a_string_looks_like(says: str, text: str, expected: str) -> None:
    assert strings.looks(text) == expected, says


def _forms(output: Any) -> list[str] | None:
    event = Event(kind="run_finished", time=1.0, agent="a", run="r", output=raw(output))
    Reader(Config()).read(event)
    return event.output_fields


def test_fields_of_an_answer() -> None:
    found = answers.forms({"id": 7, "who": {"name": {"first": "Mara"}}, "lines": [{"n": 1}, {"n": "two"}], "ok": True})
    assert [name.partition("#")[0] for name in found] == [
        "id:number", "lines:array", "lines[]:object", "lines[].n:number", "lines[].n:words", "ok:boolean",
        "who:object", "who.name:object", "who.name.first:words",
    ]  # fmt: skip
    assert _forms('{"id": 7}') == answers.forms({"id": 7}), "an answer is a text that holds JSON"
    assert _forms("all done") is None
    assert _forms('{"id": ') is None
    assert _forms("7") is None, "a number is an answer in words"


SAME: list[tuple[str, Any, Any, bool]] = [
    ("another value", {"a": "x"}, {"a": "y"}, False),
    ("the same value", {"a": "x"}, {"a": "x"}, True),
    ("items in another order", {"a": ["x", "y"]}, {"a": ["y", "x"]}, True),
    ("the same item once more is another number of items", {"a": ["x"]}, {"a": ["x", "x"]}, False),
    ("another number", {"a": 1}, {"a": 2}, False),
    ("an object holds what its fields hold", {"a": {}}, {"a": {}}, True),
]


@pytest.mark.parametrize(("says", "one", "other", "same"), SAME)
def test_a_value_is_known_again_by_its_hash(says: str, one: Any, other: Any, same: bool) -> None:
    assert (answers.forms(one) == answers.forms(other)) is same, says


def test_a_large_answer_is_bounded() -> None:
    wide = {f"part_{chr(97 + i)}": {f"field_{chr(97 + k)}": f"{k} x" for k in range(20)} for i in range(20)}
    event = Event(kind="run_finished", time=1.0, agent="a", run="r", output=raw(json.dumps(wide)))
    reader = Reader(Config())
    reader.read(event)
    assert event.output_fields is not None
    assert len(event.output_fields) == limits.FIELDS_READ
    assert reader.counts["evicted:fields_of_an_output"] == 1
    deep: Any = "x"
    for _ in range(60):
        deep = {"in": deep}
    assert max(name.count(".") for name in answers.forms(deep)) == answers.LEVELS - 1
    assert len(answers.forms([[[i]] for i in range(10_000)])) < form.FIELDS
