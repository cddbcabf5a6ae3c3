"""The events topic: JSON records → the engine of the partition.

Decodes, gives each event the time at which the broker saw it, keeps agents on their partition and text out of the
state. What cannot be read is a dead letter with its position; it never stops a partition. Detection is the engine's.

Invariants: an event is stepped on the partition of its agent and nowhere else; what goes to another partition carries
in a header when it was first observed, so that an outage of ours does not look like a skewed clock of the producer. An
event that names no agent goes from partition to partition until one knows whose it is; the last one counts it.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, Protocol

import msgspec
from aiokafka.partitioner import murmur2

from monitor.engine import PartitionEngine
from monitor.engine import Record as EngineRecord
from monitor.runs import Closed
from monitor.runtime.kafka.broker.fetched import Record
from monitor.runtime.kafka.cluster.sightings import Sighter
from monitor.runtime.kafka.cluster.watermarks import Watermarks
from monitor.runtime.kafka.partition import LetterParts, Letters, Outgoing
from monitor.runtime.parts import Entry
from monitor.stepping.step import RECENT_RUNS, Step
from schemas import limits
from schemas.config import Config, Topics
from schemas.event import LATEST_TIME, BadEvent, Event, Reason, decode, is_skewed
from schemas.finding import Finding, encode_finding
from schemas.news import encode_news
from schemas.records import CONTROL_PREFIX, EvidenceBatch, decode_control, encode_control
from schemas.texts import derive

OBSERVED = "forewarn-observed"
"""Header: epoch seconds at which an event was first seen by the monitor or the broker."""
EARLIEST_OBSERVED: Final = 946_684_800.0
"""The year 2000, before any event was observed: a smaller number is not in epoch seconds."""
COPY = "forewarn-copy"
"""Header: this record is a copy of what belongs to no partition; and to how many it is to be shown after this one."""
FINDING = "forewarn-finding"
"""Header in the evidence topic: this is a finding whose cost the ledger books, not evidence."""
KNOWN_AGENTS = 200_000
"""Agents whose partition is remembered. More: the memory starts anew; only speed is lost."""

_SKEW_SECONDS: Final = limits.SKEW_SECONDS

EVIDENCE_BYTES = 256 * 1024
"""Evidence of many agents goes in one record, for a record costs more to send than to make. More: another record."""

_evidence = msgspec.json.Encoder()
# At hand: compiled code looks a name of another module up each time.
_decode: Final = decode
_CONTROL_PREFIX: Final = CONTROL_PREFIX


class Read(Protocol):
    """What came of one value: `monitor.intake.bodies.Intake`."""

    @property
    def events(self) -> Sequence[Event]:
        """What was read."""

    @property
    def raws(self) -> Sequence[bytes]:
        """The JSON of each event, as it came."""

    @property
    def dead_letters(self) -> Sequence[Any]:
        """What was not."""

    @property
    def skipped(self) -> int:
        """Objects of kinds that we do not know, and tombstones."""


ReadEvents = Callable[[bytes, Iterable[tuple[str, bytes]], float, str], Read]
"""`monitor.intake.bodies.read_events`: arrays, lines, CloudEvents, Confluent framing."""


def partition_of(agent: str, partitions: int) -> int:
    """The partition that Kafka's Java client, kafka-python and aiokafka give to the key `agent`."""
    return int((murmur2(agent.encode()) & 0x7FFFFFFF) % partitions)


def observed_header(time: float) -> tuple[tuple[str, bytes], ...]:
    """The header that says when an event was first observed."""
    return ((OBSERVED, repr(time).encode()),)


def evidence_lines(batches: Iterable[EvidenceBatch]) -> Iterator[bytes]:
    """What agents tell the aggregator, an object a line, as few records as `EVIDENCE_BYTES` allows."""
    lines: list[bytes] = []
    size = 0
    for batch in batches:
        line = _evidence.encode(batch)
        if lines and size + len(line) > EVIDENCE_BYTES:
            yield b"\n".join(lines)
            lines, size = [], 0
        lines.append(line)
        size += len(line) + 1
    if lines:
        yield b"\n".join(lines)


class EventsCore:
    """One partition of the events topic and its engine."""

    def __init__(self, config: Config, partition: int, read_events: ReadEvents, letters: LetterParts) -> None:
        self.engine = PartitionEngine(config, partition, reads=False)
        self.counts: Counter[str] = Counter()
        self.closed: deque[tuple[str, Closed]] = deque(maxlen=RECENT_RUNS)
        self._topics: Topics = config.runtime.kafka.topics
        self._partition = partition
        self._partitions = config.runtime.kafka.partitions
        self._read_events = read_events
        self._reader = self.engine.reader
        self._letters = Letters(letters, self._topics.dead_letters, self._topics.events, partition)
        self.watermarks = Watermarks(config.runtime.kafka, self.counts)
        self._sighter = Sighter(f"events/{partition}")
        self._homes: dict[str, int] = {}
        self._offset = -1
        self._batch: list[tuple[int, EngineRecord]] = []
        self._taken = 0
        self._steps: list[Step] = []

    def step(self, records: Sequence[Record]) -> list[Outgoing]:
        """Decode, keep what is ours, step the engine; findings, news and evidence come out."""
        outgoing: list[Outgoing] = []
        batch = self._batch
        for record in records:
            taken = self._take(record, outgoing)
            if taken is not None:
                batch.append((record.offset, taken))
        if records:
            self._offset = records[-1].offset
        self._advance()
        steps, read = self._steps, self._taken
        self._steps, self._taken = [], 0
        unread = sum(out.topic == self._topics.dead_letters for out in outgoing)
        sighting = self._sighter.saw(self.engine.now, read, unread)
        if sighting is not None:
            outgoing.append(Outgoing(self._topics.findings, encode_control(sighting), sighting.place.encode()))
        for step in steps:
            self.closed.extend(step.closed)
            for finding in step.findings:
                outgoing += self._found(finding)
        outgoing += [Outgoing(self._topics.findings, encode_news(news)) for step in steps for news in step.news]
        evidence = [told for step in steps for told in step.evidence]
        outgoing += [Outgoing(self._topics.evidence, lines) for lines in evidence_lines(evidence)]
        return outgoing

    def counted(self) -> Counter[str]:
        """What came of records, by metric name; the engine counts for itself."""
        return self.counts + self._letters.counts

    def settled(self) -> int:
        """See `partition.Core`."""
        return self._offset

    def changes(self) -> list[Entry]:
        """The engine's, which keeps the offset of each agent in them; then the watermarks."""
        return [*self.engine.changes(), *self.watermarks.changes()]

    def load(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """The engine's entries and the watermarks."""
        found = list(entries)
        self.watermarks.load(found)
        self.engine.load(found)

    def _advance(self) -> None:
        """Read and step the engine by what was taken so far."""
        self._read()
        self._steps.append(self.engine.step(self._batch))
        self._taken += len(self._batch)
        self._batch.clear()

    def _read(self) -> None:
        """Read the texts of what was taken, and drop them.

        Decoding, reading and stepping each go over the whole batch, and reading goes kind by kind: a processor is much
        quicker at what it has just done than at everything in turn.
        """
        kinds: dict[str, list[Event]] = {}
        an_event = Event  # at hand
        for _, taken in self._batch:
            if isinstance(taken, an_event):
                kind = taken.kind
                events = kinds.get(kind)
                if events is None:
                    kinds[kind] = [taken]
                else:
                    events.append(taken)
        reader = self._reader
        for kind in sorted(kinds):
            for event in kinds[kind]:
                reader.read(event)
                derive.drop_text(event)

    def _take(self, record: Record, outgoing: list[Outgoing]) -> EngineRecord | None:
        """What the engine is to see of a record; the rest goes out."""
        value = record.value
        if value is None:
            self.counts["events_skipped"] += 1
            return None
        if value.startswith(_CONTROL_PREFIX):
            return self._control(value, record, outgoing)
        try:
            event = _decode(value)
        except BadEvent as error:
            if error.reason is Reason.UNKNOWN_KIND:
                self.counts["events_skipped"] += 1
            else:
                self._read_again(value, record, outgoing)
            return None
        copied: bytes | None = None
        observed = record.time
        if record.headers:
            headers = dict(record.headers)
            copied, observed = headers.get(COPY), _observed(headers, observed)
        event.observed_time = observed
        agent = event.agent
        if agent is None:
            if not self._stays(event, copied, value, outgoing):
                return None
        else:
            home = self._homes.get(agent)
            if home is None:
                home = self._home(agent)
            if home != self._partition:
                self.counts["events_forwarded"] += 1
                outgoing.append(self._sent(value, event, observed))
                return None
        time = event.time
        at = time if isinstance(time, float) else event.at
        if (at - observed > _SKEW_SECONDS or at - observed < -_SKEW_SECONDS) and is_skewed(event, observed):
            self._skewed(event, observed)
            at = observed
        producer = event.producer
        if not self.watermarks.take(producer or agent or "", at, observed):
            return None
        if producer and event.kind == "heartbeat":
            self._sighter.beat(producer)
        return event

    def _skewed(self, event: Event, observed: float) -> None:
        """A clock that is wrong harms nobody else: the event is taken at the time at which it was seen."""
        event.time = observed
        name = f"events_skewed:{event.producer or event.agent or 'unknown'}"
        self.counts[limits.counted_as(name, self.counts)] += 1

    def _control(self, value: bytes, record: Record, outgoing: list[Outgoing]) -> EngineRecord | None:
        try:
            return decode_control(value)
        except msgspec.DecodeError:
            self._read_again(value, record, outgoing)  # somebody else's: the reader says what is wrong with it
            return None

    def _read_again(self, value: bytes, record: Record, outgoing: list[Outgoing]) -> None:
        """Not one plain event: an array, lines, a CloudEvent, framed, or garbage. Events go to their partitions."""
        try:
            read = self._read_events(value, record.headers, record.time, self._letters.source(record))
        except BadEvent as error:
            outgoing.append(self._letters.of(record, error))
            return
        self.counts["events_skipped"] += read.skipped
        outgoing += [self._sent(raw, event, record.time) for raw, event in zip(read.raws, read.events, strict=True)]
        outgoing += [self._letters.sent(letter) for letter in read.dead_letters]

    def _stays(self, event: Event, copied: bytes | None, value: bytes, outgoing: list[Outgoing]) -> bool:
        """Whether an event that names no agent is for this partition. A change is for all of them; of anything else
        the next one is asked, until one knows its run, session or user."""
        if event.kind == "heartbeat":
            return True
        if event.kind == "change":
            if copied is None:
                others = (number for number in range(self._partitions) if number != self._partition)
                outgoing += [self._copied(value, event, number, 0) for number in others]
                self.counts["events_copied"] += 1
            return True
        left = self._partitions - 1 if copied is None else _left(copied, self._partitions - 1)
        if left == 0:
            return True  # the engine counts what nobody knows
        self._advance()  # the run that it is about may have started in this batch
        if self.engine.claimed(event) is not None:
            return True
        self.counts["events_forwarded"] += 1
        outgoing.append(self._copied(value, event, (self._partition + 1) % self._partitions, left - 1))
        return False

    def _copied(self, value: bytes, event: Event, partition: int, left: int) -> Outgoing:
        headers = (*observed_header(event.observed_time or 0.0), (COPY, str(left).encode()))
        return Outgoing(self._topics.events, value, None, partition, headers)

    def _sent(self, value: bytes, event: Event, observed: float) -> Outgoing:
        if event.agent is None:
            return Outgoing(self._topics.events, value, None, self._partition, observed_header(observed))
        home = self._home(event.agent)
        return Outgoing(self._topics.events, value, event.agent.encode(), home, observed_header(observed))

    def _found(self, finding: Finding) -> list[Outgoing]:
        raw = encode_finding(finding)
        self.counts[f"findings:{finding.signal}"] += finding.status == "firing"
        out = [Outgoing(self._topics.findings, raw, finding.owner.encode())]
        if finding.status == "firing":
            out.append(Outgoing(self._topics.evidence, raw, None, None, ((FINDING, b"1"),)))
        return out

    def _home(self, agent: str) -> int:
        home = self._homes.get(agent)
        if home is None:
            if len(self._homes) >= KNOWN_AGENTS:
                self._homes.clear()
            home = self._homes[agent] = partition_of(agent, self._partitions)
        return home


def _left(copied: bytes, most: int) -> int:
    """What `COPY` says. Whatever somebody else wrote there, no event goes round more than once."""
    try:
        return min(max(int(copied), 0), most)
    except ValueError:
        return 0


def _observed(headers: dict[str, bytes], appended: float) -> float:
    """When an event was first observed. What cannot be that stands for nothing: anybody may write a header."""
    raw = headers.get(OBSERVED)
    if raw is None:
        return appended
    try:
        observed = float(raw)
    except ValueError:
        return appended
    return observed if EARLIEST_OBSERVED <= observed < LATEST_TIME else appended  # false for nan too
