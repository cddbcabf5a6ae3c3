"""Hashes of arguments and results: what is the same call, and what is another."""

from __future__ import annotations

import pytest

from monitor.reading import Reader
from schemas.config import Config
from schemas.event import Event
from schemas.event import raw as text
from schemas.texts import derive

SAME: list[tuple[str, str, str]] = [
    ("keys in another order", '{"a":1,"b":[1,{"c":2,"d":3}]}', '{"b":[1,{"d":3,"c":2}],"a":1}'),
    ("other white space", '{"a":1}', '{ "a" : 1 }'),
    ("a string that holds the object", '{"a":1}', '"{\\"a\\": 1}"'),
    ("a letter written otherwise", '{"a":"\\u00e9"}', '{"a":"é"}'),
]
VOLATILE: list[tuple[str, str, str]] = [
    ("another request id", '{"q":"x","request_id":"1"}', '{"q":"x","request_id":"2"}'),
    ("the same in other letters", '{"q":"x","requestId":"1"}', '{"q":"x","X-Request-Id":"2"}'),
    ("one level below", '{"q":"x","meta":{"trace_id":1}}', '{"q":"x","meta":{"trace_id":2}}'),
    ("a time stamp and a nonce", '{"q":"x","timestamp":1,"nonce":"a"}', '{"q":"x","timestamp":2,"nonce":"b"}'),
    ("an idempotency key that is new", '{"q":"x"}', '{"q":"x","idempotency_key":"k"}'),
]
OTHER: list[tuple[str, str, str]] = [
    ("another value", '{"q":"x"}', '{"q":"y"}'),
    ("another order of items", "[1,2]", "[2,1]"),
    ("a number as text", '{"id":1}', '{"id":"1"}'),
    ("an id of a thing", '{"order_id":"1"}', '{"order_id":"2"}'),
    ("a time that is asked for", '{"start_time":1}', '{"start_time":2}'),
    ("a key in the items of a list", '{"rows":[{"nonce":1}]}', '{"rows":[{"nonce":2}]}'),
    ("no JSON", '"{a"', '"{b"'),
    ("a text", '"a [b]"', '"a  [b]"'),
]


def hashes(raw: str) -> list[tuple[int | None, int | None]]:
    """Of the same JSON as arguments and as result, by the three ways in which it comes in."""
    read, derived = [
        Event(kind="tool_call", time=0.0, agent="a", run="r", tool="t", arguments=text(0), result=text(0))
        for _ in range(2)
    ]
    for event in (read, derived):
        event.arguments = event.result = type(event.result)(raw.encode())
    Reader(Config()).read(read)
    derive.derive(derived)
    ahead = derive.derived({"arguments": raw.encode(), "result": raw.encode()})
    return [
        (read.arguments_hash, read.result_hash),
        (derived.arguments_hash, derived.result_hash),
        (ahead["arguments_hash"], ahead["result_hash"]),
    ]


@pytest.mark.parametrize(("sentence", "one", "other"), SAME, ids=[row[0] for row in SAME])
def test_the_same_value(sentence: str, one: str, other: str) -> None:
    assert len({*hashes(one), *hashes(other)}) == 1, sentence


@pytest.mark.parametrize(("sentence", "one", "other"), VOLATILE, ids=[row[0] for row in VOLATILE])
def test_what_is_new_in_each_call_is_left_out_of_arguments_alone(sentence: str, one: str, other: str) -> None:
    mine, theirs = hashes(one), hashes(other)
    assert len({arguments for arguments, _ in mine + theirs}) == 1, sentence
    assert len({result for _, result in mine + theirs}) == 2, sentence


@pytest.mark.parametrize(("sentence", "one", "other"), OTHER, ids=[row[0] for row in OTHER])
def test_another_call(sentence: str, one: str, other: str) -> None:
    mine, theirs = hashes(one), hashes(other)
    assert len(set(mine)) == len(set(theirs)) == 1, sentence
    assert mine[0] != theirs[0], sentence


def test_what_is_too_long_goes_by_its_bytes() -> None:
    long = '{"a":"' + "x" * derive.CANONICAL_BYTES + '"}'
    assert hashes(long) != hashes(long.replace(":", ": ", 1))
