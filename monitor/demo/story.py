"""What the demo does and says, scene by scene. Each scene ends when the monitor knows enough, not when time is up.

Reads the monitor's own view; decides nothing about findings. Invariant: a scene that does not end within its limit
ends the story with `StoryFailed`, which says what was waited for.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from monitor.demo.scenario import BROKEN_AGENT, BROKEN_TOOL, BROKEN_VERSION, FLEET
from schemas.alert import Incident
from schemas.view import AgentView, SignalView

WARM_SECONDS = 90.0
INCIDENT_SECONDS = 90.0
RESOLVED_SECONDS = 240.0
"""Limits of the scenes, for a machine that is busy; usually they take about 25, 5 and 20 seconds."""

HEALTHY_SECONDS = 3.0
"""How long all is shown to be well before the fault."""
BROKEN_SECONDS = 8.0
"""How long the fault lasts after its incident, so that the message is seen to be updated."""
LOOK_SECONDS = 0.2
PROGRESS_SECONDS = 5.0

Say = Callable[[str], None]


class Monitor(Protocol):
    """What the story wants to know of the running monitor."""

    def agents(self) -> Sequence[AgentView]:
        """Every agent."""
        ...

    def incidents(self) -> Sequence[Incident]:
        """Open and closed incidents."""
        ...


class Fleet(Protocol):
    """What the story does to the fleet."""

    async def break_tool(self) -> None:
        """The fault begins."""
        ...

    async def repair_tool(self) -> None:
        """The fault ends."""
        ...


class StoryFailed(Exception):
    """What should have been seen was not; the message says what."""


async def tell(monitor: Monitor, fleet: Fleet, say: Say, clock: Callable[[], float] = time.time) -> None:
    """From healthy traffic to an incident that is resolved. Raises `StoryFailed`."""
    await _warm_up(monitor, say)
    await asyncio.sleep(HEALTHY_SECONDS)
    say(
        f"Nobody announces it: from now on {BROKEN_TOOL} answers {BROKEN_AGENT} {BROKEN_VERSION} with "
        '{"error": …} while every status says ok.'
    )
    broken_at = clock()
    await fleet.break_tool()
    incident = await _incident(monitor, broken_at)
    await asyncio.sleep(2 * LOOK_SECONDS)  # its message is on its way to the screen
    say(f"{incident.opened_at - broken_at:.0f} seconds after the first bad answer. No user has complained yet.")
    await asyncio.sleep(BROKEN_SECONDS)
    say("The tool is repaired. The incident closes when the evidence says so.")
    repaired_at = clock()
    await fleet.repair_tool()
    resolved = await _resolved(monitor, incident.id)
    await asyncio.sleep(2 * LOOK_SECONDS)
    say(f"Resolved {(resolved.resolved_at or clock()) - repaired_at:.0f} seconds after the repair.")


async def _warm_up(monitor: Monitor, say: Say) -> None:
    owners = len({agent.name for agent in FLEET})
    say(
        f"{owners} agents are at work, {BROKEN_AGENT} in two versions. About 2 % of tool calls and 3 % of runs fail "
        "as they always do. The monitor learns what is normal (200 runs or 20 failures each)."
    )
    began = shown = time.monotonic()
    while True:
        agents = monitor.agents()
        cold = [signal for agent in agents for signal in _watched(agent) if signal.state == "warming up"]
        if agents and len(agents) >= owners and not cold and any(_watched(agent) for agent in agents):
            break
        now = time.monotonic()
        if now - began > WARM_SECONDS:
            raise StoryFailed(f"the references were not learned within {WARM_SECONDS:.0f} s: {_progress(agents)}")
        if now - shown >= PROGRESS_SECONDS:
            shown = now
            say(f"  learning: {_progress(agents)}")
        await asyncio.sleep(LOOK_SECONDS)
    say(f"All references are live: {_progress(monitor.agents())}.")


def _watched(agent: AgentView) -> list[SignalView]:
    """The signals that the fault will show in, and those of the same kind elsewhere."""
    return [signal for signal in agent.signals if signal.signal in ("tool.failed", "run.failed")]


def _progress(agents: Sequence[AgentView]) -> str:
    return ", ".join(f"{agent.agent} {agent.runs} runs" for agent in sorted(agents, key=lambda agent: agent.agent))


async def _incident(monitor: Monitor, since: float) -> Incident:
    """The incident that names the broken tool and version."""
    end = time.monotonic() + INCIDENT_SECONDS
    while time.monotonic() < end:
        for incident in monitor.incidents():
            if incident.opened_at >= since and incident.status == "firing" and any(map(_is_named, incident.alerts)):
                return incident
        await asyncio.sleep(LOOK_SECONDS)
    raise StoryFailed(
        f"no incident named {BROKEN_TOOL} and {BROKEN_AGENT} {BROKEN_VERSION} within {INCIDENT_SECONDS:.0f} s"
    )


def _is_named(alert: object) -> bool:
    labels = getattr(alert, "labels", {})
    wanted = {"agent": BROKEN_AGENT, "version": BROKEN_VERSION, "tool": BROKEN_TOOL}
    return all(labels.get(name) == value for name, value in wanted.items())


async def _resolved(monitor: Monitor, incident: str) -> Incident:
    end = time.monotonic() + RESOLVED_SECONDS
    while time.monotonic() < end:
        for found in monitor.incidents():
            if found.id == incident and found.status == "resolved":
                return found
        await asyncio.sleep(LOOK_SECONDS)
    raise StoryFailed(f"the incident was not resolved within {RESOLVED_SECONDS:.0f} s of the repair")
