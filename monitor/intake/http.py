"""HTTP front of intake: `/v1/events`, and OTLP's `/v1/traces`, `/v1/logs`, `/v1/metrics`.

Reads a body within limits, decodes it, hands it to the sink and answers when it is durable. Decides nothing about
agents. Invariant: what the sender can mend is 4xx and not to be sent again; our own trouble is 503 with Retry-After,
never 500; and no more of a body is held in memory than `BODY_BYTES`, however small it was when compressed.
"""

from __future__ import annotations

import contextlib
import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.client_exceptions import ClientPayloadError
from aiohttp.http_exceptions import HttpProcessingError
from google.protobuf.message import Message
from google.rpc import code_pb2  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from monitor.intake import otlp
from monitor.intake.bodies import Intake, read_events
from monitor.intake.dead_letters import DeadLetter, dead_letter
from monitor.intake.otlp import Decoded, Encoding
from monitor.intake.sink import Batch, Sink, Unavailable
from schemas import limits
from schemas.event import BadEvent, Event, Reason

REJECTED_SHOWN = 20
"""Rejected events that one answer names; the others are in the dead letters alone."""
MESSAGE_LENGTH = 300
"""Characters of an error message in an answer."""

PROTOBUF, JSON = "application/x-protobuf", "application/json"
_OTLP_TYPES: dict[str, Encoding] = {PROTOBUF: "protobuf", "application/protobuf": "protobuf", JSON: "json"}
_EVENT_TYPES = frozenset(
    (
        "",
        JSON,
        "text/json",
        "application/x-ndjson",
        "application/ndjson",
        "application/jsonl",
        "application/x-jsonlines",
        "application/cloudevents+json",
        "application/cloudevents-batch+json",
    )
)
_CODES = {400: code_pb2.INVALID_ARGUMENT, 413: code_pb2.RESOURCE_EXHAUSTED, 415: code_pb2.INVALID_ARGUMENT}
_CHUNK = 64 * 1024
_GZIP_MAGIC = b"\x1f"


def routes(sink: Sink, clock: Callable[[], float], body_bytes: int = limits.BODY_BYTES) -> list[web.RouteDef]:
    """The intake's routes. `clock` gives the receipt in epoch seconds; `body_bytes` bounds a body, also unpacked."""
    front = _Front(sink, clock, body_bytes)
    return [
        web.post("/v1/events", front.events),
        web.post("/v1/traces", front.traces),
        web.post("/v1/logs", front.logs),
        web.post("/v1/metrics", front.metrics),
    ]


class _Refused(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message[:MESSAGE_LENGTH]


@dataclass(frozen=True)
class _Signal:
    """One of OTLP's signals: how its bodies are read and what its answer is called."""

    path: str
    decode: Callable[..., Decoded[Any]]
    response: Callable[[], Message]
    rejected: str


_TRACES = _Signal("/v1/traces", otlp.decode_traces, ExportTraceServiceResponse, "rejected_spans")
_LOGS = _Signal("/v1/logs", otlp.decode_logs, ExportLogsServiceResponse, "rejected_log_records")
_METRICS = _Signal("/v1/metrics", lambda *_, **__: Decoded(), ExportMetricsServiceResponse, "rejected_data_points")


class _Unpacked:
    """A body as it grows. aiohttp unpacks gzip itself unless its server runs with `auto_decompress=False`; both do."""

    def __init__(self, limit: int, packed: bool) -> None:
        self._limit = limit
        self._may_be_packed = packed
        self._gzip: Any = None
        self._body = bytearray()

    def feed(self, chunk: bytes) -> None:
        """Raises `_Refused` beyond the limit, `zlib.error` on bad gzip."""
        if self._may_be_packed and not self._body and self._gzip is None:
            if chunk[:1] == _GZIP_MAGIC:  # never the first byte of JSON or protobuf
                self._gzip = zlib.decompressobj(wbits=31)
            self._may_be_packed = False
        if self._gzip is None:
            self._take(chunk)
            return
        while chunk:
            self._take(self._gzip.decompress(chunk, _CHUNK))
            chunk = self._gzip.unconsumed_tail

    def whole(self) -> bytes:
        """The body; raises `zlib.error` if the gzip was cut off."""
        if self._gzip is not None:
            self._take(self._gzip.flush())
            if not self._gzip.eof:
                raise zlib.error("cut off")
        return bytes(self._body)

    def _take(self, data: bytes) -> None:
        self._body += data
        if len(self._body) > self._limit:
            raise _Refused(413, f"more than {self._limit} bytes, unpacked")


class _Front:
    def __init__(self, sink: Sink, clock: Callable[[], float], body_bytes: int) -> None:
        self._sink = sink
        self._clock = clock
        self._body_bytes = body_bytes

    async def traces(self, request: web.Request) -> web.Response:
        return await self._export(request, _TRACES)

    async def logs(self, request: web.Request) -> web.Response:
        return await self._export(request, _LOGS)

    async def metrics(self, request: web.Request) -> web.Response:
        return await self._export(request, _METRICS)

    async def events(self, request: web.Request) -> web.Response:
        try:
            if request.content_type not in _EVENT_TYPES and "Content-Type" in request.headers:
                raise _Refused(415, f"content type; known: {', '.join(sorted(_EVENT_TYPES - {''}))}")
            body = await self._body(request)
            received = self._clock()
            try:
                found = read_events(body, request.headers, received, "http:/v1/events")
            except BadEvent as error:
                raise _Refused(413, error.detail) from None
            counts = found.counts | {"events_skipped": found.skipped}
            events, raws = _ended_last(found)
            await self._sink.accept(Batch(events, (), found.dead_letters, counts, raws))
        except Unavailable as error:
            return _plain(503, {"error": "try again"}, _retry(error))
        except _Refused as error:
            await self._count_refused(error)
            return _plain(error.status, {"error": error.message})
        rejected = [
            {"index": one.index, "reason": one.letter.reason, "detail": one.letter.detail}
            for one in found.rejected[:REJECTED_SHOWN]
        ]
        refused = bool(found.rejected) and not found.events and not found.skipped
        answer = {"accepted": len(found.events), "skipped": found.skipped, "rejected": rejected}
        return _plain(400 if refused else 200, answer)

    async def _export(self, request: web.Request, signal: _Signal) -> web.Response:
        encoding = _OTLP_TYPES.get(request.content_type)
        try:
            if encoding is None:
                raise _Refused(415, f"content type; OTLP is {PROTOBUF} or {JSON}")
            body = await self._body(request)
            decoded = await self._decode(body, encoding, signal)
            await self._sink.accept(Batch((), decoded.spans, decoded.bad, decoded.counts | _counted(decoded, signal)))
        except Unavailable as error:
            return _status(503, code_pb2.UNAVAILABLE, "try again", encoding, _retry(error))
        except _Refused as error:
            await self._count_refused(error)
            return _status(error.status, _CODES[error.status], error.message, encoding)
        answer = signal.response()
        if decoded.rejected:
            partial: Any = answer.partial_success  # type: ignore[attr-defined]
            setattr(partial, signal.rejected, decoded.rejected)
            partial.error_message = _summary(decoded.bad)
        return _encoded(200, answer, encoding)

    async def _decode(self, body: bytes, encoding: Encoding | None, signal: _Signal) -> Decoded[Any]:
        received = self._clock()
        source = f"http:{signal.path}"
        try:
            return signal.decode(body, encoding, received=received, source=source)
        except BadEvent as error:
            letter = dead_letter(body, error, time=received, source=source)
            await self._sink.accept(Batch(dead_letters=(letter,), counts={}))
            raise _Refused(
                413 if error.reason is Reason.TOO_LARGE else 400, f"{letter.reason}: {letter.detail}"
            ) from None

    async def _count_refused(self, refused: _Refused) -> None:
        with contextlib.suppress(Unavailable):
            await self._sink.accept(Batch(counts={f"bodies_refused:{refused.status}": 1}))

    async def _body(self, request: web.Request) -> bytes:
        """The body, unpacked as it comes: never more than the limit and one chunk in memory."""
        encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in ("identity", "gzip", ""):
            raise _Refused(415, "content encoding; known: gzip, identity")
        if (request.content_length or 0) > self._body_bytes:
            raise _Refused(413, f"more than {self._body_bytes} bytes")
        body = _Unpacked(self._body_bytes, packed=encoding == "gzip")
        try:
            async for chunk in request.content.iter_chunked(_CHUNK):
                body.feed(chunk)
            return body.whole()
        except (web.RequestPayloadError, HttpProcessingError, ClientPayloadError, zlib.error):
            request.content.feed_eof()  # there is nothing more to wait for, and aiohttp would
            raise _Refused(400, "the body could not be read: bad gzip, bad chunks, or cut off") from None


def _ended_last(found: Intake) -> tuple[list[Event], list[bytes]]:
    """Events and their JSON, the end of a run behind what else the body says of it: a run that ended hears no more."""
    last = {event.run or "": at for at, event in enumerate(found.events)}
    ends = [at for at, event in enumerate(found.events) if event.kind == "run_finished" and last[event.run or ""] > at]
    if not ends:
        return found.events, found.raws
    place = {at: float(at) for at in range(len(found.events))}
    place.update({at: last[found.events[at].run or ""] + 0.5 for at in ends})
    order = sorted(place, key=lambda at: place[at])
    return [found.events[at] for at in order], [found.raws[at] for at in order]


def _counted(decoded: Decoded[Any], signal: _Signal) -> dict[str, int]:
    return {"bodies_ignored:metrics": 1} if signal is _METRICS else {signal.rejected: decoded.rejected}


def _summary(bad: list[DeadLetter]) -> str:
    shown = "; ".join(f"{letter.source.partition('[')[2].rstrip(']')}: {letter.detail}" for letter in bad[:3])
    return f"rejected by position in the body: {shown}"[:MESSAGE_LENGTH]


def _retry(error: Unavailable) -> dict[str, str]:
    return {"Retry-After": str(max(1, math.ceil(error.retry_after)))}


def _plain(status: int, content: dict[str, Any], headers: dict[str, str] | None = None) -> web.Response:
    return _response(status, msgspec.json.encode(content), JSON, headers)


def _response(status: int, body: bytes, content_type: str, headers: dict[str, str] | None) -> web.Response:
    response = web.Response(status=status, body=body, content_type=content_type, headers=headers)
    if status in (400, 413, 415):
        response.force_close()  # the rest of the body may still be on its way
    return response


def _status(
    status: int, code: int, message: str, encoding: Encoding | None, headers: dict[str, str] | None = None
) -> web.Response:
    return _encoded(status, Status(code=code, message=message), encoding, headers)


def _encoded(
    status: int, message: Message, encoding: Encoding | None, headers: dict[str, str] | None = None
) -> web.Response:
    """In the request's own encoding; protobuf where the request had none that we know."""
    if encoding == "json":
        return _response(status, _as_json(message), JSON, headers)
    return _response(status, message.SerializeToString(), PROTOBUF, headers)


def _as_json(message: Message) -> bytes:
    if isinstance(message, Status):
        return msgspec.json.encode({"code": message.code, "message": message.message})
    partial: Any = message.partial_success if message.HasField("partial_success") else None  # type: ignore[attr-defined]
    if partial is None:
        return b"{}"
    rejected = {_camel(field.name): value for field, value in partial.ListFields()}
    return msgspec.json.encode({"partialSuccess": {k: str(v) for k, v in rejected.items()}})


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
