"""OTLP as JSON → spans and log records: hex ids, enums as integers, 64-bit integers as string or number.

Read by hand: protobuf's own JSON reader takes the hex ids for base64. Unknown fields are ignored. Invariant: only a
body that is no JSON, or holds no lists where OTLP has lists, raises.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic

import msgspec

from monitor.intake.encodings import fields
from monitor.intake.encodings.fields import Cut, R
from monitor.intake.spans import KINDS, STATUSES, Attributes, LogRecord, Span, SpanEvent, is_read
from schemas import limits
from schemas.event import BadEvent, Reason


def traces(body: bytes) -> Iterator[Cut[Span]]:
    """The spans of an export. Raises `BadEvent(NOT_OTLP)`."""
    return _walk(body, _TRACES)


def logs(body: bytes) -> Iterator[Cut[LogRecord]]:
    """The log records of an export."""
    return _walk(body, _LOGS)


@dataclass(frozen=True)
class _Signal(Generic[R]):
    groups: str
    scopes: str
    records: str
    read: Callable[[Mapping[str, Any], Attributes, str], R | None]


def _walk(body: bytes, signal: _Signal[R]) -> Iterator[Cut[R]]:
    try:
        document = msgspec.json.decode(body)
    except RecursionError:
        raise BadEvent(Reason.NOT_OTLP, "nested too deeply to read") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadEvent(Reason.NOT_OTLP, f"JSON: {error}") from None
    for group in _list(document, signal.groups):
        resource = _mapping(group, "resource")
        for scoped in _list(group, signal.scopes):
            scope = str(_mapping(scoped, "scope").get("name") or "")
            for record in _list(scoped, signal.records):
                yield Cut(partial(_read, signal, record, resource, scope), partial(msgspec.json.encode, record))


def _read(signal: _Signal[R], record: Any, resource: Mapping[str, Any], scope: str) -> R | None:
    if not isinstance(record, dict):
        raise BadEvent(Reason.BAD_SPAN, "not an object")
    try:
        return signal.read(record, _attributes(resource), scope)
    except (TypeError, ValueError, KeyError, OverflowError, AttributeError) as error:
        raise BadEvent(Reason.BAD_SPAN, f"a field of the wrong type ({type(error).__name__})") from None


def _list(holder: Any, name: str) -> Sequence[Any]:
    found = holder.get(name) if isinstance(holder, dict) else None
    if found is None and isinstance(holder, dict):
        return ()
    if not isinstance(found, list):
        raise BadEvent(Reason.NOT_OTLP, f"`{name}` is no list")
    return found


def _mapping(holder: Any, name: str) -> Mapping[str, Any]:
    found = holder.get(name)
    return found if isinstance(found, dict) else {}


def _span(span: Mapping[str, Any], resource: Attributes, scope: str) -> Span:
    status = _mapping(span, "status")
    return Span(
        trace_id=fields.hex_id(span.get("traceId"), 32, "traceId"),
        span_id=fields.hex_id(span.get("spanId"), 16, "spanId"),
        parent_id=fields.parent(span.get("parentSpanId")),
        name=fields.text(span.get("name"))[: limits.NAME_LENGTH],
        kind=fields.by_number(KINDS, int(span.get("kind") or 0)),
        start=(start := fields.seconds(fields.integer(span.get("startTimeUnixNano")))),
        end=max(start, fields.seconds(fields.integer(span.get("endTimeUnixNano")))),
        status=fields.by_number(STATUSES, int(status.get("code") or 0)),
        status_message=fields.text(status.get("message"))[: fields.MESSAGE_LENGTH],
        attributes=_attributes(span),
        events=[
            SpanEvent(
                fields.text(event.get("name")), fields.integer(event.get("timeUnixNano")) / 1e9, _attributes(event)
            )
            for event in (span.get("events") or [])[: fields.EVENTS_PER_SPAN]
        ],
        resource=resource,
        scope=scope,
        remote_parent=fields.remote(int(span.get("flags") or 0)),
    )


def _log(log: Mapping[str, Any], resource: Attributes, scope: str) -> LogRecord | None:
    del scope
    return fields.log_record(
        log.get("traceId"),
        log.get("spanId"),
        fields.text(log.get("eventName")),
        fields.integer(log.get("timeUnixNano")) or fields.integer(log.get("observedTimeUnixNano")),
        _attributes(log),
        _value(log.get("body"), 0),
        resource,
    )


def _attributes(holder: Mapping[str, Any]) -> Attributes:
    pairs = holder.get("attributes") or ()
    return {fields.text(pair["key"]): _value(pair.get("value"), 0) for pair in pairs if is_read(pair["key"])}


def _value(value: Any, depth: int) -> Any:
    if not value:
        return None
    if depth > limits.NESTING:
        raise BadEvent(Reason.BAD_SPAN, f"an attribute nested deeper than {limits.NESTING}")
    which, inner = next(iter(value.items()))
    read = _VALUES.get(which)
    return None if read is None or inner is None else read(inner, depth)


def _int64(value: Any, depth: int) -> int:
    del depth
    number = fields.integer(value)
    if not -(2**63) <= number < 2**63:
        raise ValueError("beyond 64 bits")
    return number


_VALUES: dict[str, Callable[[Any, int], Any]] = {
    "stringValue": lambda value, _: fields.text(value),
    "boolValue": lambda value, _: bool(value),
    "intValue": _int64,
    "doubleValue": lambda value, _: float(value),
    "bytesValue": lambda value, _: base64.b64decode(value),
    "arrayValue": lambda value, depth: [_value(item, depth + 1) for item in value.get("values") or ()],
    "kvlistValue": lambda value, depth: {
        fields.text(pair["key"]): _value(pair.get("value"), depth + 1) for pair in value.get("values") or ()
    },
}


_TRACES = _Signal[Span]("resourceSpans", "scopeSpans", "spans", _span)
_LOGS = _Signal[LogRecord]("resourceLogs", "scopeLogs", "logRecords", _log)
