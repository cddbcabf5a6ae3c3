"""Runs of two versions, written by tests and benchmarks: canaries beside what serves, shadows on the same inputs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from monitor.engine import Engine, Step
from schemas.config import Config
from schemas.event import Event
from schemas.news import RolloutSeen
from tests.doubles.fleet_log import START, log


@dataclass
class Side:
    """One run. `tool`: the one that it calls, with `order` as its argument; `seconds`: how long it takes."""

    at: float
    name: str
    version: str | None = "v1"
    variant: str = "stable"
    failed: bool = False
    pair: str | None = None
    session: str | None = None
    tool: str | None = None
    tool_failed: bool = False
    order: int = 0
    seconds: float = 1.0
    cost_usd: float | None = None
    outcome: str | None = None
    agent: str = "x"


def events(sides: Iterable[Side]) -> list[Event]:
    """The events of runs in the order of time."""
    found: list[Event] = []
    for side in sides:
        common: dict[str, Any] = {
            "agent": side.agent, "version": side.version, "run": side.name, "variant": side.variant,
            "pair": side.pair, "session": side.session,
        }  # fmt: skip
        found.append(Event(kind="run_started", time=side.at, id=f"{side.name}.s", **common))
        if side.tool is not None:
            found.append(
                Event(
                    kind="tool_call", time=side.at, id=f"{side.name}.t", tool=side.tool, soft_error=side.tool_failed,
                    arguments_hash=side.order, result_hash=side.order, **common,
                )
            )  # fmt: skip
        found.append(
            Event(
                kind="run_finished", time=side.at + side.seconds, id=f"{side.name}.f",
                status="error" if side.failed else "ok", outcome=side.outcome, cost_usd=side.cost_usd, **common,
            )
        )  # fmt: skip
    found.sort(key=lambda event: event.at)
    return found


def change(at: float, version: str, stage: str, agent: str = "x", previous: str | None = None) -> Event:
    """An announced change of an agent."""
    return Event(
        kind="change", time=at, id=f"{version} {stage} {at}", component=f"agent:{agent}", version=version,
        stage=stage, previous=previous,  # type: ignore[arg-type]
    )  # fmt: skip


def config(**rollout: Any) -> Config:
    """A small file."""
    return Config.model_validate(
        {"owners": {"one": {}}, "detectors": {"agent.traffic": {"mode": "off"}}, "rollout": rollout}
    )


def told(settings: Config, happened: list[Event], **options: float) -> tuple[Engine, list[RolloutSeen]]:
    """All of it through one engine; what it said of rollouts."""
    engine = Engine(settings)
    step: Step = engine.step(log(happened, **options))
    return engine, [news for news in step.news if isinstance(news, RolloutSeen)]


def minute(number: int) -> float:
    """The start of the n-th minute."""
    return START + 60.0 * number
