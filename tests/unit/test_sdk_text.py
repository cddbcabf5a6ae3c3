"""Whatever an agent hands over becomes bounded JSON."""

import dataclasses
import enum
import json
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from forewarn.text.bounds import DEPTH, TEXT_CHARACTERS, VALUES, bounded


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


@dataclasses.dataclass
class Order:
    id: int
    secret: str = dataclasses.field(repr=False)


class Hostile:
    def __repr__(self) -> str:
        raise RuntimeError("no")


class HostileMapping(dict):
    def items(self):
        raise RuntimeError("no")


class Title(str):
    __slots__ = ()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": [1, 2.5, None, True, "x"]}, {"a": [1, 2.5, None, True, "x"]}),
        ((1, 2), [1, 2]),
        ({1: "one", None: "none"}, {"1": "one", "None": "none"}),
        (Colour.RED, "red"),
        (Level.HIGH, 3),
        (Title("t"), "t"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (2**70, str(2**70)),
        (b"\x00\x01", "<2 bytes>"),
        (Decimal("1.10"), "1.10"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02 00:00:00+00:00"),
        (Order(7, "hidden"), {"id": 7}),
        (Order, repr(Order)),
    ],
)
def test_a_value_is_shown_as_a_reader_would_expect(value, expected) -> None:
    assert bounded(value) == (expected, False)


def test_a_model_of_pydantic_is_its_fields_and_secrets_stay_hidden() -> None:
    from pydantic import BaseModel, SecretStr

    class Answer(BaseModel):
        error: str
        key: SecretStr

    assert bounded(Answer(error="no such order", key="s3cret"))[0] == {
        "error": "no such order",
        "key": "SecretStr('**********')",
    }


@pytest.mark.parametrize("value", [Hostile(), HostileMapping(a=1), [Hostile()], {"a": {"b": Hostile()}}])
def test_what_raises_is_replaced_and_said_to_be(value) -> None:
    copy, cut = bounded(value)
    assert cut
    assert "<unreadable Hostile" in json.dumps(copy)


def test_fifty_megabytes_are_cut() -> None:
    copy, cut = bounded("x" * 50_000_000)
    assert cut
    assert isinstance(copy, str)
    assert len(copy) == TEXT_CHARACTERS + 1


def test_all_texts_of_a_value_share_one_allowance() -> None:
    copy, cut = bounded(["y" * 10_000] * 1000)
    assert cut
    assert len(json.dumps(copy)) < TEXT_CHARACTERS + 100


def test_many_small_values_are_cut() -> None:
    copy, cut = bounded(list(range(10_000_000)))
    assert cut
    assert copy == list(range(VALUES - 0))


def test_a_cycle_ends() -> None:
    value: list[object] = []
    value.append(value)
    value.append(value)
    copy, cut = bounded(value)
    assert cut
    assert len(json.dumps(copy)) < 100_000


def test_depth_is_bounded() -> None:
    value: object = "end"
    for _ in range(100_000):
        value = [value]
    copy, cut = bounded(value)
    assert cut
    assert json.dumps(copy).count("[") == DEPTH


@pytest.mark.parametrize("name", ["error", "isError"])
def test_the_verdict_of_a_tool_survives_a_cut(name) -> None:
    copy, cut = bounded({"rows": ["z" * 100_000], name: "no such order"})
    assert cut
    assert isinstance(copy, dict)
    assert copy[name] == "no such order"


def test_a_huge_integer_takes_no_time() -> None:
    assert bounded(1 << 10_000_000) == ("<integer of 10000001 bits>", True)
