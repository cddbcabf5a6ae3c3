"""One span in each dialect → neutral words. The spans are made here; none is a recording."""

from __future__ import annotations

import json
from typing import Any

import pytest

from monitor.intake import mapping
from monitor.intake.dialects import judgements, values
from monitor.intake.dialects.reading import Role
from monitor.intake.spans import Span, SpanEvent


def span(attributes: dict[str, Any], events: list[SpanEvent] | None = None, **fields: Any) -> Span:
    return Span(
        trace_id="0af7651916cd43dd8448eb211c80319c",
        span_id="b7ad6b7169203331",
        start=100.0,
        end=101.0,
        attributes=attributes,
        events=events or [],
        **fields,
    )


OI, TL, OP = "openinference.span.kind", "traceloop.span.kind", "gen_ai.operation.name"
ROLES = [
    ("an agent of the conventions", {OP: "invoke_agent"}, Role.AGENT),
    ("a workflow of the conventions", {OP: "invoke_workflow"}, Role.WORKFLOW),
    ("a chat", {OP: "chat"}, Role.LLM),
    ("Gemini's word for it", {OP: "generate_content"}, Role.LLM),
    ("a tool", {OP: "execute_tool"}, Role.TOOL),
    ("a search in a data source", {OP: "retrieval"}, Role.RETRIEVAL),
    ("an embedding is no part of a run", {OP: "embeddings"}, Role.OTHER),
    ("making an agent is not running it", {OP: "create_agent"}, Role.OTHER),
    ("an operation of the future", {OP: "dream"}, Role.OTHER),
    ("OpenInference's agent", {OI: "AGENT"}, Role.AGENT),
    ("its chain, in lower case", {OI: "chain"}, Role.CHAIN),
    ("its tool", {OI: "TOOL", "tool.name": "handoff to x"}, Role.TOOL),
    ("its reranker orders what was found", {OI: "RERANKER"}, Role.OTHER),
    ("its guardrail", {OI: "GUARDRAIL"}, Role.GUARDRAIL),
    ("traceloop's workflow", {TL: "workflow"}, Role.WORKFLOW),
    ("traceloop's task that is a tool", {TL: "task", OP: "execute_tool"}, Role.TOOL),
    ("traceloop's handoff", {TL: "handoff"}, Role.HANDOFF),
    ("traceloop's older chat", {"llm.request.type": "chat"}, Role.LLM),
    ("traceloop's older embedding", {"llm.request.type": "embedding"}, Role.OTHER),
    ("Vercel's run", {"ai.operationId": "ai.streamObject"}, Role.AGENT),
    ("Vercel's call", {"ai.operationId": "ai.generateText.doGenerate", OP: "chat"}, Role.LLM),
    ("Vercel's tool", {"ai.operationId": "ai.toolCall"}, Role.TOOL),
    ("Vercel's embedding", {"ai.operationId": "ai.embed.doEmbed"}, Role.OTHER),
    ("an HTTP request", {"http.request.method": "POST"}, Role.OTHER),
    ("a kind that is no text", {OI: 5, "ai.operationId": ["x"]}, Role.OTHER),
]


@pytest.mark.parametrize(("attributes", "role"), [row[1:] for row in ROLES], ids=[row[0] for row in ROLES])
def test_role(attributes: dict[str, Any], role: Role) -> None:
    assert mapping.read(span(attributes)).role is role


def test_a_tool_span_without_a_tool_whose_name_is_a_handoff_is_one() -> None:
    found = mapping.read(span({OI: "TOOL"}, name="Handoff to billing agent"))
    assert (found.role, found.fields["to_agent"]) == (Role.HANDOFF, "billing agent")


def test_the_oldest_instrumentations_show_a_call_by_its_model() -> None:
    asked = {"gen_ai.system": "openai", "gen_ai.request.model": "m"}
    assert mapping.read(span(asked, kind="client")).role is Role.LLM
    assert mapping.read(span(asked, kind="internal")).role is Role.OTHER


SAID = [{"role": "assistant", "parts": [{"type": "text", "content": "Hello."}], "finish_reason": "stop"}]
LLM_CALLS = [
    (
        "semconv up to v1.36",
        span(
            {
                OP: "chat",
                "gen_ai.system": "openai",
                "gen_ai.request.model": "m",
                "gen_ai.response.model": "m-1",
                "gen_ai.usage.prompt_tokens": 10,
                "gen_ai.usage.completion_tokens": 4,
                "session.id": "s",
                "user.id": "u",
            },
            [SpanEvent("gen_ai.choice", 100.5, {"finish_reason": "end_turn", "message": '[{"text": "Hello."}]'})],
        ),
    ),
    (
        "semconv v1.37 to v1.41, messages as JSON",
        span(
            {
                OP: "chat",
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": "m",
                "gen_ai.response.model": "m-1",
                "gen_ai.usage.input_tokens": 10,
                "gen_ai.usage.output_tokens": 4,
                "gen_ai.output.messages": json.dumps(SAID),
                "gen_ai.conversation.id": "s",
                "user.id": "u",
            }
        ),
    ),
    (
        "semconv v0.1.0, messages as structures",
        span(
            {
                OP: "chat",
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": "m",
                "gen_ai.response.model": "m-1",
                "gen_ai.usage.input_tokens": 10,
                "gen_ai.usage.output_tokens": 4,
                "gen_ai.output.messages": SAID,
                "gen_ai.response.finish_reasons": ["stop"],
                "gen_ai.conversation.id": "s",
                "enduser.id": "u",
            }
        ),
    ),
    (
        "OpenInference",
        span(
            {
                OI: "LLM",
                "llm.system": "openai",
                "llm.model_name": "m",
                "gen_ai.response.model": "m-1",
                "llm.token_count.prompt": 10,
                "llm.token_count.completion": 4.0,
                "llm.finish_reason": "STOP",
                "llm.output_messages.0.message.role": "assistant",
                "llm.output_messages.0.message.content": "Hello.",
                "metadata": '{"user_id": "u", "thread_id": "s"}',
            }
        ),
    ),
    (
        "traceloop",
        span(
            {
                "llm.request.type": "chat",
                "gen_ai.system": "openai",
                "gen_ai.request.model": "m",
                "gen_ai.response.model": "m-1",
                "gen_ai.usage.prompt_tokens": 10,
                "gen_ai.usage.completion_tokens": 4,
                "gen_ai.completion.0.content": "Hello.",
                "gen_ai.completion.0.finish_reason": "stop",
                "traceloop.association.properties.session_id": "s",
                "traceloop.association.properties.user_id": "u",
            }
        ),
    ),
    (
        "Vercel",
        span(
            {
                "ai.operationId": "ai.streamText.doStream",
                "ai.model.provider": "openai.chat",
                "ai.model.id": "m",
                "ai.response.model": "m-1",
                "ai.usage.inputTokens": 10,
                "ai.usage.outputTokens": 4,
                "ai.response.text": "Hello.",
                "ai.response.finishReason": "stop",
                "ai.telemetry.metadata.sessionId": "s",
                "ai.telemetry.metadata.userId": "u",
            }
        ),
    ),
]


@pytest.mark.parametrize("call", [row[1] for row in LLM_CALLS], ids=[row[0] for row in LLM_CALLS])
def test_every_dialect_says_the_same_of_a_model_call(call: Span) -> None:
    fields = mapping.read(call).fields
    assert {name: fields.get(name) for name in ("provider", "model", "response_model")} == {
        "provider": "openai",
        "model": "m",
        "response_model": "m-1",
    }
    assert (fields["input_tokens"], fields["output_tokens"]) == (10, 4)
    assert (fields["finish_reason"], fields["output"]) == ("stop", "Hello.")
    assert (fields["session"], fields["user"]) == ("s", "u")


TOOL_CALLS = [
    (
        "semconv",
        {
            OP: "execute_tool",
            "gen_ai.tool.name": "refund",
            "gen_ai.tool.call.id": "c",
            "gen_ai.tool.call.arguments": {"order": 1},
            "gen_ai.tool.call.result": "done",
        },
    ),
    (
        "OpenInference, wrapped by LangChain",
        {
            OI: "TOOL",
            "tool.name": "refund",
            "tool_call.id": "c",
            "input.value": '{"order": 1}',
            "output.value": '{"type": "tool", "data": {"content": "done", "tool_call_id": "c", "status": "success"}}',
        },
    ),
    (
        "traceloop",
        {
            TL: "tool",
            "traceloop.entity.name": "refund",
            "gen_ai.tool.call.id": "c",
            "traceloop.entity.input": '{"order": 1}',
            "traceloop.entity.output": "done",
        },
    ),
    (
        "Vercel",
        {
            "ai.operationId": "ai.toolCall",
            "ai.toolCall.name": "refund",
            "ai.toolCall.id": "c",
            "ai.toolCall.args": '{"order": 1}',
            "ai.toolCall.result": "done",
        },
    ),
]


@pytest.mark.parametrize("attributes", [row[1] for row in TOOL_CALLS], ids=[row[0] for row in TOOL_CALLS])
def test_every_dialect_says_the_same_of_a_tool_call(attributes: dict[str, Any]) -> None:
    found = mapping.read(span(attributes))
    assert not found.failed
    assert (found.fields["tool"], found.fields["call_id"], found.fields["result"]) == ("refund", "c", "done")
    assert json.loads(bytes(values.raw(found.fields["arguments"]))) == {"order": 1}


def test_a_tool_whose_envelope_says_error_failed() -> None:
    result = {"content": "no such order", "tool_call_id": "c", "status": "error"}
    assert mapping.read(span({OI: "TOOL", "tool.name": "t", "output.value": json.dumps(result)})).failed
    assert mapping.read(span({OP: "execute_tool", "gen_ai.tool.status": "error"})).failed


def test_a_tools_name_may_stand_in_the_spans() -> None:
    assert mapping.read(span({OP: "execute_tool"}, name="execute_tool refund")).fields["tool"] == "refund"
    assert mapping.read(span({OI: "TOOL"}, name="refund")).fields["tool"] == "refund"


NOTHING = (None, None, None)
RETRIEVALS = [
    ("structures", {OP: "retrieval", "gen_ai.retrieval.documents": [{"score": 0.5}, {"score": 0.7}]}, (2, 0.7, None)),
    (
        "ids: that of the best score",
        {OP: "retrieval", "gen_ai.retrieval.documents": '[{"id": "a", "score": 0.5}, {"id": "b", "score": 0.7}]'},
        (2, 0.7, "b"),
    ),
    (
        "ids without scores: the first",
        {OP: "retrieval", "gen_ai.retrieval.documents": [{"id": 7}, {"id": 8}]},
        (2, None, "7"),
    ),
    (
        "a score for each, and the first of two equal ones",
        {OP: "retrieval", "gen_ai.retrieval.documents": [{"id": "a", "score": 0.5}, {"id": "b", "score": 0.5}]},
        (2, 0.5, "a"),
    ),
    ("JSON, empty", {OP: "retrieval", "gen_ai.retrieval.documents": "[]"}, (0, None, None)),
    ("content off", {OP: "retrieval"}, (None, None, None)),
    (
        "flattened",
        {OI: "RETRIEVER", "retrieval.documents.0.document.score": 0.2, "retrieval.documents.1.document.content": "x"},
        (2, 0.2, None),
    ),
    (
        "flattened, with ids",
        {
            OI: "RETRIEVER",
            "retrieval.documents.0.document.id": "a",
            "retrieval.documents.0.document.score": 0.2,
            "retrieval.documents.1.document.id": "b",
            "retrieval.documents.1.document.score": 0.4,
        },
        (2, 0.4, "b"),
    ),
    (
        "texts without ids: the digest of the first",
        {
            OI: "RETRIEVER",
            "retrieval.documents.0.document.content": "refunds take two days",
            "retrieval.documents.1.document.content": "we are open on Monday",
        },
        (2, None, "text 30c6de2cc8096462"),
    ),
    (
        "score in metadata",
        {OI: "RETRIEVER", "retrieval.documents.0.document.metadata": '{"score": 0.8}'},
        (1, 0.8, None),
    ),
    ("a number that counts nothing", {OI: "RETRIEVER", f"retrieval.documents.{9:05000}.document.id": "a"}, NOTHING),
    ("an empty list", {OI: "RETRIEVER", "retrieval.documents": []}, (0, None, None)),
    ("only the output", {OI: "RETRIEVER", "output.value": '{"documents": [{}, {}]}'}, (2, None, None)),
    (
        "only the output, with texts",
        {OI: "RETRIEVER", "output.value": '{"documents": [{"page_content": "refunds take two days"}]}'},
        (1, None, "text 30c6de2cc8096462"),
    ),
    ("content off in OpenInference", {OI: "RETRIEVER"}, NOTHING),
    ("a vector store", {TL: "vector_db_retrieve"}, NOTHING),
]


@pytest.mark.parametrize(("attributes", "found"), [row[1:] for row in RETRIEVALS], ids=[row[0] for row in RETRIEVALS])
def test_hits_score_and_document(
    attributes: dict[str, Any], found: tuple[int | None, float | None, str | None]
) -> None:
    fields = mapping.read(span(attributes)).fields
    assert (fields.get("hits"), fields.get("top_score"), fields.get("document")) == found


def test_a_vector_store_tells_an_event_per_document() -> None:
    told = [("a", 0.2), ("b", 0.6), ("c", 0.4)]
    events = [
        SpanEvent("db.query.result", 1.0, {"db.query.result.id": one, "db.query.result.score": score})
        for one, score in told
    ]
    fields = mapping.read(span({TL: "vector_db_retrieve"}, events)).fields
    assert (fields["hits"], fields["top_score"], fields["document"]) == (3, 0.6, "b")


def test_judgements_on_a_span() -> None:
    attributes = {
        OI: "LLM",
        "evaluations.0.evaluation.name": "faithful",
        "evaluations.0.evaluation.score": 0.25,
        "annotations.0.annotation.name": "thumb",
        "annotations.0.annotation.label": "thumbs-down",
        "annotations.0.annotation.annotator_kind": "HUMAN",
    }
    event = SpanEvent(
        "gen_ai.evaluation.result", 105.0, {"gen_ai.evaluation.name": "tone", "gen_ai.evaluation.score.label": "rude"}
    )
    human, model, logged = mapping.read(span(attributes, [event])).judgements
    assert (human.human, judgements.rating(human)) == (True, -1.0)
    assert (model.name, model.score, model.human) == ("faithful", 0.25, False)
    assert (logged.name, logged.label, logged.time) == ("tone", "rude", 105.0)


@pytest.mark.parametrize(
    ("score", "rating"), [(1.0, 1.0), (0.0, -1.0), (0.5, 0.0), (-1.0, -1.0), (5.0, 1.0), (None, None)]
)
def test_a_score_as_rating(score: float | None, rating: float | None) -> None:
    assert judgements.rating(judgements.Judgement("n", 1.0, score)) == rating


ODD: list[Any] = [
    None,
    True,
    -1,
    2**70,
    float("nan"),
    float("inf"),
    "",
    "x" * 5000,
    b"\0",
    [],
    [[]],
    {},
    {"a": {}},
    "[",
    "{",
]


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_whatever_stands_in_an_attribute_a_span_can_be_read(odd: Any) -> None:
    keys = {
        key
        for dialect in mapping.DIALECTS
        for table in (*dialect.by_role.values(), dialect.shared)
        for names in table.values()
        for key in names
    }
    keys |= {"metadata", "retrieval.documents", "gen_ai.output.messages", "gen_ai.retrieval.documents", "error.type"}
    for said in ({}, {OP: "chat"}, {OP: "retrieval"}, {OI: "RETRIEVER"}, {OI: "LLM"}, {TL: "tool"}, {OI: "GUARDRAIL"}):
        events = [SpanEvent("gen_ai.choice", 1.0, {"message": odd, "finish_reason": odd})]
        fields = mapping.read(span(dict.fromkeys(keys, odd) | said, events)).fields
        assert all(len(value) <= 512 for name, value in fields.items() if name in ("model", "tool", "session"))
