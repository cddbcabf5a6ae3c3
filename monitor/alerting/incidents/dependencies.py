"""Who depends on whom: declared in `depends_on`, and learned from what findings say of runs.

It answers questions about components and their owners; which incident is the root of which stands in `roots`. Names are
those of `depends_on`: `agent:refund-agent`, `tool:issue_refund`. Invariant: what is learned is bounded and says when it
was last seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from monitor.alerting.entries import Entries
from schemas.config import Config
from schemas.finding import Finding

AGENTS = 2_000
"""Agents of which something is learned. Beyond, the one that was seen longest ago is forgotten."""
USED = 50
"""Components that one agent was seen to use. Beyond, the one that was seen longest ago is forgotten."""
DEPTH = 8
"""Steps along dependencies that are followed."""
PREFIX = "router/uses/"
KINDS = ("tool", "model", "provider")


class _Uses(Struct):
    agent: str
    seen: dict[str, float] = {}


class Dependencies:
    """The graph of a configuration, and what was learned."""

    def __init__(self, config: Config) -> None:
        self._learned = Entries(PREFIX, _Uses)
        self._seen_in: dict[str, dict[str, None]] = {}
        self.version = 0
        """Another number whenever the graph is another one."""
        self.reload(config)

    def reload(self, config: Config) -> None:
        """Go on with what another configuration declares."""
        self.version += 1
        self._declared = {c.key: frozenset(c.depends_on) for c in config.components}
        self._owners = {c.key: c.owner or config.default_owner for c in config.components}
        self._default = config.default_owner
        self._users: dict[str, list[str]] = {}
        for component, used in self._declared.items():
            for name in used:
                self._users.setdefault(name, []).append(component)

    def owner(self, component: str) -> str:
        """Who is told of a component; the default owner of one that nobody declared."""
        return self._owners.get(component, self._default)

    def has_owner(self, component: str, owner: str) -> bool:
        """Whether the YAML gives this component to this owner."""
        return self._owners.get(component) == owner

    def declared(self, component: str, on: Iterable[str]) -> bool:
        """Whether the YAML says that a component depends on one of others, in whatever number of steps."""
        return not self._reach(component, learned=False).keys().isdisjoint(on)

    def reach(self, component: str) -> set[str]:
        """Everything that a component depends on, declared or learned, without itself."""
        return set(self.steps(component))

    def steps(self, component: str) -> dict[str, int]:
        """Everything that a component depends on, declared or learned, and in how many steps at least."""
        return self._reach(component, learned=True)

    def dependents(self, components: Iterable[str]) -> set[str]:
        """Names of the agents that depend on one of these, declared or learned."""
        found: set[str] = set()
        edge = list(components)
        for _ in range(DEPTH):
            users = [name for one in edge for name in (*self._users.get(one, ()), *self._seen_in.get(one, ()))]
            edge = [name for name in users if name not in found]
            found.update(edge)
            if not edge:
                break
        return {name.removeprefix("agent:") for name in found if name.startswith("agent:")}

    def learn(self, finding: Finding) -> None:
        """Take from a finding which agent uses what."""
        used = [f"{kind}:{finding.node[kind]}" for kind in KINDS if kind in finding.node]
        if not used or finding.words:
            return
        for agent in agents_of(finding):
            self.learn_use(agent, used, finding.time)

    def learn_use(self, agent: str, used: Iterable[str], at: float) -> None:
        """An agent was seen to use some components at `at`, epoch seconds."""
        used = list(used)
        uses = self._learned.get(agent) or _Uses(agent)
        fresh = any(name not in uses.seen for name in used)
        uses.seen.update((name, at) for name in used)
        while len(uses.seen) > USED:
            self._unlearn(uses, min(uses.seen, key=lambda name: (uses.seen[name], name)))
        if fresh:
            self.version += 1
            self._make_room(agent)
            self._learned.put(agent, uses)
            for name in used:
                self._seen_in.setdefault(name, {})[f"agent:{agent}"] = None

    def changes(self) -> list[tuple[str, bytes | None]]:
        """Entries that changed since the last call."""
        return self._learned.changes()

    def load(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """Take up what `changes` gave."""
        self._learned.load(entries)
        self.version += 1
        for uses in self._learned:
            for name in uses.seen:
                self._seen_in.setdefault(name, {})[f"agent:{uses.agent}"] = None

    def _unlearn(self, uses: _Uses, name: str) -> None:
        del uses.seen[name]
        self._seen_in.get(name, {}).pop(f"agent:{uses.agent}", None)

    def _reach(self, component: str, *, learned: bool) -> dict[str, int]:
        """Everything that a component depends on, without itself, and the steps to it."""
        found: dict[str, int] = {}
        edge = [component]
        for step in range(1, DEPTH + 1):
            edge = [name for one in edge for name in self._next(one, learned) if name not in found]
            found.update(dict.fromkeys(edge, step))
            if not edge:
                break
        found.pop(component, None)
        return found

    def _next(self, component: str, learned: bool) -> Iterator[str]:
        yield from self._declared.get(component, ())
        uses = self._learned.get(component.removeprefix("agent:")) if learned else None
        if uses is not None and component.startswith("agent:"):
            yield from uses.seen

    def _make_room(self, agent: str) -> None:
        if agent not in self._learned and len(self._learned) >= AGENTS:
            oldest = min(self._learned, key=lambda uses: (max(uses.seen.values(), default=0.0), uses.agent))
            for name in list(oldest.seen):
                self._unlearn(oldest, name)
            self._learned.drop(oldest.agent)


def agents_of(finding: Finding) -> list[str]:
    """Agents that a finding speaks of: its own, else those in which it was seen."""
    if "agent" in finding.node:
        return [finding.node["agent"]]
    return [side[6:] for side in finding.affected if side.startswith("agent=")]
