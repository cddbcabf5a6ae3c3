"""Plain Faust, as its documentation teaches it: an agent over a stream, pydantic for the events, river for detection.

The three detectors of `three` per agent and event. River's objects are kept in memory; what is known of each agent lies
in a Faust table with its changelog, and findings go to a topic. With `memory` as a further argument the table is left
out: less than a user would run, and faster.
"""

from __future__ import annotations

import sys
import tempfile

import faust
from pydantic import BaseModel, ValidationError

from benchmarks.kafka.contestants.meter import arguments, further
from benchmarks.kafka.contestants.three import Three


class AgentEvent(BaseModel):
    """What is needed of an event; pydantic ignores the rest."""

    id: str
    kind: str
    time: float
    agent: str
    run: str
    status: str | None = None
    duration_seconds: float | None = None
    output_tokens: int | None = None


def main() -> None:
    """Run the app until the meter has its number."""
    bootstrap, topic, name, meter = arguments()
    with_table = further() != ["memory"]
    app = faust.App(
        name, broker=f"kafka://{bootstrap}", datadir=tempfile.mkdtemp(), store="memory://", web_enabled=False,
        consumer_auto_offset_reset="earliest", topic_partitions=16, producer_compression_type="lz4",
    )  # fmt: skip
    events = app.topic(topic, value_type=bytes, value_serializer="raw", key_type=bytes, key_serializer="raw")
    findings = app.topic(f"{name}.findings", partitions=1, value_serializer="json")
    counts = app.Table("agents", default=dict, partitions=16) if with_table else None
    known: dict[str, Three] = {}

    @app.agent(events)
    async def detect(stream: faust.Stream[bytes]) -> None:
        async for value in stream:
            try:
                event = AgentEvent.model_validate_json(value)
            except ValidationError:  # a tick of the monitor
                continue
            detectors = known.get(event.agent)
            if detectors is None:
                detectors = known[event.agent] = Three()
            found = detectors.update(event.status == "error", event.duration_seconds, event.output_tokens)
            if counts is not None:
                seen = counts[event.agent]
                seen["events"] = seen.get("events", 0) + 1
                seen["failed"] = seen.get("failed", 0) + (event.status == "error")
                counts[event.agent] = seen
            for detector in found:
                await findings.send(value={"agent": event.agent, "detector": detector, "time": event.time})
            meter.add(1)

    sys.argv = [sys.argv[0], "worker", "--loglevel=warn"]
    app.main()


if __name__ == "__main__":
    main()
