"""Which runs a trace holds, whose they are, and how they ended. A row: what the spans are, and what is made of them."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.intake.assembler import Assembler
from monitor.intake.spans import LogRecord, Span
from schemas.event import Event, check, decode, encode

TRACE = "0af7651916cd43dd8448eb211c80319c"
OI, TL, OP = "openinference.span.kind", "traceloop.span.kind", "gen_ai.operation.name"
AGENT = {OP: "invoke_agent", "gen_ai.agent.name": "support"}
OTHER_AGENT = {OP: "invoke_agent", "gen_ai.agent.name": "billing"}
CHAT = {OP: "chat", "gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 1}
TOOL = {OP: "execute_tool", "gen_ai.tool.name": "refund"}
RETRIEVAL = {OP: "retrieval"}
ERROR = "error"


def span(
    number: int,
    above: int | None,
    said: dict[str, Any],
    status: str = "ok",
    at: tuple[float, float] = (0, 0),
    **more: Any,
) -> Span:
    """Span `number` below span `above`; without `at`, a later number starts later and ends earlier."""
    start, end = at if at != (0, 0) else (100.0 + number, 200.0 - number)
    return Span(
        trace_id=TRACE,
        span_id=f"{number:016x}",
        parent_id="" if above is None else f"{above:016x}",
        start=start,
        end=end,
        status=status,  # type: ignore[arg-type]
        attributes=said,
        **{"resource": {"service.name": "shop", "service.version": "7"}} | more,
    )


def events_of(spans: list[Any]) -> list[Event]:
    assembler = Assembler(keep_text=True)
    assembler.add(spans, now=1000.0)
    found = assembler.flush()
    for event in found:
        assert decode(encode(check(event))).kind == event.kind  # whatever we make can be read again
    return found


def runs_of(spans: list[Any]) -> list[tuple[str, str, str | None]]:
    """(agent, status, the parent's agent) of each run, in order of start."""
    found = events_of(spans)
    ended = {event.run: str(event.status) for event in found if event.kind == "run_finished"}
    return [(str(e.agent), ended[e.run], e.parent_agent) for e in found if e.kind == "run_started"]


OK, FAILED = ("support", "ok", None), ("support", "error", None)
TRACES = [
    ("an agent with a chat", [span(1, None, AGENT), span(2, 1, CHAT)], [OK]),
    ("a run without calls", [span(1, None, AGENT)], [OK]),
    ("the agent failed", [span(1, None, AGENT, ERROR), span(2, 1, CHAT)], [FAILED]),
    ("a tool's error is not the run's", [span(1, None, AGENT), span(2, 1, TOOL, ERROR), span(3, 1, CHAT)], [OK]),
    ("not even the last one", [span(1, None, AGENT), span(2, 1, TOOL, ERROR)], [OK]),
    ("a call's error is not the run's", [span(1, None, AGENT), span(2, 1, CHAT, ERROR), span(3, 1, CHAT)], [OK]),
    (
        "the topmost span is fine, the agent inside is not",
        [span(1, None, {OI: "AGENT"}, name="flow"), span(2, 1, {OI: "AGENT", "agent.name": "support"}, ERROR)],
        [FAILED],
    ),
    (
        "a step failed and nothing came after",
        [span(1, None, AGENT), span(2, 1, CHAT), span(3, 1, {OI: "CHAIN"}, ERROR)],
        [FAILED],
    ),
    (
        "a step failed, another was tried",
        [span(1, None, AGENT), span(2, 1, {OI: "CHAIN"}, ERROR, (102, 110)), span(3, 1, CHAT, "ok", (111, 120))],
        [OK],
    ),
    (
        "the second attempt failed too",
        [
            span(1, None, AGENT),
            span(2, 1, {OI: "CHAIN"}, ERROR, (102, 110)),
            span(3, 1, {OI: "CHAIN"}, ERROR, (111, 120)),
            span(4, 3, CHAT, ERROR, (112, 120)),
        ],
        [FAILED],
    ),
    (
        "doubled agent spans are one run",
        [span(1, None, AGENT), span(2, 1, {OI: "CHAIN"}), span(3, 2, AGENT), span(4, 3, CHAT)],
        [OK],
    ),
    (
        "a workflow takes the name of the agent inside",
        [span(1, None, {OP: "invoke_workflow", "gen_ai.workflow.name": "flow"}), span(2, 1, AGENT), span(3, 2, CHAT)],
        [OK],
    ),
    (
        "as the conventions of their own name it",
        [span(1, None, {OP: "invoke_workflow", "gen_ai.agent.name": "flow"}), span(2, 1, AGENT), span(3, 2, CHAT)],
        [OK],
    ),
    (
        "traceloop's workflow",
        [
            span(1, None, {TL: "workflow", "traceloop.entity.name": "flow"}),
            span(2, 1, {TL: "agent", "traceloop.entity.name": "support"}),
            span(3, 2, {"llm.request.type": "chat"}),
        ],
        [OK],
    ),
    (
        "a workflow without agents is one itself",
        [span(1, None, {TL: "workflow", "traceloop.entity.name": "flow"}), span(2, 1, {"llm.request.type": "chat"})],
        [("flow", "ok", None)],
    ),
    (
        "an agent below an HTTP request",
        [span(1, None, {"http.route": "/"}), span(2, 1, AGENT), span(3, 2, CHAT)],
        [OK],
    ),
    (
        "an agent without a name has its service's",
        [span(1, None, {OP: "invoke_agent"}), span(2, 1, CHAT)],
        [("shop", "ok", None)],
    ),
    ("or the one in the span's", [span(1, None, {OP: "invoke_agent"}, name="invoke_agent support")], [OK]),
    (
        "an OpenInference agent has its span's name",
        [span(1, None, {OI: "AGENT"}, name="support"), span(2, 1, {OI: "LLM"})],
        [OK],
    ),
    (
        "a graph whose nodes are called agent is one run",
        [span(1, None, {OI: "CHAIN"}), *(span(n, 1, {OI: "AGENT"}, name="agent") for n in (2, 3, 4))],
        [("agent", "ok", None)],
    ),
    (
        "Vercel's function",
        [
            span(1, None, {"ai.operationId": "ai.generateText", "ai.telemetry.functionId": "support"}),
            span(2, 1, {"ai.operationId": "ai.generateText.doGenerate", "ai.telemetry.functionId": "support"}),
        ],
        [OK],
    ),
    (
        "an agent as a tool is a child run",
        [span(1, None, AGENT), span(2, 1, TOOL), span(3, 2, OTHER_AGENT), span(4, 3, CHAT)],
        [OK, ("billing", "ok", "support")],
    ),
    (
        "whose failure is the tool's",
        [span(1, None, AGENT), span(2, 1, TOOL, ERROR), span(3, 2, OTHER_AGENT, ERROR)],
        [OK, ("billing", "error", "support")],
    ),
    (
        "a sub-agent's failure ends the run",
        [span(1, None, AGENT), span(2, 1, OTHER_AGENT, ERROR), span(3, 2, CHAT)],
        [FAILED, ("billing", "error", "support")],
    ),
    (
        "unless work goes on",
        [span(1, None, AGENT), span(2, 1, OTHER_AGENT, ERROR, (102, 110)), span(3, 1, CHAT, "ok", (111, 120))],
        [OK, ("billing", "error", "support")],
    ),
    (
        "back to the first agent is a run of its own below the second",
        [span(1, None, AGENT), span(2, 1, OTHER_AGENT), span(3, 2, AGENT)],
        [OK, ("billing", "ok", "support"), ("support", "ok", "billing")],
    ),
    (
        "two agents below one request are two runs",
        [span(1, None, {}), span(2, 1, AGENT), span(3, 1, OTHER_AGENT)],
        [OK, ("billing", "ok", None)],
    ),
    ("a lone chat is no run", [span(1, None, CHAT)], []),
    ("nor is a lone retrieval", [span(1, None, RETRIEVAL)], []),
    ("nor a chat in an HTTP request", [span(1, None, {}), span(2, 1, CHAT), span(3, 1, CHAT)], []),
    ("nor a failed one", [span(1, None, CHAT, ERROR)], []),
    (
        "a chain around a retrieval and a call is one",
        [span(1, None, {OI: "CHAIN"}), span(2, 1, CHAT)],
        [("shop", "ok", None)],
    ),
    (
        "a model and tools, nothing called an agent",
        [span(1, None, {}), span(2, 1, CHAT), span(3, 1, TOOL)],
        [("shop", "ok", None)],
    ),
    ("headless: the topmost span never came", [span(2, 1, CHAT), span(3, 1, TOOL)], [("shop", "ok", None)]),
    (
        "headless, the last call failed",
        [span(2, 1, CHAT, "ok", (101, 102)), span(3, 1, CHAT, ERROR, (103, 104))],
        [("shop", "error", None)],
    ),
    (
        "headless in steps",
        [
            span(2, 1, {OI: "CHAIN"}),
            span(3, 2, {OI: "LLM"}),
            span(4, 1, {OI: "CHAIN"}, ERROR),
            span(5, 4, {OI: "LLM"}, ERROR),
        ],
        [("shop", "error", None)],
    ),
    ("headless, one call that names its agent", [span(2, 1, CHAT | {"gen_ai.agent.name": "support"}, ERROR)], [FAILED]),
    ("a lone call below a span that never came", [span(2, 1, CHAT)], []),
    ("an agent below a span that never came", [span(2, 1, AGENT), span(3, 2, CHAT)], [OK]),
    (
        "a span whose own parent got lost",
        [span(1, None, AGENT), span(3, 2, CHAT), span(4, 2, OTHER_AGENT)],
        [OK, ("billing", "ok", "support")],
    ),
    ("a circle of parents", [span(1, 2, AGENT), span(2, 1, CHAT)], [OK]),
    ("its own parent", [span(1, 1, AGENT)], [OK]),
]


@pytest.mark.parametrize(("spans", "runs"), [row[1:] for row in TRACES], ids=[row[0] for row in TRACES])
def test_runs_of_a_trace(spans: list[Span], runs: list[tuple[str, str, str | None]]) -> None:
    assert runs_of(spans) == runs
    assert runs_of(spans[::-1]) == runs


def test_the_events_of_a_run() -> None:
    found = events_of(
        [
            span(1, None, AGENT | {"gen_ai.conversation.id": "s", "user.id": "u"}, at=(100, 150)),
            span(2, 1, CHAT, at=(101, 110)),
            span(3, 1, TOOL | {"gen_ai.tool.call.result": '{"error": "no such order"}'}, at=(111, 112)),
            span(4, 1, TOOL, ERROR, at=(113, 114), status_message="ReadTimeout: slow"),
            span(5, 1, RETRIEVAL | {"gen_ai.retrieval.documents": "[]", "gen_ai.data_source.id": "kb"}, at=(115, 116)),
            span(6, 1, CHAT | {"gen_ai.completion.0.content": "Sorry."}, at=(117, 160)),
        ]
    )
    assert [(event.kind, event.time) for event in found] == [
        ("run_started", 100),
        ("llm_call", 110),
        ("tool_call", 112),
        ("tool_call", 114),
        ("retrieval", 116),
        ("llm_call", 150),  # it ended after its run: taken at the run's end
        ("run_finished", 150),
    ]
    assert {(e.run, e.agent, e.version, e.session, e.user, e.producer) for e in found} == {
        (TRACE, "support", "7", "s", "u", "shop")
    }
    soft, hard = found[2], found[3]
    assert (soft.status, soft.soft_error, soft.duration_seconds) == ("ok", True, 1.0)
    assert (hard.status, hard.error_type) == ("error", "ReadTimeout")
    assert (found[4].source, found[4].hits) == ("kb", 0)
    assert bytes(found[6].output) == b'"Sorry."' and found[6].duration_seconds == 50
    assert len({event.id for event in found}) == len(found)
    assert found[1].id == f"{TRACE}:{2:016x}:llm_call"


def test_tokens_are_counted_once() -> None:
    twice = {"gen_ai.usage.input_tokens": 10}
    found = events_of(
        [
            span(1, None, AGENT | twice),  # a total
            span(2, 1, {OI: "LLM", "llm.token_count.prompt": 10}),  # the framework's span
            span(3, 2, {"http.request.method": "POST"}),
            span(4, 3, CHAT),  # the client's span of the same call
        ]
    )
    assert sum(event.input_tokens or 0 for event in found) == 10
    assert [event.kind for event in found].count("llm_call") == 1


def test_a_tool_call_seen_by_framework_and_client_is_one() -> None:
    found = events_of([span(1, None, AGENT), span(2, 1, TOOL), span(3, 2, {}), span(4, 3, TOOL), span(5, 1, TOOL)])
    assert [event.id for event in found if event.kind == "tool_call"] == [
        f"{TRACE}:{5:016x}:tool_call",
        f"{TRACE}:{2:016x}:tool_call",
    ]


HANDOFFS = [
    ("OpenInference names it in the span", {OI: "TOOL"}, "handoff to billing"),
    ("traceloop names it in an attribute", {TL: "handoff", "gen_ai.handoff.to_agent": "billing"}, "x"),
    ("the target is the next agent", {TL: "handoff", "gen_ai.handoff.from_agent": "support"}, "support -> unknown"),
]


@pytest.mark.parametrize(("said", "name"), [row[1:] for row in HANDOFFS], ids=[row[0] for row in HANDOFFS])
def test_a_handoff_opens_a_child_run_and_is_told_once(said: dict[str, Any], name: str) -> None:
    found = events_of(
        [
            span(1, None, {OI: "AGENT"}, name="trace"),
            span(2, 1, {OI: "AGENT", "agent.name": "support"}, at=(102, 110)),
            span(3, 2, said, name=name, at=(105, 106)),
            span(4, 1, {OI: "AGENT", "agent.name": "billing"}, at=(111, 120)),
            span(5, 4, CHAT, at=(112, 113)),
        ]
    )
    (handoff,) = [event for event in found if event.kind == "handoff"]
    assert (handoff.agent, handoff.to_agent, handoff.run) == ("support", "billing", TRACE)
    (call,) = [event for event in found if event.kind == "llm_call"]
    assert (call.agent, call.run, call.parent_run, call.parent_agent) == (
        "billing",
        f"{TRACE}/{4:016x}",
        TRACE,
        "support",
    )


GUARDRAILS = [
    ("it passed", "ok", "ok", "", {}, "allowed"),
    ("it failed itself", "error", "ok", "", {}, "blocked"),
    ("its output says so", "ok", "ok", "", {"output.value": '{"tripwire_triggered": true}'}, "blocked"),
    (
        "the step around it names it",
        "ok",
        "error",
        "Guardrail tripwire triggered: {'guardrail': 'no_secrets'}",
        {},
        "blocked",
    ),
    ("the step failed for another reason", "ok", "error", "no_secrets timed out", {}, "allowed"),
    ("another guardrail tripped", "ok", "error", "Guardrail tripwire triggered: other", {}, "allowed"),
]


@pytest.mark.parametrize(
    ("own", "around", "message", "said", "action"), [row[1:] for row in GUARDRAILS], ids=[row[0] for row in GUARDRAILS]
)
def test_guardrail(own: str, around: str, message: str, said: dict[str, Any], action: str) -> None:
    found = events_of(
        [
            span(1, None, AGENT),
            span(2, 1, {OI: "CHAIN"}, around, status_message=message),
            span(3, 2, {OI: "GUARDRAIL"} | said, own, name="no_secrets"),
        ]
    )
    assert [(e.name, e.action) for e in found if e.kind == "guardrail"] == [("no_secrets", action)]


def test_evaluations_and_feedback() -> None:
    log = LogRecord(
        trace_id=TRACE,
        span_id=f"{2:016x}",
        name="gen_ai.evaluation.result",
        time=300.0,
        attributes={"gen_ai.evaluation.name": "tone", "gen_ai.evaluation.score.value": 0.5},
    )
    thumb = {"annotations.0.annotation.annotator_kind": "HUMAN", "annotations.0.annotation.score": 0}
    scored = {OI: "EVALUATOR", "output.value": '{"score": 0.9, "label": "good"}'}
    found = events_of([span(1, None, AGENT), span(2, 1, CHAT | thumb), span(3, 1, scored, name="judge"), log])
    evaluations = {e.name: (e.score, e.label, e.time) for e in found if e.kind == "evaluation"}
    assert evaluations == {"tone": (0.5, None, 300.0), "judge": (0.9, "good", 197.0)}
    assert [e.rating for e in found if e.kind == "feedback"] == [-1.0]


def test_long_texts_leave_their_features() -> None:
    result = '{"error": "' + "x" * 300_000 + '"}'
    found = events_of([span(1, None, AGENT), span(2, 1, TOOL | {"gen_ai.tool.call.result": result})])
    (call,) = [event for event in found if event.kind == "tool_call"]
    assert (bytes(call.result), call.soft_error) == (b"", True) and call.result_hash is not None


@pytest.mark.parametrize("said", [AGENT, OTHER_AGENT, {OI: "CHAIN"}, {OI: "LLM"}, {}], ids=str)
def test_a_trace_may_be_as_deep_as_it_has_spans(said: dict[str, Any]) -> None:
    deep = [span(n, n - 1 if n > 1 else None, said if n % 2 else AGENT, ERROR, at=(n, 5000)) for n in range(1, 3000)]
    found = events_of(deep)
    assert next(event.run for event in found if event.kind == "run_started") == TRACE
