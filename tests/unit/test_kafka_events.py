"""What a record of the events topic says of itself in its headers, which anybody may write."""

from __future__ import annotations

import pytest

from monitor.intake import dead_letters
from monitor.intake.bodies import read_events
from monitor.runtime.kafka.broker.fetched import Record
from monitor.runtime.kafka.events import OBSERVED, EventsCore, observed_header
from monitor.runtime.kafka.partition import LetterParts
from schemas.config import Config
from schemas.event import Event, encode
from schemas.records import Tick, encode_control
from tests.doubles.clock import START

CONFIG = Config.model_validate({"runtime": {"kind": "kafka", "kafka": {"partitions": 1}}})
LETTERS = LetterParts(dead_letters.dead_letter, dead_letters.encode)
EARLIER = START - 3_600.0
"""When the event below happened; it was appended an hour later, after an outage of ours, or of the producer's clock."""


@pytest.mark.parametrize(
    ("header", "taken_at"),
    [
        (observed_header(EARLIER + 1.0)[0][1], EARLIER),  # the monitor saw it then: no skew
        (b"1.759996401e9", EARLIER),
        # What is no time of an observation stands for nothing: the event is taken when it was appended.
        *(
            (header, START)
            for header in (b"inf", b"-inf", b"nan", b"1e300", b"-1", b"0", b"1759996401000", b"soon", b"")
        ),
    ],
)
@pytest.mark.parametrize("ticks", [False, True], ids=["the first record", "after a tick"])
def test_when_an_event_was_observed(header: bytes, taken_at: float, ticks: bool) -> None:
    core = EventsCore(CONFIG, 0, read_events, LETTERS)
    event = encode(Event(kind="run_started", time=EARLIER, id="e", agent="a", run="r"))
    records = [Record(1, None, event, START, ((OBSERVED, header),))]
    if ticks:
        records.insert(0, Record(0, None, encode_control(Tick(START)), START, ()))
    core.step(records)
    assert core.counts["events_skewed:a"] == (taken_at == START)
    assert core.engine.now == (START if ticks else taken_at)
