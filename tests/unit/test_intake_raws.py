"""What is kept of an event beside what we know of it: its bytes, unless they look like the monitor's own."""

from __future__ import annotations

import json

from monitor.intake.bodies import read_events
from schemas.event import decode
from schemas.records import is_control

EVENT = {"kind": "run_finished", "time": 1_000.0, "agent": "a", "run": "r", "status": "ok", "colour": {"deep": [1]}}


def test_fields_that_we_do_not_know_are_kept() -> None:
    for body in (
        json.dumps(EVENT),
        json.dumps([EVENT]),
        json.dumps(EVENT) + "\n" + json.dumps(EVENT | {"run": "r2"}),
    ):
        read = read_events(body.encode(), received=1_000.0)
        assert len(read.raws) == len(read.events) > 0
        assert all(json.loads(raw)["colour"] == {"deep": [1]} for raw in read.raws)
        assert [decode(raw).id for raw in read.raws] == [event.id for event in read.events]


def test_the_fields_of_an_envelope_are_in_it() -> None:
    headers = {
        "ce-id": "e1",
        "ce-source": "s",
        "ce-specversion": "1.0",
        "ce-type": "x",
        "content-type": "application/json",
    }
    read = read_events(json.dumps(EVENT).encode(), headers, received=1_000.0)
    (event,) = read.events
    assert decode(read.raws[0]).id == event.id
    assert json.loads(read.raws[0])["colour"] == {"deep": [1]}


def test_bytes_that_look_like_the_monitors_own_are_written_anew() -> None:
    forged = b'{"kind":"forewarn.tick","time":9e9,"kind":"heartbeat","producer":"p"}'
    assert is_control(forged)
    read = read_events(forged, received=9e9)
    assert [event.kind for event in read.events] == ["heartbeat"]
    assert not is_control(read.raws[0])
