"""What is soaked, all of it real but Slack: a broker, workers started as users start them, each kept alive by us.

A worker that ends is started again, as systemd or Kubernetes would; ends that no fault asked for are kept with their
last words. Invariant: `close` ends every process that was started here, by its id, and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.doubles.slack import BOT_TOKEN, Fault, SlackDouble
from tests.doubles.slack_eyes import Post
from tests.services import kafka_broker
from tests.services.kafka_monitor import config_of
from tests.services.monitor_process import MonitorProcess

CHANNEL = "payments"
PAGE_BYTES = 4096
SAMPLE_SECONDS = 1.0
RESTART_SECONDS = 1.0
"""A worker that ended by itself is started again so much later."""
START_SECONDS = 120.0
SLACK_FAULTS = (Fault.SERVER_ERROR, Fault.RESET_BEFORE, Fault.RESET_AFTER, Fault.SERVER_ERROR_AFTER)
DETECTORS = {"run.failed": {"reference": "2%"}, "run.duration_seconds": {"mode": "off"}}
"""How long a run takes here is how long the broker takes, and that does change."""


@dataclass
class Life:
    """One process from start to end. `rss`: (seconds since its start, bytes)."""

    pid: int
    started: float
    rss: list[tuple[float, int]] = field(default_factory=list)


class Worker:
    """One worker, through all its lives."""

    def __init__(self, name: str, directory: Path, config: str) -> None:
        self.name = name
        self.busy = asyncio.Lock()
        self.lives: list[Life] = []
        self.unasked: list[str] = []
        self._asked = False
        directory.mkdir(parents=True)
        self.process = MonitorProcess(directory, config)

    @property
    def up(self) -> bool:
        """Whether its process lives."""
        child = self.process._process
        return child is not None and child.poll() is None

    async def start(self) -> None:
        """Start it; it listens once its state is recovered, which is not waited for."""
        self._asked = False
        self.process.url = ""
        said = self.process.directory / "said.txt"
        if said.exists():  # each life has words of its own
            said.rename(said.with_name(f"said-{len(self.lives)}.txt"))
        await asyncio.to_thread(self.process.start, "--runtime", "kafka", "--log-level", "warning", listens=False)
        child = self.process._process
        assert child is not None
        self.lives.append(Life(child.pid, time.monotonic()))

    async def end(self, number: signal.Signals) -> None:
        """End it, and wait for its end."""
        self._asked = True
        if self.up:
            self.process.send(number)
            with contextlib.suppress(Exception):
                await asyncio.to_thread(self.process.wait)
            self.process.close()

    async def keep_alive(self) -> None:
        """Start it again when it ended by itself; sample its memory."""
        while True:
            await asyncio.sleep(SAMPLE_SECONDS)
            if not self.up and not self._asked and not self.busy.locked():
                self.unasked.append(" | ".join(self.process.said().strip().splitlines()[-2:])[-400:])
                await asyncio.sleep(RESTART_SECONDS)
                await self.start()
            elif self.up and self.lives:
                self._sample(self.lives[-1])

    def _sample(self, life: Life) -> None:
        with contextlib.suppress(OSError):
            pages = int(Path(f"/proc/{life.pid}/statm").read_text().split()[1])
            life.rss.append((time.monotonic() - life.started, pages * PAGE_BYTES))

    async def ask(self, path: str) -> tuple[int, Any]:
        """Status and JSON of its API; 0 where nobody answers."""
        if not self.process.url:
            found = [line for line in self.process.said().splitlines() if line.startswith("Forewarn ")]
            if not found:
                return 0, None
            self.process.url = found[-1].rpartition(" at ")[2]
        try:
            status, body = await asyncio.to_thread(self.process.ask, path)
            return status, json.loads(body)
        except (OSError, ValueError):
            return 0, None


class Cluster:
    """Broker, workers and the Slack double."""

    def __init__(self, directory: Path, workers: int, partitions: int) -> None:
        self.directory = directory
        self.slack = SlackDouble(time.time, rate_seconds=0.0)
        self.faults: Counter[str] = Counter()
        self._count = workers
        self._partitions = partitions
        self._tasks: list[asyncio.Task[None]] = []
        self.workers: list[Worker] = []

    async def start(self) -> None:
        """Everything up and every worker ready. Raises `BrokerUnavailableError`, `TimeoutError`."""
        self.broker = await asyncio.to_thread(kafka_broker.start)
        await self.slack.start()
        self.slack.add_channel(CHANNEL)
        sections: dict[str, Any] = {
            "owners": {CHANNEL: {"slack": f"#{CHANNEL}"}},
            "detectors": DETECTORS,
            "slack": {"bot_token": BOT_TOKEN, "base_url": self.slack.base_url},
        }
        bootstrap = self.broker.bootstrap
        self.config = config_of(bootstrap, "soak", self.directory, partitions=self._partitions, **sections)
        kafka = self.config.runtime.kafka.model_dump(include={"bootstrap_servers", "partitions", "group", "topics"})
        text = json.dumps({**sections, "runtime": {"kind": "kafka", "trace_timeout": "5s", "kafka": kafka}})
        for number in range(self._count):
            worker = Worker(f"worker {number + 1}", self.directory / f"worker-{number + 1}", text)
            self.workers.append(worker)
            await worker.start()
            self._tasks.append(asyncio.create_task(worker.keep_alive()))
        await self.until_ready()

    async def until_ready(self) -> None:
        """Wait until every worker says that it is. Raises `TimeoutError`, and what a worker said that ended."""
        async with asyncio.timeout(START_SECONDS):
            for worker in self.workers:
                while (await worker.ask("/readyz"))[0] != 200:
                    if worker.unasked:
                        raise RuntimeError(f"{worker.name} ended: {worker.unasked[-1]}")
                    await asyncio.sleep(0.2)

    async def close(self) -> None:
        """End all of it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for worker in self.workers:
            worker.process.close()
        await self.slack.stop()
        await asyncio.to_thread(self.broker.stop)

    async def router(self) -> Worker | None:
        """The worker that routes now."""
        for worker in self.workers:
            if worker.up and (await worker.ask("/api/v2/receivers"))[0] == 200:
                return worker
        return None

    async def agents(self) -> dict[str, tuple[int, int]] | None:
        """Agent → runs, failed, summed over the workers; None while one does not answer or an agent is on two."""
        found: dict[str, tuple[int, int]] = {}
        for worker in self.workers:
            status, answer = await worker.ask("/api/v1/agents?limit=10000")
            if status != 200:
                return None
            mine = {each["agent"]: (each["runs"], each["failed"]) for each in answer["agents"]}
            if found.keys() & mine.keys():
                return None
            found |= mine
        return found

    async def gauges(self) -> list[dict[str, float]]:
        """The levels that each worker shows; empty for one that does not answer."""
        answers = [await worker.ask("/api/v1/status") for worker in self.workers]
        return [answer["gauges"] if status == 200 else {} for status, answer in answers]

    def posts(self) -> tuple[list[Post], list[Post]]:
        """Messages of the channel, and what hangs below them."""
        top = self.slack.workspace.posts(CHANNEL)
        return top, [line for post in top for line in self.slack.workspace.thread(CHANNEL, post.ts)]
