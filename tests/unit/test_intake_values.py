"""Single attribute values: finish reasons, what a message says, the class of an error."""

from __future__ import annotations

import json
from typing import Any

import pytest

from monitor.intake import mapping
from monitor.intake.dialects import errors, values
from monitor.intake.spans import Span, SpanEvent

OI = "openinference.span.kind"


def span(attributes: dict[str, Any], events: list[SpanEvent] | None = None, **fields: Any) -> Span:
    ids = {"trace_id": "0af7651916cd43dd8448eb211c80319c", "span_id": "b7ad6b7169203331"}
    return Span(**ids, start=100.0, end=101.0, attributes=attributes, events=events or [], **fields)


FINISH = [
    ("tool-calls", "tool_calls"),
    ("tool_use", "tool_calls"),
    ("function_call", "tool_calls"),
    ("content-filter", "content_filter"),
    ("SAFETY", "content_filter"),
    ("FinishReason.MAX_TOKENS", "length"),
    (["length"], "length"),
    ('["end_turn"]', "stop"),
    ("[]", None),
    ([], None),
    ("None", None),
    (None, None),
    ("something-new", "something_new"),
    (7.5, None),
]


@pytest.mark.parametrize(("said", "word"), FINISH)
def test_finish_reason(said: Any, word: str | None) -> None:
    assert values.finish_reason(said) == word


SPEECH = [
    ("plain text", "Hello.", "Hello."),
    ("an answer that is JSON keeps its own shape below", '[{"role":"assistant","content":"{\\"a\\":1}"}]', '{"a":1}'),
    ("tool calls alone say nothing", [{"role": "assistant", "parts": [{"type": "tool_call", "name": "x"}]}], None),
    ("content off", [{"role": "assistant", "parts": [{"type": "text"}]}], None),
    ("an empty answer is an answer", [{"role": "assistant", "parts": [{"type": "text", "content": ""}]}], ""),
    ("thoughts are no answer", [{"type": "thinking", "text": "hm"}, {"type": "text", "text": "Yes."}], "Yes."),
    ("nested beyond reason", json.loads("[" * 30 + "]" * 30), None),
]


@pytest.mark.parametrize(("value", "text"), [row[1:] for row in SPEECH], ids=[row[0] for row in SPEECH])
def test_what_a_message_says(value: Any, text: str | None) -> None:
    assert values.message_text(value) == text


def test_a_graphs_state_is_no_answer_but_its_last_message_is() -> None:
    state = {"messages": [{"type": "human", "data": {"content": "q"}}, {"type": "ai", "data": {"content": "a"}}]}
    assert mapping.read(span({OI: "AGENT", "output.value": json.dumps(state)})).fields["output"] == "a"


AMOUNTS = [
    ("cost_usd", "gen_ai.usage.cost", 0.25, 0.25),
    ("cost_usd", "gen_ai.usage.cost", -0.25, None),
    ("cost_usd", "gen_ai.usage.cost", 1e300, None),
    ("input_tokens", "gen_ai.usage.input_tokens", -1, None),
    ("input_tokens", "gen_ai.usage.input_tokens", 2**53, None),
]


@pytest.mark.parametrize(("field", "attribute", "said", "taken"), AMOUNTS)
def test_an_amount_that_an_event_cannot_hold_is_left_out(field: str, attribute: str, said: Any, taken: Any) -> None:
    attributes = {"gen_ai.operation.name": "chat", attribute: said}
    assert mapping.read(span(attributes)).fields.get(field) == taken


EXCEPTION = SpanEvent("exception", 100.0, {"exception.type": "app.Refused"})
CLASSES = [
    ("error.type first", {"error.type": "Timeout"}, [EXCEPTION], "x", "Timeout"),
    ("unless it says nothing", {"error.type": "_OTHER"}, [EXCEPTION], "x", "app.Refused"),
    ("the class in the message", {}, [], "httpx.ReadTimeout: after 30 s", "httpx.ReadTimeout"),
    ("the class as Python writes it", {}, [], "ValueError('no order A-17')", "ValueError"),
    ("a short phrase", {}, [], "Max turns exceeded: {'max_turns': 5}", "Max turns exceeded"),
    ("a short phrase and a call", {}, [], "Refund refused (order 4711)", "Refund refused"),
    ("a short phrase and a map", {}, [], "Error running tool {'order': 4711}", "Error running tool"),
    ("a status of HTTP", {}, [], "Error code: 429 - {'error': 'slow down'}", "Error code 429"),
    ("another status is another error", {}, [], "Request failed (status: 500)", "Request failed 500"),
    ("a longer number is no status", {}, [], "Error code: 42901", "Error code"),
    ("a number of something else", {}, [], "No order: 429", "No order"),
    ("nor one behind a word that ends so", {}, [], "Unknown postcode: 429", "Unknown postcode"),
    ("no numbers of one case", {}, [], "Order 4711 not found", "_OTHER"),
    ("not even where a separator follows", {}, [], "No order for Jane 4711: not found", "_OTHER"),
    ("words alone may name a customer", {}, [], "No order for Jane Doe", "_OTHER"),
    ("a single word may too", {}, [], "Jane", "_OTHER"),
    ("no separator: a quotation", {}, [], "Jane Doe's order", "_OTHER"),
    ("no separator: a line's end", {}, [], "Jane Doe\nnot found: 7", "_OTHER"),
    ("a class and no more", {}, [], "TimeoutError", "TimeoutError"),
    ("a class by its capitals", {}, [], "RateLimited", "RateLimited"),
    ("of a module", {}, [], "app.errors.RateLimited", "app.errors.RateLimited"),
    ("capitals inside words are no class", {}, [], "No order for JaneDoe", "_OTHER"),
    ("prose is no class", {}, [], "the customer Jane Doe has asked us to send it all again", "_OTHER"),
    ("nothing at all", {}, [], "", "_OTHER"),
]


@pytest.mark.parametrize(
    ("attributes", "events", "message", "kind"), [row[1:] for row in CLASSES], ids=[row[0] for row in CLASSES]
)
def test_error_class(attributes: dict[str, Any], events: list[SpanEvent], message: str, kind: str) -> None:
    assert errors.error_class(mapping.read(span(attributes, events, status="error", status_message=message))) == kind


def test_an_error_type_counts_where_no_status_was_set() -> None:
    assert errors.failed(span({"error.type": "Timeout"}))
    assert not errors.failed(span({"error.type": "Timeout"}, status="ok"))
