"""Intake over real HTTP: the OpenTelemetry SDK's own exporter, every status code, and bodies that want to hurt."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import Status as SpanStatus
from opentelemetry.trace import StatusCode

from monitor.intake.assembler import Assembler
from monitor.intake.http import JSON, PROTOBUF, routes
from monitor.intake.sink import Batch, Unavailable
from monitor.web.server import quiet_log

NOW = 1_800_000_000.0
SECRET = "card-4111111111111111"
BODY_BYTES = 1_000_000
Client = TestClient[web.Request, web.Application]


class Kept:
    """A sink that keeps all, or is unavailable."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.available = True

    async def accept(self, batch: Batch) -> None:
        if not self.available:
            raise Unavailable(7.2)
        self.batches.append(batch)

    def counts(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for batch in self.batches:
            for name, count in batch.counts.items():
                found[name] = found.get(name, 0) + count
        return found


@pytest.fixture
def sink() -> Kept:
    return Kept()


@pytest.fixture(params=[True, False], ids=["aiohttp unpacks", "we unpack"])
async def client(request: pytest.FixtureRequest, sink: Kept) -> AsyncIterator[Client]:
    app = web.Application()
    app.add_routes(routes(sink, lambda: NOW, BODY_BYTES))
    server = TestServer(app)
    await server.start_server(auto_decompress=request.param)
    async with TestClient(server) as found:
        yield found


def trace_body(*names: str) -> bytes:
    request = ExportTraceServiceRequest()
    scoped = request.resource_spans.add().scope_spans.add()
    for number, name in enumerate(names):
        span = scoped.spans.add(name=name, start_time_unix_nano=10**18, end_time_unix_nano=10**18 + 1)
        span.trace_id, span.span_id = b"t" * 16, bytes([number + 1] * 8)
    return request.SerializeToString()


def json_trace(span_id: str = "b7ad6b7169203331") -> bytes:
    span = {"traceId": "0a" * 16, "spanId": span_id, "startTimeUnixNano": "1000000000000000000"}
    span |= {"endTimeUnixNano": "1000000001000000000", "name": SECRET}
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()


async def test_the_sdks_exporter_is_understood(client: Client, sink: Kept) -> None:
    def work() -> None:
        exporter = OTLPSpanExporter(str(client.make_url("/v1/traces")), compression=Compression.Gzip)
        provider = TracerProvider(resource=Resource({"service.name": "shop", "service.version": "7"}))
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        tracer = provider.get_tracer("test")
        agent = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "support"}
        tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "refund"}
        with tracer.start_as_current_span("invoke_agent support", attributes=agent) as run:
            with tracer.start_as_current_span("execute_tool refund", attributes=tool) as call:
                call.set_attribute("gen_ai.tool.call.result", '{"error": "no such order"}')
            run.record_exception(ValueError("no"))
            run.set_status(SpanStatus(StatusCode.ERROR, "no"))
        provider.shutdown()

    await asyncio.to_thread(work)
    assembler = Assembler()
    for batch in sink.batches:
        assert len(batch.spans) == 1  # each span came in a body of its own, the child first
        assembler.add(batch.spans, now=0.0)
    started, call, finished = assembler.tick(1.0)
    assert (started.agent, started.version, started.producer) == ("support", "7", "shop")
    assert (call.tool, call.status, call.soft_error) == ("refund", "ok", True)
    assert (finished.status, finished.error_type) == ("error", "ValueError")


@pytest.mark.parametrize("path", ["/v1/traces", "/v1/logs", "/v1/metrics"])
@pytest.mark.parametrize("content_type", [PROTOBUF, JSON])
async def test_an_empty_export_is_a_success_in_its_own_type(client: Client, path: str, content_type: str) -> None:
    answer = await client.post(path, data=b"", headers={"Content-Type": content_type})
    assert (answer.status, answer.content_type) == (200, content_type)
    assert await answer.read() == (b"{}" if content_type == JSON else b"")


async def test_metrics_are_counted_and_unused(client: Client, sink: Kept) -> None:
    await client.post("/v1/metrics", data=b"\x0a\x00", headers={"Content-Type": PROTOBUF})
    assert sink.counts() == {"bodies_ignored:metrics": 1} and not sink.batches[0].spans


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def test_a_chunked_body_is_read_to_its_end(client: Client, sink: Kept) -> None:
    body = json_trace()
    answer = await client.post("/v1/traces", data=chunks(body[:50], body[50:]), headers={"Content-Type": JSON})
    assert answer.status == 200 and len(sink.batches[0].spans) == 1
    assert sink.batches[0].spans[0].observed_time == NOW


async def test_bad_spans_are_a_partial_success(client: Client, sink: Kept) -> None:
    answer = await client.post("/v1/traces", data=json_trace("zz"), headers={"Content-Type": JSON})
    partial = (await answer.json())["partialSuccess"]
    assert answer.status == 200 and partial["rejectedSpans"] == "1" and "hex digits" in partial["errorMessage"]
    body = trace_body("good", "bad!").replace(b"bad!", b"\xff\xff\xff\xff")
    answer = await client.post("/v1/traces", data=body, headers={"Content-Type": PROTOBUF})
    said = ExportTraceServiceResponse.FromString(await answer.read())
    assert said.partial_success.rejected_spans == 1 and len(sink.batches[1].spans) == 1
    assert [letter.source for letter in sink.batches[1].dead_letters] == ["http:/v1/traces[1]"]
    assert SECRET not in repr([batch.dead_letters for batch in sink.batches])


def bomb(size: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join([packer.compress(b" " * 1_000_000) for _ in range(size // 1_000_000)]) + packer.flush()


REFUSED: list[tuple[str, Callable[[], bytes], dict[str, str], int]] = [
    ("garbage", lambda: b"hello", {"Content-Type": PROTOBUF}, 400),
    ("cut off protobuf", lambda: trace_body("a")[:-3], {"Content-Type": PROTOBUF}, 400),
    ("bad JSON", lambda: b'{"resourceSpans":', {"Content-Type": JSON}, 400),
    ("nesting", lambda: b'{"resourceSpans":' + b"[" * 500_000, {"Content-Type": JSON}, 400),
    ("protobuf that says it is JSON", lambda: trace_body("a"), {"Content-Type": JSON}, 400),
    ("text", lambda: b"x", {"Content-Type": "text/plain"}, 415),
    ("no type", lambda: b"x", {"Content-Type": ""}, 415),
    ("too large", lambda: b" " * (BODY_BYTES + 1), {"Content-Type": JSON}, 413),
    ("a gzip bomb", lambda: bomb(200_000_000), {"Content-Type": JSON, "Content-Encoding": "gzip"}, 413),
    ("no gzip", lambda: b"hello", {"Content-Type": JSON, "Content-Encoding": "gzip"}, 400),
]


@pytest.mark.parametrize(("body", "headers", "status"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
async def test_refused_with_a_status_of_googles_rpc(
    client: Client, sink: Kept, body: Callable[[], bytes], headers: dict[str, str], status: int
) -> None:
    answer = await client.post("/v1/traces", data=body(), headers=headers)
    said = await answer.read()
    assert answer.status == status
    if headers["Content-Type"] == JSON:
        assert answer.content_type == JSON and json.loads(said)["code"] and json.loads(said)["message"]
    else:
        assert answer.content_type == PROTOBUF and Status.FromString(said).code and Status.FromString(said).message
    assert sink.counts()[f"bodies_refused:{status}"] == 1
    again = await client.post("/v1/traces", data=json_trace(), headers={"Content-Type": JSON})
    assert again.status == 200  # and goes on


@pytest.mark.parametrize("client", [False], indirect=True, ids=["we unpack"])
async def test_encodings_and_ends_that_only_we_notice(client: Client, sink: Kept) -> None:
    brotli = {"Content-Type": JSON, "Content-Encoding": "br"}
    assert (await client.post("/v1/traces", data=b"x", headers=brotli)).status == 415
    packed = {"Content-Type": JSON, "Content-Encoding": "gzip"}
    assert (await client.post("/v1/traces", data=gzip.compress(json_trace())[:-9], headers=packed)).status == 400
    assert not [span for batch in sink.batches for span in batch.spans]


@pytest.mark.parametrize("path", ["/v1/traces", "/v1/logs", "/v1/metrics", "/v1/events"])
async def test_trouble_of_ours_is_503_with_retry_after(client: Client, sink: Kept, path: str) -> None:
    sink.available = False
    answer = await client.post(path, data=b"{}", headers={"Content-Type": JSON})
    assert (answer.status, answer.headers["Retry-After"], answer.content_type) == (503, "8", JSON)


def call(**changes: Any) -> dict[str, Any]:
    return {"kind": "tool_call", "time": NOW, "agent": "a", "run": "r", "tool": "t"} | changes


async def test_events_are_accepted_skipped_and_rejected(client: Client, sink: Kept) -> None:
    body = [call(), call(kind="dream"), call(agent=None), *[call(status=SECRET)] * 30]
    answer = await client.post("/v1/events", json=body)
    said = await answer.json()
    assert (answer.status, said["accepted"], said["skipped"], len(said["rejected"])) == (200, 1, 1, 20)
    assert said["rejected"][0] == {"index": 2, "reason": "no_agent", "detail": "kind 'tool_call' needs `agent`"}
    assert (len(sink.batches[0].events), len(sink.batches[0].dead_letters)) == (1, 31)
    assert SECRET not in repr(said) + repr(sink.batches[0].dead_letters)


EVENT_ANSWERS = [
    ("an empty body", b"", JSON, 200),
    ("all bad", b'{"kind":"tool_call"}', JSON, 400),
    ("no JSON", b"hello", JSON, 400),
    ("invalid UTF-8", b'{"kind":"\xff"}', JSON, 400),
    ("only an unknown kind", json.dumps(call(kind="dream")).encode(), JSON, 200),
    ("a form", b"kind=x", "application/x-www-form-urlencoded", 415),
    ("too large", b" " * (BODY_BYTES + 1), JSON, 413),
    ("lines", json.dumps(call()).encode() + b"\n" + json.dumps(call()).encode(), "application/x-ndjson", 200),
]


@pytest.mark.parametrize(
    ("body", "content_type", "status"), [row[1:] for row in EVENT_ANSWERS], ids=[row[0] for row in EVENT_ANSWERS]
)
async def test_answers_for_events(client: Client, body: bytes, content_type: str, status: int) -> None:
    answer = await client.post("/v1/events", data=body, headers={"Content-Type": content_type})
    assert (answer.status, answer.content_type) == (status, JSON)


async def test_packed_events_and_cloudevents(client: Client, sink: Kept) -> None:
    packed = gzip.compress(json.dumps(call()).encode())
    await client.post("/v1/events", data=packed, headers={"Content-Type": JSON, "Content-Encoding": "gzip"})
    headers = {"Content-Type": JSON, "ce-specversion": "1.0", "ce-id": "9", "ce-source": "/shop"}
    await client.post("/v1/events", data=json.dumps(call()).encode(), headers=headers)
    assert [event.producer for batch in sink.batches for event in batch.events] == [None, "/shop"]


async def test_the_end_of_a_run_is_taken_behind_what_else_the_body_says_of_it(client: Client, sink: Kept) -> None:
    def event(kind: str, run: str, **more: Any) -> dict[str, Any]:
        return {"kind": kind, "time": NOW, "id": f"{run}.{kind}", "agent": "a", "run": run, **more}

    body = [
        event("run_finished", "r1", status="ok"), event("run_started", "r2"), event("tool_call", "r1", tool="t"),
        event("run_finished", "r2", status="ok"), event("run_started", "r1"), event("run_finished", "r3", status="ok"),
    ]  # fmt: skip
    answer = await client.post("/v1/events", json=body)
    assert (await answer.json())["accepted"] == 6
    taken = sink.batches[0]
    assert [event.id for event in taken.events] == [
        "r2.run_started", "r1.tool_call", "r2.run_finished", "r1.run_started", "r1.run_finished", "r3.run_finished",
    ]  # fmt: skip
    assert [json.loads(raw)["id"] for raw in taken.raws] == [event.id for event in taken.events]


async def test_a_client_that_speaks_grpc_is_told_of_once_and_how(caplog: pytest.LogCaptureFixture) -> None:
    runner = web.AppRunner(web.Application(), logger=quiet_log(lambda: NOW))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        for _ in range(3):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            assert b"400" in await asyncio.wait_for(reader.read(), 10.0)
            writer.close()
    finally:
        await runner.cleanup()
    (said,) = [record for record in caplog.records if "HTTP/1.1" in record.message]
    assert said.levelname == "WARNING"
    assert "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf" in said.message
    assert said.exc_info is None
