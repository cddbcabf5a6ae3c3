"""What of a span or a log event waits in an open trace: its texts as JSON, or none of them.

Without texts there stands what `monitor.reading` would have read from them, so that the events of the run are those
that reading, then `derive.keep_no_text`, makes of events with text. Whose contract counts is known when the run is.
Invariant: what `settle_…` returns can be encoded as it is.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from monitor.intake import mapping
from monitor.intake.dialects import semconv, values
from monitor.intake.dialects.reading import Reading, Said
from monitor.intake.spans import LogRecord, Span, SpanEvent
from monitor.reading import Reader

UNKNOWN_TOOL = "unknown"
"""Tool of a call that names none."""


class Log(Struct, omit_defaults=True):
    """One log event in neutral words. `span_id` is empty where the client named the trace alone."""

    time: float
    said: Said
    span_id: str = ""
    producer: str | None = None
    observed_time: float | None = None


def settle_span(span: Span, reader: Reader | None) -> Reading:
    """What of a span waits: its texts, or what a reader makes of them."""
    reading = mapping.read(span)
    _settle(reading.fields, reader, reading.fields.get("tool") or UNKNOWN_TOOL)
    return reading


def settle_log(log: LogRecord, reader: Reader | None) -> Log:
    """What of a log event waits. Which tool it is of, its span knows."""
    said = semconv.said(SpanEvent(log.name, log.time, log.attributes))
    _settle(said.fields, reader, None)
    producer = values.name(log.resource.get("service.name"))
    return Log(log.time, said, log.span_id, producer, log.observed_time)


def size(fields: dict[str, Any]) -> int:
    """Bytes of the texts among fields that were settled."""
    return sum(len(fields.get(name) or b"") for name in semconv.READ)


def _settle(fields: dict[str, Any], reader: Reader | None, tool: str | None) -> None:
    texts = {name: bytes(values.raw(fields[name])) for name in semconv.READ if fields.get(name) is not None}
    if reader is None:
        fields.update(texts)
        return
    for name in texts:
        del fields[name]
    if texts:
        fields.update(reader.read_ahead(texts, tool))
