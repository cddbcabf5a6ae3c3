"""The monitor on Kafka with its real parts, for tests and benchmarks: intake, outbox and dispatcher as in production.

Only where messages end differs: the notifiers are the caller's.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from monitor.alerting.routing.receivers import plan
from monitor.intake import bodies, dead_letters, otlp, spans
from monitor.intake.assembler import Assembler
from monitor.notify.delivery import Delivery, Notifier
from monitor.notify.dispatch import Dispatcher
from monitor.notify.outbox import Outbox
from monitor.notify.slack.workspace import Workspace
from monitor.reading import Reader
from monitor.runtime.clock import SteadyClock
from monitor.runtime.kafka.live import KafkaMonitor, Parts
from monitor.runtime.kafka.partition import LetterParts
from monitor.runtime.kafka.traces.spans import SpanParts
from schemas.config import Config, Topics


def config_of(
    bootstrap: str,
    prefix: str,
    directory: Path,
    *,
    partitions: int = 4,
    security: Mapping[str, Any] | None = None,
    kafka: Mapping[str, Any] | None = None,
    trace_timeout: str = "5s",
    **sections: Any,
) -> Config:
    """A configuration whose topics and group start with `prefix`; `kafka` adds to `runtime.kafka`."""
    names = {field: f"{prefix}.{field}" for field in Topics.model_fields}
    runtime = {
        "kind": "kafka",
        "directory": str(directory),
        "trace_timeout": trace_timeout,
        "kafka": {
            "bootstrap_servers": bootstrap,
            "partitions": partitions,
            "group": prefix,
            "topics": names,
            "security": dict(security or {}),
            **(kafka or {}),
        },
    }
    return Config.model_validate({"runtime": runtime, **sections})


def parts_of(config: Config, notifiers: Callable[[], Mapping[str, Notifier]], *, slack: bool = False) -> Parts:
    """The real parts, with notifiers by target."""
    clock = SteadyClock()
    span_parts = SpanParts(
        otlp.decode_traces,
        otlp.decode_logs,
        spans.encode,
        spans.decode,
        spans.key,
        lambda: Assembler(trace_timeout=config.runtime.trace_timeout, keep_text=True, reader=Reader(config)),
    )
    return Parts(
        bodies.read_events,
        span_parts,
        LetterParts(dead_letters.dead_letter, dead_letters.encode),
        lambda: Outbox(plan(config, slack=slack), config.default_owner),
        lambda outbox, commit, may: Dispatcher(outbox, notifiers(), commit, clock, may),  # type: ignore[arg-type]
    )


class Recorder:
    """A notifier that remembers what it was told to show: revision by incident."""

    def __init__(self) -> None:
        self.shown: dict[str, Delivery] = {}
        self.posts: list[str] = []

    async def send(self, delivery: Delivery) -> str:
        """Show it."""
        if delivery.reference is None:
            self.posts.append(delivery.incident)
        self.shown[delivery.incident] = delivery
        return delivery.incident

    def turn(self, delivery: Delivery, now: float) -> float:
        """At once."""
        del delivery
        return now


def monitor_of(
    config: Config,
    notifiers: Mapping[str, Notifier] | None = None,
    *,
    slack: bool = False,
    clock: SteadyClock | None = None,
) -> KafkaMonitor:
    """A monitor that is not started; without notifiers each target is a recorder of its own."""
    told: Mapping[str, Notifier] = notifiers if notifiers is not None else recorders(config, Recorder())
    return KafkaMonitor(config, parts_of(config, lambda: told, slack=slack), clock or SteadyClock(), "test")


def recorders(config: Config, recorder: Notifier, *, slack: bool = False) -> dict[str, Notifier]:
    """The same notifier for every target of the plan."""
    return {target.name: recorder for targets in plan(config, slack=slack).values() for target in targets}


async def until(condition: Callable[[], Any], seconds: float = 30.0, what: str = "the condition") -> Any:
    """Wait until it holds; what it returned. Raises `TimeoutError` that says what was waited for."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not hold within {seconds:.0f} s")
        await asyncio.sleep(0.05)
    return found


def workspace_of(config: Config) -> Workspace | None:
    """The Slack of the configuration, where it has a token."""
    token = config.slack.bot_token
    return None if token is None else Workspace(token.get_secret_value(), base_url=config.slack.base_url)


def notifiers_of(config: Config) -> dict[str, Notifier]:
    """Slack for its targets, where the configuration has a token; what only notes for the others."""
    found: dict[str, Notifier] = {}
    workspace = workspace_of(config)
    for targets in plan(config, slack=config.slack.bot_token is not None).values():
        for target in targets:
            if target.kind == "slack" and workspace is not None:
                found[target.name] = workspace.notifier(target.channel, config)
            else:
                found[target.name] = Recorder()
    return found


async def run(config: Config) -> None:
    """A monitor for a subprocess that the test kills: messages go to the Slack of the configuration."""
    slack = config.slack.bot_token is not None
    monitor = monitor_of(config, notifiers_of(config), slack=slack)
    await monitor.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await monitor.wait()


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    asyncio.run(run(config_of(given.pop("bootstrap"), given.pop("prefix"), Path(given.pop("directory")), **given)))
