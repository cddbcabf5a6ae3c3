"""All nodes above agents: who they are, whose they are, what each drips.

Not here: what they make of evidence (`monitor.evidence.parents`), who of them speaks (`monitor.evidence.aggregator`).
Invariant: the shares of one owner's nodes are never more than one together; each is fixed before the node's first
observation of the epoch.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from detectors import failure
from monitor.evidence import parents
from monitor.evidence.ledger import FORGET_SECONDS, Ledger
from monitor.evidence.outages import cells, choice
from monitor.evidence.outages.state import Parent
from monitor.signals import FAILURE_SIGNALS
from monitor.topology import Topology
from schemas.config import Config

PARENTS: Final = 10_000
"""Nodes above agents. More: no new ones, counted as `parents_refused`; what was quiet for a week makes room."""

_LEVELS: Final = ("tool", "model", "provider", "owner", "fleet")
_OTHER_WEIGHT: Final = 0.01


class Family:
    """Nodes above agents by name. `firing`: names of those that fire; `dirty`: of those that must be saved."""

    def __init__(self, config: Config, topology: Topology, ledger: Ledger, counts: dict[str, int]) -> None:
        self.parents: dict[str, Parent] = {}
        self.firing: set[str] = set()
        self.dirty: set[str] = set()
        self._settings = config.detectors
        self._topology = topology
        self._ledger = ledger
        self._counts = counts
        self._signals: dict[str, dict[str, None]] = {}

    def get(self, name: str, now: float) -> Parent | None:
        """The node of this name; a new one where there is room."""
        parent = self.parents.get(name)
        if parent is not None:
            return parent
        if len(self.parents) >= PARENTS:
            self._counts["parents_refused"] = self._counts.get("parents_refused", 0) + 1
            return None
        signal, level, value = cells.parts_of(name)
        owner = self._owner(level, value)
        share = self._ledger.parent_comes(owner, _group(signal, level), now)
        parent = self.parents[name] = Parent(
            name, signal, level, value, owner, [0.0] * failure.SIZE, now, share, self._mode(signal), {}, onset=now
        )
        self._signals.setdefault(signal, {})[name] = None
        return parent

    def of_signal(self, signal: str) -> list[str]:
        """Names of the nodes of one signal, the narrowest first."""
        return sorted(self._signals.get(signal, ()), key=self.narrow_first)

    def sharing(self, parent: Parent) -> list[Parent]:
        """Nodes that the same fault speaks to, but the node itself."""
        here = (parent.level, parent.value)
        found = []
        for name in self.of_signal(parent.signal):
            other = self.parents[name]
            alike = not other.members.keys().isdisjoint(parent.members)
            if other is not parent and alike and cells.contains((other.level, other.value), here):
                found.append(other)
        if parent.level == "tool":  # runs fail because the tool does
            for name in self.parents:
                other = self.parents[name]
                if other.level != "tool" and other.firing is None and choice.lies_within(other, parent):
                    found.append(other)
        return found

    def turn(self, owner: str, now: float) -> None:
        """A new epoch of an owner: nodes that nobody speaks to are forgotten, the others share anew."""
        mine = [parent for parent in self.parents.values() if parent.owner == owner]
        for parent in mine:
            if parent.firing is None and parents.spoken_to(parent) + FORGET_SECONDS <= now:
                del self.parents[parent.name], self._signals[parent.signal][parent.name]
                self.dirty.add(parent.name)
        mine = [parent for parent in mine if parent.name in self.parents]
        for parent in mine:
            parent.pending = parents.drip(parent, now, self._ledger.parent_rate(owner, parent.mode))
            self.dirty.add(parent.name)
        groups = Counter(_group(parent.signal, parent.level) for parent in mine)
        split = self._ledger.split_parents(owner, groups, {group: _weight(group) for group in groups})
        for parent in mine:
            parent.share = split.share(_group(parent.signal, parent.level))

    def put_back(self, parent: Parent) -> None:
        """A saved node; if the YAML gave it another owner or voice, its evidence starts anew."""
        owner, mode = self._owner(parent.level, parent.value), self._mode(parent.signal)
        if (parent.owner, parent.mode) != (owner, mode):
            if parent.owner != owner:
                parent.share = 0.0  # until its new owner's next epoch
            parent.owner, parent.mode, parent.pending = owner, mode, 0.0
            parents.silence_evidence(parent, parent.last)
            self.dirty.add(parent.name)
        parent.members = {agent: [*counts, 0.0][:4] for agent, counts in parent.members.items()}
        self.parents[parent.name] = parent
        self._signals.setdefault(parent.signal, {})[parent.name] = None
        if parent.firing is not None:
            self.firing.add(parent.name)

    @staticmethod
    def narrow_first(name: str) -> tuple[int, str]:
        """The order in which nodes are stepped."""
        return (_LEVELS.index(cells.parts_of(name)[1]), name)

    def _owner(self, level: str, value: str) -> str:
        if level == "owner":
            return value
        declared = self._topology.declared_owner_of_tool(value) if level == "tool" else None
        return declared or self._topology.default_owner

    def _mode(self, signal: str) -> str:
        setting, row = self._settings.get(signal), FAILURE_SIGNALS.get(signal)
        return (setting.mode if setting is not None else None) or (row.mode if row is not None else "page")


def _group(signal: str, level: str) -> str:
    return f"{signal}|{level}"


def _weight(group: str) -> float:
    row = FAILURE_SIGNALS.get(group.partition("|")[0])
    return row.leaf_share + row.middle_share if row is not None else _OTHER_WEIGHT
