"""One run as it lies in memory and is saved: msgpack of a `Sample`, written and read here.

Numbers without a fraction are written as integers, and words that a channel has few of by their place among them: half
the bytes. It is written byte by byte, as `msgspec` would: a list of values made for that alone costs twice as much.

Not here: which runs are kept (`recent`). Invariant: what is read is what was written, but for the sign of a zero.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from librt.strings import BytesWriter, write_f64_be, write_i16_be, write_i32_be, write_i64_be
from msgspec import Raw
from mypy_extensions import i16, i32, i64, u8

from detectors.drift.references.shortest import is_whole
from monitor.drift.banks.slots import Read, Sample
from monitor.drift.channels import ROWS

_WORDS: Final = [list(row.place.words) if row.place is not None else [] for row in ROWS]
"""The words of a channel, where they are known; their order is that of the shapes that events carry."""
WORDED: Final = [position for position, words in enumerate(_WORDS) if words]
_CODES: Final = [{word: code for code, word in enumerate(words)} for words in _WORDS]
CHANNELS: Final = len(ROWS)

NIL: Final = 0xC0
DOUBLE: Final = 0xCB
FIELDS: Final = 0x90
"""The tag of a list of up to 15 is this and their number."""
LISTS: Final = [bytes([FIELDS + size]) for size in range(16)]
"""What is written before a list, by its length."""
VALUES: Final = Sample.__struct_fields__.index("values")
_FIELDS: Final = FIELDS + len(Sample.__struct_fields__)


def pack(sample: Sample) -> bytes:
    """A run as bytes."""
    # one by one a struct gives its fields ten times as slowly
    (
        number, run, version, at, values, notice, page, version_notice, version_page, timed, learns, whose, roots
    ) = _fields_of(sample)  # fmt: skip
    out = _out
    out.truncate(0)
    out.append(u8(_FIELDS))
    _write_whole(out, number)
    _write_text(out, run)
    _write_text(out, version)
    _write_number(out, at)
    _write_values(out, values)
    _write_number(out, notice)
    _write_number(out, page)
    _write_number(out, version_notice)
    _write_number(out, version_page)
    out.append(u8(0xC3 if timed else 0xC2))
    out.append(u8(0xC3 if learns else 0xC2))
    if whose:
        out.write(_encode(whose))
    else:
        out.append(u8(FIELDS))
    _write_whole(out, roots)
    return out.getvalue()


def unpack(packed: bytes | Raw) -> Sample:
    """Also what versions before wrote: every number a float, every word itself, and fewer channels."""
    sample = _decode(packed)
    values = sample.values
    if len(values) < CHANNELS:
        values += [None] * (CHANNELS - len(values))
    for position in WORDED:
        value: Read = values[position]
        if isinstance(value, float):
            values[position] = _WORDS[position][int(value)]
    return sample


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Sample).decode
_fields_of: Final = msgspec.structs.astuple
_out: Final = BytesWriter()
"""Working memory of `pack`; nothing in it outlives that."""


def _write_values(out: BytesWriter, values: list[Any]) -> None:
    size: i64 = len(values)
    if size < 16:
        out.append(u8(FIELDS + size))
    else:
        out.append(u8(0xDC))
        write_i16_be(out, i16(size))
    at: i64 = 0
    while at < size:
        value = values[at]
        if value is None:
            out.append(u8(NIL))
        elif isinstance(value, float):
            number: float = value
            code: i64 = int(number) if 0.0 <= number < 128.0 else -1
            if code >= 0 and float(code) == number:  # most of them
                out.append(u8(code))
            else:
                _write_number(out, number)
        elif isinstance(value, str):
            words = _WORDS[at]
            if words:
                _write_word(out, value, words, at)
            else:
                _write_text(out, value)
        elif isinstance(value, dict):
            parts: i64 = len(value)
            if parts < 16:
                out.append(u8(0x80 + parts))
                for name, part in value.items():
                    _write_text(out, name)
                    _write_number(out, part)
            else:
                out.write(_encode({name: int(part) if is_whole(part) else part for name, part in value.items()}))
        else:
            out.append(u8(NIL))
        at += 1


def _write_word(out: BytesWriter, word: str, words: list[str], at: i64) -> None:
    """A word of a channel that has few of them."""
    if word is words[0]:  # nearly all of those that have two
        out.append(u8(0))
    elif word is words[1]:
        out.append(u8(1))
    else:
        code = _CODES[at].get(word)
        if code is None:
            _write_text(out, word)
        else:
            _write_whole(out, code)


def _write_number(out: BytesWriter, number: float) -> None:
    """See `detectors.drift.references.shortest`."""
    if is_whole(number):
        _write_whole(out, int(number))
    else:
        out.append(u8(DOUBLE))
        write_f64_be(out, number)


def _write_whole(out: BytesWriter, number: i64) -> None:
    """In the fewest bytes."""
    if 0 <= number < 128:
        out.append(u8(number))
    elif number >= 0:
        if number < 1 << 8:
            out.append(u8(0xCC))
            out.append(u8(number))
        elif number < 1 << 16:
            out.append(u8(0xCD))
            out.append(u8(number >> 8))
            out.append(u8(number & 0xFF))
        elif number < 1 << 32:
            out.append(u8(0xCE))
            for shift in (24, 16, 8, 0):
                out.append(u8(number >> shift & 0xFF))
        else:
            out.append(u8(0xCF))
            write_i64_be(out, number)
    elif number >= -32:
        out.append(u8(256 + number))
    elif number >= -(1 << 7):
        out.append(u8(0xD0))
        out.append(u8(256 + number))
    elif number >= -(1 << 15):
        out.append(u8(0xD1))
        write_i16_be(out, i16(number))
    elif number >= -(1 << 31):
        out.append(u8(0xD2))
        write_i32_be(out, i32(number))
    else:
        out.append(u8(0xD3))
        write_i64_be(out, number)


def _write_text(out: BytesWriter, text: str) -> None:
    written = text.encode()
    size: i64 = len(written)
    if size < 32:
        out.append(u8(0xA0 + size))
        out.write(written)
    elif size < 1 << 8:
        out.append(u8(0xD9))
        out.append(u8(size))
        out.write(written)
    else:
        out.write(_encode(text))
