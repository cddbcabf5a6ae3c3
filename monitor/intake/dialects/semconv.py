"""OpenTelemetry's GenAI conventions, all three generations: up to v1.36, v1.37 to v1.41, and v0.1.0 of their own.

Attributes that changed their name stand side by side. Other dialects fall back on these tables.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from monitor.intake.dialects import errors, judgements, values
from monitor.intake.dialects.reading import Dialect, Keys, Role, Said
from monitor.intake.spans import Span, SpanEvent

OPERATIONS = {
    "invoke_agent": Role.AGENT,
    "invoke_workflow": Role.WORKFLOW,
    "invoke_swarm": Role.WORKFLOW,
    "invoke_graph": Role.WORKFLOW,
    "conversation": Role.WORKFLOW,
    "initiate_chats": Role.WORKFLOW,
    "execute_event_loop_cycle": Role.CHAIN,
    "plan": Role.CHAIN,
    "chat": Role.LLM,
    "generate_content": Role.LLM,
    "text_completion": Role.LLM,
    "execute_tool": Role.TOOL,
    "retrieval": Role.RETRIEVAL,
    "search_memory": Role.RETRIEVAL,
    "vector_db_retrieve": Role.RETRIEVAL,
    "handoff": Role.HANDOFF,
    "guardrail": Role.GUARDRAIL,
}
"""`gen_ai.operation.name` → role. Others (embeddings, create_agent …) are no part of a run."""

SHARED: Keys = {
    "session": ("gen_ai.conversation.id", "session.id"),
    "user": ("user.id", "enduser.id"),
    "version": ("gen_ai.agent.version",),
}
LLM: Keys = {
    "agent": ("gen_ai.agent.name",),
    "model": ("gen_ai.request.model",),
    "response_model": ("gen_ai.response.model",),
    "provider": ("gen_ai.provider.name", "gen_ai.system"),
    "input_tokens": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
    "output_tokens": ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
    "cached_tokens": ("gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens"),
    "cost_usd": ("gen_ai.usage.cost", "operation.cost"),
    "finish_reason": ("gen_ai.response.finish_reasons", "gen_ai.completion.0.finish_reason"),
}
BY_ROLE: Mapping[Role, Keys] = {
    Role.AGENT: {"agent": ("gen_ai.agent.name", "agent_name")},
    Role.WORKFLOW: {"label": ("gen_ai.workflow.name", "gen_ai.agent.name")},
    Role.LLM: LLM,
    Role.TOOL: {
        "agent": ("gen_ai.agent.name",),
        "tool": ("gen_ai.tool.name",),
        "tool_version": ("gen_ai.tool.version",),
        "call_id": ("gen_ai.tool.call.id",),
        "arguments": ("gen_ai.tool.call.arguments", "gen_ai.tool.arguments", "tool_arguments"),
        "result": ("gen_ai.tool.call.result", "gen_ai.tool.result", "tool_response"),
    },
    Role.RETRIEVAL: {"source": ("gen_ai.data_source.id", "gen_ai.memory.store.id", "db.collection.name")},
    Role.HANDOFF: {"to_agent": ("gen_ai.handoff.to_agent", "gen_ai.handoff.to_agent.name")},
    Role.GUARDRAIL: {"name": ("gen_ai.guardrail.name",), "triggered": ("gen_ai.guardrail.triggered",)},
}
_TEXT_HOLDERS = frozenset((Role.AGENT, Role.WORKFLOW, Role.LLM))
READ: Mapping[str, tuple[str, ...]] = {
    "input": ("input", "input_hash"),
    "output": ("output", "output_hash", "output_shape", "output_fields", "output_marks", "output_broken"),
    "arguments": ("arguments", "arguments_hash", "arguments_fields", "arguments_looks", "arguments_broken"),
    "result": (
        "result",
        "soft_error",
        "result_hash",
        "result_empty",
        "result_fields",
        "result_looks",
        "result_traits",
        "result_form",
    ),
}
"""Text → itself, and what stands for it once it was read ahead (`monitor.reading`)."""
TAKEN: Mapping[Role, tuple[str, ...]] = {
    **dict.fromkeys(_TEXT_HOLDERS, ("finish_reason", *READ["input"], *READ["output"])),
    Role.TOOL: (*READ["arguments"], *READ["result"]),
}
"""Role → what events may say of the span, with text or without."""
_OUTPUTS = ("gen_ai.output.messages", "final_result", "gen_ai.completion.0.content")
_INPUTS = ("gen_ai.input.messages",)
_AGENT_SPAN = re.compile(r"agent run$|invoke_agent ")
_TOOL_SPAN = re.compile(r"running tool$|execute_tool ")
"""Names of spans without an operation, as Pydantic AI 1.x writes them in its older and its newer form."""

_ANSWERED = ("gen_ai.response.", "gen_ai.usage.")
"""What a span says of an answer, however it calls its kind."""
_ADK_TEXTS = {"arguments": "gcp.vertex.agent.tool_call_args", "result": "gcp.vertex.agent.tool_response"}
_ADK_ANSWER = "gcp.vertex.agent.llm_response"
_ADK_NOTHING = ("{}", "N/A", "<not serializable>", '{"result": "<not specified>"}')
"""What Google's ADK writes where it has no text, or is not to show it."""


def role(span: Span) -> Role | None:
    """By `gen_ai.operation.name`; older instrumentations have none and show themselves by a name or a model asked."""
    operation = span.attributes.get("gen_ai.operation.name")
    if operation is None:
        return _role_without_operation(span)
    if operation == "execute_tool" and _is_merged(span):
        return Role.OTHER
    return OPERATIONS.get(str(operation), Role.OTHER)


def extra(span: Span, role: Role) -> Mapping[str, Any]:
    """What stands in messages and names."""
    found: dict[str, Any] = {}
    if role in _TEXT_HOLDERS:
        found.update(_conversation(span))
    if role in (Role.AGENT, Role.WORKFLOW, Role.TOOL):
        field = {Role.AGENT: "agent", Role.WORKFLOW: "label", Role.TOOL: "tool"}[role]
        found[field] = _name_in(span)
    if role is Role.LLM:
        found.update(_adk_answer(span))
    if role is Role.TOOL:
        status = span.attributes.get("gen_ai.tool.status")
        if status is not None:
            found["failed"] = status == "error"
        for text, key in _ADK_TEXTS.items():
            value = span.attributes.get(key)
            found[text] = None if not value or value in _ADK_NOTHING else value
    if role is Role.GUARDRAIL:
        found["name"] = span.name
    if role is Role.RETRIEVAL:
        seen = values.documents(span.attributes.get("gen_ai.retrieval.documents"))
        if seen is not None:
            found["hits"], found["top_score"], found["document"] = seen
    return found


def said(event: SpanEvent) -> Said:
    """What an event says, in the span or as a log event, if the span's role is one of those that take it (`TAKEN`)."""
    attributes = event.attributes
    fields: dict[str, Any] = {}
    failed: bool | None = None
    if event.name == "gen_ai.choice":
        message = attributes.get("message", attributes.get("content"))
        fields["finish_reason"] = values.finish_reason(attributes.get("finish_reason"))
        fields["output"] = values.answer(_said(message))
        fields["result"], failed = values.result(message)
    elif event.name == "gen_ai.user.message":
        fields["input"] = attributes.get("content")
    elif event.name == "gen_ai.tool.message":
        fields["arguments"] = attributes.get("content")
    elif event.name == "gen_ai.client.inference.operation.details":
        fields["output"] = values.answer(_said(attributes.get("gen_ai.output.messages")))
    return Said(
        fields={name: value for name, value in fields.items() if value is not None},
        failed=bool(failed),
        judgement=judgements.of_event(event),
        error_type=errors.of_event(event),
    )


def _is_merged(span: Span) -> bool:
    """Google's ADK writes one more span about the tools of a turn that ran side by side; none was called by it."""
    return span.attributes.get("gen_ai.tool.name") == "(merged tools)" or span.name == "execute_tool (merged)"


def _role_without_operation(span: Span) -> Role | None:
    attributes = span.attributes
    if "gen_ai.tool.name" in attributes and ("gen_ai.tool.call.id" in attributes or _TOOL_SPAN.match(span.name)):
        return Role.TOOL
    if _AGENT_SPAN.match(span.name) and any(key in attributes for key in BY_ROLE[Role.AGENT]["agent"]):
        return Role.AGENT
    asked = "gen_ai.request.model" in attributes and "gen_ai.system" in attributes
    if asked and (span.kind == "client" or any(key.startswith(_ANSWERED) for key in attributes)):
        return Role.LLM
    if span.name == "call_llm" and span.scope == "gcp.vertex.agent":
        return Role.LLM  # Google's ADK 1.x writes nothing on a call that was not answered
    return None


def _adk_answer(span: Span) -> dict[str, Any]:
    """What Google's ADK 1.x writes of an answer; one that is none has a code in place of the reason why it ended."""
    answered = values.parsed(span.attributes.get(_ADK_ANSWER))
    if not isinstance(answered, dict) or not answered:
        return {}
    return {
        "output": values.message_text(answered.get("content")) if "content" in answered else None,
        "finish_reason": answered.get("finish_reason", answered.get("error_code")),
    }


def _name_in(span: Span) -> str | None:
    """`invoke_agent support` and `execute_tool refund` hold the name after the operation."""
    operation, _, rest = span.name.partition(" ")
    return rest if operation == span.attributes.get("gen_ai.operation.name") else None


def _conversation(span: Span) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key in _OUTPUTS:
        if key in span.attributes:
            found["output"] = _said(span.attributes[key])
            reasons = values.parsed(span.attributes[key])
            if isinstance(reasons, list) and reasons and isinstance(reasons[-1], dict):
                found["finish_reason"] = reasons[-1].get("finish_reason")
            break
    for key in _INPUTS:
        found["input"] = span.attributes.get(key)
    return found


def _said(value: Any) -> str | None:
    """What the model said last. Messages without any text part (tool calls alone, content off) say nothing."""
    messages = values.parsed(value)
    if isinstance(messages, list) and messages and isinstance(messages[-1], dict) and "role" in messages[-1]:
        return values.message_text([messages[-1]])
    return values.message_text(value)


DIALECT = Dialect("semconv", role, SHARED, BY_ROLE, extra)
