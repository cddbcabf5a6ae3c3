"""What fails, and what that costs others: one message alone, a place that is away, and a place that refuses."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from monitor.alerting.routing.receivers import Target, plan
from monitor.notify.delivery import Delivery, DeliveryError, FailureReason, Fate
from monitor.notify.outbox import Outbox
from monitor.notify.waiting.entry import REFUSED_FOR_SECONDS, REFUSED_LATER_SECONDS, REFUSED_SOON_SECONDS
from monitor.notify.webhook import payload, rfc3339
from monitor.runtime.store import Store
from schemas.alert import Notification, NotificationReason
from schemas.config import Config
from tests.doubles.clock import START
from tests.doubles.notifications import notification

HOOK = Target("payments/webhook/0", "webhook")
PLANNED = {"payments": (HOOK,)}
SERVER = DeliveryError(FailureReason.SERVER_ERROR, "status 500", retryable=True)
AWAY = DeliveryError(FailureReason.OTHER, "cannot connect", retryable=True)
BUSY = DeliveryError(FailureReason.RATE_LIMITED, "status 429", retryable=True, retry_after=30.0)
NOT_FOUND = DeliveryError(FailureReason.CLIENT_ERROR, "status 404", retryable=False)

Answer = Callable[[Delivery, float], DeliveryError | None]


class Place:
    """An outbox and the place at the other end, on a clock that goes from one attempt to the next."""

    def __init__(self, answer: Answer, outbox: Outbox | None = None) -> None:
        self.outbox = outbox or Outbox(PLANNED)
        self.answer = answer
        self.now = START
        self.tried: list[tuple[float, str]] = []
        self.took: list[str] = []
        self.fates: list[Fate] = []

    def put(self, *notifications: Notification) -> None:
        for each in notifications:
            self.outbox.put(each)
        self.outbox.release()

    def run(self, until: float) -> None:
        """Send what is due up to `until`, seconds after the start."""
        while (wake := self.outbox.next_wake()) is not None and max(wake, self.now) <= START + until:
            self.now = max(wake, self.now)
            for delivery in self.outbox.due(self.now):
                self.outbox.begin(delivery)
                self.tried.append((self.now - START, delivery.incident))
                error = self.answer(delivery, self.now - START)
                if error is None:
                    self.took.append(delivery.incident)
                    self.outbox.sent(delivery, "key", self.now)
                else:
                    self.fates.append(self.outbox.failed(delivery, error, self.now))
        self.now = START + until

    def attempts(self, incident: str) -> list[float]:
        return [at for at, name in self.tried if name == incident]


def pages(*names: str) -> list[Notification]:
    return [notification(incident=name) for name in names]


def poison(*names: str) -> Answer:
    return lambda delivery, _: SERVER if delivery.incident in names else None


def refused_until(end: float, error: DeliveryError = NOT_FOUND) -> Answer:
    return lambda _, now: error if now < end else None


# One message that fails alone


def test_a_message_that_always_fails_holds_up_no_other() -> None:
    place = Place(poison("a"))
    place.put(*pages("a", "b", "c"))
    place.run(5.0)
    assert place.took == ["b", "c"]
    place.put(*pages("d"))
    place.run(8.0)
    assert place.took[-1] == "d", "whenever it comes"
    (trouble,) = place.outbox.troubles()
    assert (trouble.incident, trouble.given_up) == ("a", False)


def test_it_backs_off_by_itself_up_to_a_minute() -> None:
    place = Place(poison("a"))
    place.put(*pages("a", "b"))
    place.run(600.0)
    at = place.attempts("a")
    waits = [later - earlier for earlier, later in pairwise(at)]
    assert waits[:7] == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0] and set(waits[7:]) == {60.0}


@pytest.mark.parametrize("count", [2, 5])
def test_several_that_fail_hold_up_no_other_for_long(count: int) -> None:
    bad = [f"a{n}" for n in range(count)]
    place = Place(poison(*bad))
    place.put(*pages(*bad, "b"))
    place.run(60.0)
    assert place.took == ["b"]
    for n in range(10):
        place.put(*pages(f"c{n}"))
        place.run(600.0 * (n + 1))
    assert len(place.took) == 11
    assert len(place.tried) < 6_000.0 / 60.0 * count + 100, "and nothing is hammered"


def test_a_line_that_fails_holds_up_no_other_message() -> None:
    slack = Target("payments/slack/#p", "slack", channel="#p")
    place = Place(lambda delivery, _: SERVER if delivery.line is not None else None, Outbox({"payments": (slack,)}))
    place.put(notification(severity="notice", mention=False))
    place.run(1.0)
    place.put(notification(2, mention=True, reason=NotificationReason.NEW_ALERTS))  # rings by a line
    place.run(2.0)
    place.put(*pages("b"))
    place.run(5.0)
    assert "b" in place.took


def test_how_long_it_waits_is_kept_over_a_restart(tmp_path: Path) -> None:
    place = Place(poison("a"))
    place.put(*pages("a"))
    place.run(100.0)
    store = Store(tmp_path)
    store.commit((), place.outbox.changes())
    store.close()
    fresh, store = Outbox(PLANNED), Store(tmp_path)
    fresh.load(store.entries())
    store.close()
    again = Place(poison("a"), fresh)
    again.now = place.now
    again.run(200.0)
    assert again.attempts("a") == [pytest.approx(place.attempts("a")[-1] + 60.0), pytest.approx(183.0)]


def test_entries_of_a_version_that_held_none_back_are_taken_up() -> None:
    outbox = Outbox(PLANNED)
    outbox.put(notification())
    ((key, raw),) = outbox.changes()
    assert raw is not None
    old = msgspec.msgpack.decode(raw[1:])
    for name in ("not_before", "refused_at", "again_at"):
        del old[name]
    fresh = Outbox(PLANNED)
    fresh.load([(key, raw[:1] + msgspec.msgpack.encode(old | {"given_up": True}))])
    assert [each.incident for each in fresh.due(START)] == [notification().incident]


# A place that is away as a whole


@pytest.mark.parametrize("error", [AWAY, SERVER])
def test_a_place_that_is_away_is_probed_ever_more_slowly_whatever_waits_for_it(error: DeliveryError) -> None:
    place = Place(lambda *_: error)
    place.put(*pages(*(f"a{n}" for n in range(50))))
    place.run(3_600.0)
    assert len(place.tried) <= 7 + 3_600.0 / 60.0
    at = [when for when, _ in place.tried]
    waits = [later - earlier for earlier, later in pairwise(at)]
    assert waits[:2] == [1.0, 2.0] and max(waits) == 60.0


def test_what_comes_meanwhile_is_one_probe_more_at_most() -> None:
    place = Place(lambda *_: AWAY)
    place.put(*pages("a"))
    place.run(1_000.0)
    before = len(place.tried)
    for n in range(100):
        place.put(*pages(f"b{n}"))
        place.run(1_000.0 + n)
    assert len(place.tried) - before <= 5


def test_a_place_that_says_how_long_to_wait_is_asked_by_nobody_before() -> None:
    place = Place(refused_until(10.0, BUSY))
    place.put(*pages("a", "b"))
    place.run(29.0)
    assert place.tried == [(0.0, "a")]
    place.run(31.0)
    assert place.took == ["a", "b"]


def test_pages_go_first_when_it_is_back() -> None:
    place = Place(refused_until(1_000.0, AWAY))
    notices = [notification(incident=f"n{n}", severity="notice", mention=False) for n in range(5)]
    place.put(*notices, *pages("p0", "p1"))
    place.run(10_000.0)
    assert len(place.took) == 7
    probe = place.took[0]
    assert [name for name in place.took if name != probe][: 2 - (probe in ("p0", "p1"))] == [
        name for name in ("p0", "p1") if name != probe
    ]


def test_probes_go_round_so_that_nothing_waits_behind_what_always_fails() -> None:
    place = Place(poison("a", "b", "c"))
    place.put(*pages("a", "b", "c"), notification(incident="n", severity="notice", mention=False))
    place.run(30.0)
    assert place.took == ["n"]


def test_what_failed_for_hours_does_not_wait_for_what_has_just_begun_to_fail() -> None:
    place = Place(lambda delivery, now: AWAY if now < 10_000.0 else poison("b")(delivery, now))
    place.put(*pages("a"))
    place.run(9_999.0)
    place.put(*pages("b"))
    place.run(10_200.0)
    assert place.took == ["a"]


# A place that refuses


def test_what_was_refused_is_sent_again_every_five_minutes_then_hourly_for_a_day() -> None:
    place = Place(lambda *_: NOT_FOUND)
    place.put(*pages("a"))
    place.run(3 * 86_400.0)
    at = place.attempts("a")
    assert at[:13] == [REFUSED_SOON_SECONDS * n for n in range(13)]
    assert {later - earlier for earlier, later in pairwise(at[12:])} == {REFUSED_LATER_SECONDS}
    assert 86_400.0 - REFUSED_LATER_SECONDS <= at[-1] < REFUSED_FOR_SECONDS
    assert place.outbox.pending() == 0 and place.outbox.next_wake() is None
    (trouble,) = place.outbox.troubles()
    assert trouble.given_up and trouble.attempts == len(at)
    assert place.outbox.counts["given up"] == 1, "one delivery was given up, however often it was tried"
    assert place.outbox.counts["failed clientError"] == len(at)
    assert place.fates == [Fate.REFUSED, *[Fate.STILL_REFUSED] * (len(at) - 2), Fate.GIVEN_UP]


def test_an_end_that_was_refused_for_ten_seconds_comes_all_the_same() -> None:
    place = Place(lambda _, now: NOT_FOUND if 10.0 <= now < 20.0 else None)
    place.put(notification())
    place.run(10.0)
    place.put(notification(2, status="resolved"))
    place.run(299.0)
    (trouble,) = place.outbox.troubles()
    assert trouble.given_up and place.outbox.pending() == 1, "it is shown as failing until then"
    place.run(310.0)
    assert len(place.took) == 2 and place.outbox.troubles() == [] and place.outbox.pending() == 0


@pytest.mark.parametrize("error", [NOT_FOUND, AWAY])
@pytest.mark.parametrize("posted", [False, True])
def test_a_page_that_was_over_before_it_rang_anybody_rings_when_it_fires_again(
    error: DeliveryError, posted: bool
) -> None:
    """The router has it for one that rang, and says `flapping`."""
    slack = Target("payments/slack/#p", "slack", channel="#p")
    rings: list[float] = []
    place = Place(refused_until(1_000.0, error), Outbox({"payments": (slack,)}))
    answer = place.answer

    def heard(delivery: Delivery, now: float) -> DeliveryError | None:
        failed = answer(delivery, now)
        if failed is None and (delivery.mention if delivery.line is None else delivery.line.rings):
            rings.append(now)
        return failed

    place.answer = heard
    place.put(notification())
    place.run(10.0)
    place.put(notification(2, status="resolved"))
    place.run(4_000.0 if posted else 20.0)
    assert rings == [] and len(place.took) == posted, "what is over calls nobody"
    place.put(notification(3, reason=NotificationReason.FLAPPING, severity="notice"))
    place.put(notification(4, status="resolved"))
    fresh = Outbox({"payments": (slack,)})
    fresh.load((key, raw) for key, raw in place.outbox.changes() if raw is not None)
    place.outbox = fresh
    place.put(notification(5, reason=NotificationReason.FLAPPING))
    place.run(8_000.0)
    assert len(rings) == 1
    place.put(notification(6, status="resolved"))
    place.put(notification(7, reason=NotificationReason.FLAPPING))
    place.run(9_000.0)
    assert len(rings) == 1, "once"


def test_what_is_refused_holds_up_no_other() -> None:
    place = Place(lambda delivery, _: NOT_FOUND if delivery.incident == "a" else None)
    place.put(*pages("a", "b"))
    place.run(0.0)
    assert place.took == ["b"]


def test_a_newer_state_is_sent_at_once_and_is_refused_anew() -> None:
    place = Place(lambda *_: NOT_FOUND)
    place.put(notification())
    place.run(10.0)
    place.put(notification(2, status="resolved"))
    place.run(20.0)
    assert place.attempts(notification().incident) == [0.0, 10.0] and place.outbox.counts["given up"] == 2
    place.run(320.0)
    assert len(place.tried) == 3 and place.outbox.counts["given up"] == 2


def test_a_restart_tries_at_once_and_counts_the_day_from_the_first_refusal() -> None:
    place = Place(lambda *_: NOT_FOUND)
    place.put(*pages("a"))
    place.run(REFUSED_FOR_SECONDS - 600.0)
    fresh = Outbox(PLANNED)
    fresh.load((key, raw) for key, raw in place.outbox.changes() if raw is not None)
    again = Place(lambda *_: NOT_FOUND, fresh)
    again.now = place.now
    again.run(3 * 86_400.0)
    assert len(again.tried) == 1 and again.fates == [Fate.GIVEN_UP] and fresh.counts["given up"] == 0


def test_lines_under_a_message_whose_edit_was_refused_are_said() -> None:
    slack = Target("payments/slack/#p", "slack", channel="#p")
    edits: Answer = lambda delivery, _: NOT_FOUND if delivery.reference and delivery.line is None else None  # noqa: E731
    place = Place(edits, Outbox({"payments": (slack,)}))
    place.put(notification())
    place.run(1.0)
    grown = notification(2, reason=NotificationReason.ACKNOWLEDGED)
    entry = msgspec.structs.replace(grown.timeline[0], time=START + 1.0, text="acknowledged by ann")
    place.put(msgspec.structs.replace(grown, timeline=(*grown.timeline, entry)))
    place.run(2.0)
    assert place.outbox.counts["sent lines"] == 1 and place.outbox.counts["given up"] == 1


# What a place does not want


@pytest.mark.parametrize("reason", [NotificationReason.DIGEST, NotificationReason.REPORT])
def test_a_list_is_no_end_and_is_sent_where_ends_are_not_wanted(reason: NotificationReason) -> None:
    config = Config.model_validate(
        {"receivers": [{"name": "payments", "slack_configs": [{"channel": "#pay", "send_resolved": False}]}]}
    )
    place = Place(lambda *_: None, Outbox(plan(config, slack=True)))
    place.put(notification(incident="digest-payments-1", status="resolved", reason=reason))
    place.put(notification(incident="b", status="resolved"))
    place.run(1.0)
    assert place.took == ["digest-payments-1"], "and what never fired there is not said to be over"


def test_what_rings_comes_where_ends_are_not_wanted_also_when_something_ended_with_it() -> None:
    quiet = Target("payments/slack/#p", "slack", send_resolved=False, channel="#p")
    place = Place(lambda *_: None, Outbox({"payments": (quiet,)}))
    place.put(notification(severity="notice", mention=False))
    place.run(1.0)
    place.put(notification(2, reason=NotificationReason.SOME_RESOLVED))
    place.run(2.0)
    assert len(place.took) == 1
    place.put(notification(3, reason=NotificationReason.SOME_RESOLVED, mention=True))
    place.run(3.0)
    assert len(place.took) == 3 and place.outbox.counts["sent lines"] == 1, "the line that rings, and the edit"


# Times that no year can be written of

TIMES = [
    ("a time of today", START, "2025-10-09T08:53:20.000Z"),
    ("beyond the year 9999", 253_402_307_999.0, "9999-12-31T23:59:59.000Z"),
    ("far beyond it", 1e300, "9999-12-31T23:59:59.000Z"),
    ("before the year 1", -1e300, "0001-01-01T00:00:00.000Z"),
]


@pytest.mark.parametrize(("why", "time", "text"), TIMES, ids=[row[0] for row in TIMES])
def test_every_time_can_be_written(why: str, time: float, text: str) -> None:
    assert rfc3339(time) == text, why


def test_an_alert_that_begins_beyond_all_years_is_a_payload_as_any_other() -> None:
    made = notification()
    alert = msgspec.structs.replace(made.alerts[0], starts_at=253_402_307_999.0, ends_at=253_402_311_599.0)
    (shown,) = payload(msgspec.structs.replace(made, alerts=(alert,)), Config())["alerts"]
    assert (shown["startsAt"], shown["endsAt"]) == ("9999-12-31T23:59:59.000Z",) * 2
