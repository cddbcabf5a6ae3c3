"""What is remembered of answers shows in nothing that is told of the next one."""

from __future__ import annotations

from typing import Any
from zlib import crc32

from hypothesis import given
from hypothesis import strategies as st

from monitor.reading.calls import answers
from monitor.reading.calls.fields import FIELDS, ITEMS, MORE, WIDE, folded
from monitor.reading.calls.strings import look

NAMES = st.one_of(st.sampled_from(["a", "b", "id", "x1", "x2", "no name", "n" * 50, "*"]), st.text(max_size=3))
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.integers(990, 1_010),
    st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["", "sent", "A-12", "a<b", "1#2", "é"]),
    st.text(max_size=50),
)  # fmt: skip
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.lists(inner, min_size=1, max_size=1).map(lambda one: one * (ITEMS + 5)),
        st.dictionaries(NAMES, inner, max_size=5), inner.map(lambda each: {f"k{chr(97 + i)}": each for i in range(26)}),
        inner.map(lambda each: {f"k{i}": each for i in range(WIDE + 2)}),
    ),
    max_leaves=12,
)  # fmt: skip
BOXES = st.one_of(st.lists(VALUES, max_size=5), st.dictionaries(NAMES, VALUES, max_size=6))


def _kind_of(value: Any) -> tuple[str, int | None]:
    if isinstance(value, str):
        return look(value), crc32(value.encode("utf-8", "replace")) & answers.HASH
    if isinstance(value, dict):
        return "object", None
    if isinstance(value, list):
        return "array", len(value) & answers.HASH
    kind = "null" if value is None else "boolean" if isinstance(value, bool) else "number"
    return kind, crc32(str(value).encode()) & answers.HASH


def _plain_forms(value: Any) -> list[str]:
    """The same without anything that is remembered: level by level, all kinds and hashes of a path."""
    found: dict[str, list[tuple[str, int | None]]] = {}
    level = [("", value)]
    left = answers.VALUES
    for _ in range(answers.LEVELS):
        below = []
        for path, box in level:
            if isinstance(box, dict):
                before = path + "." if path else ""
                held = [(before + ("*" if len(box) > WIDE else folded(name)), each) for name, each in box.items()]
            else:
                held = [(path + "[]", each) for each in box[:ITEMS]]
            for place, each in held[:left]:
                if place in found or len(found) <= FIELDS:
                    found.setdefault(place, []).append(_kind_of(each))
                    if isinstance(each, dict | list):
                        below.append((place, each))
            left -= len(held[:left])
        level = below
    told = []
    for path in sorted(found):
        hashes = {hashed for _, hashed in found[path] if hashed is not None}
        together = 0
        for hashed in hashes:
            together ^= hashed
        for number, kind in enumerate(sorted({kind for kind, _ in found[path]})):
            told.append(f"{path}:{kind}" + (f"#{together:x}" if hashes and not number else ""))
    return told if len(told) <= FIELDS else [*told[:FIELDS], MORE]


@given(st.lists(BOXES, min_size=1, max_size=4))
def test_fields_of_answers_are_what_the_plain_way_tells(values: list[Any]) -> None:
    for value in (*values, *values):
        assert answers.forms(value) == _plain_forms(value)


def test_more_names_than_are_remembered_tell_the_same() -> None:
    value = {"a": [{"b": 1}, {"b": 2}], "c": "sent"}
    expected = _plain_forms(value)
    for number in range(answers.PATHS // 20):
        letters = "".join(chr(97 + int(digit)) for digit in str(number))
        wide = {f"{letters}_{chr(97 + i)}": {"in": i} for i in range(15)}
        assert answers.forms(wide) == _plain_forms(wide)
        assert answers.forms(value) == expected
    assert answers._room.known <= answers.PATHS + answers.VALUES
    assert len(answers._room.orders) <= answers.ORDERS
