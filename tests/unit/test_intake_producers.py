"""What single frameworks write beside or against the conventions. The spans are made here; none is a recording."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.intake import mapping
from monitor.intake.assembler import Assembler
from monitor.intake.dialects import errors
from monitor.intake.dialects.reading import Role
from monitor.intake.spans import Span, SpanEvent
from schemas.event import Event
from tests.doubles.spans import TRACE, span


def role_of(name: str, said: dict[str, Any], **more: Any) -> Role:
    return mapping.read(span(1, None, name, said, **more)).role


def events_of(*spans: Span) -> list[Event]:
    assembler = Assembler(keep_text=True)
    assembler.add(list(spans), now=1000.0)
    return assembler.flush()


def one(kind: str, events: list[Event]) -> Event:
    (found,) = [event for event in events if event.kind == kind]
    return found


TOOL = {"gen_ai.tool.name": "refund"}
PYDANTIC_AI = [
    ("an agent of version 2", "agent run", {"agent_name": "support"}, Role.AGENT),
    ("an agent of version 3", "invoke_agent support", {"gen_ai.agent.name": "support"}, Role.AGENT),
    ("a tool of version 2", "running tool", TOOL, Role.TOOL),
    ("a tool of version 3", "execute_tool refund", TOOL, Role.TOOL),
    ("a tool by the id of its call", "running output function", TOOL | {"gen_ai.tool.call.id": "c"}, Role.TOOL),
    ("what holds the tools", "running tools", {"tools": ["refund"]}, Role.OTHER),
    ("a tool that is named, not called", "load tool", TOOL, Role.OTHER),
    ("a span of that name without an agent", "agent run", {}, Role.OTHER),
    ("an agent that is named elsewhere", "POST /", {"gen_ai.agent.name": "support"}, Role.OTHER),
    ("a name that only begins so", "agent runner", {"agent_name": "support"}, Role.OTHER),
    ("an operation of another kind", "invoke_agent support", {"gen_ai.operation.name": "create_agent"}, Role.OTHER),
]


@pytest.mark.parametrize(
    ("name", "said", "role"), [row[1:] for row in PYDANTIC_AI], ids=[row[0] for row in PYDANTIC_AI]
)
def test_pydantic_ai_without_an_operation_shows_itself_by_names(name: str, said: dict[str, Any], role: Role) -> None:
    assert role_of(name, said) is role


def test_a_run_of_pydantic_ai_without_operations() -> None:
    chat = {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 9}
    call = {"gen_ai.tool.call.id": "c", "tool_arguments": '{"order":1}', "tool_response": "done"}
    found = events_of(
        span(1, None, "agent run", {"agent_name": "support", "gen_ai.usage.input_tokens": 9, "final_result": "Done."}),
        span(2, 1, "chat m", chat),
        span(3, 1, "running tools", {"tools": ["refund"]}),
        span(4, 3, "running tool", TOOL | call),
    )
    assert [event.kind for event in found] == ["run_started", "tool_call", "llm_call", "run_finished"]
    assert {event.agent for event in found} == {"support"}
    tool = one("tool_call", found)
    assert (tool.tool, bytes(tool.arguments), bytes(tool.result)) == ("refund", b'{"order":1}', b'"done"')
    assert bytes(one("run_finished", found).output) == b'"Done."'


LS, OP = "langsmith.span.kind", "gen_ai.operation.name"
LANGSMITH = [
    ("a graph", None, {LS: "chain", OP: "chain"}, Role.WORKFLOW),
    ("its node", 1, {LS: "chain", OP: "chain"}, Role.CHAIN),
    ("a model", 1, {LS: "llm", OP: "chat"}, Role.LLM),
    ("a tool of an exporter without operations", 1, {LS: "tool"}, Role.TOOL),
    ("a retriever, which it calls an embedding", 1, {LS: "retriever", OP: "embeddings"}, Role.RETRIEVAL),
    ("a prompt, which it calls a chat", 1, {LS: "prompt", OP: "chat"}, Role.OTHER),
    ("an embedding", 1, {LS: "embedding", OP: "embeddings"}, Role.OTHER),
    ("a parser", 1, {LS: "parser", OP: "parser"}, Role.OTHER),
    ("in capitals", 1, {LS: "LLM"}, Role.LLM),
    ("an operation that somebody named", None, {LS: "chain", OP: "invoke_agent"}, Role.AGENT),
    ("a kind that is no text", 1, {LS: 5}, Role.OTHER),
]


@pytest.mark.parametrize(("above", "said", "role"), [row[1:] for row in LANGSMITH], ids=[row[0] for row in LANGSMITH])
def test_kinds_of_langsmith(above: int | None, said: dict[str, Any], role: Role) -> None:
    assert mapping.read(span(2, above, "x", said)).role is role


def langsmith(number: int, above: int | None, kind: str, name: str, returned: str = "{}", **more: Any) -> Span:
    said = {LS: kind, OP: {"llm": "chat"}.get(kind, kind), "langsmith.trace.name": name, "gen_ai.completion": returned}
    return span(number, above, name, said | more.pop("said", {}), **more)


GENERATED = '{"generations": [[{"text": "%s", "message": {"kwargs": {"tool_calls": [%s]}}}]], "type": "LLMResult"}'
MESSAGE = '{"output": {"content": "no such order", "type": "tool", "tool_call_id": "c", "status": "error"}}'


def test_a_run_of_langgraph_told_by_langsmith() -> None:
    found = events_of(
        langsmith(1, None, "chain", "support", '{"messages": [{"type": "ai", "content": "Sorry."}]}'),
        langsmith(2, 1, "chain", "model"),
        langsmith(3, 2, "llm", "ChatOpenAI", GENERATED % ("", '{"name": "refund"}')),
        langsmith(4, 1, "tool", "refund", MESSAGE, said={"gen_ai.prompt": '{"order": 1}'}),
        langsmith(5, 1, "llm", "ChatOpenAI", GENERATED % ("Sorry.", ""), said={"langsmith.metadata.ls_provider": "p"}),
    )
    assert {(event.agent, event.run) for event in found} == {("support", TRACE)}
    tool, (asked, answered) = one("tool_call", found), [event for event in found if event.kind == "llm_call"][::-1]
    assert (tool.tool, bytes(tool.arguments), bytes(tool.result)) == ("refund", b'{"order": 1}', b'"no such order"')
    assert tool.status == "error"  # the message says so
    assert (bytes(asked.output), bytes(answered.output), answered.provider) == (b"", b'"Sorry."', "p")
    ended = one("run_finished", found)
    assert (ended.status, bytes(ended.output)) == ("ok", b'"Sorry."')


def test_a_failed_run_without_tools_told_by_langsmith() -> None:
    message = "ValueError('the answer does not pass')Traceback (most recent call last):\n\n  File"
    raised = SpanEvent("exception", 150.0, {"exception.type": "Exception", "exception.message": message})
    found = events_of(
        langsmith(1, None, "chain", "support", status="error", events=[raised]),
        langsmith(2, 1, "llm", "ChatOpenAI", GENERATED % ("Hello.", "")),
        langsmith(3, 1, "chain", "check", status="error", events=[raised]),
    )
    ended = one("run_finished", found)
    assert (ended.agent, ended.status, ended.error_type) == ("support", "error", "ValueError")
    assert bytes(ended.output) == b'"Hello."'  # an empty map is no answer; the last call's is


def test_a_chain_without_a_name_of_its_own_is_its_services() -> None:
    chat = langsmith(2, 1, "llm", "ChatOpenAI")
    assert events_of(langsmith(1, None, "chain", "LangGraph"), chat)[0].agent == "shop"
    assert events_of(langsmith(1, None, "chain", "support"), chat)[0].agent == "support"
    below_a_request = langsmith(1, 9, "chain", "support")
    assert events_of(span(9, None, "POST /", {}), below_a_request, chat)[0].agent == "support"


RETURNED = [
    ("generations", "llm", '{"generations": [[{"text": "Hi."}]]}', "output", "Hi."),
    ("choices of a client", "llm", '{"choices": [{"message": {"content": "Hi."}}]}', "output", "Hi."),
    (
        "text beside calls",
        "llm",
        '{"choices": [{"message": {"content": "Hi.", "tool_calls": [{}]}}]}',
        "output",
        "Hi.",
    ),
    (
        "calls alone",
        "llm",
        '{"choices": [{"message": {"content": null, "tool_calls": [{}]}}]}',
        "output",
        None,
    ),
    ("a message", "llm", '{"role": "assistant", "content": "Hi."}', "output", "Hi."),
    ("a text", "llm", '{"output": "Hi."}', "output", "Hi."),
    ("an empty answer is an answer", "llm", '{"generations": [[{"text": ""}]]}', "output", ""),
    ("a map of one's own", "llm", '{"score": 1}', "output", None),
    ("no generation", "llm", '{"generations": [[]]}', "output", None),
    ("nothing", "llm", "{}", "output", None),
    ("a tool's map", "tool", '{"total": 1}', "result", '{"total": 1}'),
    ("a tool's text", "tool", '{"output": "done"}', "result", "done"),
    ("documents", "retriever", '{"documents": [{"id": "a"}, {"id": "b"}]}', "hits", 2),
    ("documents in a list", "retriever", '{"output": [{"page_content": "x"}]}', "hits", 1),
    ("no list of documents", "retriever", '{"output": "x"}', "hits", None),
]


@pytest.mark.parametrize(
    ("kind", "returned", "field", "value"), [row[1:] for row in RETURNED], ids=[row[0] for row in RETURNED]
)
def test_what_langsmith_wraps(kind: str, returned: str, field: str, value: Any) -> None:
    assert mapping.read(langsmith(2, 1, kind, "x", returned)).fields.get(field) == value


@pytest.mark.parametrize("odd", [None, True, float("nan"), "", "{", b"\0", [], [[]], {"a": {}}, "[[[]]]"], ids=repr)
def test_whatever_langsmith_wraps_a_span_can_be_read(odd: Any) -> None:
    for kind in ("chain", "llm", "tool", "retriever"):
        said = dict.fromkeys(("gen_ai.completion", "gen_ai.prompt", "langsmith.trace.name"), odd)
        assert mapping.read(span(2, 1, "x", {LS: kind} | said)).role is not Role.OTHER


RETOLD = [
    ("one retold", "Exception", "KeyError('x')Traceback (most recent call last): …", "KeyError"),
    ("of a module", "Exception", "app.Refused()\n\nTraceback (most recent call last): …", "app.Refused"),
    ("no traceback: a message of its own", "Exception", "KeyError('x')", "Exception"),
    ("prose", "Exception", "Jane Doe (7)Traceback (most recent call last)", "Exception"),
    ("a class that says something", "app.Refused", "KeyError('x')Traceback (most recent call last)", "app.Refused"),
    ("no text", "Exception", 5, "Exception"),
]


@pytest.mark.parametrize(("kind", "message", "found"), [row[1:] for row in RETOLD], ids=[row[0] for row in RETOLD])
def test_the_class_of_an_exception_that_was_retold(kind: str, message: Any, found: str) -> None:
    assert errors.of_event(SpanEvent("exception", 1.0, {"exception.type": kind, "exception.message": message})) == found


CALLED = {OP: "execute_tool", "gen_ai.tool.name": "refund"}
MERGED = [
    ("by its tool", "execute_tool x", CALLED | {"gen_ai.tool.name": "(merged tools)"}, Role.OTHER),
    ("by its name", "execute_tool (merged)", CALLED, Role.OTHER),
    ("a tool that is called so", "execute_tool merged", CALLED | {"gen_ai.tool.name": "merged"}, Role.TOOL),
]


@pytest.mark.parametrize(("name", "said", "role"), [row[1:] for row in MERGED], ids=[row[0] for row in MERGED])
def test_the_merged_tools_of_adk_are_none(name: str, said: dict[str, Any], role: Role) -> None:
    assert role_of(name, said) is role


ASKED = {"gen_ai.system": "gcp.vertex.agent", "gen_ai.request.model": "m"}
USED = {"gen_ai.usage.input_tokens": 11, "gen_ai.usage.output_tokens": 5}
ANSWERED = [
    ("tokens were used", ASKED | USED, Role.LLM),
    ("a response came", ASKED | {"gen_ai.response.finish_reasons": ["stop"]}, Role.LLM),
    ("a model is named", ASKED, Role.OTHER),
    ("tokens of no model: a total", {"gen_ai.system": "x"} | USED, Role.OTHER),
    ("another operation", ASKED | USED | {OP: "embeddings"}, Role.OTHER),
]


@pytest.mark.parametrize(("said", "role"), [row[1:] for row in ANSWERED], ids=[row[0] for row in ANSWERED])
def test_a_call_of_no_operation_and_kind_shows_itself_by_its_answer(said: dict[str, Any], role: Role) -> None:
    assert role_of("call_llm", said) is role


ADK_ARGUMENTS, ADK_RESPONSE = "gcp.vertex.agent.tool_call_args", "gcp.vertex.agent.tool_response"


def test_a_run_of_adk_whose_tools_run_inside_the_call_that_asked_for_them() -> None:
    texts = {ADK_ARGUMENTS: '{"order": 1}', ADK_RESPONSE: '{"total": 7}'}
    found = events_of(
        span(1, None, "invocation", {}),
        span(2, 1, "invoke_agent support", {OP: "invoke_agent", "gen_ai.agent.name": "support"}),
        span(3, 2, "call_llm", ASKED | USED),
        span(4, 3, "execute_tool refund", CALLED | texts),
        span(5, 3, "execute_tool (merged)", CALLED | {"gen_ai.tool.name": "(merged tools)"}),
    )
    assert [event.kind for event in found] == ["run_started", "tool_call", "llm_call", "run_finished"]
    tool, call = one("tool_call", found), one("llm_call", found)
    assert (bytes(tool.arguments), bytes(tool.result)) == (b'{"order": 1}', b'{"total": 7}')
    assert (call.model, call.input_tokens, call.output_tokens) == ("m", 11, 5)


NO_TEXT = ["{}", {}, "N/A", "", "<not serializable>", '{"result": "<not specified>"}']


@pytest.mark.parametrize("said", NO_TEXT, ids=str)
def test_what_adk_writes_for_no_text_is_none(said: Any) -> None:
    fields = mapping.read(
        span(1, None, "execute_tool refund", CALLED | dict.fromkeys((ADK_ARGUMENTS, ADK_RESPONSE), said))
    ).fields
    assert not {"arguments", "result"} & fields.keys()


def test_the_conventions_come_before_the_texts_of_adk() -> None:
    texts = {"gen_ai.tool.call.result": "done", ADK_RESPONSE: '{"result": "done"}'}
    assert mapping.read(span(1, None, "execute_tool refund", CALLED | texts)).fields["result"] == "done"


OI = "openinference.span.kind"
AGENT = {OI: "AGENT", "agent.name": "support"}
OUTER = {
    OI: "LLM",
    "llm.model_name": "outer",
    "llm.token_count.prompt": 900,
    "llm.token_count.completion": 80,
    "llm.cost.total": 0.5,
    "llm.finish_reason": "stop",
    "llm.output_messages.0.message.content": "Done.",
}
INNER = {OP: "chat", "gen_ai.request.model": "m"}
KNOWN = {
    "gen_ai.usage.input_tokens": 890,
    "gen_ai.response.finish_reasons": ["length"],
    "gen_ai.completion.0.content": "Do",
}
NESTED = [
    ("the call knows nothing", [OUTER, INNER], [("m", 900, 80, 0.5, "stop", b'"Done."')]),
    ("the call knows better", [OUTER, INNER | KNOWN], [("m", 890, 80, 0.5, "length", b'"Do"')]),
    (
        "one more between them",
        [OUTER, INNER | {"gen_ai.usage.input_tokens": 7}, INNER],
        [("m", 7, 80, 0.5, "stop", b'"Done."')],
    ),
    ("around nothing", [OUTER], [("outer", 900, 80, 0.5, "stop", b'"Done."')]),
]


@pytest.mark.parametrize(("nested", "told"), [row[1:] for row in NESTED], ids=[row[0] for row in NESTED])
def test_a_call_is_told_once_with_what_the_span_around_it_knows(
    nested: list[dict[str, Any]], told: list[tuple[Any, ...]]
) -> None:
    spans = [span(1, None, "support", AGENT), *(span(n, n - 1, "call", said) for n, said in enumerate(nested, 2))]
    calls = [event for event in events_of(*spans) if event.kind == "llm_call"]
    assert told == [
        (e.model, e.input_tokens, e.output_tokens, e.cost_usd, e.finish_reason, bytes(e.output)) for e in calls
    ]


def test_what_is_known_of_two_calls_together_is_of_neither() -> None:
    agent, around = span(1, None, "support", AGENT), span(2, 1, "retried", OUTER)
    calls = [
        e for e in events_of(agent, around, span(3, 2, "a", INNER), span(4, 2, "b", INNER)) if e.kind == "llm_call"
    ]
    assert [(e.input_tokens, e.output_tokens, e.cost_usd) for e in calls] == [(None, None, None)] * 2


def test_a_call_inside_a_tool_is_another_one() -> None:
    spans = [span(1, None, "support", AGENT), span(2, 1, "a", OUTER), span(3, 2, "t", CALLED), span(4, 3, "b", INNER)]
    calls = [event for event in events_of(*spans) if event.kind == "llm_call"]
    assert sorted((e.model, e.input_tokens) for e in calls) == [("m", None), ("outer", 900)]
