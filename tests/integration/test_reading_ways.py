"""Embedded, a Kafka partition, a file replayed: the same events leave the same words about their text, and no text."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monitor import history
from monitor.intake import bodies, dead_letters
from monitor.runtime.kafka.broker.fetched import Record
from monitor.runtime.kafka.events import EventsCore
from monitor.runtime.kafka.partition import LetterParts
from monitor.runtime.replay import Replay
from monitor.runtime.store import FILE
from schemas.config import Config
from schemas.event import Event, encode
from schemas.texts.derive import keep_no_text
from tests.services.serving import running

CONFIG: dict[str, Any] = {
    "owners": {"payments": {}},
    "components": [
        {
            "agent": "refunds",
            "contract": {
                "tools": {"pay": {"version": "2", "arguments": {"required": ["order_id"]}}},
                "claims": [{"output_matches": "was issued", "requires_tool": "pay"}],
            },
        }
    ],
    "runtime": {"kafka": {"partitions": 1}},
    "text": {"refusals": ["computer says no"]},
}
SAID = "The refund was issued. Computer says no."


def lines(start: float) -> list[bytes]:
    """One run, with everything that reading looks at."""

    def event(kind: str, number: int, **fields: Any) -> bytes:
        whole = {"kind": kind, "id": f"e{number}", "time": start + number, "agent": "refunds", "run": "r1"} | fields
        return json.dumps(whole).encode()

    return [
        event("run_started", 0, input="please pay me back"),
        event("llm_call", 1, model="m", output={"plan": ["look", "pay"]}),
        event("tool_call", 2, tool="pay", tool_version="3", arguments={"amount": 5}, result='{"error": "no order"}'),
        event("tool_call", 3, tool="drop", arguments="{}", result=[{"id": 1, "price": None}]),
        event("llm_call", 4, model="m", actor="user", output="was issued?"),
        event("llm_call", 5, model="m", output=SAID),
        event("run_finished", 6, status="ok", output=SAID),
    ]


def told(records: Sequence[Any]) -> list[bytes]:
    """What is written of the events; when each was observed is another matter."""
    found = []
    for record in records:
        if isinstance(record, Event):
            record.observed_time = None
            found.append(encode(record))
    return found


async def test_every_way_in_reads_the_same(tmp_path: Path) -> None:
    raws = lines(time.time() - 10.0)

    async with running(tmp_path / "data", **CONFIG) as monitor:
        assert await monitor.post("/v1/events", b"[" + b",".join(raws) + b"]") == 200
    embedded = told(history.read([tmp_path / "data" / FILE], 60.0).records)

    config = Config.model_validate(CONFIG)
    core = EventsCore(config, 0, bodies.read_events, LetterParts(dead_letters.dead_letter, dead_letters.encode))
    arrived = [Record(at, b"refunds", raw, time.time(), ()) for at, raw in enumerate(raws)]
    core._batch = [(record.offset, taken) for record in arrived if (taken := core._take(record, [])) is not None]
    core._read()
    on_kafka = told([taken for _, taken in core._batch])  # what `step` hands to the engine

    file = tmp_path / "events.jsonl"
    file.write_bytes(b"\n".join(raws))
    recorded = history.read([file], 60.0)
    list(Replay(config).said(recorded.records))
    replayed = told([keep_no_text(record) for record in recorded.records if isinstance(record, Event)])

    assert embedded == on_kafka == replayed
    assert len(embedded) == len(raws)
    read = [json.loads(line) for line in embedded]
    assert [event.get("violations") for event in read] == [
        None,
        None,
        ["arguments: pay: 'order_id' is a required property", "tool version: pay: 3 instead of 2"],
        ["tool: not in the contract: drop"],
        None,
        ["claim:0"],
        ["claim:0"],
    ]
    assert [len(event.get("output_shape", ())) > 0 for event in read] == [False, True, False, False, False, True, True]
    assert read[3]["result_fields"] == [":array", "[].id:number", "[].price:null"]
    assert read[5]["output_hash"] == read[6]["output_hash"]
    assert "input_hash" in read[0]
    assert not any(name in event for event in read for name in ("input", "output", "arguments", "result", "text"))
