"""LangSmith's exporter to OpenTelemetry (LangGraph, LangChain): `langsmith.span.kind`, JSON in strings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor.intake.dialects import semconv, values
from monitor.intake.dialects.reading import Dialect, Keys, Role
from monitor.intake.spans import Span

KINDS = {
    "chain": Role.CHAIN,
    "llm": Role.LLM,
    "tool": Role.TOOL,
    "retriever": Role.RETRIEVAL,
}
"""`langsmith.span.kind` → role. A prompt, a parser and an embedding are no part of a run."""

_NAME = "langsmith.trace.name"
_OWN = "langsmith.metadata."
SHARED: Keys = {
    "session": (_OWN + "session_id", _OWN + "thread_id", _OWN + "conversation_id"),
    "user": (_OWN + "user_id",),
}
BY_ROLE: Mapping[Role, Keys] = {
    Role.WORKFLOW: {"input": ("gen_ai.prompt",)},
    Role.CHAIN: {"input": ("gen_ai.prompt",)},
    Role.LLM: {"provider": (_OWN + "ls_provider",)},
    Role.TOOL: {"tool": ("gen_ai.tool.name", _NAME), "arguments": ("gen_ai.prompt",)},
    Role.RETRIEVAL: {"source": (_NAME,)},
}
_NAMELESS = ("LangGraph", "RunnableSequence", "AgentExecutor")
"""What LangChain calls a chain that was given no name."""


def role(span: Span) -> Role | None:
    """What the operation says is more exact, except that the exporter calls a prompt a chat as well."""
    kind = span.attributes.get("langsmith.span.kind")
    if kind is None:
        return None
    kind = str(kind).lower()
    said = semconv.OPERATIONS.get(str(span.attributes.get("gen_ai.operation.name")))
    if said is not None and kind != "prompt":
        return said
    found = KINDS.get(kind, Role.OTHER)
    return Role.WORKFLOW if found is Role.CHAIN and not span.parent_id else found


def extra(span: Span, role: Role) -> Mapping[str, Any]:
    """What `gen_ai.completion` wraps, and a chain's name, if somebody gave it one."""
    returned = _returned(span.attributes.get("gen_ai.completion"))
    if role in (Role.WORKFLOW, Role.CHAIN):
        called = span.attributes.get(_NAME)
        return {"label": None if called in _NAMELESS else called, "output": returned}
    if role is Role.LLM:
        return {"output": _said(returned)}
    if role is Role.TOOL:
        return {"result": returned}
    seen = values.documents(returned) if role is Role.RETRIEVAL else None
    return seen._asdict() if seen is not None else {}


def _returned(completion: Any) -> Any:
    """A value that is no map is wrapped in one; a step that failed leaves an empty map."""
    structured = values.parsed(completion)
    if structured == {}:
        return None
    if isinstance(structured, dict) and structured.keys() == {"output"}:
        return structured["output"]
    return completion


def _said(returned: Any) -> str | None:
    """The first of LangChain's generations, or of a client's choices; one that only calls tools says nothing."""
    structured = values.parsed(returned)
    if not isinstance(structured, dict):
        return values.message_text(returned)
    first = structured.get("generations", structured.get("choices", structured))
    while isinstance(first, list) and first:
        first = first[0]
    if not isinstance(first, dict):
        return None
    text = values.message_text(first)
    return None if text == "" and _calls_tools(first) else text


def _calls_tools(generation: dict[str, Any]) -> bool:
    message = generation.get("message")
    said = message.get("kwargs", message) if isinstance(message, dict) else None
    return isinstance(said, dict) and bool(said.get("tool_calls"))


DIALECT = Dialect("langsmith", role, SHARED, BY_ROLE, extra)
