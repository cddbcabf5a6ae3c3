"""Span → Reading: which dialect it speaks, and its fields in neutral words.

Knows one span at a time; runs are made of several in `monitor.intake.assembly`. Invariant: total. Any span
has a reading, whatever stands in its attributes; at worst its role is `other` and it has no fields.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from monitor.intake.dialects import errors, judgements, langsmith, openinference, semconv, traceloop, values, vercel
from monitor.intake.dialects.reading import Dialect, Reading, Role, Said
from monitor.intake.spans import Span

DIALECTS: tuple[Dialect, ...] = (
    openinference.DIALECT,
    vercel.DIALECT,
    traceloop.DIALECT,
    langsmith.DIALECT,
    semconv.DIALECT,
)
"""Asked in this order; the conventions last, because the others write some of their attributes too."""

READERS: dict[str, Callable[[Any], Any]] = {
    "agent": values.name,
    "label": values.name,
    "version": values.name,
    "session": values.name,
    "user": values.name,
    "model": values.name,
    "response_model": values.name,
    "provider": values.name,
    "input_tokens": values.count,
    "output_tokens": values.count,
    "cached_tokens": values.count,
    "cost_usd": values.dollars,
    "finish_reason": values.finish_reason,
    "tool": values.name,
    "tool_version": values.name,
    "call_id": values.identity,
    "source": values.name,
    "hits": values.count,
    "top_score": values.number,
    "document": values.name,
    "to_agent": values.name,
    "name": values.name,
    "score": values.number,
    "judged": values.name,
    "triggered": lambda value: value if isinstance(value, bool) else None,
    "failed": lambda value: value if isinstance(value, bool) else None,
    "input": values.given,
    "output": values.answer,
    "arguments": lambda value: value,
    "result": lambda value: value,
}
"""Field → how its value is read. A field that no reader knows is a mistake of ours."""


def read(span: Span) -> Reading:
    """The span in neutral words."""
    dialect, role = _dialect_of(span)
    fields = _fields(span, dialect, role) if dialect is not None else {}
    if role is Role.TOOL and "arguments" in fields:
        fields["arguments"] = values.arguments(fields["arguments"], fields.get("tool"))
        _put(fields, "to_agent", values.taker(fields["arguments"], fields.get("tool")))
    if role is Role.TOOL and "result" in fields:
        fields["result"], said_failed = values.result(fields["result"])
        fields.setdefault("failed", said_failed)
    reading = Reading(
        span_id=span.span_id,
        start=span.start,
        end=span.end,
        role=role,
        parent_id=span.parent_id,
        remote_parent=span.remote_parent,
        observed_time=span.observed_time,
        service=values.name(span.resource.get("service.name")),
        service_version=values.name(span.resource.get("service.version")),
        failed=errors.failed(span) or bool(fields.pop("failed", False)),
        agent=fields.pop("agent", None),
        label=fields.pop("label", None),
        fields=fields,
        judgements=judgements.of_span(span),
        error_type=errors.of_span(span),
        error_phrase=errors.phrase(span),
        blocked_by=errors.blocked_by(span),
    )
    for event in span.events:
        hear(reading, semconv.said(event))
    if reading.error_type is not None:
        reading.error_phrase = None
    return reading


def hear(reading: Reading, said: Said) -> None:
    """Adds (in place) what an event says of the span, where neither the span nor an earlier event said it."""
    if said.judgement is not None and len(reading.judgements) < judgements.PER_SPAN:
        reading.judgements.append(said.judgement)
    if reading.error_type is None:
        reading.error_type = said.error_type
    for name in semconv.TAKEN.get(reading.role, ()):
        if name in said.fields and name not in reading.fields:
            reading.fields[name] = said.fields[name]
            reading.failed |= said.failed and reading.role is Role.TOOL


def _dialect_of(span: Span) -> tuple[Dialect | None, Role]:
    for dialect in DIALECTS:
        role = dialect.role(span)
        if role is not None:
            return dialect, role
    return None, Role.OTHER


def _fields(span: Span, dialect: Dialect, role: Role) -> dict[str, Any]:
    """The dialect's own words first, then what it has in common with the conventions."""
    found: dict[str, Any] = {}
    for speaker in (dialect,) if dialect is semconv.DIALECT else (dialect, semconv.DIALECT):
        for table in (speaker.by_role.get(role, {}), speaker.shared):
            for field, keys in table.items():
                for key in keys:
                    _put(found, field, span.attributes.get(key))
        for field, value in speaker.extra(span, role).items():
            _put(found, field, value)
    return found


def _put(found: dict[str, Any], field: str, value: Any) -> None:
    if value is None or field in found:
        return
    read = READERS[field](value)
    if read is not None:
        found[field] = read
