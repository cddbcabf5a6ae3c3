"""Root first: which incident is what others suffer from.

Pure decisions over open incidents. The one on the deepest shared dependency owns the matter; the owners of those that
depend on it get one line and no page. A parent that absorbs an episode is its root as well. Invariant: a root has no
root itself, so there are no circles.
"""

from __future__ import annotations

from collections.abc import Iterable

from monitor.alerting.incidents.dependencies import Dependencies, agents_of
from schemas.alert import Impact, Incident
from schemas.finding import Finding

NEAR_SECONDS = 1_800.0
"""How far apart two onsets may lie to be one story."""
IMPACT = 50
"""Dependents that an incident lists; the first ones stay."""


def is_root_of(root: Incident, other: Incident, graph: Dependencies) -> bool:
    """Whether `root` causes `other`: it absorbs it, or `other` depends on it and began at about the same time."""
    if root.id == other.id or root.status != "firing" or root.root:
        return False
    absorbed = {key for alert in root.alerts if alert.status == "firing" for key in alert.finding.absorbs}
    if any(alert.key in absorbed for alert in other.alerts):
        return True
    if root.owner == other.owner or abs(root.onset - other.onset) > NEAR_SECONDS:
        return False
    causes = _components(root, graph)
    if not causes or not causes.isdisjoint(_components(other, graph)):
        return False
    return any(graph.depends(f"agent:{agent}", causes) for agent in _agents(other))


def impact_of(root: Incident, rooted: Iterable[Incident], graph: Dependencies) -> tuple[Impact, ...]:
    """Who suffers from an incident: those whose own incidents it causes, and the agents in which it was seen."""
    causes = _components(root, graph)
    found: dict[str, Impact] = {}
    for other in rooted:
        for agent in _agents(other):
            name = f"agent:{agent}"
            found.setdefault(name, _impact(name, other.owner, other.opened_at, causes, graph, other.id))
    for alert in root.alerts:
        if alert.status == "firing" and "agent" not in alert.finding.node:
            for agent in agents_of(alert.finding):
                name = f"agent:{agent}"
                found.setdefault(name, _impact(name, graph.owner(name), alert.starts_at, causes, graph, ""))
    known = {each.component: each for each in root.impact}
    merged = [known.get(name, each) if not each.incident else each for name, each in found.items()]
    return tuple(sorted(merged, key=lambda each: (each.since, each.component))[:IMPACT])


def _impact(name: str, owner: str, since: float, causes: set[str], graph: Dependencies, incident: str) -> Impact:
    return Impact(owner=owner, component=name, since=since, declared=graph.declared(name, causes), incident=incident)


def _components(incident: Incident, graph: Dependencies) -> set[str]:
    """What an incident can be the cause of, by its alerts that fire."""
    return {
        name
        for alert in incident.alerts
        if alert.status == "firing" and not alert.finding.words
        for name in _of_finding(alert.finding, incident.owner, graph)
    }


def _of_finding(finding: Finding, owner: str, graph: Dependencies) -> list[str]:
    node = finding.node
    named = [f"{kind}:{node[kind]}" for kind in ("tool", "model", "provider") if kind in node]
    if "agent" not in node:
        return named
    # A tool that fails in one agent is the tool's matter where its owner is told of it.
    return [name for name in named if graph.has_owner(name, owner)] or [f"agent:{node['agent']}"]


def _agents(incident: Incident) -> list[str]:
    return list(
        dict.fromkeys(
            alert.finding.node["agent"]
            for alert in incident.alerts
            if alert.status == "firing" and "agent" in alert.finding.node
        )
    )
