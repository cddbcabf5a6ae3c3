"""What LlamaIndex, CrewAI, AutoGen, AG2 and Google's ADK write through their instrumentations.

The spans are made here, in the shape that those packages send; none is a recording. docs/frameworks.md says which
versions were run.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from monitor.intake import mapping
from monitor.intake.assembler import Assembler
from monitor.intake.dialects.reading import Role
from monitor.intake.spans import Span, SpanEvent
from schemas.event import Event
from tests.doubles.spans import TRACE, span

OI, OP, TL = "openinference.span.kind", "gen_ai.operation.name", "traceloop.span.kind"
AGENT = {OP: "invoke_agent", "gen_ai.agent.name": "support"}
OK: dict[str, Any] = {}


def events_of(*spans: Span) -> list[Event]:
    assembler = Assembler(keep_text=True)
    assembler.add(list(spans), now=1000.0)
    return assembler.flush()


def all_of(kind: str, events: list[Event]) -> list[Event]:
    return [event for event in events if event.kind == kind]


def one(kind: str, events: list[Event]) -> Event:
    (found,) = all_of(kind, events)
    return found


def failed(error: str) -> dict[str, Any]:
    return {"status": "error", "events": [SpanEvent("exception", 150.0, {"exception.type": error})]}


# LlamaIndex


ASKED = {OI: "LLM", "llm.model_name": "m"}
ANSWERED = ASKED | {
    "llm.token_count.prompt": 9,
    "llm.token_count.total": 12,
    "llm.finish_reason": "stop",
    "llm.output_messages.0.message.content": "It is shipped.",
}
OUTPUT = {
    "blocks": [{"text": "order 7 is shipped"}],
    "tool_name": "lookup",
    "raw_input": {"args": [], "kwargs": {"order": "7"}},
    "raw_output": "order 7 is shipped",
    "is_error": False,
}


def test_a_run_of_llama_index_told_by_openinference() -> None:
    found = events_of(
        span(1, None, "FunctionAgent.run", {OI: "CHAIN", "output.value": "StopEvent(result=AgentOutput(respon..."}),
        span(2, 1, "BaseWorkflowAgent.call_tool", {OI: "CHAIN"}),
        span(
            3,
            2,
            "FunctionTool.acall",
            {
                OI: "TOOL",
                "tool.name": "lookup",
                "input.value": '{"kwargs": {"order": "7"}}',
                "output.value": json.dumps(OUTPUT),
            },
        ),
        span(4, 1, "BaseWorkflowAgent.run_agent_step", {OI: "CHAIN"}),
        span(5, 4, "OpenAI._prepare_chat_with_tools", ASKED),
        span(6, 4, "OpenAI.achat", ASKED),
        span(7, 6, "OpenAI.achat", ANSWERED),
    )
    assert [event.kind for event in found] == ["run_started", "llm_call", "tool_call", "run_finished"]
    tool, call, ended = one("tool_call", found), one("llm_call", found), one("run_finished", found)
    assert (bytes(tool.arguments), bytes(tool.result)) == (b'{"order":"7"}', b'"order 7 is shipped"')
    assert (tool.status, call.input_tokens, bytes(call.output)) == ("ok", 9, b'"It is shipped."')
    assert bytes(ended.output) == b'"It is shipped."'  # an object that nobody made a text of is no answer


PREPARED = [
    ("puts a request together", "OpenAI._prepare_chat_with_tools", ASKED, Role.OTHER),
    ("is answered, whatever it is called", "OpenAI._prepare_chat", ASKED | {"llm.token_count.total": 3}, Role.LLM),
    ("asks, its answer hidden", "OpenAI.astream_chat", ASKED, Role.LLM),
    ("is called so by itself", "_prepare_chat", ASKED, Role.LLM),
    ("is of another kind", "OpenAI._prepare_chat", {OI: "CHAIN"}, Role.CHAIN),
]


@pytest.mark.parametrize(("name", "said", "role"), [row[1:] for row in PREPARED], ids=[row[0] for row in PREPARED])
def test_a_request_that_is_only_put_together_is_no_call(name: str, said: dict[str, Any], role: Role) -> None:
    assert mapping.read(span(2, 1, name, said)).role is role


def test_a_retriever_inside_a_retriever_is_told_once() -> None:
    documents = {
        "retrieval.documents.0.document.score": 0.5,
        "retrieval.documents.0.document.content": "Refunds take five days.",
    }
    retriever = {OI: "RETRIEVER"}
    found = events_of(
        span(1, None, "RetrieverQueryEngine.query", {OI: "CHAIN"}),
        span(2, 1, "VectorIndexRetriever.retrieve", retriever | documents),
        span(3, 2, "VectorIndexRetriever._retrieve", retriever),
        span(4, 1, "tool", {OI: "TOOL", "tool.name": "search"}),
        span(5, 4, "another", retriever),
    )
    assert sorted(str(event.source) for event in all_of("retrieval", found)) == [
        "VectorIndexRetriever.retrieve",
        "another",
    ]
    assert one("run_finished", found).status == "ok"


TASK = {TL: "task"}
CALLED = {"tool_name": "refund", "tool_kwargs": {"order": "7"}, "tool_id": "c"}


def test_a_tool_that_openllmetry_tells_as_a_task() -> None:
    wrong = OUTPUT | {"blocks": [{"block_type": "text", "text": "no such order"}], "is_error": True}
    asked = {"tool.name": "refund", "tool.arguments": '{"order": "7"}'}
    said = {"traceloop.entity.output": json.dumps(CALLED | {"tool_output": wrong})}
    found = events_of(
        span(1, None, "FunctionAgent.workflow", {TL: "workflow", "traceloop.entity.name": "FunctionAgent.workflow"}),
        span(2, 1, "BaseWorkflowAgent.task", TASK | asked | said),
        span(3, 2, "FunctionTool.task", TASK | {"traceloop.entity.name": "FunctionTool.task"}),
    )
    tool = one("tool_call", found)
    assert (tool.tool, tool.status, bytes(tool.arguments)) == ("refund", "error", b'{"order": "7"}')
    assert bytes(tool.result) == b'"no such order"'
    assert one("run_finished", found).status == "ok"


def test_steps_inside_steps_of_what_broke_off_are_one_run() -> None:
    """OpenLLMetry exports no span of LlamaIndex that raised: neither the workflow's nor the failing steps'."""
    chat = {OP: "chat", "gen_ai.usage.input_tokens": 5}
    steps = [
        span(10 * n + above, above and 10 * n + above - 1, "task", TASK if above < 2 else TASK | chat)
        for n in (1, 2)
        for above in (0, 1, 2)
    ]
    lost = [span(int(s.span_id, 16), 99, "task", TASK) if not s.parent_id else s for s in steps]
    found = events_of(*lost)
    assert len(all_of("run_started", found)) == len(all_of("run_finished", found)) == 1
    assert len(all_of("llm_call", found)) == 2
    whole = events_of(*lost, span(99, None, "flow", {TL: "workflow", "traceloop.entity.name": "flow"}))
    assert {event.agent for event in whole} == {"flow"}


def handing(tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return {OP: "execute_tool", "gen_ai.tool.name": tool, "gen_ai.tool.call.arguments": json.dumps(arguments)}


OVER = [
    ("LlamaIndex's", handing("handoff", {"kwargs": {"to_agent": "billing", "reason": "money"}}), OK, ["billing"]),
    ("Strands'", handing("handoff_to_agent", {"agent_name": "billing", "message": "m"}), OK, ["billing"]),
    ("Google's", handing("transfer_to_agent", {"agent_name": "billing"}), OK, ["billing"]),
    ("one that failed", handing("handoff", {"to_agent": "nobody"}), failed("ValueError"), []),
    ("one to nobody", handing("handoff", {"reason": "money"}), OK, []),
    ("a tool that asks for an agent", handing("look_up", {"agent_name": "billing"}), OK, []),
]


@pytest.mark.parametrize(("said", "ended", "to"), [row[1:] for row in OVER], ids=[row[0] for row in OVER])
def test_a_tool_that_hands_over_is_a_handoff_too(said: dict[str, Any], ended: dict[str, Any], to: list[str]) -> None:
    agent, tool = span(1, None, "invoke_agent support", AGENT), span(2, 1, "x", said, **ended)
    found = events_of(agent, tool)
    assert [event.to_agent for event in all_of("handoff", found)] == to
    assert one("tool_call", found).tool == said["gen_ai.tool.name"]
    billing = {OP: "invoke_agent", "gen_ai.agent.name": "billing"}
    again = events_of(agent, tool, span(3, 1, "invoke_agent billing", billing))
    assert [event.to_agent for event in all_of("handoff", again)] == ["billing"]  # told once


# CrewAI


def test_a_crew_was_asked_and_answered_what_its_agent_was() -> None:
    crew = {OP: "invoke_agent"}
    agent = crew | {TL: "agent", "gen_ai.agent.name": "support", "traceloop.entity.input": "where is order 7?"}
    found = events_of(
        span(1, None, "crewai.workflow", crew),
        span(2, 1, "look.task", crew | TASK | {"traceloop.entity.output": "Shipped."}),
        span(3, 2, "support.agent", agent),
        span(4, 3, "openai.chat", {OP: "chat", "gen_ai.completion.0.content": "I think it is shipped."}),
    )
    assert {(event.agent, event.run) for event in found} == {("support", TRACE)}
    assert bytes(one("run_started", found).input) == b'"where is order 7?"'
    assert bytes(one("run_finished", found).output) == b'"Shipped."'


def test_what_the_topmost_span_says_comes_first() -> None:
    agent = {OI: "AGENT", "agent.name": "support", "input.value": "inner", "output.value": "inner"}
    found = events_of(
        span(1, None, "flow", {OI: "CHAIN", "input.value": "outer", "output.value": "outer"}), span(2, 1, "a", agent)
    )
    assert (bytes(one("run_started", found).input), bytes(one("run_finished", found).output)) == (
        b'"outer"',
        b'"outer"',
    )


# AutoGen and AG2


AROUND = {OI: "TOOL", "tool.name": "refund", "input.value": '{"order": "7"}', "output.value": "no such order"}
INSIDE = {OP: "execute_tool", "gen_ai.tool.name": "refund", "gen_ai.tool.call.id": "c7"}
ATTEMPTS = [
    ("it failed", [failed("ValueError")], ("error", "ValueError")),
    ("it did not", [OK], ("ok", None)),
    ("it failed, then it did not", [failed("ValueError"), OK], ("ok", None)),
    ("it did not, then it failed", [OK, failed("KeyError")], ("error", "KeyError")),
]


@pytest.mark.parametrize(("attempts", "ended"), [row[1:] for row in ATTEMPTS], ids=[row[0] for row in ATTEMPTS])
def test_a_framework_that_makes_a_result_of_a_tools_error(
    attempts: list[dict[str, Any]], ended: tuple[str, str | None]
) -> None:
    inside = [
        span(3 + n, 2, "execute_tool refund", INSIDE, **more) for n, more in enumerate(attempts)
    ]  # each ends before the one before it, so turn the ends
    for n, attempt in enumerate(inside):
        attempt.end = 150.0 + n
    found = events_of(span(1, None, "invoke_agent support", AGENT), span(2, 1, "support.refund", AROUND), *inside)
    tool = one("tool_call", found)
    assert (tool.status, tool.error_type) == ended
    assert (bytes(tool.arguments), bytes(tool.result), tool.call_id) == (b'{"order": "7"}', b'"no such order"', "c7")


def test_another_tool_inside_a_tool_is_another_call() -> None:
    other = INSIDE | {"gen_ai.tool.name": "charge"}
    found = events_of(
        span(1, None, "invoke_agent support", AGENT),
        span(2, 1, "support.refund", AROUND),
        span(3, 2, "execute_tool charge", other, **failed("ValueError")),
    )
    assert {event.tool: event.status for event in all_of("tool_call", found)} == {"refund": "ok", "charge": "error"}


def test_a_doubled_span_of_the_agent_knows_what_it_was_asked() -> None:
    doubled = {OI: "AGENT", "graph.node.id": "support", "input.value": "where is order 7?"}
    found = events_of(span(1, None, "invoke_agent support", AGENT), span(2, 1, "support.on_messages_stream", doubled))
    assert bytes(one("run_started", found).input) == b'"where is order 7?"'


@pytest.mark.parametrize("operation", ["conversation", "initiate_chats"])
def test_a_conversation_of_ag2_is_one_run(operation: str) -> None:
    said = {OP: operation, "gen_ai.agent.name": "user_proxy", "gen_ai.conversation.id": "s"}
    proxy = {OP: "invoke_agent", "gen_ai.agent.name": "user_proxy"}
    found = events_of(
        span(1, None, "conversation user_proxy", said),
        span(2, 1, "invoke_agent support", AGENT),
        span(3, 1, "invoke_agent user_proxy", proxy),
        span(4, 3, "execute_tool refund", INSIDE),
        span(5, 1, "invoke_agent support", AGENT),
    )
    runs = [(event.agent, event.parent_agent, event.session) for event in all_of("run_started", found)]
    assert runs == [("support", None, "s"), ("user_proxy", "support", None)]


# Google's ADK


ADK = "gcp.vertex.agent"


def test_a_call_of_adk_that_was_not_answered_is_a_failed_call() -> None:
    found = events_of(
        span(1, None, "invocation", {}, scope=ADK),
        span(2, 1, "invoke_agent support", AGENT, scope=ADK, **failed("ConnectionError")),
        span(3, 2, "call_llm", {}, scope=ADK, **failed("ConnectionError")),
    )
    call = one("llm_call", found)
    assert (call.agent, call.status, call.error_type, call.model) == ("support", "error", "ConnectionError", None)
    assert one("run_finished", found).status == "error"


NOT_ADK = [("another library", "call_llm", "app"), ("another span of it", "invocation", ADK)]


@pytest.mark.parametrize(("name", "scope"), [row[1:] for row in NOT_ADK], ids=[row[0] for row in NOT_ADK])
def test_what_is_no_call_of_adk(name: str, scope: str) -> None:
    assert mapping.read(span(3, 2, name, {}, scope=scope)).role is Role.OTHER


SAID = {"content": {"parts": [{"text": "Shipped."}], "role": "model"}, "finish_reason": "STOP"}
CALLS = {"content": {"parts": [{"function_call": {"name": "lookup", "args": {}}}], "role": "model"}}
ADK_ANSWERS = [
    ("a text", SAID, "Shipped.", "stop"),
    ("calls alone", CALLS | {"finish_reason": "STOP"}, None, "stop"),
    ("an error in place of an answer", {"error_code": "SAFETY", "error_message": "no"}, None, "content_filter"),
    ("hidden", {}, None, None),
]


@pytest.mark.parametrize(
    ("answered", "output", "reason"), [row[1:] for row in ADK_ANSWERS], ids=[row[0] for row in ADK_ANSWERS]
)
def test_what_adk_writes_of_an_answer(answered: Any, output: str | None, reason: str | None) -> None:
    said = {"gcp.vertex.agent.llm_response": json.dumps(answered)}
    fields = mapping.read(span(3, 2, "call_llm", said, scope=ADK)).fields
    assert (fields.get("output"), fields.get("finish_reason")) == (output, reason)


def test_what_stands_for_the_id_of_a_call_is_none() -> None:
    read = [mapping.read(span(3, 2, "t", INSIDE | {"gen_ai.tool.call.id": said})) for said in ("<not specified>", "<c")]
    assert [reading.fields.get("call_id") for reading in read] == [None, "<c"]
