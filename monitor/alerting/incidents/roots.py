"""Root first: which incident is what others suffer from.

Decisions over the open incidents, of which it knows what each may cause and whom it may hit. The one on the deepest
shared dependency owns the matter; the owners of those that depend on it get one line and no page. A parent that absorbs
an episode is its root as well. Invariant: a root has no root itself, so there are no circles.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from monitor.alerting.incidents.dependencies import Dependencies, agents_of
from schemas.alert import Impact, Incident
from schemas.finding import Finding

NEAR_SECONDS = 1_800.0
"""How far apart two onsets may lie to be one story."""
IMPACT = 50
"""Dependents that an incident lists; the first ones stay."""


@dataclass(frozen=True)
class _Standing:
    """What an open incident may cause, whom it hits, and what it absorbs; by its alerts that fire."""

    incident: Incident
    causes: frozenset[str]
    agents: tuple[str, ...]
    keys: tuple[str, ...]
    absorbs: tuple[str, ...]


class Roots:
    """Open incidents by what they may cause and whom they hit."""

    def __init__(self, graph: Dependencies) -> None:
        self._graph = graph
        self._standing: dict[str, _Standing] = {}
        self._index: dict[tuple[str, str], dict[str, None]] = {}

    def set(self, incident: Incident) -> None:
        """An incident is as it is now; one that is over is forgotten."""
        old = self._standing.pop(incident.id, None)
        if old is not None:
            for key in _keys(old):
                self._index[key].pop(incident.id, None)
                if not self._index[key]:
                    del self._index[key]
        if incident.status == "firing":
            new = self._standing[incident.id] = _standing(incident, self._graph)
            for key in _keys(new):
                self._index.setdefault(key, {})[incident.id] = None

    def rooted(self, incident: str) -> list[Incident]:
        """Incidents that have this one as their root."""
        return [self._standing[name].incident for name in self._index.get(("root", incident), ())]

    def around(self, incident: Incident) -> list[str]:
        """Ids of the open incidents whose root may be another after this one changed, itself among them."""
        found = dict.fromkeys(self._index.get(("root", incident.id), ()))
        standing = self._standing.get(incident.id)
        if standing is not None:
            found[incident.id] = None
            hit = self._graph.dependents(standing.causes)
            found.update((name, None) for agent in hit for name in self._index.get(("agent", agent), ()))
            found.update((name, None) for key in standing.absorbs for name in self._index.get(("key", key), ()))
        return sorted(found, key=lambda name: (self._standing[name].incident.opened_at, name))

    def concerning(self, components: Iterable[str]) -> list[Incident]:
        """Open incidents of some components, or of what depends on them, oldest first."""
        components = list(components)
        names = dict.fromkeys(name for each in components for name in self._index.get(("cause", each), ()))
        named = {each.removeprefix("agent:") for each in components if each.startswith("agent:")}
        for agent in named | self._graph.dependents(components):
            names.update(self._index.get(("agent", agent), {}))
        found = [self._standing[name].incident for name in names]
        return sorted(found, key=lambda each: (each.opened_at, each.id))

    def root_of(self, incident: str) -> str:
        """The incident that causes this one; the one that is known if it still does. Empty for none."""
        one = self._standing[incident]
        if self._index.get(("root", incident)):
            return ""  # a root has no root
        names = {name for key in one.keys for name in self._index.get(("absorbs", key), ())}
        for agent in one.agents:
            for component in self._graph.reach(f"agent:{agent}"):
                names.update(self._index.get(("cause", component), ()))
        found = [each for name in names if self._is_root(each := self._standing[name], one)]
        if any(each.incident.id == one.incident.root for each in found):
            return one.incident.root
        return min(found, key=lambda each: (each.incident.opened_at, each.incident.id)).incident.id if found else ""

    def impact_of(self, incident: Incident) -> tuple[Impact, ...]:
        """Who suffers from an incident: those whose own incidents it causes, and the agents in which it was seen."""
        standing = self._standing.get(incident.id)
        causes = frozenset[str]() if standing is None else standing.causes
        found: dict[str, Impact] = {}
        for other in self.rooted(incident.id):
            for agent in self._standing[other.id].agents:
                name = f"agent:{agent}"
                found.setdefault(name, self._impact(name, other.owner, other.opened_at, causes, other.id))
        for alert in incident.alerts:
            if alert.status != "firing" or alert.finding.words:
                continue
            # An agent in which a tool fails suffers from it where the tool's owner is told of that.
            if "agent" not in alert.finding.node or f"agent:{alert.finding.node['agent']}" not in causes:
                for agent in agents_of(alert.finding):
                    name = f"agent:{agent}"
                    found.setdefault(name, self._impact(name, self._graph.owner(name), alert.starts_at, causes, ""))
        return tuple(sorted(found.values(), key=lambda each: (each.since, each.component))[:IMPACT])

    def _is_root(self, root: _Standing, other: _Standing) -> bool:
        one, two = root.incident, other.incident
        if one.id == two.id or one.root:
            return False
        if not set(root.absorbs).isdisjoint(other.keys):
            return True
        near = abs(one.onset - two.onset) <= NEAR_SECONDS
        return one.owner != two.owner and near and root.causes.isdisjoint(other.causes)

    def _impact(self, name: str, owner: str, since: float, causes: Iterable[str], incident: str) -> Impact:
        declared = self._graph.declared(name, causes)
        return Impact(owner=owner, component=name, since=since, declared=declared, incident=incident)


def _standing(incident: Incident, graph: Dependencies) -> _Standing:
    ours = [alert.finding for alert in incident.alerts if alert.status == "firing" and not alert.finding.words]
    return _Standing(
        incident=incident,
        causes=frozenset(name for finding in ours for name in _causes(finding, incident.owner, graph)),
        agents=tuple(dict.fromkeys(finding.node["agent"] for finding in ours if "agent" in finding.node)),
        keys=tuple(finding.incident_key for finding in ours),
        absorbs=tuple(dict.fromkeys(key for finding in ours for key in finding.absorbs)),
    )


def _keys(standing: _Standing) -> list[tuple[str, str]]:
    found = [("cause", name) for name in standing.causes]
    found += [("agent", name) for name in standing.agents]
    found += [("key", name) for name in dict.fromkeys(standing.keys)]
    found += [("absorbs", name) for name in standing.absorbs]
    return [*found, ("root", standing.incident.root)] if standing.incident.root else found


def _causes(finding: Finding, owner: str, graph: Dependencies) -> list[str]:
    node = finding.node
    named = [f"{kind}:{node[kind]}" for kind in ("tool", "model", "provider") if kind in node]
    if "agent" not in node:
        return named
    # A tool that fails in one agent is the tool's matter where its owner is told of it.
    return [name for name in named if graph.has_owner(name, owner)] or [f"agent:{node['agent']}"]
