"""Bytewax with msgspec and river: a keyed, stateful dataflow from topic to topic, one worker.

The three detectors of `three`. Findings go to a topic through Bytewax's own Kafka sink. Recovery is off, which
is its default and its fastest; with `recovery` as a further argument its state is saved each second, as ours is.
"""

from __future__ import annotations

import json
import tempfile
from datetime import timedelta
from pathlib import Path

import msgspec
from bytewax import operators as op
from bytewax.connectors.kafka import KafkaSinkMessage, KafkaSource
from bytewax.connectors.kafka import operators as kop
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import run_main

from benchmarks.kafka.contestants.meter import arguments, further
from benchmarks.kafka.contestants.three import Three


class AgentEvent(msgspec.Struct, gc=False):
    """What is needed of an event; msgspec skips the rest."""

    kind: str
    time: float = 0.0  # the monitor that ran before has left records of its own at the end of the topic
    agent: str = ""
    status: str | None = None
    duration_seconds: float | None = None
    output_tokens: int | None = None


def main() -> None:
    """Run the flow until the meter has its number."""
    bootstrap, topic, name, meter = arguments()
    decode = msgspec.json.Decoder(AgentEvent).decode
    flow = Dataflow("detection")
    source = KafkaSource([bootstrap], [topic], batch_size=2_000)
    records = op.input("events", flow, source)

    def keyed(batch: list[object]) -> list[tuple[str, AgentEvent]]:
        events = [decode(message.value) for message in batch]  # type: ignore[attr-defined]
        return [(event.agent, event) for event in events if event.agent]

    def detect(detectors: Three | None, event: AgentEvent) -> tuple[Three, list[tuple[float, str]]]:
        if detectors is None:
            detectors = Three()
        found = detectors.update(event.status == "error", event.duration_seconds, event.output_tokens)
        meter.add(1)
        return detectors, [(event.time, detector) for detector in found]

    events = op.flat_map_batch("decode", records, keyed)
    found = op.stateful_flat_map("detect", events, detect)
    messages = op.map(
        "encode",
        found,
        lambda item: KafkaSinkMessage(
            item[0].encode(), json.dumps({"agent": item[0], "time": item[1][0], "detector": item[1][1]}).encode()
        ),
    )
    kop.output("findings", messages, brokers=[bootstrap], topic=f"{name}.findings")
    if further() == ["recovery"]:
        directory = Path(tempfile.mkdtemp())
        init_db_dir(directory, 1)
        run_main(flow, epoch_interval=timedelta(seconds=1), recovery_config=RecoveryConfig(str(directory)))
    else:
        run_main(flow)


if __name__ == "__main__":
    main()
