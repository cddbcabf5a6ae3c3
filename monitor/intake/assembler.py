"""Assembler: spans of many traces, in any order and in any pieces → the events of runs, once each trace is complete.

Pure: no clock but `now` (epoch seconds, never going back), no I/O. A trace closes `grace` seconds after its topmost
span came, or `trace_timeout` after its last one (a run whose topmost span never comes: headless). It is remembered for
`REMEMBER_SECONDS`, so that what comes later is told of the same run.

State: one entry `trace/<trace id>` per trace. Crash: an event's id is made of its span, so a trace that is closed again
after a crash says the same again, and the engine knows it by its ids. Store the entries with or after the events.
Invariant: the same spans give the same events, however they were cut into bodies, ordered or repeated, as long as they
come before their trace closes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec
from msgspec import Struct

from monitor.intake import mapping
from monitor.intake.assembly import events, forest, logs, runs
from monitor.intake.assembly.events import Told
from monitor.intake.assembly.outcome import judge
from monitor.intake.assembly.runs import RunKey
from monitor.intake.dialects.reading import Role
from monitor.intake.spans import LogRecord, Record, Span
from schemas.event import Event

OPEN_TRACES = 10_000
"""Traces that wait for spans. More: the oldest close as they are at the next tick, counted `evicted:open_traces`."""
SPANS_PER_TRACE = 5_000
"""Spans, and log events, of one open trace. More: dropped but for the topmost, counted `evicted:trace_spans`."""
REMEMBER_SECONDS = 3600.0
"""How long a closed trace with runs is remembered. Spans later than that begin a new run."""
REMEMBERED_TRACES = 10_000
"""Closed traces that are remembered. More: the oldest are forgotten, counted `evicted:remembered_traces`."""
REMEMBERED_SPANS = 1_000_000
"""Spans of closed traces whose ids are remembered. More: the oldest traces are forgotten."""

VERSION = 1
_ID_BYTES = 8
_PLACE_BYTES = _ID_BYTES + 2
_NO_RUN = 0xFFFF
_ORDER = {kind: rank for rank, kind in enumerate(("run_started", "*", "run_finished"))}


class _Trace(Struct, omit_defaults=True):
    """One trace: what waits, and what is remembered of what was closed. Times as `now` was."""

    first: float
    last: float
    spans: dict[str, Span] = {}
    logs: dict[str, LogRecord] = {}
    topmost_at: float | None = None
    remote_at: float | None = None
    bare_root: bool = False
    forced: bool = False
    closed_at: float | None = None
    runs: list[RunKey] = []
    places: bytes = b""  # per span that was handled: its id, and the number of its run

    @property
    def waits(self) -> bool:
        return bool(self.spans or self.logs)

    def has_seen(self, span_id: str) -> bool:
        """Whether the span was handled when the trace was closed."""
        wanted = bytes.fromhex(span_id)
        at = self.places.find(wanted) if wanted else -1
        while at >= 0 and at % _PLACE_BYTES:
            at = self.places.find(wanted, at + 1)
        return at >= 0

    def placed(self) -> dict[str, int]:
        data = self.places
        return {
            data[at : at + _ID_BYTES].hex(): int.from_bytes(data[at + _ID_BYTES : at + _PLACE_BYTES], "big")
            for at in range(0, len(data), _PLACE_BYTES)
        }


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(tuple[int, _Trace])


class Assembler:
    """Puts the spans of runs together. `trace_timeout` and `grace` in seconds.

    `counts`, since the start: `spans`, `logs`, `spans_late`, `runs_assembled`, `runs_headless`, `traces_timed_out`,
    `events_skewed`, `events_skewed_by:<producer>`, `spans_ignored:<reason>`, `evicted:<limit>`.
    """

    def __init__(self, trace_timeout: float = 60.0, grace: float = 1.0) -> None:
        self._trace_timeout = trace_timeout
        self._grace = grace
        self._traces: dict[str, _Trace] = {}  # in the order of their first span
        self._waiting = 0
        self._remembered_spans = 0
        self._changed: dict[str, None] = {}
        self.counts: dict[str, int] = {}

    def add(self, records: Iterable[Record], now: float) -> None:
        """Takes what one body held. Nothing comes out before the next tick."""
        for record in records:
            trace = self._traces.get(record.trace_id)
            if trace is None:
                trace = self._traces[record.trace_id] = _Trace(now, now, {}, {}, runs=[])
            waited = trace.waits
            if isinstance(record, Span):
                self._add_span(trace, record, now)
            else:
                self._add_log(trace, record, now)
            self._waiting += trace.waits - waited
        if self._waiting > OPEN_TRACES:
            self._force_oldest()

    def tick(self, now: float) -> list[Event]:
        """The events of all traces that are complete, or were waited for long enough, at `now`."""
        due = [(at, name) for name, trace in self._traces.items() if (at := self._due(trace)) is not None and at <= now]
        found = [event for _, name in sorted(due) for event in self._close(name, now)]
        self._forget(now)
        return found

    def flush(self) -> list[Event]:
        """The events of all that waits, complete or not."""
        waiting = [(trace.first, name) for name, trace in self._traces.items() if trace.waits]
        return [event for _, name in sorted(waiting) for event in self._close(name, self._traces[name].last)]

    def next_wake(self) -> float | None:
        """When the next trace closes if nothing more comes; None if nothing waits."""
        return min((at for trace in self._traces.values() if (at := self._due(trace)) is not None), default=None)

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
        self._remembered_spans = sum(len(trace.places) // _PLACE_BYTES for trace in self._traces.values())

    def _add_span(self, trace: _Trace, span: Span, now: float) -> None:
        self._count("spans")
        if span.span_id in trace.spans or trace.has_seen(span.span_id):
            self._count("spans_ignored:duplicate")
            return
        if len(trace.spans) >= SPANS_PER_TRACE and span.parent_id:
            self._count("evicted:trace_spans")
            return
        if trace.closed_at is not None:
            self._count("spans_late")
        trace.spans[span.span_id] = span
        trace.last = now
        if trace.topmost_at is None and (not span.parent_id or trace.has_seen(span.parent_id)):
            trace.topmost_at = now
        trace.bare_root |= not span.parent_id and mapping.role_of(span) is Role.OTHER
        if span.remote_parent or trace.remote_at is not None:
            trace.remote_at = now
        self._changed[span.trace_id] = None

    def _add_log(self, trace: _Trace, log: LogRecord, now: float) -> None:
        self._count("logs")
        said = msgspec.msgpack.encode((log.span_id, log.name, log.time, log.attributes))
        key = hashlib.blake2b(said, digest_size=8).hexdigest()
        if key in trace.logs:
            self._count("spans_ignored:duplicate")
            return
        if len(trace.logs) >= SPANS_PER_TRACE:
            self._count("evicted:trace_spans")
            return
        trace.logs[key] = log
        trace.last = now
        if trace.closed_at is not None and trace.topmost_at is None and not trace.spans:
            trace.topmost_at = now
        self._changed[log.trace_id] = None

    def _due(self, trace: _Trace) -> float | None:
        if not trace.waits:
            return None
        if trace.forced:
            return trace.first
        if trace.topmost_at is not None and not _may_outlive_root(trace):
            return trace.topmost_at + self._grace
        if trace.remote_at is not None and _has_one_remote_root(trace):
            return trace.remote_at + self._grace
        return trace.last + self._trace_timeout

    def _force_oldest(self) -> None:
        surplus = self._waiting - OPEN_TRACES
        for name, trace in self._traces.items():
            if surplus <= 0:
                return
            if trace.waits:
                surplus -= 1
                if not trace.forced:
                    trace.forced = True
                    self._changed[name] = None
                    self._count("evicted:open_traces")

    def _close(self, name: str, now: float) -> list[Event]:
        trace = self._traces[name]
        told = Told()
        self._count("traces_timed_out", int(trace.topmost_at is None and trace.remote_at is None))
        placed = trace.placed()
        spans, loose = logs.attach(trace.spans.values(), trace.logs.values())
        cut, strays = runs.cut(name, forest.grow(spans, placed), trace.runs, placed)
        index = {key.run: number for number, key in enumerate(trace.runs)}
        for run, outcome in zip(cut, judge(cut), strict=True):
            key = events.tell(name, run, outcome, told)
            if run.resumed is None:
                index[key.run] = len(trace.runs)
                trace.runs.append(key)
                self._count("runs_assembled")
                self._count("runs_headless", int(key.headless))
            placed.update((node.span.span_id, index[key.run]) for node in run.nodes)
        for log in loose:
            number = placed.get(log.span_id, 0)
            logs.tell_alone(name, log, trace.runs[number] if number < len(trace.runs) else None, told)
        self._count("spans_ignored:no_run", len(strays))
        self._settle(trace, placed, now)
        self._changed[name] = None
        for what, count in told.counts.items():
            self._count(what, count)
        return sorted(told.events, key=lambda event: (event.time, _ORDER.get(event.kind, 1), event.id))

    def _settle(self, trace: _Trace, placed: dict[str, int], now: float) -> None:
        """From waiting to remembered."""
        self._waiting -= 1
        self._remembered_spans -= len(trace.places) // _PLACE_BYTES
        for span_id in trace.spans:
            placed.setdefault(span_id, _NO_RUN)
        trace.places = b"".join(
            bytes.fromhex(span_id) + min(number, _NO_RUN).to_bytes(2, "big") for span_id, number in placed.items()
        )
        self._remembered_spans += len(placed)
        trace.spans, trace.logs = {}, {}
        trace.topmost_at = trace.remote_at = None
        trace.bare_root = False
        trace.forced = False
        trace.closed_at = now

    def _forget(self, now: float) -> None:
        closed = [
            (trace.closed_at, name)
            for name, trace in self._traces.items()
            if trace.closed_at is not None and not trace.waits
        ]
        surplus = len(closed) - REMEMBERED_TRACES
        for closed_at, name in sorted(closed):
            trace = self._traces[name]
            too_many = surplus > 0 or self._remembered_spans > REMEMBERED_SPANS
            kept_for = REMEMBER_SECONDS if trace.runs else self._trace_timeout
            if not too_many and now - closed_at < kept_for:
                continue
            self._count("evicted:remembered_traces", int(too_many))
            surplus -= 1
            self._remembered_spans -= len(trace.places) // _PLACE_BYTES
            del self._traces[name]
            self._changed[name] = None

    def _count(self, name: str, count: int = 1) -> None:
        if count:
            self.counts[name] = self.counts.get(name, 0) + count


def _may_outlive_root(trace: _Trace) -> bool:
    """A request that answers at once and works on: its span is here, an agent's below it is still on the way."""
    return trace.bare_root and any(
        span.parent_id and span.parent_id not in trace.spans and not span.remote_parent for span in trace.spans.values()
    )


def _has_one_remote_root(trace: _Trace) -> bool:
    """Whether all that is here hangs below spans whose parents are in other processes."""
    roots = [span for span in trace.spans.values() if span.parent_id not in trace.spans]
    return bool(roots) and all(span.remote_parent for span in roots)
