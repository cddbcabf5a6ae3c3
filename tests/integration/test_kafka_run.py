"""Agents → topic → Faust worker → Slack, against a real broker: stopped, broken, and always exact.

Killed, and several at once: `test_kafka_cluster`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiokafka
import pytest

from monitor.intake.sink import Batch
from monitor.runtime.kafka.live import KafkaMonitor
from monitor.runtime.parts import Busy
from schemas.config import Config
from schemas.event import Event
from tests.doubles.slack import BOT_TOKEN, SlackDouble
from tests.services.kafka_broker import Broker
from tests.services.kafka_monitor import config_of, monitor_of, recorders, until, workspace_of

OWNERS = {"payments": {"slack": "#payments"}}
DETECTORS = {"run.failed": {"reference": "2%"}, "run.duration_seconds": {"mode": "off"}}
"""How long a run takes here is how long the broker takes, and that does change."""


class Fleet:
    """Three agents that write runs to the events topic as foreign producers do."""

    def __init__(self, config: Config) -> None:
        self.topic = config.runtime.kafka.topics.events
        self.producer = aiokafka.AIOKafkaProducer(
            bootstrap_servers=config.runtime.kafka.bootstrap_servers, request_timeout_ms=120_000
        )
        self.chance = random.Random(1)
        self.runs = 0
        self.failed = 0

    async def work(self, runs: int, *, failing: str = "", keyed: bool = True, pause: float = 0.0) -> None:
        """Write so many runs; those of the agent `failing` mostly fail."""
        for _ in range(runs):
            self.runs += 1
            agent = f"agent-{self.runs % 3}"
            failed = agent == failing and self.chance.random() < 0.8
            self.failed += failed
            for kind, more in (("run_started", {}), ("run_finished", {"status": "error" if failed else "ok"})):
                event = {"kind": kind, "agent": agent, "version": "v1", "run": f"run-{self.runs}", "time": time.time()}
                body = json.dumps({**event, "id": f"{kind}-{self.runs}", **more}).encode()
                await self.producer.send(self.topic, body, key=agent.encode() if keyed else None)
            if pause:
                await asyncio.sleep(pause)
        await self.producer.flush()


@pytest.fixture
async def live_slack() -> AsyncIterator[SlackDouble]:
    """A Slack on the real clock, without its rate limit."""
    double = SlackDouble(time.time, rate_seconds=0.0)
    await double.start()
    double.add_channel("payments")
    yield double
    await double.stop()


def settings(broker: Broker, prefix: str, directory: Path, slack: SlackDouble) -> dict[str, Any]:
    return {
        "bootstrap": broker.bootstrap,
        "prefix": prefix,
        "directory": directory,
        "owners": OWNERS,
        "detectors": DETECTORS,
        "slack": {"bot_token": BOT_TOKEN, "base_url": slack.base_url},
    }


@contextlib.asynccontextmanager
async def monitor(config: Config) -> AsyncIterator[KafkaMonitor]:
    workspace = workspace_of(config)
    assert workspace is not None
    slack = workspace.notifier("#payments", config)
    found = monitor_of(config, recorders(config, slack, slack=True), slack=True)
    await found.start()
    try:
        yield found
    finally:
        await found.stop()


@contextlib.asynccontextmanager
async def fleet(config: Config) -> AsyncIterator[Fleet]:
    found = Fleet(config)
    await found.producer.start()
    try:
        yield found
    finally:
        await found.producer.stop()


def counted(found: KafkaMonitor) -> tuple[int, int]:
    agents = found.agents()
    return sum(agent.runs for agent in agents), sum(agent.failed for agent in agents)


async def all_counted(
    found: KafkaMonitor, agents: Fleet, seconds: float = 60.0, before: KafkaMonitor | None = None
) -> None:
    """All runs are counted, by the monitors of which the first ended `before`."""
    await until(lambda: counted(found) == (agents.runs, agents.failed), seconds, f"{agents.runs} runs counted")
    counts = Counter(found.counts()) + Counter({} if before is None else before.counts())
    assert counts["events_received"] == 2 * agents.runs, "an event was counted twice"
    assert counts.get("events_duplicate", 0) == 0


async def test_a_failing_agent_is_one_slack_message_whatever_happens_to_the_worker(
    broker: Broker, prefix: str, tmp_path: Path, live_slack: SlackDouble
) -> None:
    config = config_of(**settings(broker, prefix, tmp_path, live_slack))
    async with monitor(config) as first, fleet(config) as agents:
        await until(lambda: first.gauges()["tick_age_seconds"] > 0, what="ticks in the log")
        await agents.work(200)
        for _ in range(20):
            await agents.work(15, failing="agent-0")
            await asyncio.sleep(0.2)
        await until(lambda: live_slack.visible("payments"), what="a message in Slack")
        await all_counted(first, agents)
        (incident,) = first.incidents()
        assert incident.status == "firing" and incident.alerts[0].labels["agent"] == "agent-0"
        await first.stop()

        await agents.work(300, failing="agent-0")  # nobody listens
        async with monitor(config) as second:
            await all_counted(second, agents, before=first)
            assert [found.id for found in second.incidents()] == [incident.id]
            await until(lambda: max(second.gauges()[f"lag_records:{topic}"] for topic in _topics(config)) < 20)
    (seen,) = live_slack.visible("payments")
    assert "agent-0" in seen.text


async def test_producers_that_partition_otherwise_are_put_right(
    broker: Broker, prefix: str, tmp_path: Path, live_slack: SlackDouble
) -> None:
    config = config_of(**settings(broker, prefix, tmp_path, live_slack))
    async with monitor(config) as found, fleet(config) as agents:
        await agents.work(100, keyed=False)
        await all_counted(found, agents)
        assert found.counts()["events_forwarded"] > 0


async def test_a_complaint_that_names_only_a_session_finds_its_agent_on_any_partition(
    broker: Broker, prefix: str, tmp_path: Path, live_slack: SlackDouble
) -> None:
    config = config_of(**settings(broker, prefix, tmp_path, live_slack))
    topic = config.runtime.kafka.topics.events
    async with monitor(config) as found, fleet(config) as agents:
        now = time.time()
        run = {"kind": "run_started", "agent": "a", "run": "r", "session": "s", "time": now}
        await agents.producer.send_and_wait(topic, json.dumps(run).encode(), key=b"a")
        await until(lambda: found.agents())
        for partition in range(4):
            complaint = {"kind": "complaint", "session": "s", "time": now, "id": f"c{partition}"}
            await agents.producer.send_and_wait(topic, json.dumps(complaint).encode(), partition=partition)
        await until(lambda: found.counts().get("events_received", 0) == 5)
        assert found.counts().get("events_unattributed", 0) == 0


async def test_a_broker_that_restarts_is_survived(
    own_broker: Broker, prefix: str, tmp_path: Path, live_slack: SlackDouble
) -> None:
    config = config_of(**settings(own_broker, prefix, tmp_path, live_slack))
    async with monitor(config) as found, fleet(config) as agents:
        await agents.work(200)
        await all_counted(found, agents)
        await asyncio.to_thread(own_broker.halt, kill=True)
        writing = asyncio.create_task(agents.work(200, failing="agent-2"))
        await asyncio.to_thread(own_broker.resume)
        await writing
        await all_counted(found, agents, 90.0)
        assert found.health().live[0].ok


async def test_events_over_http_are_taken_once_the_broker_has_them(
    broker: Broker, prefix: str, tmp_path: Path, live_slack: SlackDouble
) -> None:
    config = config_of(**settings(broker, prefix, tmp_path, live_slack))
    never_started = monitor_of(config)
    with pytest.raises(Busy):
        await never_started.accept(Batch([Event(kind="heartbeat", time=time.time(), producer="p")]))
    await never_started.stop()
    async with monitor(config) as found:
        events = [
            Event(kind="run_finished", time=time.time(), agent=f"a{number}", run="r", id=f"e{number}", status="ok")
            for number in range(20)
        ]
        await found.accept(Batch(events))
        await found.accept(Batch(events))  # the sender was not sure
        await until(lambda: found.counts().get("events_received") == 40)
        assert [agent.runs for agent in found.agents()] == [1] * 20
        assert found.counts()["events_duplicate"] == 20


def _topics(config: Config) -> list[str]:
    names = config.runtime.kafka.topics
    return [names.events, names.spans, names.evidence, names.findings, names.control]
