"""Assembler: spans of many traces, in any order and in any pieces → the events of runs, once each trace is complete.

Pure: no clock but `now` (epoch seconds, never going back from tick to tick; spans may come ahead of it), no I/O. A
trace closes `grace` seconds after its topmost span came, or `trace_timeout` after its last one (a run whose topmost
span never comes: headless), later where those of its service come (`heads`). It is remembered for `REMEMBER_SECONDS`,
so that what comes later is told of the same run.

Spans are read when they come; what waits is what was read of them, without agent text unless `keep_text` says so.
The events are then those that `schemas.texts.derive.keep_no_text` makes of the events with text, once `monitor.reading`
has read them.

State: one entry `trace/<trace id>` per trace. Crash: an event's id is made of its span, so a trace that is closed again
after a crash says the same again, and the engine knows it by its ids. Store the entries with or after the events.
Invariant: the same spans give the same events, however they were cut into bodies, ordered or repeated, as long as they
come before their trace closes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec

from monitor.intake.assembly import events, forest, logs, runs, texts
from monitor.intake.assembly.events import Told
from monitor.intake.assembly.heads import Heads, latest_of
from monitor.intake.assembly.outcome import judge
from monitor.intake.assembly.schedule import Remembered, Schedule
from monitor.intake.assembly.trace import Trace
from monitor.intake.spans import LogRecord, Record, Span
from monitor.reading import Reader
from schemas.config import Config
from schemas.event import Event
from schemas.limits import COUNT_NAMES, counted_as

OPEN_TRACES = 10_000
"""Traces that wait for spans. More: the oldest close as they are at the next tick, counted `evicted:open_traces`."""
SPANS_PER_TRACE = 5_000
"""Spans, and log events, of one open trace. More: dropped but for the topmost, counted `evicted:trace_spans`."""
TRACE_TEXT_BYTES = 16 * 1024 * 1024
"""Texts of one open trace, which is saved whole while it grows. More: what they say is read when they come, and they
are left out, a span or log event counted as `evicted:trace_texts` each."""
REMEMBER_SECONDS = 3600.0
"""How long a closed trace with runs is remembered. Spans later than that begin a new run."""
REMEMBERED_TRACES = 10_000
"""Closed traces that are remembered. More: the oldest are forgotten, counted `evicted:remembered_traces`."""
REMEMBERED_SPANS = 1_000_000
"""Spans of closed traces whose ids are remembered. More: the oldest traces are forgotten."""

VERSION = 2
_BY_PRODUCER = "events_skewed_by:"
_ORDER = {kind: rank for rank, kind in enumerate(("run_started", "*", "run_finished"))}


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(tuple[int, Trace])


class Assembler:
    """Puts the spans of runs together. `trace_timeout` and `grace` in seconds.

    `keep_text`: the events hold the agents' texts, and so do open traces and their entries, up to `TRACE_TEXT_BYTES`.
    `reader` reads the texts by the configuration.

    `counts`, since the start: `spans`, `logs`, `spans_late`, `runs_assembled`, `runs_headless`, `traces_timed_out`,
    `events_skewed`, `events_skewed_by:<producer>`, `spans_ignored:<reason>`, `evicted:<limit>`.
    """

    def __init__(
        self, trace_timeout: float = 60.0, grace: float = 1.0, keep_text: bool = False, reader: Reader | None = None
    ) -> None:
        self._trace_timeout = trace_timeout
        self._grace = grace
        self._reader = reader if reader is not None else Reader(Config())
        self._ahead = None if keep_text else self._reader
        self._traces: dict[str, Trace] = {}  # in the order of their first span
        self._waiting = 0
        self._heads = Heads()
        self._schedule = Schedule()
        self._ticked = 0.0
        self._closed = Remembered(trace_timeout, REMEMBER_SECONDS)  # without runs, with runs
        self._remembered_spans = 0
        self._changed: dict[str, None] = {}
        self.counts: dict[str, int] = self._reader.counts  # what reading comes to the limit of is counted here too

    def add(self, records: Iterable[Record], now: float) -> None:
        """Takes what one body held. Nothing comes out before the next tick."""
        touched: dict[str, Trace] = {}
        for record in records:
            name = record.trace_id
            trace = self._traces.get(name)
            if trace is None:
                trace = self._traces[name] = Trace(now, now, {}, {}, runs=[])
            waited = trace.waits
            if self._add_span(trace, record, now) if isinstance(record, Span) else self._add_log(trace, record, now):
                touched[name] = trace
                if not waited:
                    self._waiting += 1
                    self._closed.drop(name)
        for name, trace in touched.items():
            self._changed[name] = None
            self._schedule.put(name, trace.earliest(self._grace, self._trace_timeout))
        if self._waiting > OPEN_TRACES:
            self._force_oldest()

    def tick(self, now: float) -> list[Event]:
        """The events of all traces that are complete, or were waited for long enough, at `now`."""
        self._ticked = now
        found = [event for name in self._schedule.take(now, self._due) for event in self._close(name, now)]
        self._forget(now)
        return found

    def flush(self) -> list[Event]:
        """The events of all that waits, complete or not."""
        waiting = [(trace.first, name) for name, trace in self._traces.items() if trace.waits]
        return [event for _, name in sorted(waiting) for event in self._close(name, self._traces[name].last)]

    def next_wake(self) -> float | None:
        """When the next trace closes if nothing more comes; None if nothing waits."""
        return self._schedule.next(self._due)

    @property
    def open_traces(self) -> int:
        """Traces that wait for spans."""
        return self._waiting

    def changes(self) -> list[tuple[str, bytes | None]]:
        """Entries that changed since the last call; None deletes."""
        changed = [
            (f"trace/{name}", _encoder.encode((VERSION, trace)) if (trace := self._traces.get(name)) else None)
            for name in self._changed
        ]
        self._changed.clear()
        return changed

    def load(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """Before the first `add`; keys of others are ignored. Raises `DecodeError` or ValueError on another version."""
        loaded = []
        for key, value in entries:
            if not key.startswith("trace/"):
                continue
            version, trace = _decoder.decode(value)
            if version != VERSION:
                raise ValueError(f"trace entry of version {version}; this monitor reads {VERSION}")
            loaded.append((trace.first, key.removeprefix("trace/"), trace))
        self._traces = {name: trace for _, name, trace in sorted(loaded, key=lambda entry: entry[:2])}
        self._waiting = sum(trace.waits for trace in self._traces.values())
        self._remembered_spans = sum(trace.span_count for trace in self._traces.values())
        for name, trace in self._traces.items():
            if trace.waits:
                self._schedule.put(name, trace.earliest(self._grace, self._trace_timeout))
        closed = [(trace.closed_at, name) for name, trace in self._traces.items() if trace.closed_at is not None]
        for closed_at, name in sorted(closed):
            if not self._traces[name].waits:
                self._closed.put(name, closed_at, kind=bool(self._traces[name].runs))

    def _add_span(self, trace: Trace, span: Span, now: float) -> bool:
        self._count("spans")
        if span.span_id in trace.spans or trace.has_seen(span.span_id):
            self._count("spans_ignored:duplicate")
            return False
        if len(trace.spans) >= SPANS_PER_TRACE and span.parent_id:
            self._count("evicted:trace_spans")
            return False
        reading = texts.settle_span(span, self._reader_of(trace))
        if trace.closed_at is not None:
            self._count("spans_late")
            if not span.parent_id:
                self._heads.came_late(reading.service)
        trace.add(reading, now)
        return True

    def _add_log(self, trace: Trace, log: LogRecord, now: float) -> bool:
        self._count("logs")
        said = msgspec.msgpack.encode((log.span_id, log.name, log.time, log.attributes))
        key = hashlib.blake2b(said, digest_size=8).hexdigest()
        if key in trace.logs:
            self._count("spans_ignored:duplicate")
            return False
        if len(trace.logs) >= SPANS_PER_TRACE:
            self._count("evicted:trace_spans")
            return False
        trace.add_log(key, texts.settle_log(log, self._reader_of(trace)), now)
        return True

    def _reader_of(self, trace: Trace) -> Reader | None:
        """Who reads what comes next, in place of keeping its texts."""
        if self._ahead is None and trace.text_bytes >= TRACE_TEXT_BYTES:
            self._count("evicted:trace_texts")
            return self._reader
        return self._ahead

    def _due(self, name: str) -> float | None:
        trace = self._traces.get(name)
        if trace is None:
            return None
        timeout = self._trace_timeout  # one that was put off is looked at again when it was, whatever came of others
        if trace.topmost_at is None and trace.closed_at is None:
            timeout = self._heads.patience(trace.spans.values(), timeout)
        return trace.due(self._grace, timeout)

    def _force_oldest(self) -> None:
        surplus = self._waiting - OPEN_TRACES
        for name, trace in self._traces.items():
            if surplus <= 0:
                return
            if trace.waits:
                surplus -= 1
                if not trace.forced:
                    trace.forced = True
                    trace.first = min(trace.first, self._ticked)  # due at the next tick, though it came ahead of it
                    self._schedule.put(name, trace.first)
                    self._changed[name] = None
                    self._count("evicted:open_traces")

    def _close(self, name: str, now: float) -> list[Event]:
        trace = self._traces[name]
        told = Told()
        is_whole = trace.topmost_at is not None or trace.remote_at is not None
        self._count("traces_timed_out", int(not is_whole))
        if trace.closed_at is None and (latest := latest_of(trace.spans.values())) is not None:
            self._heads.note(latest.service, is_whole)
        placed = trace.placed()
        loose = logs.attach(trace.spans, trace.logs)
        cut, strays = runs.cut(name, forest.grow(trace.spans.values(), placed), trace.runs, placed)
        index = {key.run: number for number, key in enumerate(trace.runs)}
        for run, outcome in zip(cut, judge(cut), strict=True):
            key = events.tell(name, run, outcome, told, self._reader)
            if run.resumed is None:
                index[key.run] = len(trace.runs)
                trace.runs.append(key)
                self._count("runs_assembled")
                self._count("runs_headless", int(key.headless))
            placed.update((node.reading.span_id, index[key.run]) for node in run.nodes)
        for log in loose:
            number = placed.get(log.span_id, 0)
            logs.tell_alone(name, log, trace.runs[number] if number < len(trace.runs) else None, told)
        self._count("spans_ignored:no_run", len(strays))
        self._waiting -= 1
        self._remembered_spans -= trace.span_count
        trace.settle(placed, now)
        self._remembered_spans += trace.span_count
        self._closed.put(name, now, kind=bool(trace.runs))
        self._changed[name] = None
        for what, count in told.counts.items():
            self._count(what, count)
        return sorted(told.events, key=lambda event: (event.time, _ORDER.get(event.kind, 1), event.id))

    def _forget(self, now: float) -> None:
        for name in self._closed.expired(now):
            self._drop(name)
        while len(self._closed) > REMEMBERED_TRACES or self._remembered_spans > REMEMBERED_SPANS:
            oldest = self._closed.oldest()
            if oldest is None:
                return  # what is left waits for late spans
            self._drop(oldest)
            self._count("evicted:remembered_traces")

    def _drop(self, name: str) -> None:
        self._remembered_spans -= self._traces.pop(name).span_count
        self._changed[name] = None

    def _count(self, name: str, count: int = 1) -> None:
        if count:
            if name.startswith(_BY_PRODUCER):
                name = counted_as(name, self.counts, COUNT_NAMES)
            self.counts[name] = self.counts.get(name, 0) + count
