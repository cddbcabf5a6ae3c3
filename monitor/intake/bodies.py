"""Our own events in a body: one JSON object, an array, lines; plain or as CloudEvents, over HTTP and Kafka alike.

It reads and re-times; it stores nothing. Invariant: every object of the body is an event, a dead letter or counted as
skipped; none is lost, and no text of one is in a dead letter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import msgspec

from monitor.intake import cloudevents
from monitor.intake.dead_letters import DeadLetter, dead_letter
from schemas import limits
from schemas.actions import is_action
from schemas.event import BadEvent, Event, Reason, decode, encode, is_skewed
from schemas.records import is_control

Headers = Mapping[str, str] | Mapping[str, bytes] | Iterable[tuple[str, str | bytes]]

_CONFLUENT_HEADER = 5
_LINES = frozenset(("application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"))
_raw = msgspec.json.Decoder(msgspec.Raw)
_raws = msgspec.json.Decoder(list[msgspec.Raw])


@dataclass(frozen=True)
class Rejected:
    """One object that was not taken, and what is kept of it.

    `index`: where it stood in the body, from 0: in an array its element, in lines its line, blank ones counted.
    """

    index: int
    letter: DeadLetter


@dataclass(frozen=True)
class Intake:
    """What a body of our events held. `skipped`: objects of a kind that we do not know, and tombstones.

    `raws`: the JSON of each event as it came, with fields that we do not know and without what was settled here.
    """

    events: list[Event] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    skipped: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    raws: list[bytes] = field(default_factory=list)

    @property
    def dead_letters(self) -> list[DeadLetter]:
        """What is kept of the objects that were not taken."""
        return [rejected.letter for rejected in self.rejected]


def read_events(body: bytes, headers: Headers = (), received: float = 0.0, source: str = "events") -> Intake:
    """The events of one body, received at `received` (epoch seconds).

    Raises `BadEvent(TOO_LARGE)` for more than `EVENTS_PER_BODY` objects; anything else that is wrong is a dead letter.
    """
    known = cloudevents.fold(headers)
    if body[:1] == b"\0" and len(body) > _CONFLUENT_HEADER:
        body = body[_CONFLUENT_HEADER:]
    if not body.strip():
        return Intake(skipped=1 if cloudevents.is_binary(known) else 0)
    events: list[Event] = []
    raws: list[bytes] = []
    rejected: list[Rejected] = []
    counts: dict[str, int] = {}
    skipped = 0
    enveloped = cloudevents.is_structured(known) or cloudevents.is_binary(known)
    whole = True
    for number, (index, piece) in enumerate(_pieces(body, known.get("content-type", ""))):
        whole = piece is body
        if number >= limits.EVENTS_PER_BODY:
            raise BadEvent(Reason.TOO_LARGE, f"more than {limits.EVENTS_PER_BODY} events in one body")
        try:
            raw = cloudevents.unwrap(piece, known) if enveloped else piece
            event = decode(raw)
        except BadEvent as error:
            if error.reason is Reason.UNKNOWN_KIND:
                skipped += 1
                continue
            place = source if whole else f"{source}[{index}]"
            rejected.append(Rejected(index, dead_letter(piece, error, time=received, source=place)))
            continue
        settle_time(event, received, counts)
        events.append(event)
        # Nobody else's bytes may look like the monitor's.
        raws.append(encode(event) if is_control(raw) or is_action(raw) else raw)
    return Intake(events, rejected, skipped, counts, raws)


def settle_time(event: Event, received: float, counts: dict[str, int]) -> None:
    """Sets `observed_time`; a `time` that is skewed becomes it, counted for its producer."""
    event.observed_time = received
    if is_skewed(event, received):
        event.time = received
        for name in ("events_skewed", f"events_skewed_by:{event.producer or event.agent or 'unknown'}"):
            counts[name] = counts.get(name, 0) + 1


def _pieces(body: bytes, content_type: str) -> Iterator[tuple[int, bytes]]:
    """The JSON objects of a body, each with its place, as its bytes; what cannot be cut is one piece, and refused."""
    kind = content_type.partition(";")[0].strip().lower()
    start = body.lstrip()[:1]
    if kind not in _LINES and start == b"[":
        try:
            pieces = _raws.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            yield 0, body
            return
        yield from ((index, bytes(piece)) for index, piece in enumerate(pieces))
        return
    if kind not in _LINES and (b"\n" not in body.strip() or _is_one_value(body)):
        yield 0, body
        return
    lines = body.splitlines() if body.isascii() else body.replace(b"\r\n", b"\n").split(b"\n")
    yield from ((index, line) for index, line in enumerate(lines) if line.strip())


def _is_one_value(body: bytes) -> bool:
    try:
        _raw.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True
