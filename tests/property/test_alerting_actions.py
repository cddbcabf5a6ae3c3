"""Whatever is posted, silenced and done: the router can be killed anywhere, and cuts of the log change nothing."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.alerting.router import Router
from schemas.actions import Action, Deed, PostedAlert, decode_action, encode_action
from schemas.alert import Notification
from schemas.config import Config
from schemas.finding import Finding
from tests.doubles.alert_log import alert, routed, silence, unsilence
from tests.doubles.clock import START
from tests.doubles.findings import finding

OWNERS = {"payments": {"escalate": {"after": "5m", "to": "platform"}}, "platform": {}}
RULES = [
    {"source_matchers": ["alertname=A"], "target_matchers": ["alertname=~A|B"], "equal": ["inst"]},
    {"source_matchers": ["inst=2"], "target_matchers": ["inst=1"]},
]
ROUTED = routed(
    {
        "group_wait": "10s", "group_interval": "1m", "repeat_interval": "150s",
        "routes": [
            {"receiver": "s", "matchers": ["inst=1"], "continue": True, "group_by": []},
            {"receiver": "t", "matchers": ["alertname=~A|tool.failed"], "group_wait": "0s", "group_by": ["..."]},
        ],
    },
    owners=OWNERS,
    inhibit_rules=RULES,
)  # fmt: skip
OWNED = Config.model_validate({"owners": OWNERS, "inhibit_rules": RULES[1:]})

Record = Action | Finding


@st.composite
def actions(draw: st.DrawFn, number: int, at: float) -> Record:
    """One thing that comes in at a time."""
    kind = draw(st.sampled_from(["alert", "alert", "alert", "end", "silence", "unsilence", "deed", "finding", "over"]))
    text = f"{draw(st.sampled_from('AB'))} inst={draw(st.sampled_from('12'))}"
    if kind in ("alert", "end"):
        more: dict[str, Any] = {"ends": at} if kind == "end" else draw(st.sampled_from([{}, {"ends": at + 400.5}]))
        return alert(at, text, **more)
    if kind == "silence":
        starts = at + draw(st.sampled_from([0.0, 70.25]))
        return silence(at, f"inst={draw(st.sampled_from('12'))}", starts, starts + 200.75, draw(st.sampled_from("xy")))
    if kind == "unsilence":
        return unsilence(at, draw(st.sampled_from("xy")))
    if kind == "deed":
        act = draw(st.sampled_from(["ack", "unack", "not_mine", "false_alarm"]))
        return Deed(time=START + at, incident=draw(st.sampled_from(["0", "1"])), act=act, by="cli:a")
    key = draw(st.sampled_from(["k1", "k2"]))
    node = {"agent": "a1", "tool": key}
    return finding(at, id=f"{number}", key=key, node=node, status="resolved" if kind == "over" else "firing")


@st.composite
def logs(draw: st.DrawFn) -> list[Record]:
    """Records in the order of their times."""
    at, found = 0.0, []
    for number in range(draw(st.integers(1, 14))):
        at += draw(st.sampled_from([0.5, 7.25, 31.0, 95.5, 400.25]))
        found.append(draw(actions(number, at)))
    return found


def step(router: Router, records: list[Record], now: float) -> list[Notification]:
    """Wakes before `now`, then the records. A deed names an incident by its place."""
    told = []
    while (wake := router.next_wake()) is not None and wake < now:
        told += router.tick(wake)
    names = [incident.id for incident in router.incidents()]
    done: list[Action] = []
    for each in records:
        if isinstance(each, Deed):
            place = int(each.incident)
            name = names[place] if place < len(names) else "nobody"
            each = Deed(time=each.time, incident=name, act=each.act, by=each.by)
        if not isinstance(each, Finding):
            done.append(decode_action(encode_action(each)))
    return told + router.step([each for each in records if isinstance(each, Finding)], now, done)


@settings(max_examples=80, deadline=None)
@given(logs(), st.sampled_from([ROUTED, OWNED]), st.data())
def test_killed_after_any_step_it_goes_on_as_if_nothing_had_been(
    records: list[Record], config: Config, data: st.DataObject
) -> None:
    whole, kills = Router(config), Router(config)
    stored: dict[str, bytes] = {}
    for each in records:
        expected = step(whole, [each], each.time)
        assert step(kills, [each], each.time) == expected
        for key, raw in kills.changes():
            if raw is None:
                stored.pop(key, None)
            else:
                stored[key] = raw
        if data.draw(st.booleans(), label="killed"):
            kills = Router(config)
            kills.load(reversed(list(stored.items())))
            if not isinstance(each, Deed):  # the log is read from a little before: what was stepped changes nothing
                assert step(kills, [each], each.time) == []
        assert kills.incidents() == whole.incidents()
    end = records[-1].time + 2000.0
    assert step(kills, [], end) == step(whole, [], end)
    assert (kills.alerts(), kills.groups(), kills.silences()) == (whole.alerts(), whole.groups(), whole.silences())


@settings(max_examples=60, deadline=None)
@given(logs(), st.data())
def test_under_a_route_cuts_of_the_log_change_nothing(records: list[Record], data: st.DataObject) -> None:
    posted = [each for each in records if not isinstance(each, Finding | Deed)]
    one, cut = Router(ROUTED), Router(ROUTED)
    expected = [told for each in posted for told in step(one, [each], each.time)]
    told: list[Notification] = []
    batch: list[Record] = []
    for each in posted:
        if batch and each.time - batch[0].time > 50.0:  # longer without a step, and the monitor was away
            told += cut.step((), batch[-1].time, batch)  # type: ignore[arg-type]
            batch = []
        if not batch:
            told += step(cut, [], each.time - 0.125)
        batch.append(each)
        if data.draw(st.booleans(), label="cut"):
            told += cut.step((), each.time, batch)  # type: ignore[arg-type]
            batch = []
    end = START + 9000.0
    told += cut.step((), max((each.time for each in batch), default=START), batch)  # type: ignore[arg-type]
    assert told + step(cut, [], end) == expected + step(one, [], end)


@settings(max_examples=60, deadline=None)
@given(logs(), st.data())
def test_a_reload_of_the_same_configuration_changes_nothing(records: list[Record], data: st.DataObject) -> None:
    quiet, reloaded = Router(ROUTED), Router(ROUTED)
    posted = [each for each in records if not isinstance(each, Finding | Deed)]
    for each in posted:
        expected = step(quiet, [each], each.time)
        assert step(reloaded, [each], each.time) == expected
        if data.draw(st.booleans(), label="reloaded"):
            reloaded.reload(ROUTED, each.time)
    end = START + 9000.0
    assert step(reloaded, [], end) == step(quiet, [], end)


@settings(max_examples=60, deadline=None)
@given(logs())
def test_each_message_of_a_group_is_a_sane_story(records: list[Record]) -> None:
    router = Router(ROUTED)
    told = [told for each in records for told in step(router, [each], each.time)]
    told += step(router, [], START + 20_000.0)
    stories: dict[tuple[str, str], list[Notification]] = {}
    for each in told:
        stories.setdefault((each.receiver, each.incident), []).append(each)
    for (receiver, _), story in stories.items():
        assert [each.sequence for each in story] == list(range(1, len(story) + 1))
        if receiver in OWNERS:  # no group: the incident itself, told to whom it was escalated
            assert story[0].reason == "escalated"
            assert {each.reason for each in story if each.mention} <= {"escalated", "handed over"}
            continue
        assert story[0].reason == "first notification"
        assert "resolved" not in [each.status for each in story[:-1]]
        deeds = [each for each in records if isinstance(each, Deed) and each.act == "not_mine"]
        assert sum(each.mention and handed(each) for each in story) <= len(deeds), (
            "once each time that it changes hands"
        )
        rung: set[str] = set()
        for each, before in zip(story, [None, *story], strict=False):
            fresh = pages(each) - rung - apart(each, stories)
            assert each.mention if fresh else not each.mention or handed(each) or again(each) - pages(before)
            rung = (rung | fresh) - {alert.key for alert in each.alerts if alert.posted and alert.status == "resolved"}


def pages(told: Notification | None) -> set[str]:
    """The incidents and posted alerts whose pages fire in a notification, but for what another incident causes."""
    if told is None:
        return set()
    whose = [(each.incident, each.root) for each in told.standings] or [("".join(told.incidents), told.root)] * 1_000
    fires = [(alert, *how) for alert, how in zip(told.alerts, whose, strict=False) if alert.status == "firing"]
    return {alert.key if alert.posted else name for alert, name, root in fires if alert.severity == "page" and not root}


def apart(told: Notification, stories: dict[tuple[str, str], list[Notification]]) -> set[str]:
    """The incidents of a notification whose owner has a message of its own of them, since they were escalated."""
    owners = {alert.labels.get("owner", "") for alert in told.alerts}
    own = [(name, stories.get((owner, name), [])) for owner in owners & OWNERS.keys() for name in told.incidents]
    return {name for name, story in own if story and story[0].time <= told.time}


def handed(told: Notification) -> bool:
    """Whether it calls somebody for what was handed over to them."""
    return any(call.given for call in told.called)


def again(told: Notification) -> set[str]:
    """What may ring a second time in a message: a posted alert that was not in it meanwhile."""
    return {
        alert.key for alert in told.alerts if alert.posted and told.call and alert.fingerprint == told.call.fingerprint
    }


def test_actions_are_known_in_a_log() -> None:
    raw = encode_action(PostedAlert(time=1.0, labels={"a": "b"}))
    assert raw.startswith(b'{"kind":"router.')
