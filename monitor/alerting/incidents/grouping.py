"""Which open incident a new alert belongs to.

Pure, and only a decision: it changes nothing. Two alerts belong together when one owner answers for both, they speak
of the same thing, and their changes began at about the same time. Invariant: a page never joins an incident that has
not paged, for an edited message rings nobody's phone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from schemas.alert import Incident
from schemas.finding import Finding

NEAR_SECONDS = 1800.0
"""How far apart two onsets may lie to be one story. Farther: an incident of its own."""

Uses = Mapping[str, frozenset[str]]
"""Agent → components that it declares to depend on, as `tool:name`, `model:name`."""

_SHARED = ("tool", "model", "provider")


def home(finding: Finding, incidents: Iterable[Incident], uses: Uses) -> Incident | None:
    """The open incident that `finding` joins: of those that fit, the one with the nearest onset; None for a new one."""
    fitting = [
        incident
        for incident in incidents
        if incident.owner == finding.owner
        and incident.status == "firing"
        and (incident.severity == "page" or finding.mode != "page")
        and any(related(finding, alert.finding, uses) for alert in incident.alerts)
    ]
    return min(
        fitting, key=lambda incident: (_distance(finding, incident), incident.opened_at, incident.id), default=None
    )


def related(one: Finding, other: Finding, uses: Uses) -> bool:
    """Whether two findings of one owner tell one story."""
    return abs(one.onset - other.onset) <= NEAR_SECONDS and (
        _is_wide(one)
        or _is_wide(other)
        or any(name in one.node and one.node[name] == other.node.get(name) for name in _SHARED)
        or not _agents(one).isdisjoint(_agents(other))
        or _uses(one, other, uses)
        or _uses(other, one, uses)
    )


def _is_wide(finding: Finding) -> bool:
    """The whole fleet, or all that an owner has."""
    return not any(name in finding.node for name in ("agent", *_SHARED))


def _agents(finding: Finding) -> set[str]:
    named = {side.removeprefix("agent=") for side in finding.affected if side.startswith("agent=")}
    return named | {finding.node["agent"]} if "agent" in finding.node else named


def _uses(user: Finding, used: Finding, uses: Uses) -> bool:
    """Whether an agent of `user` declares that it depends on the component that `used` speaks of as a whole."""
    if "agent" in used.node:
        return False
    components = {f"{name}:{used.node[name]}" for name in _SHARED if name in used.node}
    return any(not components.isdisjoint(uses.get(agent, frozenset())) for agent in _agents(user))


def _distance(finding: Finding, incident: Incident) -> float:
    return min(abs(finding.onset - alert.finding.onset) for alert in incident.alerts)
