"""The thread under a message: each change one line, whatever goes wrong on the way."""

from __future__ import annotations

import msgspec
import pytest

from monitor.alerting.router import Router
from schemas.actions import Deed
from schemas.alert import Notification, NotificationReason, TimelineEntry
from schemas.config import Config
from tests.doubles.clock import START, Clock
from tests.doubles.desk import Desk
from tests.doubles.findings import finding
from tests.doubles.notifications import notification
from tests.doubles.slack import Fault, SlackDouble


@pytest.fixture
def desk(slack: SlackDouble, clock: Clock) -> Desk:
    slack.add_channel("payments")
    return Desk(slack, clock, {})


def told(sequence: int, *changes: str) -> Notification:
    """The state after some changes; the first notification has one entry of its own."""
    made = notification(sequence)
    entries = tuple(TimelineEntry(START + 10.0 * n, text) for n, text in enumerate(changes, 1))
    return msgspec.structs.replace(made, timeline=(*made.timeline[:1], *entries), time=START + 10.0 * sequence)


def lines(slack: SlackDouble) -> list[str]:
    return [line.text.partition(" UTC ")[2] for line in slack.thread("payments")]


async def test_what_the_message_began_with_is_no_line_and_each_change_is_one(slack: SlackDouble, desk: Desk) -> None:
    await desk.tell(told(1))
    assert lines(slack) == []
    await desk.tell(told(2, "acknowledged by slack:U0123ABC alice"))
    await desk.tell(told(3, "acknowledged by slack:U0123ABC alice", "silenced"), told(3, "acknowledged"))
    assert lines(slack) == ["acknowledged by alice", "silenced"]
    assert len(slack.visible("payments")) == 1 and slack.visible("payments")[0].edits == 2


@pytest.mark.parametrize("fault", list(Fault))
async def test_whatever_goes_wrong_with_a_line_it_stands_there_once(
    slack: SlackDouble, desk: Desk, fault: Fault
) -> None:
    await desk.tell(told(1))
    slack.fail("chat.postMessage", fault)
    await desk.tell(told(2, "acknowledged"))
    assert lines(slack) == ["acknowledged"] and desk.outbox.pending() == 0


async def test_killed_after_the_line_was_said_it_is_found_and_not_said_again(
    slack: SlackDouble, desk: Desk, clock: Clock
) -> None:
    await desk.tell(told(1))
    await desk.dispatcher.put([told(2, "acknowledged")])
    before = dict(desk.stored)
    await desk.tell()
    again = Desk(slack, clock, before)
    await again.tell(told(3, "acknowledged", "silenced"))
    assert lines(slack) == ["acknowledged", "silenced"]


async def test_a_line_that_slack_refuses_holds_nothing_up(slack: SlackDouble, desk: Desk) -> None:
    await desk.tell(told(1))
    slack.fail("chat.postMessage", "restricted_action")
    await desk.tell(told(2, "acknowledged"))
    await desk.tell(told(3, "acknowledged", "silenced"))
    assert lines(slack) == ["silenced"] and desk.outbox.counts["lines given up"] == 1


async def test_a_message_that_is_gone_comes_back_with_the_line_that_found_it_so(slack: SlackDouble, desk: Desk) -> None:
    await desk.tell(told(1))
    slack.delete("payments")
    slack.fail("chat.update", Fault.RATE_LIMITED)
    await desk.tell(told(2, "acknowledged"))
    assert len(slack.visible("payments")) == 1 and desk.outbox.pending() == 0


def grown() -> tuple[Notification, Notification]:
    """A notice, and the page that it becomes."""
    notice = notification(severity="notice", mention=False)
    return notice, notification(2, reason=NotificationReason.NEW_ALERTS, mention=True)


def rung(slack: SlackDouble) -> list[tuple[str, ...]]:
    """Whom each line of the thread calls that calls somebody."""
    return [line.rings for line in slack.thread("payments") if line.rings]


@pytest.mark.parametrize("fault", [None, *Fault])
async def test_a_notice_that_becomes_a_page_rings_its_owner_once_in_thread_and_channel(
    slack: SlackDouble, desk: Desk, clock: Clock, fault: Fault | None
) -> None:
    notice, page = grown()
    await desk.tell(notice)
    await desk.dispatcher.put([page])
    before = dict(desk.stored)
    if fault is not None:
        slack.fail("chat.postMessage", fault)
    await desk.tell()
    await Desk(slack, clock, before).tell(page)  # killed before it was noted that the line stands there
    assert rung(slack) == [("@U024BE7LH",)] and slack.visible("payments")[0].rings == ()
    (line,) = slack.workspace.thread("payments", slack.post("payments").ts)
    assert line.broadcast and "is a page now, for payments: refund-agent v13" in slack.thread("payments")[0].text
    assert desk.outbox.pending() == 0 and desk.outbox.counts["sent lines"] == 1


def joined() -> list[Notification]:
    """A group that rang, a page that joins it an hour later and stands behind the first, and a deed after that."""
    route = {"receiver": "payments", "group_wait": "0s", "repeat_interval": "30d"}
    router = Router(Config.model_validate({"owners": {"payments": {}}, "route": route}))
    first, second = finding(node={"agent": "alpha"}), finding(3600, key="k2", node={"agent": "zeta"})
    found = router.step([first], first.time) + router.step([second], second.time)
    while not found or found[-1].reason is not NotificationReason.NEW_ALERTS:
        found += router.tick(router.next_wake() or second.time)
    ack = Deed(time=found[-1].time + 1.0, incident=router.incidents()[0].id, act="ack", by="cli:kim")
    return found + router.step((), ack.time, [ack])


async def test_a_page_that_joins_a_group_rings_once_in_thread_and_channel_by_its_own_name(
    slack: SlackDouble, desk: Desk, clock: Clock
) -> None:
    first, second, deed = joined()
    clock.time = second.time
    await desk.tell(first)
    assert slack.visible("payments")[0].rings == ("@U024BE7LH",)
    await desk.tell(second)
    await Desk(slack, clock, dict(desk.stored)).tell(second, deed)
    assert rung(slack) == [("@U024BE7LH",)] and len(slack.visible("payments")) == 1
    called, *_ = slack.workspace.thread("payments", slack.post("payments").ts)
    assert "is a page now, for payments: zeta: fails 16 % of runs" in slack.thread("payments")[0].text
    assert called.broadcast
    assert lines(slack)[1:] == ["fires: zeta: fails 16 % of runs, was 4 %", "acknowledged by cli:kim"]


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        (NotificationReason.HANDED_OVER, "this was handed over to payments: refund-agent v13"),
        (NotificationReason.ESCALATED, "this was escalated, a page of payments: refund-agent v13"),
    ],
)
async def test_a_page_that_comes_back_to_its_owner_rings_under_its_message(
    slack: SlackDouble, desk: Desk, reason: NotificationReason, text: str
) -> None:
    await desk.tell(notification(), notification(2, reason=reason, mention=True))
    assert slack.visible("payments")[0].rings == ("@U024BE7LH",), "two in one go are one post"
    await desk.tell(notification(3, reason=reason, mention=True))
    assert rung(slack) == [("@U024BE7LH",)] and text in slack.thread("payments")[0].text


async def test_where_the_thread_is_closed_a_new_message_rings(slack: SlackDouble, desk: Desk) -> None:
    notice, page = grown()
    await desk.tell(notice)
    slack.fail("chat.postMessage", "restricted_action_thread_locked")
    await desk.tell(page)
    assert [seen.rings for seen in slack.visible("payments")] == [(), ("@U024BE7LH",)]


async def test_hostile_text_rings_nobody_and_formats_nothing(slack: SlackDouble, desk: Desk) -> None:
    await desk.tell(told(1))
    await desk.tell(told(2, "<!channel> <@U1> `*bold*` \u202e" + "x" * 10_000))
    (line,) = slack.thread("payments")
    assert line.rings == () and len(line.text) < 300 and "\u202e" not in line.text
    assert slack.calls[-1][1]["mrkdwn"] is False
