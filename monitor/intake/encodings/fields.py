"""What a span or log record must hold, whatever its encoding: ids of the right length, times that are times.

Invariant: whatever does not fit raises `BadEvent` (reason `bad_span` or `unreadable_time`), TypeError or ValueError.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from monitor.intake import spans
from monitor.intake.spans import Attributes, LogRecord, Span
from schemas.event import LATEST_TIME, BadEvent, Reason

R = TypeVar("R", Span, LogRecord)

EVENTS_PER_SPAN = 128
"""Events of one span that are kept (the SDKs' own limit); further ones are left out."""
MESSAGE_LENGTH = 4_096
"""Characters of a status message that are kept; its class stands at the beginning."""

_HAS_REMOTE, _IS_REMOTE = 0x100, 0x200  # bits of Span.flags
_NO_SPAN = "0" * 16


@dataclass(frozen=True, slots=True)
class Cut(Generic[R]):
    """One record of a body, not read yet. `read` returns None for a record that nothing uses; `raw` gives its bytes."""

    read: Callable[[], R | None]
    raw: Callable[[], bytes]


def log_record(
    trace_id: Any, span_id: Any, name: str, nanoseconds: int, attributes: Attributes, body: Any, resource: Attributes
) -> LogRecord | None:
    """A log event of the GenAI conventions, from either encoding; None for any other log record."""
    name = name or str(attributes.get("event.name") or "")
    if not name.startswith("gen_ai."):
        return None
    if isinstance(body, dict):
        attributes = {key: value for key, value in body.items() if spans.is_read(key)} | attributes
    return LogRecord(
        trace_id=hex_id(trace_id, 32, "trace id"),
        span_id=parent(span_id),
        name=name,
        time=seconds(nanoseconds),
        attributes=attributes,
        resource=resource,
    )


def hex_id(value: Any, length: int, name: str) -> str:
    """Lower-case hex of the given length, not all zeros."""
    digits = text(value).lower()
    if len(digits) != length or not digits.strip("0") or digits.strip("0123456789abcdef"):
        raise BadEvent(Reason.BAD_SPAN, f"`{name}` is not {length} hex digits")
    return digits


def parent(value: Any) -> str:
    """A span id that may be missing: empty then."""
    digits = text(value)
    return "" if digits in ("", _NO_SPAN) else hex_id(digits, 16, "parent span id")


def seconds(nanoseconds: int) -> float:
    """Nanoseconds since 1970 → epoch seconds."""
    time = nanoseconds / 1e9
    if not 0.0 < time < LATEST_TIME:
        raise BadEvent(Reason.UNREADABLE_TIME, f"{nanoseconds} ns since 1970 is no time of a finished operation")
    return time


def integer(value: Any) -> int:
    """A 64-bit integer that may be written as a string; 0 if missing."""
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise TypeError("no integer")
    return int(value)


def text(value: Any) -> str:
    """A string; empty if missing."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError("no string")
    return value


def by_number(names: tuple[Any, ...], number: int) -> Any:
    """The name of an enum value; the first one for a number that we do not know."""
    return names[number] if 0 <= number < len(names) else names[0]


def remote(flags: int) -> bool | None:
    """Whether the parent is in another process, if the flags say so."""
    return bool(flags & _IS_REMOTE) if flags & _HAS_REMOTE else None
