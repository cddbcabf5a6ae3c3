"""Finished spans of agents, made by the OpenTelemetry SDK."""

from __future__ import annotations

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Status, StatusCode, Tracer


def tell(tracer: Tracer, agent: str, tools: int, *, fails: bool, tool_fails: bool = False) -> None:
    """One run: a span of the agent, one of a model, some of a tool."""
    said = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": agent, "gen_ai.agent.version": "v2"}
    with tracer.start_as_current_span(f"invoke_agent {agent}", attributes=said) as root:
        chat = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o", "gen_ai.usage.input_tokens": 90}
        tracer.start_span("chat gpt-4o", attributes=chat).end()
        for _ in range(tools):
            call = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "lookup"}
            span = tracer.start_span("execute_tool lookup", attributes=call)
            if tool_fails:
                span.set_status(Status(StatusCode.ERROR, "no such order"))
            span.end()
        if fails:
            root.set_status(Status(StatusCode.ERROR, "gave up"))


def one_run(agent: str, tools: int, *, fails: bool) -> list[ReadableSpan]:
    """The spans of one run, the root last."""
    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    tell(provider.get_tracer("test"), agent, tools, fails=fails)
    return list(kept.get_finished_spans())
