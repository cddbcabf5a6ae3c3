"""What the router keeps: over a reload, an absence, a burst; its bounds, and what it shows of itself."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.alerting import decisions
from monitor.alerting.blind import Blindness, blind
from monitor.alerting.dispatch import book, dispatcher, groups
from monitor.alerting.incidents import dependencies
from monitor.alerting.muting import silences
from monitor.alerting.router import Router
from monitor.alerting.routing.tree import Routing
from schemas.actions import Matcher, PostedAlert, SilenceSet
from schemas.config import Config
from tests.doubles.alert_log import RECEIVERS, Told, alert, routed, silence, unsilence
from tests.doubles.clock import START
from tests.doubles.findings import finding

SHORT = {"group_wait": "10s", "group_interval": "60s", "repeat_interval": "10m"}
FAR = {"ends": 90_000.0}


def test_under_another_tree_what_was_told_is_not_told_again_and_no_end_is_lost() -> None:
    told = Told(routed(SHORT))
    told.take(alert(0, "A inst=1", **FAR), alert(0, "B inst=1", **FAR))
    told.until(20)
    other = {**SHORT, "routes": [{"receiver": "s", "matchers": ["alertname=B"]}]}
    told.router.reload(routed(other), START + 25)
    told.take(alert(30, "A inst=1", ends=30))
    told.until(200)
    assert told.lines == [
        "10 r first notification: A1",
        "10 r first notification: B1",
        "25 s first notification: B1",  # where it goes now; its start is older than the wait
        "25 r handed over: B1",
        "70 r all alerts resolved: -A1",
    ]


def test_started_under_another_tree_it_goes_on_as_after_a_reload() -> None:
    told = Told(routed({**SHORT, "routes": [{"receiver": "s", "matchers": ["alertname=A"]}]}))
    told.take(alert(0, "A inst=1", **FAR), alert(0, "B inst=1", **FAR))
    told.until(20)
    entries = [(key, raw) for key, raw in told.router.changes() if raw is not None]
    found: dict[str, list[str]] = {}
    for name, config in {
        "edited": routed({**SHORT, "routes": [{"receiver": "s", "matchers": ["alertname=B"]}]}),
        "none": Config.model_validate({"owners": {"payments": {}}}),
    }.items():
        started = Told(config)
        started.router.load(entries)
        assert len(started.router.alerts()) == 2
        started.router.groups()
        started.until(200)
        found[name] = started.lines
    assert found == {
        "edited": [
            "20 s handed over: A1", "20 s first notification: B1",
            "20 r first notification: A1", "20 r handed over: B1",
        ],
        "none": [],
    }  # fmt: skip


def test_all_parts_of_the_router_route_by_one_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Config] = []
    build = Routing.__init__

    def counted(self: Routing, config: Config) -> None:
        made.append(config)
        build(self, config)

    monkeypatch.setattr(Routing, "__init__", counted)
    before, after = routed(SHORT), Config.model_validate({"owners": {"payments": {}}})
    router = Router(before)
    router.reload(after, START)
    assert made == [before, after]


def test_a_new_wait_holds_from_the_next_look() -> None:
    told = Told(routed(SHORT))
    told.take(alert(0, "A inst=1", **FAR))
    told.until(20)
    told.router.reload(routed({**SHORT, "group_interval": "30s"}), START + 25)
    told.take(alert(30, "A inst=2", **FAR), alert(75, "A inst=3", **FAR))
    told.until(200)
    assert told.lines[1:] == ["70 r new alerts added: A1 A2", "100 r new alerts added: A1 A2 A3"]


def test_from_a_tree_to_owners_and_back_nothing_is_lost() -> None:
    told = Told(Config.model_validate({"owners": {"payments": {}}}))
    told.take(finding())
    told.router.reload(routed({**SHORT, "group_by": []}, owners={"payments": {}}), START + 60)
    told.until(200)
    assert told.lines == ["0 payments first notification: tool.failed", "60 r first notification: tool.failed"]
    told.router.reload(Config.model_validate({"owners": {"payments": {}}}), START + 300)
    told.take(finding(400, status="resolved"))
    assert told.lines[2:] == ["400 payments all alerts resolved: -tool.failed"]
    assert [each.mention for each in told.notifications] == [True, False, False], "payments was rung at first"


def test_after_an_absence_groups_wait_so_that_sources_can_send_again() -> None:
    told = Told(routed({**SHORT, "repeat_interval": "10h"}))
    told.take(alert(0, "A inst=1", ends=300))
    told.until(20)
    # Nobody ticks for an hour; the alert's end has passed meanwhile, and its source still sees it fire.
    back = START + 3600
    assert told.router.tick(back) == []
    assert told.router.step((), back + 5, [alert(3605, "A inst=1", ends=4000)]) == []
    assert told.router.tick(back + 10) == []
    assert told.router.counts["away"] == 1


def test_after_an_absence_people_and_sources_of_owners_speak_first_too() -> None:
    owners = {"payments": {"escalate": {"after": "5m", "to": "platform"}}, "platform": {}}
    told = Told(Config.model_validate({"owners": owners}))
    told.take(alert(0, "A inst=1"), alert(1, "B inst=1"), alert(2, "C inst=1", **FAR))
    told.router.tick(START + 3600)
    told.router.step((), START + 3610, [alert(3610, "A inst=1")])
    told.until(3661)
    assert told.lines[3:] == [
        "3660 payments all alerts resolved: -B1",
        "3660 payments escalated: A1", "3660 platform escalated: A1",
        "3660 payments escalated: C1", "3660 platform escalated: C1",
    ]  # fmt: skip


def test_of_many_groups_that_are_due_pages_come_first() -> None:
    told = Told(routed(SHORT))
    rows = [("B severity=info inst=1", 0), ("A severity=info inst=1", 0), ("C severity=page inst=1", 0)]
    told.router.step((), START, [alert(at, text, **FAR) for text, at in rows])
    told.until(30)
    assert [each.group_labels["alertname"] for each in told.notifications] == ["C", "A", "B"]


def test_views_are_those_of_the_api() -> None:
    told = Told(routed(SHORT, inhibit_rules=[{"source_matchers": ["inst=1"], "target_matchers": ["inst=2"]}]))
    told.take(alert(0, "A inst=1", **FAR), alert(1, "A inst=2", **FAR), alert(2, "B inst=3", **FAR))
    states = {each.labels["inst"]: each.state for each in told.router.alerts()}
    assert states == {"1": "unprocessed", "2": "suppressed", "3": "unprocessed"}
    told.until(30)
    told.take(silence(31, "inst=3", 31, 500))
    one, two, three = told.router.alerts()
    assert (one.state, two.inhibited_by, three.silenced_by) == ("active", (one.fingerprint,), ("s1",))
    assert [(each.labels, each.receiver, len(each.alerts)) for each in told.router.groups()] == [
        ({"alertname": "A"}, "r", 2), ({"alertname": "B"}, "r", 1),
    ]  # fmt: skip
    assert told.router.receivers()[-3:] == [each["name"] for each in RECEIVERS]
    assert told.router.decisions({"inst": "2"})[0].reason == "inhibited"


def test_the_fingerprint_is_alertmanagers() -> None:
    told = Told(routed())
    told.take(alert(0, "A inst=1"))
    assert told.router.alerts()[0].fingerprint == "af90b7bec0c95108"


EDITS: list[tuple[str, dict[str, Any], bool]] = [
    ("a new end keeps the id", {"ends": 900}, True),
    ("another start of one that is active does not", {"starts": 40}, False),
    ("other matchers do not", {"matchers": "inst=2"}, False),
]


@pytest.mark.parametrize(("why", "change", "same"), EDITS, ids=[row[0] for row in EDITS])
def test_an_edit_of_a_silence(why: str, change: dict[str, Any], same: bool) -> None:
    told = Told(routed())
    told.take(silence(0, "inst=1", 0, 500))
    edit = silence(30, **{"matchers": "inst=1", "starts": 0, "ends": 500, **change})
    name = told.router.silence_id(edit)
    told.take(edit)
    assert (name == "s1") is same, why
    views = told.router.silences()
    assert len(views) == (1 if same else 2)
    assert {each.id: each.status for each in views} == (
        {"s1": "active"} if same else {"s1": "expired", name: views[0].status}
    )


def test_a_silence_is_pending_active_expired_and_forgotten() -> None:
    told = Told(routed())
    told.take(silence(0, "inst=1", 50, 100), silence(0, "inst=2", 0, 500, "s2"), unsilence(10, "s2"))
    assert {each.id: each.status for each in told.router.silences()} == {"s1": "pending", "s2": "expired"}
    told.until(60)
    assert {each.id: each.status for each in told.router.silences()} == {"s1": "active", "s2": "expired"}
    told.until(101)
    assert {each.status for each in told.router.silences()} == {"expired"}
    told.take(alert(6 * 86_400, "A inst=1"))
    told.until(6 * 86_400 + 4000)
    assert told.router.silences() == []


def test_bounds_are_held_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in ((book, "ALERTS"), (silences, "SILENCES"), (groups, "GROUPS"), (decisions, "DECISIONS")):
        monkeypatch.setattr(module, name, 3)
    router = Router(routed({"group_by": ["..."]}))
    alerts = [alert(0, f"A inst={n} severity=info", **FAR) for n in range(5)]
    router.step((), START, alerts)
    assert (len(router.alerts()), router.counts["alert refused"]) == (3, 2)
    router.step((), START + 1, [alert(1, "A inst=9", **FAR)])
    assert router.counts["alert dropped"] == 1, "for a page a notice gives way"
    assert router.counts["alert without group"] == 1
    router.step((), START + 2, [silence(2, "inst=1", 2, 500, f"s{n}") for n in range(5)])
    assert (len(router.silences()), router.counts["silence refused"]) == (3, 2)
    router.tick(START + 31)
    assert len(router.decisions({})) <= 3


def test_an_alert_that_gave_way_in_the_book_still_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book, "ALERTS", 1)
    told = Told(Config.model_validate({"owners": {"payments": {}}}))
    told.take(alert(0, "A inst=1 severity=info", ends=100), alert(1, "B inst=1", ends=200))
    told.until(300)
    assert told.lines[2:] == ["100 payments all alerts resolved: -A1", "200 payments all alerts resolved: -B1"]


def test_what_an_outsider_posts_is_bounded_or_refused() -> None:
    router = Router(routed())
    rows = [
        PostedAlert(time=START, labels={}),
        PostedAlert(time=START, labels={"a": ""}),
        PostedAlert(time=START, labels={"": "b"}),
        PostedAlert(time=START, labels={f"l{n}": "x" for n in range(65)}),
        PostedAlert(time=START, labels={"a": "b"}, starts_at=START, ends_at=START - 1),
    ]
    router.step((), START, rows)
    assert router.counts["alert refused"] == len(rows) and router.alerts() == []
    router.step((), START, [PostedAlert(time=START, labels={"a": "x" * 10_000}, annotations={"summary": "y" * 10_000})])
    (view,) = router.alerts()
    assert len(view.labels["a"]) == len(view.annotations["summary"]) == book.TEXT_CHARACTERS


def test_a_silence_that_cannot_be_read_is_refused() -> None:
    router = Router(routed())
    bad = (Matcher("a", "(", is_regex=True),)
    router.step((), START, [SilenceSet(time=START, id="x", matchers=bad, starts_at=START, ends_at=START + 9)])
    assert router.silences() == [] and router.counts["silence refused"] == 1


def test_a_notification_lists_so_many_alerts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatcher, "LISTED", 2)
    told = Told(routed({**SHORT, "group_by": []}))
    told.router.step((), START, [alert(0, f"A inst={n}", **FAR) for n in range(5)])
    told.until(20)
    assert [(len(each.alerts), each.alerts_dropped) for each in told.notifications] == [(2, 3)]


def test_what_is_learned_of_dependencies_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dependencies, "AGENTS", 2)
    monkeypatch.setattr(dependencies, "USED", 2)
    graph = dependencies.Dependencies(Config())
    for n in range(4):
        graph.learn(finding(n, node={"agent": "a", "tool": f"t{n}"}))
    assert graph.reach("agent:a") == {"tool:t2", "tool:t3"}
    for n in range(4):
        graph.learn(finding(10 + n, node={"agent": f"b{n}", "tool": "t"}))
    assert graph.dependents(["tool:t"]) == {"b2", "b3"} and graph.reach("agent:a") == set()


def test_the_monitor_says_that_it_is_blind_to_its_owner_and_never_in_a_digest() -> None:
    told = Told(Config.model_validate({"owners": {"platform": {"notices": "0 per day"}}}))
    told.take(blind(Blindness.GAP, "platform", START - 40, START, detail="40 s"))
    told.take(blind(Blindness.HEARTBEAT, "platform", START, START + 1, detail="checkout"))
    told.take(blind(Blindness.GAP, "platform", START - 40, START + 60, "resolved", "40 s"))
    assert [(each.receiver, each.reason, each.mention) for each in told.notifications] == [
        ("platform", "monitor blind", False), ("platform", "monitor blind", False),
        ("platform", "all alerts resolved", False),
    ]  # fmt: skip
    assert told.notifications[0].alerts[0].annotations["summary"] == "The monitor was not there: 40 s"
