"""Which open incident a new alert belongs to.

Pure, and only a decision: it changes nothing. Two alerts belong together when one owner answers for both, they speak
of the same thing, and their changes began at about the same time. Invariant: a page never joins an incident that has
not paged, for an edited message rings nobody's phone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from monitor.alerting.changes.unannounced import is_unannounced
from schemas.alert import Incident
from schemas.finding import Finding

NEAR_SECONDS = 1800.0
"""How far apart two onsets may lie to be one story. Farther: an incident of its own."""

Uses = Mapping[str, frozenset[str]]
"""Agent → components that it declares to depend on, as `tool:name`, `model:name`."""

_KINDS = ("agent", "tool", "model", "provider")


def home(finding: Finding, incidents: Iterable[Incident], uses: Uses) -> Incident | None:
    """The open incident that `finding` joins: of those that fit, the one with the nearest onset; None for a new one."""
    names, needs = _names(finding), _needs(finding, uses)
    fitting = [
        incident
        for incident in incidents
        if incident.owner == finding.owner
        and incident.status == "firing"
        and (incident.severity == "page" or finding.mode != "page")
        and any(
            (abs(finding.onset - alert.finding.onset) <= NEAR_SECONDS or _told_together(finding, alert.finding))
            and _related(finding, names, needs, alert.finding, uses)
            for alert in incident.alerts
        )
    ]
    return min(
        fitting, key=lambda incident: (_distance(finding, incident), incident.opened_at, incident.id), default=None
    )


def _related(finding: Finding, names: set[str], needs: set[str], other: Finding, uses: Uses) -> bool:
    """Whether two findings speak of the same thing, or one of what the other depends on or belongs to."""
    if is_unannounced(finding) or is_unannounced(other):
        return is_unannounced(finding) and is_unannounced(other)  # it says nothing of how the component does
    others = _names(other)
    if finding.words or other.words:
        # Posted alerts that name nothing of ours are one story only under one name.
        same_name = bool(finding.words) and bool(other.words) and finding.signal == other.signal
        return same_name or not names.isdisjoint(others)
    if not names or not others:
        return True  # the whole fleet, or all that an owner has
    if not names.isdisjoint(others):
        return True
    return ("agent" not in other.node and not needs.isdisjoint(others)) or (
        "agent" not in finding.node and not _needs(other, uses).isdisjoint(names)
    )


def _told_together(finding: Finding, other: Finding) -> bool:
    """Whether one of them says that the other belongs to it, although it began at another time."""
    same = finding.node.get("agent") == other.node.get("agent")
    return same and (other.signal in finding.corroborated or finding.signal in other.corroborated)


def _names(finding: Finding) -> set[str]:
    """What the finding speaks of, as `agent:name`, `tool:name`; empty for the fleet and for all of an owner."""
    node = finding.node
    named = {f"{kind}:{node[kind]}" for kind in _KINDS if kind in node}
    if named:
        named.update(f"agent:{side[6:]}" for side in finding.affected if side.startswith("agent="))
    return named


def _needs(finding: Finding, uses: Uses) -> set[str]:
    """The components that the agents of a finding declare to depend on."""
    if not uses:
        return set()
    agents = (name[6:] for name in _names(finding) if name.startswith("agent:"))
    return {component for agent in agents for component in uses.get(agent, ())}


def _distance(finding: Finding, incident: Incident) -> float:
    return min(abs(finding.onset - alert.finding.onset) for alert in incident.alerts)
