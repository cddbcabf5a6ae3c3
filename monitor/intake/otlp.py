"""OTLP → spans and log records: one decoder for HTTP bodies and Kafka values, protobuf and JSON.

It does not know what a span means (`monitor.intake.dialects`) nor which run it belongs to (`monitor.intake.assembler`).
Invariant: a bad record is rejected alone and becomes a dead letter; only a body that is no OTLP at all raises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Generic, Literal

from monitor.intake import spans
from monitor.intake.dead_letters import DeadLetter, dead_letter
from monitor.intake.encodings import json, protobuf, wire
from monitor.intake.encodings.fields import Cut, R
from monitor.intake.spans import LogRecord, Span
from schemas import limits
from schemas.event import BadEvent, Reason

Encoding = Literal["protobuf", "json"]

RECORDS_PER_BODY = limits.EVENTS_PER_BODY
"""Spans or log records in one body. More: `BadEvent(TOO_LARGE)`, over HTTP 413."""
DEAD_LETTERS_PER_BODY = 1_000
"""Rejected records that one body may leave behind; the others are counted in `rejected` alone."""

_CONFLUENT_HEADER = 5
_SURELY_FITS = spans.SPAN_BYTES // 4  # a body so short holds no record beyond the limit, however it is encoded
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Decoded(Generic[R]):
    """What a body held. `rejected` counts the bad ones, `bad` names them (bounded); `counts` says what was left out."""

    spans: list[R] = field(default_factory=list)
    bad: list[DeadLetter] = field(default_factory=list)
    rejected: int = 0
    counts: dict[str, int] = field(default_factory=dict)


def decode_traces(
    body: bytes, encoding: Encoding | None = None, *, received: float | None = None, source: str = "otlp"
) -> Decoded[Span]:
    """A trace export, received at `received` (epoch seconds) → spans. Without `encoding` the bytes say what they are.

    Raises `BadEvent` (`not_otlp`, `too_large`) if the body as a whole cannot be read.
    """
    return _decode(body, encoding, {"protobuf": protobuf.traces, "json": json.traces}, received, source)


def decode_logs(
    body: bytes, encoding: Encoding | None = None, *, received: float | None = None, source: str = "otlp"
) -> Decoded[LogRecord]:
    """A log export → the log events of the GenAI conventions; other log records are counted as `spans_ignored:log`."""
    return _decode(body, encoding, {"protobuf": protobuf.logs, "json": json.logs}, received, source)


def sniff(body: bytes) -> tuple[Encoding, bytes]:
    """The encoding of a body, and the body without Confluent's framing. Raises `BadEvent(NOT_OTLP)`."""
    body = _without_framing(body).removeprefix(_BYTE_ORDER_MARK)
    if body[:1] == b"\n" and wire.is_message(body):  # a line feed before JSON looks the same
        return "protobuf", body
    if body.lstrip()[:1] == b"{":
        return "json", body
    raise BadEvent(Reason.NOT_OTLP, f"{len(body)} bytes that are neither protobuf nor JSON of OTLP")


def _without_framing(body: bytes) -> bytes:
    if body[:1] != b"\0" or len(body) <= _CONFLUENT_HEADER:
        return body
    body = body[_CONFLUENT_HEADER:]
    return body[1:] if body[:1] == b"\0" else body  # the protobuf framing adds the index of the message


def _decode(
    body: bytes,
    encoding: Encoding | None,
    readers: dict[Encoding, Callable[[bytes], Iterator[Cut[R]]]],
    received: float | None,
    source: str,
) -> Decoded[R]:
    decoded = Decoded[R]()
    if not (body if encoding == "protobuf" else body.strip()):
        return decoded
    if encoding is None:
        encoding, body = sniff(body)
    rejected = 0
    for index, cut in enumerate(readers[encoding](_without_framing(body))):
        if index >= RECORDS_PER_BODY:
            raise BadEvent(Reason.TOO_LARGE, f"more than {RECORDS_PER_BODY} records in one body")
        try:
            record = cut.read()
        except BadEvent as error:
            rejected += 1
            if rejected <= DEAD_LETTERS_PER_BODY:
                decoded.bad.append(dead_letter(cut.raw(), error, time=received or 0.0, source=f"{source}[{index}]"))
            continue
        if record is None:
            decoded.counts["spans_ignored:log"] = decoded.counts.get("spans_ignored:log", 0) + 1
            continue
        record.observed_time = received
        if len(body) > _SURELY_FITS and (dropped := spans.fit(record)):
            decoded.counts["evicted:attributes"] = decoded.counts.get("evicted:attributes", 0) + dropped
        decoded.spans.append(record)
    return Decoded(decoded.spans, decoded.bad, rejected, decoded.counts)
