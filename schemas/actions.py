"""What people and other systems tell the router: alerts that they post, silences, deeds on incidents.

Kept in the log beside events (on Kafka in `forewarn.control`), so that a replay and a restart see them as they came. In
the log they are JSON objects whose first bytes are `{"kind":"router.`. All times are epoch seconds. `by` says who did
it: `slack:U123 alice`, `token:ops`, `cli:alice`.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Struct

ACTION_PREFIX = b'{"kind":"router.'

Act = Literal["ack", "unack", "not_mine", "false_alarm", "new_normal"]


class Matcher(Struct, frozen=True, omit_defaults=True):
    """One comparison of one label, as Alertmanager's API writes it."""

    name: str
    value: str
    is_regex: bool = False
    is_equal: bool = True


class PostedAlert(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="router.alert"):
    """An alert that another system sent at `time`.

    Without `ends_at` it fires until `global: resolve_timeout` after `time`; sent again, it is prolonged. Without
    `starts_at` it began at `time`, or at its end where it has one.
    """

    time: float
    labels: dict[str, str]
    annotations: dict[str, str] = {}
    starts_at: float | None = None
    ends_at: float | None = None
    generator_url: str = ""


class SilenceSet(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="router.silence"):
    """A silence made or edited at `time`, with an id that was made where it came in.

    The id of a silence that is known edits it: it keeps the id where only its end, comment or author changed, or where
    it has not begun. Otherwise it ends and another stands in its place; `Router.silence_id` says under which id.
    `press` names the press of a button behind it: the same press again changes nothing, whenever it was told.
    """

    time: float
    id: str
    matchers: tuple[Matcher, ...]
    starts_at: float
    ends_at: float
    created_by: str = ""
    comment: str = ""
    press: str = ""


class SilenceEnded(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="router.silence_ended"):
    """A silence ended before its time."""

    time: float
    id: str
    by: str = ""


class Deed(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="router.deed"):
    """What a person did with an incident. `to`: the owner that it goes to, for `not_mine`; "" for the next in line.

    `ack` ends with the episode. `false_alarm` and `new_normal` end the incident and tell the engine (`Router.acks`).
    `press` names the press of a button behind it: the same press again changes nothing, whenever it was told.
    """

    time: float
    incident: str
    act: Act
    by: str
    to: str = ""
    note: str = ""
    press: str = ""


Action = PostedAlert | SilenceSet | SilenceEnded | Deed

_decoder = msgspec.json.Decoder(Action)
_encoder = msgspec.json.Encoder()


def is_action(raw: bytes) -> bool:
    """Whether a record of the log is for the router."""
    return raw.startswith(ACTION_PREFIX)


def decode_action(raw: bytes) -> Action:
    """Raises `msgspec.DecodeError` on what is no action."""
    action: Action = _decoder.decode(raw)
    return action


def encode_action(action: Action) -> bytes:
    """The JSON of an action, its kind first."""
    return _encoder.encode(action)
