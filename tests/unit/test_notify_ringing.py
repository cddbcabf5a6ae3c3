"""Who is rung, by what, and how often, where a notice becomes a page: told in steps on a clock that stands still."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.alerting.routing.receivers import Target
from monitor.notify.delivery import DeliveryError, FailureReason
from monitor.notify.outbox import GENERATIONS, Outbox
from schemas.alert import Notification, NotificationReason, TimelineEntry
from tests.doubles.clock import START
from tests.doubles.notifications import notification

SLACK = Target("payments/slack/#p", "slack", channel="#p")
PRINTED = Target("payments/console", "console")
SERVER = DeliveryError(FailureReason.SERVER_ERROR, "status 500", retryable=True)
LOST = DeliveryError(FailureReason.DEADLINE, "no answer in time", retryable=True, uncertain=True)
REFUSED = DeliveryError(FailureReason.CLIENT_ERROR, "restricted_action_thread_locked", retryable=False)
GONE = DeliveryError(FailureReason.CLIENT_ERROR, "message_not_found", retryable=True, gone=True)


def box(*notifications: Notification, target: Target = SLACK) -> Outbox:
    outbox = Outbox({"payments": (target,)})
    put(outbox, *notifications)
    return outbox


def put(outbox: Outbox, *notifications: Notification) -> None:
    for each in notifications:
        outbox.put(each)
    outbox.release()


def restarted(outbox: Outbox) -> Outbox:
    fresh = Outbox({"payments": (SLACK,)})
    fresh.load((key, raw) for key, raw in outbox.changes() if raw is not None)
    return fresh


NOTICE: dict[str, Any] = {"severity": "notice", "mention": False}
GROWN: dict[str, Any] = {"reason": NotificationReason.NEW_ALERTS, "mention": True}


def said(outbox: Outbox) -> list[str]:
    """What goes out until nothing is due, and what of it rings."""
    found = []
    while due := outbox.due(START):
        what = "edit" if due[0].reference else "post"
        rings = due[0].mention or (due[0].line is not None and due[0].line.rings)
        found.append(("line" if due[0].line else what) + ("!" if rings else ""))
        outbox.sent(due[0], "C1/1.0", START)
    return found


def test_a_notice_that_becomes_a_page_rings_once_under_its_message_and_at_once() -> None:
    outbox = box(notification(**NOTICE))
    assert said(outbox) == ["post"]
    put(outbox, notification(2, **GROWN))
    outbox = restarted(outbox)
    put(outbox, notification(2, **GROWN))
    assert said(outbox) == ["line!", "edit"]
    put(outbox, notification(3))
    assert said(restarted(outbox)) == ["edit"]


def test_before_its_message_stands_the_message_itself_rings() -> None:
    outbox = box(notification(**NOTICE), notification(2, **GROWN))
    assert said(outbox) == ["post!"]


GROWING = [
    ("the silent message arrived", None, ["line!", "edit"]),
    ("it may have: it is looked for, and the line rings", LOST, ["post", "line!"]),
    ("it did not: the next one rings", SERVER, ["post!"]),
]


@pytest.mark.parametrize(("why", "error", "then"), GROWING, ids=[row[0] for row in GROWING])
def test_what_becomes_a_page_while_its_first_message_is_on_its_way(
    why: str, error: DeliveryError | None, then: list[str]
) -> None:
    outbox = box(notification(**NOTICE))
    first = outbox.due(START)[0]
    outbox.begin(first)
    put(outbox, notification(2, **GROWN))
    if error is None:
        outbox.sent(first, "C1/1.0", START)
    else:
        outbox.failed(first, error, START - 60.0)
    assert said(outbox) == then, why


def test_what_is_over_before_it_rang_rings_nobody() -> None:
    outbox = box(notification(**NOTICE))
    assert said(outbox) == ["post"]
    put(outbox, notification(2, **GROWN), notification(3, status="resolved"))
    assert said(outbox) == ["edit"]


def test_where_the_thread_may_not_ring_a_message_of_its_own_does_so_long_as_one_may_begin() -> None:
    outbox = box(notification(**NOTICE))
    assert said(outbox) == ["post"]
    put(outbox, notification(2, **GROWN))
    outbox.failed(outbox.due(START)[0], REFUSED, START)
    assert said(outbox) == ["post!"] and outbox.counts["lines given up"] == 0


def test_without_a_thread_the_next_send_rings() -> None:
    outbox = box(notification(**NOTICE), target=PRINTED)
    first = outbox.due(START)[0]
    outbox.begin(first)
    put(outbox, notification(2, **GROWN))
    outbox.sent(first, "console", START)
    assert said(outbox) == ["edit!"]
    put(outbox, notification(3))
    assert said(outbox) == ["edit"]


def test_a_line_below_a_message_that_is_gone_for_good_is_not_tried_for_ever() -> None:
    outbox = box(notification())
    assert said(outbox) == ["post!"]
    put(outbox, notification(2, timeline=(TimelineEntry(START, "acknowledged"),)))
    for _ in range(3 * GENERATIONS):
        for delivery in outbox.due(START):
            if delivery.reference is None:
                outbox.sent(delivery, "C1/1.0", START)
                more = TimelineEntry(START, f"change {delivery.generation}")
                put(outbox, notification(10 + delivery.generation, timeline=(more,)))
            else:
                outbox.failed(delivery, GONE, START)
    assert outbox.due(START) == [] and outbox.pending() == 0
