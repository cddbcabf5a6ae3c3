"""Protobuf's outermost layers by hand: cuts an OTLP body into spans or log records that can be parsed one by one.

Used only when parsing a body as a whole failed, so that one bad record (a string that is no UTF-8) costs itself and
not its neighbours. Invariant: never reads past the end; what does not add up is a ValueError.
"""

from __future__ import annotations

from collections.abc import Iterator

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_RESOURCES, _SCOPES, _RECORDS = 1, 2, 2
_RESOURCE, _SCOPE = 1, 1


def records(body: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """(resource, scope, record) messages, still encoded. The same field numbers serve traces and logs."""
    for group in _messages(memoryview(body), _RESOURCES):
        resource = b"".join(map(bytes, _messages(group, _RESOURCE)))
        for scoped in _messages(group, _SCOPES):
            scope = b"".join(map(bytes, _messages(scoped, _SCOPE)))
            for record in _messages(scoped, _RECORDS):
                yield resource, scope, bytes(record)


def _messages(data: memoryview, wanted: int) -> list[memoryview]:
    found = []
    at, end = 0, len(data)
    while at < end:
        tag, at = _varint(data, at)
        field, kind = tag >> 3, tag & 7
        if field == 0:
            raise ValueError("field number 0")
        if kind == _BYTES:
            length, at = _varint(data, at)
            if length > end - at:
                raise ValueError("cut off")
            if field == wanted:
                found.append(data[at : at + length])
            at += length
        elif kind == _VARINT:
            _, at = _varint(data, at)
        elif kind in (_FIXED64, _FIXED32):
            at += 8 if kind == _FIXED64 else 4
            if at > end:
                raise ValueError("cut off")
        else:
            raise ValueError(f"wire type {kind}")
    return found


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 64:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError("cut off")


def is_message(body: bytes) -> bool:
    """Whether the outermost fields add up to the length of the body."""
    try:
        _messages(memoryview(body), _RESOURCES)
    except ValueError:
        return False
    return True
