"""Nodes above agents (tool, model, provider, owner, fleet), fed with sums of log L per agent and tick, and the ledger.

A parent multiplies in the same e-values that the agents' own nodes saw (T4). It bets for real only once two agents
(the fleet: two owners) speak to it, because with one it would be that agent's node again; and what one agent explains
is left to that agent's nodes, which know the version. What an agent said for a tick is taken once; what comes late
goes into the next tick.

Which node speaks is chosen (`monitor.evidence.outages.choice`), whichever crossed. While one fires, what belongs to it
is no evidence for any other: agents hear of it by a `Cover`, and their earlier episodes of the same fault are absorbed.

Invariants: the state depends on which evidence and findings came between two ticks, never on their order. One fault is
told by one node as far as this side can see to it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from detectors import failure, recursion
from monitor.evidence import parents, words
from monitor.evidence.ledger import Book, Ledger
from monitor.evidence.outages import cells, choice, pieces
from monitor.evidence.outages.family import Family
from monitor.evidence.outages.pieces import Piece
from monitor.evidence.outages.state import Clock, Parent, Told
from monitor.evidence.within.episodes import ACKS
from monitor.topology import Topology
from schemas.config import Config
from schemas.finding import IS_BACK, Finding, FindingStatus
from schemas.records import Ack, Cover, EvidenceBatch, Pooled, Ruling
from schemas.view import BudgetView

VERSION: Final = b"\x01"
QUIET_SECONDS: Final = 3600.0
"""A firing parent that hears nothing for so long says so, once."""
HOLD_SECONDS: Final = 300.0
"""So long a parent that could speak leaves the word to a better explanation that has another owner or is a tool."""
TOGETHER_SECONDS: Final = 1800.0
"""Episodes that began at most so long before a parent's onset are the same fault."""
CHAINS: Final = 20_000
"""Cells whose nodes are kept at hand. More: they are worked out anew."""
EPISODES: Final = 2_000
"""Episodes of agents that are remembered. More: the oldest is not absorbed any more."""


class Aggregator:
    """Evidence and findings of agents in; findings of parents and rulings (grants, covers, pooled references) out."""

    def __init__(self, config: Config) -> None:
        self.counts: dict[str, int] = {}
        self._topology = Topology(config)
        self.ledger = Ledger(config, self.counts)
        self._family = Family(config, self._topology, self.ledger, self.counts)
        self.parents = self._family.parents
        self._now = 0.0
        self._heard: dict[str, float] = {}
        self._heard_more = False
        self._pending: dict[str, dict[str, Piece]] = {}
        self._chains: dict[tuple[str, str], tuple[str, ...]] = {}
        """Cell and owner of its agent → the nodes that it feeds."""
        self._asked: set[tuple[str, str]] = set()
        self._asked_pools: set[tuple[str, str]] = set()
        self._began: list[Finding] = []
        self._words: list[tuple[str, str]] = []
        self._told_more = False
        self._episodes: list[tuple[str, str, str, str, float]] = []
        """Incident key, signal, agent, tool and onset of the agents' own episodes, the latest last."""

    def take(self, batch: EvidenceBatch) -> None:
        """What one agent's runs of one tick say. The same batch again changes nothing."""
        if self._heard.get(batch.agent, -1.0) >= batch.time:
            self._count("evidence_repeated")
            return
        self._heard[batch.agent] = batch.time
        self._heard_more = True
        self.ledger.seen(batch.agent, batch.time)
        self._asked.update((owner, batch.agent) for owner in batch.accounts)
        self._asked_pools.update((batch.agent, cell) for cell in batch.pools)
        for evidence in batch.evidence:
            piece = pieces.piece_of(evidence)
            by_agent = self._pending.get(evidence.cell)
            if by_agent is None:
                by_agent = self._pending[evidence.cell] = {}
            earlier = by_agent.get(batch.agent)
            if earlier is None:
                by_agent[batch.agent] = piece
            else:
                earlier.add(piece)

    def spend(self, findings: Iterable[Finding]) -> None:
        """Findings of agents that began an episode: at the next tick, bets are paid from their owner's budget."""
        began = [finding for finding in findings if finding.status == "firing"]
        self._began += began
        self._heard_more |= bool(began)

    def acknowledge(self, ack: Ack) -> None:
        """A human's word for the episode of a node above agents, by incident key or node; it ends at the next tick."""
        if ack.word in ACKS:
            self._words.append((ack.node, ack.word))
            self._heard_more = True

    def tick(self, now: float) -> tuple[list[Finding], list[Ruling]]:
        """Close a tick: step the parents that heard something, and turn epochs that are over."""
        self._now = now
        fired = self._charge()
        rulings: list[Ruling] = []
        grants, turned = self.ledger.tick(now)
        rulings += grants
        for owner in turned:
            self._family.turn(owner, now)
        for owner, agent in sorted(self._asked):
            grant = self.ledger.ask(owner, agent, now)
            if grant is not None:
                rulings.append(grant)
        by_parent = self._gather(now)
        self._leave_to_agents(by_parent, fired, now)
        findings: list[Finding] = []
        for about, word in self._words:
            for parent in [self.parents[name] for name in sorted(self._family.firing)]:
                if parent.firing is not None and about in (parent.firing.incident_key, parent.name):
                    self._family.dirty.add(parent.name)
                    self._resolve(parent, ACKS[word], now, findings, rulings)
        crossed = [
            self.parents[name]
            for name in sorted(by_parent, key=self._family.narrow_first)
            if by_parent[name] and self._step(self.parents[name], by_parent[name], now, findings, rulings)
        ]
        for parent in crossed:
            self._cross(parent, now, findings, rulings)
        self._absorb_late(fired, now, findings)
        self._say_quiet(now, findings)
        rulings += self._pools(now)
        for finding in findings:
            if finding.status == "firing":
                self.ledger.spend(finding)
                self._told_more = True
        self._heard_more |= bool(self._began or self._words)
        self._pending, self._asked, self._asked_pools, self._began, self._words = {}, set(), set(), [], []
        return findings, rulings

    def budgets(self) -> list[BudgetView]:
        """Granted and spent per owner, as of the last tick."""
        return self.ledger.view(self._now)

    # -- state

    def changes(self) -> list[tuple[str, bytes | None]]:
        """Entries that changed since the last call. To be called after a tick, when nothing is pending."""
        entries: list[tuple[str, bytes | None]] = []
        for name in sorted(self._family.dirty):
            parent = self.parents.get(name)
            value = VERSION + msgspec.msgpack.encode(parent) if parent is not None else None
            entries.append((f"aggregator/parent/{name}", value))
        books = [(owner, self.ledger.books[owner]) for owner in sorted(self.ledger.dirty)]
        entries += [(f"aggregator/book/{owner}", VERSION + msgspec.msgpack.encode(book)) for owner, book in books]
        if entries or self._heard_more:
            clock = Clock(self._now, self._heard, self._began, self._words)
            entries.append(("aggregator/clock", VERSION + msgspec.msgpack.encode(clock)))
        if self._told_more:
            paid = self.ledger.episodes
            told = Told(self._episodes, list(paid), [key for key, paged in paid.items() if not paged])
            entries.append(("aggregator/told", VERSION + msgspec.msgpack.encode(told)))
        self._heard_more = self._told_more = False
        self._family.dirty.clear()
        self.ledger.dirty.clear()
        return entries

    def load(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """Put back saved entries; keys of others are ignored."""
        for key, value in entries:
            if key.startswith("aggregator/parent/"):
                self._family.put_back(msgspec.msgpack.decode(value[1:], type=Parent))
            elif key.startswith("aggregator/book/"):
                self.ledger.restore(msgspec.msgpack.decode(value[1:], type=Book))
            elif key == "aggregator/clock":
                clock = msgspec.msgpack.decode(value[1:], type=Clock)
                self._now, self._heard = clock.now, clock.heard
                self._began, self._words = clock.began, clock.words
            elif key == "aggregator/told":
                told = msgspec.msgpack.decode(value[1:], type=Told)
                self._episodes, quiet = told.episodes, set(told.quiet)
                self.ledger.episodes = {key: key not in quiet for key in told.paid}

    # -- a tick

    def _charge(self) -> set[tuple[str, str, str]]:
        """Pay for the episodes that began since the last tick and remember them: signal, agent and tool of the bets.

        Partitions tell in any order, and which came first would decide who is named first, forgotten or paid again.
        """
        fired = set()
        for finding in sorted(self._began, key=_by_time):
            self.ledger.spend(finding)
            self._told_more = True
            agent, tool = finding.node.get("agent"), finding.node.get("tool", "")
            if agent is not None and finding.paid:
                fired.add((finding.signal, agent, tool))
                self._episodes.append((finding.incident_key, finding.signal, agent, tool, finding.onset))
        del self._episodes[:-EPISODES]
        return fired

    def _gather(self, now: float) -> dict[str, dict[str, Piece]]:
        """Parent → agent → what is evidence for it. What belongs to a parent that fires is nobody else's."""
        found: dict[str, dict[str, Piece]] = {}
        on_fire = self._family.firing
        owners: dict[str, str] = {}
        for cell in sorted(self._pending):
            by_piece = self._pending[cell]
            for agent in sorted(by_piece):
                piece = by_piece[agent]
                owner = owners.get(agent)
                if owner is None:
                    owner = owners[agent] = self._topology.owner_of_agent(agent)
                chain = self._chains.get((cell, owner))
                if chain is None:
                    chain = self._chain(cell, owner)
                if not chain:
                    self._count("evidence_unknown")
                firing = tuple([name for name in chain if name in on_fire]) if on_fire else ()
                for name in firing or chain:
                    by_agent = found.get(name)
                    if by_agent is None:
                        if self._family.get(name, now) is None:
                            continue
                        by_agent = found[name] = {}
                    earlier = by_agent.get(agent)
                    by_agent[agent] = piece if earlier is None else pieces.both(earlier, piece)
        return found

    def _chain(self, cell: str, owner: str) -> tuple[str, ...]:
        if len(self._chains) >= CHAINS:
            self._chains.clear()
        chain = self._chains[cell, owner] = cells.chain_of(cell, owner)
        return chain

    def _leave_to_agents(
        self, by_parent: dict[str, dict[str, Piece]], fired: set[tuple[str, str, str]], now: float
    ) -> None:
        """An agent that fired says its fault itself: those above lose their evidence to it, unless others fail too."""
        for signal, agent, tool in sorted(fired):
            for name in self._family.of_signal(signal):
                parent = self.parents[name]
                if _concerns(parent, signal, agent, tool) and parents.leave_to(parent, agent, now):
                    self._family.dirty.add(name)
                    by_parent.get(name, {}).pop(agent, None)

    def _step(
        self, parent: Parent, by_agent: dict[str, Piece], now: float, findings: list[Finding], rulings: list[Ruling]
    ) -> bool:
        """One tick's evidence of one parent; True if there is enough for a page."""
        self._family.dirty.add(parent.name)
        agents = sorted(by_agent)
        total = Piece()
        for agent in agents:
            total.add(by_agent[agent])
        speakers = agents
        if parent.level == "fleet" and len(parent.speakers) < parents.SPEAKERS:
            speakers = sorted({self._topology.owner_of_agent(agent) for agent in agents})
        parents.note(parent, agents, by_agent, total, speakers, now)
        flowed = parents.drip(parent, now, self.ledger.parent_rate(parent.owner, parent.mode))
        if parent.firing is not None:
            if parents.observe_firing(parent, total):
                self._resolve(parent, IS_BACK, now, findings, rulings)
            elif parents.has_news(parent, now):
                findings.append(self._said(parent, "update", now))
            return False
        if len(parent.speakers) < parents.SPEAKERS or not total.has_bets:
            return False
        parents.date(parent, agents, by_agent, total, now)
        before = list(parent.evidence)
        if not recursion.step_sums(parent.evidence, total.logs(), failure.LONG_WEIGHTS, flowed):
            return False
        parent.evidence = before  # until it is known whether it speaks; less evidence is always valid
        return True

    def _cross(self, parent: Parent, now: float, findings: list[Finding], rulings: list[Ruling]) -> None:
        """A parent has enough evidence for a page: who speaks, and whether at once."""
        if parent.firing is not None or parent.cusum <= 0.0:
            return  # another node spoke for it in this tick
        alone = parents.explained_by(parent)
        if alone is not None and not parents.is_young(parent, alone):
            self._count("left_to_agents")
            parents.silence_evidence(parent, now)
            return
        choice.redate(parent)
        beside = [self.parents[name] for name in self._family.of_signal(parent.signal)]
        chosen = parent if alone is not None or parent.level == "tool" else choice.explains(parent, beside)
        if chosen.owner != parent.owner or self._is_of_tool(parent):
            parent.held = parent.held or now
            if now - parent.held < HOLD_SECONDS:
                self._count("left_to_others")
                return
            chosen = parent
        parents.fire(chosen, parent, now)
        self._family.firing.add(chosen.name)
        self._family.dirty |= {chosen.name, parent.name}
        for other in self._family.sharing(chosen):
            self._family.dirty.add(other.name)
            if other.firing is None:
                parents.silence_evidence(other, now)
            elif other.signal == chosen.signal and other.firing.onset >= chosen.onset - TOGETHER_SECONDS:
                parents.absorb(chosen, other.firing.incident_key, _side(other))
        for key, signal, agent, tool, onset in self._episodes:
            if onset >= chosen.onset - TOGETHER_SECONDS and _concerns(chosen, signal, agent, tool):
                parents.absorb(chosen, key, f"agent={agent}")
        findings.append(self._said(chosen, "firing", now))
        rulings.append(Cover(chosen.name, now, chosen.onset))

    def _is_of_tool(self, parent: Parent) -> bool:
        tools = [self.parents[name] for name in self._family.of_signal("tool.failed")]
        return parent.level != "tool" and parent.signal != "tool.failed" and choice.fault_of_tool(parent, tools)

    def _absorb_late(self, fired: set[tuple[str, str, str]], now: float, findings: list[Finding]) -> None:
        """Agents that spoke while the cover was on its way to them."""
        spoke = {(signal, agent) for signal, agent, _ in fired}
        if not spoke:
            return
        for name in sorted(self._family.firing):
            parent = self.parents[name]
            if parent.firing is None or parent.firing.began == now:
                continue
            late = [
                parents.absorb(parent, key, f"agent={agent}")
                for key, signal, agent, tool, onset in self._episodes
                if (signal, agent) in spoke and onset >= parent.firing.onset - TOGETHER_SECONDS
                and _concerns(parent, signal, agent, tool)
            ]  # fmt: skip
            if any(late):
                self._family.dirty.add(name)
                findings.append(self._said(parent, "update", now))

    def _say_quiet(self, now: float, findings: list[Finding]) -> None:
        for name in sorted(self._family.firing):
            parent = self.parents[name]
            since = parents.spoken_to(parent)
            if parent.firing is not None and not parent.firing.quiet and now - since >= QUIET_SECONDS:
                parent.firing.quiet = True
                self._family.dirty.add(name)
                findings.append(self._said(parent, "update", now, words.no_data_since(since)))

    def _pools(self, now: float) -> list[Pooled]:
        """Answers to agents whose nodes know nothing of their own yet; where nobody knows more, none."""
        rates: dict[str, dict[str, float]] = {}
        for agent, cell in sorted(self._asked_pools):
            chain = cells.chain_of(cell, self._topology.owner_of_agent(agent))
            known = [parents.upper_reference(self.parents[name]) for name in chain if name in self.parents]
            upper = next((rate for rate in known if rate is not None), None)
            if upper is not None:
                rates.setdefault(agent, {})[cell] = upper
        return [Pooled(agent, now, found) for agent, found in rates.items()]

    def _resolve(self, parent: Parent, reason: str, now: float, findings: list[Finding], rulings: list[Ruling]) -> None:
        assert parent.firing is not None
        findings.append(self._said(parent, "resolved", now, reason))
        rulings.append(Cover(parent.name, now, parent.firing.onset, now))
        parents.end(parent, now)
        self._family.firing.discard(parent.name)

    def _said(self, parent: Parent, status: FindingStatus, now: float, reason: str = "") -> Finding:
        beside = [self.parents[name] for name in self._family.of_signal(parent.signal)]
        return parents.say(parent, status, now, reason, choice.unaffected(parent, beside))

    def _count(self, name: str) -> None:
        self.counts[name] = self.counts.get(name, 0) + 1


def _by_time(finding: Finding) -> tuple[float, str, str]:
    return (finding.time, finding.node.get("agent", ""), finding.id)


def _concerns(parent: Parent, signal: str, agent: str, tool: str) -> bool:
    """Whether an agent's episode is of what the parent says."""
    if signal != parent.signal or agent not in parent.members:
        return False
    return parent.level != "tool" or tool == parent.value


def _side(parent: Parent) -> str:
    """How a finding names a node above agents among those that are affected."""
    labels = cells.labels_of(parent.level, parent.value)
    return f"{parent.level}={labels[parent.level]}" if labels else "fleet"
