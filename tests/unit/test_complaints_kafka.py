"""Complaints on Kafka: the events topic, then beside the findings to the router; what a crash repeats counts once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

from monitor.alerting.routing.receivers import plan
from monitor.intake import dead_letters
from monitor.intake.bodies import read_events
from monitor.notify.outbox import Outbox
from monitor.runtime.counting import published
from monitor.runtime.kafka.broker.fetched import Record
from monitor.runtime.kafka.central import RouterCore
from monitor.runtime.kafka.events import COPY, EventsCore, partition_of
from monitor.runtime.kafka.partition import LetterParts
from schemas.config import Config
from schemas.event import Event, encode
from schemas.finding import encode_finding
from schemas.news import is_news
from schemas.records import Tick, encode_control
from tests.doubles.clock import START
from tests.doubles.findings import finding

CONFIG = Config.model_validate({"owners": {"payments": {}}, "runtime": {"kind": "kafka", "kafka": {"partitions": 1}}})
LETTERS = LetterParts(dead_letters.dead_letter, dead_letters.encode)


def record(offset: int, value: bytes | None, at: float) -> Record:
    return Record(offset=offset, key=None, value=value, headers=(), time=at)


def test_a_complaint_finds_its_incident_with_the_time_at_which_the_user_spoke() -> None:
    spoke, heard = START + 600.0, START + 7_200.0
    said = Event(kind="complaint", time=spoke, id="c", agent="refund-agent", source="mail")
    events = EventsCore(CONFIG, 0, read_events, LETTERS)
    sent = events.step([record(0, encode_control(Tick(heard)), heard), record(1, encode(said), heard)])
    (news,) = [out.value for out in sent if is_news(out.value)]

    router = RouterCore(CONFIG, Outbox(plan(CONFIG, slack=False)), LETTERS)
    beside = [encode_control(Tick(START)), encode_finding(finding(1.0)), encode_control(Tick(heard)), news, news]
    router.step([record(place, value, heard) for place, value in enumerate(beside)])
    again = RouterCore(CONFIG, Outbox(plan(CONFIG, slack=False)), LETTERS)
    again.load((key, value) for key, value in router.changes() if value is not None)
    again.step([record(9, news, heard)])
    for core in (router, again):
        incident = core.router.incidents()[0]  # another one says that nobody watched meanwhile
        assert (incident.complained_at, incident.complaints) == (spoke, 1)
        (owner,) = core.router.report(START, heard).owners
        assert [line.lead_seconds for line in owner.incidents if line.signal == "tool.failed"] == [599.0]


PARTITIONS = 4
SPREAD = Config.model_validate({"runtime": {"kind": "kafka", "kafka": {"partitions": PARTITIONS}}})
ALONE = Config.model_validate({"runtime": {"kind": "kafka", "kafka": {"partitions": 1}}})
HOME = partition_of("refund-agent", PARTITIONS)
RUN = {"agent": "refund-agent", "run": "r", "session": "s", "user": "u"}
ABOUT = (
    Event(kind="complaint", time=START + 3.0, id="c", session="s"),
    Event(kind="feedback", time=START + 3.0, id="f", user="u", rating=-1.0),
    Event(kind="evaluation", time=START + 3.0, id="e", run="r", name="judge", label="fail"),
)
"""What names no agent, only its run or whose it was."""


class Fleet:
    """A core for each partition; what one of them writes to the events topic, the partition it names steps next."""

    def __init__(self, config: Config) -> None:
        self.cores = [
            EventsCore(config, number, read_events, LETTERS) for number in range(config.runtime.kafka.partitions)
        ]
        self.news: list[bytes] = []
        self.hops = 0
        self._offsets = [0] * len(self.cores)

    def step(self, partition: int, values: Sequence[bytes], headers: tuple[tuple[str, bytes], ...] = ()) -> None:
        first = self._offsets[partition]
        self._offsets[partition] += len(values)
        records = [record(first + at, value, START)._replace(headers=headers) for at, value in enumerate(values)]
        for out in self.cores[partition].step(records):
            if out.topic == SPREAD.runtime.kafka.topics.events:
                assert out.partition is not None and out.partition != partition and out.value is not None
                self.hops += 1
                self.step(out.partition, [out.value], out.headers)
            elif out.value is not None and is_news(out.value):
                self.news.append(out.value)

    def counted(self, name: str) -> int:
        return sum(core.engine.counts.get(name, 0) for core in self.cores)


@pytest.mark.parametrize("said", ABOUT, ids=lambda event: event.kind)
@pytest.mark.parametrize("cut", [1, 2, 3, 9])
def test_what_names_no_agent_finds_a_run_that_started_in_the_same_batch(said: Event, cut: int) -> None:
    log = [
        encode_control(Tick(START)),
        encode(Event(kind="run_started", time=START + 1.0, id="a", **RUN)),
        encode(Event(kind="run_finished", time=START + 2.0, id="b", status="ok", **RUN)),
        encode(said),
        encode_control(Tick(START + 5.0, START)),
    ]
    fleet = Fleet(SPREAD)
    for first in range(0, len(log), cut):
        fleet.step(HOME, log[first : first + cut])
    assert (fleet.counted(said.kind), fleet.counted("events"), fleet.hops) == (1, 3, 0)
    assert len(fleet.news) == (said.kind == "complaint")


@pytest.mark.parametrize("said", ABOUT, ids=lambda event: event.kind)
@pytest.mark.parametrize("partition", range(PARTITIONS))
def test_what_names_no_agent_is_asked_for_until_a_partition_knows_it(said: Event, partition: int) -> None:
    fleet = Fleet(SPREAD)
    fleet.step(HOME, [encode(Event(kind="run_started", time=START + 1.0, id="a", **RUN))])
    fleet.step(partition, [encode(said)])
    fleet.step(partition, [encode(said)])  # sent again
    assert (fleet.counted(said.kind), fleet.counted("unassigned")) == (1, 0)
    assert fleet.hops == 2 * ((HOME - partition) % PARTITIONS)
    assert len(fleet.news) == (said.kind == "complaint")


def test_one_session_of_two_agents_is_complained_of_once() -> None:
    fleet = Fleet(SPREAD)
    for number in range(20):
        agent = f"agent-{number}"
        started = Event(kind="run_started", time=START, id=agent, agent=agent, run=agent, session="s")
        fleet.step(partition_of(agent, PARTITIONS), [encode(started)])
    assert all(core.engine.agents for core in fleet.cores)
    fleet.step(0, [encode(ABOUT[0])])
    assert (fleet.counted("complaint"), len(fleet.news)) == (1, 1)


@pytest.mark.parametrize("cut", [1, 2, 4])
def test_of_two_agents_that_share_a_session_the_one_is_meant_that_started_last(cut: int) -> None:
    """A batch is stepped agent by agent; the log says who was last."""
    fleet = Fleet(ALONE)
    log = [
        encode(Event(kind="run_started", time=START, id=f"{agent}{run}", agent=agent, run=f"r{run}", session="s"))
        for run, agent in enumerate(("first", "second", "first"))
    ]
    log.append(encode(ABOUT[0]))
    for first in range(0, len(log), cut):
        fleet.step(0, log[first : first + cut])
    agents = fleet.cores[0].engine.agents
    assert [name for name, agent in agents.items() if "c" in agent.loose_ids] == ["first"]


@pytest.mark.parametrize(("config", "partitions"), [(ALONE, 1), (SPREAD, PARTITIONS)])
def test_what_nobody_knows_is_counted_once(config: Config, partitions: int) -> None:
    fleet = Fleet(config)
    fleet.step(0, [encode_control(Tick(START)), *map(encode, ABOUT)])
    counts = sum((published(core.engine.counts) for core in fleet.cores), Counter[str]())
    assert (counts["events_unattributed"], counts["events_received"]) == (3, 3)
    assert fleet.hops == 3 * (partitions - 1) and fleet.news == []


@pytest.mark.parametrize("left", [b"", b"1", b"-5", b"999999999", b"many"])
def test_whatever_the_header_says_nothing_goes_round_for_ever(left: bytes) -> None:
    fleet = Fleet(SPREAD)
    fleet.step(0, [encode(ABOUT[0])], ((COPY, left),))
    assert fleet.counted("unassigned") == 1 and fleet.hops < PARTITIONS


def test_a_change_is_every_partitions_matter() -> None:
    fleet = Fleet(SPREAD)
    fleet.step(1, [encode(Event(kind="change", time=START, id="d", component="tool:refund", version="2"))])
    assert (fleet.counted("change"), fleet.hops) == (PARTITIONS, PARTITIONS - 1)
