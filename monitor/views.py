"""What people see of an agent: its state in a word, its nodes against what is normal. Reads, never changes."""

from __future__ import annotations

from collections.abc import Mapping

from detectors import reference
from monitor.agents import Agent
from monitor.drift.views import of_drift
from monitor.engine import PartitionEngine
from monitor.evidence.outages import cells
from monitor.evidence.volume import traffic
from monitor.evidence.within import objectives
from monitor.evidence.within.facts import Group
from monitor.evidence.within.node import Node
from monitor.signals import OBJECTIVE, TRAFFIC
from schemas.view import AgentState, AgentView, SeenView, SignalView

WEEK = 604_800.0
SIGNALS_SHOWN = 50
"""Nodes of one agent that a view lists: those that fire first, then those with most evidence."""


def agents(engine: PartitionEngine) -> list[AgentView]:
    """Every agent of a partition, without its signals: these take some tenths of a millisecond each."""
    return [of_agent(agent, engine.now) for _, agent in sorted(engine.agents.items())]


def signals(engine: PartitionEngine, name: str) -> tuple[SignalView, ...]:
    """The signals of one agent against what is normal; none where it is not known here."""
    agent = engine.agents.get(name)
    return () if agent is None else _signals(agent, engine.now)


def seen(engine: PartitionEngine) -> list[SeenView]:
    """What the latest runs of every agent of a partition carried and used."""
    return [agent.seen(engine.now) for _, agent in sorted(engine.agents.items())]


def of_agent(agent: Agent, now: float) -> AgentView:
    """One agent at `now`, epoch seconds, without its signals."""
    return AgentView(
        agent=agent.name,
        owner=agent.owner,
        state=_state(agent, now),
        runs=agent.runs,
        failed=agent.failed,
        hung=agent.hung,
        silent=agent.silent,
        open_runs=agent.tracker.open_count,
        versions=tuple(sorted(agent.versions)),
        tools=tuple(sorted(agent.tools)),
        last_seen=agent.last_seen,
        runs_per_minute=agent.runs_per_minute(now),
    )


def _signals(agent: Agent, now: float) -> tuple[SignalView, ...]:
    nodes = list(agent.slices.nodes.values())
    nodes.sort(key=lambda node: (node.firing is None, -sum(node.evidence), node.key[0], str(node.key)))
    found = [of_node(agent, node, now) for node in nodes[:SIGNALS_SHOWN]]
    found += [_of_fact(group) for group in agent.slices.facts.firing()]
    found += of_drift(agent.drift, agent.owner, now)
    found += agent.methods.views(now, agent.slices.accounts[agent.owner].page_rate)
    found.append(_of_traffic(agent.traffic, now))
    return tuple(found)


def of_node(agent: Agent, node: Node, now: float) -> SignalView:
    """One failure node."""
    firing = node.firing
    held = _held(agent, node) if firing is None else ""
    waiting = held or _waiting_for(agent, node, now)
    level: float | None = None
    if firing is not None:
        level = firing.bad / max(firing.n, 1.0)
    elif node.n:
        level = node.k / node.n
    account = agent.slices.accounts[node.owner]
    return SignalView(
        signal=node.signal,
        labels=node.labels(),
        state="firing" if firing is not None else "held" if held else "healthy" if node.live else "warming up",
        level=level,
        reference=firing.before if firing is not None else node.reference if node.live else None,
        n=firing.n if firing is not None else node.n,
        evidence=1.0 if firing is not None else min(sum(node.evidence) + sum(node.deploy), 1.0),
        waiting_for=waiting,
        mode=firing.mode if firing is not None else node.mode,
        owner=node.owner,
        tolerance=node.tolerance if node.signal != OBJECTIVE else None,
        per_week=node.share * account.rate(node.mode) * WEEK if account.end > now else 0.0,
        note=f"{node.prepaid:.2g} false pages prepaid by a deploy" if node.prepaid else "",
    )


def _held(agent: Agent, node: Node) -> str:
    """What fires in this node's place, as words: the same runs are that alert's matter, and teach this node nothing."""
    slices = agent.slices
    for (signal, version, tool), other in slices.firing.items():
        if (signal, tool) != (node.signal, node.tool) or None not in (version, node.version):
            continue
        rest = any(key[::2] == (signal, tool) and key[1] not in (None, version) for key in slices.nodes)
        but = ", but for other versions," if version is not None and rest else ""
        return f"held{but} while {_slice(signal, other.labels())} fires"
    over = (("tool", node.tool),) if node.tool is not None else (("owner", slices.owner), ("fleet", ""))
    for name, cover in slices.above.covers.known.items():
        signal, level, value = cells.parts_of(name)
        if cover.until is None and signal == node.signal and (level, value) in over:
            return f"held while {_slice(signal, cells.labels_of(level, value))} fires above agents"
    return ""


def _slice(signal: str, labels: Mapping[str, str]) -> str:
    return " ".join([signal, *(f"{label}={value}" for label, value in labels.items())])


def _of_fact(group: Group) -> SignalView:
    """Facts of one rule that are not over."""
    firing = group.firing
    assert firing is not None
    labels = {"tool": group.tool} if group.tool else {}
    if group.version is not None:
        labels["version"] = group.version
    return SignalView(
        signal=group.signal,
        labels=labels,
        state="firing",
        level=firing.bad / firing.n,
        reference=firing.before,
        n=firing.n,
        evidence=1.0,
        mode=firing.mode,
        waiting_for=f"{group.rule}: clean runs so far {firing.back_n:.0f}",
    )


def _too_few(agent: Agent, node: Node, now: float) -> str:
    """What an objective still needs, as words: it is declared, and yet a few runs say nothing about it."""
    burn = agent.slices.burn
    if node.signal != OBJECTIVE or burn is None or node.firing is not None:
        return ""
    account = agent.slices.accounts[node.owner]
    seconds = max(now - agent.first_seen, 1.0) / max(node.n, 1.0)
    needed = objectives.runs_needed(burn, node.share * account.rate(node.mode) * seconds)
    return "" if node.n >= needed else f"not enough evidence yet: {node.n:.0f} of about {needed:.0f} runs"


def _waiting_for(agent: Agent, node: Node, now: float) -> str:
    if node.signal == OBJECTIVE and agent.slices.burn is not None:
        return _too_few(agent, node, now)
    if not node.live:
        return reference.waiting_for(node.k, node.n)
    return "fails nearly always: nothing worse can be told apart" if node.saturated else ""


def _of_traffic(state: traffic.Traffic, now: float) -> SignalView:
    waiting = traffic.waiting_for(state)
    return SignalView(
        signal=TRAFFIC,
        labels={},
        state="firing" if state.firing_key else "warming up" if waiting else "healthy",
        level=traffic.recent(state, now),
        reference=state.rate * state.dispersion or None,
        n=float(state.total),
        evidence=1.0 if state.firing_key else min(sum(state.evidence), 1.0),
        waiting_for=waiting,
    )


def _state(agent: Agent, now: float) -> AgentState:
    if agent.slices.firing or agent.slices.facts.firing() or agent.drift.episodes.open:
        return "incident"
    if agent.traffic.firing_key:
        return "silent"
    known = any(node.live and not _too_few(agent, node, now) for node in agent.slices.nodes.values())
    return "healthy" if known else "warming up"
