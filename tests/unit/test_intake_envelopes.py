"""What frameworks wrap answers, results and arguments in, and that what is an agent's own stays as it is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from monitor.intake import mapping
from monitor.intake.dialects.reading import Reading
from tests.doubles.spans import span

OI = "openinference.span.kind"
ASKED = {OI: "LLM", "llm.model_name": "m"}
AROUND = {OI: "TOOL", "tool.name": "refund", "input.value": '{"order": "7"}', "output.value": "no such order"}
OUTPUT = {
    "blocks": [{"text": "order 7 is shipped"}],
    "tool_name": "lookup",
    "raw_input": {"args": [], "kwargs": {"order": "7"}},
    "raw_output": "order 7 is shipped",
    "is_error": False,
}


def read(name: str, said: dict[str, Any]) -> Reading:
    """One span, read."""
    return mapping.read(span(1, None, name, said))


def answer_of(said: Any) -> Any:
    """What an OpenInference chain that returned `said` is read to have answered."""
    value = said if isinstance(said, str) else json.dumps(said)
    return read("kickoff", {OI: "CHAIN", "output.value": value}).fields.get("output")


CREW = {"raw": "Shipped.", "pydantic": None, "tasks_output": [{"raw": "Looked."}], "token_usage": {}}
ANSWERS = [
    ("a crew's", CREW, "Shipped."),
    ("a task's", {"description": "d", "expected_output": "e", "raw": "Looked."}, "Looked."),
    ("a query engine's", {"response": "Five days.", "source_nodes": [], "metadata": {}}, "Five days."),
    ("a chat engine's", {"response": "Free.", "sources": []}, "Free."),
    ("a workflow's", {"result": {"response": {"role": "assistant", "blocks": [{"text": "Hi."}]}}}, "Hi."),
    ("a model's content", {"content": {"parts": [{"text": "Hi."}], "role": "model"}, "id": "e"}, "Hi."),
    ("a message", {"content": "Hi.", "role": "assistant", "tool_calls": None}, "Hi."),
    ("a message that only calls tools", {"content": None, "role": "assistant", "tool_calls": [{}]}, None),
    ("an object that nobody made a text of", "StopEvent(result=AgentOutput(...", None),
    ("prose with brackets", "Order (7) is shipped", "Order (7) is shipped"),
]
OWN = [
    ("a field that is called raw", {"raw": "x", "unit": "kg"}),
    ("a response without sources", {"response": "yes", "confidence": 0.5}),
    ("a content of its own", {"content": {"title": "x"}}),
    ("a role that is none of a chat", {"role": "CEO", "content": "x"}),
    ("a result of its own", {"result": {"total": 7}}),
    ("results inside results", {"result": {"result": {"result": 1}}}),
]


@pytest.mark.parametrize(("said", "answer"), [row[1:] for row in ANSWERS], ids=[row[0] for row in ANSWERS])
def test_an_answer_is_told_without_its_envelope(said: Any, answer: str | None) -> None:
    assert answer_of(said) == answer


@pytest.mark.parametrize("said", [row[1] for row in OWN], ids=[row[0] for row in OWN])
def test_an_answer_with_fields_of_its_own_stays(said: Any) -> None:
    assert answer_of(said) == json.dumps(said)


def test_what_python_writes_for_nothing_was_not_asked_and_not_answered() -> None:
    asked = [
        read("reply", {OI: "AGENT", "input.value": said, "output.value": said}).fields for said in ("None", "none")
    ]
    assert asked == [{}, {"input": "none", "output": "none"}]


def test_a_model_that_writes_an_object_said_so() -> None:
    said = {"llm.output_messages.0.message.content": "Point(x=1, y=2)"}
    assert read("chat", ASKED | said).fields["output"] == "Point(x=1, y=2)"


RESPONSES = [
    ("AutoGen's", {"finish_reason": "function_calls", "content": []}, "tool_calls"),
    ("of the OpenAI client", {"choices": [{"finish_reason": "length", "message": {}}]}, "length"),
    ("of the Anthropic client", {"stop_reason": "end_turn", "content": []}, "stop"),
    ("without one", {"content": "Hi."}, None),
    ("a list", ["stop"], None),
    ("no choice", {"choices": []}, None),
    ("a choice that is none", {"choices": [None]}, None),
]


@pytest.mark.parametrize(("said", "reason"), [row[1:] for row in RESPONSES], ids=[row[0] for row in RESPONSES])
def test_why_a_model_stopped_stands_in_its_response(said: Any, reason: str | None) -> None:
    fields = read("create", ASKED | {"output.value": json.dumps(said)}).fields
    assert fields.get("finish_reason") == reason
    told = ASKED | {"output.value": json.dumps(said), "llm.finish_reason": "content_filter"}
    assert read("create", told).fields["finish_reason"] == "content_filter"


EXECUTED = {"name": "refund", "role": "function", "content": "Error: no such order"}
WRAPPED = [
    ("AG2's pair of a failure", [False, EXECUTED], "Error: no such order", True),
    ("AG2's pair of a success", [True, EXECUTED | {"content": "done"}], "done", False),
    ("a pair of its own", [True, {"total": 7}], [True, {"total": 7}], False),
    ("a longer list", [True, EXECUTED, 1], [True, EXECUTED, 1], False),
    ("Google's response", {"id": "c", "name": "refund", "response": {"total": 7}}, {"total": 7}, False),
    ("more than a response", {"name": "x", "response": 1, "unit": "kg"}, {"name": "x", "response": 1, "unit": "kg"}, 0),
    ("LlamaIndex's output", OUTPUT, "order 7 is shipped", False),
    ("an output without text", OUTPUT | {"blocks": [], "raw_output": {"total": 7}}, {"total": 7}, False),
    ("an output that says less", {"raw_output": 7}, {"raw_output": 7}, False),
]


@pytest.mark.parametrize(("returned", "result", "wrong"), [row[1:] for row in WRAPPED], ids=[row[0] for row in WRAPPED])
def test_a_result_is_told_without_its_envelope(returned: Any, result: Any, wrong: bool) -> None:
    said = AROUND | {"output.value": json.dumps(returned)}
    reading = read("refund", said)
    found = reading.fields["result"]
    assert (json.loads(found) if found == json.dumps(returned) else found) == result
    assert reading.failed is bool(wrong)


ARGUMENTS = [
    ("by names", {"kwargs": {"order": "7"}}, {"order": "7"}),
    ("by names, nothing by place", {"args": [], "kwargs": {"order": "7"}}, {"order": "7"}),
    ("by place too", {"args": [1], "kwargs": {"order": "7"}}, None),
    ("with a field beside", {"kwargs": {"order": "7"}, "order": 1}, None),
    ("kwargs of its own", {"kwargs": "x"}, None),
    ("the model's own call", {"arguments": '{"order": "7"}', "name": "refund"}, '{"order": "7"}'),
    ("a tool that calls tools", {"arguments": {"order": "7"}, "name": "charge"}, None),
    ("no envelope", {"order": "7"}, None),
    ("no map", ["7"], None),
]


@pytest.mark.parametrize(("said", "arguments"), [row[1:] for row in ARGUMENTS], ids=[row[0] for row in ARGUMENTS])
def test_arguments_are_told_without_their_envelope(said: Any, arguments: Any) -> None:
    written = json.dumps(said)
    fields = read("refund", AROUND | {"input.value": written}).fields
    assert fields["arguments"] == (written if arguments is None else arguments)
