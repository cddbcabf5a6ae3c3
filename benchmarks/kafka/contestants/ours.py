"""The monitor as shipped (`monitor.app.serve`), with the benchmark's topic as its events topic.

Default detectors, page and API, ticks, router, findings to their topic, state saved and offsets committed each second.
Further arguments: partitions of the topic, JSON that goes into the configuration, and how many partitions it must have
before anything counts.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from typing import Any, cast

from benchmarks.kafka.contestants.meter import arguments, further
from monitor.app import Serving, serve
from monitor.engine import PartitionEngine
from monitor.runtime.kafka.events import EventsCore
from monitor.runtime.kafka.live import KafkaMonitor
from schemas.config import Config, Topics

LOOK_SECONDS = 0.05


def config_of(bootstrap: str, events: str, name: str, directory: str, partitions: int, **sections: Any) -> Config:
    """A monitor on the events topic `events`; all its other topics and its group are called after `name`."""
    names = {field: f"{name}.{field}" for field in Topics.model_fields} | {"events": events}
    runtime = {
        "kind": "kafka",
        "directory": directory,
        "port": 0,
        "kafka": {"bootstrap_servers": bootstrap, "partitions": partitions, "group": name, "topics": names},
    }
    return Config.model_validate({"runtime": runtime, **sections})


def engines(serving: Serving) -> list[PartitionEngine]:
    """The engines of the partitions that this worker has."""
    monitor = cast(KafkaMonitor, serving.view)
    return [core.engine for core in monitor._cores(EventsCore)]


def events_of(found: list[PartitionEngine]) -> int:
    """Events that they have stepped since their state began."""
    return sum(engine.counts.get("events", 0) for engine in found)


def observed(serving: Serving) -> dict[str, float]:
    """What nodes and drift channels have observed until now, and what was found."""
    nodes = channels = 0.0
    for engine in engines(serving):
        for agent in engine.agents.values():
            nodes += sum(node.n for node in agent.slices.nodes.values())
            channels += agent.runs * sum(sum(bank.live()) for bank in agent.drift.profile.banks.values())
    found = sum(count for name, count in serving.view.counts().items() if name.startswith("findings:"))
    return {"node_updates": nodes, "channel_updates": channels, "findings": float(found)}


async def serving(config: Config) -> tuple[Serving, asyncio.Task[None]]:
    """A monitor that has started, and the task in which it runs."""
    begun: asyncio.Future[Serving] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(config, asyncio.Event(), begun.set_result))
    await asyncio.wait((task, begun), return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    return begun.result(), task


async def main(partitions: int, sections: dict[str, Any], mine: int) -> None:
    """Serve until the meter has its number."""
    bootstrap, topic, name, meter = arguments()
    with tempfile.TemporaryDirectory() as directory:
        monitor, task = await serving(config_of(bootstrap, topic, name, directory, partitions, **sections))
        meter.observed = lambda: observed(monitor)
        while not task.done():
            found = engines(monitor)
            if len(found) == mine:
                meter.set(events_of(found))
            await asyncio.sleep(LOOK_SECONDS)
        task.result()


if __name__ == "__main__":
    count, *given = further()
    sections = json.loads(given[0]) if given else {}
    asyncio.run(main(int(count), sections, int(given[1]) if given[1:] else int(count)))
