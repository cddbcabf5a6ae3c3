"""From an event to the request that reaches Slack, without a grouping wait, while a fleet sends at a steady rate.

Probes are agents of owners of their own, each with a channel. A probe breaks its contract once, in one run, which
pages at once; the latency is the time from the event that ends that run (stamped by its producer) to the arrival of
`chat.postMessage` at the double of Slack on loopback. The monitor is `forewarn run`. The time at which the broker
took the finding divides it in two: the engine's part, and the router's.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any, NamedTuple

import aiokafka
import yaml
from aiokafka import TopicPartition

from schemas.config import Topics
from tests.doubles.slack import BOT_TOKEN, SlackDouble
from tests.services.monitor_process import MonitorProcess

ROOT = Path(__file__).resolve().parents[2]
CONTRACT = {"outcomes": ["resolved"], "severity": "page"}
QUIET_SECONDS = 5.0
"""After the last probe, for its page to arrive."""


class Page(NamedTuple):
    """Seconds from the event to the request, and to the finding on the way."""

    told: float
    found: float


class Arrivals(list[tuple[str, dict[str, Any]]]):
    """The calls of a double, and when each came."""

    def __init__(self) -> None:
        super().__init__()
        self.posted: dict[str, float] = {}
        """Channel → epoch seconds of its first message."""

    def append(self, call: tuple[str, dict[str, Any]]) -> None:
        """Note a call."""
        method, arguments = call
        if method == "chat.postMessage":
            self.posted.setdefault(str(arguments.get("channel", "")).lstrip("#"), time.time())
        super().append(call)


async def measure(
    bootstrap: str, partitions: int, rate: int, probes: int, warm: float, workers: int = 1, seconds: float = 60.0
) -> list[Page]:
    """The page of each probe that paged, the fastest first. The `workers` share the partitions of one group."""
    slack = SlackDouble(time.time, rate_seconds=0.0)
    slack.calls = arrivals = Arrivals()
    await slack.start()
    for name in (*_owners(probes), "fleet"):
        slack.add_channel(name)
    config = _config(bootstrap, partitions, probes, slack.base_url)
    topics = config["runtime"]["kafka"]["topics"]
    with tempfile.TemporaryDirectory() as directory:
        folders = [Path(directory, f"worker-{number}") for number in range(workers)]
        for folder in folders:
            folder.mkdir()
        monitors = [MonitorProcess(folder, yaml.safe_dump(config)) for folder in folders]
        try:
            for monitor in monitors:
                await asyncio.to_thread(monitor.start)
            for monitor in monitors:
                while (await asyncio.to_thread(monitor.ask, "/readyz"))[0] != 200:
                    await asyncio.sleep(0.1)
            sent = await _load(bootstrap, topics["events"], partitions, rate, probes, warm, seconds)
            await asyncio.sleep(QUIET_SECONDS)
            named = await _findings(bootstrap, topics["findings"])
        finally:
            for monitor in monitors:
                monitor.close()
            await slack.stop()
    found = []
    for number, begun in sent.items():
        if (arrived := arrivals.posted.get(f"probe-{number}")) is not None:
            found.append(Page(arrived - begun, named.get(number, arrived) - begun))
    return sorted(found)


async def _findings(bootstrap: str, topic: str) -> dict[int, float]:
    """Probe → when the broker took its first finding, epoch seconds."""
    consumer = aiokafka.AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    found: dict[int, float] = {}
    try:
        place = TopicPartition(topic, 0)
        end = (await consumer.end_offsets([place]))[place]
        while await consumer.position(place) < end:
            for record in (await consumer.getmany(timeout_ms=1_000)).get(place, ()):
                owner = (record.key or b"").decode()
                if owner.startswith("probe-"):
                    found.setdefault(int(owner.removeprefix("probe-")), record.timestamp / 1000.0)
    finally:
        await consumer.stop()
    return found


async def _load(
    bootstrap: str, topic: str, partitions: int, rate: int, probes: int, warm: float, seconds: float
) -> dict[int, float]:
    """Probe → when the event was sent that ends the run that breaks its contract."""
    numbers = (partitions, rate, probes, warm, seconds)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.kafka.load", bootstrap, topic, *map(str, numbers),
        cwd=ROOT, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate()
    if process.returncode:
        sys.exit(process.returncode)
    return {found["probe"]: found["sent"] for found in map(json.loads, out.splitlines())}


def _owners(probes: int) -> list[str]:
    return [f"probe-{number}" for number in range(probes)]


def _config(bootstrap: str, partitions: int, probes: int, slack_url: str) -> dict[str, Any]:
    prefix = f"latency-{uuid.uuid4().hex[:8]}"
    names = {field: f"{prefix}.{field}" for field in Topics.model_fields}
    kafka = {"bootstrap_servers": bootstrap, "partitions": partitions, "group": prefix, "topics": names}
    owners = {name: {"slack": f"#{name}"} for name in _owners(probes)}
    return {
        "owners": {**owners, "fleet": {"slack": "#fleet"}},
        "components": [{"agent": name, "owner": name, "contract": CONTRACT} for name in owners],
        "defaults": {"owner": "fleet"},
        "slack": {"bot_token": BOT_TOKEN, "base_url": slack_url},
        "runtime": {"kind": "kafka", "kafka": kafka},
    }


def line_of(rate: int, found: list[Page], probes: int) -> str:
    """What the benchmark prints."""
    if not found:
        return f"{rate:,} events/s: nobody was paged"
    told = [page.told for page in found]
    p50, p99 = told[len(told) // 2], told[min(len(told) - 1, int(0.99 * len(told)))]
    engine = sorted(page.found for page in found)[len(found) // 2]
    paged = f"{len(found)} of {probes} probes paged"
    return f"{rate:,} events/s: p50 {p50:.2f} s, p99 {p99:.2f} s; the finding after {engine:.2f} s ({paged})"
