"""How fast we may write: in no minute more than Slack takes, and what is urgent does not wait behind what is not."""

from __future__ import annotations

import math

import msgspec
import pytest

from monitor.alerting.routing.receivers import Target
from monitor.notify import lines as module
from monitor.notify.lines import Thread
from monitor.notify.outbox import Outbox
from monitor.notify.slack.pace import CHANNEL, RATES, Pace
from schemas.alert import TimelineEntry
from tests.doubles.clock import START
from tests.doubles.notifications import notification
from tests.doubles.slack_workspace import PER_MINUTE

SLACK = Target("payments/slack/#p", "slack", channel="#p")


def entries(*texts: str) -> list[TimelineEntry]:
    return [TimelineEntry(START + n, text) for n, text in enumerate(texts)]


@pytest.mark.parametrize("method", RATES)
def test_no_minute_has_more_calls_than_slack_takes(method: str) -> None:
    pace, now, taken = Pace(), START, []
    while now < START + 300.0:
        at = pace.turn([method], f"#c{len(taken)}", now)
        if at <= now:
            taken.append(now)
        now = max(now, at)
    assert max(sum(start <= each < start + 60.0 for each in taken) for start in taken) <= PER_MINUTE[method]
    assert len(taken) > 60, "and it gets on"


def test_one_channel_takes_a_post_a_second_whoever_posts() -> None:
    pace = Pace()
    assert pace.turn(["chat.postMessage"], "#p", START) == START
    assert pace.turn(["chat.postMessage"], "#p", START) == pytest.approx(START + CHANNEL.seconds)
    assert pace.turn(["chat.postMessage"], "#q", START) == START
    assert pace.turn(["chat.update"], "#p", START) == START, "edits are counted by workspace"


def test_what_nobody_planned_pushes_the_next_turn_back() -> None:
    pace = Pace()
    pace.owe("chat.postMessage", "#p", START)
    assert pace.turn(["chat.postMessage"], "#p", START) > START


def test_a_page_that_comes_while_an_edit_waits_for_its_turn_asks_anew() -> None:
    outbox = Outbox({"payments": (SLACK,)})
    for sequence in (1, 2):
        outbox.put(notification(sequence))
        outbox.release()
        (delivery,) = outbox.due(START)
        if sequence == 1:
            outbox.sent(delivery, "C1/1.0", START)
    outbox.pace(delivery, START + 60.0)
    assert outbox.due(START + 1.0) == [] and outbox.next_wake() == START + 60.0
    outbox.put(notification(incident="other"))
    outbox.release()
    assert [each.incident for each in outbox.due(START + 1.0)] == ["other"]


def test_a_thread_is_told_each_entry_once_in_order() -> None:
    thread = Thread()
    thread.note(entries("a"), 1, START, patience=math.inf, wanted=True)
    thread.opened(1)
    assert thread.waiting == [], "the message was posted with it"
    thread.note(entries("a", "b", "c"), 2, START, patience=math.inf, wanted=True)
    thread.note(entries("a", "b", "c"), 3, START, patience=math.inf, wanted=True)
    assert [line.parts[0][1] for line in thread.waiting] == ["b", "c"]


def test_what_a_long_outage_kept_back_is_one_line_but_never_what_may_stand_there_already() -> None:
    thread = Thread(known=[], waiting=[], uncertain=True)
    for count in range(1, 6):
        texts = [str(n) for n in range(count)]
        thread.note(entries(*texts), count, START + 600.0, patience=module.LATE_SECONDS, wanted=True)
    assert [len(line.parts) for line in thread.waiting] == [1, 4], "the first may have been sent"
    again = Thread(known=[], waiting=[])
    again.note(entries(*map(str, range(40))), 1, START, patience=math.inf, wanted=True)
    assert len(again.waiting) == 1 and again.waiting[0].more == 40 - module.PARTS


def test_what_a_busy_channel_keeps_back_is_one_line_an_incident() -> None:
    """Slack takes one post a second and channel: more incidents than that allows would be told ever later."""
    outbox = Outbox({"payments": (SLACK,)})
    names = [f"incident-{number}" for number in range(module.BUSY + 2)]
    for name in names:
        outbox.put(notification(incident=name))
        outbox.release()
    for _ in names:
        (delivery,) = outbox.due(START)
        outbox.sent(delivery, f"C1/{delivery.incident}", START)
    told = [msgspec.structs.replace(entry, time=START + 1.0) for entry in entries(*"abcde")]
    for sequence, now in ((2, START + 2.0), (3, START + 2.0 + module.BUSY_SECONDS)):
        for name in names:
            change = msgspec.structs.replace(notification(sequence, incident=name), timeline=tuple(told), time=now)
            outbox.put(change)
            outbox.release()
        told.append(TimelineEntry(now, "f"))
    waiting = [len(entry.thread.waiting) for entry in outbox._entries.values() if entry.thread is not None]
    assert waiting == [1] * len(names)
    assert module.patience(0, module.BUSY) == math.inf


def test_a_thread_survives_as_data() -> None:
    thread = Thread()
    thread.note(entries("a", "b"), 1, START, patience=math.inf, wanted=True)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(thread), type=Thread) == thread


def test_what_is_remembered_is_bounded() -> None:
    thread = Thread()
    thread.note(entries(*map(str, range(2_000))), 1, START, patience=math.inf, wanted=True)
    assert len(thread.known) == module.KNOWN and len(thread.waiting) <= module.WAITING


def test_an_entry_of_a_version_before_threads_tells_no_old_news() -> None:
    outbox = Outbox({"payments": (SLACK,)})
    outbox.put(notification())
    outbox.release()
    (delivery,) = outbox.due(START)
    outbox.sent(delivery, "C1/1.0", START)
    ((key, raw),) = outbox.changes()
    assert raw is not None
    old = msgspec.msgpack.decode(raw[1:])
    del old["thread"], old["tried"]
    fresh = Outbox({"payments": (SLACK,)})
    fresh.load([(key, raw[:1] + msgspec.msgpack.encode(old))])
    told = notification(2)
    fresh.put(msgspec.structs.replace(told, timeline=(*told.timeline, TimelineEntry(START + 5.0, "acknowledged"))))
    fresh.release()
    (edit,) = fresh.due(START)
    fresh.sent(edit, "C1/1.0", START)
    (line,) = fresh.due(START)
    assert line.line is not None and line.line.parts == ((START + 5.0, "acknowledged"),)
    fresh.sent(line, "C1/1.0", START)
    assert fresh.due(START) == []
