"""The JSON of a text field → the text or the value that it says. Never raises; what cannot be read is text.

A string that holds JSON is that JSON: model clients send arguments and results that way.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

VALUE_BYTES: Final = 65_536
"""JSON that is looked into. Longer: its fields and its contract are not read, counted as `values_too_long`."""

_decode: Final = msgspec.json.Decoder().decode
_decode_text: Final = msgspec.json.Decoder(str).decode
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeError, RecursionError)


class Unread:
    """The mark for JSON that is too long, too deep or no JSON."""


UNREAD: Final = Unread()


def text_of(raw: bytes) -> str:
    """The text of a field: the string itself, or the JSON of another value; nothing for null."""
    if raw[:1] == b'"':
        try:
            return _decode_text(raw)
        except _UNREADABLE:
            return raw[1:-1].decode("utf-8", "replace")  # half of a surrogate pair
    text = raw.decode("utf-8", "replace")
    return "" if text == "null" else text


def value_of(raw: bytes) -> Any:
    """The value of a field, strings that hold an object or an array read as such; else `UNREAD`."""
    if len(raw) > VALUE_BYTES:
        return UNREAD
    value = parsed(raw)
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        inner = parsed(value)
        return value if inner is UNREAD else inner
    return value


def parsed(text: str | bytes) -> Any:
    """JSON read, or `UNREAD`."""
    try:
        return _decode(text)
    except _UNREADABLE:
        return UNREAD
