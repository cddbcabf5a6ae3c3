"""Which fields a tool was given and gave back: names and types, bounded, never what they hold."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.reading import Reader
from monitor.reading import fields as form
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


def test_many_fields_are_bounded_and_counted() -> None:
    wide = {f"part_{chr(97 + i)}": {f"field_{chr(97 + k)}": k for k in range(20)} for i in range(20)}
    event = Event(kind="tool_call", time=1.0, agent="a", run="r", tool="t", arguments=raw(wide))
    reader = Reader(Config())
    reader.read(event)
    assert event.arguments_fields is not None
    assert len(event.arguments_fields) == limits.FIELDS_READ
    assert event.arguments_fields[-1] == form.MORE
    assert all(len(each) <= limits.NAME_LENGTH for each in event.arguments_fields)
    assert reader.counts == {"evicted:fields_of_a_tool": 1}
