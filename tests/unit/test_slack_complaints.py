"""What of Slack's events is a complaint: a row per payload. Everything in one is a stranger's."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.notify.slack.complaints.reactions import challenge, complaints
from schemas.config import SlackComplaints

RULES = [
    SlackComplaints.model_validate({"channel": "C0SUPPORT", "emoji": ["sos", "+1"], "agent": "refund-agent"}),
    SlackComplaints.model_validate({"channel": "C0SUPPORT", "emoji": ["rage", "sos"], "agent": "search-agent"}),
    SlackComplaints.model_validate({"channel": "C0OTHER", "emoji": ["sos"], "agent": "refund-agent"}),
]


def reaction(
    emoji: Any = "rage", channel: Any = "C0SUPPORT", ts: Any = "1767225600.000100", **more: Any
) -> dict[str, Any]:
    event = {"type": "reaction_added", "user": "U1", "reaction": emoji, "event_ts": "1767229200.000200"}
    item = {"type": "message", "channel": channel, "ts": ts}
    return {"type": "event_callback", "event": {**event, "item": item, **more}}


@pytest.mark.parametrize(
    ("payload", "agents", "why"),
    [
        (reaction(), ["search-agent"], "the emoji of one agent"),
        (reaction("sos"), ["refund-agent", "search-agent"], "that of two"),
        (reaction("sos", "C0OTHER"), ["refund-agent"], "in another channel"),
        (reaction("+1::skin-tone-3"), ["refund-agent"], "in another tone"),
        (reaction("tada"), [], "another emoji"),
        (reaction(channel="C0NOBODY"), [], "another channel"),
        (reaction(type="reaction_removed"), [], "taken back"),
        (reaction(item={"type": "file", "file": "F1"}), [], "under a file"),
        (reaction(ts="soon"), [], "no time"),
        (reaction(ts=1767225600.0), [], "a time that is no text"),
        (reaction(emoji=["rage"]), [], "no emoji"),
        (reaction(channel=None), [], "no channel"),
        (reaction(item=None), [], "no item"),
        ({"type": "event_callback", "event": "x"}, [], "no event"),
        ({"type": "block_actions"}, [], "a button"),
        ({}, [], "nothing"),
    ],
)
def test_which_reactions_are_complaints(payload: dict[str, Any], agents: list[str], why: str) -> None:
    found = complaints(payload, RULES)
    assert [each.agent for each in found] == agents, why
    assert all((each.kind, each.source, bytes(each.text)) == ("complaint", "slack", b"") for each in found)


def test_the_message_is_the_complaint_whoever_reacts_and_however_often() -> None:
    first, again = complaints(reaction(), RULES), complaints(reaction(user="U2", event_ts="1767239200.0"), RULES)
    assert first == again
    assert first[0].time == 1767225600.0001
    assert complaints(reaction(ts="1767225600.000200"), RULES)[0].id != first[0].id


def test_the_address_is_checked_with_a_challenge() -> None:
    assert challenge({"type": "url_verification", "challenge": "abc"}) == "abc"
    assert challenge({"type": "url_verification", "challenge": 5}) is None
    assert challenge(reaction()) is None
