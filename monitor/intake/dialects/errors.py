"""Did a span fail, and what is the class of its error: a low-cardinality word, never the message itself.

The order: `error.type`, the type of an exception event, the class-like beginning of the status message, `_OTHER`.
"""

from __future__ import annotations

import re

from monitor.intake.spans import Span
from schemas import limits

OTHER = "_OTHER"
"""OpenTelemetry's word for an error whose class nobody wrote down."""
PHRASE_LENGTH = 60
PHRASE_WORDS = 6
"""A message's beginning that is longer than this is prose, not a class: it becomes `_OTHER`."""

_EXCEPTION_EVENTS = ("exception", "gen_ai.client.operation.exception", "gen_ai.execute_tool.exception")
_CLASS = re.compile(r"\s*([A-Za-z_][\w.]*(?:Error|Exception|Exceeded|Timeout|Interrupt|Warning|Failure))\b")
_PHRASE = re.compile(r"\s*([^:({\[<'\"\n\d]+)")


def failed(span: Span) -> bool:
    """Whether the span ended in an error; a status that is not set does not hide an `error.type`."""
    return span.status == "error" or (span.status == "unset" and bool(span.attributes.get("error.type")))


def error_class(span: Span) -> str:
    """The class of the error with which a failed span ended."""
    named = span.attributes.get("error.type")
    if isinstance(named, str) and named and named != OTHER:
        return named[: limits.NAME_LENGTH]
    for event in span.events:
        kind = event.attributes.get("exception.type")
        if event.name in _EXCEPTION_EVENTS and isinstance(kind, str) and kind:
            return kind[: limits.NAME_LENGTH]
    return _class_of(span.status_message)


def _class_of(message: str) -> str:
    if match := _CLASS.match(message):
        return match[1][: limits.NAME_LENGTH]
    match = _PHRASE.match(message)
    phrase = match[1].strip(" -.,") if match else ""
    if not phrase or len(phrase) > PHRASE_LENGTH or len(phrase.split()) > PHRASE_WORDS:
        return OTHER
    return phrase
