"""What is kept of text when the text is dropped: a soft error, hashes, emptiness.

Read once, where an event enters the log, after what needs a configuration was read (`monitor.reading`); after
`keep_no_text` the event holds no agent text and still gives the same signals. Hashes are the first eight bytes of
BLAKE2b as a signed integer, so that they fit SQLite and JSON alike.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from schemas.event import NOTHING, Event

_EMPTY: Final = frozenset((b"null", b'""', b"[]", b"{}", b'"[]"', b'"{}"', b'"null"'))


HASHES = {
    "input": "input_hash",
    "output": "output_hash",
    "arguments": "arguments_hash",
    "result": "result_hash",
}
"""Text → the field that stands for it."""
_WITH_OUTPUT: Final = frozenset(("run_finished", "llm_call"))


_Outcome = msgspec.defstruct("_Outcome", [(name, msgspec.Raw, NOTHING) for name in ("error", "isError")], gc=False)
"""The two places in which tools say that they failed while their status is ok (the second: Model Context Protocol)."""
_outcome: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_Outcome)
_string = msgspec.json.Decoder(str)
_NO_ERROR: Final = frozenset((b"", b"null", b"false", b'""', b"0", b"[]", b"{}"))
_NUMBER_STARTS: Final = b"-0123456789"
_OPENERS: Final = b"[{"


def soft_error(result: bytes | msgspec.Raw) -> bool:
    """Whether a tool result has a top-level `error` or `isError` that says something.

    A result that is a string holding JSON is read as that JSON; `null`, `false`, empty and zero say nothing.
    """
    text = bytes(result)
    if b"rror" not in text:
        return False
    try:
        if text.lstrip()[:1] == b'"':
            text = _string.decode(text).encode()
        if text.lstrip()[:1] != b"{":
            return False
        found = _outcome.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return _says_something(bytes(found.error)) or _says_something(bytes(found.isError))


def is_empty(result: bytes | msgspec.Raw) -> bool:
    """Whether a tool result holds nothing."""
    return bytes(result).strip() in _EMPTY


def text_hash(text: bytes | msgspec.Raw) -> int:
    """A stable 64-bit name for a text."""
    return int.from_bytes(hashlib.blake2b(bytes(text), digest_size=8).digest(), "big", signed=True)


def derived(texts: Mapping[str, bytes]) -> dict[str, int | bool]:
    """What is kept of texts by the names of their fields: `input`, `output`, `arguments`, `result` → their JSON."""
    found: dict[str, int | bool] = {}
    for name, field in HASHES.items():
        if text := texts.get(name):
            found[field] = text_hash(text)
    if result := texts.get("result"):
        found["soft_error"] = soft_error(result)
        found["result_empty"] = is_empty(result)
    return found


def derive(event: Event) -> Event:
    """The event with what its text says written beside it (in place). What is written already stays."""
    kind = event.kind
    if kind == "tool_call":
        result = bytes(event.result)
        if result:
            if event.soft_error is None:
                event.soft_error = soft_error(result)
            if event.result_hash is None:
                event.result_hash = text_hash(result)
            if event.result_empty is None:
                event.result_empty = is_empty(result)
        arguments = bytes(event.arguments)
        if arguments and event.arguments_hash is None:
            event.arguments_hash = text_hash(arguments)
    elif kind in _WITH_OUTPUT:
        output = bytes(event.output)
        if output and event.output_hash is None:
            event.output_hash = text_hash(output)
    elif kind == "run_started":
        asked = bytes(event.input)
        if asked and event.input_hash is None:
            event.input_hash = text_hash(asked)
    return event


def keep_no_text(event: Event) -> Event:
    """The event without agent text, features kept (in place)."""
    return drop_text(derive(event))


def drop_text(event: Event) -> Event:
    """The event without agent text (in place); what it says was derived before."""
    event.input = event.output = event.arguments = event.result = event.text = NOTHING
    return event


def _says_something(value: bytes) -> bool:
    """Whether a JSON value is neither null, false, a zero (however it is written) nor empty."""
    value = value.strip()
    if value in _NO_ERROR:
        return False
    if value[:1] in _NUMBER_STARTS:
        return float(value) != 0.0
    return value[:1] not in _OPENERS or bool(value[1:-1].strip())
