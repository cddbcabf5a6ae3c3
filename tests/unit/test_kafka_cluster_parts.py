"""What several workers need, each part by itself: lease, store, floods, watermarks, sightings. No broker."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.types import TP

from monitor.alerting.blind import LAG_SECONDS, Sight
from monitor.alerting.routing.receivers import plan
from monitor.intake import bodies, dead_letters
from monitor.notify.dispatch import Dispatcher
from monitor.notify.outbox import Outbox
from monitor.runtime.kafka.broker.fetched import Record
from monitor.runtime.kafka.central import RouterCore
from monitor.runtime.kafka.cluster.floods import WINDOW_RECORDS, DeadLetterFlood, Flood
from monitor.runtime.kafka.cluster.lease import LEASE_SECONDS, SESSION_SECONDS, Lease
from monitor.runtime.kafka.cluster.notes import NOTE_CHARACTERS, OURS, Notes, noted
from monitor.runtime.kafka.cluster.sightings import EVERY_SECONDS, Sighter
from monitor.runtime.kafka.cluster.watermarks import PRODUCERS, Watermarks
from monitor.runtime.kafka.events import EventsCore, partition_of
from monitor.runtime.kafka.partition import LetterParts
from schemas.config import Config, Floods, Kafka
from schemas.event import BadEvent, Reason
from schemas.finding import Finding, encode_finding
from schemas.records import Sighting, Tick, decode_control, encode_control
from tests.doubles.clock import START
from tests.doubles.findings import finding
from tests.services.kafka_monitor import Recorder, recorders

LETTERS = LetterParts(dead_letters.dead_letter, dead_letters.encode)

# -- lease


def test_a_lease_ends_before_the_group_may_give_the_partitions_away() -> None:
    now = 100.0
    lease = Lease(lambda: now)
    assert not lease.held, "nothing was answered yet"
    lease.renew()
    now = 100.0 + LEASE_SECONDS - 0.01
    assert lease.held
    lease.renew(sent=99.0)
    assert lease.held, "an answer to an older heartbeat takes nothing away"
    now = 100.0 + LEASE_SECONDS
    assert not lease.held
    assert LEASE_SECONDS < SESSION_SECONDS


# -- floods


LETTER = dead_letters.encode(
    dead_letters.dead_letter(b"{nope", BadEvent(Reason.NOT_JSON, "no"), time=START, source="kafka:t/0@1")
)


def steps(flood: Flood, *took: tuple[int, int]) -> int | None:
    """The step at which it stops."""
    for place, (records, letters) in enumerate(took):
        try:
            flood.took(records, [LETTER] * letters, place * 100)
        except DeadLetterFlood:
            return place
    return None


@pytest.mark.parametrize(
    ("why", "took", "stops"),
    [
        ("one poison record stops nothing", [(100, 0), (100, 1), (100, 0)], None),
        ("all of a topic unreadable", [(100, 100)] * 20, 9),
        ("one batch of nothing else", [(2000, 2000)], 0),
        ("a tenth unreadable, for ever", [(100, 10)] * 1_000, None),
        ("as many as the share allows", [(100, 50)] * 1_000, None),
        ("a little more", [(100, 51)] * 1_000, 19),
        ("good records before it do not count against it for ever", [(2000, 0)] * 50 + [(500, 500)] * 12, 51),
        ("bad ones long ago are forgotten", [(100, 90), *[(500, 0)] * 40, *[(100, 90)] * 10], None),
    ],
)
def test_when_dead_letters_are_a_flood(why: str, took: list[tuple[int, int]], stops: int | None) -> None:
    assert steps(Flood(Floods(), "t/0"), *took) == stops, why
    assert steps(Flood(Floods(letters=0), "t/0"), *took) is None


def test_a_flood_says_where_it_stands_and_what_to_do() -> None:
    with pytest.raises(DeadLetterFlood) as error:
        Flood(Floods(letters=10), "forewarn.events/3").took(12, [LETTER] * 12, 4711)
    assert str(error.value) == (
        "12 of the last 12 records of forewarn.events/3 could not be read; the worker stops at offset 4,711 rather "
        "than empty the topic into the dead letters. What is wrong there: not_json. Mend the producer; then move the "
        "group's offset past the bad records, or raise `runtime.kafka.floods.letters` (0: never stop)"
    )


def test_a_worker_that_starts_again_stops_at_the_same_place() -> None:
    first = Flood(Floods(), "t/0")
    assert steps(first, *[(100, 100)] * 9) is None
    saved = first.changes()
    assert first.changes() == []
    again = Flood(Floods(), "t/0")
    again.load(saved)
    assert steps(again, (100, 100)) == 0, "it does not drain another thousand"
    assert len(msgspec.msgpack.decode(saved[0][1])[1]) <= WINDOW_RECORDS // 500 + 1


@pytest.mark.parametrize(
    ("why", "note", "stops"),
    [
        ("a note of ours", None, 0),
        ("nothing was noted", "", 9),
        ("somebody else's text beside the offset", "moved by hand", 9),
        ("somebody else's JSON", '{"kind": "x", "version": 1, "slots": []}', 9),
        ("a version that this monitor does not read", '{"kind": "flood", "version": 2, "slots": [[900, 900]]}', 9),
    ],
)
def test_a_note_beside_the_offset_tells_the_next_worker(why: str, note: str | None, stops: int) -> None:
    first = Flood(Floods(), "otlp_spans/0")
    assert first.note() == ""
    assert steps(first, *[(100, 100)] * 9) is None
    again = Flood(Floods(), "otlp_spans/0")
    again.recall(first.note() if note is None else note)
    assert steps(again, *[(100, 100)] * 12) == stops, why


def test_a_note_is_short_whatever_happens() -> None:
    flood = Flood(Floods(letters=10**9, share=1.0), "otlp_spans/0")
    assert steps(flood, *[(3, 2)] * 9_000) is None
    assert 0 < len(flood.note()) <= NOTE_CHARACTERS


async def test_an_offset_is_committed_with_the_note_of_its_partition() -> None:
    class Reader:
        def __init__(self) -> None:
            self.committed: dict[Any, Any] = {}

        async def commit(self, offsets: dict[Any, Any]) -> None:
            self.committed.update(offsets)

    notes, reader = Notes(), Reader()
    noted(reader, notes)
    one, two = TopicPartition("otlp_spans", 0), TopicPartition("otlp_spans", 1)
    notes.put(TP("otlp_spans", 0), "a note")
    notes.put(TP("otlp_spans", 1), "x" * (NOTE_CHARACTERS + 1))
    await reader.commit({place: OffsetAndMetadata(7, "") for place in (one, two)})
    assert reader.committed == {one: OffsetAndMetadata(7, "a note"), two: OffsetAndMetadata(7, OURS)}
    notes.clear()
    await reader.commit({one: OffsetAndMetadata(8, "")})
    assert reader.committed[one] == OffsetAndMetadata(8, OURS), "the partitions moved: it was somebody else's"


# -- watermarks


@pytest.mark.parametrize("fate", ["take", "drop"])
def test_late_is_what_lies_behind_its_own_producer(fate: str) -> None:
    counts: Counter[str] = Counter()
    marks = Watermarks(Kafka(late_events=fate), counts)  # type: ignore[arg-type]
    assert marks.take("one", 1_000.0, 1_000.0)
    assert marks.take("one", 940.0, 1_001.0), "sixty seconds behind is out of order, and usual"
    assert marks.take("two", 100.0, 1_001.0), "another producer has its own time"
    assert marks.take("one", 939.9, 1_001.0) is (fate == "take")
    assert counts == {f"events_behind:{'taken' if fate == 'take' else 'dropped'}": 1}


def test_a_clock_that_runs_ahead_makes_nothing_late_once_it_is_right() -> None:
    counts: Counter[str] = Counter()
    marks = Watermarks(Kafka(late_events="drop"), counts)
    assert marks.take("fast", 1_500.0, 1_000.0), "within the ten minutes in which a clock is believed"
    assert marks.latest == {"fast": 1_000.0}
    assert marks.take("fast", 1_001.0, 1_001.0), "its clock was set right"
    assert counts == {}


def test_watermarks_survive_where_they_decide_and_cost_nothing_where_not() -> None:
    drops = Watermarks(Kafka(late_events="drop"), Counter())
    drops.take("one", 1_000.0, 1_000.0)
    again = Watermarks(Kafka(late_events="drop"), Counter())
    again.load(drops.changes())
    assert drops.changes() == [] and again.latest == {"one": 1_000.0}
    takes = Watermarks(Kafka(), Counter())
    takes.take("one", 1_000.0, 1_000.0)
    assert takes.changes() == []


def test_producers_beyond_the_bound_have_no_watermark() -> None:
    counts: Counter[str] = Counter()
    marks = Watermarks(Kafka(late_events="drop"), counts)
    for number in range(PRODUCERS + 5):
        assert marks.take(f"p{number}", 1_000.0, 1_000.0)
    assert marks.take(f"p{PRODUCERS}", 1.0, 1_000.0)
    assert len(marks.latest) == PRODUCERS and counts == {"evicted:watermarks": 6}


# -- sightings, and what the router makes of them


def test_a_partition_tells_what_it_saw_on_a_grid() -> None:
    sighter = Sighter("events/3")
    assert sighter.saw(0.0, 5, 0) is None, "before the first tick"
    sighter.beat("p")
    sighter.beat("p")
    assert sighter.saw(START, 1, 2) == Sighting("events/3", START, 6, 2, ("p",))
    assert sighter.saw(START + EVERY_SECONDS - 1.0, 7, 0) is None
    assert sighter.saw(START + EVERY_SECONDS, 1, 0) == Sighting("events/3", START + EVERY_SECONDS, 8, 0)


def test_the_events_of_a_partition_become_sightings_on_the_way_to_the_router() -> None:
    config = Config.model_validate({"owners": {"one": {}}})
    core = EventsCore(config, 0, bodies.read_events, LETTERS)
    beat = b'{"kind":"heartbeat","producer":"p","time":%f}' % START
    values = [encode_control(Tick(START)), beat, b"{nope", encode_control(Tick(START + 10.0))]
    sent = core.step([Record(place, None, value, START, ()) for place, value in enumerate(values)])
    sightings = [decode_control(out.value or b"") for out in sent if out.topic == config.runtime.kafka.topics.findings]
    assert sightings == [Sighting("events/0", START + 10.0, 3, 1, ("p",))]


def told(findings: list[Finding]) -> list[tuple[str, str, str]]:
    return [(found.signal, found.status, found.words) for found in findings]


def test_a_partition_that_falls_behind_is_told_of_until_it_has_caught_up() -> None:
    sight = Sight("platform", 30.0)
    said = []
    for second in range(200):
        now = START + second
        if second % 10 == 0:
            sight.saw(Sighting("events/0", now, 10))
            if second < 30 or second > 150:
                sight.saw(Sighting("events/1", now - (0.0 if second < 30 else 5.0), 10))
        said += [(second, *each) for each in told(sight.tick(now - 1.0, now))]
    words = "The monitor is behind: 1 of 2 partitions by 61 s"
    assert said == [
        (20 + LAG_SECONDS + 1, "monitor.lag", "firing", words),
        (160, "monitor.lag", "resolved", words),
    ]


def test_time_in_which_nobody_wrote_ticks_is_nobodys_lag() -> None:
    sight = Sight("platform", 30.0)
    sight.saw(Sighting("events/0", START, 10))
    said = told(sight.tick(START, START + 600.0))
    assert [signal for signal, _, _ in said] == ["monitor.gap"]
    sight.saw(Sighting("events/0", START + 601.0, 10))
    assert told(sight.tick(START + 600.0, START + 601.0)) == []


def test_heartbeats_and_dead_letters_of_partitions_become_notices() -> None:
    sight = Sight("platform", 30.0)
    said = []
    for second in range(400):
        now = START + second
        if second % 10 == 0:
            beats = ("p",) if second < 100 else ()
            sighting = Sighting("events/0", now, 50, 40 if second >= 350 else 0, beats)
            sight.saw(sighting)
            sight.saw(sighting)  # a crash repeats it
        said += told(sight.tick(now - 1.0, now))
    assert said == [
        ("monitor.heartbeat", "firing", "A producer's heartbeat is missing: p, usually every 10 s"),
        ("monitor.unreadable", "firing", "Events cannot be read: 80 of 1580 in 5 min"),
    ]


def test_an_episode_that_is_over_before_the_next_tick_is_told_all_the_same() -> None:
    """A router that catches up reads both at once; judged together there would be nothing to tell."""
    config = Config.model_validate({"owners": {"payments": {}}})
    core = RouterCore(config, Outbox(plan(config, slack=False)), LETTERS)
    fired = finding(1.0)
    over = finding(3.0, id="over", status="resolved", incident_key=fired.incident_key)
    values = [
        encode_control(Tick(START)),
        encode_finding(fired),
        encode_finding(over),
        encode_control(Tick(START + 9.0)),
    ]
    core.step([Record(place, None, value, START, ()) for place, value in enumerate(values)])
    (incident,) = core.router.incidents()
    assert incident.status == "resolved"
    assert core.outbox.pending() == 1


async def test_without_the_lease_no_send_is_begun() -> None:
    config = Config.model_validate({"owners": {"payments": {}}})
    core, recorder, held = RouterCore(config, Outbox(plan(config, slack=False)), LETTERS), Recorder(), [False]

    async def commit() -> None:
        core.changes()

    core.step([Record(0, None, encode_finding(finding(1.0)), START, ())])
    core.outbox.release()  # type: ignore[attr-defined]
    dispatcher = Dispatcher(core.outbox, recorders(config, recorder), commit, lambda: START + 9.0, lambda: held[0])  # type: ignore[arg-type]
    await dispatcher.flush()
    assert recorder.posts == [] and core.outbox.pending() == 1
    held[0] = True
    await dispatcher.flush()
    assert len(recorder.posts) == 1


def test_the_router_hears_sightings_and_they_survive_a_crash() -> None:
    config = Config.model_validate({"owners": {"platform": {}}, "defaults": {"owner": "platform"}})

    def core(saved: dict[str, bytes]) -> RouterCore:
        made = RouterCore(config, Outbox(plan(config, slack=False)), LETTERS)
        made.load(saved.items())
        return made

    log = []
    for second in range(100):
        if second % 10 == 0 and second <= 20:
            log.append(encode_control(Sighting("events/0", START + second, 5)))
        log.append(encode_control(Tick(START + second, START + second - 1.0)))
    records = [Record(place, None, value, START, ()) for place, value in enumerate(log)]
    first = core({})
    first.step(records[:60])
    again = core({key: value for key, value in first.changes() if value is not None})
    again.step(records[40:])  # the crash repeats twenty
    (incident,) = again.router.incidents()
    assert incident.alerts[0].labels["alertname"] == "monitor.lag"


def test_agents_go_where_kafkas_own_clients_put_them() -> None:
    partitions = list(range(8))
    for agent in ("refund-agent", "a", "", "日本語", "x" * 300):
        assert partition_of(agent, 8) == DefaultPartitioner()(agent.encode(), partitions, partitions)
