"""What the outbox holds due, and when: told in steps on a clock that stands still."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from monitor.alerting.routing.receivers import Target
from monitor.notify import outbox as module
from monitor.notify.delivery import Delivery, DeliveryError, FailureReason, reason_of_status, seconds_of
from monitor.notify.outbox import Outbox
from schemas.alert import Notification, NotificationReason
from tests.doubles.clock import START
from tests.doubles.findings import finding
from tests.doubles.notifications import notification, put

SLACK = Target("payments/slack/#p", "slack", channel="#p")
PLANNED = {"payments": (SLACK,)}
SERVER = DeliveryError(FailureReason.SERVER_ERROR, "status 500", retryable=True)
LOST = DeliveryError(FailureReason.DEADLINE, "no answer in time", retryable=True, uncertain=True)
REFUSED = DeliveryError(FailureReason.CLIENT_ERROR, "channel_not_found", retryable=False)
GONE = DeliveryError(FailureReason.CLIENT_ERROR, "message_not_found", retryable=True, gone=True)


def box(*notifications: Notification, planned: dict[str, tuple[Target, ...]] = PLANNED) -> Outbox:
    outbox = Outbox(planned)
    put(outbox, *notifications)
    return outbox


def only(outbox: Outbox, now: float) -> Delivery:
    (delivery,) = outbox.due(now)
    return delivery


def order(outbox: Outbox) -> list[str]:
    """The incidents in the order in which one target is told of them."""
    told = []
    while due := outbox.due(START):
        told.append(due[0].incident)
        outbox.sent(due[0], f"C1/{len(told)}", START)
    return told


def restarted(outbox: Outbox) -> Outbox:
    fresh = Outbox(PLANNED)
    fresh.load((key, raw) for key, raw in outbox.changes() if raw is not None)
    return fresh


def test_nothing_is_due_before_it_is_durable() -> None:
    outbox = Outbox(PLANNED)
    outbox.put(notification())
    assert outbox.due(START) == [] and outbox.dirty and outbox.next_wake() is None
    outbox.release()
    assert only(outbox, START).mention


def test_first_send_then_edits_of_the_same_message() -> None:
    outbox = box(notification())
    outbox.sent(only(outbox, START), "C1/1.0", START)
    assert outbox.due(START) == []
    put(outbox, notification(2, reason=NotificationReason.NEW_ALERTS))
    second = only(outbox, START)
    assert (second.reference, second.mention, second.revision) == ("C1/1.0", False, 2)


def test_only_the_present_state_is_sent_after_an_hour_without_slack() -> None:
    outbox = box(notification())
    now = START
    for sequence in range(2, 122):
        for delivery in outbox.due(now):
            outbox.failed(delivery, SERVER, now)
        put(outbox, notification(sequence, reason=NotificationReason.EVIDENCE))
        now += 30.0
    delivery = only(outbox, now + 300.0)
    assert delivery.revision == 121 and delivery.mention, "the owner has not been rung yet"
    outbox.sent(delivery, "C1/1.0", now)
    assert outbox.due(now) == []


def test_what_was_over_before_it_could_be_said_is_said_once_and_rings_nobody() -> None:
    outbox = box(notification(), notification(2, status="resolved"))
    delivery = only(outbox, START)
    assert (delivery.notification.status, delivery.mention) == ("resolved", False)


def test_the_same_notification_again_changes_nothing() -> None:
    outbox = box(notification())
    outbox.sent(only(outbox, START), "C1/1.0", START)
    outbox.changes()
    put(outbox, notification())
    assert outbox.due(START) == [] and not outbox.dirty and outbox.counts["replayed"] == 1


def test_even_after_the_incident_is_over_and_after_a_restart() -> None:
    outbox = box(notification(), notification(2, status="resolved"))
    outbox.sent(only(outbox, START), "C1/1.0", START)
    outbox = restarted(outbox)
    put(outbox, notification(), notification(2, status="resolved"))
    assert outbox.due(START + 1e6) == []


BACKOFF = [
    ("the first failure waits a second", SERVER, 1, 1.0),
    ("the third waits four", SERVER, 3, 4.0),
    ("no wait is longer than a minute", SERVER, 30, 60.0),
    ("a lost first send waits long enough to be seen", LOST, 1, 3.0),
    (
        "Retry-After is honoured",
        DeliveryError(FailureReason.RATE_LIMITED, "x", retryable=True, retry_after=7.0),
        1,
        7.0,
    ),
    (
        "Retry-After replaces the backoff of a rate limit",
        DeliveryError(FailureReason.RATE_LIMITED, "x", retryable=True, retry_after=7.0),
        9,
        7.0,
    ),
    (
        "Retry-After of a server that is down is a least wait",
        DeliveryError(FailureReason.SERVER_ERROR, "x", retryable=True, retry_after=600.0),
        1,
        600.0,
    ),
]


@pytest.mark.parametrize(("why", "error", "times", "wait"), BACKOFF, ids=[row[0] for row in BACKOFF])
def test_backoff(why: str, error: DeliveryError, times: int, wait: float) -> None:
    outbox = box(notification())
    now = START
    for _ in range(times):
        now = max(now, outbox.next_wake() or now)
        outbox.failed(only(outbox, now), error, now)
    assert outbox.due(now + wait - 0.01) == [], why
    assert outbox.next_wake() == now + wait
    assert only(outbox, now + wait)


def test_a_target_that_fails_is_left_alone_with_all_that_waits_for_it() -> None:
    outbox = box(notification(), notification(incident="other"))
    (first,) = outbox.due(START)
    outbox.failed(first, SERVER, START)
    assert outbox.due(START + 0.5) == []


def test_another_target_is_not_held_up() -> None:
    both = (SLACK, Target("payments/webhook/0", "webhook"))
    outbox = box(notification(), planned={"payments": both})
    slack = next(each for each in outbox.due(START) if each.target == SLACK.name)
    outbox.failed(slack, SERVER, START)
    assert [each.target for each in outbox.due(START)] == ["payments/webhook/0"]


def test_what_rings_goes_first() -> None:
    outbox = box(
        notification(incident="a", severity="notice", mention=False, time=START - 100.0), notification(incident="b")
    )
    assert order(outbox) == ["b", "a"]


def test_a_refused_delivery_is_given_up_with_its_reason_and_not_lost_silently() -> None:
    outbox = box(notification())
    outbox.failed(only(outbox, START), REFUSED, START)
    assert outbox.due(START + 1e6) == []
    (trouble,) = outbox.troubles()
    assert (trouble.error, trouble.given_up, trouble.attempts) == ("clientError: channel_not_found", True, 1)
    assert outbox.counts["given up"] == 1 and outbox.counts["failed clientError"] == 1


def test_a_newer_state_gives_a_refused_delivery_another_chance() -> None:
    outbox = box(notification())
    outbox.failed(only(outbox, START), REFUSED, START)
    put(outbox, notification(2))
    assert only(outbox, START).mention


def test_a_restart_gives_a_refused_delivery_another_chance() -> None:
    outbox = box(notification())
    outbox.failed(only(outbox, START), REFUSED, START)
    assert only(restarted(outbox), START)


def test_a_lost_first_send_is_uncertain_until_it_succeeds() -> None:
    outbox = box(notification())
    outbox.failed(only(outbox, START), LOST, START)
    second = only(outbox, START + 3)
    assert second.uncertain
    outbox.failed(second, SERVER, START + 3)
    assert only(outbox, START + 60).uncertain, "a failure that is certain does not make the first one so"


def test_after_a_restart_a_first_send_is_uncertain_for_nobody_knows_what_was_sent() -> None:
    assert only(restarted(box(notification())), START).uncertain


def test_a_lost_edit_is_simply_repeated() -> None:
    outbox = box(notification())
    outbox.sent(only(outbox, START), "C1/1.0", START)
    put(outbox, notification(2))
    outbox.failed(only(outbox, START), LOST, START)
    again = only(outbox, START + 60)
    assert (again.uncertain, again.reference) == (False, "C1/1.0")


def test_a_message_that_is_gone_gets_a_successor_at_once() -> None:
    outbox = box(notification())
    outbox.sent(only(outbox, START), "C1/1.0", START)
    put(outbox, notification(2))
    outbox.failed(only(outbox, START), GONE, START)
    again = only(outbox, START)
    assert (again.reference, again.generation, again.mention) == (None, 2, False)


def test_but_not_for_ever() -> None:
    outbox = box(notification())
    for sequence in range(2, 20):
        for delivery in outbox.due(START):
            outbox.sent(delivery, f"C1/{sequence}", START)
        put(outbox, notification(sequence))
        for delivery in outbox.due(START):
            outbox.failed(delivery, GONE, START)
    assert outbox.troubles()[0].given_up
    put(outbox, notification(20, status="resolved"))
    assert only(outbox, START).notification.status == "resolved"


def test_where_resolutions_are_not_wanted_none_is_sent() -> None:
    quiet = {"payments": (Target("payments/console", "console", send_resolved=False),)}
    outbox = box(notification(), planned=quiet)
    outbox.sent(only(outbox, START), "console", START)
    put(outbox, notification(2, reason=NotificationReason.SOME_RESOLVED), notification(3, status="resolved"))
    assert outbox.due(START) == []


def test_a_newer_state_that_came_while_sending_is_sent_next() -> None:
    outbox = box(notification())
    under_way = only(outbox, START)
    put(outbox, notification(2))
    outbox.sent(under_way, "C1/1.0", START)
    assert (only(outbox, START).revision, only(outbox, START).reference) == (2, "C1/1.0")


def test_changes_and_load_give_the_same_outbox() -> None:
    outbox = box(notification(), notification(incident="b"), notification(incident="c"))
    for _ in range(2):
        delivery = only(outbox, START)
        outbox.sent(delivery, f"C1/{delivery.incident}", START)
    put(outbox, notification(2, incident="b", status="resolved"))
    entries = {key: raw for key, raw in outbox.changes() if raw is not None}
    fresh = Outbox(PLANNED)
    fresh.load(entries.items())
    expected = [msgspec.structs.replace(each, uncertain=each.reference is None) for each in outbox.due(START)]
    assert fresh.due(START) == expected


def test_an_entry_of_a_version_from_the_future_is_not_guessed_at() -> None:
    with pytest.raises(ValueError, match="unknown version"):
        Outbox(PLANNED).load([("delivery/x/y", b"\x09{}")])


def test_finished_entries_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FINISHED", 3)
    outbox = Outbox(PLANNED)
    deleted: list[str] = []
    for index in range(10):
        put(outbox, notification(incident=f"i{index}"), notification(2, incident=f"i{index}", status="resolved"))
        outbox.sent(only(outbox, START), "C1/1", START)
        deleted += [key for key, raw in outbox.changes() if raw is None]
    assert outbox.counts["forgotten"] == 7 and len(deleted) == 7


def test_all_entries_are_bounded_and_resolved_ones_give_way_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ENTRIES", 3)
    outbox = box(
        notification(incident="a"), notification(incident="b"), notification(2, incident="b", status="resolved")
    )
    put(outbox, notification(incident="c"), notification(incident="d"))
    assert set(order(outbox)) == {"a", "c", "d"} and outbox.counts["dropped"] == 1


STATUSES: list[tuple[int, str, bool]] = [
    (400, "clientError", False),
    (401, "authError", False),
    (403, "authError", False),
    (404, "clientError", False),
    (429, "rateLimited", True),
    (500, "serverError", True),
    (503, "serverError", True),
    (302, "clientError", False),
]


@pytest.mark.parametrize(("status", "reason", "retryable"), STATUSES)
def test_reason_of_status(status: int, reason: str, retryable: bool) -> None:
    assert reason_of_status(status) == (reason, retryable)


RETRY_AFTER: list[tuple[str | None, Any]] = [
    ("7", 7.0),
    ("0", 0.0),
    ("1e9", 3600.0),
    ("-1", None),
    ("nan", None),
    ("Wed, 21 Oct 2026 07:28:00 GMT", None),
    (None, None),
]


@pytest.mark.parametrize(("header", "seconds"), RETRY_AFTER)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    assert seconds_of(header) == seconds


def test_the_finding_double_is_what_the_router_takes() -> None:
    assert notification().alerts[0].finding == finding()
