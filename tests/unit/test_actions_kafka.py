"""Actions on Kafka: from control to the router, once, whatever is copied, saved or lost in between."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.alerting.routing.receivers import plan
from monitor.intake import dead_letters
from monitor.notify.outbox import Outbox
from monitor.runtime.kafka.broker.fetched import Record
from monitor.runtime.kafka.central import ACTION, ControlCore, RouterCore
from monitor.runtime.kafka.partition import LetterParts, Outgoing
from schemas.actions import Action, Deed, Matcher, PostedAlert, SilenceSet, encode_action
from schemas.alert import Notification
from schemas.config import Config
from schemas.finding import encode_finding
from schemas.records import Ack, Tick, decode_control, encode_control
from tests.doubles.clock import START
from tests.doubles.findings import finding

CONFIG = Config.model_validate({"owners": {"payments": {}, "platform": {}}})
TOPICS = CONFIG.runtime.kafka.topics
LETTERS = LetterParts(dead_letters.dead_letter, dead_letters.encode)


class _Heard(Outbox):
    def __init__(self, heard: list[Notification]) -> None:
        super().__init__(plan(CONFIG, slack=False))
        self._heard = heard

    def put(self, notification: Notification) -> None:
        super().put(notification)
        self._heard.append(notification)


def router(heard: list[Notification], entries: Sequence[tuple[str, bytes]] = ()) -> RouterCore:
    core = RouterCore(CONFIG, _Heard(heard), LETTERS)
    core.load(entries)
    return core


def record(offset: int, value: bytes | None, headers: tuple[tuple[str, bytes], ...] = ()) -> Record:
    return Record(offset=offset, key=None, value=value, headers=headers, time=START)


def placed(offset: int, control: int, action: Action) -> Record:
    return record(offset, encode_action(action), ((ACTION, str(control).encode()),))


def posted(at: float, name: str = "Down") -> PostedAlert:
    return PostedAlert(time=START + at, labels={"alertname": name, "owner": "payments"})


def test_control_copies_an_action_beside_the_findings_with_its_place() -> None:
    core = ControlCore(CONFIG, LETTERS)
    raw = encode_action(posted(1.0))
    assert core.step([record(7, raw)]) == [Outgoing(TOPICS.findings, raw, None, 0, ((ACTION, b"7"),))]
    assert core.settled() == 7


def test_an_action_is_taken_between_the_findings_around_it_and_shown_at_once() -> None:
    heard: list[Notification] = []
    core = router(heard)
    mine = finding(5.0)
    core.step([record(0, encode_control(Tick(START + 10.0))), record(1, encode_finding(mine))])
    (incident,) = core.router.incidents()
    ack = Deed(time=START + 10.4, incident=incident.id, act="ack", by="token:ops alice")
    out = core.step([placed(2, 0, ack), record(3, encode_finding(finding(11.0, key="k2", node={"agent": "other"})))])
    assert [str(each.reason) for each in heard] == ["first notification", "acknowledged", "first notification"]
    shown = next(each for each in core.router.incidents() if each.id == incident.id)
    assert (shown.acked_by, shown.acked_at) == ("token:ops alice", START + 10.4)
    assert {each.topic for each in out} == {TOPICS.incidents}
    assert core.counted() == {"actions:ack": 1}


def test_a_copy_of_an_action_is_taken_once() -> None:
    heard: list[Notification] = []
    core = router(heard)
    core.step([record(0, encode_control(Tick(START))), placed(1, 5, posted(0.0)), placed(2, 5, posted(0.0))])
    core.step([placed(3, 4, posted(0.0, "Older"))])
    assert [alert.labels["alertname"] for alert in core.router.alerts()] == ["Down"]
    assert core.counted()["actions_repeated"] == 2 and len(heard) == 1


@pytest.mark.parametrize("clock", [-3_600.0, 0.4, 3_600.0])
def test_no_clock_of_an_edge_pulls_time_ahead_or_back(clock: float) -> None:
    core = router([])
    core.step([record(0, encode_control(Tick(START))), placed(1, 0, posted(clock))])
    (alert,) = core.router.alerts()
    assert START <= alert.updated_at <= START + 10.0
    over = PostedAlert(time=START + clock, labels=alert.labels, ends_at=START)
    core.step([placed(2, 1, over), *(record(3 + n, encode_control(Tick(START + 10.0 * (n + 1)))) for n in range(2))])
    assert core.router.incidents()[0].status == "resolved", "what came after it is no repetition"


def test_a_false_alarm_is_told_the_engines_through_control() -> None:
    core = router([])
    core.step([record(0, encode_control(Tick(START + 10.0))), record(1, encode_finding(finding(5.0)))])
    (incident,) = core.router.incidents()
    out = core.step([placed(2, 0, Deed(time=START + 11.0, incident=incident.id, act="false_alarm", by="alice"))])
    (ack,) = (decode_control(each.value or b"") for each in out if each.topic == TOPICS.control)
    assert isinstance(ack, Ack) and (ack.agent, ack.word) == ("refund-agent", "false_alarm")
    copied = ControlCore(CONFIG, LETTERS).step([record(9, encode_control(ack))])
    assert [each.topic for each in copied] == [TOPICS.events, TOPICS.evidence]


def test_what_is_no_action_is_a_dead_letter() -> None:
    core = router([])
    for place, value in enumerate((b'{"kind":"router.alert"', b'{"kind":"router.unknown","time":1}')):
        (letter,) = core.step([record(place, value, ((ACTION, b"1"),))])
        assert letter.topic == TOPICS.dead_letters
    assert core.settled() == 1


def test_only_incidents_go_to_the_topic_of_incidents() -> None:
    core = router([])
    silence = SilenceSet(
        time=START, id="s", matchers=(Matcher("a", "b"),), starts_at=START, ends_at=START + 60.0, created_by="x"
    )
    assert core.step([record(0, encode_control(Tick(START))), placed(1, 0, silence)]) == []
    assert any("silence" in key for key, _ in core.changes())


def test_a_reload_keeps_what_was_told_and_is_saved() -> None:
    heard: list[Notification] = []
    core = router(heard)
    core.step([record(0, encode_control(Tick(START))), placed(1, 0, posted(0.0))])
    saved = {key: value for key, value in core.changes() if value is not None}
    core.reload(CONFIG.model_copy(update={"owners": CONFIG.owners}))
    saved |= {key: value for key, value in core.changes() if value is not None}
    again = router(heard, list(saved.items()))
    again.step([record(2, encode_control(Tick(START + 1.0))), placed(3, 0, posted(0.0))])
    assert len(heard) == 1


steps = st.lists(
    st.tuples(st.sampled_from(["Down", "Slow", "ack", "silence"]), st.sampled_from([0.0, 1.0, 301.0]), st.booleans()),
    min_size=1,
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(steps, st.lists(st.integers(0, 11), max_size=3, unique=True), st.lists(st.integers(0, 11), max_size=3))
def test_lost_saves_and_repeated_copies_change_nothing(
    plan_: list[tuple[str, float, bool]], crashes: list[int], repeats: list[int]
) -> None:
    """A log of actions and ticks, with copies repeated; the worker dies after some records, sometimes unsaved."""
    heard: list[Notification] = []
    whole = router(heard)
    log: list[Record] = []
    now = START
    for number, (what, wait, _) in enumerate(plan_):
        now += wait
        log.append(record(len(log), encode_control(Tick(now))))
        incidents = whole.router.incidents()
        action: Action = posted(now - START, what)
        if what == "ack" and incidents:
            action = Deed(time=now, incident=incidents[0].id, act="ack", by="alice")
        elif what == "silence":
            action = SilenceSet(
                time=now, id=f"{number}", matchers=(Matcher("alertname", "Down"),), starts_at=now, ends_at=now + 300.0
            )
        log.append(placed(len(log), number, action))
        if number in repeats:  # control was read again after a crash of its worker
            log.append(placed(len(log), max(number - 1, 0), posted(0.0, "stale")))
        whole.step(log[whole.settled() + 1 :])
    told = list(heard)

    again: list[Notification] = []
    saved: dict[str, bytes] = {}
    core = router(again)
    durable = 0
    for place, each in enumerate(log):
        core.step([each])
        save = plan_[place % len(plan_)][2]
        if save:
            for key, value in core.changes():
                saved.pop(key, None) if value is None else saved.__setitem__(key, value)
            durable = len(again)
        if place in crashes:
            del again[durable:]
            core = router(again, list(saved.items()))
            core.step(log[: place + 1])  # offsets that its state has seen are skipped
    assert again == told
    assert core.router.incidents() == whole.router.incidents()
