"""Who depends on a component: what the YAML declares, and what was seen in runs, followed from user to user.

Pure, without state. Not the graph of incidents (`monitor.alerting.incidents.dependencies`): that learns from findings,
this reads what the runs of every agent used (`monitor.readiness.carried`). Names are those of `depends_on`. Seen are
tools, models, providers, retrievers and agents; prompts are only declared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from schemas.config import DAY, Component, Config
from schemas.view import Dependent, Dependents, SeenView, UseView

DEPTH = 8
"""Dependencies that are followed, one behind the other."""
DEPENDENTS = 1_000
"""Dependents that one answer names, the nearest first. The others are counted in `left_out`."""
KINDS = ("agent", "tool", "prompt", "model", "retriever", "provider")
"""Kinds of component that may be asked for."""


class _Edge(Struct, frozen=True):
    """`user` depends on `used`."""

    user: str
    used: str
    declared: bool
    fallback: bool = False
    use: UseView | None = None


class Graph:
    """Everything that is declared, and what was seen.

    `now`: when it was looked at, epoch seconds; else the latest event stands for it. `asked`: whether runs were looked
    at.
    """

    def __init__(self, config: Config, seen: Sequence[SeenView] = (), *, now: float = 0.0, asked: bool = True) -> None:
        self._config = config
        self._now = now
        self._asked = asked
        self._declared = {component.key: component for component in config.components}
        self._seen = {f"agent:{view.agent}": view for view in seen}
        self._users: dict[str, dict[str, _Edge]] = {}
        for edge in (*self._written(), *self._watched()):
            self._put(edge)

    @property
    def components(self) -> list[str]:
        """Every component that is declared, depended on, or was seen; sorted."""
        found = {*self._declared, *self._seen, *self._users}
        return sorted(found.union(user for users in self._users.values() for user in users))

    def owner(self, component: str) -> str:
        """Who is told of a component."""
        declared = self._declared.get(component)
        return (declared.owner if declared is not None else None) or self._config.default_owner

    def dependents(self, component: str) -> Dependents:
        """Who depends on it, directly or through others; each once, by the shortest way."""
        found: dict[str, Dependent] = {}
        edge, safe = [component], {component: True}
        for steps in range(1, DEPTH + 1):
            fresh: dict[str, _Edge] = {}
            for used in edge:
                for user, each in sorted(self._users.get(used, {}).items()):
                    if user != component and user not in found and (user not in fresh or not fresh[user].declared):
                        fresh[user] = each
            for user, each in fresh.items():
                safe[user] = each.declared and safe[each.used]
                found[user] = self._dependent(each, steps, declared=safe[user])
            edge = list(fresh)
            if not edge:
                break
        shown = sorted(found.values(), key=lambda each: (each.steps, each.owner, each.component))
        return Dependents(
            component=component,
            owner=self.owner(component),
            known=component in self.components,
            declared=component in self._declared,
            asked=self._asked,
            time=self._now or max((view.last_seen for view in self._seen.values()), default=0.0),
            dependents=tuple(shown[:DEPENDENTS]),
            left_out=max(len(shown) - DEPENDENTS, 0),
        )

    # -- inner

    def _written(self) -> Iterator[_Edge]:
        for component in self._config.components:
            for used in component.depends_on:
                yield _Edge(component.key, used, declared=True)
            if component.fallback is not None and ":" in component.fallback:
                yield _Edge(component.key, component.fallback, declared=True, fallback=True)

    def _watched(self) -> Iterator[_Edge]:
        for name, view in self._seen.items():
            for use in view.uses:
                yield _Edge(name, use.component, declared=False, use=use)
            for use in view.callers:
                yield _Edge(use.component, name, declared=False, use=use)

    def _put(self, edge: _Edge) -> None:
        """One edge of two components; what is declared and what was seen of it are together."""
        known = self._users.setdefault(edge.used, {}).get(edge.user)
        if known is not None:
            edge = _Edge(
                edge.user,
                edge.used,
                declared=known.declared or edge.declared,
                fallback=all(each.fallback for each in (known, edge) if each.declared)
                and (known.declared or edge.declared),
                use=known.use or edge.use,
            )
        self._users[edge.used][edge.user] = edge

    def _dependent(self, edge: _Edge, steps: int, *, declared: bool) -> Dependent:
        view = self._seen.get(edge.user)
        component = self._declared.get(edge.user)
        return Dependent(
            component=edge.user,
            owner=self.owner(edge.user) if component is not None or view is None else view.owner,
            steps=steps,
            through=edge.used,
            declared=declared,
            seen=edge.use is not None,
            fallback=edge.fallback,
            runs_per_minute=view.runs_per_minute if view is not None else None,
            share=_share(edge, view),
            last_seen=edge.use.last_seen if edge.use is not None else None,
            objectives=objectives(component),
        )


def objectives(component: Component | None) -> tuple[str, ...]:
    """What a component promises, in words: `success 97% over 30d`."""
    if component is None:
        return ()
    return tuple(f"{each.name} {each.target * 100:g}% over {_days(each.window)}" for each in component.objectives)


def _share(edge: _Edge, view: SeenView | None) -> float | None:
    """Of an agent's own latest runs, those that used the component. Of a caller only the other side counted."""
    if view is None or not view.runs:
        return None
    use = next((each for each in view.uses if each.component == edge.used), None)
    return None if use is None else use.runs / view.runs


def _days(seconds: float) -> str:
    return f"{seconds / DAY:g}d" if seconds >= DAY else f"{seconds / 3_600.0:g}h"
