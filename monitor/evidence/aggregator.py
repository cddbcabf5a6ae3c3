"""Nodes above agents (tool, owner, fleet), fed with sums of log L per agent and tick, and the ledger.

A parent multiplies in the same e-values that the agents' own nodes saw (T4). It bets for real only once two agents
(the fleet: two owners) speak to it, because with one it would be that agent's node again; and what one agent explains
is left to that agent's nodes, which know the version. What an agent said for a tick is taken once; what comes late
goes into the next tick.

Invariants: the state depends on which evidence came between two ticks, never on its order. One fault is paged by one
node as far as this side can see to it: an agent that fires, or an owner that does, is no evidence for those above.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import Struct

from detectors import failure, recursion, shares
from monitor.evidence import parents, words
from monitor.evidence.ledger import Book, Ledger
from monitor.evidence.parents import Parent
from monitor.topology import Topology
from schemas.config import Config
from schemas.finding import Finding
from schemas.records import Evidence, EvidenceBatch, Grant
from schemas.view import BudgetView

VERSION = b"\x01"
PARENTS = 10_000
"""Nodes above agents. More: no new ones, counted as `parents_refused`."""


QUIET_SECONDS = 3600.0
"""A firing parent that hears nothing for so long says so, once."""
_LEVELS = ("tool", "owner", "fleet")


class _Clock(Struct, array_like=True):
    now: float
    heard: dict[str, float]
    fired: list[tuple[str, str]]
    """Parents, and agents below them that fired since the last tick."""


class Aggregator:
    """Evidence and findings of agents in; findings of parents and grants out."""

    def __init__(self, config: Config) -> None:
        self.counts: dict[str, int] = {}
        self._topology = Topology(config)
        self._settings = config.detectors
        self.ledger = Ledger(config, self.counts)
        self.parents: dict[str, Parent] = {}
        self._now = 0.0
        self._heard: dict[str, float] = {}
        self._heard_more = False
        self._pending: dict[str, dict[str, Evidence]] = {}
        self._asked: list[tuple[str, str]] = []
        self._fired: set[tuple[str, str]] = set()
        self._firing: set[str] = set()
        self._parents_of: dict[str, int] = {}
        self._dirty: set[str] = set()

    def take(self, batch: EvidenceBatch) -> None:
        """What one agent's runs of one tick say. The same batch again changes nothing."""
        if self._heard.get(batch.agent, -1.0) >= batch.time:
            self._count("evidence_repeated")
            return
        self._heard[batch.agent] = batch.time
        self._heard_more = True
        self.ledger.seen(batch.agent, batch.time)
        self._asked += [(owner, batch.agent) for owner in batch.accounts]
        for evidence in batch.evidence:
            by_agent = self._pending.setdefault(evidence.node, {})
            earlier = by_agent.get(batch.agent)
            by_agent[batch.agent] = evidence if earlier is None else parents.add(earlier, evidence)

    def spend(self, findings: Iterable[Finding]) -> None:
        """Findings of agents that began an episode: they were paid from their owner's budget."""
        for finding in findings:
            if finding.status == "firing":
                self.ledger.spend(finding.owner, finding.mode, finding.time)
                agent, tool = finding.node.get("agent"), finding.node.get("tool")
                if agent is not None:
                    above = (f"tool|{tool}",) if tool else (f"owner|{self._topology.owner_of_agent(agent)}", "fleet|")
                    self._fired |= {(f"{finding.signal}|{level}", agent) for level in above}
                    self._heard_more = True

    def tick(self, now: float) -> tuple[list[Finding], list[Grant]]:
        """Close a tick: step the parents that heard something, and turn epochs that are over."""
        self._now = now
        grants = self.ledger.tick(now)
        for owner, agent in sorted(set(self._asked)):
            grant = self.ledger.ask(owner, agent, now)
            if grant is not None:
                grants.append(grant)
        self._asked = []
        for name, agent in sorted(self._fired):
            if name in self.parents:
                self._dirty.add(name)
                if parents.leave_to(self.parents[name], agent, now):
                    self._pending.get(name, {}).pop(agent, None)
        findings: list[Finding] = []
        for name in sorted(self._pending, key=_narrow_first):
            parent = self._parent(name, now)
            if parent is not None and self._pending[name]:
                self._step(parent, self._pending[name], now, findings)
        for name in sorted(self._firing):
            parent = self.parents[name]
            if parent.firing is not None and not parent.firing.quiet and now - parent.last >= QUIET_SECONDS:
                parent.firing.quiet = True
                self._dirty.add(name)
                findings.append(parents.say(parent, "update", now, words.no_data_since(parent.last)))
        self._pending = {}
        self.spend(findings)
        self._heard_more |= bool(self._fired)
        self._fired = set()
        return findings, grants

    def budgets(self) -> list[BudgetView]:
        """Granted and spent per owner."""
        return self.ledger.view(self._now)

    # -- state

    def changes(self) -> list[tuple[str, bytes | None]]:
        """Entries that changed since the last call. To be called after a tick, when nothing is pending."""
        changed: dict[str, Parent | Book | _Clock] = {
            **{f"aggregator/parent/{name}": self.parents[name] for name in sorted(self._dirty)},
            **{f"aggregator/book/{owner}": self.ledger.books[owner] for owner in sorted(self.ledger.dirty)},
        }
        if changed or self._heard_more:
            changed["aggregator/clock"] = _Clock(self._now, self._heard, sorted(self._fired))
        entries: list[tuple[str, bytes | None]] = [
            (key, VERSION + msgspec.msgpack.encode(value)) for key, value in changed.items()
        ]
        self._heard_more = False
        self._dirty.clear()
        self.ledger.dirty.clear()
        return entries

    def load(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """Put back saved entries; keys of others are ignored."""
        for key, value in entries:
            if key.startswith("aggregator/parent/"):
                parent = msgspec.msgpack.decode(value[1:], type=Parent)
                self._put_back(parent)
            elif key.startswith("aggregator/book/"):
                book = msgspec.msgpack.decode(value[1:], type=Book)
                self.ledger.restore(book)
            elif key == "aggregator/clock":
                clock = msgspec.msgpack.decode(value[1:], type=_Clock)
                self._now, self._heard, self._fired = clock.now, clock.heard, set(clock.fired)
        for name in sorted(self.parents):
            parent = self.parents[name]
            if parent.share == 0.0:
                parent.share = self._share(parent.owner)

    # -- inner

    def _step(self, parent: Parent, by_agent: dict[str, Evidence], now: float, findings: list[Finding]) -> None:
        self._dirty.add(parent.name)
        for agent in sorted(by_agent):
            speaker = agent if parent.level != "fleet" else self._topology.owner_of_agent(agent)
            parents.note(parent, agent, speaker, by_agent[agent])
        total = parents.total([by_agent[agent] for agent in sorted(by_agent)])
        rate = self.ledger.parent_rate(parent.owner, parent.mode) * parent.share
        flowed = rate * max(now - parent.last, 0.0)
        parent.last = max(now, parent.last)
        if parent.firing is not None:
            if parents.observe_firing(parent, total):
                self._resolve(parent, "the signal is back", now, findings)
            elif parents.has_news(parent, now):
                findings.append(parents.say(parent, "update", now))
            return
        fleet = f"{parent.signal}|fleet|"
        if len(parent.speakers) < parents.SPEAKERS or (parent.level == "owner" and fleet in self._firing):
            return
        if parent.level == "fleet" and self._firing:
            owned = {agent: f"{parent.signal}|owner|{self._topology.owner_of_agent(agent)}" for agent in by_agent}
            by_agent = {agent: piece for agent, piece in by_agent.items() if owned[agent] not in self._firing}
            if not by_agent:
                return
            total = parents.total([by_agent[agent] for agent in sorted(by_agent)])
        parents.date(parent, by_agent, total, now)
        if recursion.step_sums(parent.evidence, total.sums, failure.LONG_WEIGHTS, flowed):
            if parents.explained_by(parent) is not None:
                self._count("left_to_agents")
                parents.silence_evidence(parent, now)
                return
            parents.fire(parent, now)
            self._firing.add(parent.name)
            findings.append(parents.say(parent, "firing", now))
            if parent.level == "owner" and fleet in self.parents:
                self._dirty.add(fleet)
                parents.silence_evidence(self.parents[fleet], now)

    def _resolve(self, parent: Parent, reason: str, now: float, findings: list[Finding]) -> None:
        findings.append(parents.say(parent, "resolved", now, reason))
        parents.end(parent, now)
        self._firing.discard(parent.name)
        self._dirty.add(parent.name)

    def _put_back(self, parent: Parent) -> None:
        """A saved parent; if the YAML gave it another owner or voice, its evidence starts anew."""
        owner, mode = self._owner(parent.level, parent.value), self._mode(parent.signal)
        if (parent.owner, parent.mode) != (owner, mode):
            if parent.owner != owner:
                parent.share = 0.0  # until all of its new owner's are counted
            parent.owner, parent.mode = owner, mode
            parents.silence_evidence(parent, parent.last)
            self._dirty.add(parent.name)
        self.parents[parent.name] = parent
        if parent.share > 0.0:
            self._parents_of[owner] = self._parents_of.get(owner, 0) + 1
        if parent.firing is not None:
            self._firing.add(parent.name)

    def _parent(self, name: str, now: float) -> Parent | None:
        parent = self.parents.get(name)
        if parent is not None:
            return parent
        if len(self.parents) >= PARENTS:
            self._count("parents_refused")
            return None
        signal, level, value = name.split("|", 2)
        owner = self._owner(level, value)
        parent = self.parents[name] = Parent(
            name, signal, level, value, owner, [0.0] * failure.SIZE, now, self._share(owner), self._mode(signal), {},
            onset=now,
        )  # fmt: skip
        return parent

    def _owner(self, level: str, value: str) -> str:
        if level == "owner":
            return value
        declared = self._topology.declared_owner_of_tool(value) if level == "tool" else None
        return declared or self._topology.default_owner

    def _mode(self, signal: str) -> str:
        setting = self._settings.get(signal)
        return (setting.mode if setting is not None else None) or "page"

    def _share(self, owner: str) -> float:
        """The part of what an owner's parents drip that the next of them gets."""
        index = self._parents_of[owner] = self._parents_of.get(owner, 0) + 1
        return shares.newcomer_share(0, index)

    def _count(self, name: str) -> None:
        self.counts[name] = self.counts.get(name, 0) + 1


def _narrow_first(name: str) -> tuple[int, str]:
    return (_LEVELS.index(name.split("|", 2)[1]), name)
