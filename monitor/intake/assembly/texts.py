"""What of a span or a log event waits in an open trace: its texts as JSON, or none of them.

Without texts there stands what `schemas.derive` would have read from them, so that the events of the run are those
that `derive.keep_no_text` makes of events with text. Invariant: what `settle` returns can be encoded as it is.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from monitor.intake import mapping
from monitor.intake.dialects import semconv, values
from monitor.intake.dialects.reading import Reading, Said
from monitor.intake.spans import LogRecord, Span, SpanEvent
from schemas import derive

_UNREAD = ("input", "output")
"""Texts from which nothing is derived."""


class Log(Struct, omit_defaults=True):
    """One log event in neutral words. `span_id` is empty where the client named the trace alone."""

    time: float
    said: Said
    span_id: str = ""
    producer: str | None = None
    observed_time: float | None = None


def settle_span(span: Span, keep_text: bool) -> Reading:
    """What of a span waits."""
    reading = mapping.read(span)
    _settle(reading.fields, keep_text)
    return reading


def settle_log(log: LogRecord, keep_text: bool) -> Log:
    """What of a log event waits."""
    said = semconv.said(SpanEvent(log.name, log.time, log.attributes))
    _settle(said.fields, keep_text)
    producer = values.name(log.resource.get("service.name"))
    return Log(log.time, said, log.span_id, producer, log.observed_time)


def _settle(fields: dict[str, Any], keep_text: bool) -> None:
    for name in ("input", "output", "arguments", "result"):
        if name not in fields:
            continue
        if not keep_text and name in _UNREAD:
            del fields[name]
            continue
        text = bytes(values.raw(fields[name]))
        if keep_text:
            fields[name] = text
            continue
        del fields[name]
        if name == "result":
            fields["soft_error"] = derive.soft_error(text)
            fields["result_hash"] = derive.text_hash(text)
            fields["result_empty"] = derive.is_empty(text)
        else:
            fields["arguments_hash"] = derive.text_hash(text)
