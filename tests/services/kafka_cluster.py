"""Several workers of one group, each a process of its own that may be killed; for tests and benchmarks.

    python -m tests.services.kafka_cluster '{"bootstrap": ..., "prefix": ..., "directory": ...}'

A worker answers each line on its standard input with one line of JSON that says how it stands (`Look`), and ends
gracefully when the input does.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition

from monitor.runtime.kafka.live import KafkaMonitor
from monitor.saved.collecting import collect_rarely
from monitor.serving.paging import in_large_pages
from schemas.config import Config
from tests.services.kafka_monitor import config_of, monitor_of, notifiers_of

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 90.0


@dataclass(frozen=True)
class Look:
    """How a worker stands. `agents`: runs and failed runs by agent, of the partitions that it has.

    `incidents`: id → the agents that its alerts name; of the active one.
    """

    ready: bool
    active: bool
    partitions: int
    agents: dict[str, tuple[int, int]]
    counts: dict[str, int]
    gauges: dict[str, float]
    incidents: dict[str, list[str]]


class Worker:
    """One worker process of the group."""

    def __init__(self, name: str, given: Mapping[str, Any]) -> None:
        self.name = name
        self._given = {**given, "directory": str(Path(given["directory"]) / name)}
        self._process: asyncio.subprocess.Process | None = None
        self._asking = asyncio.Lock()

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self._process is not None and self._process.returncode is None

    async def start(self, *, wait: bool = True) -> None:
        """Start it; with `wait`, until it has joined the group and recovered."""
        log = Path(self._given["directory"]).parent / f"{self.name}.log"
        with log.open("ab") as stderr:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.services.kafka_cluster", json.dumps(self._given, default=str),
                cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, limit=2**24,
            )  # fmt: skip
        if wait:
            await self.ready()

    async def ready(self) -> None:
        """Until it has joined and recovered. Raises `TimeoutError`."""
        assert self._process is not None and self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), READY_SECONDS)
        if line != b"ready\n":
            raise RuntimeError(f"worker {self.name} ended: {line!r}")

    async def look(self) -> Look:
        """Ask it how it stands."""
        assert self._process is not None and self._process.stdin is not None and self._process.stdout is not None
        async with self._asking:
            self._process.stdin.write(b"look\n")
            line = await asyncio.wait_for(self._process.stdout.readline(), READY_SECONDS)
        if not line:
            raise RuntimeError(f"worker {self.name} has ended")
        found = json.loads(line)
        found["agents"] = {name: tuple(counts) for name, counts in found["agents"].items()}
        return Look(**found)

    async def kill(self) -> None:
        """kill -9."""
        if self._process is not None and self.alive:
            self._process.kill()
            await self._process.wait()

    def freeze(self) -> None:
        """SIGSTOP: it runs no more and does not know it."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)

    async def stop(self) -> None:
        """Let it save, commit and leave."""
        if self._process is not None and self.alive:
            assert self._process.stdin is not None
            self._process.stdin.close()
            await asyncio.wait_for(self._process.wait(), READY_SECONDS)


class Group:
    """What the group has committed, asked from outside."""

    def __init__(self, config: Config) -> None:
        kafka = config.runtime.kafka
        self._group, self._topic = kafka.group, kafka.topics.events
        self._admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
        self._consumer = KafkaConsumer(bootstrap_servers=kafka.bootstrap_servers)
        self._places = [TopicPartition(self._topic, number) for number in range(kafka.partitions)]

    def ends(self) -> dict[int, int]:
        """The end of each partition of the events topic."""
        return {place.partition: end for place, end in self._consumer.end_offsets(self._places).items()}

    def committed(self) -> dict[int, int]:
        """The committed offset of each partition of the events topic."""
        found = self._admin.list_group_offsets([self._group])[self._group]
        return {place.partition: at.offset for place, at in found.items() if place.topic == self._topic}

    def reached(self, ends: Mapping[int, int]) -> bool:
        """Whether everything before `ends` is committed."""
        committed = self.committed()
        return all(committed.get(number, 0) >= end for number, end in ends.items())

    def close(self) -> None:
        """Let go of the broker."""
        self._admin.close()
        self._consumer.close()


def totals(looks: Iterable[Look]) -> tuple[int, int]:
    """Runs and failed runs of all agents of several workers."""
    agents = [counts for look in looks for counts in look.agents.values()]
    return sum(runs for runs, _ in agents), sum(failed for _, failed in agents)


def counted(looks: Iterable[Look]) -> Counter[str]:
    """Counters of several workers, added."""
    found: Counter[str] = Counter()
    for look in looks:
        found.update(look.counts)
    return found


async def takeover_seconds(group: Group, begun: float, limit: float = 60.0) -> float:
    """Seconds from `begun` (monotonic) until all that stands in the events topic now is committed."""
    ends = await asyncio.to_thread(group.ends)
    while not await asyncio.to_thread(group.reached, ends):
        if time.monotonic() - begun > limit:
            raise TimeoutError(f"nobody took over within {limit:.0f} s")
        await asyncio.sleep(0.1)
    return time.monotonic() - begun


def _look(monitor: KafkaMonitor) -> dict[str, Any]:
    gauges = monitor.gauges()
    return {
        "ready": monitor.ready,
        "active": monitor.router is not None,
        "partitions": sum(int(count) for name, count in gauges.items() if name.startswith("partitions_assigned")),
        "agents": {agent.agent: (agent.runs, agent.failed) for agent in monitor.agents()},
        "counts": monitor.counts(),
        "gauges": gauges,
        "incidents": {
            incident.id: sorted({alert.labels.get("agent", "") for alert in incident.alerts})
            for incident in monitor.incidents()
        },
    }


async def _run(config: Config) -> None:
    collect_rarely()  # this and the next as `forewarn run` does
    in_large_pages()
    slack = config.slack.bot_token is not None
    monitor = monitor_of(config, notifiers_of(config), slack=slack)
    await monitor.start()
    _say("ready")
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    ended = asyncio.create_task(monitor.wait())
    while True:
        line = asyncio.create_task(commands.readline())
        await asyncio.wait((line, ended), return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            line.cancel()
            ended.result()
        if not line.result():
            break
        _say(json.dumps(_look(monitor)))
    ended.cancel()
    await monitor.stop()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    given = json.loads(sys.argv[1])
    asyncio.run(_run(config_of(given.pop("bootstrap"), given.pop("prefix"), Path(given.pop("directory")), **given)))
