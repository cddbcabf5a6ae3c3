"""CloudEvents 1.0 → the JSON of one of our events: structured (one or a batch) and binary (HTTP `ce-`, Kafka `ce_`).

What the data itself says goes before what the envelope says. Invariant: without an envelope the bytes pass unchanged.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable, Mapping
from urllib.parse import unquote

import msgspec

from schemas import limits
from schemas.event import BadEvent, Reason

STRUCTURED = ("application/cloudevents+json", "application/cloudevents-batch+json")
_PREFIXES = ("ce-", "ce_")
_KNOWN = (*_PREFIXES, "content-type")

Raw = msgspec.Raw
_object = msgspec.json.Decoder(dict[str, Raw])
_string = msgspec.json.Decoder(str)
_encoder = msgspec.json.Encoder()


def fold(headers: Mapping[str, str] | Mapping[str, bytes] | Iterable[tuple[str, str | bytes]]) -> dict[str, str]:
    """The headers that matter here, names in lower case with `ce-`, whether they came over HTTP or Kafka."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    found = {}
    for name, value in pairs:
        name = name.lower()
        if not name.startswith(_KNOWN):
            continue
        text = value.decode(errors="replace") if isinstance(value, bytes) else value
        if name.startswith("ce-"):
            text = unquote(text)
        found["ce-" + name[3:] if name.startswith(_PREFIXES) else name] = text
    return found


def is_binary(headers: Mapping[str, str]) -> bool:
    """Whether the envelope is in the headers."""
    return "ce-specversion" in headers


def is_structured(headers: Mapping[str, str]) -> bool:
    """Whether the envelope is around each event of the body."""
    return headers.get("content-type", "").lower().startswith(STRUCTURED)


def unwrap(piece: bytes, headers: Mapping[str, str]) -> bytes:
    """The JSON of our event. Raises `BadEvent` for an envelope that cannot be read."""
    if is_structured(headers):
        envelope = _read(piece)
        return _merge(_data_of(envelope), {name: text for name, raw in envelope.items() if (text := _text(raw))})
    if is_binary(headers):
        attributes = {name[3:]: value for name, value in headers.items() if name.startswith("ce-")}
        return _merge(_read(piece), attributes)
    return piece


def _read(piece: bytes | Raw) -> dict[str, Raw]:
    if len(piece if isinstance(piece, bytes) else bytes(piece)) > limits.EVENT_BYTES:
        raise BadEvent(Reason.TOO_LARGE, f"more than {limits.EVENT_BYTES} bytes")
    try:
        return _object.decode(piece)
    except msgspec.ValidationError:
        raise BadEvent(Reason.NOT_AN_OBJECT, "a CloudEvent and its data are objects") from None
    except RecursionError:
        raise BadEvent(Reason.TOO_DEEP, "nested too deeply to read") from None
    except UnicodeDecodeError as error:
        raise BadEvent(Reason.NOT_UTF8, f"invalid UTF-8 at byte {error.start}") from None
    except msgspec.DecodeError as error:
        raise BadEvent(Reason.NOT_JSON, str(error)) from None


def _data_of(envelope: Mapping[str, Raw]) -> dict[str, Raw]:
    if "data" in envelope:
        return _read(envelope["data"])
    packed = envelope.get("data_base64")
    if packed is None:
        raise BadEvent(Reason.MISSING_FIELD, "a CloudEvent without `data`")
    try:
        return _read(base64.b64decode(_string.decode(packed), validate=True))
    except (binascii.Error, msgspec.DecodeError, ValueError):
        raise BadEvent(Reason.WRONG_TYPE, "`data_base64` is no base64") from None


def _text(raw: Raw) -> str | None:
    try:
        return _string.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _merge(data: dict[str, Raw], attributes: Mapping[str, str]) -> bytes:
    source, name = attributes.get("source", ""), attributes.get("id", "")
    said = {
        "id": _unique(source, name),
        "time": attributes.get("time"),
        "kind": attributes.get("type", "").rpartition(".")[2],
        "producer": source[: limits.NAME_LENGTH],
    }
    for field, value in said.items():
        if value and field not in data:
            data[field] = Raw(_encoder.encode(value))
    return _encoder.encode(data)


def _unique(source: str, name: str) -> str | None:
    """CloudEvents are unique by source and id together."""
    whole = f"{source}#{name}" if source else name
    if len(whole) > limits.NAME_LENGTH:
        whole = "ce" + hashlib.blake2b(whole.encode(), digest_size=16).hexdigest()
    return whole if name else None
