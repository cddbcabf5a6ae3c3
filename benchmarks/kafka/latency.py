"""From an event to the request that reaches Slack, without a grouping wait, while a fleet sends at a steady rate.

Probes are agents of owners of their own, each with a channel: a probe fails one run every five seconds until it pages.
The latency of a page is the time from the last failed run that was sent before it (stamped by its producer) to the
arrival of `chat.postMessage` at the double of Slack on loopback. Nodes of one agent; the monitor is `forewarn run`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
import uuid
from bisect import bisect_right
from collections import defaultdict
from pathlib import Path
from typing import Any

import yaml

from benchmarks.kafka.load import FAILING_SECONDS
from schemas.config import Topics
from tests.doubles.slack import BOT_TOKEN, SlackDouble
from tests.services.monitor_process import MonitorProcess

ROOT = Path(__file__).resolve().parents[2]


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
    bootstrap: str, partitions: int, rate: int, probes: int, warm: float = 30.0, seconds: float = 60.0
) -> list[float]:
    """Seconds of each probe that paged, sorted."""
    slack = SlackDouble(time.time, rate_seconds=0.0)
    slack.calls = arrivals = Arrivals()
    await slack.start()
    names = {slack.add_channel(f"probe-{number}"): number for number in range(probes)}
    names |= {f"probe-{number}": number for number in range(probes)}
    slack.add_channel("fleet")
    with tempfile.TemporaryDirectory() as directory:
        monitor = MonitorProcess(
            Path(directory), yaml.safe_dump(_config(bootstrap, partitions, probes, slack.base_url))
        )
        try:
            await asyncio.to_thread(monitor.start)
            while (await asyncio.to_thread(monitor.ask, "/readyz"))[0] != 200:
                await asyncio.sleep(0.1)
            sent = await _load(bootstrap, _topic(monitor), partitions, rate, probes, warm, seconds)
        finally:
            monitor.close()
            await slack.stop()
    found = []
    for channel, arrived in arrivals.posted.items():
        times = sent.get(names.get(channel, -1), [])
        if before := bisect_right(times, arrived):
            found.append(arrived - times[before - 1])
    return sorted(found)


async def _load(
    bootstrap: str, topic: str, partitions: int, rate: int, probes: int, warm: float, seconds: float
) -> dict[int, list[float]]:
    """Probe → when its failed runs were sent."""
    numbers = (partitions, rate, probes, warm, seconds)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.kafka.load", bootstrap, topic, *map(str, numbers),
        cwd=ROOT, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    sent = defaultdict(list)
    out, _ = await process.communicate()
    for line in out.splitlines():
        found = json.loads(line)
        sent[found["probe"]].append(found["sent"])
    return sent


def _topic(monitor: MonitorProcess) -> str:
    config = yaml.safe_load((monitor.directory / "forewarn.yaml").read_text())
    return str(config["runtime"]["kafka"]["topics"]["events"])


def _config(bootstrap: str, partitions: int, probes: int, slack_url: str) -> dict[str, Any]:
    prefix = f"latency-{uuid.uuid4().hex[:8]}"
    names = {field: f"{prefix}.{field}" for field in Topics.model_fields}
    kafka = {"bootstrap_servers": bootstrap, "partitions": partitions, "group": prefix, "topics": names}
    owners = {f"probe-{number}": {"slack": f"#probe-{number}"} for number in range(probes)}
    return {
        "owners": {**owners, "fleet": {"slack": "#fleet"}},
        "components": [{"agent": name, "owner": name} for name in owners],
        "defaults": {"owner": "fleet"},
        "detectors": {"run.failed": {"reference": "2%"}, "run.duration_seconds": {"mode": "off"}},
        "slack": {"bot_token": BOT_TOKEN, "base_url": slack_url},
        "runtime": {"kind": "kafka", "kafka": kafka},
    }


def line_of(rate: int, found: list[float], probes: int) -> str:
    """What the benchmark prints."""
    if not found:
        return f"{rate:,} events/s: nobody was paged"
    p50, p99 = found[len(found) // 2], found[min(len(found) - 1, int(0.99 * len(found)))]
    late = "" if p99 < FAILING_SECONDS / 2 else "; too slow to be sure which run it was"
    return f"{rate:,} events/s: p50 {p50:.2f} s, p99 {p99:.2f} s ({len(found)} of {probes} probes paged{late})"
