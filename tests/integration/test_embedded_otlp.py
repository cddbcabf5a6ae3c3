"""Spans of the real OpenTelemetry exporter to the running monitor: every run, however the bodies are cut."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from monitor.web.metrics import unlisted
from tests.services.agent_spans import tell
from tests.services.serving import Running, running, until

RUNS = 60


def export(url: str) -> list[ReadableSpan]:
    """Every third run fails, every fourth has failing tools; the spans that were sent."""
    kept = InMemorySpanExporter()
    provider = TracerProvider()
    sender = OTLPSpanExporter(f"{url}/v1/traces", compression=Compression.Gzip)
    batches = BatchSpanProcessor(sender, max_export_batch_size=37, schedule_delay_millis=20)
    provider.add_span_processor(batches)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    tracer = provider.get_tracer("fleet")
    for number in range(RUNS):
        tell(tracer, f"agent-{number % 2}", 1 + number % 3, fails=number % 3 == 0, tool_fails=number % 4 == 0)
    assert batches.force_flush()
    provider.shutdown()
    return list(kept.get_finished_spans())


async def runs_of(monitor: Running) -> dict[str, dict[str, Any]]:
    await until(lambda: len(monitor.view.runs(200)) == RUNS, "all runs")
    return {run["run"]: run for run in (await monitor.get("/api/v1/runs?limit=200"))["runs"]}


async def test_every_run_is_found_however_the_spans_are_cut(tmp_path) -> None:
    async with running(tmp_path / "batches") as monitor:
        spans = await asyncio.to_thread(export, monitor.url)
        runs = await runs_of(monitor)
        assert unlisted(monitor.view) == []
        metrics = await monitor.metrics()
    assert metrics["forewarn_spans_received_total"] == len(spans)
    assert metrics.get("forewarn_traces_timed_out_total", 0) == 0
    assert sum(run["status"] == "error" for run in runs.values()) == RUNS // 3
    assert sum(bool(run["failed_tools"]) for run in runs.values()) == RUNS // 4
    assert {run["agent"] for run in runs.values()} == {"agent-0", "agent-1"}

    dice = random.Random(9)
    traces: dict[int, list[ReadableSpan]] = {}
    for span in spans:
        traces.setdefault(span.context.trace_id, []).append(span)
    patient = {"trace_grace": "5s"}  # a slow machine may take longer than a second for the bodies of a trace
    async with running(tmp_path / "single", runtime=patient) as monitor:
        for trace in dice.sample(list(traces.values()), len(traces)):
            bodies = [encode_spans([span]).SerializeToString() for span in dice.sample(trace, len(trace))]
            answers = [monitor.post("/v1/traces", body, Content_Type="application/x-protobuf") for body in bodies]
            assert set(await asyncio.gather(*answers)) == {200}
        assert await runs_of(monitor) == runs


async def test_spans_of_another_process_are_waited_for_as_long_as_the_configuration_says(tmp_path) -> None:
    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    tell(provider.get_tracer("fleet"), "agent-0", 2, fails=False, tool_fails=True)
    spans = kept.get_finished_spans()
    topmost = next(span for span in spans if span.parent is None)
    others = [span for span in spans if span.parent is not None]
    async with running(tmp_path, runtime={"trace_grace": "8s"}) as monitor:
        for part in ([topmost], others):
            body = encode_spans(part).SerializeToString()
            assert await monitor.post("/v1/traces", body, Content_Type="application/x-protobuf") == 200
            ticks = monitor.view.counts()["ticks"]
            await until(lambda ticks=ticks: monitor.view.counts()["ticks"] >= ticks + 2, "two seconds")
            assert not monitor.view.runs(10)
        await until(lambda: len(monitor.view.runs(10)) == 1, "the run")
        (run,) = monitor.view.runs(10)
        assert run.tools and run.failed_tools == run.tools
