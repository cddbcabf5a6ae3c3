"""Span and LogRecord: what OTLP says, decoded, before anything is made of it.

This is no event: a span knows its trace, not its run. The value of the spans topic is one record in msgpack, its key
the trace id. Invariant: ids are lower-case hex of the right length, times are finite epoch seconds, and every value in
`attributes` is None, bool, int, float, str, bytes, list or dict with string keys.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import Struct

SpanStatus = Literal["unset", "ok", "error"]
SpanKind = Literal["unspecified", "internal", "server", "client", "producer", "consumer"]
KINDS: tuple[SpanKind, ...] = ("unspecified", "internal", "server", "client", "producer", "consumer")
"""By OTLP's number."""
STATUSES: tuple[SpanStatus, ...] = ("unset", "ok", "error")

Attributes = dict[str, Any]

SPAN_BYTES = 900_000
"""One encoded record, below Kafka's usual limit for a message. More: its largest texts are left out, counted as
`evicted:attributes`."""

UNREAD = frozenset(
    (
        "exception.stacktrace",
        "gen_ai.tool.definitions",
        "gen_ai.tool.json_schema",
        "ai.prompt.messages",
        "ai.prompt.tools",
        "llm.invocation_parameters",
        "logfire.json_schema",
        "model_request_parameters",
        "pydantic_ai.all_messages",
        "gcp.vertex.agent.llm_request",
        "tool.parameters",
    )
)
"""Attributes that no signal reads: prompts and schemas, most of the bytes. They are not kept."""
UNREAD_PREFIXES = ("llm.input_messages.", "llm.tools.", "gen_ai.prompt.")


class SpanEvent(Struct, omit_defaults=True):
    """Something that happened during a span, `time` in epoch seconds."""

    name: str
    time: float
    attributes: Attributes = msgspec.field(default_factory=dict)


class Span(Struct, tag="span", kw_only=True, omit_defaults=True):
    """One finished operation. Times in epoch seconds.

    `parent_id` is empty at the root of a trace; `remote_parent` says that the parent ran in another process (None: the
    client did not say). `resource` names the process that sent it. `observed_time` is when we received it.
    """

    trace_id: str
    span_id: str
    start: float
    end: float
    parent_id: str = ""
    name: str = ""
    kind: SpanKind = "unspecified"
    status: SpanStatus = "unset"
    status_message: str = ""
    attributes: Attributes = msgspec.field(default_factory=dict)
    events: list[SpanEvent] = msgspec.field(default_factory=list)
    resource: Attributes = msgspec.field(default_factory=dict)
    scope: str = ""
    remote_parent: bool | None = None
    observed_time: float | None = None


class LogRecord(Struct, tag="log", kw_only=True, omit_defaults=True):
    """One log event of the GenAI conventions that belongs to a span or a trace; `time` in epoch seconds.

    `span_id` is empty where the client named the trace alone.
    """

    trace_id: str
    name: str
    time: float
    span_id: str = ""
    attributes: Attributes = msgspec.field(default_factory=dict)
    resource: Attributes = msgspec.field(default_factory=dict)
    observed_time: float | None = None


Record = Span | LogRecord

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Record)


def encode(record: Record) -> bytes:
    """The value of the spans topic."""
    return _encoder.encode(record)


def decode(raw: bytes) -> Record:
    """Raises `msgspec.DecodeError` on what the monitor did not write."""
    record: Record = _decoder.decode(raw)
    return record


def key(record: Record) -> bytes:
    """The key of the spans topic: a trace stays on one partition."""
    return record.trace_id.encode()


def is_read(name: str) -> bool:
    """Whether an attribute is worth keeping."""
    return name not in UNREAD and not name.startswith(UNREAD_PREFIXES)


def fit(record: Record) -> int:
    """Leave out the largest texts (in place) until the record is at most `SPAN_BYTES` long; how many went."""
    dropped = 0
    while len(_encoder.encode(record)) > SPAN_BYTES:
        holders = [record.attributes]
        if isinstance(record, Span):
            holders += [event.attributes for event in record.events]
        sizes = [
            (len(_encoder.encode(value)), i, name) for i, held in enumerate(holders) for name, value in held.items()
        ]
        if not sizes:
            break
        _, holder, name = max(sizes)
        del holders[holder][name]
        dropped += 1
    return dropped
