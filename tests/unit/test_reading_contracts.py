"""What an event's own text breaks of its agent's contract: rows with what breaks it, and what nearly does."""

from __future__ import annotations

import json
from typing import Any

import pytest

from monitor.reading import Reader
from monitor.reading.contracts import schema_problem
from monitor.reading.values import VALUE_BYTES
from schemas import limits
from schemas.config import Config
from schemas.event import Event, raw

ARGUMENTS = {
    "type": "object",
    "required": ["order_id"],
    "additionalProperties": False,
    "properties": {
        "order_id": {"type": "string", "pattern": "^A-"},
        "amount": {"type": "number", "minimum": 0},
        "currency": {"enum": ["EUR", "USD"]},
        "items": {"type": "array", "items": {"$ref": "#/$defs/item"}},
    },
    "$defs": {"item": {"type": "object", "required": ["price"], "properties": {"price": {"type": "number"}}}},
}
CONTRACT = {
    "tools": {"issue_refund": {"version": "3", "arguments": ARGUMENTS}, "look_up": {}},
    "claims": [
        {"output_matches": "refund (has been|was) issued", "requires_tool": "issue_refund"},
        {"output_matches": r"(?i)\bticket #\d+", "requires_tool": "look_up"},
    ],
}
CONFIG = Config.model_validate({"components": [{"agent": "refunds", "contract": CONTRACT}, {"agent": "free"}]})


def call(arguments: Any = None, tool: str = "issue_refund", agent: str = "refunds", **more: Any) -> list[str] | None:
    event = Event(kind="tool_call", time=1.0, id="e", agent=agent, run="r", tool=tool, **more)
    if arguments is not None:
        event.arguments = raw(arguments)
    Reader(CONFIG).read(event)
    return event.violations


def ended(output: Any, agent: str = "refunds", kind: str = "run_finished", **more: Any) -> list[str] | None:
    event = Event(kind=kind, time=1.0, id="e", agent=agent, run="r", output=raw(output), **more)
    Reader(CONFIG).read(event)
    return event.violations


BROKEN_ARGUMENTS = [
    ("a required field is missing", {"amount": 5}, ["'order_id' is a required property"]),
    ("a field is of another type", {"order_id": 17}, ["'order_id' is not of type string"]),
    ("a number is too small", {"order_id": "A-1", "amount": -1}, ["'amount' breaks minimum: 0"]),
    ("a word is none of those allowed", {"order_id": "A-1", "currency": "GBP"}, ["'currency' breaks enum"]),
    ("a pattern does not fit", {"order_id": "B-1"}, ["'order_id' breaks pattern: ^A-"]),
    ("a field nobody knows", {"order_id": "A-1", "note": 1}, ["has a property that the schema does not know"]),
    ("deep inside, through a reference", {"order_id": "A-1", "items": [{}]},
     ["'items[].price' is a required property"]),
    ("the same in many items is one rule", {"order_id": "A-1", "items": [{}] * 50},
     ["'items[].price' is a required property"]),
    ("two rules at once", {"order_id": 1, "amount": "x"},
     ["'amount' is not of type number", "'order_id' is not of type string"]),
    ("not an object at all", [1, 2], ["is not of type object"]),
    ("text that is no JSON", "refund it please", ["is not of type object"]),
    ("JSON in a string is read as such", json.dumps({"amount": 5}), ["'order_id' is a required property"]),
]  # fmt: skip


@pytest.mark.parametrize(("says", "arguments", "rules"), BROKEN_ARGUMENTS)
def test_arguments_that_break_their_schema(says: str, arguments: Any, rules: list[str]) -> None:
    assert call(arguments) == [f"arguments: issue_refund: {rule}" for rule in rules], says


NEAR_MISSES: list[tuple[str, list[str] | None]] = [
    ("arguments that fit", call({"order_id": "A-1", "amount": 0, "currency": "EUR", "items": [{"price": 1.5}]})),
    ("a string that holds arguments that fit", call(json.dumps({"order_id": "A-1"}))),
    ("arguments that were not sent cannot be checked", call()),
    ("a tool without a schema", call({"anything": 1}, tool="look_up")),
    ("an agent without a contract", call({"amount": 5}, agent="free")),
    ("an agent nobody declared", call({"amount": 5}, agent="other")),
    ("the simulated user's own call", call({"amount": 5}, actor="user")),
    ("the version that the contract names", call({"order_id": "A-1"}, tool_version="3")),
    ("a version that was not sent", call({"order_id": "A-1"}, tool_version=None)),
    ("any version where the contract names none", call({}, tool="look_up", tool_version="9")),
    ("an output that claims nothing", ended("We will look into your refund.")),
    ("another case, which the expression does not take", ended("The Refund was issued.")),
    ("a word inside another", ended("hashticket #12")),
    ("a claim of an agent without claims", ended("refund was issued", agent="free")),
    ("what the simulated user says", ended("refund was issued", kind="llm_call", actor="user")),
    ("beyond the bound, in the middle", ended("x" * 2_500 + " refund was issued " + "x" * 2_500)),
]


@pytest.mark.parametrize(("says", "violations"), NEAR_MISSES)
def test_what_nearly_breaks_a_contract_does_not(says: str, violations: list[str] | None) -> None:
    assert violations is None, says


BROKEN = [
    ("a tool that is not listed", call({}, tool="delete_user"), ["tool: not in the contract: delete_user"]),
    ("another version", call({"order_id": "A-1"}, tool_version="4"), ["tool version: issue_refund: 4 instead of 3"]),
    ("arguments and version", call({}, tool_version="4"),
     ["arguments: issue_refund: 'order_id' is a required property", "tool version: issue_refund: 4 instead of 3"]),
    ("a claim at the end of a run", ended("Done: the refund was issued."), ["claim:0"]),
    ("a claim of a model's answer", ended("Your refund has been issued", kind="llm_call"), ["claim:0"]),
    ("the second claim", ended("I opened Ticket #12."), ["claim:1"]),
    ("both claims", ended("refund was issued, ticket #9"), ["claim:0", "claim:1"]),
    ("a claim inside JSON", ended({"answer": "refund was issued"}), ["claim:0"]),
    ("a claim at the end of a long text", ended("x" * 90_000 + " refund was issued"), ["claim:0"]),
]  # fmt: skip


@pytest.mark.parametrize(("says", "violations", "expected"), BROKEN)
def test_what_breaks_a_contract(says: str, violations: list[str] | None, expected: list[str]) -> None:
    assert violations == expected, says


def test_a_contract_that_lists_no_tools_allows_all() -> None:
    config = Config.model_validate({"components": [{"agent": "a", "contract": {"limits": {"steps": 9}}}]})
    event = Event(kind="tool_call", time=1.0, id="e", agent="a", run="r", tool="anything")
    Reader(config).read(event)
    assert event.violations is None


def test_arguments_beyond_the_bound_are_not_looked_into_and_counted() -> None:
    event = Event(
        kind="tool_call", time=1.0, agent="refunds", run="r", tool="issue_refund", arguments=raw("x" * 70_000)
    )
    assert len(bytes(event.arguments)) > VALUE_BYTES
    reader = Reader(CONFIG)
    reader.read(event)
    assert event.violations is None
    assert event.arguments_fields is None
    assert reader.counts == {"evicted:values_too_long": 1}


def test_broken_rules_of_one_event_are_bounded() -> None:
    event = Event(kind="tool_call", time=1.0, agent="refunds", run="r", tool="x" * 400)
    event.violations = [f"rule {i:02}" for i in range(limits.VIOLATIONS_READ)]
    reader = Reader(CONFIG)
    reader.read(event)
    assert event.violations is not None
    assert len(event.violations) == limits.VIOLATIONS_READ
    assert reader.counts == {"evicted:violations_of_an_event": 1}
    assert all(len(rule) <= limits.NAME_LENGTH for rule in event.violations)


def test_a_schema_that_leads_to_itself_ends() -> None:
    schema = {
        "$ref": "#/$defs/node",
        "$defs": {"node": {"properties": {"next": {"$ref": "#/$defs/node"}}, "minProperties": 1}},
    }
    assert schema_problem(schema) is None
    config = Config.model_validate(
        {"components": [{"agent": "a", "contract": {"tools": {"t": {"arguments": schema}}}}]}
    )
    deep: dict[str, Any] = {}
    for _ in range(300):
        deep = {"next": deep}
    event = Event(kind="tool_call", time=1.0, agent="a", run="r", tool="t", arguments=raw(deep))
    Reader(config).read(event)
    assert event.violations is not None
    assert len(event.violations) == 1


BOUNDED = [
    ("a pattern that would take the square of a text's length", {"pattern": "a.*b$"}, "a" * 60_000, True),
    ("one that would take its cube", {"pattern": "a.*a.*b$"}, "a" * 60_000, True),
    ("one that would never end", {"pattern": "^(a+)+$"}, "a" * 60_000 + "!", True),
    ("a long text that fits its pattern", {"pattern": "^[a-z]+$"}, "a" * 60_000, False),
    ("what a long text ends with", {"pattern": "^[a-z]+$"}, "a" * 60_000 + "1", True),
    ("many items that cannot be sorted", {"uniqueItems": True}, [{"a": i} for i in range(5_000)], False),
    ("a few that are alike", {"uniqueItems": True}, [{"a": 1}, 2, {"a": 1}], True),
    ("a draft of old", {"$schema": "http://json-schema.org/draft-04/schema#", "uniqueItems": True}, [1, 1], True),
]


@pytest.mark.parametrize(("says", "schema", "arguments", "breaks"), BOUNDED)
def test_dear_rules_are_checked_within_bounds(says: str, schema: dict[str, Any], arguments: Any, breaks: bool) -> None:
    config = Config.model_validate(
        {"components": [{"agent": "a", "contract": {"tools": {"t": {"arguments": schema}}}}]}
    )
    event = Event(kind="tool_call", time=1.0, agent="a", run="r", tool="t", arguments=raw(arguments))
    Reader(config).read(event)
    assert (event.violations is not None) == breaks, says


SCHEMA_PROBLEMS = [
    ("a type that there is not", {"type": "objekt"}, "type: 'objekt'"),
    ("a keyword of the wrong type", {"required": "order_id"}, "required: "),
    ("a pattern that does not compile", {"properties": {"a": {"pattern": "("}}}, "pattern: missing )"),
    ("a name pattern that does not compile", {"patternProperties": {"(": {}}}, "pattern: missing )"),
    ("a pattern that looks ahead, which takes more than linear time", {"pattern": "(?=x)"}, "invalid perl operator"),
    ("a reference that leads nowhere", {"$ref": "#/$defs/x"}, "$ref: #/$defs/x is not in this schema"),
    ("a reference to elsewhere", {"properties": {"a": {"$ref": "https://example.com/a"}}}, "leads out of this schema"),
]


@pytest.mark.parametrize(("says", "schema", "problem"), SCHEMA_PROBLEMS)
def test_a_schema_that_cannot_be_used_says_why(says: str, schema: dict[str, Any], problem: str) -> None:
    assert problem in (schema_problem(schema) or ""), says


GOOD_SCHEMAS = [
    {},
    ARGUMENTS,
    {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"},
    {"properties": {"pattern": {"type": "string"}, "$ref": {"type": "string"}}},
    {"enum": [{"pattern": "("}], "default": {"$ref": "nowhere"}},
]


@pytest.mark.parametrize("schema", GOOD_SCHEMAS)
def test_a_schema_that_can_be_used_has_no_problem(schema: dict[str, Any]) -> None:
    assert schema_problem(schema) is None
