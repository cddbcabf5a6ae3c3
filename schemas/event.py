"""Event v1: one thing an agent did, as it reaches us.

`decode` reads one JSON object on the hot path (msgspec); `schemas.border` holds the same shape as pydantic models for
people, `forewarn emit` and JSON Schema. A test holds the two equal.

Invariant: a decoded `Event` has a known kind, a finite `time` in epoch seconds, and the fields that its kind needs.
Anything else is a `BadEvent` with a named reason.
"""

from __future__ import annotations

import enum
import hashlib
import math
from datetime import UTC, datetime
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta, Raw, Struct

from schemas import limits

Name = Annotated[str, Meta(max_length=limits.NAME_LENGTH)]
Whole = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
"""A whole number that state can hold. Larger: dead letter, `bad_value`."""
Shape = Annotated[list[float], Meta(max_length=limits.SHAPE_NUMBERS)]
Fields = Annotated[list[Name], Meta(max_length=limits.FIELDS_READ)]
Violations = Annotated[list[Name], Meta(max_length=limits.VIOLATIONS_READ)]
COMPONENT_KINDS = ("agent", "tool", "prompt", "model", "retriever")
COMPONENT_FORM = f"^(?:{'|'.join(COMPONENT_KINDS)}):."
"""A kind and a name: `prompt:refund`."""
ComponentName = Annotated[str, Meta(max_length=limits.NAME_LENGTH, pattern=COMPONENT_FORM)]
Counted = Annotated[int, Meta(ge=0, le=limits.COUNTED)]
Seconds = Annotated[float, Meta(ge=0.0, le=limits.DURATION_SECONDS)]
Dollars = Annotated[float, Meta(ge=0.0, le=limits.COST_USD)]
Part = Annotated[float, Meta(ge=0.0, le=1.0)]
Status = Literal["ok", "error"]
Actor = Literal["agent", "user"]
Variant = Literal["stable", "canary", "shadow"]
Stage = Literal["shadow", "canary", "full", "rolled_back"]
Action = Literal["allowed", "blocked", "rewritten"]

NOTHING = Raw(b"")
"""A text field that was not sent; one that was holds its JSON, unparsed."""

LATEST_TIME = 253_402_300_800.0  # the year 10000; a larger number is not in seconds


class Reason(enum.StrEnum):
    """Why an input was not taken as an event."""

    NOT_JSON = "not_json"
    NOT_UTF8 = "not_utf8"
    NOT_AN_OBJECT = "not_an_object"
    TOO_DEEP = "too_deep"
    TOO_LARGE = "too_large"
    TOO_LONG = "too_long"
    TOO_MANY_LABELS = "too_many_labels"
    WRONG_TYPE = "wrong_type"
    BAD_VALUE = "bad_value"
    """Of the right type, and yet nothing that the field can hold: a negative duration, a component without its kind."""
    MISSING_FIELD = "missing_field"
    NO_AGENT = "no_agent"
    UNREADABLE_TIME = "unreadable_time"
    UNKNOWN_KIND = "unknown_kind"
    """Counted and skipped, never a dead letter: a newer producer may know more kinds than we do."""
    RESERVED_KIND = "reserved_kind"
    UNSUPPORTED_VERSION = "unsupported_version"
    NOT_OTLP = "not_otlp"
    BAD_SPAN = "bad_span"


class BadEvent(Exception):
    """An input that is no event: `reason`, and `detail` that says where and what instead."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Event(Struct, gc=False, kw_only=True, omit_defaults=True):
    """One event of any kind; fields that do not belong to its kind stay at their default.

    `time` and `observed_time` are epoch seconds (UTC), `duration_seconds` seconds, `cost_usd` US dollars, tokens
    counts. From `soft_error` on the fields are ours: what is kept of text that is dropped (`schemas.texts.derive`,
    `monitor.reading`).
    """

    # In about the order in which producers send them: the decoder looks for each from where it found the last field,
    # so that a step back is a walk past all of them.
    id: Name = ""
    kind: Name
    time: float | datetime
    producer: Name | None = None
    agent: Name | None = None
    version: Name | None = None
    run: Name | None = None
    parent_run: Name | None = None
    parent_agent: Name | None = None
    session: Name | None = None
    user: Name | None = None
    tenant: Name | None = None
    labels: dict[Name, Name] | None = None
    pair: Name | None = None
    variant: Variant = "stable"
    # runs
    input: Raw = NOTHING
    trigger: Name | None = None
    # calls
    model: Name | None = None
    response_model: Name | None = None
    provider: Name | None = None
    input_tokens: Counted | None = None
    output_tokens: Counted | None = None
    cached_tokens: Counted | None = None
    cost_usd: Dollars | None = None
    finish_reason: Name | None = None
    tool: Name | None = None
    tool_version: Name | None = None
    call_id: Name | None = None
    arguments: Raw = NOTHING
    result: Raw = NOTHING
    duration_seconds: Seconds | None = None
    status: Status | None = None
    error_type: Name | None = None
    outcome: Name | None = None
    output: Raw = NOTHING
    attempt: Counted | None = None
    actor: Actor = "agent"
    source: Name | None = None
    hits: Counted | None = None
    top_score: float | None = None
    document: Name | None = None
    # what the agent handed on
    to_agent: Name | None = None
    from_: Name | None = msgspec.field(default=None, name="from")
    to: Name | None = None
    reason: Name | None = None
    name: Name | None = None
    action: Action | None = None
    # what others said of it
    score: float | None = None
    label: Name | None = None
    rating: float | None = None
    text: Raw = NOTHING
    # changes
    component: ComponentName | None = None
    previous: Name | None = None
    stage: Stage | None = None
    share: Part | None = None
    author: Name | None = None
    url: Annotated[str, Meta(max_length=2048)] | None = None
    # what is seldom said
    schema_version: Whole = 1
    observed_time: float | None = None
    # kept in place of text
    soft_error: bool | None = None
    arguments_hash: Whole | None = None
    result_hash: Whole | None = None
    result_empty: bool | None = None
    input_hash: Whole | None = None
    output_hash: Whole | None = None
    output_shape: Shape | None = None
    arguments_fields: Fields | None = None
    result_fields: Fields | None = None
    violations: Violations | None = None
    output_fields: Fields | None = None
    result_form: Name | None = None
    output_marks: Fields | None = None
    arguments_looks: Fields | None = None
    result_looks: Fields | None = None
    result_traits: Fields | None = None

    @property
    def at(self) -> float:
        """Epoch seconds; after `decode` the field itself is a float."""
        time = self.time
        return time if isinstance(time, float) else _epoch_seconds(time)


REQUIRED: dict[str, tuple[str, ...]] = {
    "run_started": ("agent", "run"),
    "run_finished": ("agent", "run"),
    "llm_call": ("agent", "run"),
    "tool_call": ("agent", "run", "tool"),
    "retrieval": ("agent", "run"),
    "handoff": ("agent", "run", "to_agent"),
    "fallback": ("agent", "run"),
    "escalation": ("agent", "run"),
    "guardrail": ("agent", "run", "name"),
    "evaluation": ("run", "name"),
    "feedback": (),
    "complaint": (),
    "change": ("component", "version"),
    "heartbeat": ("producer",),
}
"""Kind → the fields that it cannot do without. The keys are the kinds of version 1."""

ANCHORS: dict[str, tuple[str, ...]] = {
    "feedback": ("agent", "run", "session", "user"),
    "complaint": ("agent", "run", "session", "user"),
}
"""Kind → fields of which at least one must be there, so that the event can be given to an agent."""

_OF_RUNS = frozenset(kind for kind, names in REQUIRED.items() if names in (("agent", "run"), ("agent", "run", "tool")))
"""Nearly all events are of these kinds: `decode` checks them at a glance."""

TOLD_LATE = frozenset(("complaint",))
"""Kinds whose time is when a person spoke; it stands however much later we hear of it."""

RESERVED_PREFIX = "forewarn."
"""Kinds that only the monitor writes: ticks, grants, acks."""

_WORDS = {"variant": Variant, "status": Status, "actor": Actor, "action": Action, "stage": Stage}
_decoder = msgspec.json.Decoder(Event)
_encoder = msgspec.json.Encoder()


def is_skewed(event: Event, observed: float) -> bool:
    """Whether its time is too far from `observed` to be taken for true; it is then taken at `observed`."""
    off = event.at - observed
    return off > limits.SKEW_SECONDS or (off < -limits.SKEW_SECONDS and event.kind not in TOLD_LATE)


def decode(raw: bytes) -> Event:
    """One JSON object → one event. Raises `BadEvent`.

    An event without `id` gets one from its bytes, so that the same bytes sent again are a duplicate.
    """
    if len(raw) > limits.EVENT_BYTES:
        raise BadEvent(Reason.TOO_LARGE, f"{len(raw)} bytes; at most {limits.EVENT_BYTES}")
    try:
        if not raw.isascii():
            raw.decode()  # text fields are not parsed here, so nothing else would look at their bytes
        event = _decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise _explain(raw, error) from None
    except RecursionError:
        raise BadEvent(Reason.TOO_DEEP, "nested too deeply to read") from None
    except UnicodeDecodeError as error:
        raise BadEvent(Reason.NOT_UTF8, f"invalid UTF-8 at byte {error.start}") from None
    except msgspec.DecodeError as error:
        raise BadEvent(Reason.NOT_JSON, str(error)) from None
    if not event.id:
        event.id = "h" + hashlib.blake2b(raw, digest_size=12).hexdigest()
    kind, time, labels = event.kind, event.time, event.labels
    if (
        kind in _OF_RUNS
        and event.agent
        and event.run
        and (kind != "tool_call" or event.tool)
        and type(time) is float
        and 0.0 <= time < LATEST_TIME
        and event.schema_version == 1
        and (labels is None or len(labels) <= limits.LABELS)
    ):
        return event  # nothing that `check` would say
    return check(event)


def check(event: Event) -> Event:
    """The event with `time` as a float, if it holds what its kind needs; else `BadEvent`."""
    kind, time = event.kind, event.time
    required = REQUIRED.get(kind)
    if required is None:
        if kind.startswith(RESERVED_PREFIX):
            raise BadEvent(Reason.RESERVED_KIND, f"kind {kind!r} is written by the monitor alone")
        raise BadEvent(Reason.UNKNOWN_KIND, f"kind {kind[:80]!r}; known: {', '.join(REQUIRED)}")
    if event.schema_version != 1:
        raise BadEvent(Reason.UNSUPPORTED_VERSION, f"schema_version {event.schema_version}; this monitor reads 1")
    if not isinstance(time, float):
        time = event.time = _epoch_seconds(time)
    if not (0.0 <= time < LATEST_TIME):
        hint = "; milliseconds? `time` is epoch seconds or RFC 3339" if time >= LATEST_TIME else ""
        raise BadEvent(Reason.UNREADABLE_TIME, f"time {time!r} is no date{hint}")
    for name in required:
        if not getattr(event, name):
            reason = Reason.NO_AGENT if name == "agent" else Reason.MISSING_FIELD
            raise BadEvent(reason, f"kind {kind!r} needs `{name}`")
    anchors = ANCHORS.get(kind)
    if anchors is not None and not any(getattr(event, name) for name in anchors):
        raise BadEvent(Reason.NO_AGENT, f"kind {kind!r} needs one of {', '.join(anchors)}")
    if event.labels is not None and len(event.labels) > limits.LABELS:
        raise BadEvent(Reason.TOO_MANY_LABELS, f"{len(event.labels)} labels; at most {limits.LABELS}")
    return event


def encode(event: Event) -> bytes:
    """The JSON of an event, defaults left out."""
    return _encoder.encode(event)


def raw(value: object) -> Raw:
    """Any JSON value as a text field (`input`, `output`, `arguments`, `result`, `text`)."""
    return Raw(_encoder.encode(value))


def _epoch_seconds(time: float | datetime) -> float:
    if isinstance(time, datetime):
        if time.tzinfo is None:
            time = time.replace(tzinfo=UTC)
        return time.timestamp()
    value = float(time)
    return value if math.isfinite(value) else -1.0


def _explain(raw: bytes, error: msgspec.ValidationError) -> BadEvent:
    """Which kind of wrong: msgspec says where (`$.field`) and what it expected."""
    message = str(error)
    if "at `$" not in message and "missing required field" not in message:
        return BadEvent(Reason.NOT_AN_OBJECT, message)
    if "missing required field `kind`" in message or "missing required field `time`" in message:
        return BadEvent(Reason.MISSING_FIELD, message)
    kind = _kind_of(raw)
    if kind is not None and kind not in REQUIRED and not kind.startswith(RESERVED_PREFIX):
        return BadEvent(Reason.UNKNOWN_KIND, f"kind {kind[:80]!r}; known: {', '.join(REQUIRED)}")
    if message.startswith("Invalid enum value"):  # first: it quotes the value, which may say anything
        words = get_args(_WORDS.get(message.rpartition("$.")[2].removesuffix("`")))
        return BadEvent(Reason.WRONG_TYPE, f"{message}; one of {', '.join(words)}" if words else message)
    if "$.time`" in message:
        return BadEvent(Reason.UNREADABLE_TIME, f"{message}; `time` is epoch seconds or RFC 3339")
    if "of length <=" in message:
        return BadEvent(Reason.TOO_LONG, message)
    if "matching regex" in message:  # only a component is asked for its form
        kinds = ", ".join(f"`{each}:`" for each in COMPONENT_KINDS)
        return BadEvent(Reason.BAD_VALUE, f"`component` is one of {kinds} and a name - at `$.component`")
    if "` >= " in message or "` <= " in message:
        return BadEvent(Reason.BAD_VALUE, message)
    return BadEvent(Reason.WRONG_TYPE, message)


class _Kind(Struct, gc=False):
    kind: str


_kind_decoder = msgspec.json.Decoder(_Kind)


def _kind_of(raw: bytes) -> str | None:
    try:
        return _kind_decoder.decode(raw).kind
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
