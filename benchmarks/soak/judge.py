"""What must hold at the end: counts, findings, incidents, messages. Each check gives its complaints; none is good.

The final topics are stepped once more through the same cores, each partition in its own order and without a fault, as
a worker would that was never disturbed. What it finds must be what the workers found, bit for bit, however often they
were killed in between.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from kafka import KafkaConsumer, TopicPartition

from benchmarks.soak.fleet import Truth
from monitor import views
from monitor.alerting.routing.receivers import plan
from monitor.intake import bodies, dead_letters
from monitor.notify.outbox import VERSION as OUTBOX_VERSION
from monitor.notify.outbox import Outbox
from monitor.notify.waiting.entry import Entry as Delivery
from monitor.runtime.kafka.broker.fetched import Record
from monitor.runtime.kafka.central import AggregatorCore, RouterCore
from monitor.runtime.kafka.events import FINDING, EventsCore
from monitor.runtime.kafka.partition import LetterParts, Outgoing
from schemas.actions import is_action
from schemas.config import Config
from schemas.finding import Finding, decode_finding
from schemas.news import is_news
from schemas.records import EvidenceBatch, Tick, decode_control, is_control
from tests.doubles.slack_eyes import Post

Named = tuple[float, int, str]
"""Time, partition and agent: what names evidence, the earliest first."""

STEP_RECORDS = 2_000
SHOWN = 3
"""Examples of each complaint."""
LETTERS = LetterParts(dead_letters.dead_letter, dead_letters.encode)


@dataclass
class Again:
    """What the final topics give when they are stepped once more without a fault."""

    agents: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Agent → runs, failed."""
    findings: dict[str, Finding] = field(default_factory=dict)
    evidence: dict[Named, bytes] = field(default_factory=dict)
    incidents: dict[str, bytes] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)
    """Incidents that Slack is to be told of."""
    records: Counter[str] = field(default_factory=Counter)
    longest_gap: float = 0.0
    """Seconds between two ticks, at most."""
    until: float = math.inf
    """The tick up to which all partitions were stepped: ticks go on while the topics are read."""


def step_again(config: Config) -> Again:
    """All topics, from their beginning to where they end now."""
    again, names = Again(), config.runtime.kafka.topics
    for partition in range(config.runtime.kafka.partitions):
        core = EventsCore(config, partition, bodies.read_events, LETTERS)
        for records in _chunks(config, names.events, partition):
            again.records["events"] += len(records)
            _take(again, core.step(records), config)
        again.agents |= {view.agent: (view.runs, view.failed) for view in views.agents(core.engine)}
        again.until = min(again.until, core.engine.now)
    aggregator = AggregatorCore(config, LETTERS)
    for records in _chunks(config, names.evidence, 0):
        again.records["evidence"] += len(records)
        _take(again, aggregator.step(records), config)
    outbox = Outbox(plan(config, slack=True))
    router = RouterCore(config, outbox, LETTERS)
    ticks: list[float] = []
    for records in _chunks(config, names.findings, 0):
        again.records["findings"] += len(records)
        ticks += _ticks(records)
        for out in router.step(records):
            if out.topic == names.incidents and out.key is not None and out.value is not None:
                again.incidents[out.key.decode()] = out.value
    again.longest_gap = max((after - before for before, after in itertools.pairwise(ticks)), default=0.0)
    again.told = set(_told(outbox.changes()))
    return again


def counts(truth: Truth, found: Mapping[str, tuple[int, int]], again: Again) -> Iterator[str]:
    """Every run once, with its outcome: as the workers tell it, and as the topics do. `found`: agent → runs, failed."""
    wanted = {agent: (runs, truth.failed[agent]) for agent, runs in truth.runs.items()}
    yield from _differences("agent (runs, failed)", wanted, found)
    yield from _differences("agent (runs, failed), stepped again", wanted, again.agents)


def findings(config: Config, again: Again) -> Iterator[str]:
    """What was found is what is found when nothing goes wrong; and nothing else was found."""
    names, live = config.runtime.kafka.topics, dict[str, Finding]()
    for record in _values(config, names.findings):
        value = record.value or b""
        if not (is_control(value) or is_action(value) or is_news(value)):
            finding = decode_finding(value)
            if live.setdefault(finding.id, finding) != finding:
                yield f"finding {finding.id}: made twice, and not the same"
    yield from _differences("finding", again.findings, live)
    written = dict[Named, bytes]()
    for record in _values(config, names.evidence):
        value = record.value or b""
        if not is_control(value) and not any(name == FINDING for name, _ in record.headers):
            for name, line in _evidence(value):
                if name[0] > again.until:
                    continue
                if written.setdefault(name, line) != line:
                    yield f"evidence {name}: told twice, and not the same"
    made = {name: line for name, line in again.evidence.items() if name[0] <= again.until}
    yield from _differences("evidence (time, partition, agent)", made, written)


def incidents(config: Config, again: Again) -> Iterator[str]:
    """Each incident is what the findings make of it."""
    live = {}
    for record in _values(config, config.runtime.kafka.topics.incidents):
        if record.key is not None and record.value is not None:
            live[record.key.decode()] = record.value
    yield from _differences("incident", again.incidents, live)


def messages(posts: Iterable[Post], threads: Iterable[Post], again: Again) -> Iterator[str]:
    """Each incident has one message, and each line stands once in its thread."""
    seen = Counter(str((post.metadata or {}).get("event_payload", {}).get("incident", "?")) for post in posts)
    yield from _differences("incident's messages", dict.fromkeys(again.told, 1), dict(seen))
    lines = Counter(
        (str(mark.get("incident")), str(mark.get("line")))
        for mark in ((post.metadata or {}).get("event_payload", {}) for post in threads)
    )
    yield from (f"a line stands {count} times in its thread: {line}" for line, count in lines.items() if count > 1)


def _take(again: Again, outgoing: Iterable[Outgoing], config: Config) -> None:
    names = config.runtime.kafka.topics
    for out in outgoing:
        value = out.value or b""
        if out.topic == names.findings and not (is_control(value) or is_news(value)):
            finding = decode_finding(value)
            again.findings[finding.id] = finding
        elif out.topic == names.evidence and not any(name == FINDING for name, _ in out.headers):
            again.evidence.update(_evidence(value))


def _evidence(value: bytes) -> Iterator[tuple[Named, bytes]]:
    """Evidence by its name; how many agents' stand in one record is a matter of batches."""
    for line in value.splitlines():
        batch = msgspec.json.decode(line, type=EvidenceBatch)
        yield (batch.time, batch.partition, batch.agent), line


def _chunks(config: Config, topic: str, partition: int) -> Iterator[list[Record]]:
    chunk: list[Record] = []
    for record in _records(config, topic, partition):
        chunk.append(record)
        if len(chunk) == STEP_RECORDS:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _values(config: Config, topic: str) -> Iterator[Record]:
    return _records(config, topic, 0)


def _records(config: Config, topic: str, partition: int) -> Iterator[Record]:
    """What stands in a partition now, as a worker gets it."""
    consumer = KafkaConsumer(
        bootstrap_servers=config.runtime.kafka.bootstrap_servers, group_id=None, enable_auto_commit=False
    )
    place = TopicPartition(topic, partition)
    try:
        consumer.assign([place])
        consumer.seek_to_beginning(place)
        end = consumer.end_offsets([place])[place]
        while consumer.position(place) < end:
            for found in consumer.poll(timeout_ms=500).get(place, []):
                if found.offset < end:
                    headers = tuple(found.headers or ())
                    yield Record(found.offset, found.key, found.value, found.timestamp / 1000.0, headers)
    finally:
        consumer.close()


def _ticks(records: list[Record]) -> Iterator[float]:
    for record in records:
        if record.value is not None and is_control(record.value):
            control = decode_control(record.value)
            if isinstance(control, Tick):
                yield control.time


def _told(entries: Iterable[tuple[str, bytes | None]]) -> Iterator[str]:
    for _, value in entries:
        if value is not None:
            yield msgspec.msgpack.decode(value[len(OUTBOX_VERSION) :], type=Delivery).incident


def _differences(what: str, wanted: Mapping[Any, Any], found: Mapping[Any, Any]) -> Iterator[str]:
    missing = [key for key in wanted if key not in found]
    more = [key for key in found if key not in wanted]
    other = [key for key in wanted if key in found and wanted[key] != found[key]]
    for words, keys in (("missing", missing), ("too many", more), ("different", other)):
        if keys:
            keys.sort()
            shown = "; ".join(f"{key!s}: {wanted.get(key)!s} → {found.get(key)!s}"[:300] for key in keys[:SHOWN])
            yield f"{what}: {len(keys)} {words} of {len(wanted)}: {shown}"
