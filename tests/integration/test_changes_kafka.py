"""A fleet on a real broker: a tool's release breaks agents of other teams, announced or not, and is named as cause."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import aiokafka

from monitor.runtime.kafka.live import KafkaMonitor
from schemas.alert import Incident
from schemas.config import Config
from tests.services.kafka_broker import Broker
from tests.services.kafka_monitor import config_of, monitor_of, until

TEAMS = {"refund-agent": "payments", "order-agent": "sales", "search-agent": "search", "travel-agent": "travel"}
AGENTS = (*TEAMS, *(f"agent-{number}" for number in range(6)))
SECTIONS: dict[str, Any] = {
    "owners": {"platform": {}, "ops": {}, **{team: {} for team in TEAMS.values()}},
    "components": [
        {"tool": "issue_refund", "owner": "platform"},
        {"tool": "find_order", "owner": "platform"},
        {"agent": "refund-agent", "owner": "payments", "depends_on": ["tool:issue_refund"]},
        *({"agent": agent, "owner": team} for agent, team in list(TEAMS.items())[1:]),
    ],
    "defaults": {"owner": "ops"},
    "detectors": {
        "tool.failed": {"reference": "2%"},
        "run.failed": {"reference": "2%"},
        "run.duration_seconds": {"mode": "off"},
        "tool.error_type": {"mode": "off"},
    },
    "changes": {"grace": "5s"},
}


class Fleet:
    """Ten agents that share two tools, on the events topic as foreign producers write."""

    def __init__(self, config: Config, producer: aiokafka.AIOKafkaProducer) -> None:
        self._topic = config.runtime.kafka.topics.events
        self._producer = producer
        self._runs = 0
        self.versions = {"issue_refund": "3", "find_order": "1"}
        self.broken: dict[str, tuple[str, ...]] = {}
        """Tool → agents whose arguments it does not take any more."""

    async def work(self, rounds: int, pause: float = 0.0) -> None:
        """Each agent runs so many times, and calls both tools in each run."""
        for _ in range(rounds):
            for agent in AGENTS:
                self._runs += 1
                await self._run(agent, f"run-{self._runs}")
            await asyncio.sleep(pause)
        await self._producer.flush()

    async def announce(self, component: str, version: str) -> None:
        """A change, as `forewarn emit change` and the webhooks send it: it names no agent."""
        change = {"kind": "change", "id": f"c-{version}", "component": component, "version": version, "author": "kim",
                  "url": "https://git.example/42", "time": time.time()}  # fmt: skip
        await self._producer.send_and_wait(self._topic, json.dumps(change).encode())

    async def _run(self, agent: str, run: str) -> None:
        failed = False
        said: list[dict[str, Any]] = [{"kind": "run_started"}]
        for tool, version in self.versions.items():
            refused = agent in self.broken.get(tool, ())
            failed = failed or refused
            call: dict[str, Any] = {"kind": "tool_call", "tool": tool, "tool_version": version, "status": "ok"}
            said.append(call | ({"status": "error", "error_type": "invalid_arguments"} if refused else {}))
        said.append({"kind": "run_finished", "status": "error" if failed else "ok"})
        for number, fields in enumerate(said):
            event = {
                "agent": agent,
                "version": "v1",
                "run": run,
                "id": f"{run}/{number}",
                "time": time.time(),
                **fields,
            }
            await self._producer.send(self._topic, json.dumps(event).encode(), key=agent.encode())


def about(monitor: KafkaMonitor, tool: str) -> Incident | None:
    """The open page of the tool's owner about this tool."""
    pages = [each for each in monitor.incidents() if each.severity == "page" and each.status == "firing"]
    found = [
        each
        for each in pages
        if each.owner == "platform" and any(alert.labels.get("tool") == tool for alert in each.alerts)
    ]
    return found[0] if found else None


def sufferers(incident: Incident) -> set[tuple[str, str]]:
    return {(each.component, each.owner) for each in incident.impact}


async def named(monitor: KafkaMonitor, fleet: Fleet, tool: str, dependents: set[tuple[str, str]]) -> Incident:
    """Work on until the incident of a tool names its cause and all that suffer."""

    def complete() -> Incident | None:
        incident = about(monitor, tool)
        return incident if incident is not None and incident.causes and sufferers(incident) == dependents else None

    async def work() -> None:
        while complete() is None:
            await fleet.work(1, pause=0.1)

    await asyncio.wait_for(work(), 60.0)
    found = complete()
    assert found is not None
    return found


async def test_a_tools_release_is_named_as_what_breaks_agents_of_other_teams(
    broker: Broker, prefix: str, tmp_path: Path
) -> None:
    config = config_of(broker.bootstrap, prefix, tmp_path, **SECTIONS)
    monitor = monitor_of(config)
    producer = aiokafka.AIOKafkaProducer(bootstrap_servers=broker.bootstrap)
    await monitor.start()
    await producer.start()
    try:
        fleet = Fleet(config, producer)
        await until(lambda: monitor.gauges()["tick_age_seconds"] > 0, what="ticks in the log")
        await fleet.work(20, pause=0.05)
        await until(lambda: sum(each.runs for each in monitor.agents()) == 20 * len(AGENTS), what="all runs counted")

        # Announced: version 4 of a tool takes other arguments; two agents of other teams do not know yet.
        await fleet.announce("tool:issue_refund", "4")
        began = time.time()
        fleet.versions["issue_refund"], fleet.broken["issue_refund"] = "4", ("refund-agent", "order-agent")
        dependents = {("agent:refund-agent", "payments"), ("agent:order-agent", "sales")}
        incident = await named(monitor, fleet, "issue_refund", dependents)
        cause = incident.causes[0]
        assert (cause.component, cause.version, cause.owner) == ("tool:issue_refund", "4", "platform")
        assert (cause.announced, cause.author, cause.url) == (True, "kim", "https://git.example/42")
        assert cause.odds > 0.8, incident
        assert abs(incident.onset - began) < 60.0
        assert incident.onset_from is not None
        assert incident.onset_to is not None
        assert incident.onset_from - 2.0 < began < incident.onset_to + 2.0
        declared = {each.component: each.declared for each in incident.impact}
        assert declared == {"agent:refund-agent": True, "agent:order-agent": False}

        # Not announced: another tool does the same to others; its first sighting names it.
        began = time.time()
        fleet.versions["find_order"], fleet.broken["find_order"] = "2", ("search-agent", "travel-agent")
        dependents = {("agent:search-agent", "search"), ("agent:travel-agent", "travel")}
        incident = await named(monitor, fleet, "find_order", dependents)
        cause = incident.causes[0]
        assert (cause.component, cause.version, cause.owner, cause.announced) == (
            "tool:find_order",
            "2",
            "platform",
            False,
        )
        assert cause.what == "tool_version"
        assert cause.odds > 0.8, incident
        assert abs(incident.onset - began) < 60.0

        # Nobody announced it: that is a notice to its owner, one for all agents, and none for the other tool.
        def unannounced() -> list[str]:
            alerts = [alert for each in monitor.incidents() for alert in each.alerts]
            return [alert.labels["tool"] for alert in alerts if alert.labels["alertname"] == "change.unannounced"]

        await until(unannounced, what="a notice that nobody announced it")
        assert unannounced() == ["find_order"]
        router = monitor.router
        assert router is not None
        told = Counter((each.component, each.version) for each in router.changes_seen() if each.announced)
        assert told == {("tool:issue_refund", "4"): 1}, "copied to every partition, counted once"
    finally:
        await producer.stop()
        await monitor.stop()
