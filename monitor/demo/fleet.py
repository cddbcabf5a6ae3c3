"""The fleet as a process: spans of the real OpenTelemetry SDK over OTLP/HTTP, one provider for each deployed version.

    python -m monitor.demo.fleet http://127.0.0.1:4319 [SEED]

Commands come on standard input, a line each: `break`, `repair`. At its end (also when whoever holds it dies) the fleet
ends. Spans carry times of their own, so that a run of 60 ms costs no waiting; no run lies in the future.
"""

from __future__ import annotations

import heapq
import signal
import sys
import threading
import time
from random import Random

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode

from monitor.demo.scenario import FLEET, Agent, Plan, Step, plan

SCOPE = "opentelemetry.instrumentation.genai.demo"
EXPORT_MILLISECONDS = 250
EXPORT_TIMEOUT_SECONDS = 5.0
LATEST_SECONDS = 1.0
"""A machine that cannot keep up by more than this leaves runs out instead of sending them late."""

_NANO = 1_000_000_000


class Deployment:
    """One version of an agent with a tracer of its own, as if it were a service."""

    def __init__(self, agent: Agent, endpoint: str) -> None:
        self.agent = agent
        exporter = OTLPSpanExporter(
            endpoint=f"{endpoint.rstrip('/')}/v1/traces",
            timeout=EXPORT_TIMEOUT_SECONDS,
            compression=Compression.Gzip,
        )
        resource = Resource.create({"service.name": agent.name, "service.version": agent.version})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(
            BatchSpanProcessor(exporter, max_queue_size=20_000, schedule_delay_millis=EXPORT_MILLISECONDS)
        )
        self._tracer = self._provider.get_tracer(SCOPE)

    def send(self, run: Plan, end: float) -> None:
        """Write the spans of a run that ended at `end`, epoch seconds."""
        agent = run.agent
        at = int((end - run.seconds) * _NANO)
        root = self._tracer.start_span(
            f"invoke_agent {agent.name}",
            kind=SpanKind.INTERNAL,
            start_time=at,
            attributes={
                "gen_ai.operation.name": "invoke_agent",
                "gen_ai.agent.name": agent.name,
                "gen_ai.agent.version": agent.version,
                "gen_ai.provider.name": agent.provider,
                "gen_ai.conversation.id": run.session,
            },
        )
        context = trace.set_span_in_context(root)
        for number, step in enumerate(run.steps):
            name, kind, attributes = _described(agent, step, number)
            span = self._tracer.start_span(name, context, kind=kind, start_time=at, attributes=attributes)
            if step.error:
                span.set_attribute("error.type", step.error)
                span.set_status(Status(StatusCode.ERROR, f"{step.error}: no answer"))
            at += int(step.seconds * _NANO)
            span.end(at)
        if run.error:
            root.set_attribute("error.type", run.error)
            root.set_status(Status(StatusCode.ERROR, run.error))
        root.end(int(end * _NANO))

    def close(self) -> None:
        """Send what waits."""
        self._provider.shutdown()


def _described(agent: Agent, step: Step, number: int) -> tuple[str, SpanKind, dict[str, str | int | list[str]]]:
    if step.tool:
        attributes: dict[str, str | int | list[str]] = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": step.tool,
            "gen_ai.tool.type": "function",
            "gen_ai.tool.call.id": f"call_{number}",
            "gen_ai.tool.call.arguments": step.arguments,
        }
        if step.result:
            attributes["gen_ai.tool.call.result"] = step.result
        return f"execute_tool {step.tool}", SpanKind.INTERNAL, attributes
    return (
        f"chat {agent.model}",
        SpanKind.CLIENT,
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": agent.provider,
            "gen_ai.request.model": agent.model,
            "gen_ai.response.model": agent.model,
            "gen_ai.response.finish_reasons": ["stop"],
            "gen_ai.usage.input_tokens": step.input_tokens,
            "gen_ai.usage.output_tokens": step.output_tokens,
        },
    )


def work(endpoint: str, seed: int, broken: threading.Event, over: threading.Event) -> None:
    """Runs at random moments, until it is over."""
    random = Random(seed)
    deployments = [Deployment(agent, endpoint) for agent in FLEET]
    now = time.time()
    due = [(now + random.expovariate(each.agent.runs_per_second), number) for number, each in enumerate(deployments)]
    heapq.heapify(due)
    while not over.is_set():
        at, number = due[0]
        deployment = deployments[number]
        now = time.time()
        if at > now:
            over.wait(at - now)
            continue
        heapq.heapreplace(due, (at + random.expovariate(deployment.agent.runs_per_second), number))
        run = plan(deployment.agent, random, broken.is_set())
        if now - at < LATEST_SECONDS:
            deployment.send(run, at)
    for deployment in deployments:
        deployment.close()


def obey(broken: threading.Event, over: threading.Event) -> None:
    """Commands from standard input; its end is the end."""
    for line in sys.stdin:
        if line.strip() == "break":
            broken.set()
        elif line.strip() == "repair":
            broken.clear()
    over.set()


def main() -> None:
    """The process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; who started us ends us
    endpoint = sys.argv[1]
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    broken, over = threading.Event(), threading.Event()
    threading.Thread(target=obey, args=(broken, over), daemon=True).start()
    work(endpoint, seed, broken, over)


if __name__ == "__main__":
    main()
