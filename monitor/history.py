"""Recorded events, from files: JSON lines of ours, OTLP bodies, plain or gzip; the bytes say which.

All of it is read, put in the order of time, and given to `monitor.runtime.replay`. Nothing is stored. What cannot be
read is counted as a dead letter with its place, and the rest goes on.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from monitor.intake import otlp
from monitor.intake.assembler import Assembler
from monitor.intake.spans import Record as SpanRecord
from schemas.event import BadEvent, Event, Reason, decode
from schemas.records import Control, Tick, decode_control, is_control

GZIP = b"\x1f\x8b"
BAD_SHOWN = 20
"""Dead letters that are named; the others are counted."""


class CannotRead(Exception):
    """A file of the history cannot be read; the message names it."""


@dataclass
class History:
    """What was read, sorted by time. `bad`: the first dead letters, `FILE:LINE: reason: detail`."""

    records: list[Event | Control] = field(default_factory=list)
    dead_letters: int = 0
    skipped: int = 0
    bad: list[str] = field(default_factory=list)

    def reject(self, place: str, error: BadEvent) -> None:
        """Count an input that is no event."""
        if error.reason is Reason.UNKNOWN_KIND:
            self.skipped += 1
            return
        self.dead_letters += 1
        if len(self.bad) < BAD_SHOWN:
            self.bad.append(f"{place}: {error.reason}: {error.detail}")


def read(paths: Iterable[Path], trace_timeout: float) -> History:
    """All files as one history. Raises `CannotRead`."""
    history = History()
    spans: list[SpanRecord] = []
    for path in paths:
        try:
            content = path.read_bytes()
            if content[:2] == GZIP:
                content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise CannotRead(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
        if _is_text(content):
            _read_lines(content, str(path), history, spans)
        else:
            _read_otlp(content, str(path), history, spans)
    history.records += _assemble(spans, trace_timeout)
    history.records.sort(key=_time)
    return history


def _read_lines(content: bytes, path: str, history: History, spans: list[SpanRecord]) -> None:
    if _is_otlp_json(content[:4096]) and not _is_otlp_json(content.split(b"\n", 1)[0]):
        _read_otlp(content, path, history, spans)  # one pretty-printed body
        return
    for number, line in enumerate(content.split(b"\n"), start=1):
        line = line.strip()
        if not line:
            continue
        place = f"{path}:{number}"
        if _is_otlp_json(line[:4096]):
            _read_otlp(line, place, history, spans)
            continue
        for raw in _objects(line):
            try:
                history.records.append(decode_control(raw) if is_control(raw) else decode(raw))
            except BadEvent as error:
                history.reject(place, error)
            except msgspec.DecodeError as error:
                history.reject(place, BadEvent(Reason.WRONG_TYPE, str(error)))


def _read_otlp(content: bytes, place: str, history: History, spans: list[SpanRecord]) -> None:
    """A body of traces, or of logs where it is no traces."""
    if ".metrics." in place:
        history.skipped += 1
        return
    try:
        if ".logs." in place or b'"resourceLogs"' in content[:4096]:
            logs = otlp.decode_logs(content, source=place)
            spans += logs.spans
            history.dead_letters += logs.rejected
        else:
            traces = otlp.decode_traces(content, source=place)
            spans += traces.spans
            history.dead_letters += traces.rejected
    except BadEvent as error:
        history.reject(place, error)


def _assemble(spans: list[SpanRecord], trace_timeout: float) -> list[Event]:
    """Events of spans that are all there: nothing more comes, so every trace is complete."""
    if not spans:
        return []
    assembler = Assembler(trace_timeout=trace_timeout)
    assembler.add(spans, 0.0)
    return assembler.flush()


def _objects(line: bytes) -> Iterator[bytes]:
    """The objects of a line: itself, or those of its array."""
    if not line.startswith(b"["):
        yield line
        return
    try:
        yield from (bytes(raw) for raw in msgspec.json.decode(line, type=list[msgspec.Raw]))
    except (msgspec.DecodeError, RecursionError):
        yield line


def _is_text(content: bytes) -> bool:
    """Everything but protobuf; what is neither is shown line by line to be no event."""
    try:
        return otlp.sniff(content)[0] != "protobuf"
    except BadEvent:
        return True


def _is_otlp_json(start: bytes) -> bool:
    return b'"resourceSpans"' in start or b'"resourceLogs"' in start


def _time(record: Event | Control) -> float:
    if isinstance(record, Event):
        return record.at
    return record.time if isinstance(record, Tick) else 0.0
