"""Vercel's AI SDK: `ai.operationId`, with `gen_ai.*` beside it on the model calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor.intake.dialects import values
from monitor.intake.dialects.reading import Dialect, Keys, Role
from monitor.intake.spans import Span

_OWN = "ai.telemetry.metadata."
SHARED: Keys = {
    "session": (
        "ai.telemetry.metadata.sessionId",
        "ai.telemetry.metadata.session_id",
        "ai.telemetry.metadata.threadId",
    ),
    "user": ("ai.telemetry.metadata.userId", "ai.telemetry.metadata.user_id"),
    "version": ("ai.telemetry.metadata.version",),
    "agent": ("ai.telemetry.functionId",),
}
BY_ROLE: Mapping[Role, Keys] = {
    Role.AGENT: {"input": ("ai.prompt",), "output": ("ai.response.text", "ai.response.object")},
    Role.LLM: {
        "model": ("ai.model.id",),
        "response_model": ("ai.response.model",),
        "finish_reason": ("ai.response.finishReason",),
        "input_tokens": ("ai.usage.inputTokens", "ai.usage.promptTokens"),
        "output_tokens": ("ai.usage.outputTokens", "ai.usage.completionTokens"),
        "cached_tokens": ("ai.usage.cachedInputTokens",),
        "output": ("ai.response.text", "ai.response.object"),
    },
    Role.TOOL: {
        "tool": ("ai.toolCall.name",),
        "call_id": ("ai.toolCall.id",),
        "arguments": ("ai.toolCall.args",),
        "result": ("ai.toolCall.result",),
    },
}
_CALLS = (".doGenerate", ".doStream")
_RUNS = ("ai.generate", "ai.stream")


def role(span: Span) -> Role | None:
    """`ai.generateText` is a run, `ai.generateText.doGenerate` a call of the model in it, `ai.toolCall` a tool's."""
    operation = span.attributes.get("ai.operationId")
    if not isinstance(operation, str):
        return None
    if operation == "ai.toolCall":
        return Role.TOOL
    if operation.endswith(_CALLS):
        return Role.LLM
    return Role.AGENT if operation.startswith(_RUNS) else Role.OTHER


def extra(span: Span, role: Role) -> Mapping[str, Any]:
    """`openai.chat` is the provider openai."""
    if role is not Role.LLM:
        return {}
    provider = values.name(span.attributes.get("ai.model.provider"))
    return {"provider": provider.split(".", 1)[0] if provider else None}


DIALECT = Dialect("vercel", role, SHARED, BY_ROLE, extra)
