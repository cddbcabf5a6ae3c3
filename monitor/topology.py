"""Components, their owners, and what they depend on, as the YAML declares them. Immutable once built."""

from __future__ import annotations

from schemas.config import Config


class Topology:
    """Who owns what. An undeclared component belongs to who uses it, and in the end to the default owner."""

    def __init__(self, config: Config) -> None:
        self.default_owner = config.default_owner
        self._owners = {c.key: c.owner or self.default_owner for c in config.components}
        self._depends_on = {c.key: tuple(c.depends_on) for c in config.components}

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
