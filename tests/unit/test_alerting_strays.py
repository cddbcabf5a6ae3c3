"""What is meant for an owner whom the configuration does not name: somebody is told, and sees whose it was to be."""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from monitor.alerting.router import Router
from monitor.alerting.routing.receivers import plan
from monitor.app import _notifiers
from monitor.intake.assembler import Assembler
from monitor.notify.delivery import DeliveryError, FailureReason
from monitor.notify.dispatch import Dispatcher
from monitor.notify.outbox import Outbox
from monitor.runtime.counting import published
from monitor.runtime.steps import Steps, Written
from monitor.runtime.store import Store
from schemas.actions import Action, Deed, PostedAlert
from schemas.alert import Notification
from schemas.config import Config
from schemas.finding import Finding
from schemas.records import Tick
from tests.doubles.alert_log import Told, alert
from tests.doubles.clock import START, Clock
from tests.doubles.findings import finding

SLACK = {"payments": {"slack": "#pay"}, "platform": {"slack": "#plat", "mention": "U024BE7LH"}}
BOTH = Config.model_validate({"owners": SLACK, "defaults": {"owner": "platform"}})
LEFT = Config.model_validate({"owners": {"platform": SLACK["platform"]}})
NOBODY = Config()


def posted(owner: str, at: float = 0.0, **more: Any) -> PostedAlert:
    labels = {"alertname": "DiskFull", "severity": "critical", "owner": owner}
    return PostedAlert(time=START + at, labels=labels, starts_at=START, **more)


# Who is told

MEANT: list[tuple[str, dict[str, Any], str, str]] = [
    ("an owner of the YAML is told", {"owners": SLACK}, "platform", "platform"),
    ("of another spelling the default owner is", {"owners": SLACK}, "Platform", "payments"),
    ("or whom the YAML says", {"owners": SLACK, "defaults": {"owner": "platform"}}, "Payments", "platform"),
    ("a receiver is as good as an owner", {"owners": SLACK, "receivers": [{"name": "db"}]}, "db", "db"),
    ("where no owner is named each is as good as another", {}, "Payments", "Payments"),
]


@pytest.mark.parametrize(("why", "config", "owner", "receiver"), MEANT, ids=[row[0] for row in MEANT])
@pytest.mark.parametrize("tree", [None, {"group_by": ["alertname"], "group_wait": "1s"}])
def test_who_is_told(why: str, config: dict[str, Any], owner: str, receiver: str, tree: dict[str, Any] | None) -> None:
    router = Router(Config.model_validate(config | ({} if tree is None else {"route": tree})))
    found = [*router.step((), START, [posted(owner)]), *router.tick(START + 2.0)]
    assert [each.receiver for each in found] == [receiver], why
    (told,) = found
    assert (told.owner, told.alerts[0].labels["owner"], told.mention) == (owner, owner, True), "it keeps its label"
    strays = receiver != owner
    assert told.instead_of == (owner if strays else "")
    assert router.counts["owner unknown"] == strays and published(router.counts).get("owners_unknown", 0) == strays
    (shown,) = router.alerts()
    assert shown.receivers == (receiver,)
    assert {group.receiver for group in router.groups()} == {receiver}


def test_a_route_that_names_its_receiver_has_nobody_told_in_another_place() -> None:
    config = Config.model_validate({"owners": SLACK, "receivers": [{"name": "all"}], "route": {"receiver": "all"}})
    router = Router(config)
    router.step((), START, [posted("Payments")])
    (told,) = router.tick(START + 31.0)
    assert (told.receiver, told.instead_of) == ("all", "") and router.counts["owner unknown"] == 0


def test_it_is_counted_once_however_often_it_is_told() -> None:
    told = Told(BOTH)
    told.take(alert(0, "A owner=Payments severity=page", ends=90_000.0))
    told.until(30_000.0)
    told.take(alert(30_000.0, "A owner=Payments severity=page", ends=30_000.0))
    reasons = [str(each.reason) for each in told.notifications]
    assert reasons == ["first notification", *["repeat interval elapsed"] * 2, "all alerts resolved"]
    assert {each.receiver for each in told.notifications} == {"platform"} and told.router.counts["owner unknown"] == 1


def test_what_joins_a_message_of_the_default_owner_is_counted_too() -> None:
    tree = {"group_by": ["alertname"], "group_wait": "1s", "group_interval": "1m"}
    told = Told(Config.model_validate({"owners": SLACK, "defaults": {"owner": "platform"}, "route": tree}))
    told.take(alert(0, "A owner=platform inst=1", ends=90_000.0))
    told.until(70.0)
    assert told.router.counts["owner unknown"] == 0
    told.take(alert(71.0, "A owner=Payments inst=2", ends=90_000.0))
    told.until(30_000.0)
    assert told.lines[:2] == ["1 platform first notification: A1", "121 platform new alerts added: A1 A2"]
    assert len(told.lines) > 2 and told.router.counts["owner unknown"] == 1


# Over a reload, on a real store


class Life:
    """The steps of the embedded monitor over its file, and a dispatcher that writes to the console."""

    def __init__(self, directory: Path, config: Config) -> None:
        self.clock, self.stream, self.config = Clock(), io.StringIO(), config
        self.outbox = Outbox(plan(config, slack=False), config.default_owner)
        self.store = Store(directory)
        self.steps = Steps(config, self.store, Assembler(trace_timeout=60.0), self.outbox)
        self.down = False
        self.dispatcher = Dispatcher(self.outbox, {}, self._commit, self.clock)
        self._notify()
        self._write(self.steps.step([Tick(self.clock(), None)]))

    async def _commit(self) -> None:
        self.store.commit((), self.outbox.changes())

    def _notify(self) -> None:
        made: dict[str, Any] = _notifiers(self.config, plan(self.config, slack=False), self.stream, None)
        self.dispatcher.replace({name: _Door(self, each) for name, each in made.items()})

    def _write(self, written: Written) -> None:
        self.store.commit(*written)
        self.dispatcher.committed()
        asyncio.run(self.dispatcher.flush())

    def do(self, at: float, *actions: Action) -> str:
        """Take actions `at` seconds after the start; what the console shows since the last look."""
        self.clock.time = START + at
        self._write(self.steps.step([Tick(START + at, None)], (), actions))
        return self.said()

    def reload(self, config: Config) -> None:
        """As the embedded monitor does it."""
        self.config = config
        self.outbox.replan(plan(config, slack=False), config.default_owner)
        self._notify()
        self._write(self.steps.reload(config))

    def said(self) -> str:
        text = self.stream.getvalue()
        self.stream.seek(0)
        self.stream.truncate()
        return text

    def end(self) -> None:
        self.store.close()


class _Door:
    """A notifier behind a door that may be shut."""

    def __init__(self, life: Life, notifier: Any) -> None:
        self._life, self._notifier = life, notifier

    async def send(self, delivery: Any) -> str:
        if self._life.down:
            raise DeliveryError(FailureReason.CLIENT_ERROR, "channel_not_found", retryable=False)
        reference: str = await self._notifier.send(delivery)
        return reference

    def turn(self, delivery: Any, now: float) -> float:
        del delivery
        return now


def test_the_page_of_an_unknown_owner_is_shown_and_said_once_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    life = Life(tmp_path, BOTH)
    with caplog.at_level(logging.WARNING):
        shown = life.do(1.0, posted("Payments", 1.0))
        shown += life.do(9.0, posted("Payments", 9.0, ends_at=START + 9.0))
    life.end()
    assert shown.count("┏ PAGE for Payments Slack #plat (no token: shown here), new message") == 1
    assert "rings U024BE7LH" in shown and "meant for Payments, whom the configuration does not name" in " ".join(
        shown.replace("┃", "").split()
    )
    assert "Resolved for Payments" in shown
    assert caplog.text.count("is meant for the owner Payments, whom the configuration does not name") == 1
    assert life.outbox.counts["given up"] == 0


def test_without_any_owner_the_console_shows_it(tmp_path: Path) -> None:
    life = Life(tmp_path, NOBODY)
    assert "┏ PAGE for Payments new message" in life.do(1.0, posted("Payments", 1.0))
    life.end()


def test_what_is_new_of_an_incident_whose_owner_was_removed_goes_to_the_default_owner(tmp_path: Path) -> None:
    life = Life(tmp_path, BOTH)
    assert "Slack #pay" in life.do(1.0, posted("payments", 1.0))
    life.reload(LEFT)
    assert life.said() == "", "the message that is there stays as it is"
    (incident,) = life.steps.router.incidents()
    shown = life.do(9.0, Deed(time=START + 9.0, incident=incident.id, act="ack", by="ann"))
    assert "┏ PAGE for payments Slack #plat (no token: shown here), new message" in shown
    assert "Acknowledged by" in shown and "Slack #pay (" not in shown
    shown = life.do(15.0, posted("payments", 15.0, ends_at=START + 15.0))
    assert shown.count("┏") == 1 and "Resolved for payments Slack #plat" in shown
    assert life.steps.router.counts["owner unknown"] == 1 and life.outbox.pending() == 0
    life.end()


def test_its_repeats_go_there_too_and_back_with_the_owner() -> None:
    told = Told(BOTH)
    told.take(alert(0, "A owner=payments severity=page", ends=90_000.0))
    told.router.reload(LEFT, START + 1.0)
    told.until(20_000.0)
    assert told.lines == ["0 payments first notification: A", "14400 platform repeat interval elapsed: A"]
    told.router.reload(BOTH, START + 20_001.0)
    told.take(alert(20_002.0, "A owner=payments severity=page", ends=20_002.0))
    assert told.lines[2:] == [
        "20001 payments repeat interval elapsed: A",
        "20002 payments all alerts resolved: -A", "20002 platform all alerts resolved: -A",
    ]  # fmt: skip


@pytest.mark.parametrize("restart", [False, True])
def test_a_page_that_was_not_delivered_before_its_owner_was_removed_rings_the_default_owner(
    tmp_path: Path, restart: bool
) -> None:
    life = Life(tmp_path, BOTH)
    life.down = True
    assert life.do(1.0, posted("payments", 1.0)) == ""
    assert [each.given_up for each in life.outbox.troubles()] == [True]
    life.down = False
    if restart:
        life.end()
        life = Life(tmp_path, LEFT)
    else:
        life.reload(LEFT)
    shown = life.said()
    assert "┏ PAGE for payments Slack #plat (no token: shown here), new message, rings U024BE7LH" in shown
    assert "meant for payments" in shown and life.outbox.troubles() == []
    assert "Resolved for payments" in life.do(15.0, posted("payments", 15.0, ends_at=START + 15.0))
    life.end()


def test_a_page_that_waits_for_a_channel_goes_to_the_one_that_its_owner_has_now() -> None:
    new = Config.model_validate({"owners": {"payments": {"slack": "#new"}}})
    old = Config.model_validate({"owners": {"payments": {"slack": "#old"}}})
    outbox = Outbox(plan(old, slack=True), old.default_owner)
    for each in Router(old).step([finding()], START):
        outbox.put(each)
    outbox.release()
    outbox.replan(plan(new, slack=True), new.default_owner)
    assert outbox.due(START) == [], "not before this is durable"
    outbox.release()
    (delivery,) = outbox.due(START)
    assert (delivery.target, delivery.mention) == ("payments/slack/#new", True)


def test_a_message_of_a_channel_that_is_gone_is_left_as_it_stands() -> None:
    outbox = Outbox(plan(BOTH, slack=True), BOTH.default_owner)
    router = Router(BOTH)

    def put(found: list[Notification]) -> None:
        for each in found:
            outbox.put(each)
        outbox.release()

    put(router.step([finding()], START))
    (first,) = outbox.due(START)
    outbox.sent(first, "C1/1.0", START)
    put(router.step([finding(60, status="resolved")], START + 60.0))
    assert outbox.pending() == 1
    outbox.replan(plan(LEFT, slack=True), LEFT.default_owner)
    outbox.release()
    assert outbox.due(START + 60.0) == [] and outbox.pending() == 0
    assert [each.error for each in outbox.troubles()] == ["clientError: no such target any more"]
    assert outbox.counts["given up"] == 1


def test_where_it_was_escalated_to_an_owner_who_was_removed_the_default_owner_hears_the_end() -> None:
    escalating = {"payments": {"escalate": {"after": "5m", "to": "boss"}}, "boss": {}, "platform": {}}
    told = Told(Config.model_validate({"owners": escalating, "defaults": {"owner": "platform"}}))
    told.take(alert(0, "A owner=payments severity=page", ends=90_000.0))
    told.until(301.0)
    assert told.lines[-1] == "300 boss escalated: A"
    left = {"owners": {"payments": {}, "platform": {}}, "defaults": {"owner": "platform"}}
    told.router.reload(Config.model_validate(left), START + 302.0)
    told.take(alert(400.0, "A owner=payments severity=page", ends=400.0))
    assert told.lines[-2:] == ["400 payments all alerts resolved: -A", "400 platform all alerts resolved: -A"]
    assert [each.instead_of for each in told.notifications[-2:]] == ["", "boss"]


def test_whoever_was_told_in_place_of_an_owner_who_is_known_now_hears_the_end_and_nothing_before() -> None:
    told = Told(LEFT)
    told.take(alert(0, "A owner=payments severity=page", ends=90_000.0))
    told.router.reload(BOTH, START + 5.0)
    stored = [(key, raw) for key, raw in told.router.changes() if raw is not None]
    told.router = Router(BOTH)
    told.router.load(stored)
    told.take(alert(20.0, "A owner=payments severity=page", ends=90_001.0))
    told.until(20_000.0)
    told.take(alert(20_001.0, "A owner=payments severity=page", ends=20_001.0))
    assert told.lines == [
        "0 platform first notification: A",
        "20 payments first notification: A", "14420 payments repeat interval elapsed: A",
        "20001 payments all alerts resolved: -A", "20001 platform all alerts resolved: -A",
    ]  # fmt: skip
    assert [each.mention for each in told.notifications] == [True, True, False, False, False]


# What could not be delivered before their owner was taken out

ESCALATES = {"payments": {**SLACK["payments"], "escalate": {"after": "5m", "to": "platform"}}}


def moved(more: dict[str, Any], reload: bool, events: list[Finding]) -> list[tuple[str, float, bool, str]]:
    """What `#plat` is sent, where `#pay` refuses all and payments is taken out at 400 s: message, time, rings, status.

    What is loaded, or planned anew, is durable before the next step.
    """
    before = Config.model_validate({"owners": SLACK | ESCALATES, "defaults": {"owner": "platform"}} | more)
    after = Config.model_validate({"owners": {"platform": SLACK["platform"]}} | more)
    router, outbox = Router(before), Outbox(plan(before, slack=True), before.default_owner)
    sent: list[tuple[str, float, bool, str]] = []

    def send(now: float) -> None:
        outbox.release()
        while found := outbox.due(now):
            for each in found:
                outbox.begin(each)
                if "#pay" in each.target:
                    outbox.failed(each, DeliveryError(FailureReason.CLIENT_ERROR, "no", retryable=False), now)
                    continue
                name, line = each.reference or f"m{len({row[0] for row in sent})}", each.line
                rings = each.mention if line is None else line.rings
                sent.append((name, now - START, rings, each.notification.status))
                outbox.sent(each, name, now)

    def until(at: float, found: Sequence[Finding] = ()) -> None:
        while (wake := router.next_wake()) is not None and wake < START + at:
            for each in router.tick(wake):
                outbox.put(each)
            send(wake)
        for each in router.step(found, START + at):
            outbox.put(each)
        send(START + at)

    for each in events:
        if each.time > START + 400.0 >= router._now:
            until(400.0)
            if reload:
                router.reload(after, START + 400.0)
                outbox.replan(plan(after, slack=True), after.default_owner)
            else:
                kept, waits = router.changes(), outbox.changes()
                router, outbox = Router(after), Outbox(plan(after, slack=True), after.default_owner)
                router.load((key, raw) for key, raw in kept if raw is not None)
                outbox.load((key, raw) for key, raw in waits if raw is not None)
            send(START + 400.0)
        until(each.time - START, [each])
    until(2_000.0)
    assert outbox.pending() == 0
    return sent


@pytest.mark.parametrize("reload", [False, True])
def test_who_has_a_message_of_the_incident_already_goes_on_with_that(reload: bool) -> None:
    events = [finding(), *(finding(at, status="update", after=at / 1_000.0) for at in (100, 200, 300))]
    sent = moved({}, reload, [*events, finding(500, status="resolved")])
    assert {row[0] for row in sent} == {"m0"} and [row[1] for row in sent if row[2]] == [300.0], "rung once"
    assert sent[-1][1:] == (500.0, False, "resolved"), "its end is not taken for what was told before"


@pytest.mark.parametrize("reload", [False, True])
def test_of_a_group_the_default_owner_has_one_message(reload: bool) -> None:
    tree = {"route": {"group_by": ["alertname"], "group_wait": "1s"}}
    sent = moved(tree, reload, [finding(350), finding(500, status="resolved")])
    assert {row[0] for row in sent} == {"m0"} and [row[2] for row in sent].count(True) == 1
    assert sent[-1][3] == "resolved"
