"""What is remembered of a value's outline is what its fields, looks and hashes are when they are read anew."""

from __future__ import annotations

import struct
from hashlib import blake2b
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from monitor.reading.calls import fields, looks
from monitor.reading.calls.outlines import Outlines
from monitor.reading.values import value_of
from schemas.event import raw
from schemas.texts import derive
from schemas.texts.soft_errors import gives_no_verdict, says_failure

STRINGS = st.one_of(st.sampled_from(["A-1", "a b", "2026-11-27", "1 2 3 4 5", "{x}", "x" * 50]), st.text(max_size=30))
VERDICTS = st.sampled_from(
    ["error", "isError", "is_error", "errors", "errorType", "errorMessage", "success", "successful", "ok", "status",
     "statusCode", "status_code", "code", "content", "result", "output", "data", "id", "title", "message"]
)  # fmt: skip
NAMES = st.one_of(
    VERDICTS,
    st.sampled_from(["a", "b", "A-1", "request_id", "nonce", "object", "}", "", "n" * 60]),
    st.text(max_size=5),
)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0, -0.0, 400, 404, 599, 600, "error", "Fail", "failure", "450", "", "text", "Error: no", "[]"]),
    st.sampled_from(['{"error": 1}', '[{"type": "text", "text": "Error: no"}]']), STRINGS,
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.dictionaries(NAMES, inner, max_size=5),
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=3).map(lambda each: {"content": each}),
    ),
    max_leaves=12,
)
LONG = SCALARS.map(lambda each: [each] * 22)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=6)
OUTLINES = Outlines()


@given(st.lists(st.one_of(VALUES, st.dictionaries(NAMES, LONG, max_size=9), LONG), max_size=4))
@example([{"a": {"words": "x"}}, {"a": {}, "words": "x"}, {"a": "object"}, {"a": ["words"]}, ["a", "x"], {}, [], None])
@example([[{"a": 1}, {"a": 1}], [{"a": 1}], [{"a": [{"b": 1}, [1], 1]}], {"a": {"b": [{"c": 1}, 1]}}])
@example([{f"n{number}": number for number in range(200)}, [[0]] * 300, {"a": [{"b": list(range(40))}] * 20}])
def test_what_is_told_is_what_is_read(values: list[Any]) -> None:
    for value in values + values:
        told = OUTLINES.told(value)
        assert told.fields == fields.fields(value)
        assert told.more_fields == (len(told.fields) > fields.FIELDS)
        assert (told.looks or [], told.more_looks) == looks.looks(value)
        assert told.volatile == derive.holds_volatile(value)


@given(OBJECTS, st.booleans())
def test_what_gives_no_verdict_says_no_failure(value: dict[str, Any], is_text: bool) -> None:
    written = bytes(raw(value))
    if is_text:
        written = bytes(raw(written.decode()))
    read = value_of(written)
    assert derive.soft_error(written, value=read) == says_failure(written)
    assert derive.is_empty(written, read) == derive.is_empty(written)
    assert not (isinstance(read, dict) and gives_no_verdict(read) and says_failure(written))


@given(OBJECTS)
@example({"request_id": 1, "a": 2})
@example({"a": {"nonce": 1}, "b": [{"nonce": 1}]})
def test_hashes_of_what_was_read_are_those_of_its_bytes(value: dict[str, Any]) -> None:
    written = bytes(raw(value))
    volatile = derive.holds_volatile(value)
    assert derive.arguments_hash(written, value, volatile) == derive.arguments_hash(written)
    assert volatile or derive.arguments_hash(written) == derive.result_hash(written)


@given(st.binary(max_size=300))
def test_a_hash_is_the_first_bytes_of_blake2b_with_a_sign(text: bytes) -> None:
    assert derive.text_hash(text) == struct.unpack(">q", blake2b(text, digest_size=8).digest())[0]
