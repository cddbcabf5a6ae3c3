"""Components, their owners, and what they depend on, as the YAML declares them. Immutable once built."""

from __future__ import annotations

from schemas.config import Config, Contract, Objective, RolloutSettings


class Topology:
    """Who owns what. An undeclared component belongs to who uses it, and in the end to the default owner."""

    def __init__(self, config: Config) -> None:
        self.default_owner = config.default_owner
        self._owners = {c.key: c.owner or self.default_owner for c in config.components}
        self._depends_on = {c.key: tuple(c.depends_on) for c in config.components}
        self._agents = {c.agent: c for c in config.components if c.agent is not None}
        self._users: dict[str, list[str]] = {}
        for agent, component in self._agents.items():
            for key in component.depends_on:
                self._users.setdefault(key, []).append(agent)
        self._rollout = config.rollout
        self.slice_labels = tuple(config.slices.labels)
        """Labels of runs that are slices."""

    def owner_of_agent(self, agent: str) -> str:
        """The owner who is told when this agent fails."""
        return self._owners.get(f"agent:{agent}", self.default_owner)

    def owner_of_tool(self, tool: str, agent: str) -> str:
        """A declared tool has its own owner; another one belongs to the owner of the agent that calls it."""
        return self._owners.get(f"tool:{tool}") or self.owner_of_agent(agent)

    def declared_owner_of_tool(self, tool: str) -> str | None:
        """The tool's owner if the YAML names one."""
        return self._owners.get(f"tool:{tool}")

    def depends_on(self, key: str) -> tuple[str, ...]:
        """Declared dependencies of a component, as `kind:name`."""
        return self._depends_on.get(key, ())

    def agents_on(self, key: str) -> list[str]:
        """Agents that declare to depend on a component."""
        return self._users.get(key, [])

    def objective_of(self, agent: str) -> Objective | None:
        """The agent's objective, if it has one."""
        component = self._agents.get(agent)
        return component.objectives[0] if component is not None and component.objectives else None

    def contract_of(self, agent: str) -> Contract | None:
        """The agent's contract, if it has one."""
        component = self._agents.get(agent)
        return component.contract if component is not None else None

    def rollout_of(self, agent: str) -> RolloutSettings:
        """How versions of the agent are compared: its own settings over those of the file."""
        component = self._agents.get(agent)
        own = component.rollout if component is not None else None
        if own is None:
            return self._rollout
        return self._rollout.model_copy(update={name: getattr(own, name) for name in own.model_fields_set})
