"""What an inhibition muted is told in the moment in which it mutes it no more, whatever ended it, and no sooner."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.alerting.dispatch import book
from monitor.alerting.dispatch.book import Book
from monitor.alerting.muting.inhibited import Inhibited
from monitor.alerting.muting.inhibition import Inhibition
from monitor.alerting.router import Router
from schemas.actions import Deed, PostedAlert
from schemas.config import Config
from schemas.finding import Finding
from tests.doubles.alert_log import Told, alert, routed, silence, unsilence
from tests.doubles.clock import START
from tests.doubles.findings import finding

OWNERS = {"payments": {}, "platform": {}}
RULES: list[dict[str, Any]] = [
    {"source_matchers": ["alertname=run.hung"], "target_matchers": ["alertname=tool.failed"]},
    {"source_matchers": ["alertname=Down"], "target_matchers": ["alertname=tool.failed"]},
]
CONFIG = Config.model_validate({"owners": OWNERS, "inhibit_rules": RULES})
PLAIN = Config.model_validate({"owners": OWNERS})


def source(at: float, status: str = "firing", agent: str = "other", **changes: Any) -> Finding:
    """`run.hung` of platform."""
    node = {"agent": agent}
    fields: dict[str, Any] = {"key": f"s-{agent}", "signal": "run.hung", "owner": "platform", "node": node}
    return finding(at, status=status, **{**fields, "watched": node, **changes})


def mine(told: Told) -> list[str]:
    """What payments was told, `!` where it rings."""
    found = [each for each in told.notifications if each.receiver == "payments"]
    return [f"{each.time - START:g} {each.reason}{'!' if each.mention else ''}" for each in found]


def muted(config: Config = CONFIG) -> Told:
    """A page of payments 10 s after the source fired; nobody was told of it."""
    told = Told(config)
    told.take(source(0), finding(10))
    assert mine(told) == []
    return told


def test_the_end_of_a_source_tells_what_it_muted_at_once() -> None:
    told = muted()
    told.take(source(60, "resolved"))
    assert mine(told) == ["60 first notification!"]
    told.until(7200)
    assert mine(told) == ["60 first notification!"], "once"


def test_a_person_who_ends_the_source_ends_the_inhibition() -> None:
    told = muted()
    (incident,) = [each.id for each in told.router.incidents() if each.owner == "platform"]
    told.take(Deed(time=START + 60, incident=incident, act="false_alarm", by="cli:ann"))
    assert mine(told) == ["60 first notification!"]


def test_while_another_source_mutes_it_nothing_is_told_nor_judged() -> None:
    told = Told(CONFIG)
    told.take(source(0), source(1, agent="second"), finding(10))
    judged = told.router.counts["quiet inhibited"]
    told.take(source(60, "resolved"))
    assert mine(told) == [] and told.router.counts["quiet inhibited"] == judged
    told.take(source(90, "resolved", agent="second"))
    assert mine(told) == ["90 first notification!"]


def down(at: float, text: str = "", **more: Any) -> PostedAlert:
    """A source that another system posts for platform."""
    return alert(at, f"Down owner=platform {text}", **more)


POSTED: list[tuple[str, list[PostedAlert], float]] = [
    ("one that sends no end is over after resolve_timeout", [down(0)], 300),
    ("one that is sent again goes on for as long", [down(0), down(200)], 500),
    ("an end that is sent counts at once", [down(0), down(100, ends=100)], 100),
    ("an end that lies ahead counts then", [down(0, ends=140)], 140),
    ("an end that is drawn nearer too", [down(0), down(50, starts=50, ends=120.5)], 120.5),
    ("one that stands for it when the first is over mutes on",
     [down(0, "inst=1", ends=100), down(50, "inst=2", ends=400)], 400),
    ("one whose end is nearer than that of the one that stands for it does not end it",
     [down(0, "inst=1", ends=400), down(50, "inst=2", ends=100)], 400),
]  # fmt: skip


@pytest.mark.parametrize(("sentence", "records", "ends"), POSTED, ids=[row[0] for row in POSTED])
def test_a_source_of_another_system(sentence: str, records: list[Any], ends: float) -> None:
    told = Told(CONFIG)
    told.take(*sorted([*records, finding(10)], key=lambda each: each.time))
    told.until(1000)
    assert mine(told) == [f"{ends:g} first notification!"], sentence


def test_what_a_silence_holds_as_well_waits_for_its_end() -> None:
    told = muted()
    told.take(silence(20, "alertname=tool.failed", 20, 5000), source(60, "resolved"))
    assert mine(told) == []
    told.take(unsilence(90))
    assert mine(told) == ["90 first notification!"]


def test_what_was_told_before_it_was_muted_is_repeated_again_behind_it() -> None:
    told = Told(CONFIG)
    told.take(finding(0), source(10))
    told.until(5 * 3600)
    assert mine(told) == ["0 first notification!"], "its repeat was due after four hours"
    told.take(source(18_100, "resolved"))
    assert mine(told) == ["0 first notification!", "18100 repeat interval elapsed"]


def test_of_an_incident_that_is_muted_in_part_the_rest_is_told_when_that_ends() -> None:
    told = Told(CONFIG)
    told.take(source(0), finding(10, key="a", signal="run.failed", node={"agent": "refund-agent"}))
    told.take(finding(20))
    assert len(told.router.incidents()) == 2 and mine(told) == ["10 first notification!"]
    told.take(source(35, "resolved"))
    assert mine(told) == ["10 first notification!", "35 new alerts added"]


def test_a_source_that_is_dropped_mutes_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told(CONFIG)
    told.take(down(0, "severity=info", ends=9000), finding(10))
    monkeypatch.setattr(book, "ALERTS", 2)
    told.take(source(20, signal="run.failed"))
    assert mine(told) == ["20 first notification!"] and told.router.counts["alert dropped"] == 1


def entries(told: Told) -> list[tuple[str, bytes]]:
    return [(key, raw) for key, raw in told.router.changes() if raw is not None]


@pytest.mark.parametrize("records", [[source(0)], [down(0, ends=60)]], ids=["ours", "posted"])
def test_after_a_restart_the_end_tells_it_too(records: list[Any]) -> None:
    told, again = Told(CONFIG), Told(CONFIG)
    told.take(*records, finding(10))
    again.router.load(entries(told))
    again.take(source(60, "resolved"))
    assert mine(again) == ["60 first notification!"]


def test_where_the_rule_is_gone_the_next_tick_tells_it() -> None:
    told = muted()
    told.router.reload(PLAIN, START + 30)
    told.until(31)
    assert mine(told) == ["30 first notification!"]
    before, after = muted(), Told(PLAIN)
    after.router.load(entries(before))
    after.until(31)
    assert mine(after) == ["10 first notification!"], "a restart reads the file anew as well"


def test_after_an_absence_a_source_has_a_minute_to_speak() -> None:
    told = Told(CONFIG)
    told.take(down(0), finding(10))
    told.notifications += told.router.tick(START + 3600)
    told.take(down(3630))
    told.until(3700)
    assert mine(told) == []
    told.until(4000)
    assert mine(told) == ["3930 first notification!"]


def test_a_group_of_a_route_is_told_at_its_next_look() -> None:
    told = Told(routed({"group_wait": "10s", "group_interval": "60s", "group_by": ["alertname"]}, inhibit_rules=RULES))
    told.take(source(0), finding(10))
    told.take(source(30, "resolved"))
    told.until(100)
    assert [line for line in told.lines if "tool.failed" in line] == ["80 r first notification: tool.failed"]


class Counted(Inhibition):
    """Counts how often it is asked what mutes an alert."""

    asked = 0

    def source(self, *given: Any) -> Any:
        self.asked += 1
        return super().source(*given)


def test_the_end_of_a_source_looks_at_what_it_mutes_and_at_nothing_else() -> None:
    rule = {"source_matchers": ["alertname=Down"], "target_matchers": ["alertname=tool.failed"], "equal": ["agent"]}
    held, inhibition = Book(), Counted(Config.model_validate({"owners": OWNERS, "inhibit_rules": [rule]}))
    inhibited = Inhibited(inhibition, held)
    told = Told(PLAIN)
    for number in range(50):
        posted = held.post(alert(0, f"Down agent=a{number}"), START, 300.0)
        assert posted is not None
        inhibition.seen(posted, held)
        told.take(finding(1, key=f"k{number}", node={"agent": f"a{number}"}, owner="payments", onset=number * 9e3))
    for incident in told.router.incidents():
        inhibited.note(incident, START + 1)
    over = held.post(alert(2, "Down agent=a7", ends=2), START + 2, 300.0)
    assert over is not None
    inhibition.seen(over, held)
    inhibition.asked = 0
    inhibited.seen(over, START + 2)
    (name,) = inhibited.freed(START + 2)
    assert inhibition.asked <= 2
    freed = next(each for each in told.router.incidents() if each.id == name)
    assert "a7" in {each.labels["agent"] for each in freed.alerts}


def test_a_route_that_is_new_leaves_no_wake_behind_of_what_its_groups_tell() -> None:
    told = muted()
    routed_now = Config.model_validate({"owners": OWNERS, "inhibit_rules": RULES, "route": {"receiver": "payments"}})
    stored = [(key, raw) for key, raw in told.router.changes() if raw is not None]
    told.router = Router(routed_now)
    told.router.load(stored)
    told.router.tick(START + 100)
    wake = told.router.next_wake()
    assert wake is not None and wake > START + 100
