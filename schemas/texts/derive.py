"""What is kept of text when the text is dropped: a soft error, hashes, emptiness.

Read once, where an event enters the log, after what needs a configuration was read (`monitor.reading`); after
`keep_no_text` the event holds no agent text and still gives the same signals. Hashes are the first eight bytes of
BLAKE2b as a signed integer, so that they fit SQLite and JSON alike. Those of arguments and results are hashes of what
the JSON says: the order of keys, white space and, in arguments, what is new in each call change nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final

import msgspec
from mypy_extensions import i64

from schemas.event import NOTHING, Event
from schemas.texts.soft_errors import DEFAULT, Beginnings, gives_no_verdict, says_failure

_NOTHING: Final = NOTHING
"""Compiled, a constant of this module is read without a look-up."""
_EMPTY: Final = frozenset((b"null", b'""', b"[]", b"{}", b'"[]"', b'"{}"', b'"null"'))
_BLANK: Final = re.compile(rb'"(?:[ ]|\\[nrt])*"|\[\s*\]|\{\s*\}')
CANONICAL_BYTES: Final = 65_536
"""JSON whose hash is that of what it says. Longer: of its bytes."""
VOLATILE: Final = frozenset(
    ("requestid", "xrequestid", "clientrequestid", "reqid", "traceid", "traceparent", "tracestate", "spanid",
     "correlationid", "idempotencykey", "idempotencytoken", "idempotenceid", "clienttoken", "nonce", "invocationid",
     "callid", "toolcallid", "tooluseid", "messageid", "timestamp", "requesttimestamp", "requesttime", "requestedat",
     "sentat", "attempt", "retrycount")
)  # fmt: skip
"""Arguments that are new in each call of the same thing, without case, `_` and `-`."""

_HASH_BYTES: Final = 8
_HASH: Final = blake2b(digest_size=_HASH_BYTES)
"""A copy of it is made faster than a new one."""
_DEPTH: Final = 1
"""Levels below the top on which volatile names are looked for."""
_TEXTS: Final = ("input", "output")
"""Texts whose hash is that of their bytes, as `<name>_hash`."""
_WITH_OUTPUT: Final = frozenset(("run_finished", "llm_call"))
_decode: Final = msgspec.json.Decoder().decode
_encode: Final = msgspec.json.Encoder(order="deterministic").encode


def soft_error(result: bytes | msgspec.Raw, beginnings: Beginnings = DEFAULT, value: Any = None) -> bool:
    """Whether a tool result says that the tool failed (`schemas.texts.soft_errors`); `value` as in `arguments_hash`."""
    text = result if isinstance(result, bytes) else bytes(result)
    if isinstance(value, dict) and (text[:1] == b"{" or text[:2] == b'"{') and gives_no_verdict(value):
        return False  # most results, and nothing is read twice
    return says_failure(text, beginnings)


def is_empty(result: bytes | msgspec.Raw, value: Any = None) -> bool:
    """Whether a tool result holds nothing; `value` as in `arguments_hash`."""
    # not `dict | list`: compiled code would make that union anew for each value
    if (isinstance(value, dict) or isinstance(value, list)) and value:  # noqa: SIM101
        return False
    text = result if isinstance(result, bytes) else bytes(result)
    # `find`, not `in`: compiled, that makes an exception and drops it where a byte is not there
    if text[:1] == b"{" and b" \n\r\t}".find(text[1:2]) < 0:
        return False  # most results
    text = text.strip()
    return text in _EMPTY or (
        b'"[{'.find(text[:1]) >= 0 and b" \\\n\t]}".find(text[1:2]) >= 0 and _BLANK.fullmatch(text) is not None
    )


def text_hash(text: bytes | msgspec.Raw) -> int:
    """A stable 64-bit name for a text."""
    hashing = _HASH.copy()
    hashing.update(text)
    digest: bytes = hashing.digest()
    first: i64 = digest[0]
    found: i64 = first - 256 if first > 127 else first  # it has a sign
    at: i64 = 1
    while at < _HASH_BYTES:
        byte: i64 = digest[at]
        found = found * 256 + byte
        at += 1
    return int(found)


def arguments_hash(arguments: bytes, value: Any = None, volatile: bool = True) -> int:
    """A name for what a tool is asked: the same for the same values, without what is `VOLATILE`.

    `value`: what the JSON says, where it was read before as `monitor.reading.values` reads it. `volatile`: whether
    there may be names that are.
    """
    return text_hash(_canonical(arguments, value, volatile))


def result_hash(result: bytes, value: Any = None) -> int:
    """A name for what a tool answers: the same for the same values; `value` as in `arguments_hash`."""
    return text_hash(_canonical(result, value, False))


def holds_volatile(value: Any) -> bool:
    """Whether an object has names that are `VOLATILE`, as deep as they are looked for."""
    return isinstance(value, dict) and _holds_volatile(value, _DEPTH)


def derived(texts: Mapping[str, bytes], beginnings: Beginnings = DEFAULT) -> dict[str, int | bool]:
    """What is kept of texts by the names of their fields: `input`, `output`, `arguments`, `result` → their JSON."""
    found: dict[str, int | bool] = {}
    for name in _TEXTS:
        if text := texts.get(name):
            found[f"{name}_hash"] = text_hash(text)
    if arguments := texts.get("arguments"):
        found["arguments_hash"] = arguments_hash(arguments)
    if result := texts.get("result"):
        found["result_hash"] = result_hash(result)
        found["soft_error"] = soft_error(result, beginnings)
        found["result_empty"] = is_empty(result)
    return found


def derive(event: Event, beginnings: Beginnings = DEFAULT) -> Event:
    """The event with what its text says written beside it (in place). What is written already stays."""
    kind = event.kind
    if kind == "tool_call":
        if event.result is not _NOTHING:
            _derive_result(event, beginnings)
        if event.arguments is not _NOTHING and event.arguments_hash is None:
            arguments = b"" + event.arguments
            if arguments:
                event.arguments_hash = arguments_hash(arguments)
    elif kind in _WITH_OUTPUT:
        if event.output is not _NOTHING and event.output_hash is None:
            output = b"" + event.output
            if output:
                event.output_hash = text_hash(output)
    elif kind == "run_started" and event.input is not _NOTHING and event.input_hash is None:
        asked = b"" + event.input
        if asked:
            event.input_hash = text_hash(asked)
    return event


def _derive_result(event: Event, beginnings: Beginnings) -> None:
    if event.soft_error is not None and event.result_hash is not None and event.result_empty is not None:
        return
    result = b"" + event.result
    if result:
        if event.soft_error is None:
            event.soft_error = soft_error(result, beginnings)
        if event.result_hash is None:
            event.result_hash = result_hash(result)
        if event.result_empty is None:
            event.result_empty = is_empty(result)


def keep_no_text(event: Event) -> Event:
    """The event without agent text, features kept (in place)."""
    return drop_text(derive(event))


def drop_text(event: Event) -> Event:
    """The event without agent text (in place); what it says was derived before."""
    event.input = event.output = event.arguments = event.result = event.text = _NOTHING
    return event


def _canonical(raw: bytes, value: Any, stripped: bool) -> bytes:
    """The JSON of an object or array in one form; `stripped`: without what is volatile. Anything else as it is."""
    try:
        if value is None:
            value = _container(raw)
        if isinstance(value, dict):
            return _encode(_without_volatile(value, _DEPTH) if stripped else value)
        return _encode(value) if isinstance(value, list) else raw
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return raw


def _container(raw: bytes) -> Any:
    """The object or array that a JSON text is or, as a string, holds; else None."""
    first = raw.lstrip()[:1]
    if len(raw) > CANONICAL_BYTES or (first != b'"' and first != b"{" and first != b"["):
        return None
    if first == b'"' and b"{" not in raw and b"[" not in raw:
        return None
    value = _decode(raw)
    if isinstance(value, str):
        return _decode(value) if value.lstrip()[:1] in ("{", "[") else None
    return value


def _without_volatile(value: dict[str, Any], depth: int) -> dict[str, Any]:
    """`depth`: how many levels below are looked at as well."""
    kept: dict[str, Any] = {}
    for name, inner in value.items():
        if not _is_volatile(name):
            kept[name] = _without_volatile(inner, depth - 1) if depth > 0 and isinstance(inner, dict) else inner
    return kept


def _holds_volatile(value: dict[str, Any], depth: int) -> bool:
    for name, inner in value.items():
        if _is_volatile(name) or (depth > 0 and isinstance(inner, dict) and _holds_volatile(inner, depth - 1)):
            return True
    return False


@lru_cache(maxsize=4_096)
def _is_volatile(name: str) -> bool:
    return name.replace("_", "").replace("-", "").lower() in VOLATILE
