"""OpenInference (Arize): `openinference.span.kind`, flattened lists, JSON in strings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from monitor.intake.dialects import values
from monitor.intake.dialects.reading import Dialect, Keys, Role
from monitor.intake.spans import Span

KINDS = {
    "AGENT": Role.AGENT,
    "CHAIN": Role.CHAIN,
    "LLM": Role.LLM,
    "TOOL": Role.TOOL,
    "RETRIEVER": Role.RETRIEVAL,
    "GUARDRAIL": Role.GUARDRAIL,
    "EVALUATOR": Role.EVALUATOR,
}
"""`openinference.span.kind` → role. A reranker orders what a retriever found: no retrieval of its own."""

SHARED: Keys = {"session": ("session.id",), "user": ("user.id",)}
BY_ROLE: Mapping[Role, Keys] = {
    Role.AGENT: {
        "agent": ("agent.name", "graph.node.id"),
        "input": ("input.value",),
    },
    Role.CHAIN: {"input": ("input.value",)},
    Role.LLM: {
        "model": ("llm.model_name",),
        "provider": ("llm.provider", "llm.system"),
        "input_tokens": ("llm.token_count.prompt",),
        "output_tokens": ("llm.token_count.completion",),
        "cached_tokens": ("llm.token_count.prompt_details.cache_read",),
        "cost_usd": ("llm.cost.total",),
        "finish_reason": ("llm.finish_reason",),
    },
    Role.TOOL: {
        "tool": ("tool.name",),
        "call_id": ("tool.id", "tool_call.id"),
        "arguments": ("input.value",),
        "result": ("output.value",),
    },
    Role.GUARDRAIL: {"name": ("guardrail.name",)},
    Role.EVALUATOR: {"output": ("output.value",)},
}
_PREPARED = re.compile(r"\w+\._prepare_\w+")
"""LlamaIndex's spans of kind LLM are the methods of its models; these put a request together and ask nobody."""
_REPR = re.compile(r"[A-Z]\w*\(\w+=")
"""How a Python object is written that nobody made a text of: cut short, with addresses in it. No answer."""
_HANDOFF = re.compile(r"hand[ -]?off to (.+)", re.IGNORECASE)
_SAID = re.compile(r"llm\.output_messages\.(\d{1,6})\.message\.(?:content|contents\.(\d{1,6})\.message_content\.text)")
_DOCUMENT = re.compile(r"(?:retrieval|reranker\.output)[._]documents\.(\d{1,6})\.document\.(\w+)")


def role(span: Span) -> Role | None:
    """By `openinference.span.kind`; a TOOL without a tool's name whose span is called a handoff is one."""
    kind = span.attributes.get("openinference.span.kind")
    if kind is None:
        return None
    found = KINDS.get(str(kind).upper(), Role.OTHER)
    if found is Role.TOOL and "tool.name" not in span.attributes and _HANDOFF.match(span.name):
        return Role.HANDOFF
    if found is Role.LLM and _PREPARED.fullmatch(span.name) and "llm.token_count.total" not in span.attributes:
        return Role.OTHER
    return found


def extra(span: Span, role: Role) -> Mapping[str, Any]:
    """Names that stand in the span's own, lists that are spread over attributes, ids inside `metadata`."""
    attributes = span.attributes
    metadata = values.parsed(attributes.get("metadata"))
    found: dict[str, Any] = {}
    if isinstance(metadata, dict):
        found["session"] = metadata.get("session_id", metadata.get("thread_id"))
        found["user"] = metadata.get("user_id")
    if role in (Role.AGENT, Role.CHAIN):
        found["output"] = _returned(attributes.get("output.value"))
    if role is Role.AGENT:
        found["label"] = span.name
    elif role is Role.TOOL:
        found["tool"] = span.name
    elif role in (Role.GUARDRAIL, Role.EVALUATOR):
        found["name"] = span.name
        output = values.parsed(attributes.get("output.value"))
        if isinstance(output, dict):
            found["triggered"] = output.get("tripwire_triggered", output.get("triggered"))
            found["score"], found["judged"] = output.get("score"), output.get("label")
    elif role is Role.HANDOFF:
        match = _HANDOFF.match(span.name)
        found["to_agent"] = match[1] if match else None
    elif role is Role.LLM:
        found["output"] = _said(span)
        if "llm.finish_reason" not in attributes:
            found["finish_reason"] = values.finished(attributes.get("output.value"))
    elif role is Role.RETRIEVAL:
        found["source"] = span.name
        seen = _documents(span)
        if seen is not None:
            found["hits"], found["top_score"], found["document"] = seen
    return found


def _returned(value: Any) -> Any:
    return None if isinstance(value, str) and _REPR.match(value) else values.given(value)


def _said(span: Span) -> str | None:
    texts = {
        (int(match[1]), int(match[2] or 0)): value
        for key, value in span.attributes.items()
        if isinstance(value, str) and (match := _SAID.fullmatch(key))
    }
    if texts:
        return "".join(text for _, text in sorted(texts.items()))
    answered = "llm.output_messages.0.message.role" in span.attributes
    called = any(key.startswith("llm.output_messages.0.message.tool_calls.") for key in span.attributes)
    return "" if answered and not called else None


def _documents(span: Span) -> values.Found | None:
    spread: dict[int, dict[str, Any]] = {}
    for key, value in span.attributes.items():
        match = _DOCUMENT.fullmatch(key)
        if match is not None:
            spread.setdefault(int(match[1]), {})[match[2]] = value
    if spread:
        told = [_told(one) for _, one in sorted(spread.items())]
        return values.best(told)._replace(hits=max(spread) + 1)
    listed = values.documents(span.attributes.get("retrieval.documents"))
    return listed or values.documents(span.attributes.get("output.value"))


def _told(document: dict[str, Any]) -> tuple[Any, Any, Any]:
    beside = values.parsed(document.get("metadata"))
    score = beside.get("score") if isinstance(beside, dict) else None
    return document.get("score", score), document.get("id"), document.get("content")


DIALECT = Dialect("openinference", role, SHARED, BY_ROLE, extra)
