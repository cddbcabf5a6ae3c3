"""Traceloop's OpenLLMetry: `traceloop.span.kind` beside the older attributes of the GenAI conventions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor.intake.dialects import semconv, values
from monitor.intake.dialects.reading import Dialect, Keys, Role
from monitor.intake.spans import Span, SpanEvent

KINDS = {
    "workflow": Role.WORKFLOW,
    "agent": Role.AGENT,
    "task": Role.CHAIN,
    "tool": Role.TOOL,
    "handoff": Role.HANDOFF,
    "guardrail": Role.GUARDRAIL,
    "vector_db_retrieve": Role.RETRIEVAL,
}
"""`traceloop.span.kind` → role."""
REQUESTS = {"chat": Role.LLM, "completion": Role.LLM}
"""`llm.request.type` of the older releases → role."""

_OWN = "traceloop.association.properties."
SHARED: Keys = {
    "session": (_OWN + "session_id", _OWN + "thread_id", _OWN + "conversation_id"),
    "user": (_OWN + "user_id",),
    "version": (_OWN + "version",),
}
BY_ROLE: Mapping[Role, Keys] = {
    Role.AGENT: {
        "agent": ("gen_ai.agent.name", "traceloop.entity.name"),
        "input": ("traceloop.entity.input",),
        "output": ("traceloop.entity.output",),
    },
    Role.WORKFLOW: {
        "label": ("traceloop.entity.name", "traceloop.workflow.name"),
        "input": ("traceloop.entity.input",),
        "output": ("traceloop.entity.output",),
    },
    Role.LLM: {
        "response_model": ("gen_ai.response.model", "llm.response.model"),
        "finish_reason": ("llm.response.finish_reason",),
        "input_tokens": ("llm.usage.prompt_tokens",),
        "output_tokens": ("llm.usage.completion_tokens",),
    },
    Role.TOOL: {
        "tool": ("gen_ai.tool.name", "tool.name", "traceloop.entity.name"),
        "arguments": ("gen_ai.tool.call.arguments", "tool.arguments", "traceloop.entity.input"),
        "result": ("gen_ai.tool.call.result", "traceloop.entity.output"),
    },
    Role.RETRIEVAL: {"source": ("db.collection.name", "db.name", "db.system")},
    Role.GUARDRAIL: {"name": ("gen_ai.guardrail.name", "traceloop.entity.name")},
}
_RESULT_ENDS = (".score", ".id", ".document")
"""What an event says of its document, after its own name: score, id, text."""
_RESULT_EVENTS = frozenset(("db.query.result", "db.search.result", "vector_db.query.result"))


def role(span: Span) -> Role | None:
    """What the operation says is more exact than the kind: tools and agents are also written as tasks."""
    kind = span.attributes.get("traceloop.span.kind")
    if kind is not None:
        said = semconv.OPERATIONS.get(str(span.attributes.get("gen_ai.operation.name")))
        found = said or KINDS.get(str(kind).lower(), Role.OTHER)
        return Role.TOOL if found is Role.CHAIN and "tool.name" in span.attributes else found
    request = span.attributes.get("llm.request.type")
    return None if request is None else REQUESTS.get(str(request), Role.OTHER)


def extra(span: Span, role: Role) -> Mapping[str, Any]:
    """Vector stores write one event per document that they found."""
    if role is Role.GUARDRAIL:
        return {"name": span.name}
    if role is not Role.RETRIEVAL:
        return {}
    found = [event for event in span.events if event.name in _RESULT_EVENTS]
    top = values.best([_told(event) for event in found])
    return {"hits": top.hits or None, "top_score": top.top_score, "document": top.document}


def _told(event: SpanEvent) -> tuple[Any, Any, Any]:
    score, identity, text = (event.attributes.get(event.name + end) for end in _RESULT_ENDS)
    return score, identity, text


DIALECT = Dialect("traceloop", role, SHARED, BY_ROLE, extra)
