"""Rulings on Kafka: what the aggregator decides reaches the partitions that it concerns."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest

from monitor.runtime.kafka.broker.fetched import Record
from monitor.runtime.kafka.central import AggregatorCore, ControlCore
from monitor.runtime.kafka.events import partition_of
from monitor.runtime.kafka.partition import LetterParts
from schemas.config import Config
from schemas.finding import decode_finding
from schemas.records import (
    Ack,
    Cover,
    Evidence,
    EvidenceBatch,
    Grant,
    Pooled,
    Ruling,
    Tick,
    decode_control,
    encode_control,
)

START = 1_800_000_000.0
PARTITIONS = 5
CONFIG = Config.model_validate({"owners": {"one": {}}, "runtime": {"kafka": {"partitions": PARTITIONS}}})
LETTERS = LetterParts(lambda *_, **__: None, lambda _: b"")


def _record(offset: int, value: bytes) -> Record:
    return Record(offset=offset, key=None, value=value, headers=(), time=START)


@pytest.mark.parametrize(
    ("record", "partitions", "why"),
    [
        (Cover("run.failed|provider|p", START, START - 60.0), range(PARTITIONS), "agents below it may be anywhere"),
        (Grant("one", "a", START, START + 60.0, 1.0, 1.0), [partition_of("a", PARTITIONS)], "one agent's"),
        (Pooled("a", START, {"run.failed|run|p\x1fm": 0.1}), [partition_of("a", PARTITIONS)], "one agent's"),
        (Ack(START, "a", "run.failed||", "new_normal"), [partition_of("a", PARTITIONS), 0], "one agent's, or above it"),
        (Tick(START), [], "the router writes ticks everywhere itself"),
    ],
)
def test_control_is_copied_to_the_partitions_that_it_concerns(
    record: Ruling | Ack | Tick, partitions: list[int], why: str
) -> None:
    core = ControlCore(CONFIG, LETTERS)
    outgoing = core.step([_record(0, encode_control(record))])
    assert [out.partition for out in outgoing] == list(partitions), why
    events, evidence = CONFIG.runtime.kafka.topics.events, CONFIG.runtime.kafka.topics.evidence
    topics = [events] if isinstance(record, Ack) else [events] * len(partitions)
    assert [out.topic for out in outgoing] == [*topics, *([evidence] if isinstance(record, Ack) else [])]
    assert all(decode_control(out.value or b"") == record for out in outgoing)


def test_an_outage_becomes_a_finding_and_a_cover() -> None:
    """Eight agents fail at once, each with overwhelming evidence. A human's word for it ends it, at the next tick."""
    core = AggregatorCore(CONFIG, LETTERS)
    values: list[bytes] = []
    sums = (20 << 32,) * 6
    for second in range(4):
        at = START + second
        for number in range(8):
            bad = second > 2
            evidence = Evidence("run.failed|run|p\x1fm", sums if bad else (0,) * 6, 9, (8 * bad) << 32, 1 << 30)
            values.append(msgspec.json.encode(EvidenceBatch(f"a{number}", 0, at, (evidence,), ("one",))))
        values.append(encode_control(Tick(at, at - 1.0)))
    outgoing = core.step([_record(offset, value) for offset, value in enumerate(values)])
    topics = CONFIG.runtime.kafka.topics
    controls = [decode_control(out.value or b"") for out in outgoing if out.topic == topics.control]
    assert Counter(type(control) for control in controls)[Cover] == 1
    (cover,) = (control for control in controls if isinstance(control, Cover))
    assert (cover.node, cover.until) == ("run.failed|provider|p", None)
    assert sum(out.topic == topics.findings for out in outgoing) == 1

    found = [decode_finding(out.value or b"") for out in outgoing if out.topic == topics.findings]
    word = Ack(START + 4.0, "", found[0].incident_key, "false_alarm")
    said = [encode_control(word), encode_control(Tick(START + 5.0, START + 3.0))]
    after = core.step([_record(len(values) + at, value) for at, value in enumerate(said)])
    ended = [decode_finding(out.value or b"") for out in after if out.topic == topics.findings]
    assert [(finding.incident_key, finding.status) for finding in ended] == [(found[0].incident_key, "resolved")]
