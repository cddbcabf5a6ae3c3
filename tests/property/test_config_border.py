"""The decoder of the hot path and the models of the border accept and refuse the same events."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas import border, event, limits

_words = st.sampled_from(["", "a", "ok", "error", "agent", "canary", "full", "blocked", "x" * 513])
_numbers = st.one_of(st.integers(), st.sampled_from([2**63, -(2**63), 2**63 - 1, 10**40]), st.floats(allow_nan=False))
_simple = st.one_of(
    st.none(),
    st.booleans(),
    _words,
    _numbers.filter(lambda n: isinstance(n, int) or math.isfinite(n)),
    st.text(max_size=5),
)
_values = st.one_of(_simple, st.lists(_simple, max_size=2), st.dictionaries(_words, _simple, max_size=3))
_times = st.one_of(
    st.just(1_700_000_000.5),
    st.floats(allow_nan=False, allow_infinity=False),
    st.datetimes().map(lambda moment: moment.isoformat()),
    st.sampled_from(["2026-01-01T00:00:00Z", "2026-01-01", "2026-01-01t10:00:00.5-08:00", "1", "2026-13-01T00:00:00Z"]),
    _simple,
)
_fields = sorted({*border.FIELDS, *border.CommonFields.model_fields, "unknown", "from_", "copy"} - {"time"})
_kinds = st.one_of(st.sampled_from(sorted(border.KINDS)), st.sampled_from(["forewarn.tick", "dance", ""]))
_good = {
    "agent": "a",
    "run": "r",
    "tool": "t",
    "to_agent": "b",
    "name": "n",
    "component": "tool:t",
    "version": "v",
    "producer": "p",
}


@st.composite
def _events(draw: st.DrawFn) -> dict[str, object]:
    """Mostly good events, of which some fields are anything."""
    body: dict[str, object] = {"kind": draw(_kinds), "time": draw(_times) if draw(st.booleans()) else 1.0}
    body |= {name: value for name, value in _good.items() if draw(st.integers(0, 9))}
    body |= draw(st.dictionaries(st.sampled_from(_fields), _values, max_size=3))
    return body


def _accepted_by_decoder(raw: bytes) -> bool:
    try:
        event.decode(raw)
    except event.BadEvent:
        return False
    return True


def _accepted_by_border(raw: bytes) -> bool:
    try:
        border.parse(raw)
    except ValueError:
        return False
    return True


@given(_events())
@settings(max_examples=600, deadline=None)
@example({"kind": "heartbeat", "producer": "p", "time": "2026-01-01T00:00:00"})
@example({"kind": "complaint", "time": 1, "user": ""})
@example({"kind": "complaint", "time": 1, "run": "r", "schema_version": True})
@example({"kind": "heartbeat", "producer": "p", "time": 1, "hits": 1.0})
@example(
    {"kind": "heartbeat", "producer": "p", "time": 1, "labels": dict.fromkeys(map(str, range(limits.LABELS + 1)), "")}
)
@example({"kind": "run_finished", "agent": "a", "run": "r", "time": 1, "output_shape": [1, 2.5, -3]})
@example({"kind": "run_finished", "agent": "a", "run": "r", "time": 1, "output_shape": [1, None]})
@example({"kind": "run_finished", "agent": "a", "run": "r", "time": 1, "output_shape": [0.0] * 129})
@example({"kind": "heartbeat", "producer": "p", "time": 1, "violations": ["tool: not in the contract: pay"]})
@example({"kind": "heartbeat", "producer": "p", "time": 1, "violations": ["x"] * 33})
@example({"kind": "run_finished", "agent": "a", "run": "r", "time": 1, "duration_seconds": -1e-9})
@example({"kind": "run_finished", "agent": "a", "run": "r", "time": 1, "duration_seconds": 315_360_000})
@example({"kind": "run_finished", "agent": "a", "run": "r", "time": 1, "duration_seconds": 315_360_000.1})
@example({"kind": "run_finished", "agent": "a", "run": "r", "time": 1, "cost_usd": -1})
@example({"kind": "heartbeat", "producer": "p", "time": 1, "hits": -1})
@example({"kind": "heartbeat", "producer": "p", "time": 1, "input_tokens": 2**53})
@example({"kind": "change", "time": 1, "version": "v", "component": "tool:t", "share": 1})
@example({"kind": "change", "time": 1, "version": "v", "component": "tool:t", "share": 1.5})
@example({"kind": "change", "time": 1, "version": "v", "component": "tool:"})
@example({"kind": "change", "time": 1, "version": "v", "component": "tool:\n"})
@example({"kind": "change", "time": 1, "version": "v", "component": "refund-agent"})
@example({"kind": "heartbeat", "producer": "p", "time": 1, "component": "foo:t"})
@example({"kind": "heartbeat", "producer": "p", "time": 1, "result_fields": ["x" * 513]})
def test_decoder_and_border_agree(body: dict[str, object]) -> None:
    raw = json.dumps(body).encode()
    assert _accepted_by_decoder(raw) == _accepted_by_border(raw)


def test_the_agreement_is_about_something() -> None:
    """Of the events that are generated some are accepted and some refused; a test of refused ones alone is none."""
    seen = set()

    @given(_events())
    @settings(max_examples=100, deadline=None, derandomize=True, database=None)
    def look(body: dict[str, object]) -> None:
        seen.add(_accepted_by_decoder(json.dumps(body).encode()))

    look()
    assert seen == {True, False}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b'{"kind":"heartbeat","producer":"p","time":NaN}',
        b'{"kind":"heartbeat","producer":"p","time":1e999}',
        b'{"kind":"heartbeat","producer":"\xff","time":1}',
        b'\xef\xbb\xbf{"kind":"heartbeat","producer":"p","time":1}',
        b'{"kind":"heartbeat","producer":"p","time":1}x',
        b'{"kind":"heartbeat","producer":"p","time":1,"text":"' + b"x" * limits.EVENT_BYTES + b'"}',
    ],
)
def test_both_refuse_what_is_no_event(raw: bytes) -> None:
    assert not _accepted_by_decoder(raw)
    assert not _accepted_by_border(raw)


def test_every_field_and_kind_has_a_model() -> None:
    """A field or kind added to the decoder alone would be missing in the schema."""
    decoded = {("from" if name == "from_" else name) for name in event.Event.__struct_fields__}
    assert decoded == {*border.FIELDS, *border.CommonFields.model_fields, "kind"}
    assert set(border.KINDS) == set(event.REQUIRED)
    assert {name for _, names in border.KINDS.values() for name in names.split()} == set(border.FIELDS)


def test_the_schema_names_every_kind_and_describes_every_field() -> None:
    schema = border.event_schema()
    assert set(schema["discriminator"]["mapping"]) == set(event.REQUIRED)
    for model in schema["$defs"].values():
        for name, body in model["properties"].items():
            assert body.get("description"), (model["title"], name)
