"""What the benchmark's topic holds: runs of a fleet as JSON, with the ticks that a live monitor writes between them.

The same seed gives the same bytes. Events of one agent lie in one partition, in order. Each run is eight events of
about 400 bytes: started, three model calls, three tool calls, finished with an answer. Event time ends when the topic
is written, so that no event looks skewed. Not here: who reads it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import aiokafka
import msgspec

from benchmarks.detection import outputs
from monitor.runtime.kafka.events import partition_of
from schemas.records import Tick, encode_control

BATCH_BYTES = 256 * 1024
"""Bytes of one batch of the producer; a partition's fetch holds several."""
ANSWERS = 2_000
"""Different answers; each run ends with one of them."""
TOOLS = ("lookup_order", "issue_refund", "search_articles", "create_ticket", "send_mail")
_ASKED = (
    "Where is my parcel? It was to arrive on Tuesday, and nobody at the door has seen it since the driver left.",
    "I was charged twice for the same order, please give me the second amount back to the card that I used.",
    "The lamp that you sent me does not switch on, not with another bulb either, and I would like a new one.",
)
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Fleet:
    """How many agents send how many events a second of event time, for how many events."""

    agents: int = 1_000
    per_second: int = 100_000
    events: int = 2_000_000
    partitions: int = 16
    seed: int = 1


class Line(NamedTuple):
    """One record: event time, partition, key, value."""

    time: float
    partition: int
    key: bytes | None
    value: bytes


def lines(fleet: Fleet, start: float) -> Iterator[Line]:
    """All records of the topic in the order in which they are written."""
    rng = random.Random(fleet.seed)
    answers = [outputs.as_json(outputs.record(rng), rng) for _ in range(ANSWERS)]
    names = [f"support-agent-{number}" for number in range(fleet.agents)]
    homes = {name: (partition_of(name, fleet.partitions), name.encode()) for name in names}
    open_runs: list[list[dict[str, Any]]] = []
    number = 0
    second = start
    yield from _ticks(fleet.partitions, start, None)
    for count in range(fleet.events):
        at = start + count / fleet.per_second
        if at >= second + 1.0:
            yield from _ticks(fleet.partitions, second + 1.0, second)
            second += 1.0
        if len(open_runs) < 2 * fleet.agents:
            number += 1
            open_runs.append(_run(rng, rng.choice(names), f"run-{number:09d}", rng.choice(answers)))
        pick = rng.randrange(len(open_runs))
        event = open_runs[pick].pop()
        event["time"] = round(at, 6)
        if not open_runs[pick]:
            open_runs[pick] = open_runs[-1]
            open_runs.pop()
        partition, key = homes[event["agent"]]
        yield Line(at, partition, key, _encode(event))


def _ticks(partitions: int, now: float, since: float | None) -> Iterator[Line]:
    value = encode_control(Tick(now, since))
    for partition in range(partitions):
        yield Line(now, partition, None, value)


def _run(rng: random.Random, agent: str, run: str, answer: str) -> list[dict[str, Any]]:
    """The events of one run, the last one first."""
    version = "2026.11.2" if rng.random() < 0.3 else "2026.11.1"

    def event(kind: str, number: int, **fields: Any) -> dict[str, Any]:
        return {
            "id": f"{run}-{number}", "kind": kind, "time": 0.0, "agent": agent, "version": version, "run": run,
            "session": f"session-{run}", "labels": {"region": "eu-west-1"}, **fields,
        }  # fmt: skip

    found = [event("run_started", 0, input=rng.choice(_ASKED), trigger="chat")]
    for step in range(3):
        found.append(
            event(
                "llm_call", 1 + 2 * step, model="gpt-4o-2026-08-06", provider="openai",
                input_tokens=rng.randint(700, 1_100), output_tokens=rng.randint(40, 180), cached_tokens=512,
                cost_usd=round(rng.lognormvariate(-5.5, 0.3), 6), finish_reason="tool_calls" if step < 2 else "stop",
                duration_seconds=round(rng.lognormvariate(0.1, 0.4), 3), status="ok",
            )
        )  # fmt: skip
        found.append(
            event(
                "tool_call", 2 + 2 * step, tool=rng.choice(TOOLS), call_id=f"call_{rng.getrandbits(64):016x}",
                arguments={"order_id": f"A-{rng.randint(10_000, 99_999)}", "locale": "en-GB"},
                result={"order": {"state": "shipped", "carrier": "post", "items": rng.randint(1, 4)}, "error": None},
                duration_seconds=round(rng.lognormvariate(-1.2, 0.4), 3),
                status="error" if rng.random() < 0.03 else "ok",
            )
        )  # fmt: skip
    failed = rng.random() < 0.02
    found.append(
        event(
            "run_finished", 7, status="error" if failed else "ok", outcome="resolved", output=answer,
            duration_seconds=round(rng.lognormvariate(1.2, 0.3), 3), **({"error_type": "Timeout"} if failed else {}),
        )
    )  # fmt: skip
    return found[::-1]


async def fill(bootstrap: str, topic: str, fleet: Fleet) -> tuple[float, float]:
    """Write the topic; mean bytes of an event, and the time at which its first event happened (epoch seconds)."""
    start = float(int(time.time() - fleet.events / fleet.per_second))
    producer = aiokafka.AIOKafkaProducer(
        bootstrap_servers=bootstrap, max_batch_size=BATCH_BYTES, max_request_size=8 * BATCH_BYTES,
        compression_type="lz4", acks=1,
    )  # fmt: skip
    await producer.start()
    await producer.partitions_for(topic)
    written = size = 0
    open_batches = {partition: producer.create_batch() for partition in range(fleet.partitions)}
    sent = []
    try:
        for at, partition, key, value in lines(fleet, start):
            batch = open_batches[partition]
            if batch.append(key=key, value=value, timestamp=int(at * 1000)) is None:
                sent.append(await producer.send_batch(batch, topic, partition=partition))
                batch = open_batches[partition] = producer.create_batch()
                batch.append(key=key, value=value, timestamp=int(at * 1000))
            if key is not None:
                written += 1
                size += len(value)
        sent += [await producer.send_batch(batch, topic, partition=number) for number, batch in open_batches.items()]
        for each in sent:
            await each
    finally:
        await producer.stop()
    return size / written, start
