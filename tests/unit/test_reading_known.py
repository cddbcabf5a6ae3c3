"""What is remembered of arguments and results shows in nothing that is read, and does not grow with what is sent."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.reading import Reader
from monitor.reading.calls import known
from monitor.reading.calls.known import Known
from schemas.config import Config
from schemas.event import Event, encode

TOOL = {"arguments": {"type": "object", "required": ["order_id"]}, "version": "3"}
CONTRACT = {"tools": {"pay": TOOL}}
TEXT: dict[str, list[str]] = {"errors": ["oh no*"], "refusals": [], "apologies": []}
CONFIG = Config.model_validate(
    {
        "components": [{"agent": "refunds", "contract": CONTRACT}],
        "text": TEXT,
    }
)
WRITTEN: list[dict[str, Any]] = [
    {}, {"arguments_fields": ["id:string"]}, {"arguments_hash": 1}, {"result_fields": ["id:string"]},
    {"result_hash": 1}, {"soft_error": True}, {"result_empty": True}, {"result_form": "list"},
]  # fmt: skip
"""What a producer may have written beside the text."""
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8) | st.just("oh no"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(("id", "error", "status", "request_id", "n1")), inner, max_size=3)
        | inner.map(lambda value: [{"type": "text", "text": json.dumps(value)}])
    ),
    max_leaves=6,
)
TEXTS = VALUES.map(lambda value: json.dumps(value).encode()) | st.sampled_from((b"", b'{"', b"[" * 1_500, b'"\\ud800"'))


def call(agent: str, actor: str, arguments: bytes, result: bytes, written: dict[str, Any]) -> Event:
    texts = {"arguments": msgspec.Raw(arguments), "result": msgspec.Raw(result)}
    return Event(id="e", kind="tool_call", time=1.0, agent=agent, run="r", tool="pay", actor=actor, **texts, **written)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(TEXTS, min_size=1, max_size=3),
    st.lists(
        st.tuples(
            st.sampled_from(("refunds", "sales")),
            st.sampled_from(("agent", "agent", "user")),
            st.integers(0, 2),
            st.integers(0, 2),
            st.sampled_from(WRITTEN),
        ),
        min_size=2,
        max_size=8,
    ),
)
def test_what_is_remembered_shows_in_nothing(texts: list[bytes], calls: list[tuple[Any, ...]]) -> None:
    knows = Reader(CONFIG)
    counts: dict[str, int] = {}
    for agent, actor, arguments, result, written in calls:
        one, other = (
            call(agent, actor, texts[arguments % len(texts)], texts[result % len(texts)], written) for _ in range(2)
        )
        knows.read(one)
        Reader(CONFIG, counts).read(other)
        assert encode(one) == encode(other)
    assert knows.counts == counts


def test_what_is_too_much_is_counted_each_time() -> None:
    reader = Reader(Config())
    names = {f"{letter}{other}": 1 for letter in "abcdef" for other in "abcdef"}
    wide = json.dumps({"one": names, "two": names}).encode()
    for number in range(1, 4):
        reader.read(call("sales", "agent", b"{}", wide, {}))
        what = "fields", "looks", "traits"
        assert reader.counts == {f"evicted:{name}_of_a_tool": number for name in what}


@pytest.mark.parametrize("length", [8, known.RESULT_BYTES])
def test_what_is_remembered_of_texts_is_bounded(length: int) -> None:
    texts: Known[int] = Known(known.RESULT_BYTES)
    for number in range(3 * known.TEXTS):
        text = f"{number:0{length}}".encode()
        texts.keep(text, number)
        assert texts.get(text) == number
        assert len(texts) <= known.TEXTS
        assert texts.size <= known.REMEMBERED
    texts.keep(b"n" * (known.RESULT_BYTES + 1), 1)
    assert texts.get(b"n" * (known.RESULT_BYTES + 1)) is None
