"""What is kept of a tool's result beside its fields: orders of numbers, hashes of words, sizes of lists, deep types."""

from __future__ import annotations

from typing import Any
from zlib import crc32

import pytest

from monitor.reading import Reader
from monitor.reading.calls.traits import HASH, LARGEST, TRAITS, traits
from monitor.reading.values import UNREAD
from schemas import limits
from schemas.config import Config
from schemas.event import Event, raw


def _hash(word: str) -> str:
    return f"{crc32(word.encode()) & HASH:x}"


ROWS: list[tuple[str, Any, list[str] | None]] = [
    ("a number has its order, in quarters of an octave", {"a": 1, "b": 9.5, "c": 0.5}, ["a~+0", "b~+12", "c~+-4"]),
    ("a negative one its sign before it", {"a": -9.5}, ["a~-12"]),
    ("zero has no order", {"a": 0, "b": 0.0}, None),
    ("a hundred times is six octaves and a half", {"a": 950}, ["a~+39"]),
    ("an order has an end", {"a": 1e300, "b": 1e-300}, [f"a~+{4 * LARGEST}", f"b~+{-4 * LARGEST}"]),
    ("a word has a hash", {"state": "sent"}, [f"state={_hash('sent')}"]),
    ("in capitals it is another one", {"state": "SENT"}, [f"state={_hash('SENT')}"]),
    ("with a capital first, that of the small one", {"state": "Sent"}, [f"state={_hash('sent')}T"]),
    ("a string with digits, a long one and an empty one is no word", {"a": "A-1", "b": "a" * 25, "c": ""}, None),
    ("one in other letters is none", {"a": "süß"}, None),
    ("a day of the week is none, for it goes by", {"a": "monday", "b": "TUE", "c": "May"}, None),
    ("a list has none, one or several items", {"a": [], "b": [True], "c": [None] * 9}, ["a*0", "b*1", "c*2"]),
    ("so has a result that is one", [{"a": 1}], ["*1", "[].a~+0"]),
    ("the first item stands for the others", {"a": [{"b": 1}, {"b": 4}]}, ["a*2", "a[].b~+0"]),
    ("what is deep has its type", {"a": {"b": {"c": None, "d": True}}}, ["a.b.c:null", "a.b.d:boolean"]),
    ("an order in a list in an object", {"a": {"b": [{"p": "1.5"}]}}, ["a.b*1", "a.b[].p:string"]),
    ("what is not deep has none: it is told already", {"a": {"b": None}, "c": [{"d": None}]}, ["c*1"]),
    ("rows have columns", {"r": [[1, "x"]]}, ["r*1", "r[][0]~+0", "r[][0]:number", f"r[][1]={_hash('x')}",
                                              "r[][1]:string"]),
    ("names that may be data are not kept", {f"id-{n}": 1 for n in range(99)}, None),
    ("nor are digits in names", {"a1": 1, "a2": 2}, ["a*~+0", "a*~+4"]),
    ("a number alone", 9.5, ["~+12"]),
    ("a word alone", "sent", [f"={_hash('sent')}"]),
    ("what could not be read", UNREAD, None),
]  # fmt: skip


@pytest.mark.parametrize(("sentence", "value", "found"), ROWS, ids=[row[0] for row in ROWS])
def test_the_traits_of_a_result(sentence: str, value: Any, found: list[str] | None) -> None:
    for _ in range(2):
        assert traits(value) == found, sentence


def test_an_event_has_them_and_what_was_read_stays() -> None:
    event = Event(kind="tool_call", time=0.0, agent="a", run="r", tool="t", result=raw({"n": 9.5}))
    reader = Reader(Config())
    reader.read(event)
    assert event.result_traits == ["n~+12"]
    event.result = raw({"n": 1})
    reader.read(event)
    assert event.result_traits == ["n~+12"]


def test_content_of_the_protocol_is_read_and_spans_are_read_ahead_alike() -> None:
    found = Reader(Config()).read_ahead({"result": b'{"content": [{"type": "text", "text": "{\\"n\\": 9.5}"}]}'}, "t")
    assert found["result_traits"] == ["n~+12"]


def test_too_many_are_bounded_and_counted() -> None:
    many = {f"field_{chr(97 + i // 26)}{chr(97 + i % 26)}": i + 1 for i in range(39)}
    event = Event(kind="tool_call", time=0.0, agent="a", run="r", tool="t", result=raw({"b": many, "c": many}))
    reader = Reader(Config())
    reader.read(event)
    assert event.result_traits is not None
    assert len(event.result_traits) == TRAITS <= limits.FIELDS_READ
    assert reader.counts["evicted:traits_of_a_tool"] == 1
