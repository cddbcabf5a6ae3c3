"""What a press in Slack tells the router: whom a silence mutes, and what a press does that Slack tells twice."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.alerting.router import Router
from monitor.notify.slack.controls import actions, read
from schemas.actions import Action, PostedAlert, SilenceSet
from schemas.alert import Incident
from schemas.config import Config
from tests.doubles.clock import START
from tests.doubles.findings import finding

CONFIG = Config.model_validate({"owners": {"payments": {}, "platform": {}}})


def press(incident: str, act: str, value: str = "", *, pressed: str = "1760000001.1") -> dict[str, Any]:
    """Slack's payload; `pressed`: when."""
    option = {"selected_option": {"value": value}} if value else {}
    action = {"action_id": f"forewarn:{act}", "block_id": f"forewarn:{incident}", "action_ts": pressed, **option}
    user, channel = {"id": "U123", "username": "ann"}, {"id": "C1"}
    container = {"type": "message", "message_ts": "1760000000.1", "channel_id": "C1"}
    return {"type": "block_actions", "user": user, "channel": channel, "container": container, "actions": [action]}


def asked(router: Router, payload: dict[str, Any], now: float) -> list[Action]:
    """What the router is told of a payload that came in at `now`."""
    known: dict[str, Incident] = {each.id: each for each in router.incidents()}
    return actions(read(payload), "slack:U123 ann", now, known.get)


def matched(action: Action) -> dict[str, str]:
    assert isinstance(action, SilenceSet)
    return {each.name: each.value for each in action.matchers}


SILENCED: list[tuple[str, dict[str, str], dict[str, str]]] = [
    ("what says where it is, whoever owns it", {"agent": "refund-agent", "version": "v13"},
     {"alertname": "run.failed", "agent": "refund-agent", "version": "v13"}),
    ("a tool", {"tool": "issue_refund"}, {"alertname": "run.failed", "tool": "issue_refund"}),
    ("of an owner's own alert the owner, for its name alone is everybody's", {"owner": "payments"},
     {"alertname": "run.failed", "owner": "payments"}),
    ("of the whole fleet's alert too", {}, {"alertname": "run.failed", "owner": "payments"}),
]  # fmt: skip


@pytest.mark.parametrize(("why", "node", "labels"), SILENCED, ids=[row[0] for row in SILENCED])
def test_a_silence_matches(why: str, node: dict[str, str], labels: dict[str, str]) -> None:
    router = Router(CONFIG)
    router.step([finding(signal="run.failed", node=node, watched=node)], START)
    payload = press(router.incidents()[0].id, "silence", "604800")
    (silence,) = asked(router, payload, START + 5)
    assert matched(silence) == labels, why


def test_a_silence_of_one_owners_alert_leaves_the_others_their_pages() -> None:
    router = Router(CONFIG)
    router.step([finding(signal="run.failed", node={"owner": "payments"}, watched={"owner": "payments"})], START)
    payload = press(router.incidents()[0].id, "silence", "604800")
    router.step((), START + 5, asked(router, payload, START + 5))
    other = {"agent": "billing"}
    page = finding(7200, key="x", signal="run.failed", owner="platform", node=other, watched=other)
    assert [(each.receiver, each.mention) for each in router.step([page], START + 7200)] == [("platform", True)]


def test_of_a_posted_alert_all_labels_are_matched() -> None:
    router = Router(CONFIG)
    labels = {"alertname": "DiskFull", "owner": "payments", "severity": "page"}
    router.step((), START, [PostedAlert(time=START, labels=labels)])
    (silence,) = asked(router, press(router.incidents()[0].id, "silence", "3600"), START + 5)
    assert matched(silence) == labels


LINE = Config.model_validate(
    {"owners": {
        "payments": {"escalate": {"after": "15m", "to": "platform"}},
        "platform": {"escalate": {"after": "15m", "to": "cto"}},
        "cto": {},
    }}
)  # fmt: skip


def told_twice(router: Router, payload: dict[str, Any]) -> None:
    """The press comes in after 5 s, and once more after 8 s, as Slack repeats what it had no answer to."""
    for at in (5.0, 8.0):
        router.step((), START + at, asked(router, payload, START + at))


def test_a_press_that_is_told_twice_hands_over_once() -> None:
    router = Router(LINE)
    router.step([finding()], START)
    told_twice(router, press(router.incidents()[0].id, "not_mine", "-"))
    assert router.incidents()[0].owner == "platform" and router.counts["deed without effect"] == 1
    router.step(
        (), START + 9, asked(router, press(router.incidents()[0].id, "not_mine", "-", pressed="9.0"), START + 9)
    )
    assert router.incidents()[0].owner == "cto", "pressed again, it goes on"


def test_a_press_that_is_told_twice_makes_one_silence_which_an_edit_may_still_change() -> None:
    router = Router(LINE)
    router.step([finding()], START)
    told_twice(router, press(router.incidents()[0].id, "silence", "3600"))
    (silence,) = router.silences()
    assert (silence.status, silence.starts_at, silence.ends_at) == ("active", START + 5, START + 3605)
    longer = SilenceSet(
        time=START + 60, id=silence.id, matchers=silence.matchers, starts_at=START + 5, ends_at=START + 9000
    )
    router.step((), START + 60, [longer])
    assert [(each.id, each.ends_at) for each in router.silences()] == [(silence.id, START + 9000)]


def test_it_is_known_after_a_restart_too() -> None:
    router, again = Router(LINE), Router(LINE)
    router.step([finding()], START)
    payload = press(router.incidents()[0].id, "not_mine", "-")
    router.step((), START + 5, asked(router, payload, START + 5))
    again.load([(key, raw) for key, raw in router.changes() if raw is not None])
    again.step((), START + 8, asked(again, payload, START + 8))
    assert again.incidents()[0].owner == "platform"


def test_presses_that_do_not_say_when_are_told_apart_by_the_time() -> None:
    router = Router(LINE)
    router.step([finding()], START)
    for at, act in ((5.0, "ack"), (6.0, "unack"), (7.0, "ack")):
        payload = press(router.incidents()[0].id, act, pressed="")
        router.step((), START + at, asked(router, payload, START + at))
    assert router.incidents()[0].acked_at == START + 7
