"""`forewarn run` while its only broker goes away and comes back: what it says, and that it can be stopped meanwhile."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import msgspec

from tests.services.kafka_broker import Broker
from tests.services.kafka_monitor import config_of, until
from tests.services.monitor_process import MonitorProcess


async def test_a_broker_that_is_away_is_said_in_one_line_and_delays_no_stop(
    own_broker: Broker, prefix: str, tmp_path: Path
) -> None:
    kafka = config_of(own_broker.bootstrap, prefix, tmp_path, partitions=2, owners={"one": {}}).runtime.kafka
    settings = {
        "owners": {"one": {}},
        "runtime": {
            "kind": "kafka",
            "kafka": {
                "bootstrap_servers": own_broker.bootstrap,
                "partitions": 2,
                "group": kafka.group,
                "topics": kafka.topics.model_dump(),
            },
        },
    }
    monitor = MonitorProcess(tmp_path, msgspec.json.encode(settings).decode())
    try:
        await asyncio.to_thread(monitor.start)
        await asyncio.to_thread(own_broker.halt)
        gone = f"Kafka at {own_broker.bootstrap} (PLAINTEXT) does not answer: "
        await until(lambda: gone in monitor.said(), 30.0, what="a word of the absence")
        await asyncio.to_thread(own_broker.resume)
        await until(lambda: "answers again, after" in monitor.said(), 30.0, what="a word of its end")
        await asyncio.to_thread(own_broker.halt)
        await until(lambda: monitor.said().count(gone) == 2, 30.0, what="another absence is said anew")
        began = time.monotonic()
        assert await asyncio.to_thread(monitor.stop) == 0
        assert time.monotonic() - began < 30.0, "it does not wait for the broker"
    finally:
        monitor.close()
    said = monitor.said()
    assert "Traceback" not in said
    assert "aiokafka" not in said and " ERROR " not in said
    assert "Starting..." not in said, "no word of Faust's own"
