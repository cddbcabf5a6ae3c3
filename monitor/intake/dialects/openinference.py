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
        "output": ("output.value",),
    },
    Role.CHAIN: {"input": ("input.value",), "output": ("output.value",)},
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
_HANDOFF = re.compile(r"hand[ -]?off to (.+)", re.IGNORECASE)
_SAID = re.compile(r"llm\.output_messages\.(\d+)\.message\.(?:content|contents\.(\d+)\.message_content\.text)")
_DOCUMENT = re.compile(r"(?:retrieval|reranker\.output)[._]documents\.(\d+)\.document\.(\w+)")


def role(span: Span) -> Role | None:
    """By `openinference.span.kind`; a TOOL without a tool's name whose span is called a handoff is one."""
    kind = span.attributes.get("openinference.span.kind")
    if kind is None:
        return None
    found = KINDS.get(str(kind).upper(), Role.OTHER)
    if found is Role.TOOL and "tool.name" not in span.attributes and _HANDOFF.match(span.name):
        return Role.HANDOFF
    return found


def extra(span: Span, role: Role) -> Mapping[str, Any]:
    """Names that stand in the span's own, lists that are spread over attributes, ids inside `metadata`."""
    attributes = span.attributes
    metadata = values.parsed(attributes.get("metadata"))
    found: dict[str, Any] = {}
    if isinstance(metadata, dict):
        found["session"] = metadata.get("session_id", metadata.get("thread_id"))
        found["user"] = metadata.get("user_id")
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
    elif role is Role.RETRIEVAL:
        found["source"] = span.name
        found["hits"], found["top_score"] = _documents(span)
    return found


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


def _documents(span: Span) -> tuple[int | None, float | None]:
    last, scores = -1, []
    for key, value in span.attributes.items():
        match = _DOCUMENT.fullmatch(key)
        if match is None:
            continue
        last = max(last, int(match[1]))
        if match[2] == "metadata":
            value = (values.parsed(value) or {}).get("score") if isinstance(values.parsed(value), dict) else None
        if match[2] in ("score", "metadata") and (score := values.number(value)) is not None:
            scores.append(score)
    if last >= 0:
        return last + 1, max(scores, default=None)
    return (
        values.documents(span.attributes.get("retrieval.documents"))
        or values.documents(span.attributes.get("output.value"))
        or (None, None)
    )


DIALECT = Dialect("openinference", role, SHARED, BY_ROLE, extra)
