"""What the demo does and says, scene by scene. Each scene ends when the monitor knows enough, not when time is up.

Reads the monitor's own view; decides nothing about findings. Invariant: a scene that does not end within its limit
ends the story with `StoryFailed`, which says what was waited for.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
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

    def signals(self, agent: str) -> Sequence[SignalView]:
        """What an agent's runs show."""
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
    say(f"That was {_seconds(incident.opened_at - broken_at)} after the first bad answer. Nobody has complained yet.")
    await asyncio.sleep(BROKEN_SECONDS)
    say("The tool is repaired. The incident closes when the evidence says so.")
    repaired_at = clock()
    await fleet.repair_tool()
    resolved_at = await _resolved(monitor, broken_at)
    await asyncio.sleep(2 * LOOK_SECONDS)
    say(f"Resolved {_seconds(resolved_at - repaired_at)} after the repair.")


async def _warm_up(monitor: Monitor, say: Say) -> None:
    owners = len({agent.name for agent in FLEET})
    say(
        f"{owners} agents are at work, {BROKEN_AGENT} in two versions. About 2 % of tool calls and 3 % of runs fail "
        "as they always do. The monitor learns what is normal (200 runs or 20 failures each)."
    )
    began = shown = time.monotonic()
    while True:
        agents = monitor.agents()
        watched = [signal for agent in agents for signal in _watched(monitor.signals(agent.agent))]
        if len(agents) >= owners and watched and not any(signal.state == "warming up" for signal in watched):
            break
        now = time.monotonic()
        if now - began > WARM_SECONDS:
            raise StoryFailed(f"the references were not learned within {WARM_SECONDS:.0f} s: {_progress(agents)}")
        if now - shown >= PROGRESS_SECONDS:
            shown = now
            say(f"Learning: {_progress(agents)}")
        await asyncio.sleep(LOOK_SECONDS)
    say(f"All references are live: {_progress(monitor.agents())}.")


def _watched(signals: Iterable[SignalView]) -> list[SignalView]:
    """The signals that the fault will show in, and those of the same kind elsewhere."""
    return [signal for signal in signals if signal.signal in ("tool.failed", "run.failed")]


def _progress(agents: Sequence[AgentView]) -> str:
    return ", ".join(f"{agent.agent} {agent.runs} runs" for agent in sorted(agents, key=lambda agent: agent.agent))


def _seconds(seconds: float) -> str:
    whole = max(1, round(seconds))
    return "1 second" if whole == 1 else f"{whole} seconds"


async def _incident(monitor: Monitor, since: float) -> Incident:
    """The incident that names the broken tool and version."""
    end = time.monotonic() + INCIDENT_SECONDS
    while time.monotonic() < end:
        firing = [incident for incident in _named(monitor, since) if incident.status == "firing"]
        if firing:
            return firing[0]
        await asyncio.sleep(LOOK_SECONDS)
    raise StoryFailed(
        f"no incident named {BROKEN_TOOL} and {BROKEN_AGENT} {BROKEN_VERSION} within {INCIDENT_SECONDS:.0f} s"
    )


async def _resolved(monitor: Monitor, since: float) -> float:
    """When the last incident about the broken tool was resolved, epoch seconds."""
    end = time.monotonic() + RESOLVED_SECONDS
    while time.monotonic() < end:
        incidents = _named(monitor, since)
        if all(incident.status == "resolved" for incident in incidents):
            return max(incident.resolved_at or 0.0 for incident in incidents)
        await asyncio.sleep(LOOK_SECONDS)
    raise StoryFailed(f"the incident was not resolved within {RESOLVED_SECONDS:.0f} s of the repair")


def _named(monitor: Monitor, since: float) -> list[Incident]:
    """Incidents that opened since then and name the broken tool of the broken version."""
    wanted = {"agent": BROKEN_AGENT, "version": BROKEN_VERSION, "tool": BROKEN_TOOL}
    return [
        incident
        for incident in monitor.incidents()
        if incident.opened_at >= since and any(wanted.items() <= alert.labels.items() for alert in incident.alerts)
    ]
