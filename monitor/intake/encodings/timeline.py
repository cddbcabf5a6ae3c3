"""Lines of a timeline: alerts and silences as a person or another tool writes them, for `forewarn replay`.

    {"type": "alert", "time": …, "labels": {…}, "annotations": {…}, "ends_at": …}
    {"type": "silence", "time": …, "starts_at": …, "ends_at": …, "matchers": ["team=\\"db\\""], "comment": …}

One line → one action of `schemas.actions`, as if it had come through the API. Times are epoch seconds or RFC 3339.
Reads no file.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import NoReturn

import msgspec
from msgspec import Struct

from monitor.alerting.routing.matchers import parse_matchers, posted_of
from schemas import limits
from schemas.actions import ACTION_PREFIX, Action, Matcher, PostedAlert, SilenceSet, decode_action
from schemas.event import LATEST_TIME, BadEvent, Reason

IDS = uuid.UUID("0f0e3a9c-0d5e-5b8f-9a57-6b1f3a2d7c11")
"""Where the ids of silences without one come from: the same line has the same id."""

Time = float | datetime


class _AlertLine(Struct, kw_only=True, tag_field="type", tag="alert"):
    time: Time
    labels: dict[str, str]
    annotations: dict[str, str] = {}
    starts_at: Time | None = None
    ends_at: Time | None = None
    generator_url: str = ""


class _SilenceLine(Struct, kw_only=True, tag_field="type", tag="silence"):
    time: Time
    ends_at: Time
    matchers: list[str | Matcher] | str
    starts_at: Time | None = None
    id: str = ""
    comment: str = ""
    created_by: str = ""


_decoder = msgspec.json.Decoder(_AlertLine | _SilenceLine)


class _Type(Struct):
    type: str
    kind: str = ""


_type_decoder = msgspec.json.Decoder(_Type)


def is_timeline(raw: bytes) -> bool:
    """Whether a line is one of a timeline: it has a `type`, and is of no kind of event."""
    try:
        return not _type_decoder.decode(raw).kind
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def read_action(raw: bytes) -> Action:
    """The action that a line tells: one of a timeline, or one that a monitor wrote into its log. Raises `BadEvent`."""
    if len(raw) > limits.EVENT_BYTES:
        raise BadEvent(Reason.TOO_LARGE, f"{len(raw)} bytes; at most {limits.EVENT_BYTES}")
    try:
        if raw.startswith(ACTION_PREFIX):
            return decode_action(raw)
        line = _decoder.decode(raw)
    except msgspec.DecodeError as error:
        raise BadEvent(Reason.WRONG_TYPE, f"no alert and no silence: {error}") from None
    except (UnicodeDecodeError, RecursionError) as error:
        raise BadEvent(Reason.NOT_JSON, str(error)) from None
    return _alert(line) if isinstance(line, _AlertLine) else _silence(line, raw)


def _alert(line: _AlertLine) -> PostedAlert:
    labels = {name: value for name, value in line.labels.items() if value}  # an empty label is none
    if not labels:
        _bad("an alert needs a label")
    starts_at, ends_at = _moment(line.starts_at), _moment(line.ends_at)
    if starts_at is not None and ends_at is not None and ends_at < starts_at:
        _bad("an alert ends after it starts")
    at = _epoch(line.time)
    if starts_at is None and ends_at is not None and ends_at > at:
        starts_at = at  # the API would let it begin at its end, which nobody means
    return PostedAlert(
        time=at, labels=labels, annotations=line.annotations, starts_at=starts_at, ends_at=ends_at,
        generator_url=line.generator_url,
    )  # fmt: skip


def _silence(line: _SilenceLine, raw: bytes) -> SilenceSet:
    at = _epoch(line.time)
    starts_at, ends_at = _moment(line.starts_at), _epoch(line.ends_at)
    starts_at = at if starts_at is None else starts_at
    if ends_at <= starts_at:
        _bad("a silence ends after it starts")
    matchers: list[Matcher] = []
    for given in [line.matchers] if isinstance(line.matchers, str) else line.matchers:
        matchers += read_matchers(given) if isinstance(given, str) else [given]
    if not matchers:
        _bad("a silence needs a matcher")
    return SilenceSet(
        time=at, id=line.id or str(uuid.uuid5(IDS, raw.decode("utf-8", "replace"))), matchers=tuple(matchers),
        starts_at=starts_at, ends_at=ends_at, created_by=line.created_by, comment=line.comment,
    )  # fmt: skip


def read_matchers(text: str) -> list[Matcher]:
    """Matchers in Alertmanager's syntax, for the router. Raises `BadEvent`."""
    try:
        return [posted_of(found) for found in parse_matchers(text)]
    except ValueError as error:
        _bad(str(error))


def _moment(time: Time | None) -> float | None:
    return None if time is None else _epoch(time)


def _epoch(time: Time) -> float:
    if isinstance(time, datetime):
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    if not 0.0 <= float(time) < LATEST_TIME:
        raise BadEvent(Reason.UNREADABLE_TIME, f"{time!r} is no time; write epoch seconds or RFC 3339")
    return float(time)


def _bad(why: str) -> NoReturn:
    raise BadEvent(Reason.WRONG_TYPE, why)
