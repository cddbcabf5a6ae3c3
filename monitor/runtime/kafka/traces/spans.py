"""Spans: the Collector's topics onto ours by trace, and from there, put together, to events by agent.

The Collector writes OTLP bodies with nil keys to any partition, so one trace is spread over many: `OtlpCore` only cuts
bodies into spans and keys them by trace id. `AssemblerCore` then has all of a trace on one partition. Neither knows
what a span means (`monitor.intake`, handed over).

A span came when it was written to the spans topic; traces close by `reach`, which stands still while a partition of the
Collector's topics is behind. So what lay in these topics when a trace's topmost span was handed on, and `grace` later,
is part of its run, however late it is read.

Invariant: an event's id comes from its span, so what is assembled again after a crash is known by its id.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from monitor.runtime.kafka.broker.fetched import Record
from monitor.runtime.kafka.events import observed_header
from monitor.runtime.kafka.partition import LetterParts, Letters, Outgoing, Watermark
from monitor.runtime.parts import Assembler, Entry
from schemas.config import Topics
from schemas.event import BadEvent, Event, Reason, encode
from schemas.records import Tick, TraceTick, decode_control, is_control

AHEAD_SECONDS = 5.0
"""A span that came so long after the last tick, by the clock of the worker that wrote it, came then at the latest."""
_HELD_SECONDS = 0.001
"""How far a tick moves time while the reach stands: what must close because there is too much of it closes."""


class Decoded(Protocol):
    """What one OTLP body held: `monitor.intake.otlp.Decoded`."""

    @property
    def spans(self) -> Sequence[Any]:
        """Spans or log records."""

    @property
    def bad(self) -> Sequence[Any]:
        """Dead letters of those that could not be read."""

    @property
    def rejected(self) -> int:
        """How many could not be read."""


class Decode(Protocol):
    """`monitor.intake.otlp.decode_traces` or `decode_logs`. Raises `BadEvent` on what is no OTLP."""

    def __call__(self, body: bytes, *, received: float, source: str) -> Decoded:
        """The records of one body."""


class SpanParts(NamedTuple):
    """What the intake does for these topics, handed over by `monitor.app`."""

    decode_traces: Decode
    decode_logs: Decode
    encode_span: Callable[[Any], bytes]
    decode_span: Callable[[bytes], Any]
    span_key: Callable[[Any], bytes]
    assembler: Callable[[], Assembler]


class OtlpCore:
    """One partition of a Collector's topic. It has no state: what it has read twice is known by its span ids."""

    def __init__(self, topics: Topics, topic: str, partition: int, parts: SpanParts, letters: LetterParts) -> None:
        self.counts: Counter[str] = Counter()
        self._topics = topics
        self._letters = Letters(letters, topics.dead_letters, topic, partition)
        self._decode = parts.decode_logs if topic == topics.otlp_logs else parts.decode_traces
        self._parts = parts
        self._offset = -1

    def step(self, records: Sequence[Record]) -> list[Outgoing]:
        """Bodies → spans by trace id."""
        outgoing: list[Outgoing] = []
        for record in records:
            self._offset = record.offset
            if not record.value:
                self.counts["spans_ignored:empty"] += 1
                continue
            try:
                decoded = self._decode(record.value, received=record.time, source=self._letters.source(record))
            except BadEvent as error:
                outgoing.append(self._letters.of(record, error))
                continue
            self.counts["spans_rejected"] += decoded.rejected
            key, encode_span = self._parts.span_key, self._parts.encode_span
            outgoing += [Outgoing(self._topics.spans, encode_span(span), key(span)) for span in decoded.spans]
            outgoing += [self._letters.sent(letter) for letter in decoded.bad]
        return outgoing

    def counted(self) -> Counter[str]:
        """What came of records, by metric name."""
        return self.counts + self._letters.counts

    def settled(self) -> int:
        """See `partition.Core`."""
        return self._offset

    def changes(self) -> list[Entry]:
        """Nothing to keep."""
        return []

    def load(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """Nothing was kept."""


class AssemblerCore:
    """One partition of the spans topic and its assembler; ticks in the same log say when a trace is complete."""

    def __init__(self, topics: Topics, partition: int, parts: SpanParts, letters: LetterParts) -> None:
        self.assembler = parts.assembler()
        self._topics = topics
        self._letters = Letters(letters, topics.dead_letters, topics.spans, partition)
        self._decode = parts.decode_span
        self._mark = Watermark()
        self._wall = 0.0

    def step(self, records: Sequence[Record]) -> list[Outgoing]:
        """Spans and ticks → events by agent."""
        outgoing: list[Outgoing] = []
        spans: list[Any] = []
        came = 0.0
        for record in records:
            if record.offset <= self._mark.offset or record.value is None:
                continue
            value = record.value
            self._mark.offset = record.offset
            try:
                if not is_control(value):
                    spans.append(self._decode(value))
                    came = record.time
                    continue
                control = decode_control(value)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                outgoing.append(self._letters.of(record, BadEvent(Reason.BAD_SPAN, f"not a span of ours: {error}")))
                continue
            if isinstance(control, Tick | TraceTick) and (now := self._shown(control)) > self._mark.now:
                self._add(spans, came)
                self._mark.now = now
                outgoing += [self._event(event) for event in self.assembler.tick(now)]
        self._add(spans, came)
        return outgoing

    def counted(self) -> Counter[str]:
        """What came of records, by metric name; the assembler counts for itself."""
        return self._letters.counts

    def settled(self) -> int:
        """See `partition.Core`."""
        return self._mark.offset

    def changes(self) -> list[Entry]:
        """The assembler's traces, then the offset."""
        return [*self.assembler.changes(), self._mark.entry()]

    def load(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """The offset, and the assembler's own."""
        found = list(entries)
        self._mark.load(found)
        self.assembler.load((key, value) for key, value in found if key != Watermark.KEY)

    def _shown(self, tick: Tick | TraceTick) -> float:
        """What the clock of traces shows after a tick; not more than before where it is to be left alone."""
        self._wall = max(self._wall, tick.time if isinstance(tick, Tick) else tick.wall)
        if isinstance(tick, Tick):  # of an older monitor
            return tick.time
        return max(tick.time, self._mark.now + _HELD_SECONDS) if self._mark.now else tick.time

    def _add(self, spans: list[Any], came: float) -> None:
        if spans:
            came = min(came, self._wall + AHEAD_SECONDS) if self._wall else came
            self.assembler.add(spans, max(self._mark.now, came))
            spans.clear()

    def _event(self, event: Event) -> Outgoing:
        observed = event.observed_time if event.observed_time is not None else self._mark.now
        key = event.agent.encode() if event.agent is not None else None
        return Outgoing(self._topics.events, encode(event), key, None, observed_header(observed))
