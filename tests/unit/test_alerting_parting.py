"""Under an edited `route:`: a message whose alerts are told elsewhere says where, and nobody is rung for it again."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from monitor.alerting.dispatch.groups import PREFIX
from monitor.alerting.router import Router
from monitor.alerting.routing.receivers import Target
from monitor.notify import console
from monitor.notify.composing import message_of
from monitor.notify.outbox import Outbox
from monitor.notify.slack.blocks import render
from schemas.actions import Deed
from schemas.alert import Notification
from schemas.config import Config
from tests.doubles import block_rules
from tests.doubles.alert_log import Told, alert, silence
from tests.doubles.clock import START
from tests.doubles.findings import finding
from tests.doubles.notifications import put

OWNERS: dict[str, Any] = {"platform": {"mention": "U0PLAT"}, "payments": {"mention": "U0PAY"}}
WAITS = {"group_wait": "0s", "group_interval": "1m", "repeat_interval": "30d"}
FAR = {"ends": 90_000.0}


def config(*owners: str, receivers: str = "", **route: Any) -> Config:
    return Config.model_validate(
        {
            "owners": {name: OWNERS[name] for name in owners},
            "defaults": {"owner": "platform"} if owners else {},
            "route": WAITS | route,
            "receivers": [{"name": name} for name in receivers.split()],
        }
    )


LEFT, BOTH = config("platform"), config("platform", "payments")
ONE, TWO = (config(*OWNERS, receivers="r s", receiver="r", group_by=[by]) for by in ("alertname", "agent"))
MOVED = config(
    *OWNERS, receivers="r s", receiver="r", group_by=["alertname"],
    routes=[{"matchers": ["agent=refund-agent"], "receiver": "s"}],
)  # fmt: skip


class Life(Told):
    """A router that can be killed. `stored`: what was durable."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.stored: dict[str, bytes | None] = {}

    def edit(self, config: Config, at: float, *, restart: bool = False) -> None:
        """Go on under another configuration, by a reload or by a start."""
        if restart:
            self.stored |= dict(self.router.changes())
            self.router = Router(config)
            self.router.load((key, raw) for key, raw in self.stored.items() if raw is not None)
        else:
            self.router.reload(config, START + at)


def rings(told: Life) -> list[str]:
    return [each.receiver for each in told.notifications if each.mention]


def states(each: Notification, config: Config) -> dict[str, str]:
    return {fact.name: fact.value for fact in message_of(each, config).states}


@pytest.mark.parametrize("restart", [False, True])
def test_once_its_owner_is_named_the_message_of_the_default_owner_says_who_has_it(restart: bool) -> None:
    told = Life(LEFT)
    told.take(alert(0, "A owner=payments", **FAR), alert(1, "B owner=platform", **FAR))
    told.until(10)
    told.edit(BOTH, 10, restart=restart)
    told.edit(BOTH, 10, restart=True)  # killed before it was said
    told.until(500)
    assert sorted(line.partition(" ")[2] for line in told.lines) == [
        "payments first notification: A", "platform first notification: A", "platform first notification: B",
        "platform handed over: A",
    ]  # fmt: skip
    a, b = (each.incident for each in told.notifications if each.receiver == "platform" and each.mention)
    assert a != b, "of what was not told yet a new message tells"


def test_the_closed_message_says_that_it_goes_on_with_its_owner_and_rings_nobody() -> None:
    told = Life(LEFT)
    told.take(finding(owner="payments"))
    told.edit(BOTH, 10)
    told.until(200)
    assert told.lines == [
        "0 platform first notification: tool.failed", "10 payments first notification: tool.failed",
        "10 platform handed over: tool.failed",
    ]  # fmt: skip
    assert rings(told) == ["platform", "payments"], "who never heard of their page is rung, once"
    first, _, last = told.notifications
    assert (last.incident, last.sequence, last.status, last.gone_to) == (first.incident, 2, "resolved", ("payments",))
    message = message_of(last, BOTH)
    assert message.word == "Handed over" and message.title == message_of(first, BOTH).title
    assert states(last, BOTH) == {"Handed over to": "payments"} and message.incidents == ()
    assert {"Now", "Since about"} <= {fact.name for fact in message.facts} and "Lasted" not in str(message.facts)
    assert message.timeline[-1].value == "the configuration was edited: payments told of it from now on"
    blocks, text = render(message, buttons=True)
    assert block_rules.problems(blocks) == [] and text.startswith("➡️ Handed over: refund-agent v13: tool issue_refund")
    assert "Handed over" in console.render(message)[0]
    told.take(finding(300, owner="payments", status="resolved"))
    told.until(600)
    assert told.lines[3:] == ["310 payments all alerts resolved: -tool.failed"], "the end is told where it goes on"


def test_what_rang_somebody_does_not_ring_them_again_in_another_message() -> None:
    told = Life(ONE)
    told.take(finding(), alert(0, "A agent=x owner=payments", **FAR))
    told.until(10)
    told.edit(TWO, 10)
    told.until(30)
    told.edit(MOVED, 30, restart=True)
    told.until(200)
    assert rings(told) == ["r", "r"] and len(told.notifications) == 10
    assert sorted(states(each, ONE)["Handed over to"] for each in told.notifications if each.gone_to) == [
        "another message here", "another message here", "another message here", "s",
    ]  # fmt: skip
    told.take(finding(300, key="k2", signal="run.failed"), alert(400, "A agent=x owner=payments", ends=400))
    told.take(alert(600, "A agent=x owner=payments", **FAR))
    told.until(900)
    assert rings(told) == ["r", "r", "s", "r"], "what is new rings"


def test_a_message_that_keeps_others_goes_on_without_what_left_it() -> None:
    told = Life(ONE)
    told.take(finding(), finding(1, key="k2", node={"agent": "other", "tool": "t"}, onset=-9000))
    told.until(100)
    told.edit(MOVED, 110)
    told.until(150)
    (word,) = [each for each in told.notifications if each.gone_to]
    assert (word.receiver, word.status, word.incident) == ("r", "firing", told.notifications[0].incident)
    assert [each.labels["agent"] for each in word.alerts] == ["other"] and not word.mention
    assert states(word, MOVED) == {"Others handed over to": "s"}
    told.take(finding(200, key="k2", node={"agent": "other", "tool": "t"}, status="resolved"))
    told.until(400)
    assert told.lines[-1] == "240 r all alerts resolved: -tool.failed", "and its own time goes on"


def test_what_was_over_when_its_group_went_is_told_to_be_over() -> None:
    told = Life(ONE)
    told.take(finding(), finding(30, status="resolved"))
    told.edit(MOVED, 40)
    told.until(300)
    assert told.lines == ["0 r first notification: tool.failed", "40 r all alerts resolved: -tool.failed"]


def test_what_was_never_told_leaves_no_message() -> None:
    told = Life(config(*OWNERS, receivers="r s", receiver="r", group_wait="30s"))
    told.take(alert(0, "A", **FAR), silence(1, "alertname=A", 1, 80_000))
    told.edit(MOVED, 40)
    told.until(300)
    assert told.lines == []


def test_routes_that_change_their_place_alone_leave_their_messages_alone() -> None:
    ways = [{"matchers": ["alertname=A"], "group_by": []}, {"matchers": ["alertname=B"], "group_by": []}]
    before = config(*OWNERS, receivers="r", receiver="r", routes=ways)
    told = Life(before)
    told.take(alert(0, "A", **FAR), alert(1, "B", **FAR))
    told.until(10)
    told.edit(config(*OWNERS, receivers="r", receiver="r", routes=ways[::-1]), 10)
    told.until(500)
    assert told.lines == ["0 r first notification: A", "1 r first notification: B"]


def test_a_route_that_had_not_told_yet_rings_where_another_one_has_and_goes_on() -> None:
    ways = [{"receiver": "r", "continue": True, "matchers": ["tool=~.+"]}, {"receiver": "s", "group_wait": "30s"}]
    told = Life(config(*OWNERS, receivers="r s", receiver="r", routes=ways))
    told.take(finding())
    told.edit(config(*OWNERS, receivers="r s", receiver="r", routes=ways), 10)
    told.until(100)
    assert rings(told) == ["r", "s"]


def test_a_receiver_that_is_gone_is_not_told_and_what_it_may_not_have_heard_rings_anew() -> None:
    told = Life(config(*OWNERS, receivers="old", receiver="old"))
    told.take(finding())
    told.edit(config(*OWNERS, receivers="new", receiver="new"), 10)
    told.until(200)
    assert told.lines == ["0 old first notification: tool.failed", "10 new first notification: tool.failed"]
    assert rings(told) == ["old", "new"]


def test_handed_over_by_a_person_the_message_of_the_former_owner_does_not_say_that_it_is_over() -> None:
    told = Life(BOTH)
    told.take(finding())
    told.take(Deed(time=START + 20, incident=told.router.incidents()[0].id, act="not_mine", by="k", to="platform"))
    told.until(200)
    assert told.lines == [
        "0 payments first notification: tool.failed", "20 platform first notification: tool.failed",
        "60 payments handed over: -tool.failed",
    ]  # fmt: skip
    assert states(told.notifications[-1], BOTH)["Handed over to"] == "platform" and rings(told) == [
        "payments", "platform",
    ]  # fmt: skip
    told.take(finding(300, status="resolved"))
    told.until(500)
    assert told.lines[3:] == ["320 platform all alerts resolved: -tool.failed"]


def test_the_view_of_groups_holds_while_a_message_has_to_say_what_left_it() -> None:
    told = Life(LEFT)
    told.take(finding(owner="payments"))
    told.edit(BOTH, 10)
    assert [each.receiver for each in told.router.groups()] == ["payments"]
    assert [each.receivers for each in told.router.alerts()] == [("payments",)]
    told.until(20)
    assert [each.receiver for each in told.router.groups()] == ["payments"]


def test_groups_that_were_saved_before_are_read() -> None:
    told = Life(LEFT)
    told.take(finding(owner="payments"))
    stored = []
    for key, raw in told.router.changes():
        if raw is not None and key.startswith(PREFIX):
            entry = msgspec.msgpack.decode(raw[1:])
            for field in ("left", "resumes_at", "rung"):
                del entry[field]
            raw = raw[:1] + msgspec.msgpack.encode(entry)
        if raw is not None:
            stored.append((key, raw))
    told.router = Router(BOTH)
    told.router.load(stored)
    told.until(100)
    assert told.lines[1:] == ["0 payments first notification: tool.failed", "0 platform handed over: tool.failed"]


# On the way


def box(kind: Any, *told: Notification) -> Outbox:
    outbox = Outbox({"r": (Target(f"r/{kind}/x", kind, channel="#x"),)})
    put(outbox, *told)
    return outbox


def said(outbox: Outbox) -> list[str]:
    found = []
    while due := outbox.due(START):
        each = due[0]
        what = "line" if each.line is not None else "edit" if each.reference else "post"
        found.append(what + "!" * (each.mention if each.line is None else each.line.rings))
        outbox.begin(each)
        outbox.sent(each, "C1/1.0", START)
    return found


def left() -> tuple[Notification, Notification]:
    """What `r` was told, and that it goes on elsewhere."""
    told = Life(ONE)
    told.take(finding())
    told.edit(MOVED, 10)
    told.until(20)
    first, last = (each for each in told.notifications if each.receiver == "r")
    return first, last


def test_a_webhook_hears_nothing_of_alerts_that_go_on_elsewhere_as_from_alertmanager() -> None:
    first, last = left()
    outbox = box("webhook", first)
    assert said(outbox) == ["post!"]
    put(outbox, last)
    assert said(outbox) == [] and outbox.pending() == 0


def test_slack_shows_it_by_an_edit_and_a_line_and_what_it_was_never_told_is_not_posted() -> None:
    first, last = left()
    outbox = box("slack", first)
    assert said(outbox) == ["post!"]
    put(outbox, last)
    assert said(outbox) == ["edit", "line"] and outbox.pending() == 0
    assert said(box("slack", last)) == []


def test_who_was_to_be_rung_and_could_not_be_is_rung_by_the_message_that_closes() -> None:
    """The other message does not ring them: as far as the router knows they were."""
    first, last = left()
    outbox = box("slack", first)
    put(outbox, last)
    (delivery,) = outbox.due(START)
    assert delivery.mention
    assert message_of(delivery.notification, MOVED, mention=True).mentions == ("U0PAY",)
    assert said(outbox) == ["post!"]
