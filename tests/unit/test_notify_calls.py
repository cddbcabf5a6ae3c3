"""Pages of several owners in one message: all of them are called, each once, whatever happens on the way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from monitor.alerting.dispatch import dispatcher
from monitor.alerting.router import Router
from monitor.alerting.routing.receivers import Target
from monitor.notify import console
from monitor.notify.composing import message_of
from monitor.notify.delivery import Delivery, DeliveryError, FailureReason
from monitor.notify.incidents.message import MENTIONS
from monitor.notify.outbox import Outbox
from monitor.notify.slack.blocks import TEXT, render, ring_text
from monitor.runtime.counting import published
from schemas.alert import Call, Notification
from schemas.config import Config
from tests.doubles import block_rules
from tests.doubles.clock import START
from tests.doubles.findings import finding
from tests.doubles.notifications import put
from tests.doubles.slack_eyes import Post, seen

SLACK, PRINTED = Target("oncall/slack/#o", "slack", channel="#o"), Target("oncall/console", "console")
SERVER = DeliveryError(FailureReason.SERVER_ERROR, "status 500", retryable=True)
LOST = DeliveryError(FailureReason.DEADLINE, "no answer in time", retryable=True, uncertain=True)
REFUSED = DeliveryError(FailureReason.CLIENT_ERROR, "restricted_action_thread_locked", retryable=False)


def config(**owners: Any) -> Config:
    route = {"receiver": "oncall", "group_wait": "0s", "group_interval": "1m", "repeat_interval": "30d"}
    return Config.model_validate({"owners": owners, "route": route, "receivers": [{"name": "oncall"}]})


CONFIG = config(pay={"mention": "U0PAY"}, fraud={"mention": "S0FRAUD"}, core={"mention": "U0PAY"}, quiet={})


class Group:
    """One group that `oncall` is told of: what is told at a time."""

    def __init__(self, config: Config = CONFIG) -> None:
        self.config = config
        self.router = Router(config)

    def take(self, at: float, **pages: str) -> Notification:
        """Pages of agents, `agent=owner`, an agent in capitals is over; what is told at the next look."""
        found = [
            finding(
                at, key=agent.lower(), signal="run.failed", node={"agent": agent.lower()}, owner=owner,
                status="resolved" if agent.isupper() else "firing",
            )
            for agent, owner in pages.items()
        ]  # fmt: skip
        told = self.router.step(found, START + at)
        for until in (at + 30.0, at + 60.0):
            told += self.router.tick(START + until)
        return told[-1]


def rung(message: Any) -> tuple[str, ...]:
    return seen(Post("1.0", "U", ring_text(message), [], None)).rings


def test_a_message_of_several_owners_mentions_each_once_and_says_for_what() -> None:
    told = Group().take(0, alpha="pay", beta="fraud", gamma="pay", delta="core", eta="quiet")
    message = message_of(told, CONFIG, mention=told.mention)
    assert message.mentions == ("U0PAY", "S0FRAUD")
    blocks, text = render(message)
    assert block_rules.problems(blocks) == []
    assert seen(Post("1.0", "U", text, blocks, None)).rings == ("@U0PAY", "!subteam^S0FRAUD")
    assert blocks[1]["text"]["text"].split("\n") == [
        "<@U0PAY> <!subteam^S0FRAUD> these are pages:",
        "• for `pay`: `alpha: fails 16 % of runs, was 4 %` and 1 more",
        "• for `fraud`: `beta: fails 16 % of runs, was 4 %`",
        "• for `core`: `delta: fails 16 % of runs, was 4 %`",
        "• for `quiet`: `eta: fails 16 % of runs, was 4 %`",
    ]
    assert "rings U0PAY S0FRAUD" in console.render(message)[0]
    assert "these are pages" not in str(render(message_of(told, CONFIG))), "an edit calls nobody"


def test_pages_of_several_owners_that_join_call_all_of_them_by_one_line() -> None:
    group = Group()
    group.take(0, alpha="quiet")
    told = group.take(300, beta="fraud", zeta="pay")
    message = message_of(told, CONFIG, mention=told.mention)
    assert ring_text(message).split("\n") == [
        "<!subteam^S0FRAUD> <@U0PAY> these are pages now:",
        "• for `fraud`: `beta: fails 16 % of runs, was 4 %`",
        "• for `pay`: `zeta: fails 16 % of runs, was 4 %`",
    ]
    assert rung(message) == ("!subteam^S0FRAUD", "@U0PAY")


def test_where_nobody_has_a_mention_the_line_says_for_whom_it_is() -> None:
    nobody = config(pay={}, fraud={})
    told = Group(nobody).take(0, alpha="pay", beta="fraud")
    message = message_of(told, nobody, mention=True)
    assert ring_text(message).startswith("These are pages now:\n• for `pay`:") and rung(message) == ()


def test_an_owner_to_whom_the_route_itself_goes_is_the_one_who_is_called() -> None:
    route = {"receiver": "pay", "group_wait": "0s"}
    owned = Config.model_validate({"owners": {"pay": {"mention": "U0PAY"}, "fraud": {"mention": "S0"}}, "route": route})
    told = Group(owned).take(0, alpha="pay", beta="fraud")
    assert message_of(told, owned, mention=True).mentions == ("U0PAY",)


def test_however_many_owners_the_message_fits_and_who_is_not_called_is_counted() -> None:
    many = config(**{f"{'&' * 50}{n:03}": {"mention": f"S0123456789{n:03}"} for n in range(60)})
    group = Group(many)
    told = group.take(0, **{f"a{n:03}": f"{'&' * 50}{n:03}" for n in range(60)})
    message = message_of(told, many, mention=True)
    assert (
        len(message.mentions) == MENTIONS == dispatcher.CALLED
        and published(group.router.counts)["evicted:calls_of_a_message"] == 10
    )
    blocks, text = render(message, buttons=True)
    assert block_rules.problems(blocks) == [] and block_rules.total(blocks) < block_rules.TOTAL and len(text) <= TEXT
    assert len(seen(Post("1.0", "U", text, blocks, None)).rings) == len(rung(message)) == MENTIONS
    assert len(ring_text(message)) <= TEXT


# On the way


def box(*told: Notification, target: Target = SLACK) -> Outbox:
    outbox = Outbox({"oncall": (target,)})
    put(outbox, *told)
    return outbox


def restarted(outbox: Outbox) -> Outbox:
    fresh = Outbox({"oncall": (SLACK,)})
    fresh.load((key, raw) for key, raw in outbox.changes() if raw is not None)
    return fresh


def owners(delivery: Delivery) -> str:
    """`post pay fraud`: what is sent, and whom it calls."""
    what = "line" if delivery.line is not None else "edit" if delivery.reference else "post"
    rings = delivery.mention if delivery.line is None else delivery.line.rings
    return " ".join((what, *(each.owner for each in delivery.notification.called if rings)))


def said(outbox: Outbox) -> list[str]:
    """What goes out until nothing is due; edits and lines that ring nobody are left out."""
    found = []
    while due := outbox.due(START + 90.0):
        found.append(owners(due[0]))
        outbox.begin(due[0])
        outbox.sent(due[0], "C1/1.0", START)
    return [each for each in found if " " in each]


def story(count: int = 3) -> list[Notification]:
    """A page of pay, then one of fraud that joins, then one of quiet."""
    group = Group()
    return [
        group.take(100.0 * n, **{agent: owner})
        for n, (agent, owner) in enumerate((("alpha", "pay"), ("beta", "fraud"), ("zeta", "quiet"))[:count])
    ]


def test_pages_that_join_one_after_the_other_call_each_owner_once() -> None:
    outbox, found = box(), []
    for each in story():
        put(outbox, each)
        outbox = restarted(outbox)
        put(outbox, each)
        found += said(outbox)
    assert found == ["post pay", "line fraud", "line quiet"]


def test_pages_that_join_while_slack_is_away_lose_nobody() -> None:
    first, second, third = story()
    assert said(box(first, second, third)) == ["post pay fraud quiet"], "before the message stands, it calls them all"
    outbox = box(first)
    said(outbox)
    put(outbox, second)
    outbox = restarted(outbox)
    put(outbox, third)
    assert said(outbox) == ["line fraud", "line quiet"], "the first line may have been said before the crash"
    outbox = box(first)
    said(outbox)
    put(outbox, second, third)
    assert said(outbox) == ["line fraud quiet"]


WAYS: list[tuple[str, DeliveryError | None, list[str]]] = [
    ("the first message arrived", None, ["line fraud"]),
    ("it may have: it is looked for and calls whom it called", LOST, ["post pay", "line fraud"]),
    ("it did not: the next one calls both", SERVER, ["post pay fraud"]),
]


@pytest.mark.parametrize(("why", "error", "then"), WAYS, ids=[row[0] for row in WAYS])
def test_a_page_that_joins_while_the_first_message_is_on_its_way(
    why: str, error: DeliveryError | None, then: list[str]
) -> None:
    first, second = story(2)
    outbox = box(first)
    sent = outbox.due(START)[0]
    outbox.begin(sent)
    put(outbox, second)
    if error is None:
        outbox.sent(sent, "C1/1.0", START)
    else:
        outbox.failed(sent, error, START)
    assert said(outbox) == then, why


LINES: list[tuple[str, DeliveryError | None, list[str]]] = [
    ("the line arrived", None, ["line quiet"]),
    ("it may have: it is looked for as it was", LOST, ["line fraud", "line quiet"]),
    ("it did not", SERVER, ["line fraud", "line quiet"]),
    ("the thread may not ring: a message of its own does, for both", REFUSED, ["post fraud quiet"]),
]


@pytest.mark.parametrize(("why", "error", "then"), LINES, ids=[row[0] for row in LINES])
def test_a_page_that_joins_while_a_line_is_on_its_way(why: str, error: DeliveryError | None, then: list[str]) -> None:
    first, second, third = story()
    outbox = box(first)
    said(outbox)
    put(outbox, second)
    line = outbox.due(START)[0]
    outbox.begin(line)
    put(outbox, third)
    if error is None:
        outbox.sent(line, "C1/1.0", START)
    else:
        outbox.failed(line, error, START)
    assert sorted(said(outbox)) == then, why


def test_what_is_over_before_its_line_is_said_calls_nobody() -> None:
    group = Group()
    outbox = box(group.take(0, alpha="pay"))
    said(outbox)
    put(outbox, group.take(100, beta="fraud", zeta="quiet"), group.take(200, BETA="fraud"))
    assert said(outbox) == ["line quiet"]
    put(outbox, group.take(300, eta="core"), group.take(400, ETA="core"))
    assert said(outbox) == []


def test_on_the_console_who_came_while_it_was_printed_is_called_by_the_next_print() -> None:
    first, second = story(2)
    outbox = box(first, target=PRINTED)
    sent = outbox.due(START)[0]
    outbox.begin(sent)
    put(outbox, second)
    outbox.sent(sent, "console", START)
    assert (owners(sent), said(outbox)) == ("post pay", ["edit fraud"])


def test_what_waits_for_a_receiver_that_is_gone_calls_all_where_it_goes() -> None:
    outbox = box(*story())
    outbox.replan({"oncall": (Target("oncall/slack/#new", "slack", channel="#new"),)})
    outbox.release()
    assert said(outbox) == ["post pay fraud quiet"]


def test_a_delivery_that_was_saved_before_several_were_called_is_read() -> None:
    first, second = story(2)
    outbox = box(first)
    said(outbox)
    put(outbox, second)
    old: Sequence[tuple[str, bytes]] = []
    for key, raw in outbox.changes():
        assert raw is not None
        entry = msgspec.msgpack.decode(raw[1:])
        del entry["calls"], entry["desired"]["calls"], entry["desired"]["call"]["given"]
        for line in entry["thread"]["waiting"]:
            line.pop("calls")
        old = [*old, (key, raw[:1] + msgspec.msgpack.encode(entry))]
    fresh = Outbox({"oncall": (SLACK,)})
    fresh.load(old)
    assert said(fresh) == ["line fraud"]


def test_calls_are_one_for_each_owner() -> None:
    told = Group().take(0, alpha="pay", beta="fraud", gamma="pay")
    assert [(each.owner, each.more) for each in told.called] == [("pay", 1), ("fraud", 0)]
    assert told.call == told.called[0] and isinstance(told.call, Call)
