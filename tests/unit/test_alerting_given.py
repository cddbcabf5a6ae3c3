"""An incident that is handed over under a `route:`: its new owner is called in the message that tells of it, once."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from monitor.alerting.dispatch.told import PREFIX
from monitor.alerting.router import Router
from monitor.notify.composing import message_of
from monitor.notify.slack.blocks import render, ring_text
from schemas.actions import Deed
from schemas.alert import Notification
from schemas.config import Config
from tests.doubles.alert_log import Told, silence
from tests.doubles.clock import START
from tests.doubles.findings import finding

OWNERS = {"payments": {"mention": "U0PAY"}, "fraud": {"mention": "S0FRAUD"}, "platform": {"mention": "U0PLAT"}}
ROUTE = {"receiver": "oncall", "group_wait": "0s", "group_interval": "1m", "repeat_interval": "30d"}


def config(owners: Any = OWNERS, **route: Any) -> Config:
    return Config.model_validate({"owners": owners, "route": ROUTE | route, "receivers": [{"name": "oncall"}]})


def paged(config: Config, **more: Any) -> Told:
    told = Told(config)
    told.take(finding(**more))
    return told


def give(told: Told, at: float, to: str, act: Any = "not_mine") -> list[Notification]:
    """Hand the first incident over; what is said in that moment."""
    before = len(told.notifications)
    deed = Deed(time=START + at, incident=told.router.incidents()[0].id, act=act, by="cli:kim", to=to)
    told.take(deed)
    return [each for each in told.notifications[before:] if each.time == START + at]


def restart(told: Told, config: Config) -> None:
    entries = [(key, raw) for key, raw in told.router.changes() if raw is not None]
    told.router = Router(config)
    told.router.load(entries)


def rings(told: Told) -> list[str]:
    """`oncall fraud`: where it rang, and for whom."""
    return [
        " ".join((each.receiver, *(call.owner for call in each.called))) for each in told.notifications if each.mention
    ]


def test_the_new_owner_is_called_at_once_in_the_living_message_and_once() -> None:
    told = paged(config())
    (word,) = give(told, 90, "fraud")
    message = message_of(word, config(), mention=word.mention)
    assert (word.receiver, word.incident, str(word.reason)) == (
        "oncall", told.notifications[0].incident, "handed over",
    )  # fmt: skip
    assert ring_text(message) == (
        "<!subteam^S0FRAUD> this was handed over to `fraud`: "
        "`refund-agent v13: tool issue_refund fails 16 % of runs, was 4 %`"
    )
    restart(told, config())
    told.take(finding(100, status="update", after=0.5))
    told.until(2_000)
    assert rings(told) == ["oncall payments", "oncall fraud"]
    last = message_of(told.notifications[-1], config())
    assert last.owner == "fraud" and last.others == (), "the alert under its old owner is not said to be over beside it"


def test_each_time_that_it_changes_hands_whom_it_is_given_is_called_also_who_had_it_before() -> None:
    told = paged(config())
    for at, to in ((90, "fraud"), (95, "payments"), (100, "fraud")):
        give(told, at, to)
    restart(told, config())
    told.until(500)
    give(told, 510, "payments")
    told.until(1_000)
    assert rings(told) == [f"oncall {to}" for to in ("payments", "fraud", "payments", "fraud", "payments")]


def test_the_line_says_that_it_was_handed_over_whatever_is_said_before_it_is_sent() -> None:
    told = paged(config())
    (word,) = give(told, 90, "fraud")
    (acked,) = give(told, 91, "", "ack")
    assert not acked.mention
    line = ring_text(message_of(word, config(), mention=True))
    assert ring_text(message_of(acked, config(), mention=True)) == line


def test_where_the_route_goes_to_an_owner_the_new_one_is_called_all_the_same() -> None:
    routed = config(receiver="platform")
    told = paged(routed)
    assert message_of(told.notifications[0], routed, mention=True).mentions == ("U0PLAT",)
    (word,) = give(told, 90, "fraud")
    assert message_of(word, routed, mention=True).mentions == ("S0FRAUD",)


def test_a_notice_that_is_handed_over_rings_nobody_until_it_is_a_page() -> None:
    told = paged(config(), mode="notice")
    give(told, 90, "fraud")
    told.until(300)
    assert rings(told) == []
    told.take(finding(400, id="grown"))
    told.until(600)
    assert rings(told) == ["oncall fraud"]


def test_before_the_group_was_told_its_first_message_calls_the_new_owner_alone() -> None:
    told = paged(config(group_wait="30s"))
    assert give(told, 10, "fraud") == []
    told.until(300)
    assert rings(told) == ["oncall fraud"]
    assert message_of(told.notifications[0], config()).owner == "fraud"


def test_who_is_given_it_while_it_is_silenced_is_called_behind_the_silence() -> None:
    told = paged(config())
    told.take(silence(70, "tool=issue_refund", 70, 500))
    give(told, 90, "fraud")
    restart(told, config())
    told.until(499)
    assert rings(told) == ["oncall payments"]
    told.until(600)
    assert rings(told) == ["oncall payments", "oncall fraud"]
    assert len({each.incident for each in told.notifications}) == 1
    assert {each.status for each in told.notifications} == {"firing"}


def test_the_end_of_another_one_does_not_close_the_message_of_what_is_handed_over_and_silenced() -> None:
    told = paged(config())
    told.take(finding(5, key="k2", node={"agent": "other"}, onset=-9000), silence(70, "tool=issue_refund", 70, 500))
    give(told, 90, "fraud")
    told.take(finding(100, key="k2", node={"agent": "other"}, status="resolved"))
    told.until(499)
    assert {each.status for each in told.notifications} == {"firing"} and "fraud" not in str(rings(told))
    told.until(600)
    assert rings(told)[-1] == "oncall fraud" and len({each.incident for each in told.notifications}) == 1


def test_a_silence_of_the_former_owner_does_not_keep_the_new_one_from_being_called_at_once() -> None:
    told = paged(config())
    told.take(silence(70, "owner=payments", 70, 5_000))
    assert [each.mention for each in give(told, 90, "fraud")] == [True]


def test_who_has_a_message_of_its_own_since_it_was_escalated_is_rung_there_and_not_twice() -> None:
    escalating = config({**OWNERS, "payments": {"escalate": {"after": "5m", "to": "platform"}}})
    told = paged(escalating)
    told.until(400)
    assert rings(told) == ["oncall payments", "platform"]
    give(told, 500, "platform")
    told.until(1_000)
    assert rings(told)[2:] == ["platform"]
    give(told, 1_100, "fraud")
    told.until(1_500)
    assert rings(told)[3:] == ["oncall fraud"]


def test_where_the_tree_goes_by_owner_the_new_one_is_rung_in_a_message_of_their_own() -> None:
    tree = Config.model_validate({"owners": OWNERS, "route": {key: v for key, v in ROUTE.items() if key != "receiver"}})
    told = paged(tree)
    give(told, 90, "fraud")
    told.until(500)
    assert rings(told) == ["payments payments", "fraud fraud"]


@pytest.mark.parametrize("told_by", ["this version", "the one before", "one that did not note who rang"])
def test_messages_of_before_are_read_and_ring_for_what_is_handed_over_now(told_by: str) -> None:
    told = paged(config())
    stored = []
    for key, raw in told.router.changes():
        if raw is not None and told_by != "this version" and key.startswith((PREFIX, "router/alert/")):
            entry = msgspec.msgpack.decode(raw[1:])
            entry.pop("handed", None)
            if told_by != "the one before":
                entry.pop("rung", None)
            raw = raw[:1] + msgspec.msgpack.encode(entry)
        if raw is not None:
            stored.append((key, raw))
    told.router = Router(config())
    told.router.load(stored)
    told.until(200)
    give(told, 210, "fraud")
    told.until(500)
    assert rings(told) == ["oncall payments", "oncall fraud"]


def test_the_message_as_slack_shows_it_keeps_its_place_and_says_the_new_owner() -> None:
    told = paged(config())
    (word,) = give(told, 90, "fraud")
    blocks, text = render(message_of(word, config()))
    assert "owner fraud" in text and "handed over to fraud" in str(blocks)
