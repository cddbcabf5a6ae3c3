"""A worker that starts where another stopped, and one that takes over from another: how long each takes.

Many agents with some history each. Recovery: from the start of the process, Python's own start included, until it has
joined, recovered and is ready. Takeover: from kill -9 of the one until everything that stood in the topic is
committed by the other.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiokafka

from benchmarks.kafka.traffic import Fleet, fill
from monitor.runtime.kafka import topics as layout
from schemas.config import Config
from tests.services.kafka_cluster import Group, Worker, takeover_seconds
from tests.services.kafka_monitor import config_of, until


@dataclass(frozen=True)
class Times:
    """Seconds."""

    agents: int
    events: int
    recovery: float
    takeover: float


async def measure(bootstrap: str, fleet: Fleet) -> Times:
    """Let a worker learn the fleet; stop it; start it again; start another; kill one."""
    with tempfile.TemporaryDirectory() as directory:
        prefix = f"recovery-{uuid.uuid4().hex[:8]}"
        given: dict[str, Any] = {
            "bootstrap": bootstrap, "prefix": prefix, "directory": directory, "partitions": fleet.partitions,
        }  # fmt: skip
        config = config_of(bootstrap, prefix, Path(directory), partitions=fleet.partitions)
        layout.prepare(config.runtime)
        await fill(bootstrap, config.runtime.kafka.topics.events, fleet)
        group = Group(config)
        first, second = Worker("first", given), Worker("second", given)
        try:
            await first.start()
            ends = group.ends()
            await until(lambda: group.reached(ends), 3_600.0, "all events stepped")
            await first.stop()
            begun = time.monotonic()
            await first.start()
            recovery = time.monotonic() - begun
            agents = len((await first.look()).agents)
            await second.start()
            await until_both(first, second, fleet.partitions)
            begun = time.monotonic()
            await first.kill()
            await _one_more(config, fleet.partitions)
            takeover = await takeover_seconds(group, begun, 120.0)
        finally:
            await first.kill()
            await second.kill()
            group.close()
    return Times(agents, fleet.events, recovery, takeover)


async def _one_more(config: Config, partitions: int) -> None:
    """A record in each partition that the dead one cannot have committed."""
    beat = json.dumps({"kind": "heartbeat", "producer": "recovery", "time": time.time()}).encode()
    producer = aiokafka.AIOKafkaProducer(bootstrap_servers=config.runtime.kafka.bootstrap_servers)
    await producer.start()
    try:
        for number in range(partitions):
            await producer.send_and_wait(config.runtime.kafka.topics.events, beat, partition=number)
    finally:
        await producer.stop()


async def until_both(first: Worker, second: Worker, partitions: int) -> None:
    """Until two workers share the partitions of the fleet."""
    for _ in range(600):
        looks = [await first.look(), await second.look()]
        if all(look.ready for look in looks) and all(len(look.agents) > 0 for look in looks):
            return
        await asyncio.sleep(0.2)
    raise TimeoutError(f"two workers never shared {partitions} partitions")
