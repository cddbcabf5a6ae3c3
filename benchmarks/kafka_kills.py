"""kill -9 at random points, again and again, under load: are counts exact, is any page lost or sent twice?

    python -m benchmarks.kafka_kills [--kills 100] [--events 2000000] [--workers 2] [--rate 1500] [--minutes M]

Workers of one group, each a process, on a real broker; a Slack double on loopback. Runs are written at `--rate` events
a second; at a random moment a random worker that others can follow is killed and, seconds later, started again. Now
and then an agent fails for a while. A takeover lasts from the kill until everything that stood in the events topic
then is committed. At the end, over all partitions: runs and failed runs of each agent equal what was written; every
agent that failed has an incident; every incident has exactly one message. Exit code 1 where that does not hold.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import random
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiokafka

from schemas.config import Config
from tests.doubles.slack import BOT_TOKEN, SlackDouble
from tests.services import kafka_broker
from tests.services.kafka_cluster import Group, Worker, takeover_seconds
from tests.services.kafka_monitor import config_of

AGENTS = 200
FAILING = 10
BURST = 60
"""Runs that a failing agent spoils, one after the other."""
PARTITIONS = 8
RESTART_SECONDS = 8.0
"""A killed worker is started again within so long, at random."""
SETTLE_SECONDS = 600.0
TAKEOVER_GOAL_SECONDS = 15.0
DETECTORS = {
    "run.failed": {"reference": "2%"},
    "run.duration_seconds": {"mode": "off"},  # here it is the producer's pace
    "agent.traffic": {"mode": "off"},
}


@dataclass
class Result:
    """What was seen. `problems`: what must not be."""

    events: int = 0
    kills: int = 0
    active_kills: int = 0
    takeovers: list[float] = field(default_factory=list)
    incidents: int = 0
    messages: int = 0
    counted: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """The result for people."""
        times = sorted(self.takeovers) or [0.0]
        return [
            f"events written         {self.events:>12,}",
            f"runs counted           {self.counted:>12,} of {self.events // 2:,}",
            f"kill -9                {self.kills:>12,} ({self.active_kills} of the active one)",
            f"takeover, median       {statistics.median(times):>12.1f} s",
            f"takeover, longest      {times[-1]:>12.1f} s",
            f"incidents              {self.incidents:>12,}",
            f"messages in Slack      {self.messages:>12,}",
            f"took                   {self.seconds:>12.0f} s",
            *(f"PROBLEM: {problem}" for problem in self.problems),
        ]


class Traffic:
    """Runs of all agents in turn, and what they must be counted as."""

    def __init__(self, config: Config, events: int, rate: float, agents: int, failing: int, burst: int) -> None:
        self.truth: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.written = 0
        self.hurry = self.enough = False
        self._topic = config.runtime.kafka.topics.events
        self._producer = aiokafka.AIOKafkaProducer(
            bootstrap_servers=config.runtime.kafka.bootstrap_servers, request_timeout_ms=120_000, linger_ms=20
        )
        self._events, self._rate, self._agents = events, rate, agents
        each = events // (2 * agents)
        # Agent `i` of those that fail begins when its share of its runs is over.
        self._burst = burst
        self._bursts = {f"agent-{i}": 50 + (each - 50 - burst) * i // failing for i in range(failing)}

    @property
    def failing(self) -> list[str]:
        """Agents that failed for a while."""
        return sorted(agent for agent, start in self._bursts.items() if self.truth[agent] >= start + self._burst)

    async def write(self) -> None:
        """Write everything, at the rate, or as fast as it goes once `hurry` is set."""
        await self._producer.start()
        try:
            begun = time.monotonic()
            for number in itertools.count():
                if self.written >= self._events or self.enough:
                    break
                await self._run(number)
                ahead = self.written / self._rate - (time.monotonic() - begun)
                if ahead > 0.05 and not self.hurry:
                    await asyncio.sleep(ahead)
            await self._producer.flush()
        finally:
            await self._producer.stop()

    async def _run(self, number: int) -> None:
        agent = f"agent-{number % self._agents}"
        start = self._bursts.get(agent)
        fails = start is not None and start <= self.truth[agent] < start + self._burst
        self.truth[agent] += 1
        self.failed[agent] += fails
        names = {"agent": agent, "version": "v1", "run": f"run-{number}", "time": time.time()}
        for event in (
            {"kind": "run_started", "id": f"s{number}", **names},
            {"kind": "run_finished", "id": f"f{number}", "status": "error" if fails else "ok", **names},
        ):
            await self._producer.send(self._topic, json.dumps(event).encode(), key=agent.encode())
            self.written += 1


class Killer:
    """Kills a random worker at random moments and starts it again."""

    def __init__(self, workers: list[Worker], group: Group, chance: random.Random, result: Result) -> None:
        self._workers, self._group, self._chance, self._result = workers, group, chance, result

    async def strike(self) -> None:
        """One kill, the takeover, the restart."""
        await asyncio.sleep(self._chance.uniform(0.0, 3.0))
        victim = self._chance.choice(self._workers)
        active = (await victim.look()).active
        begun = time.monotonic()
        await victim.kill()
        self._result.kills += 1
        self._result.active_kills += active
        restart = asyncio.create_task(self._restart(victim))
        took = await takeover_seconds(self._group, begun, SETTLE_SECONDS)
        self._result.takeovers.append(took)
        if took > TAKEOVER_GOAL_SECONDS:
            self._result.problems.append(f"takeover {self._result.kills} took {took:.1f} s")
        await restart

    async def _restart(self, victim: Worker) -> None:
        await asyncio.sleep(self._chance.uniform(0.0, RESTART_SECONDS))
        await victim.start()


async def run(
    broker: kafka_broker.Broker,
    directory: Path,
    *,
    kills: int,
    events: int,
    workers: int = 2,
    seed: int = 1,
    rate: float = 1_500.0,
    agents: int = AGENTS,
    failing: int = FAILING,
    burst: int = BURST,
    minutes: float = 0.0,
    settle_seconds: float = SETTLE_SECONDS,
    store: str = "memory",
    say: bool = False,
) -> Result:
    """The whole of it."""
    result, chance, begun = Result(), random.Random(seed), time.monotonic()
    slack = SlackDouble(time.time, rate_seconds=0.0)
    await slack.start()
    slack.add_channel("payments")
    prefix = f"kills{time.time_ns():x}"
    sections: dict[str, Any] = {
        "partitions": PARTITIONS,
        "kafka": {"store": store},
        "owners": {"payments": {"slack": "#payments"}},
        "detectors": DETECTORS,
        "slack": {"bot_token": BOT_TOKEN, "base_url": slack.base_url},
    }
    config = config_of(broker.bootstrap, prefix, directory, **sections)
    given: Mapping[str, Any] = {"bootstrap": broker.bootstrap, "prefix": prefix, "directory": directory, **sections}
    group_of = [Worker(f"worker-{number}", given) for number in range(workers)]
    traffic = Traffic(config, events, rate, agents, failing, burst)
    writing: asyncio.Task[None] | None = None
    group: Group | None = None
    try:
        for worker in group_of:
            await worker.start()
        group = Group(config)
        writing = asyncio.create_task(traffic.write())
        killer = Killer(group_of, group, chance, result)
        for number in range(kills):
            if writing.done():
                writing.result()
                break  # a lower --rate leaves time for more
            if minutes and time.monotonic() - begun > minutes * 60.0:
                traffic.enough = True
                break
            await killer.strike()
            if say:
                print(
                    f"{time.strftime('%H:%M:%S')} kill {number + 1:3}: followed after {result.takeovers[-1]:4.1f} s, "
                    f"{traffic.written:,} events",
                    flush=True,
                )
        traffic.hurry = True
        await writing
        await _settle(group_of, traffic, slack, result, settle_seconds)
    finally:
        if writing is not None:
            writing.cancel()
        for worker in group_of:
            await worker.kill()
        if group is not None:
            group.close()
        await slack.stop()
    result.seconds = time.monotonic() - begun
    return result


async def _settle(workers: list[Worker], traffic: Traffic, slack: SlackDouble, result: Result, seconds: float) -> None:
    """Wait until all is counted and told, or the time is over; then say what does not hold."""
    deadline = time.monotonic() + seconds
    wanted = {agent: (runs, traffic.failed[agent]) for agent, runs in traffic.truth.items()}
    counted: dict[str, tuple[int, int]] = {}
    incidents: dict[str, list[str]] = {}
    while time.monotonic() < deadline:
        looks = [await worker.look() for worker in workers]
        counted = {agent: counts for look in looks for agent, counts in look.agents.items()}
        incidents = next((look.incidents for look in looks if look.active), {})
        named = {agent for agents in incidents.values() for agent in agents}
        told = len(slack.visible("payments")) == len(incidents)
        if counted == wanted and told and named >= set(traffic.failing):
            break
        await asyncio.sleep(1.0)
    result.events = traffic.written
    result.counted = sum(runs for runs, _ in counted.values())
    result.incidents, result.messages = len(incidents), len(slack.visible("payments"))
    wrong = [agent for agent in wanted if counted.get(agent) != wanted[agent]]
    if wrong:
        one = wrong[0]
        result.problems.append(
            f"{len(wrong)} agents are counted wrongly, as {one}: {counted.get(one)} instead of {wanted[one]}"
        )
    if result.messages != result.incidents:
        result.problems.append(f"{result.incidents} incidents and {result.messages} messages")
    named = {agent for agents in incidents.values() for agent in agents}
    if missing := sorted(set(traffic.failing) - named):
        result.problems.append(f"no incident for {', '.join(missing)}")


async def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=1_500.0)
    parser.add_argument("--minutes", type=float, default=0.0, help="kill and write no longer than this; 0: to the end")
    parser.add_argument("--store", choices=("memory", "rocksdb"), default="memory", help="where workers hold state")
    parser.add_argument("--logs", type=Path, default=None, help="folder for the workers' logs")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C, with all that it started
    broker = kafka_broker.start()
    try:
        with tempfile.TemporaryDirectory(prefix="forewarn-kills-") as folder:
            where = asked.logs or Path(folder)
            where.mkdir(parents=True, exist_ok=True)
            found = await run(
                broker,
                where,
                kills=asked.kills,
                events=asked.events,
                workers=asked.workers,
                seed=asked.seed,
                rate=asked.rate,
                minutes=asked.minutes,
                store=asked.store,
                say=True,
            )
    finally:
        broker.stop()
    print("\n".join(found.lines()))
    return 1 if found.problems else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
