"""A reaction under a message in a support channel, as a complaint about an agent.

Pure. The YAML says which emoji in which channel means which agent (`slack: complaints:`). The complaint came when the
message was posted; its text is not read. Everything in a payload is a stranger's until it fits a rule. Invariant: the
same message gives the same complaint, whoever reacts and however often Slack tells of it.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from schemas.config import SlackComplaints
from schemas.event import Event

SOURCE = "slack"
_MOMENT = re.compile(r"[0-9]{1,11}\.[0-9]{1,9}")
_IDS = uuid.UUID("5b0f0f3e-6c0c-5f37-9d0e-8f8b7f3f4c52")


def challenge(payload: Mapping[str, Any]) -> str | None:
    """What Slack wants back when it checks the address of its events; None for anything else."""
    said = payload.get("challenge")
    return said if payload.get("type") == "url_verification" and isinstance(said, str) else None


def complaints(payload: Mapping[str, Any], rules: Iterable[SlackComplaints]) -> list[Event]:
    """The complaints that an event of Slack's Events API means: one for each agent whose rule it fits, else none."""
    event = payload.get("event")
    if payload.get("type") != "event_callback" or not isinstance(event, dict) or event.get("type") != "reaction_added":
        return []
    item, reaction = event.get("item"), event.get("reaction")
    if not isinstance(item, dict) or item.get("type") != "message" or not isinstance(reaction, str):
        return []
    channel, posted = item.get("channel"), item.get("ts")
    if not isinstance(channel, str) or not isinstance(posted, str) or not _MOMENT.fullmatch(posted):
        return []
    emoji = reaction.partition("::")[0]  # without the tone of the skin
    agents = dict.fromkeys(rule.agent for rule in rules if rule.channel == channel and emoji in rule.emoji)
    return [
        Event(
            kind="complaint",
            time=float(posted),
            id=str(uuid.uuid5(_IDS, f"{channel}|{posted}|{agent}")),
            agent=agent,
            source=SOURCE,
        )
        for agent in agents
    ]
