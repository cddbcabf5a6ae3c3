"""Whatever happens, whenever it crashes: one visible message per incident, each line of its thread once, the end right.

A life of the monitor is outbox, dispatcher and notifier over a store. A crash drops all but the store, before or after
any call that Slack carried out; another life begins with what was durable.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.alerting.routing.receivers import plan
from monitor.notify.delivery import Delivery, DeliveryError, FailureReason
from monitor.notify.dispatch import Dispatcher
from monitor.notify.outbox import Outbox
from monitor.notify.slack.client import SlackClient
from monitor.notify.slack.notifier import SlackNotifier
from schemas.alert import Notification, NotificationReason, TimelineEntry
from schemas.config import Config
from tests.doubles.clock import START, Clock
from tests.doubles.notifications import notification
from tests.doubles.slack_eyes import seen
from tests.doubles.slack_workspace import SlackWorkspace

CONFIG = Config.model_validate({"owners": {"payments": {"slack": "#payments", "mention": "U024BE7LH"}}})
TARGET = "payments/slack/#payments"
RESOLVED = 6

CUTS = ("before", "after", "lost", "refused", "limited")
"""What may happen to a call: a crash before or after Slack carried it out, a lost answer, a certain refusal, a 429."""


class Crash(BaseException):
    """The process is gone."""


class Wire(SlackClient):
    """Slack without a socket: what a call does is drawn."""

    def __init__(self, slack: SlackWorkspace, clock: Clock, cuts: dict[int, str]) -> None:
        super().__init__("xoxb-double")
        self._slack, self._clock, self._cuts = slack, clock, cuts
        self.calls = 0
        self.first: dict[str, int] = {}
        self.rung: Counter[str] = Counter()
        self.down = False

    async def call(
        self, method: str, arguments: dict[str, Any], *, posts: bool = False, edits: bool = False, reads: bool = False
    ) -> Mapping[str, Any]:
        """As the real one, without HTTP."""
        del reads
        self.calls += 1
        cut = self._cuts.pop(self.calls, "")
        if cut == "before":
            raise Crash
        if cut == "refused" or self.down:
            raise DeliveryError(FailureReason.OTHER, "cannot connect to Slack", retryable=True)
        if cut == "limited":
            raise DeliveryError(FailureReason.RATE_LIMITED, "ratelimited", retryable=True, retry_after=3.0)
        answer = self._slack.answer(method, arguments, self._clock())
        payload = arguments.get("metadata", {}).get("event_payload", {})
        if method == "chat.postMessage" and answer["ok"]:
            self.rung[payload["incident"]] += "<@U024BE7LH>" in json.dumps(arguments)
        if method == "chat.postMessage" and answer["ok"] and "thread_ts" not in arguments:
            self.first.setdefault(payload["incident"], payload["revision"])
        if cut == "after":
            raise Crash
        if cut == "lost":
            raise DeliveryError(FailureReason.DEADLINE, "no answer in time", retryable=True, uncertain=posts)
        if not answer["ok"]:
            gone = edits and answer["error"] in ("message_not_found", "thread_not_found")
            raise DeliveryError(FailureReason.CLIENT_ERROR, answer["error"], retryable=gone, gone=gone)
        return answer


def story(incident: str, length: int, rings: int = 1) -> list[Notification]:
    """An incident's notifications; each brings one entry of its timeline. `rings`: the one that makes it a page."""
    told = []
    for sequence in range(1, length + 1):
        entries = tuple(TimelineEntry(START + 10.0 * n, f"change {n} of {incident}") for n in range(sequence))
        over = {"status": "resolved"} if sequence == length else {"reason": NotificationReason.ACKNOWLEDGED}
        made = notification(sequence, incident=incident, **(over if sequence > 1 else {}))
        now: dict[str, Any] = {"time": START + 10.0 * sequence, "mention": sequence == rings < length}
        now["severity"] = "page" if sequence >= rings else "notice"
        told.append(msgspec.structs.replace(made, timeline=entries, **now))
    return told


class Life:
    """One life of the delivery side, until a crash."""

    def __init__(self, wire: Wire, clock: Clock, stored: dict[str, bytes]) -> None:
        self.clock, self.stored = clock, stored
        self.outbox = Outbox(plan(CONFIG, slack=True))
        self.outbox.load(stored.items())
        self.dispatcher = Dispatcher(
            self.outbox, {TARGET: SlackNotifier(wire, "#payments", CONFIG)}, self._commit, clock
        )

    async def _commit(self) -> None:
        for key, raw in self.outbox.changes():
            if raw is None:
                self.stored.pop(key, None)
            else:
                self.stored[key] = raw

    async def live(self, told: list[Notification]) -> None:
        """Take each notification and send what can be sent, moving the clock from attempt to attempt."""
        for each in told:
            await self.dispatcher.put([each])
            await self.dispatcher.flush()
            self.clock.time += 1.1
        for _ in range(60):
            await self.dispatcher.flush()
            if (wake := self.outbox.next_wake()) is None:
                return
            self.clock.time = max(self.clock.time + 1.1, wake)


@settings(max_examples=120, deadline=None)
@given(
    cuts=st.dictionaries(st.integers(1, 24), st.sampled_from(CUTS), max_size=8),
    lengths=st.lists(st.integers(2, RESOLVED), min_size=1, max_size=2),
    rings=st.integers(1, RESOLVED),
)
def test_one_message_each_line_and_one_ring_wherever_it_crashes(
    cuts: dict[int, str], lengths: list[int], rings: int
) -> None:
    named = list(zip("ab", lengths, strict=False))
    told = [each for name, length in named for each in story(f"incident-{name}", length, rings)]
    slack = SlackWorkspace()
    slack.add_channel("payments")
    clock, stored = Clock(), {}
    wire = Wire(slack, clock, dict(cuts))
    for _ in range(len(cuts) + 1):
        try:
            # The router is as durable as the outbox: what it said after the last commit it says again.
            asyncio.run(Life(wire, clock, stored).live(told))
            break
        except BaseException as error:
            if not _is_crash(error):
                raise
            clock.time += 5.0
    posts = slack.posts("payments")
    assert len(posts) == len(lengths)
    by_incident = {(post.metadata or {})["event_payload"]["incident"]: post for post in posts}
    for name, length in zip("ab", lengths, strict=False):
        post = by_incident[f"incident-{name}"]
        assert "Resolved" in seen(post).text, "the end is right"
        thread = "\n".join(seen(line).text for line in slack.thread("payments", post.ts))
        counts = [thread.count(f"change {n} of incident-{name}") for n in range(length)]
        assert counts[0] == 0, "what the message began with is no change"
        first = wire.first[f"incident-{name}"]
        assert counts[first:] == [1] * (length - first), "each later change is one line"
        assert max(counts) <= 1, "and no change is two"
        assert cuts or first == 1
        rung = wire.rung[f"incident-{name}"]
        assert rung <= 1 and (cuts or rung == (rings < length)), "the owner is called once, unless it was over before"
    assert slack.limited == 0, "nothing beyond Slack's limits"


def _is_crash(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return all(_is_crash(each) for each in error.exceptions)
    return isinstance(error, Crash)


def test_the_delivery_key_of_a_line_differs_from_its_messages() -> None:
    outbox = Outbox(plan(CONFIG, slack=True))
    first, second, *_ = story("incident-a", 3)
    for each in (first, second):
        outbox.put(each)
        outbox.release()
        (message,) = outbox.due(START)
        outbox.sent(message, "C1/1.0", START)
    (line,) = outbox.due(START)
    assert isinstance(line, Delivery) and line.line is not None and line.key != message.key
