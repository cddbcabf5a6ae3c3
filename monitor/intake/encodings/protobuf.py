"""OTLP as protobuf → spans and log records.

A body that parses is read as it is. One that does not (a single string that is no UTF-8 fails all of it) is cut by
hand and each record parsed alone. Invariant: only a body that cannot even be cut raises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord as ProtoLog
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span as ProtoSpan

from monitor.intake.encodings import fields, wire
from monitor.intake.encodings.fields import Cut, R
from monitor.intake.spans import KINDS, STATUSES, Attributes, LogRecord, Span, SpanEvent, is_read
from schemas import limits
from schemas.event import BadEvent, Reason


def traces(body: bytes) -> Iterator[Cut[Span]]:
    """The spans of an ExportTraceServiceRequest or TracesData (the same bytes). Raises `BadEvent(NOT_OTLP)`."""
    return _walk(body, _TRACES)


def logs(body: bytes) -> Iterator[Cut[LogRecord]]:
    """The log records of an ExportLogsServiceRequest or LogsData."""
    return _walk(body, _LOGS)


@dataclass(frozen=True)
class _Signal(Generic[R]):
    parse: Callable[[bytes], Any]
    groups: str
    scopes: str
    records: str
    parse_record: Callable[[bytes], Any]
    read: Callable[[Any, Attributes, str], R | None]


def _walk(body: bytes, signal: _Signal[R]) -> Iterator[Cut[R]]:
    try:
        request = signal.parse(body)
    except DecodeError:
        yield from _walk_by_hand(body, signal)
        return
    for group in getattr(request, signal.groups):
        resource = _attributes(group.resource.attributes)
        for scoped in getattr(group, signal.scopes):
            scope = scoped.scope.name
            for record in getattr(scoped, signal.records):
                yield Cut(partial(signal.read, record, resource, scope), record.SerializeToString)


def _walk_by_hand(body: bytes, signal: _Signal[R]) -> Iterator[Cut[R]]:
    try:
        cut = list(wire.records(body))
    except ValueError as error:
        raise BadEvent(Reason.NOT_OTLP, f"protobuf of {len(body)} bytes: {error}") from None
    for resource, scope, record in cut:
        yield Cut(partial(_read_alone, signal, resource, scope, record), partial(bytes, record))


def _read_alone(signal: _Signal[R], resource: bytes, scope: bytes, record: bytes) -> R | None:
    try:
        about = _attributes(Resource.FromString(resource).attributes)
        return signal.read(signal.parse_record(record), about, InstrumentationScope.FromString(scope).name)
    except DecodeError:
        raise BadEvent(Reason.BAD_SPAN, "not readable as protobuf (cut off, or text that is no UTF-8)") from None


def _span(span: ProtoSpan, resource: Attributes, scope: str) -> Span:
    return Span(
        trace_id=fields.hex_id(span.trace_id.hex(), 32, "trace_id"),
        span_id=fields.hex_id(span.span_id.hex(), 16, "span_id"),
        parent_id=fields.parent(span.parent_span_id.hex()),
        name=span.name[: limits.NAME_LENGTH],
        kind=fields.by_number(KINDS, span.kind),
        start=(start := fields.seconds(span.start_time_unix_nano)),
        end=max(start, fields.seconds(span.end_time_unix_nano)),
        status=fields.by_number(STATUSES, span.status.code),
        status_message=span.status.message[: fields.MESSAGE_LENGTH],
        attributes=_attributes(span.attributes),
        events=[
            SpanEvent(event.name, event.time_unix_nano / 1e9, _attributes(event.attributes))
            for event in span.events[: fields.EVENTS_PER_SPAN]
        ],
        resource=resource,
        scope=scope,
        remote_parent=fields.remote(span.flags),
    )


def _log(log: ProtoLog, resource: Attributes, scope: str) -> LogRecord | None:
    del scope
    return fields.log_record(
        log.trace_id.hex(),
        log.span_id.hex(),
        log.event_name,
        log.time_unix_nano or log.observed_time_unix_nano,
        _attributes(log.attributes),
        _value(log.body, 0),
        resource,
    )


def _attributes(pairs: Sequence[KeyValue]) -> Attributes:
    return {pair.key: _value(pair.value, 0) for pair in pairs if is_read(pair.key)}


def _value(value: AnyValue, depth: int) -> Any:
    which = value.WhichOneof("value")
    if which is None:
        return None
    if depth > limits.NESTING:
        raise BadEvent(Reason.BAD_SPAN, f"an attribute nested deeper than {limits.NESTING}")
    if which == "array_value":
        return [_value(item, depth + 1) for item in value.array_value.values]
    if which == "kvlist_value":
        return {pair.key: _value(pair.value, depth + 1) for pair in value.kvlist_value.values}
    return getattr(value, which)


_TRACES = _Signal[Span](
    ExportTraceServiceRequest.FromString, "resource_spans", "scope_spans", "spans", ProtoSpan.FromString, _span
)
_LOGS = _Signal[LogRecord](
    ExportLogsServiceRequest.FromString, "resource_logs", "scope_logs", "log_records", ProtoLog.FromString, _log
)
