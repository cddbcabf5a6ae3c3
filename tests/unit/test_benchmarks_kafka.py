"""The benchmark on Kafka: the traffic is what it claims to be, and the table says what was measured."""

from __future__ import annotations

import statistics
from collections import defaultdict
from itertools import islice

from benchmarks.kafka.match import Contestant, Row, table
from benchmarks.kafka.traffic import Fleet, Line, lines
from monitor.runtime.kafka.events import partition_of
from schemas.event import Event, decode
from schemas.records import Tick, decode_control, is_control

FLEET = Fleet(agents=50, per_second=1_000, events=8_000, partitions=4)


def read(fleet: Fleet) -> tuple[list[Line], list[Event]]:
    found = list(lines(fleet, 1_800_000_000.0))
    return found, [decode(line.value) for line in found if not is_control(line.value)]


def test_events_are_real_ones_of_about_400_bytes_on_the_partition_of_their_agent() -> None:
    records, events = read(FLEET)
    sizes = [len(line.value) for line in records if line.key is not None]

    assert len(events) == FLEET.events
    assert 380 < statistics.mean(sizes) < 450
    assert len({event.agent for event in events}) == FLEET.agents
    for line in records:
        if line.key is not None:
            assert line.partition == partition_of(line.key.decode(), FLEET.partitions)


def test_the_same_seed_gives_the_same_bytes() -> None:
    assert list(islice(lines(FLEET, 1.0), 500)) == list(islice(lines(FLEET, 1.0), 500))


def test_a_run_is_eight_events_in_order() -> None:
    runs = defaultdict(list)
    for event in read(FLEET)[1]:
        runs[event.run].append(event.kind)
    whole = [kinds for kinds in runs.values() if kinds[-1] == "run_finished"]

    assert whole
    assert {tuple(kinds) for kinds in whole} == {("run_started", *(("llm_call", "tool_call") * 3), "run_finished")}


def test_each_partition_has_a_tick_a_second_as_of_a_live_monitor() -> None:
    ticks = defaultdict(list)
    for line in read(FLEET)[0]:
        if is_control(line.value):
            ticks[line.partition].append(decode_control(line.value))

    assert sorted(ticks) == list(range(FLEET.partitions))
    expected = [Tick(1_800_000_000.0 + second, 1_799_999_999.0 + second if second else None) for second in range(8)]
    assert all(found == expected for found in ticks.values())


def test_the_table_says_how_many_times_ours_is_of_each() -> None:
    ours = Row(Contestant("ours", "", 0), [_result(200, 2), _result(100, 1), _result(900, 3)])
    other = Row(Contestant("other", "", 0), [_result(50, 1)])
    absent = Row(Contestant("absent", "", 0), [], "not installed")

    assert table([ours, other, absent]).splitlines()[2:] == [
        "| ours | 100 | 200 |  |",
        "| other | 50 | 100 | 2.0, 2.0 |",
        "| absent | not installed | | |",
    ]


def _result(events: float, seconds: float) -> dict[str, float]:
    return {"events": events, "seconds": seconds, "cpu_seconds": seconds / 2}
