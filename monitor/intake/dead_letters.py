"""DeadLetter: what is kept of an input that could not be read. Never its text.

Invariant: `detail` holds positions, field names and sizes; whatever was quoted from the input is cut out of it.
"""

from __future__ import annotations

import hashlib
import re

import msgspec
from msgspec import Struct

from schemas.event import REQUIRED, BadEvent, Reason

DETAIL_LENGTH = 200
"""Characters of `detail`; the rest is cut."""

_QUOTED = re.compile(r"['\"](.*)['\"]", re.DOTALL)  # greedy: the text itself may hold quotes


class DeadLetter(Struct, frozen=True, kw_only=True):
    """One input that was not taken: where it stood, why, and enough to recognise it again.

    `time`: epoch seconds of receipt. `source`: `http:/v1/events[3]`, `kafka:otlp_spans/2@17`. `size` in bytes.
    `sha256`: the first 16 hex digits of the input's hash.
    """

    time: float
    source: str
    reason: Reason
    detail: str
    size: int
    sha256: str


def dead_letter(raw: bytes, error: BadEvent, *, time: float, source: str) -> DeadLetter:
    """What is kept of `raw`, which failed with `error`."""
    return DeadLetter(
        time=time,
        source=source,
        reason=error.reason,
        detail=_without_text(error.detail)[:DETAIL_LENGTH],
        size=len(raw),
        sha256=hashlib.sha256(raw).hexdigest()[:16],
    )


def encode(letter: DeadLetter) -> bytes:
    """The JSON of a dead letter, for the dead-letter log."""
    return msgspec.json.encode(letter)


def decode(raw: bytes) -> DeadLetter:
    """Raises `msgspec.DecodeError`."""
    return msgspec.json.decode(raw, type=DeadLetter)


def _without_text(detail: str) -> str:
    return _QUOTED.sub(lambda match: match[0] if match[1] in REQUIRED else "'…'", detail)
