"""Did a span fail, and what is the class of its error: a low-cardinality word, never the message itself.

The order: `error.type`, the type of an exception event, the class-like beginning of the status message, `_OTHER`.
A message that is nothing but words is no class, however short it is: it may name a customer.
"""

from __future__ import annotations

import hashlib
import re
from itertools import islice
from typing import Any

from monitor.intake.dialects.reading import Reading
from monitor.intake.spans import Span, SpanEvent
from schemas import limits

OTHER = "_OTHER"
"""OpenTelemetry's word for an error whose class nobody wrote down."""
PHRASE_LENGTH = 60
PHRASE_WORDS = 6
"""A message's beginning that is longer than this is prose, not a class: it becomes `_OTHER`."""

MESSAGE_WORDS = 64
"""Words of a message among which the name of a guardrail is looked for."""

_EXCEPTION_EVENTS = ("exception", "gen_ai.client.operation.exception", "gen_ai.execute_tool.exception")
_CLASS = re.compile(r"\s*([A-Za-z_][\w.]*(?:Error|Exception|Exceeded|Timeout|Interrupt|Warning|Failure))\b")
_REPR = re.compile(r"([A-Za-z_][\w.]*)\(")
_TRACEBACK = "Traceback (most recent call last)"
_WORD = re.compile(r"\w+")
_BLOCKED_WORDS = ("guardrail", "tripwire")
_DIGEST_BYTES = 3  # two words rarely have the same one, and many words have each
_PHRASE = re.compile(r"\s*+([^:({\[<'\"\n\d]++)[:({]")  # possessive: a long message is read once
_STATUS = re.compile(r"[^:]*\b(?:code|status)\s*:\s*([1-5]\d\d)\b", re.IGNORECASE)
_CAMEL_CASE = re.compile(r"\s*((?:[A-Za-z_]\w*\.)*(?:[A-Z][a-z]+){2,})\s*")


def failed(span: Span) -> bool:
    """Whether the span ended in an error; a status that is not set does not hide an `error.type`."""
    return span.status == "error" or (span.status == "unset" and bool(span.attributes.get("error.type")))


def of_span(span: Span) -> str | None:
    """The class that the span names."""
    named = span.attributes.get("error.type")
    return named[: limits.NAME_LENGTH] if isinstance(named, str) and named and named != OTHER else None


def of_event(event: SpanEvent) -> str | None:
    """The class of the exception that the event tells of."""
    kind = event.attributes.get("exception.type") if event.name in _EXCEPTION_EVENTS else None
    if kind == "Exception":
        kind = _retold(event.attributes.get("exception.message")) or kind
    return kind[: limits.NAME_LENGTH] if isinstance(kind, str) and kind else None


def phrase(span: Span) -> str | None:
    """The class-like beginning of the message with which the span ended in an error; None for prose.

    `Error running tool: …` has one, which a separator ends; so does a message that is a class (`RateLimited`).
    HTTP's status behind `Error code: ` is part of it, as in the conventions' `error.type`: 429 is not 500.
    """
    if span.status != "error":
        return None
    if match := _CLASS.match(span.status_message) or _CAMEL_CASE.fullmatch(span.status_message):
        return match[1][: limits.NAME_LENGTH]
    match = _PHRASE.match(span.status_message)
    found = match[1].strip(" -.,") if match else ""
    if not found or len(found) > PHRASE_LENGTH or len(found.split()) > PHRASE_WORDS:
        return None
    status = _STATUS.match(span.status_message)
    return f"{found} {status[1]}" if status else found


def error_class(reading: Reading) -> str:
    """The class of the error with which a failed span ended."""
    return reading.error_type or reading.error_phrase or OTHER


def blocked_by(span: Span) -> bytes:
    """The words of an error's message that tells of a guardrail, as digests: enough to find the guardrail's name."""
    message = span.status_message if span.status == "error" else ""
    lowered = message.lower()
    return _digests(message) if any(word in lowered for word in _BLOCKED_WORDS) else b""


def names(digests: bytes, name: str) -> bool:
    """Whether the message of which `blocked_by` made `digests` holds the words of a name, one after the other."""
    wanted = _digests(name)
    at = digests.find(wanted) if wanted else -1
    while at >= 0 and at % _DIGEST_BYTES:
        at = digests.find(wanted, at + 1)
    return at >= 0


def _retold(message: Any) -> str | None:
    """The class in `ValueError('…')Traceback …`, as LangSmith writes any exception into one that says nothing."""
    match = _REPR.match(message) if isinstance(message, str) and _TRACEBACK in message else None
    return match[1] if match else None


def _digests(text: str) -> bytes:
    words = islice(_WORD.finditer(text), MESSAGE_WORDS)
    return b"".join(hashlib.blake2b(word[0].encode(), digest_size=_DIGEST_BYTES).digest() for word in words)
