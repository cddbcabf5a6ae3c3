"""Nodes above agents (tool, owner, fleet), fed with sums of log L per agent and tick, and the ledger.

A parent multiplies in the same e-values that the agents' own nodes saw (T4); it bets for real only once two agents
speak to it, because with one it would be that agent's node again. What an agent said for a tick is taken once; what
comes late goes into the next tick.

Invariant: the state depends on which evidence came between two ticks, never on its order.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import Struct

from detectors import failure, recursion, shares
from monitor.evidence import parents
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


class _Clock(Struct, array_like=True):
    now: float
    heard: dict[str, float]


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

    def tick(self, now: float) -> tuple[list[Finding], list[Grant]]:
        """Close a tick: step the parents that heard something, and turn epochs that are over."""
        self._now = now
        grants = self.ledger.tick(now)
        for owner, agent in self._asked:
            grant = self.ledger.ask(owner, agent, now)
            if grant is not None:
                grants.append(grant)
        self._asked = []
        findings: list[Finding] = []
        for name in sorted(self._pending):
            parent = self._parent(name, now)
            if parent is not None:
                self._step(parent, self._pending[name], now, findings)
        self._pending = {}
        self.spend(findings)
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
            changed["aggregator/clock"] = _Clock(self._now, self._heard)
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
                self.parents[parent.name] = parent
            elif key.startswith("aggregator/book/"):
                book = msgspec.msgpack.decode(value[1:], type=Book)
                self.ledger.restore(book)
            elif key == "aggregator/clock":
                clock = msgspec.msgpack.decode(value[1:], type=_Clock)
                self._now, self._heard = clock.now, clock.heard

    # -- inner

    def _step(self, parent: Parent, by_agent: dict[str, Evidence], now: float, findings: list[Finding]) -> None:
        self._dirty.add(parent.name)
        total = parents.total(by_agent.values())
        for agent in sorted(by_agent):
            parents.note(parent, agent, by_agent[agent])
        rate = self.ledger.parent_rate(parent.owner, parent.mode) * parent.share
        flowed = rate * max(now - parent.last, 0.0)
        parent.last = max(now, parent.last)
        if parent.firing is not None:
            if parents.observe_firing(parent, total):
                findings.append(parents.say(parent, "resolved", now))
                parents.end(parent, now)
            elif parents.has_news(parent, now):
                findings.append(parents.say(parent, "update", now))
            return
        if len(parent.speakers) < parents.SPEAKERS or not total.sums:
            return
        parents.date(parent, by_agent, total, now)
        if recursion.step_sums(parent.evidence, total.sums, failure.LONG_WEIGHTS, flowed):
            parents.fire(parent, now)
            findings.append(parents.say(parent, "firing", now))

    def _parent(self, name: str, now: float) -> Parent | None:
        parent = self.parents.get(name)
        if parent is not None:
            return parent
        if len(self.parents) >= PARENTS:
            self._count("parents_refused")
            return None
        signal, level, value = name.split("|", 2)
        owner = self._topology.default_owner
        if level == "owner":
            owner = value
        elif level == "tool":
            owner = self._topology.declared_owner_of_tool(value) or owner
        setting = self._settings.get(signal)
        mode = (setting.mode if setting is not None else None) or "page"
        index = 1 + sum(other.owner == owner for other in self.parents.values())
        share = shares.newcomer_share(0, index)
        parent = self.parents[name] = Parent(
            name, signal, level, value, owner, [0.0] * failure.SIZE, now, share, mode, {}, onset=now
        )
        return parent

    def _count(self, name: str) -> None:
        self.counts[name] = self.counts.get(name, 0) + 1
