"""Whatever a text says: the numbers are finite and the same every time, and nothing that is written is a word of it."""

from __future__ import annotations

import json
import math
import time
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitor.reading import Reader, shape
from monitor.reading.phrases import Phrases
from monitor.reading.reader import LARGEST
from monitor.reading.shape import FEATURES
from schemas import limits
from schemas.config import Config, Text
from schemas.event import Event, decode, encode, raw
from schemas.texts.derive import keep_no_text

PHRASES = Phrases(Text().refusals, Text().apologies)
any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=300) | st.text(
    "ab {}[]\"'`*#|<>.\n-1", max_size=300
)
CONFIG = Config.model_validate(
    {
        "components": [
            {
                "agent": "a",
                "contract": {
                    "tools": {
                        "t": {
                            "version": "1",
                            "arguments": {
                                "type": "object",
                                "required": ["order_id"],
                                "additionalProperties": {"type": "integer", "maximum": 3},
                                "properties": {"order_id": {"type": "string", "maxLength": 2}, "to": {"const": 7}},
                                "patternProperties": {"^x": {"type": "array", "uniqueItems": True}},
                                "propertyNames": {"maxLength": 3},
                            },
                        }
                    },
                    "claims": [{"output_matches": "(?i)secret", "requires_tool": "t"}],
                },
            }
        ]
    }
)
SECRET = "Zq7Secretzq"
secret_values = st.recursive(
    st.sampled_from([SECRET, f"{SECRET} and {SECRET}", f"jane.{SECRET}@example.com", 7, None, True, 1.5]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["order_id", "to", "x", "x_list", "amount", f"{SECRET} 1", "9"]), inner, max_size=4
        )
    ),
    max_leaves=8,
)


@given(any_text)
@settings(max_examples=400, deadline=None)
@example("")
@example("\ud800")
@example("\x00")
@example("\U0010ffff")
@example("[" * 400 + "]" * 400)
@example("{" * 4000 + "}" * 4000)
@example("\u2028\x85\r\n\x0b")
def test_any_text_has_a_shape(text: str) -> None:
    found = shape.read(text, PHRASES)
    assert len(found) == len(FEATURES)
    assert all(math.isfinite(number) for number in found)
    assert shape.read(text, PHRASES) == found
    for feature, number in zip(FEATURES, found, strict=True):
        if feature.kind == "category":
            assert number == int(number) and 0 <= number < feature.size, feature.name
        elif feature.kind == "flag":
            assert number in (0.0, 1.0), feature.name
        elif feature.name.endswith("_share"):
            assert 0.0 <= number <= 1.0, feature.name


@pytest.mark.parametrize(
    "text",
    ["x" * 1_000_000, "x " * 500_000, "\n" * 1_000_000, "[" * 1_000_000, "{\"a\":" * 9_000 + "1" + "}" * 9_000,
     json.dumps([{"a": [1]}] * 40_000), "- \n" * 300_000, "é" * 1_000_000, ". " * 500_000, "|\n" * 500_000],
)  # fmt: skip
def test_a_very_long_text_costs_what_a_long_one_costs(text: str) -> None:
    """Measured against the same work on a text of the bound, so that a slow machine tells the truth too."""
    usual = ("Some words of a text. " * 1_000)[: shape.TEXT_CHARACTERS]

    def seconds(of: str) -> float:
        took = []
        for _ in range(3):
            began = time.process_time()
            shape.read(of, PHRASES)
            took.append(time.process_time() - began)
        return min(took)

    assert seconds(text) < 40 * seconds(usual)


@given(secret_values, secret_values, st.booleans())
@settings(max_examples=300, deadline=None)
def test_nothing_of_a_value_is_written(arguments: Any, result: Any, in_a_string: bool) -> None:
    given_arguments = json.dumps(arguments) if in_a_string else arguments
    call = Event(
        kind="tool_call",
        time=1.0,
        id="e",
        agent="a",
        run="r",
        tool="t",
        arguments=raw(given_arguments),
        result=raw(result),
    )
    ended = Event(kind="run_finished", time=1.0, id="f", agent="a", run="r", output=raw(arguments))
    reader = Reader(CONFIG)
    for event in (call, ended):
        reader.read(event)
        line = encode(keep_no_text(event)).decode()
        assert SECRET.lower() not in line.lower()
        assert "jane" not in line


texts = any_text.map(raw) | secret_values.map(raw) | any_text.map(lambda text: raw(json.dumps([text])))


@given(st.sampled_from(["tool_call", "run_finished", "llm_call", "run_started"]), texts, texts)
@settings(max_examples=300, deadline=None)
def test_reading_again_changes_nothing_and_the_log_says_the_same(kind: str, one: Any, other: Any) -> None:
    """Text at the door, then the engine; or the log without text, then the engine of a replay: one event."""
    event = Event(kind=kind, time=1.0, id="e", agent="a", run="r", tool="t", tool_version="2")
    if kind == "tool_call":
        event.arguments, event.result = one, other
    elif kind == "run_started":
        event.input = one
    else:
        event.output = one
    with_text = decode(encode(event))
    Reader(CONFIG).read(with_text)
    expected = encode(keep_no_text(with_text))

    door = Reader(CONFIG)
    door.read(event)
    door.read(event)
    logged = decode(encode(keep_no_text(event)))
    assert encode(logged) == expected
    Reader(CONFIG).read(logged)
    assert encode(logged) == expected


ours = st.lists(st.floats(-1e3, 1e3), min_size=len(FEATURES), max_size=len(FEATURES))
foreign = st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=limits.SHAPE_NUMBERS)


@given(ours | foreign)
@example([1e13] * len(FEATURES))
@example([1e308] * len(FEATURES))
def test_a_shape_that_cannot_be_ours_is_not_taken(numbers: list[float]) -> None:
    reader = Reader(Config())
    event = Event(kind="run_finished", time=1.0, agent="a", run="r", output_shape=numbers)
    reader.read(event)
    if len(numbers) != len(FEATURES) or math.hypot(*numbers) > LARGEST:
        assert event.output_shape is None
        assert reader.counts == {"evicted:shapes_refused": 1}
    else:
        assert event.output_shape == numbers
