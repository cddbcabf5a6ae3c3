"""Without agent text the assembler says what it says with it, once the text is dropped; and its state holds none."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.intake import mapping
from monitor.intake.assembler import Assembler
from monitor.intake.dialects.reading import Role
from monitor.intake.spans import LogRecord, Record, Span, SpanEvent
from monitor.reading import Reader
from schemas.config import Config
from schemas.event import Event, encode
from schemas.texts.derive import keep_no_text

SECRET = "Jane-Doe-4111"
SAID = [{"role": "assistant", "parts": [{"type": "text", "content": SECRET}], "finish_reason": "length"}]
ENVELOPE = {"type": "tool", "data": {"content": f"no {SECRET}", "tool_call_id": "c", "status": "error"}}
TEXTS: list[Any] = [
    SECRET,
    f"{SECRET}: a longer text, in several sentences. {SECRET}!",
    "",
    "[]",
    "{}",
    json.dumps({"error": SECRET}),
    json.dumps({"error": 0.0, "found": SECRET}),
    json.dumps({"isError": True, "content": [SECRET]}),
    json.dumps(json.dumps({"error": SECRET})),
    json.dumps(ENVELOPE),
    ENVELOPE,
    [{"type": "text", "text": SECRET}],
    [{"json": {"error": SECRET}}],
    json.dumps([{"json": {"number": 10**30}}]),
    SAID,
    json.dumps(SAID),
    {"messages": [{"type": "ai", "data": {"content": SECRET}}]},
    json.dumps({"score": 0.5, "tripwire_triggered": True, "why": SECRET}),
    json.dumps({"documents": [{"score": 0.5, "content": SECRET}]}),
    json.dumps({"output": ENVELOPE}),
    json.dumps({"generations": [[{"text": SECRET}]]}),
    json.dumps({"session_id": "s", "note": SECRET}),
    SECRET.encode(),
    7,
    None,
]
texts = st.sampled_from(TEXTS)

TOOL = {"version": "1", "arguments": {"type": "object", "required": ["order_id"]}}
CONTRACT = {"tools": {"t": TOOL, "unknown": TOOL}, "claims": [{"output_matches": "Doe", "requires_tool": "t"}]}
CONFIG = Config.model_validate(
    {"components": [{"agent": "a", "contract": CONTRACT}, {"agent": "shop", "contract": {"tools": {"t": TOOL}}}]}
)

MARKS: list[dict[str, Any]] = [
    *({"gen_ai.operation.name": word} for word in ("invoke_agent", "invoke_workflow", "chat", "execute_tool")),
    *({"gen_ai.operation.name": word} for word in ("retrieval", "handoff", "guardrail")),
    *({"openinference.span.kind": word} for word in ("AGENT", "CHAIN", "LLM", "TOOL", "RETRIEVER", "GUARDRAIL")),
    {"openinference.span.kind": "EVALUATOR"},
    *({"traceloop.span.kind": word} for word in ("workflow", "agent", "task", "tool", "guardrail")),
    {"llm.request.type": "chat"},
    *({"langsmith.span.kind": word} for word in ("chain", "llm", "tool", "retriever")),
    *({"ai.operationId": word} for word in ("ai.generateText", "ai.generateText.doGenerate", "ai.toolCall")),
    {},
]
TEXT_KEYS = sorted(
    {
        key
        for dialect in mapping.DIALECTS
        for table in (*dialect.by_role.values(), dialect.shared)
        for field, keys in table.items()
        if field in ("input", "output", "arguments", "result")
        for key in keys
    }
    | {"gen_ai.completion", "gcp.vertex.agent.tool_call_args", "gcp.vertex.agent.tool_response"}
    | {"gen_ai.output.messages", "gen_ai.input.messages", "final_result", "gen_ai.completion.0.content", "metadata"}
    | {"retrieval.documents", "gen_ai.retrieval.documents", "retrieval.documents.0.document.content", "anything.else"}
    | {"llm.output_messages.0.message.content", "annotations.0.annotation.explanation", "exception.message"}
)
FIXED = {
    "tool.name": "t",
    "gen_ai.tool.name": "t",
    "gen_ai.agent.name": "a",
    "annotations.0.annotation.score": 0.25,
    "annotations.0.annotation.annotator_kind": "HUMAN",
}
MESSAGES = [
    "",
    f"the customer {SECRET} has asked us to send it all again",
    f"ReadTimeout: after {SECRET}",
    f"Guardrail tripwire triggered: {{'guardrail': 'no_secrets', 'said': '{SECRET}'}}",
    "Max turns exceeded",
]
EVENTS = [
    ("gen_ai.choice", "message"),
    ("gen_ai.choice", "content"),
    ("gen_ai.tool.message", "content"),
    ("gen_ai.user.message", "content"),
    ("gen_ai.client.inference.operation.details", "gen_ai.output.messages"),
    ("gen_ai.evaluation.result", "gen_ai.evaluation.explanation"),
    ("gen_ai.execute_tool.exception", "exception.message"),
    ("exception", "exception.stacktrace"),
    ("db.query.result", "db.query.result.document"),
]
EVENT_FIXED = {
    "finish_reason": "stop",
    "exception.type": "app.Refused",
    "gen_ai.evaluation.name": "tone",
    "gen_ai.evaluation.score.value": 0.5,
    "db.query.result.score": 0.5,
}


@st.composite
def happenings(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    name, key = draw(st.sampled_from(EVENTS))
    fixed = draw(st.sets(st.sampled_from(sorted(EVENT_FIXED)), max_size=4))
    return name, {key: draw(texts)} | {each: EVENT_FIXED[each] for each in fixed}


@st.composite
def traces(draw: st.DrawFn) -> list[Record]:
    found: list[Record] = []
    for number in range(draw(st.integers(1, 8))):
        above = draw(st.none() | st.integers(0, 8))
        keys = draw(st.sets(st.sampled_from(TEXT_KEYS), max_size=6))
        fixed = draw(st.sets(st.sampled_from(sorted(FIXED)), max_size=3))
        place = {"trace_id": f"{1:032x}", "span_id": f"{number + 1:016x}"}
        attributes = {key: draw(texts) for key in sorted(keys)} | {key: FIXED[key] for key in sorted(fixed)}
        found.append(
            Span(
                **place,
                parent_id="" if above is None else f"{above + 1:016x}",
                name=draw(st.sampled_from(["", "no_secrets", "handoff to b", "execute_tool t"])),
                start=1000.0 + number,
                end=1010.0 + draw(st.integers(0, 9)),
                status=draw(st.sampled_from(["unset", "ok", "error"])),
                status_message=draw(st.sampled_from(MESSAGES)),
                attributes=attributes | draw(st.sampled_from(MARKS)),
                events=[SpanEvent(name, 1005.0, said) for name, said in draw(st.lists(happenings(), max_size=3))],
                resource={"service.name": "shop", "process.command_line": SECRET},
                observed_time=1020.0,
            )
        )
        for name, said in draw(st.lists(happenings(), max_size=2)):
            resource = {"service.name": "shop", "note": SECRET}
            time = 1000.0 + draw(st.integers(0, 20))
            found.append(LogRecord(**place, name=name, time=time, attributes=said, resource=resource))
    return found


def lines(events: list[Event]) -> list[bytes]:
    return sorted(encode(event) for event in events)


@settings(max_examples=150, deadline=None)
@given(st.data(), traces())
def test_the_same_events_as_with_text_and_none_of_it_in_state(data: st.DataObject, records: list[Record]) -> None:
    with_text = Assembler(keep_text=True, reader=Reader(CONFIG))
    with_text.add(records, now=0.0)
    expected = lines([keep_no_text(event) for event in with_text.tick(100.0)])

    pieces = data.draw(st.permutations(records))
    found, stored = Assembler(reader=Reader(CONFIG)), dict[str, bytes]()
    while pieces:
        size = data.draw(st.integers(1, len(pieces)))
        found.add(pieces[:size], now=0.0)
        pieces = pieces[size:]
        for key, value in found.changes():
            assert value is not None and SECRET.encode() not in value
            stored[key] = value
        if data.draw(st.booleans()):
            found = Assembler(reader=Reader(CONFIG))
            found.load(stored.items())
    told = lines(found.tick(100.0))
    assert told == expected
    assert not any(SECRET.encode() in line for line in told)
    assert not any(SECRET.encode() in (value or b"") for _, value in found.changes())


def test_the_marks_stand_for_every_role() -> None:
    marked = [Span(trace_id="", span_id="", start=0, end=0, attributes=said) for said in MARKS]
    assert {mapping.read(span).role for span in marked} == set(Role)


@settings(max_examples=100, deadline=None)
@given(traces())
def test_with_text_a_restart_changes_nothing(records: list[Record]) -> None:
    whole, first, second = (Assembler(keep_text=True, reader=Reader(CONFIG)) for _ in range(3))
    whole.add(records, now=0.0)
    first.add(records, now=0.0)
    second.load([(key, value) for key, value in first.changes() if value is not None])
    assert lines(second.tick(100.0)) == lines(whole.tick(100.0))
