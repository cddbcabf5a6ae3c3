"""The failure nodes of one agent: observations go in, episodes and evidence for parents come out.

In one slice an observation feeds a *leaf* (the agent's version, with a tool the version and the tool) and a *middle*
node (the agent, or the agent and the tool). The bets are made once, against the leaf's reference, and the same
e-values feed leaf, middle and the parents above agents (T4), so a mix of versions that shifts creates no evidence.
All of them are fed in the order in which the runs started (`monitor.evidence.within.order`). What is counted and said
takes runs as they close.

Not here: how an episode goes on (`within.episodes`), facts (`within.facts`), what deploys pay (`within.deploys`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

from detectors import failure, recursion
from monitor.drift import methods
from monitor.evidence import nodes
from monitor.evidence.above import Above
from monitor.evidence.judged import late
from monitor.evidence.outages.cells import NOWHERE
from monitor.evidence.within import deploys, hitters, objectives
from monitor.evidence.within.episodes import Episodes
from monitor.evidence.within.facts import Facts
from monitor.evidence.within.node import SUSPICIOUS, Node
from monitor.evidence.within.order import Observation, Order, Pair, Pairs
from monitor.evidence.within.table import Table
from monitor.runs import SPENT, Closed, Fact, Run, RunTracker
from monitor.saved.states import Key, Waiting
from monitor.signals import (
    CONTRACT_VIOLATED,
    FAILURE_SIGNALS,
    OBJECTIVE,
    RUN_FAILED,
    RUN_HUNG,
    RUN_LOOP,
    RUN_SILENT,
    TOOL_FAILED,
)
from monitor.topology import Topology
from schemas.config import DetectorSettings
from schemas.event import Event
from schemas.finding import Finding
from schemas.records import Ack

RUN_SIGNALS = (RUN_HUNG, RUN_FAILED, RUN_SILENT)
"""Signals of every run."""
RARE_SIGNALS = (RUN_LOOP, CONTRACT_VIOLATED)
"""Signals whose nodes begin with the first run that shows them; until then all runs were good. Facts tell the first."""
FAULT_SECONDS = 86_400.0
"""A slice that fires for longer may show by now what is normal."""
DEPLOYED = (RUN_FAILED.name, RUN_SILENT.name)
"""Signals of a version, beside that of its tools, that a deploy may break."""
_UNHAPPY: Final = late.UNHAPPY
"""At hand: compiled code looks a name of another module up each time."""


class Slices:
    """`emit` takes findings; `identify(parts)` names them after the present record."""

    def __init__(
        self,
        agent: str,
        topology: Topology,
        settings: dict[str, DetectorSettings],
        tracker: RunTracker,
        emit: Callable[[Finding], None],
        identify: Callable[..., str],
    ) -> None:
        off = {name for name, setting in settings.items() if setting.mode == "off"}
        objective = topology.objective_of(agent)
        burn = objectives.of(objective) if objective is not None and OBJECTIVE not in off else None
        self.owner = topology.owner_of_agent(agent)
        self.settings = settings
        self.tracker = tracker
        self.table = Table(agent, topology, settings, tracker, burn)
        self.nodes, self.touched, self.accounts = self.table.nodes, self.table.touched, self.table.accounts
        self.asked: list[str] = []
        self.above = Above(self.owner)
        self.order = Order(tracker)
        self.judged: dict[str, float] = {}
        """What users and evaluations said something of, and when."""
        self.runs = 0.0
        """Runs of the agent that were observed, this one not counted."""
        self.episodes = Episodes(agent, self.nodes, self.touched, burn, emit, identify)
        self.firing = self.episodes.firing
        self.facts = Facts(agent, self.owner, partial(_voice, settings), emit, identify, tracker.count)
        self.burn = burn
        self._off = off
        self._faulty = False
        self._rows = [row for row in RUN_SIGNALS if row.name not in off]
        self._rare = [row for row in RARE_SIGNALS if row.name not in off]
        self._tools = TOOL_FAILED.name not in off
        self._labels = topology.slice_labels
        self._by_method = frozenset(methods.named(settings))
        """Signals whose middle nodes bet nothing, because a detector of river's watches the agent in their place."""

    # -- observations

    def observe_run(self, closed: Closed, now: float) -> bool:
        """All that a closed run says, one observation per signal and tool.

        True if it is a part of a fault that was told: what else it shows is not what is normal.
        """
        self._faulty = False
        run, place = closed.run, self.above.place(closed.work)
        found: list[Observation] = []
        told = False
        pairs = self.table.pairs.get(run.version)
        if self._tools:
            for tool, calls in run.tools.items():
                failed = calls[1]
                error = run.error_type if failed else None
                fires = self._observe(found, pairs, TOOL_FAILED.name, run, tool, failed / calls[0], error, now, place)
                told = told or (fires and failed > 0)
        for row in self._rows:
            y = row.read(closed)
            if y is None or (told and y and row is RUN_SILENT):
                continue  # silent because of a tool whose failing is told already
            self._observe(found, pairs, row.name, run, None, y, closed.error_type if y else None, now, place)
        for row in self._rare:
            y = row.read(closed)
            if y is not None and (y or (row.name, None, None) in self.nodes):
                self._begin_rare(row.name, now)
                self._observe(found, pairs, row.name, run, None, y, None, now, place)
        if self.burn is not None:
            bad = closed.status != "ok" or closed.silent
            self._observe(found, None, OBJECTIVE, run, None, float(bad), closed.error_type if bad else None, now)
        if (_UNHAPPY, None, None) in self.nodes:
            self._observe(found, pairs, _UNHAPPY, run, None, 0.0, None, now)
        if found:
            self.order.add(run, place if run.parent_run is None else None, found)
        self.runs += 1.0
        if self.firing:
            self.episodes.count_run(run, now)
        if self.facts.groups:
            self.facts.count_run(run, now)
        return self._faulty

    def observe_late(self, event: Event, now: float) -> None:
        """What an evaluation, feedback or a complaint says, with the version of its run while that is remembered."""
        judged = late.verdict(event)
        if judged is not None:
            self.observe_verdict(*judged, late.about(event), event.run, now)

    def observe_verdict(self, signal: str, y: float, about: str, name: str | None, now: float) -> None:
        """One late observation; each run (or whatever it is `about`) counts once per signal and side."""
        known = self.tracker.known(name or "")
        if known is not None and known.variant == "shadow":
            return
        if signal in self._off or not late.first_of(self.judged, signal, about, y > 0.0, now):
            return
        run = known or Run(name or "", None, -1, now, now, set(), {}, SPENT)
        if signal == late.UNHAPPY:
            self._begin_rare(signal, now)
        found: list[Observation] = []
        self._observe(found, None, signal, run, None, y, None, now)
        self._feed(run.run, run.started, NOWHERE if run.parent_run is None else None, found, now)

    def fact(self, fact: Fact, run: Run, now: float) -> None:
        """Something that a run did and must not; it is told at once."""
        self.facts.take(fact, run, self.runs, now)

    def release(self, now: float) -> None:
        """Feed the nodes with what need not wait any longer."""
        while True:
            item = self.order.next(now)
            if item is None:
                break
            started, run, _, place, observations = item
            self._feed(run, started, place, observations, now)

    def known(self, signal: str, version: str) -> tuple[float, float]:
        """Bad runs and runs that the reference of a version rests on."""
        node = self.nodes.get((signal, version or None, None))
        return (0.0, 0.0) if node is None else (node.k, node.n)

    # -- what people say

    def acknowledge(self, ack: Ack, now: float) -> bool:
        """A human's word for an episode of this agent; False if none is of that name."""
        return self.episodes.acknowledge(ack.node, ack.word, now) or self.facts.acknowledge(ack.node, ack.word, now)

    # -- budget

    def ask(self, now: float) -> None:
        """Ask anew for every account whose grant is over."""
        self.asked = [owner for owner, account in self.accounts.items() if account.end <= now]

    def deploy(self, version: str | None, name: str, now: float) -> None:
        """Something was deployed that may break this version (None: the agent has none): its nodes are paid in advance.

        `name` tells the deploy from others: the version, or what else was changed.
        """
        if self.runs < deploys.KNOWN_RUNS or deploys.known(self.table.deploys, name):
            return
        tools = sorted(key[2] for key in self.nodes if key[:2] == (TOOL_FAILED.name, None) and key[2] is not None)
        keys: list[Key] = [(signal, version, None) for signal in DEPLOYED if signal not in self._off]
        keys += [(TOOL_FAILED.name, version, tool) for tool in tools if self._tools]
        self.table.deploy(keys, name, now)

    # -- state

    def restore(self, found: Iterable[Node], waiting: Iterable[Waiting]) -> None:
        """Put back saved nodes and runs that wait. Accounts, counts and the tracker's runs must be back already."""
        self.table.restore(found)
        self.firing.update((key, node) for key, node in self.nodes.items() if node.firing is not None)
        self.order.restore(waiting, self.table.again)

    # -- inner

    def _begin_rare(self, signal: str, now: float) -> None:
        """The node of a signal that no run showed until now."""
        if (signal, None, None) not in self.nodes:
            nodes.relearn(self.table.node((signal, None, None), now), 0.0, self.runs)

    def _observe(
        self,
        found: list[Observation],
        pairs: Pairs | None,
        signal: str,
        run: Run,
        tool: str | None,
        y: float,
        error: str | None,
        now: float,
        place: str = NOWHERE,
    ) -> bool:
        """Count one observation where it belongs; what is to be bet on goes to `found`. `pairs`: of the run's version,
        where they are at hand.

        True if its slice fires, or a node above agents to which it belongs.
        """
        pair = None if pairs is None else pairs.get(signal, tool)
        if pair is None:
            pair = self.table.pair(signal, run.version if signal != OBJECTIVE else None, tool, now)
        middle, leaf = pair.middle, pair.leaf
        middle.seen = leaf.seen = now
        self.touched.add(middle.block)
        self.touched.add(leaf.block)
        if self.firing and (leaf.firing is not None or middle.firing is not None):
            node = leaf if leaf.firing is not None else middle
            self._observe_firing(node, run, tool, y, error, now, self.above.cell(pair, place))
            return True
        judge, normal = leaf, nodes.normal_of(leaf)
        if normal == nodes.YOUNG and leaf is not middle:
            judge, normal = middle, nodes.normal_of(middle)
        if self.above.covers.known and self._is_above(pair, run, y, judge.reference, place):
            self._faulty = True
            return True
        learns = tool is not None or not self._is_partial(signal, run)
        if normal < 0.0:
            if learns:
                nodes.learn(middle, y)
                if leaf is not middle:
                    nodes.learn(leaf, y)
            if not judge.live and signal != OBJECTIVE and (tool is not None or run.parent_run is None):
                upper = self.above.pooled_reference(self.above.cell(pair, place))
                if upper is not None:
                    mean = failure.tolerated(upper, judge.tolerance)
                    found.append((pair, y, self.table.bets(signal, mean), upper, True))
            return False
        bets = pair.bets
        mean = normal if signal == OBJECTIVE else failure.tolerated(normal, judge.tolerance)
        if bets is None or bets.mean != mean:
            bets = pair.bets = self.table.bets(signal, mean)
        value = 1.0 + bets.s1 * (y - mean)  # nodes.ONSET_BET
        runs = self.runs
        for node in pair.nodes:
            if value <= 1.0 and node.cusum <= 1.0 and not node.since_n:
                node.onset = now  # nothing to date; so it is of most observations
                node.runs_before = runs
                if not learns:
                    continue
            else:  # learned in any case: a fault takes back all that came since its onset
                nodes.date(node, value, y, mean, run.run, error, now, runs)
                if node.cusum > SUSPICIOUS:
                    self._count_parts(node, run, y)
            nodes.count(node, y)
        found.append((pair, y, bets, normal, False))
        return False

    def _is_partial(self, signal: str, run: Run) -> bool:
        """Whether runs are left out of a signal of whole runs because the failing of their tool is told.

        They are bad ones: what is left looks better than it is, and is bet on, but not learned.
        """
        if signal == OBJECTIVE or not (self.firing or self.above.covering):
            return False
        if signal == RUN_SILENT.name and any(key[0] == TOOL_FAILED.name for key in self.firing):
            return True
        return any((TOOL_FAILED.name, None, tool) in self.nodes for tool in self.above.covered_tools(run.started))

    def _is_above(self, pair: Pair, run: Run, y: float, normal: float, place: str) -> bool:
        """Whether an observation belongs to a node above agents that fires: these nodes neither bet on it nor learn it.

        What they took for evidence of the same fault until now is given up as well.
        """
        signal, tool = pair.signal, pair.tool
        covered = self.above.covered(signal, tool, place, run.started)
        failed = [name for name, calls in run.tools.items() if calls[1]] if tool is None else []
        if not covered and not (failed and self.above.tool_covered(failed, run.started)):
            return False
        for node in (pair.middle, pair.leaf):
            if node.cusum > 1.0 or any(node.evidence):
                nodes.unlearn(node, node.since_bad, node.since_n)
                nodes.silence_evidence(node)
        if covered and (tool is not None or run.parent_run is None):
            self.above.tell(self.above.cell(pair, place), None, y, normal, run.run)
        return True

    def _observe_firing(
        self, node: Node, run: Run, tool: str | None, y: float, error: str | None, now: float, cell: str
    ) -> None:
        assert node.firing is not None
        self._faulty = self._faulty or now - node.firing.began < FAULT_SECONDS
        if node.signal != OBJECTIVE and (tool is not None or run.parent_run is None):
            self.above.tell(cell, None, y, node.firing.before, run.run)
        self._count_parts(node, run, y)
        self.episodes.observe(node, y, run.run, error, now)

    def _count_parts(self, node: Node, run: Run, y: float) -> None:
        for _ in range(hitters.count(node.counts, hitters.names_of(run, self._labels), y)):
            self.tracker.count("slices_evicted")

    def _feed(
        self, run: str, started: float, place: str | None, observations: Iterable[Observation], now: float
    ) -> None:
        """Bet on what a run said: in the middle node, the leaf, and the nodes above agents. One page is enough."""
        told = False
        above, where, touched, table = self.above, place or NOWHERE, self.touched, self.table
        covering = bool(above.covers.known)
        for pair, y, bets, normal, young in observations:
            if pair.gone and not self.table.is_still(pair):
                continue
            middle, leaf = pair.middle, pair.leaf
            if middle.firing is not None or leaf.firing is not None:
                told = told or (y > 0.0 and pair.tool is not None)
                continue
            if told and y and pair.signal == RUN_SILENT.name:
                continue
            heard = (place is not None or pair.tool is not None) and pair.signal != OBJECTIVE
            if covering and above.covered(pair.signal, pair.tool, where, started):
                if heard:
                    above.tell(above.cell(pair, where), None, y, normal, run, young)
                continue
            if not young:
                ours = theirs = 0.0
                if pair.signal not in self._by_method:
                    touched.add(middle.block)
                    ours = nodes.step(middle, bets, y, table.drip(middle, now))
                if leaf is not middle:
                    touched.add(leaf.block)
                    theirs = nodes.step(leaf, bets, y, table.drip(leaf, now))
                if ours + theirs >= recursion.PAGE:  # both may pay together for one page (T3)
                    self.episodes.begin(middle if ours >= theirs else leaf, now, self.runs)
                    for node in (middle, leaf):
                        if node.firing is None:
                            nodes.spend(node)
                    told = told or (y > 0.0 and pair.tool is not None)
                    continue
            if heard:
                above.tell(above.cell(pair, where), bets, y, normal, run, young)


_NO_SETTING = DetectorSettings()


def _voice(settings: dict[str, DetectorSettings], signal: str) -> str | None:
    row = FAILURE_SIGNALS.get(signal)
    setting = settings.get(signal, _NO_SETTING)
    return setting.mode or (row.mode if row is not None and signal == RUN_LOOP.name else None)
