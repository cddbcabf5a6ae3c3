"""How one agent speaks: findings get their name, and what belongs to them on the other side of the agent's state.

It refers to what it reads and not to the agent, which would be a reference cycle: thousands of agents go when their
partition does, and must not wait until Python looks for cycles.
"""

from __future__ import annotations

from collections.abc import Callable

from monitor.drift.banks.profile import Profile
from monitor.evidence import words
from monitor.evidence.judged import verifiers
from monitor.evidence.within.node import Node
from monitor.saved.states import Key
from schemas.finding import Finding


class Speaker:
    """`emit` takes what is said."""

    def __init__(self, agent: str, partition: int, emit: Callable[[Finding], None]) -> None:
        self.agent = agent
        self.partition = partition
        self.offset = -1
        """Of the latest record that the agent took."""
        self.profile: Profile | None = None
        """What the agent knows of its drift, once there is any."""
        self.firing: dict[Key, Node] = {}
        self._emit = emit

    def emit(self, finding: Finding) -> None:
        """Say something, with what belongs to it."""
        banks = () if self.profile is None else self.profile.banks.values()
        self._emit(verifiers.both(finding, banks, self.firing.values()))

    def identify(self, *parts: str | None) -> str:
        """The name of a finding of these parts, after the present record."""
        return words.name(self.agent, self.partition, self.offset, *parts)
