"""Crash anywhere: what people and other systems told the router lasts, and is told once.

The real steps of the embedded monitor over its real file. A crash takes the process before a transaction, inside it, or
after it and before the answer; whoever got no answer asks again. Delivery is the real outbox; a receiver that was sent
something of which nobody knows is looked at before it is sent to again.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.alerting.routing.receivers import plan
from monitor.intake.assembler import Assembler
from monitor.notify.outbox import Outbox
from monitor.runtime.steps import Steps, Written
from monitor.runtime.store import Store, StoreError
from schemas.actions import Action, Deed, Matcher, PostedAlert, SilenceEnded, SilenceSet, is_action
from schemas.alert import Notification
from schemas.config import Config
from schemas.records import Tick
from tests.doubles.clock import START

OWNERS = {"payments": {"escalate": {"after": "5m", "to": "platform"}}, "platform": {}}
BY_OWNER = Config.model_validate({"owners": OWNERS})
BY_TREE = Config.model_validate(
    {
        "owners": OWNERS,
        "route": {
            "receiver": "all",
            "group_by": ["alertname"],
            "group_wait": "10s",
            "group_interval": "30s",
            "routes": [{"receiver": "payments", "matchers": ["owner=payments"], "continue": True}],
        },
        "receivers": [{"name": "all"}],
        "inhibit_rules": [
            {"source_matchers": ["alertname=Down"], "target_matchers": ["alertname=Slow"], "equal": ["owner"]}
        ],
    }
)

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Files that need not wait for a disk."""

TICKS = 50.0

Told = tuple[str, str, int, str, str, tuple[str, ...]]


class _Planned(Exception):
    """The crash that the test asked for."""


class _Heard(Outbox):
    """The outbox, and what was put into it since the last look."""

    def __init__(self, config: Config) -> None:
        super().__init__(plan(config, slack=False))
        self.put_now: list[Notification] = []

    def put(self, notification: Notification) -> None:
        super().put(notification)
        self.put_now.append(notification)


class Machine:
    """One monitor on one disk, run until it crashes and begun again from what it wrote."""

    def __init__(self, directory: Path, config: Config) -> None:
        self.config = config
        self.directory = directory
        self.told: list[Told] = []
        self.shown: dict[tuple[str, str], tuple[int, str]] = {}
        self.posts: Counter[tuple[str, str]] = Counter()
        self._begin()

    def do(self, records: list[Any], actions: list[Action], crash: str | None, depth: int) -> None:
        """One step; after a crash it is asked for again until it is answered."""
        try:
            written = self.steps.step(records, (), actions)
            self._commit(written, crash, depth)
        except (_Planned, StoreError):
            self._begin()
            self.do(records, actions, None, 0)

    def deliver(self, crash: bool) -> None:
        """Send what is due; a crash comes between the send and the note of it."""
        while due := self.outbox.due(self.steps.now):
            for delivery in due:
                place = (delivery.target, delivery.incident)
                if delivery.reference is None and place not in self.shown:
                    self.posts[place] += 1
                assert self.shown.get(place, (0, ""))[0] <= delivery.revision, "never back to an older state"
                self.shown[place] = delivery.revision, delivery.notification.status
                if crash:
                    self._begin()
                    crash = False
                    break
                self.outbox.sent(delivery, f"{place}", self.steps.now)
                self.store.commit((), self.outbox.changes())

    def close(self) -> None:
        self.store.close()

    def _begin(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
        self.store = Store(self.directory)
        self.store._db.execute("PRAGMA synchronous=OFF")  # processes die here, machines do not
        self.outbox = _Heard(self.config)
        self.steps = Steps(self.config, self.store, Assembler(trace_timeout=60.0), self.outbox)
        self.outbox.release()

    def _commit(self, written: Written, crash: str | None, depth: int) -> None:
        if crash == "before":
            raise _Planned
        if crash == "inside":
            self.store._db.set_progress_handler(lambda: 1, depth)
        self.store.commit(*written)
        self.store._db.set_progress_handler(None, 0)
        self.told += [_told(each) for each in self.outbox.put_now]
        self.outbox.put_now.clear()
        self.outbox.release()
        if crash is not None:
            raise _Planned


def _told(each: Notification) -> Told:
    names = tuple(sorted(f"{alert.labels} {alert.status}" for alert in each.alerts))
    return each.receiver, each.incident, each.sequence, str(each.reason), each.status, names


Plan = tuple[float, list[Any], str | None, int, bool]

posted = st.builds(
    lambda name, owner, host, ends: ("alert", {"alertname": name, "owner": owner, "host": host}, ends),
    st.sampled_from(["Down", "Slow"]),
    st.sampled_from(["payments", "platform"]),
    st.sampled_from(["a", "b"]),
    st.sampled_from([None, None, 0.0, 40.0]),
)
silenced = st.builds(
    lambda number, host, length: ("silence", number, host, length),
    st.integers(0, 2),
    st.sampled_from(["a", "b"]),
    st.sampled_from([60.0, 600.0]),
)
ended = st.builds(lambda number: ("end", number), st.integers(0, 2))
done = st.builds(
    lambda act, place: ("deed", act, place),
    st.sampled_from(["ack", "unack", "not_mine", "false_alarm"]),
    st.integers(0, 3),
)


def _labels(alert: tuple[str, dict[str, str], float | None]) -> tuple[str, ...]:
    return tuple(alert[1].values())


plans = st.lists(
    st.tuples(
        st.sampled_from([1.0, 5.0, 31.0, 301.0, 1_900.0]),
        # One request: alerts come many at a time, all else alone.
        st.one_of(
            st.lists(posted, max_size=4, unique_by=_labels), st.one_of(silenced, ended, done).map(lambda each: [each])
        ),
        st.sampled_from([None, None, "before", "inside", "inside", "after"]),
        st.integers(1, 400),
        st.booleans(),
    ),
    min_size=1,
    max_size=12,
)


def run(directory: Path, config: Config, plan: list[Plan], *, crashes: bool) -> Machine:
    machine = Machine(directory, config)
    now = START
    machine.do([Tick(now)], [], None, 0)
    for wait, wanted, crash, depth, lost in plan:
        until = now + wait
        while now < until:  # ticks never stop for long: an absence would put ends off
            since, now = now, min(now + TICKS, until)
            machine.do([Tick(now, since)], [], None, 0)
        incidents = sorted(incident.id for incident in machine.steps.router.incidents())
        actions = [action for each in wanted if (action := _action(each, now, incidents)) is not None]
        machine.do([], actions, crash if crashes else None, depth)
        machine.deliver(crashes and lost)
    return machine


def _action(wanted: Any, now: float, incidents: list[str]) -> Action | None:
    kind, *rest = wanted
    if kind == "alert":
        labels, ends = rest
        return PostedAlert(time=now, labels=labels, ends_at=None if ends is None else now + ends)
    name = f"00000000-0000-4000-8000-00000000000{rest[0]}"
    if kind == "silence":
        matchers = (Matcher("host", rest[1]),)
        return SilenceSet(time=now, id=name, matchers=matchers, starts_at=now, ends_at=now + rest[2], created_by="x")
    if kind == "end":
        return SilenceEnded(time=now, id=name, by="x")
    if not incidents:
        return None
    return Deed(time=now, incident=incidents[rest[1] % len(incidents)], act=rest[0], by="alice", to="platform")


@pytest.mark.parametrize("config", [BY_OWNER, BY_TREE], ids=["by owner", "by tree"])
@settings(max_examples=40, deadline=None)
@given(plan=plans)
def test_a_crash_anywhere_tells_no_more_no_less_and_nothing_twice(config: Config, plan: list[Plan]) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY) as first, tempfile.TemporaryDirectory(dir=MEMORY) as second:
        whole = run(Path(first), config, plan, crashes=False)
        broken = run(Path(second), config, plan, crashes=True)
        try:
            told = Counter(broken.told)
            assert max(Counter(key[:3] for key in told).values(), default=1) == 1, "a notification came twice"
            assert broken.told == whole.told
            assert broken.shown == whole.shown
            assert max(broken.posts.values(), default=1) == 1, "one message per incident and place"
            assert broken.steps.router.incidents() == whole.steps.router.incidents()
            for view in ("alerts", "silences"):
                here, there = (sorted(getattr(each.steps.router, view)(), key=repr) for each in (broken, whole))
                assert here == there
        finally:
            whole.close()
            broken.close()


def test_an_action_that_was_answered_stands_in_the_log(tmp_path: Path) -> None:
    machine = Machine(tmp_path, BY_OWNER)
    machine.do([Tick(START)], [], None, 0)
    machine.do([], [PostedAlert(time=START, labels={"alertname": "Down"})], None, 0)
    machine.do([], [PostedAlert(time=START, labels={"alertname": "Slow"})], "before", 0)
    assert [raw for _, raw in machine.store.records() if is_action(raw)] == [
        b'{"kind":"router.alert","time":1760000000.0,"labels":{"alertname":"Down"}}',
        b'{"kind":"router.alert","time":1760000000.0,"labels":{"alertname":"Slow"}}',
    ]
    machine.close()
