"""The engine: records of the log go in, findings come out. Read this first.

    for offset, record in log:
        event → its agent: runs (monitor.runs) → closed run → signals → nodes (monitor.evidence.slices) → findings
        tick  → time moves: hung runs, silence, waiting observations; evidence for parents above agents is handed on

`PartitionEngine` holds the agents of one partition; `Engine` is one partition with its aggregator, for a single
process. Pure: no I/O, no clock, no randomness. Time is the last tick. The same records give the same findings, bit for
bit, however they are cut into batches.

What does not belong to a known run of an agent, and how each is counted: see `counts`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, cast

import msgspec

from monitor.agents import Agent, Settings
from monitor.blocks import VERSION, Blocks, Entry, put_back
from monitor.changes import telling
from monitor.evidence.above import Covers
from monitor.evidence.aggregator import Aggregator
from monitor.reading import Reader
from monitor.runs import Closed
from monitor.runs.remembered import Remembered
from monitor.saved.states import Clock
from monitor.stepping.step import Numbered, Outlet, Said
from monitor.stepping.step import Record as Record
from monitor.stepping.step import Step as Step
from monitor.stepping.wakes import Wakes
from monitor.topology import Topology
from schemas import limits
from schemas.config import Config
from schemas.event import Event, is_skewed
from schemas.records import Ack, Cover, EvidenceBatch, Grant, Pooled, Ruling, Tick

RUN_KINDS: Final = frozenset((
    "run_started", "run_finished", "llm_call", "tool_call", "retrieval", "handoff", "fallback", "escalation",
    "guardrail",
))  # fmt: skip
"""Kinds that belong to a run and open it."""
AGENTS: Final = 100_000
"""Agents of one partition. Events of further ones are counted as `agents_refused` and skipped."""
_SKEW_SECONDS: Final = limits.SKEW_SECONDS


class PartitionEngine:
    """The agents of one partition.

    `counts`: events, duplicates, late, skewed, runs, ticks and every limit that was reached, by name.
    """

    def __init__(self, config: Config, partition: int = 0, reads: bool = True) -> None:
        """`reads`: false where whoever feeds the engine has its `reader` read each event before."""
        self.partition = partition
        self.topology = Topology(config)
        self.settings = Settings(config)
        self.counts: dict[str, int] = {}
        self.reader = Reader(config, self.counts)
        self.reads: Final = reads
        self.now = 0.0
        self.agents: dict[str, Agent] = {}
        self.covers = Covers()
        self._blocks = Blocks()
        self._unsaved: dict[str, None] = {}
        self._wakes = Wakes(self.agents)
        self._owners = Remembered()
        self._outlet = Outlet()

    def step(self, batch: Iterable[tuple[int, Record]]) -> Step:
        """Advance by records of the log with their offsets, which must rise.

        Between two records of the monitor's own, agents take turns: all events of one, then all of the next, so that
        its state is looked up, and fetched from memory, once. They know nothing of each other, so that changes nothing
        but speed; what they say is put back in the order of the log.
        """
        step = self._outlet.step = Step()
        groups: dict[str, list[Numbered]] = {}
        an_event = Event  # at hand: compiled code looks a name of another module up each time
        for item in cast("Iterable[Numbered]", batch):
            record = item[1]
            if isinstance(record, an_event):
                if self.now == 0.0:
                    self._settle(record, record.observed_time)
                    self.now = self.settings.began = float(int(record.at))
                name = record.agent
                if name is not None:
                    group = groups.get(name)
                    if group is None:
                        groups[name] = [item]
                    else:
                        group.append(item)
                    continue
            if groups:
                self._events(groups)
                groups = {}
            offset: int = item[0]
            if isinstance(record, Event):
                self._unnamed(offset, record)
            elif isinstance(record, Tick):
                self._tick(offset, record)
            elif isinstance(record, Grant | Pooled):
                self._answer(record, offset)
            elif isinstance(record, Cover):
                self.covers.take(record)
            elif isinstance(record, Ack):
                self._ack(offset, record)
        if groups:
            self._events(groups)
        return step

    def next_wake(self) -> float | None:
        """The next tick at which something may be due if nothing comes; None while there are no agents."""
        return self._wakes.next(self.now)

    def claimed(self, event: Event) -> str | None:
        """The agent of an event that names none: by the component that changed, its run, or its session's or user's."""
        if event.component is not None and event.component.startswith("agent:"):
            changed = event.component.removeprefix("agent:")
            return changed if changed in self.agents else None
        return self._owners.agent_of(event)

    # -- state

    def changes(self) -> list[Entry]:
        """Entries that changed since the last call, in the order in which they must become durable."""
        entries: list[Entry] = []
        for name in self._unsaved:
            entries += self._blocks.save(self.agents[name])
        self._unsaved.clear()
        clock = Clock(self.now, self.counts, list(self.covers.known.values()), self.settings.began)
        return [*entries, (f"engine/{self.partition}", VERSION + msgspec.msgpack.encode(clock))]

    def load(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """Put back saved entries before the first step; keys of others are ignored."""
        values = dict(entries)
        clock = values.get(f"engine/{self.partition}")
        if clock is not None:
            saved = msgspec.msgpack.decode(clock[1:], type=Clock)
            self.now, self.settings.began = saved.now, saved.began
            self.counts.update(saved.counts)
            for cover in saved.covers:
                self.covers.take(cover)
        for name, found in self._blocks.restore(values.items()).items():
            agent = self._new_agent(name)
            put_back(agent, found)
            self._wakes.schedule(agent, self.now)
            for run in found.runs:
                self._owners.put(run.head.run, name)

    # -- records

    def _events(self, groups: dict[str, list[Numbered]]) -> None:
        """Events of many agents, each agent's in the order of the log."""
        step = self._outlet.step
        findings, news = Said(step.findings), Said(step.news)
        for name, group in groups.items():
            agent = self.agents.get(name) or self._meet(name)
            if agent is None:
                self._count("agents_refused", len(group))
            else:
                self._take(agent, group, findings, news)
        self._owners.put_in_order()
        findings.put_in_order()
        news.put_in_order()

    def _unnamed(self, offset: int, event: Event) -> None:
        """An event that names no agent."""
        name = self.claimed(event)
        if name is not None:
            agent = self.agents.get(name) or self._meet(name)
            if agent is None:
                self._count("agents_refused")
            else:
                step = self._outlet.step
                self._take(agent, [(offset, event)], Said(step.findings), Said(step.news))
            return
        self._settle(event, event.observed_time)
        self._count("events")
        if event.kind == "change":
            self._count("change")
            telling.change(event, self.now, self._outlet.tell)
            self._copy_change(offset, event)
        else:
            self._count("unassigned")

    def _settle(self, event: Event, observed: float | None) -> None:
        """An event that is far from the time at which it was seen is taken at that time."""
        if observed is None:
            return
        time = event.time
        off = (time if isinstance(time, float) else event.at) - observed
        if (off > _SKEW_SECONDS or off < -_SKEW_SECONDS) and is_skewed(event, observed):
            event.time = observed
            self._count("skewed")

    def _meet(self, name: str) -> Agent | None:
        """A new agent, if there is room for one."""
        if len(self.agents) >= AGENTS:
            return None
        self._wakes.soon(name)
        return self._new_agent(name)

    def _take(self, agent: Agent, group: list[Numbered], findings: Said, news: Said) -> None:
        """Events of one agent. Those that it has seen already are passed over."""
        now, name, kinds, reader, reads = self.now, agent.name, RUN_KINDS, self.reader, self.reads
        taken = 0
        for item in group:
            offset: int = item[0]
            event: Event = item[1]
            self._settle(event, event.observed_time)
            if offset <= agent.offset:
                continue
            agent.offset = offset
            taken += 1
            if reads:
                reader.read(event)
            kind = event.kind
            if kind in kinds:
                if kind == "run_started":
                    self._owners.note(offset, event, name)
                closed = agent.take(event, kind, now)
                if closed is not None:
                    self._owners.note(offset, event, name)  # its start may not have been told
                    self._closed(name, closed)
            elif agent.take_loose(event, now):
                self._count(kind)
                telling.change(event, now, self._outlet.tell)
            findings.note(offset)
            news.note(offset)
        if taken:
            self._count("events", taken)
            self._unsaved[name] = None
            if agent.wake > now:
                agent.wake = now
                self._wakes.soon(name)

    def _copy_change(self, offset: int, event: Event) -> None:
        """A change of something that agents depend on, declared or seen, is one of each of them."""
        component = event.component or ""
        kind, _, tool = component.partition(":")
        names = dict.fromkeys(self.topology.agents_on(component))
        if kind == "tool":
            names.update((name, None) for name, agent in self.agents.items() if tool in agent.tools)
        for name in names:
            agent = self.agents.get(name)
            if agent is not None and offset > agent.offset:
                agent.offset = offset
                agent.take_loose(event, self.now)
                self._unsaved[name] = None

    def _ack(self, offset: int, ack: Ack) -> None:
        """A human's word goes to the agent that it names, or to whoever has the episode."""
        self._count("acks")
        for name in (ack.agent,) if ack.agent else sorted(self.agents):
            agent = self.agents.get(name)
            if agent is not None and offset > agent.offset:
                agent.offset = offset
                self._unsaved[name] = None
                if agent.acknowledge(ack, self.now):
                    return
        self._count("acks_unmatched")

    def _tick(self, offset: int, tick: Tick) -> None:
        if tick.time <= self.now and self.counts.get("ticks"):
            self._count("ticks_ignored")
            return
        before, self.now = self.now, tick.time
        self.settings.began = self.settings.began or tick.time
        self._count("ticks")
        if (tick.since is None or tick.since > before) and self.agents and before:
            self._blind(offset, before, tick)
        if self.covers.known:
            self.covers.forget(tick.time)
        for name in self._wakes.take(tick.time):
            agent = self.agents[name]
            if offset <= agent.offset or agent.wake > tick.time:
                self._wakes.schedule(agent, tick.time)
                continue
            agent.offset = offset
            self._unsaved[name] = None
            for closed in agent.tick(tick.time):
                self._closed(name, closed)
            self._wakes.schedule(agent, tick.time)
            evidence, pools = agent.slices.above.take(), agent.slices.above.ask()
            if evidence or pools or agent.slices.asked:
                asked, agent.slices.asked = tuple(agent.slices.asked), []
                batch = EvidenceBatch(name, self.partition, tick.time, evidence, asked, pools)
                self._outlet.step.evidence.append(batch)

    def _blind(self, offset: int, before: float, tick: Tick) -> None:
        """Nobody wrote ticks between `before` and the start of this writer: that time says nothing of the agents."""
        until = tick.time if tick.since is None else tick.since
        self._count("blind_gaps")
        for name, agent in self.agents.items():
            if offset > agent.offset:
                agent.blind(until, until - before)
                agent.wake = before
                self._wakes.soon(name)

    def hear(self, rulings: Sequence[Ruling]) -> None:
        """Rulings that do not come through the log: they belong to the tick that was stepped last."""
        for ruling in rulings:
            if isinstance(ruling, Cover):
                self.covers.take(ruling)
            else:
                self._answer(ruling)

    def _answer(self, ruling: Grant | Pooled, offset: int | None = None) -> None:
        agent = self.agents.get(ruling.agent)
        if agent is None or (offset is not None and offset <= agent.offset):
            return
        agent.offset = agent.offset if offset is None else offset
        if isinstance(ruling, Grant):
            agent.grant(ruling, self.now)
            agent.slices.above.ask_again()
        else:
            agent.slices.above.hear(ruling.rates)
        self._unsaved[agent.name] = None

    # -- inner

    def _new_agent(self, name: str) -> Agent:
        agent = self.agents[name] = Agent(
            name, self.now, self.partition, self.topology, self.settings, self.counts, self._outlet.emit,
            self._outlet.tell,
        )  # fmt: skip
        agent.slices.above.covers = self.covers
        return agent

    def _closed(self, agent: str, closed: Closed) -> None:
        self._count("runs")
        self._outlet.step.closed.append((agent, closed))

    def _count(self, name: str, times: int = 1) -> None:
        self.counts[name] = self.counts.get(name, 0) + times


class Engine:
    """One partition and its aggregator, for a process that has the whole log: embedded and replay."""

    def __init__(self, config: Config, reads: bool = True) -> None:
        """`reads`: as of `PartitionEngine`."""
        self.partition = PartitionEngine(config, reads=reads)
        self.aggregator = Aggregator(config)

    def step(self, batch: Iterable[tuple[int, Record]]) -> Step:
        """Advance by records of the log; evidence and rulings are handed on at each tick."""
        step = Step()
        between: list[Numbered] = []
        acks: list[Ack] = []
        for item in cast("Iterable[Numbered]", batch):
            between.append(item)
            record = item[1]
            if type(record) is Event:
                continue
            if isinstance(record, Ack):
                acks.append(record)
            if isinstance(record, Tick):
                self._advance(between, step, acks)
                self._close_tick(record.time, step)
                between, acks = [], []
        self._advance(between, step, acks)
        return step

    def next_wake(self) -> float | None:
        """See `PartitionEngine.next_wake`."""
        return self.partition.next_wake()

    def changes(self) -> list[Entry]:
        """Entries that changed since the last call."""
        return [*self.partition.changes(), *self.aggregator.changes()]

    def load(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """Put back saved entries before the first step."""
        values = list(entries)
        self.partition.load(values)
        self.aggregator.load(values)

    def _advance(self, batch: list[Numbered], step: Step, acks: list[Ack]) -> None:
        if not batch:
            return
        part = self.partition.step(cast("Iterable[tuple[int, Record]]", batch))
        step.findings += part.findings
        step.news += part.news
        step.closed += part.closed
        self.aggregator.spend(part.findings)
        for evidence in part.evidence:
            self.aggregator.take(evidence)
        for ack in acks:
            self.aggregator.acknowledge(ack)

    def _close_tick(self, now: float, step: Step) -> None:
        findings, rulings = self.aggregator.tick(now)
        step.findings += findings
        step.rulings += rulings
        self.partition.hear(rulings)
