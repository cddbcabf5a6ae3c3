"""What people do with incidents, and what happens when nobody does: escalation, hand-over, dismissal, silences."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.alerting.router import Router
from schemas.actions import Deed
from schemas.alert import Notification
from schemas.config import Config
from tests.doubles.alert_log import Told, alert, routed, silence, unsilence
from tests.doubles.clock import START
from tests.doubles.findings import finding

CONFIG = Config.model_validate(
    {
        "owners": {
            "payments": {"escalate": {"after": "15m", "to": "platform"}},
            "platform": {"escalate": {"after": "10m", "to": "boss"}},
            "boss": {"escalate": {"after": "1m", "to": "payments"}},
        },
    }
)


ESCALATES = {"owners": {"payments": {"escalate": {"after": "15m", "to": "platform"}}, "platform": {}}}


def brief(told: list[Notification]) -> list[str]:
    """`payments first notification!`: receiver, reason, `!` where it rings, `.` where it is over."""
    marks = {(True, "firing"): "!", (False, "firing"): "", (False, "resolved"): "."}
    return [f"{each.receiver} {each.reason}{marks[each.mention, each.status]}" for each in told]


def deed(at: float, router: Router, act: Any, **more: Any) -> Deed:
    """A deed of alice on the first incident."""
    return Deed(time=START + at, incident=router.incidents()[0].id, act=act, by="cli:alice", **more)


def paged() -> Told:
    told = Told(CONFIG)
    told.take(finding())
    return told


def since(told: Told, count: int) -> list[str]:
    return brief(told.notifications[count:])


def test_a_page_that_nobody_acknowledges_goes_from_owner_to_owner_and_ends_there() -> None:
    told = paged()
    told.until(3 * 3600)
    assert brief(told.notifications) == [
        "payments first notification!",
        "payments escalated", "platform escalated!",
        "payments escalated", "platform escalated", "boss escalated!",
    ]  # fmt: skip
    assert [each.time - START for each in told.notifications] == [0, 900, 900, 1500, 1500, 1500]
    assert told.notifications[-1].escalated_to == "boss"
    told.take(finding(11_000, status="resolved"))
    assert since(told, 6) == [f"{name} all alerts resolved." for name in ("payments", "platform", "boss")]


def test_a_notice_is_not_escalated() -> None:
    told = Told(CONFIG)
    told.take(finding(mode="notice"))
    told.until(7200)
    assert brief(told.notifications) == ["payments first notification"]


def test_an_acknowledgement_stops_escalation_and_repeats_and_is_shown() -> None:
    told = paged()
    told.take(deed(60, told.router, "ack"))
    assert since(told, 1) == ["payments acknowledged"]
    assert (told.notifications[1].acked_by, told.notifications[1].acked_at) == ("cli:alice", START + 60)
    told.until(6 * 3600)
    assert len(told.notifications) == 2
    assert [each.text for each in told.router.incidents()[0].timeline][1:] == ["acknowledged by cli:alice"]


def test_an_acknowledgement_that_is_taken_back_starts_the_clock_anew() -> None:
    told = paged()
    told.take(deed(60, told.router, "ack"), deed(120, told.router, "unack"))
    told.until(120 + 901)
    assert since(told, 1) == [
        "payments acknowledged", "payments acknowledgement taken back", "payments escalated", "platform escalated!",
    ]  # fmt: skip
    assert told.notifications[-1].time == START + 1020


def test_an_acknowledgement_ends_with_the_episode() -> None:
    told = paged()
    told.take(deed(60, told.router, "ack"), finding(100, status="resolved"), finding(200, key="k2"))
    assert told.router.incidents()[0].acked_at is None
    told.until(1200)
    assert since(told, 2) == [
        "payments all alerts resolved.", "payments flapping", "payments escalated", "platform escalated!",
    ]  # fmt: skip


def test_what_fires_again_and_is_not_acknowledged_rings_whom_it_is_escalated_to_once_more() -> None:
    told = paged()
    day, again = 86_400, 158_400
    told.take(finding(day, status="resolved"))
    before = len(told.notifications)
    told.take(finding(again, key="k2"))
    told.until(again + 1501)
    assert since(told, before) == [
        "payments flapping", "platform flapping", "boss flapping",
        "payments escalated", "platform escalated!", "boss escalated",
        "payments escalated", "platform escalated", "boss escalated!",
    ]  # fmt: skip


def test_what_comes_back_to_the_owner_who_gave_it_away_rings_them_once_more() -> None:
    told = paged()
    told.take(deed(60, told.router, "not_mine", to="platform"), deed(70, told.router, "not_mine", to="payments"))
    assert since(told, 1) == [
        "platform handed over!", "payments handed over", "payments handed over!", "platform handed over",
    ]  # fmt: skip
    told.take(deed(80, told.router, "not_mine", to="platform"))
    assert since(told, 5) == ["platform handed over!", "payments handed over"]
    told.take(finding(300, status="update", after=0.5))
    assert since(told, 7) == ["platform evidence updated"], "once"


def test_who_is_called_while_it_is_silenced_is_rung_when_the_silence_ends() -> None:
    told = paged()
    told.take(deed(60, told.router, "not_mine", to="platform"), silence(65, "tool=issue_refund", 65, 120))
    told.take(deed(70, told.router, "not_mine", to="payments"))
    assert since(told, 3)[-2:] == ["payments handed over", "platform handed over"]
    restarted = Told(CONFIG)
    restarted.router.load([(key, raw) for key, raw in told.router.changes() if raw is not None])
    restarted.until(200)
    assert brief(restarted.notifications) == ["payments handed over!"]


def test_a_call_that_waited_says_what_it_is_where_more_has_changed_meanwhile() -> None:
    rules = [{"source_matchers": ["alertname=Down"], "target_matchers": ["alertname=tool.failed"]}]
    owners = {**ESCALATES["owners"], "boss": {}}
    told = Told(Config.model_validate({"owners": owners, "inhibit_rules": rules}))
    told.take(finding())
    told.until(901)
    told.take(finding(1000, status="resolved"), alert(1950, "Down owner=boss", ends=3000))
    told.take(finding(2000, key="k2"))
    (mine,) = [each.id for each in told.router.incidents() if each.owner == "payments"]
    told.take(Deed(time=START + 2050, incident=mine, act="not_mine", by="cli:alice", to="platform"))
    told.until(2999)
    before = len(told.notifications)
    told.until(3001)
    assert since(told, before) == ["boss all alerts resolved.", "platform handed over!", "payments handed over"]


def test_not_mine_hands_over_and_the_new_owner_is_paged() -> None:
    told = paged()
    told.take(deed(60, told.router, "not_mine", to="boss", note="their tool"))
    assert since(told, 1) == ["boss handed over!", "payments handed over"]
    incident = told.router.incidents()[0]
    assert (incident.owner, incident.handed_from) == ("boss", "payments")
    assert {each.labels["owner"] for each in incident.alerts} == {"boss"}
    told.take(finding(90, status="update", after=0.5), finding(200, status="resolved"))
    assert since(told, 3)[-2:] == ["boss all alerts resolved.", "payments all alerts resolved."]
    assert since(told, 3).count("payments evidence updated") == 0, "who handed it over hears the end alone"


def test_not_mine_without_a_name_goes_to_the_next_in_line() -> None:
    told = paged()
    told.take(deed(60, told.router, "not_mine"))
    assert told.router.incidents()[0].owner == "platform"


@pytest.mark.parametrize("act", ["false_alarm", "new_normal"])
def test_a_dismissal_ends_the_incident_and_tells_the_engine(act: Any) -> None:
    told = paged()
    word = deed(60, told.router, act, note="load test")
    acks = told.router.acks(word)
    assert [(each.time, each.agent, each.node, each.word) for each in acks] == [(START + 60, "refund-agent", "k1", act)]
    told.take(word)
    assert since(told, 1) == [f"payments {act.replace('_', ' ')}."]
    incident = told.router.incidents()[0]
    assert (incident.status, incident.verdict) == ("resolved", act)
    assert told.router.counts[f"deed {act}"] == 1
    # The engine's own end comes later and changes nothing; the slice that fires again is news.
    told.take(finding(70, status="resolved"), finding(500, key="k2"))
    assert since(told, 2) == ["payments first notification!"]


def test_a_deed_on_what_is_over_or_unknown_changes_nothing_and_is_counted() -> None:
    told = paged()
    late = deed(100, told.router, "ack")
    told.take(finding(60, status="resolved"), late, Deed(time=START + 101, incident="x", act="ack", by="b"))
    assert since(told, 2) == [] and told.router.counts["deed without effect"] == 2


@pytest.mark.parametrize("act", ["false_alarm", "new_normal"])
def test_what_an_incident_was_can_be_said_after_its_end_and_is_shown_once(act: Any) -> None:
    told = paged()
    told.take(finding(60, status="resolved"))
    late = deed(7200, told.router, act, note="a test of ours")
    assert told.router.acks(late) == [], "nothing fires that is to be learned anew"
    told.take(late, deed(7260, told.router, act))
    incident = told.router.incidents()[0]
    assert (incident.verdict, incident.resolved_at) == (act, START + 60)
    assert incident.timeline[-1].text == f"{act.replace('_', ' ')}, says cli:alice: a test of ours"
    assert since(told, 2) == [f"payments {act.replace('_', ' ')}."]
    assert told.router.counts[f"deed {act}"] == 1 and told.router.counts["deed without effect"] == 1
    again = Router(CONFIG)
    again.load([(key, raw) for key, raw in told.router.changes() if raw is not None])
    assert again.incidents() == told.router.incidents()


def test_who_looks_again_may_call_it_something_else() -> None:
    told = paged()
    told.take(deed(60, told.router, "new_normal"), deed(7200, told.router, "false_alarm"))
    assert told.router.incidents()[0].verdict == "false_alarm"


def test_an_incident_that_is_not_kept_any_more_takes_no_word() -> None:
    told = paged()
    word = deed(400 * 86_400, told.router, "false_alarm")
    told.take(finding(60, status="resolved"), word)
    assert told.router.incidents() == [] and told.router.counts["deed without effect"] == 1


def test_a_deed_that_is_stepped_again_changes_nothing() -> None:
    told = paged()
    word = deed(60, told.router, "not_mine")
    told.take(word, word)
    assert told.router.incidents()[0].owner == "platform" and told.router.counts["deed without effect"] == 1


def test_a_silence_is_shown_on_the_message_and_mutes_it_until_its_end() -> None:
    told = paged()
    told.take(silence(60, "tool=issue_refund", 60, 8000))
    assert since(told, 1) == ["payments silenced"]
    assert told.notifications[1].silenced_until == START + 8000
    told.take(finding(100, status="update", after=0.5))
    told.until(7000)
    assert since(told, 2) == []
    told.until(8000 + 800)
    assert since(told, 2) == ["payments silence ended"]
    told.until(8000 + 901)
    assert since(told, 3) == ["payments escalated", "platform escalated!"]


def test_what_is_silenced_is_not_told_but_its_end_is_to_whom_was_told() -> None:
    told = Told(CONFIG)
    told.take(silence(0, "tool=issue_refund", 0, 900), finding(10))
    assert told.notifications == []
    assert told.router.alerts()[0].state == "suppressed"
    told.take(unsilence(60))
    assert brief(told.notifications) == ["payments first notification!"]
    told.take(silence(70, "tool=issue_refund", 70, 900, "s2"), finding(80, status="resolved"))
    assert since(told, 1) == ["payments silenced", "payments all alerts resolved."]


def test_inhibition_holds_without_a_route_as_well() -> None:
    rules = [{"source_matchers": ["alertname=tool.failed"], "target_matchers": ["alertname=run.failed"]}]
    told = Told(Config.model_validate({"owners": {"payments": {}}, "inhibit_rules": rules}))
    told.take(finding(), finding(10, key="k2", signal="run.failed", node={"agent": "other"}))
    assert brief(told.notifications) == ["payments first notification!"]
    assert told.router.counts["quiet inhibited"] == 1


def test_a_deed_is_shown_on_the_messages_of_a_route() -> None:
    told = Told(routed({"group_wait": "1s", "group_by": []}))
    told.take(finding())
    told.until(5)
    told.take(deed(60, told.router, "ack"))
    assert [(each.reason, each.sequence, each.acked_by) for each in told.notifications] == [
        ("first notification", 1, ""), ("acknowledged", 2, "cli:alice"),
    ]  # fmt: skip
    assert told.notifications[0].incidents == (told.router.incidents()[0].id,)


TREE = {"group_wait": "30s", "group_interval": "5m", "repeat_interval": "10h", "group_by": ["owner"]}
NIGHT = [{"name": "night", "time_intervals": [{"weekdays": ["sunday:saturday"]}]}]


def test_under_a_route_whom_it_is_escalated_to_is_rung_and_told_to_the_end() -> None:
    told = Told(routed(TREE, **ESCALATES))
    told.take(finding())
    told.until(901)
    assert brief(told.notifications) == ["r first notification!", "r escalated", "platform escalated!"]
    last = told.notifications[-1]
    assert (last.time, last.incident, last.escalated_to) == (START + 900, told.router.incidents()[0].id, "platform")
    told.take(deed(950, told.router, "ack"))
    restarted = Told(routed(TREE, **ESCALATES))
    restarted.router.load([(key, raw) for key, raw in told.router.changes() if raw is not None])
    restarted.take(finding(1000, status="update", after=0.5), finding(1100, status="resolved"))
    restarted.until(2000)
    assert since(told, 3) == ["r acknowledged", "platform acknowledged"]
    assert brief(restarted.notifications) == [
        "platform evidence updated", "platform all alerts resolved.", "r all alerts resolved.",
    ]  # fmt: skip


def test_under_a_route_a_silence_stops_the_clock_too() -> None:
    told = Told(routed(TREE, **ESCALATES))
    told.take(finding(), silence(60, "tool=issue_refund", 60, 5000))
    told.until(5000 + 899)
    assert brief(told.notifications) == ["r first notification!", "r silenced"]
    told.until(5000 + 901)
    assert since(told, 2) == ["r silence ended", "r escalated", "platform escalated!"]


def test_under_a_route_a_silence_is_shown_to_whom_it_was_escalated_to() -> None:
    told = Told(routed(TREE, **ESCALATES))
    told.take(finding())
    told.until(1000)
    told.take(silence(1001, "tool=issue_refund", 1001, 5000))
    assert since(told, 3) == ["r silenced", "platform silenced"]


def test_what_the_times_of_a_route_hold_back_is_not_escalated() -> None:
    route = {**TREE, "routes": [{"matchers": ["alertname=tool.failed"], "mute_time_intervals": ["night"]}]}
    told = Told(routed(route, time_intervals=NIGHT, **ESCALATES))
    told.take(finding())
    told.until(20_000)
    assert told.notifications == [] and told.router.incidents()[0].escalated_to == ""


def test_what_an_inhibition_holds_back_waits_for_a_word_before_it_is_escalated() -> None:
    rules = [{"source_matchers": ["alertname=run.hung"], "target_matchers": ["alertname=tool.failed"]}]
    told = Told(Config.model_validate({**ESCALATES, "inhibit_rules": rules}))
    source = {"key": "s", "signal": "run.hung", "owner": "platform", "node": {"agent": "other"}}
    told.take(finding(**source), finding(10))
    told.until(1700)
    assert brief(told.notifications) == ["platform first notification!"]
    told.take(finding(1800, status="resolved", **source))
    told.until(1800 + 901)
    assert since(told, 2) == ["payments first notification!", "payments escalated", "platform escalated!"]
    assert told.notifications[-1].time == START + 1800 + 900


def test_decisions_have_reasons_and_are_kept() -> None:
    told = paged()
    told.take(silence(5, "agent=refund-agent", 5, 100), finding(10, key="k9", node={"agent": "refund-agent"}))
    incident = told.router.incidents()[0].id
    assert [(each.what, each.reason) for each in told.router.decisions(incident)][:2] == [
        ("told", "first notification"), ("told", "silenced"),
    ]  # fmt: skip
    assert told.router.decisions({"agent": "refund-agent"})
    assert told.router.decisions({"agent": "nobody"}) == []


def test_alerts_of_other_systems_go_to_their_owner_at_once() -> None:
    told = Told(CONFIG)
    told.take(alert(0, "DiskFull owner=platform inst=1", ends=600), alert(5, "DiskFull owner=platform inst=2"))
    told.take(alert(6, "Other inst=3 severity=info", ends=9000))
    told.until(400)
    assert told.lines == [
        "0 platform first notification: DiskFull1",
        "5 platform new alerts added: DiskFull1 DiskFull2",
        "6 payments first notification: Other3",
        "305 platform some alerts resolved: -DiskFull2 DiskFull1",
    ]
    assert [each.mention for each in told.notifications] == [True, False, False, False]
    told.until(700)
    assert told.lines[-1] == "600 platform all alerts resolved: -DiskFull1 -DiskFull2"
    assert all(each.posted for each in told.notifications[0].alerts)
