"""A message of a written `route:` that holds several incidents: what it says of which, and whom it rings for what."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from monitor.alerting.dispatch import told as told_module
from monitor.alerting.dispatch.told import PREFIX, Told
from monitor.alerting.incidents.record import TIMELINE
from monitor.alerting.router import Router
from monitor.notify.composing import message_of
from monitor.notify.message import Message
from monitor.notify.slack.blocks import render, ring_text
from schemas.actions import Action, Deed
from schemas.alert import Notification, NotificationReason
from schemas.config import Config
from schemas.finding import Finding
from tests.doubles.alert_log import alert
from tests.doubles.clock import START
from tests.doubles.findings import finding

CONFIG = Config.model_validate(
    {
        "owners": {"payments": {"mention": "U024BE7LH"}, "fraud": {"mention": "S0FRAUD"}, "platform": {}},
        "defaults": {"owner": "payments"},
        "components": [
            {"agent": "zeta", "owner": "payments", "depends_on": ["tool:search"]},
            {"agent": "yota", "owner": "payments", "depends_on": ["tool:search"]},
            {"tool": "search", "owner": "platform"},
        ],
        "route": {
            "receiver": "oncall",
            "group_wait": "0s",
            "group_interval": "1m",
            "repeat_interval": "30d",
            "routes": [{"matchers": ["owner=platform"], "receiver": "elsewhere"}],
        },
        "receivers": [{"name": "oncall"}, {"name": "elsewhere"}],
    }
)


def page(at: float, agent: str, **more: Any) -> Finding:
    return finding(at, **{"key": agent, "signal": "run.failed", "node": {"agent": agent}, **more})


def search(at: float, **more: Any) -> Finding:
    """The tool that zeta and yota depend on fails."""
    return finding(at, **{"key": "search", "owner": "platform", "node": {"tool": "search"}, "onset": -60, **more})


class Group:
    """One group under a clock; `told`: what `oncall` was told."""

    def __init__(self) -> None:
        self.router = Router(CONFIG)
        self.told: list[Notification] = []

    def take(self, *records: Finding | Action) -> Notification:
        """Each record at its time, then the next look; what was told last."""
        for each in records:
            self.until(each.time - START, included=False)
            if isinstance(each, Finding):
                self._hear(self.router.step([each], each.time))
            else:
                self._hear(self.router.step((), each.time, [each]))
        self.until(records[-1].time - START + 60.0)
        return self.told[-1]

    def until(self, at: float, *, included: bool = True) -> None:
        while (wake := self.router.next_wake()) is not None and wake < START + at:
            self._hear(self.router.tick(wake))
        if included:
            self._hear(self.router.tick(START + at))

    def incident(self, agent: str) -> str:
        return next(i.id for i in self.router.incidents() if i.alerts[0].finding.node.get("agent") == agent)

    def act(self, at: float, agent: str, act: Any = "ack") -> Notification:
        return self.take(Deed(time=START + at, incident=self.incident(agent), act=act, by="slack:U1 ann"))

    def restart(self) -> None:
        """Killed, and started from what was durable."""
        stored = [(key, raw) for key, raw in self.router.changes() if raw is not None]
        self.router = Router(CONFIG)
        self.router.load(stored)

    @property
    def rings(self) -> list[str]:
        """For whose page each notification rings that does."""
        return [
            next(a.labels.get("agent") or a.labels["alertname"] for a in each.alerts if a.fingerprint == called(each))
            for each in self.told
            if each.mention
        ]

    def _hear(self, told: list[Notification]) -> None:
        self.told += [each for each in told if each.receiver == "oncall"]


def called(notification: Notification) -> str:
    return "" if notification.call is None else notification.call.fingerprint


def shown(notification: Notification) -> Message:
    return message_of(notification, CONFIG, mention=notification.mention)


def states(message: Message) -> dict[str, str]:
    return {fact.name: fact.value for fact in message.states}


def facts(message: Message) -> dict[str, float | None]:
    return {fact.name: fact.time for fact in message.facts}


def test_the_leading_alert_has_its_own_times_cause_and_people_in_the_message() -> None:
    group = Group()
    group.take(page(0, "zeta", after=0.9, runs=("z1",), deploy_share=0.9))
    group.act(5, "zeta")
    said = group.take(page(4000, "alpha", onset=3950, runs=("a1",)))
    message = shown(said)
    assert message.title == "alpha: fails 16 % of runs, was 4 %" and not message.acked
    assert states(message) == {} and said.acked_at is None
    assert facts(message)["Since about"] == START + 3950 and facts(message)["Noticed"] == START + 4000
    assert [run.run for run in message.runs] == ["a1"] and "deploy" not in message.cause
    assert said.incidents == (group.incident("alpha"), group.incident("zeta"))
    assert message.others == ("zeta: fails 90 % of runs, was 4 % (acknowledged by ann (slack))",)
    buttons = next(each for each in render(message, buttons=True)[0] if each["type"] == "actions")
    assert buttons["elements"][0]["text"]["text"] == "Acknowledge"
    assert "Also in this group" in str(render(message)[0])


def test_it_is_acknowledged_when_all_that_fires_is_and_says_before_what_was() -> None:
    group = Group()
    group.take(page(0, "zeta"), page(1, "alpha"))
    message = shown(group.act(100, "alpha"))
    assert not message.acked and states(message) == {"This one": "acknowledged by ann (slack)"}
    message = shown(group.act(200, "zeta"))
    assert message.acked and list(states(message)) == ["Acknowledged by"]
    assert message.others == ("zeta: fails 16 % of runs, was 4 %",)


def test_one_that_suffers_from_another_incident_stands_behind_and_takes_nothing_from_the_others() -> None:
    group = Group()
    group.take(page(0, "zeta"), search(20))
    root = next(i.id for i in group.router.incidents() if i.owner == "platform")
    assert group.told[-1].root == root and not shown(group.told[-1]).facts
    said = group.take(page(4000, "zulu", onset=3950))
    message = shown(said)
    assert message.title.startswith("zulu: ") and said.severity == "page" and said.root == ""
    assert message.facts and message.incidents and states(message) == {}
    assert message.others == (f"zeta: fails 16 % of runs, was 4 % (suffers from incident {root})",)


def test_where_all_suffer_one_line_says_so_rings_nobody_and_names_them() -> None:
    group = Group()
    group.router.step([search(0)], START)
    said = group.take(page(10, "zeta"), page(11, "yota"))
    message = shown(said)
    assert (said.severity, group.rings) == ("notice", [])
    assert list(states(message)) == ["Suffers from"] and not message.facts and not message.incidents
    assert message.others == ("zeta: fails 16 % of runs, was 4 %",)
    group.take(search(500, status="resolved"))
    assert group.rings == ["yota"] and group.told[-1].call is not None and group.told[-1].call.more == 1
    assert group.told[-1].severity == "page", "what goes on after its root is paged itself"


def test_the_end_of_the_leading_one_has_its_own_length() -> None:
    group = Group()
    group.take(page(0, "zeta", onset=-900), page(1, "alpha", onset=-30))
    both = group.take(page(100, "zeta", status="resolved"), page(130, "alpha", status="resolved"))
    assert both.status == "resolved" and facts(shown(both))["Resolved"] == START + 130
    assert {fact.name: fact.value for fact in shown(both).facts}["Lasted"] == "3 min"


def test_timelines_are_one_in_the_order_of_time() -> None:
    group = Group()
    group.take(page(0, "zeta"))
    group.act(200, "zeta")
    group.take(page(300, "alpha"))
    said = group.act(400, "alpha")
    assert [(entry.time - START, entry.text.split()[0]) for entry in said.timeline] == [
        (0, "fires:"), (200, "acknowledged"), (300, "fires:"), (400, "acknowledged"),
    ]  # fmt: skip


def test_what_was_left_out_of_a_timeline_does_not_come_into_it_later_as_news() -> None:
    group, many = Group(), 2 * TIMELINE
    group.router.step([page(n, f"agent-{n:02}") for n in range(many)], START + many)
    first = group.take(page(100, "zeta"))
    texts = [entry.text.split()[1] for entry in first.timeline]
    assert texts == [*(f"agent-{n:02}:" for n in range(many - TIMELINE + 1, many)), "zeta:"]
    group.restart()
    ends = [page(200, f"agent-{n:02}", status="resolved", id=f"end{n}") for n in range(5, many)]
    group._hear(group.router.step(ends, START + 200))
    last = group.take(page(400, "zeus"))
    assert [entry.text.split()[1] for entry in last.timeline] == ["zeus:"], "the ends were the latest, and have left"


def test_each_page_that_joins_rings_once_and_nothing_else_does() -> None:
    group = Group()
    group.take(page(0, "zeta"))
    group.take(page(100, "yawn", mode="notice"))
    assert group.told[-1].reason is NotificationReason.NEW_ALERTS and group.rings == ["zeta"]
    group.take(page(300, "yak", owner="fraud"))
    group.restart()
    group.take(page(400, "yak", id="u", status="update", owner="fraud", after=0.5))
    group.take(finding(500, key="more", owner="fraud", node={"agent": "yak", "tool": "t"}))
    assert group.rings == ["zeta", "yak"], "its incident rang"
    group.take(page(700, "yawn", id="grown"))
    assert group.rings == ["zeta", "yak", "yawn"], "a notice has grown to a page"
    group.take(page(800, "yak", status="resolved", owner="fraud"), page(900, "yak", key="yak2", owner="fraud"))
    assert group.rings == ["zeta", "yak", "yawn"], "what fires again soon is the same incident"


def test_a_page_that_joins_rings_its_own_owner_by_its_own_name() -> None:
    group = Group()
    group.take(page(0, "alpha"))
    said = group.take(page(300, "zoo", owner="fraud"))
    message = shown(said)
    assert message.title.startswith("alpha: ") and message.mentions == ("S0FRAUD",)
    assert ring_text(message) == (
        "<!subteam^S0FRAUD> this is a page now, for `fraud`: `zoo: fails 16 % of runs, was 4 %`"
    )
    later = group.act(400, "alpha")  # the line may wait longer than the notification that brought it
    assert not later.mention and ring_text(message_of(later, CONFIG, mention=True)) == ring_text(message)
    blocks, _ = render(message)
    assert "`zoo: fails 16 % of runs, was 4 %` is a page for `fraud`." in str(blocks[1]), "where a new message rings"


def test_a_posted_page_rings_again_once_it_was_told_to_be_over() -> None:
    group = Group()
    group.take(page(0, "zeta"))
    group.take(alert(100, "Disk inst=1", ends=90_000))
    assert group.rings == ["zeta", "Disk"] and states(shown(group.told[-1])) == {}
    group.take(alert(310, "Disk inst=1", ends=310), alert(320, "Disk inst=1", ends=90_000))
    assert group.rings == ["zeta", "Disk"], "its end was never told"
    group.take(alert(400, "Disk inst=1", ends=400))
    group.take(alert(600, "Disk inst=1", ends=90_000))
    assert group.rings == ["zeta", "Disk", "Disk"]


@pytest.mark.parametrize(("rang", "rings"), [(True, []), (False, ["alpha"])])
def test_of_what_was_told_before_it_was_noted_who_rang_nothing_rings_twice(rang: bool, rings: list[str]) -> None:
    group = Group()
    group.take(page(0, "alpha"), page(1, "zeta"))
    stored = []
    for key, raw in group.router.changes():
        if raw is not None and key.startswith(PREFIX):
            entry = msgspec.msgpack.decode(raw[1:])
            del entry["rung"], entry["ringing"], entry["left_out"]
            raw = raw[:1] + msgspec.msgpack.encode({**entry, "rang": rang})
        if raw is not None:
            stored.append((key, raw))
    group.router, group.told = Router(CONFIG), []
    group.router.load(stored)
    group.until(300)
    assert group.rings == rings
    group.take(page(400, "beta"))
    assert group.rings == [*rings, "beta"]


def test_incidents_that_rang_and_left_are_remembered_within_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(told_module, "RUNG", 1)
    last = Told(
        time=START, message="m", sequence=1, firing=frozenset(), resolved=frozenset(), expires_at=0.0, opened_at=START,
        rung=("i1", "i2", "posted/f"),
    )  # fmt: skip
    assert told_module._rung(last, [], frozenset()) == ("i2",)


def test_what_is_handed_over_stays_in_the_message_that_tells_of_it() -> None:
    group = Group()
    group.take(page(0, "alpha"), page(1, "zeta"))
    alpha, zeta = group.incident("alpha"), group.incident("zeta")
    group.until(70)

    def word(at: float, act: Any, **more: Any) -> list[tuple[str, str, str]]:
        group._hear(group.router.step((), START + at, [Deed(time=START + at, incident=alpha, act=act, by="c", **more)]))
        said = group.told[-1]
        assert said.time == START + at and said.incidents == (alpha, zeta)
        return [(each.labels["agent"], each.labels["owner"], each.status) for each in said.alerts]

    both = [("alpha", "fraud", "firing"), ("zeta", "payments", "firing")]
    assert word(80, "not_mine", to="fraud") == both
    assert "handed over to fraud" in group.told[-1].timeline[-1].text, "and the thread says it in that moment"
    assert word(90, "ack") == both, "before the group is looked at again"


def test_a_page_that_joins_is_named_as_that_whatever_is_said_of_another_before_its_line_is_sent() -> None:
    group = Group()
    group.take(page(0, "alpha"))
    message = shown(group.take(page(300, "zoo", owner="fraud")))
    escalated = msgspec.structs.replace(group.told[-1], reason=NotificationReason.ESCALATED, mention=False)
    assert ring_text(message_of(escalated, CONFIG, mention=True)) == ring_text(message)
