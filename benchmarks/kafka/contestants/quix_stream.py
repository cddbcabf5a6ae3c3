"""Quix Streams with river: a streaming dataframe from topic to topic.

The three detectors of `three`, in memory, as Quix offers no place for objects of ours; its own JSON
deserializer; findings go to a topic.
"""

from __future__ import annotations

import tempfile
from typing import Any

from quixstreams import Application

from benchmarks.kafka.contestants.meter import arguments
from benchmarks.kafka.contestants.three import Three


def main() -> None:
    """Run the application until the meter has its number."""
    bootstrap, topic, name, meter = arguments()
    app = Application(
        broker_address=bootstrap, consumer_group=name, auto_offset_reset="earliest",
        state_dir=tempfile.mkdtemp(), loglevel="WARNING",
    )  # fmt: skip
    events = app.topic(topic, value_deserializer="json")
    findings = app.topic(f"{name}.findings", value_serializer="json")
    known: dict[str, Three] = {}

    def detect(event: dict[str, Any]) -> list[dict[str, Any]]:
        agent = event.get("agent")
        if agent is None:  # a tick of the monitor
            return []
        detectors = known.get(agent)
        if detectors is None:
            detectors = known[agent] = Three()
        found = detectors.update(
            event.get("status") == "error", event.get("duration_seconds"), event.get("output_tokens")
        )
        meter.add(1)
        return [{"agent": agent, "time": event["time"], "detector": detector} for detector in found]

    app.dataframe(events).apply(detect, expand=True).to_topic(findings)
    app.run()


if __name__ == "__main__":
    main()
