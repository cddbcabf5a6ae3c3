"""The buttons under a message: what they look like, and what it means that somebody pressed one.

Pure: `row` makes the block, `read` takes Slack's payload apart, `actions` says what the router is told. Everything in a
payload is a stranger's until it was compared with what `row` could have written. Invariant: a press has the same name
and ids however often and whenever Slack tells of it, so a repeated one changes nothing. What stays the same is in the
payload: the message, who pressed, and when (`action_ts`); a repeated envelope has an id of its own.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec import Struct

from monitor.alerting.muting.incident import silences_of
from monitor.notify.message import Message
from monitor.notify.redact import name
from schemas.actions import Act, Action, Deed, SilenceSet
from schemas.alert import Incident

PREFIX = "forewarn:"
BLOCK_ID = 255
OPTION_TEXT = 75
OPTION_VALUE = 150

SILENCES = (("1 hour", 3_600), ("4 hours", 14_400), ("24 hours", 86_400), ("3 days", 259_200), ("1 week", 604_800))
"""For how long an incident can be silenced, seconds."""

MENU = 3_500
"""JSON characters of the menu of owners, of some 13,000 that a message may have. Owners beyond are left out."""

NEXT = "-"
"""Hand over without a name: to the next in line."""

_DEEDS: dict[str, Act] = {"ack": "ack", "unack": "unack", "false_alarm": "false_alarm", "not_mine": "not_mine"}
_INCIDENT = re.compile(r"[\w.:-]{1,64}", re.ASCII)
_USER = re.compile(r"[UW][A-Z0-9]{2,20}")
_IDS = uuid.UUID("0b9b5a43-93a8-5a3e-8d0a-33c0c5f0a0b1")


class Press(Struct, frozen=True, kw_only=True):
    """That somebody used a button or a menu. `user` and `user_name` are Slack's.

    `key` names the press, in 32 hex digits; empty where the payload does not say when it was.
    """

    key: str
    act: str
    value: str
    incidents: tuple[str, ...]
    user: str
    user_name: str
    channel: str


class NotUnderstood(Exception):
    """A payload that no button of ours can have sent; the message says what is wrong with it, in our words."""


def row(message: Message) -> dict[str, Any] | None:
    """The block of buttons; None where there is nothing to act on."""
    block_id = _block_id(message.incidents)
    if block_id is None:
        return None
    ack = _button("unack", "Take back") if message.acked else {**_button("ack", "Acknowledge"), "style": "primary"}
    silence = _menu("silence", "Silence for…", ((text, str(seconds)) for text, seconds in SILENCES))
    owners = ((name(owner, OPTION_TEXT) or "?", owner) for owner in message.owners if len(owner) <= OPTION_VALUE)
    hand_over = _menu("not_mine", "Not mine…", (("the next in line", NEXT), *owners))
    false_alarm = {
        **_button("false_alarm", "False alarm"),
        "style": "danger",
        "confirm": {
            "title": _plain("False alarm?"),
            "text": _plain("It counts against the budget of false alarms, and what is normal is learned anew."),
            "confirm": _plain("False alarm"),
            "deny": _plain("Cancel"),
        },
    }
    return {"type": "actions", "block_id": block_id, "elements": [ack, silence, hand_over, false_alarm]}


def read(payload: Mapping[str, Any]) -> Press:
    """What a payload of type `block_actions` says. Raises `NotUnderstood`."""
    if payload.get("type") != "block_actions":
        raise NotUnderstood("no block_actions")
    actions, user = payload.get("actions"), payload.get("user")
    if not isinstance(actions, list) or len(actions) != 1 or not isinstance(actions[0], dict):
        raise NotUnderstood("not one action")
    if not isinstance(user, dict) or not _USER.fullmatch(_text(user.get("id"))):
        raise NotUnderstood("no user")
    action = actions[0]
    block_id, act = _text(action.get("block_id")), _text(action.get("action_id")).removeprefix(PREFIX)
    incidents = tuple(block_id.removeprefix(PREFIX).split(","))
    if not block_id.startswith(PREFIX) or not all(map(_INCIDENT.fullmatch, incidents)):
        raise NotUnderstood("no incident")
    option = action.get("selected_option")
    value = _text(option.get("value")) if isinstance(option, dict) else ""
    if act == "silence" and value not in {str(seconds) for _, seconds in SILENCES}:
        raise NotUnderstood("no time to be silent")
    if act != "silence" and act not in _DEEDS:
        raise NotUnderstood("no button of ours")
    channel = payload.get("channel")
    return Press(
        key=_key(payload, _text(action.get("action_ts")), f"{user['id']}|{block_id}|{act}|{value}"),
        act=act,
        value=value,
        incidents=incidents,
        user=user["id"],
        user_name=name(_text(user.get("username") or user.get("name")), 80),
        channel=_text(channel.get("id") if isinstance(channel, dict) else ""),
    )


def actions(press: Press, by: str, now: float, incident: Callable[[str], Incident | None]) -> list[Action]:
    """What the router is told of a press; `by` is who did it. Incidents that nobody knows any more give nothing."""
    found: list[Action] = []
    for known in filter(None, map(incident, press.incidents)):
        if press.act == "silence":
            found += _silences(press, by, now, known)
        else:
            to = press.value if press.value != NEXT else ""
            act = _DEEDS[press.act]
            found.append(Deed(time=now, incident=known.id, act=act, by=by, to=to, note="in Slack", press=press.key))
    return found


def _silences(press: Press, by: str, now: float, incident: Incident) -> list[SilenceSet]:
    return silences_of(
        incident,
        float(press.value),
        now,
        name=lambda labels: str(uuid.uuid5(_IDS, f"{press.key or repr(now)}|{incident.id}|{labels}")),
        by=by,
        comment=f"incident {incident.id}, in Slack",
        press=press.key,
    )


def _key(payload: Mapping[str, Any], pressed: str, what: str) -> str:
    """Names a press of `what` at `pressed`, Slack's time to the microsecond."""
    container = payload.get("container")
    message = _text(container.get("message_ts")) if isinstance(container, Mapping) else ""
    return uuid.uuid5(_IDS, f"{message}|{pressed}|{what}").hex if pressed else ""


def _block_id(incidents: tuple[str, ...]) -> str | None:
    """The incidents that a row acts on, as many as fit."""
    kept: list[str] = []
    for incident in incidents:
        if _INCIDENT.fullmatch(incident) and len(PREFIX + ",".join((*kept, incident))) <= BLOCK_ID:
            kept.append(incident)
    return PREFIX + ",".join(kept) if kept else None


def _button(act: str, text: str) -> dict[str, Any]:
    return {"type": "button", "action_id": PREFIX + act, "text": _plain(text)}


def _menu(act: str, text: str, options: Iterable[tuple[str, str]]) -> dict[str, Any]:
    shown: list[dict[str, Any]] = []
    left = MENU
    for label, value in options:
        option = {"text": _plain(label), "value": value}
        left -= len(json.dumps(option, ensure_ascii=False))
        if left >= 0:
            shown.append(option)
    return {"type": "static_select", "action_id": PREFIX + act, "placeholder": _plain(text), "options": shown}


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
