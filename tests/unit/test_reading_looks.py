"""What the values of a tool's arguments and results look like, and that nothing of what they say is in it."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.reading import Reader
from monitor.reading.calls import looks
from schemas import limits
from schemas.config import Config
from schemas.event import Event, raw

LOOKS: list[tuple[str, Any, list[str]]] = [
    ("a date, money and a word", {"at": "2026-11-27", "total": 9.5, "state": "sent"},
     ["at:digits 9-9-9", "state:words", "total:fraction"]),
    ("the same in another way", {"at": "27/11/2026", "total": 950, "state": "SENT"},
     ["at:digits 9/9/9", "state:capitals words", "total:whole"]),
    ("a sentence in capitals", {"note": "THE PARCEL CAME ONE DAY LATE, AND OPEN."}, ["note:capitals text"]),
    ("below zero, and zero", {"a": -1, "b": -1.5, "c": 0, "d": 0.0},
     ["a:negative whole", "b:negative fraction", "c:zero", "d:zero"]),
    ("what its type says already", {"a": None, "b": True, "c": {}, "d": []}, []),
    ("one level below", {"who": {"id": "A-1", "home": {"zip": "1"}}}, ["who.id:capitals code"]),
    ("items, each kind once", {"rows": [{"n": 1}, {"n": 2.5}, {"n": 3}]}, ["rows[].n:fraction", "rows[].n:whole"]),
    ("items that are values", [["a"], "x", 5], ["[]:whole", "[]:words"]),
    ("a number alone", 7, [":whole"]),
    ("a template that nobody filled in", {"id": "{{order_id}}"}, ["id:marked words"]),
    ("a short line", "Paris: 20 C, dry", ["`9`", "`a, a`", "`a: 9`"]),
    ("the same in capitals", "PARIS: 20 C, DRY", ["`9`", "`A`", "`a, a`", "`a: 9`"]),
    ("a page", "<order><id>5</id></order>", ["<id>", "<order>"]),
    ("text of several lines", "Dear all,\nit is late.", []),
    ("a long line", "word, " * 50, []),
    ("nothing", "", []),
    ("content that is one text of JSON", {"content": [{"type": "text", "text": '{"n": 5}'}]}, ["n:whole"]),
]  # fmt: skip


@pytest.mark.parametrize(("sentence", "value", "found"), LOOKS, ids=[row[0] for row in LOOKS])
def test_what_it_looks_like(sentence: str, value: Any, found: list[str]) -> None:
    event = Event(kind="tool_call", time=0.0, agent="a", run="r", tool="t", result=raw(value))
    Reader(Config()).read(event)
    assert sorted(event.result_looks or []) == sorted(found), sentence


def test_arguments_are_read_alike_and_once() -> None:
    event = Event(kind="tool_call", time=0.0, agent="a", run="r", tool="t", arguments=raw({"since": "2026-11-27"}))
    reader = Reader(Config())
    reader.read(event)
    assert event.arguments_looks == ["since:digits 9-9-9"]
    assert event.result_looks is None
    event.arguments = raw({"since": "none"})
    reader.read(event)
    assert event.arguments_looks == ["since:digits 9-9-9"], "what was read stays"


def test_spans_are_read_ahead_alike() -> None:
    texts = {"arguments": b'{"n": 5}', "result": b'{"content": [{"type": "text", "text": "5, 6"}]}'}
    found = Reader(Config()).read_ahead(texts, "t")
    assert found["arguments_looks"] == ["n:whole"]
    assert found["result_looks"] == ["`9`", "`9, 9`"]


def test_too_many_are_bounded_counted_and_the_same_each_time() -> None:
    many = {f"field_{chr(97 + i // 26)}{chr(97 + i % 26)}": i + 1 for i in range(39)}
    event = Event(kind="tool_call", time=0.0, agent="a", run="r", tool="t", result=raw({"b": many, "c": many}))
    reader = Reader(Config())
    reader.read(event)
    assert event.result_looks is not None
    assert len(event.result_looks) == looks.LOOKS <= limits.FIELDS_READ
    assert reader.counts["evicted:looks_of_a_tool"] == 1
    fewer, more = looks.looks({"b": many, "c": {name: many[name] for name in list(many)[:-1]}})
    assert more and len({*fewer} - {*event.result_looks}) <= 1


def test_data_as_names_and_long_arrays_stay_small() -> None:
    assert looks.looks({f"id-{number}": {"n": 1} for number in range(300)}) == (["*.n:whole"], True)
    assert looks.looks([[1.5] * 30] * 10_000) == ([], False)
    assert looks.looks([1] * 19 + ["x", "y"]) == (["[]:whole", "[]:words"], False)
