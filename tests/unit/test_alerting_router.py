"""What the router tells, when, and with which reason; and that it holds its bounds."""

from __future__ import annotations

import pytest

from monitor.alerting.incidents import record, store
from monitor.alerting.router import Router
from schemas.actions import PostedAlert
from schemas.alert import Notification, NotificationReason, notification_line
from schemas.config import Config
from tests.doubles.clock import START
from tests.doubles.findings import finding

MINIMAL = Config.model_validate({"owners": {"payments": {"slack": "#payments"}}})


def told(notifications: list[Notification]) -> list[str]:
    return [f"{each.receiver}: {each.reason}" for each in notifications]


def test_an_incident_from_first_firing_to_resolution() -> None:
    router = Router(MINIMAL)
    first = router.step([finding()], START)
    assert told(first) == ["payments: first notification"]
    assert first[0].mention and first[0].status == "firing"
    # A second alert joins; nobody is rung again.
    second = router.step([finding(5, key="k2", signal="run.failed", node={"agent": "refund-agent"})], START + 5)
    assert told(second) == ["payments: new alerts added"] and not second[0].mention
    # One resolves, then the other.
    some = router.step([finding(60, key="k2", status="resolved")], START + 60)
    assert told(some) == ["payments: some alerts resolved"] and some[0].status == "firing"
    last = router.step([finding(90, status="resolved")], START + 90)
    assert told(last) == ["payments: all alerts resolved"]
    assert last[0].status == "resolved" and last[0].resolved_at == START + 90
    assert {each.incident for each in first + second + some + last} == {first[0].incident}
    assert [each.sequence for each in first + second + some + last] == [1, 2, 3, 4]
    assert router.incidents()[0].status == "resolved"


def test_a_notice_rings_nobody() -> None:
    assert [each.mention for each in Router(MINIMAL).step([finding(mode="notice")], START)] == [False]


def test_numbers_are_refreshed_at_most_every_30_seconds_and_only_if_they_moved() -> None:
    router = Router(MINIMAL)
    router.step([finding()], START)
    assert router.step([finding(10, status="update", after_bad=24.5)], START + 10) == []
    assert router.step([finding(11, status="update", after=0.21)], START + 11) == []
    assert router.next_wake() == START + 30
    assert router.tick(START + 29) == []
    assert told(router.tick(START + 30)) == ["payments: evidence updated"]
    assert router.tick(START + 90) == []


def test_it_repeats_after_the_interval_and_says_when_it_wants_to() -> None:
    router = Router(MINIMAL)
    router.step([finding()], START)
    wake = router.next_wake()
    assert wake is not None and START + 14_400 < wake < START + 14_401
    assert router.tick(START + 14_400) == []
    repeated = router.tick(wake)
    assert told(repeated) == ["payments: repeat interval elapsed"] and not repeated[0].mention


def test_a_notice_is_not_repeated_where_no_route_is_written() -> None:
    router = Router(MINIMAL)
    router.step([finding(mode="notice")], START)
    assert router.next_wake() is None
    assert router.tick(START + 30 * 86_400) == []
    assert router.incidents()[0].status == "firing"


def test_time_alone_never_resolves() -> None:
    router = Router(MINIMAL)
    router.step([finding()], START)
    for day in range(1, 30):
        assert all(each.status == "firing" for each in router.tick(START + day * 86_400))
    assert router.incidents()[0].status == "firing"


def test_what_fires_and_resolves_in_one_step_is_told_as_if_it_were_two() -> None:
    router, other = Router(MINIMAL), Router(MINIMAL)
    history = [finding(), finding(1, status="resolved")]
    told = router.step(history, START + 1)
    assert [each.reason for each in told] == [NotificationReason.FIRST, NotificationReason.ALL_RESOLVED]
    assert told == [each for one in history for each in other.step([one], START + 1)]


def test_what_fires_and_recovers_between_two_ticks_is_over() -> None:
    """Both findings bear the time of the same tick; without the second the incident would never end."""
    router = Router(MINIMAL)
    assert told(router.step([finding(0)], START)) == ["payments: first notification"]
    assert told(router.step([finding(0, status="resolved")], START + 1.0)) == ["payments: all alerts resolved"]
    assert [incident.status for incident in router.incidents()] == ["resolved"]


def test_what_came_before_the_alert_in_its_own_moment_does_not_end_it_when_it_is_read_again() -> None:
    router, early = Router(MINIMAL), finding(0, id="early", status="resolved")
    router.step([early, finding(0)], START)
    assert told(router.step([early], START + 1.0)) == []
    assert [incident.status for incident in router.incidents()] == ["firing"]


def test_a_posted_alert_that_was_to_begin_later_is_over_when_its_sender_says_so() -> None:
    """Who sends an end alone means a start at that end, which lies ahead here, as Alertmanager reads it."""
    router, labels = Router(MINIMAL), {"alertname": "Down", "owner": "payments"}
    opened = router.step([], START, [PostedAlert(time=START, labels=labels, ends_at=START + 40.0)])
    over = router.step([], START + 1.0, [PostedAlert(time=START + 1.0, labels=labels, ends_at=START + 1.0)])
    assert [told(opened), told(over)] == [["payments: first notification"], ["payments: all alerts resolved"]]


def test_a_late_or_repeated_finding_changes_nothing() -> None:
    router = Router(MINIMAL)
    history = [finding(), finding(40, status="update", after=0.3), finding(80, status="resolved")]
    for each in history:
        router.step([each], each.time)
    before = router.incidents()
    for each in [*history, finding(20, status="update", after=0.9), finding(30)]:
        assert router.step([each], START + 100) == []
    assert router.incidents() == before
    assert router.counts["finding seen before"] == 3 and router.counts["finding late"] == 2


def test_the_line_of_replay_has_the_documented_shape() -> None:
    line = notification_line(Router(MINIMAL).step([finding()], START)[0])
    alert = {
        "labels": {
            "alertname": "tool.failed",
            "severity": "page",
            "owner": "payments",
            "agent": "refund-agent",
            "version": "v13",
            "tool": "issue_refund",
        },
        "status": "firing",
        "starts_at": START,
        "ends_at": None,
    }
    incident = line.pop("incident")
    assert isinstance(incident, str) and len(incident) == 12
    assert line == {
        "type": "notification",
        "time": START,
        "receiver": "payments",
        "owner": "payments",
        "reason": "first notification",
        "status": "firing",
        "group_labels": {"owner": "payments"},
        "alerts": [alert],
    }


def test_the_leading_alert_is_the_smallest_slice() -> None:
    router = Router(MINIMAL)
    wide = finding(key="k0", signal="run.failed", node={})
    sent = router.step([wide, finding(5)], START + 5)
    assert [alert.key for alert in sent[0].alerts] == ["k1", "k0"]


def test_more_alerts_than_an_incident_lists_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "ALERTS", 3)
    router = Router(MINIMAL)
    sent = router.step([finding(n, key=f"k{n}") for n in range(5)], START + 5)
    assert len(sent[0].alerts) == 3 and sent[0].alerts_dropped == 2


def test_more_incidents_than_an_owner_may_have_join_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.alerting.incidents.desk.OPEN_PER_OWNER", 3)
    router = Router(MINIMAL)
    router.step([finding(n, key=f"k{n}", node={"agent": f"a{n}"}) for n in range(6)], START + 6)
    assert [len(incident.alerts) for incident in router.incidents()] == [1, 1, 4]
    assert router.counts["overflow"] == 3


def test_closed_incidents_are_forgotten_by_number_and_by_age(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "CLOSED", 2)
    router = Router(MINIMAL)
    for n in range(4):
        one = {"key": f"k{n}", "node": {"agent": f"a{n}"}}
        router.step([finding(n, **one), finding(n + 0.5, status="resolved", **one)], START + n + 1)
    assert len(router.incidents()) == 2 and router.counts["evicted"] == 2
    router.changes()
    router.tick(START + 91 * 86_400)
    assert router.incidents() == []
    assert [raw for key, raw in router.changes() if key.startswith("incident/")] == [None, None]


def test_the_timeline_keeps_its_first_entry_and_the_latest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "TIMELINE", 4)
    router = Router(MINIMAL)
    router.step([finding(n, key=f"k{n}") for n in range(7)], START + 7)
    incident = router.incidents()[0]
    assert [entry.time - START for entry in incident.timeline] == [0, 4, 5, 6] and incident.timeline_dropped == 3


def test_many_updates_do_not_grow_an_incident() -> None:
    router = Router(MINIMAL)
    router.step([finding()], START)
    sizes = []
    for n in range(1, 1000):
        router.step([finding(n, status="update", after_n=1e6, after=0.1 + n / 1e6)], START + n)
        sizes.append(sum(len(raw or b"") for _, raw in router.changes()))
    assert max(sizes[-100:]) < 2 * max(sizes[300:400])


def test_reasons_are_in_the_words_of_alertmanager_first_then_ours() -> None:
    assert [str(reason) for reason in NotificationReason] == [
        "first notification",
        "new alerts added",
        "all alerts resolved",
        "some alerts resolved",
        "repeat interval elapsed",
        "evidence updated",
        "daily digest",
        "acknowledged",
        "acknowledgement taken back",
        "escalated",
        "handed over",
        "impact changed",
        "affected by another incident",
        "silenced",
        "silence ended",
        "flapping",
        "false alarm",
        "new normal",
        "no data",
        "monitor blind",
        "likely cause of another incident",
        "likely cause found",
        "first complaint",
        "weekly report",
        "rollout began",
        "verdict changed",
        "rollout ended",
    ]
