"""Recorded events: JSON lines of ours or OTLP bodies in files, plain or gzip, the log of an embedded monitor, a topic.
And lines of alerts and silences (`monitor.intake.encodings.timeline`).

The bytes say which. All of it is read, put in the order of time, and given to `monitor.runtime.replay`; the log of a
monitor stays in its own order, with its own ticks. Nothing is stored. What cannot be read is counted as a dead letter
with its place, and the rest goes on. Invariant: the order in which files and lines are given changes nothing.
"""

from __future__ import annotations

import gzip
import io
import random
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path

import msgspec

from monitor.intake import otlp
from monitor.intake.assembler import Assembler
from monitor.intake.encodings.timeline import is_timeline, read_action
from monitor.intake.spans import Record as SpanRecord
from monitor.reading import Reader
from monitor.runtime.store import StoreError, read_log
from monitor.runtime.topic_log import SCHEME, TopicLogError, read_topic
from schemas.actions import ACTION_PREFIX, Action, Deed, PostedAlert, SilenceEnded, SilenceSet, encode_action
from schemas.config import Kafka
from schemas.event import BadEvent, Event, Reason, decode
from schemas.records import CONTROL_PREFIX, Ack, Ruling, Sighting, Tick, TraceTick, decode_control, is_control

GZIP = b"\x1f\x8b"
SQLITE = b"SQLite format 3\0"
BYTE_ORDER = b"\xef\xbb\xbf"
"""What some editors and shells write before UTF-8."""
BAD_SHOWN = 20
"""Dead letters that are named; the others are counted."""

Recorded = Event | Tick | Ack | Action
"""What is replayed. Recorded grants are left out: the replay has a ledger of its own."""

_RANKS = {"run_started": 1, "run_finished": 3}
_ACTIONS = (SilenceSet, SilenceEnded, PostedAlert, Deed)
"""In their order at the same time: what is silenced at once was never loud."""


class CannotRead(Exception):
    """A file of the history cannot be read; the message names it."""


@dataclass
class History:
    """What was read, in the order in which it is replayed. `bad`: the first dead letters, `FILE:LINE: reason: detail`.

    `skipped`: events of a kind that we do not know, and OTLP metrics.
    """

    records: list[Recorded] = field(default_factory=list)
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


def read(
    inputs: Sequence[Path | str], trace_timeout: float, kafka: Kafka | None = None, reader: Reader | None = None
) -> History:
    """All files and topics (`kafka://topic`) as one history. Raises `CannotRead`."""
    history = History()
    spans: list[SpanRecord] = []
    for given in inputs:
        if isinstance(given, str) and given.startswith(SCHEME):
            _read_topic(given.removeprefix(SCHEME), kafka or Kafka(), history, spans)
            continue
        path = Path(given)
        content = _content(path)
        if content.startswith(SQLITE):
            if len(inputs) > 1:
                raise CannotRead(f"{path} is the log of a monitor; it is replayed alone, in its own order")
            return _read_log(path, history)
        if _is_text(content):
            _read_lines(content, str(path), history, spans)
        else:
            _read_otlp(content, str(path), history, spans)
    history.records += _assemble(spans, trace_timeout, reader)
    in_order(history.records)
    return history


def in_order(records: list[Recorded]) -> None:
    """Sort by time, in place. At the same time: ticks, actions, starts, the rest, ends; each by attempt and id."""
    records.sort(key=attrgetter("time"))
    start = 0
    for at in range(1, len(records) + 1):
        if at < len(records) and records[at].time == records[start].time:
            continue
        if at - start > 1:
            records[start:at] = sorted(records[start:at], key=_rank)
        start = at


def shuffled(records: Sequence[Recorded], seed: int) -> list[Recorded]:
    """The same runs, each at the time of another run of its agent, in order; ticks and acks are left out.

    A run goes with its child runs and with what was said of it later, and keeps its length. What changed over time is
    then spread over all of it: what still fires is false. Root runs of one agent exchange places (Fisher and Yates,
    seeded); events without a run stay where they are.
    """
    parents: dict[str, str] = {}
    starts: dict[str, dict[str, float]] = {}
    for record in records:
        if isinstance(record, Event) and record.run and record.parent_run and record.parent_run != record.run:
            parents[record.run] = record.parent_run
    roots = {run: _root(run, parents) for run in parents}
    for record in records:
        if isinstance(record, Event) and record.run and record.agent and record.run not in roots:
            known = starts.setdefault(record.agent, {})
            known[record.run] = min(known.get(record.run, record.at), record.at)
    moved: dict[str, float] = {}
    source = random.Random(seed)
    for agent in sorted(starts):
        runs = sorted(starts[agent].items(), key=lambda item: (item[1], item[0]))
        places = [at for _, at in runs]
        source.shuffle(places)
        moved.update((run, place - at) for (run, at), place in zip(runs, places, strict=True))
    found: list[Recorded] = [
        _at(record, moved.get(roots.get(record.run or "", record.run or ""), 0.0))
        for record in records
        if isinstance(record, Event)
    ]
    in_order(found)
    return found


def _root(run: str, parents: dict[str, str]) -> str:
    """The run at the top of a chain of parents; of a circle, the last run before it closes."""
    passed = {run}
    while (parent := parents.get(run)) is not None and parent not in passed:
        passed.add(parent)
        run = parent
    return run


def _at(event: Event, later: float) -> Event:
    observed = None if event.observed_time is None else event.observed_time + later
    return msgspec.structs.replace(event, time=event.at + later, observed_time=observed)


def _rank(record: Recorded) -> tuple[int, int, str]:
    if isinstance(record, Event):
        return _RANKS.get(record.kind, 2), record.attempt or 0, record.id
    if isinstance(record, _ACTIONS):
        return 0, 1 + _ACTIONS.index(type(record)), encode_action(record).decode()
    return 0, 0, ""


def _content(path: Path) -> bytes:
    """All of a file, unpacked; of a database only its first bytes. Opened once: it may be a pipe."""
    try:
        with path.open("rb") as file:
            head = file.read(len(SQLITE))
            if head == SQLITE:
                return head
            content = head + file.read()
        content = gzip.decompress(content) if content[:2] == GZIP else content
        return content.removeprefix(BYTE_ORDER)
    except (OSError, EOFError, zlib.error) as error:
        raise CannotRead(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None


def _read_log(path: Path, history: History) -> History:
    try:
        for number, raw in enumerate(read_log(path)):
            _take(raw, f"{path}:{number}", history)
    except StoreError as error:
        raise CannotRead(str(error)) from None
    return history


def _read_topic(topic: str, kafka: Kafka, history: History, spans: list[SpanRecord]) -> None:
    """A topic of events or of OTLP. Its ticks are left out: each partition has its own, and time is made anew."""
    try:
        for place, value in read_topic(kafka, topic):
            if is_control(value):
                continue
            if _is_text(value):
                _read_lines(value, place, history, spans)
            else:
                _read_otlp(value, place, history, spans)
    except TopicLogError as error:
        raise CannotRead(str(error)) from None


def _read_lines(content: bytes, path: str, history: History, spans: list[SpanRecord]) -> None:
    may_be_otlp = _is_otlp_json(content)
    if may_be_otlp and _is_otlp_json(content[:4096]) and not _is_whole(content.lstrip().split(b"\n", 1)[0]):
        _read_otlp(content, path, history, spans)  # one pretty-printed body
        return
    for number, line in enumerate(io.BytesIO(content), start=1):
        line = line.strip()
        if not line:
            continue
        if may_be_otlp and _is_otlp_json(line[:4096]):
            _read_otlp(line, f"{path}:{number}", history, spans)
        elif line[:1] == b"[":
            for raw in _objects(line):
                _take(raw, f"{path}:{number}", history)
        else:
            _take(line, f"{path}:{number}", history)


def _take(raw: bytes, place: str, history: History) -> None:
    """One object: an event, an alert or silence of a timeline, or a record that a monitor wrote into its log."""
    try:
        if not raw.startswith(CONTROL_PREFIX):
            history.records.append(_event_or_action(raw))
        elif not isinstance(record := decode_control(raw), Ruling | Sighting | TraceTick):
            history.records.append(record)
    except BadEvent as error:
        history.reject(place, error)
    except msgspec.DecodeError as error:
        history.reject(place, BadEvent(Reason.WRONG_TYPE, str(error)))


def _event_or_action(raw: bytes) -> Event | Action:
    """Nearly all are events, so that is tried first. Raises `BadEvent`."""
    if raw.startswith(ACTION_PREFIX):
        return read_action(raw)
    try:
        return decode(raw)
    except BadEvent as error:
        if not is_timeline(raw):
            raise error from None
        return read_action(raw)


def _read_otlp(content: bytes, place: str, history: History, spans: list[SpanRecord]) -> None:
    """A body of traces, or of logs where it is no traces."""
    if ".metrics." in place:
        history.skipped += 1
        return
    try:
        if ".logs." in place or b'"resourceLogs"' in content[:4096]:
            logs = otlp.decode_logs(content, source=place)
            spans += logs.spans
            bad, rejected = logs.bad, logs.rejected
        else:
            traces = otlp.decode_traces(content, source=place)
            spans += traces.spans
            bad, rejected = traces.bad, traces.rejected
    except BadEvent as error:
        history.reject(place, error)
        return
    history.dead_letters += rejected
    room = max(BAD_SHOWN - len(history.bad), 0)
    history.bad += [f"{letter.source}: {letter.reason}: {letter.detail}" for letter in bad[:room]]


def _assemble(spans: list[SpanRecord], trace_timeout: float, reader: Reader | None) -> list[Event]:
    """Events of spans that are all there: nothing more comes, so every trace is complete."""
    if not spans:
        return []
    assembler = Assembler(trace_timeout=trace_timeout, reader=reader)
    assembler.add(spans, 0.0)
    return assembler.flush()


def _objects(line: bytes) -> Iterator[bytes]:
    """The objects of an array; a line that is none is one object, which decoding will refuse."""
    try:
        pieces = msgspec.json.decode(line, type=list[msgspec.Raw])
    except (msgspec.DecodeError, RecursionError):
        yield line
        return
    yield from (bytes(raw) for raw in pieces)


def _is_text(content: bytes) -> bool:
    """Everything but protobuf; what is neither is shown line by line to be no event."""
    try:
        return otlp.sniff(content)[0] != "protobuf"
    except BadEvent:
        return True


def _is_whole(line: bytes) -> bool:
    """Whether a line is a value of its own: those of one body over several lines are not."""
    try:
        msgspec.json.decode(line, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _is_otlp_json(start: bytes) -> bool:
    return b'"resourceSpans"' in start or b'"resourceLogs"' in start
