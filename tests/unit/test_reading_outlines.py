"""What is remembered of values that are alike, and that it does not grow with what is sent."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.reading.calls import looks, outlines
from monitor.reading.calls.outlines import Outlines

ALIKE: list[tuple[str, Any, Any]] = [
    ("other values", {"id": "A-1", "total": 9.5}, {"id": "B-23", "total": 0.25}),
    ("as many items as you like", {"rows": [{"n": 1}]}, {"rows": [{"n": 7}, {"n": 8}, {"n": 9}]}),
    ("what lies too deep", {"a": {"b": {"c": 1}}}, {"a": {"b": {"d": [2]}}}),
    ("true and false", {"ok": True}, {"ok": False}),
]
OTHER: list[tuple[str, Any, Any]] = [
    ("another name", {"id": 1}, {"key": 1}),
    ("another look", {"at": "2026-11-27"}, {"at": "27/11/2026"}),
    ("a number below zero", {"n": 1}, {"n": -1}),
    ("an object and a text of that name", {"a": {}}, {"a": "object"}),
    ("a field within, and beside", {"a": {"words": "x"}}, {"a": {}, "words": "x"}),
    ("an array and what is in it", ["x"], {"x": "x"}),
    ("nothing at all", {}, []),
]


@pytest.mark.parametrize(("sentence", "one", "other"), ALIKE, ids=[row[0] for row in ALIKE])
def test_alike(sentence: str, one: Any, other: Any) -> None:
    known = Outlines()
    assert known.told(one) is known.told(other), sentence


@pytest.mark.parametrize(("sentence", "one", "other"), OTHER, ids=[row[0] for row in OTHER])
def test_not_alike(sentence: str, one: Any, other: Any) -> None:
    known = Outlines()
    assert known.told(one) is not known.told(other), sentence
    assert len(known) == 2, sentence


def test_what_is_remembered_is_bounded() -> None:
    known = Outlines()
    for number in range(3 * outlines.OUTLINES):
        known.told({f"n{number}": number})
        assert len(known) <= outlines.OUTLINES
    name = "n" * (outlines.ROOM - 100)
    for number in range(1_000):
        known.told({f"{name}{number}": number})
        assert known.room <= outlines.REMEMBERED
    assert 0 < len(known) <= outlines.REMEMBERED // len(name)


@pytest.mark.parametrize(
    "value",
    [
        {"n" * outlines.ROOM: 1},
        {"a": [{"b": [0] * 20}] * 10},
        {f"n{number}": number for number in range(50)},
        "text",
        7,
        None,
    ],
)
def test_what_is_large_or_wide_or_no_container_is_not_remembered(value: Any) -> None:
    known = Outlines()
    assert known.told(value).fields == known.told(value).fields
    assert len(known) == 0


def test_no_value_is_left_out_of_what_is_remembered() -> None:
    assert outlines.ROOM // outlines.VALUE < looks.VALUES
