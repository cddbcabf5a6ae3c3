"""The failure nodes of one agent: observations go in, episodes and evidence for parents come out.

In one slice an observation feeds a *leaf* (the agent's version, with a tool the version and the tool) and a *middle*
node (the agent, or the agent and the tool). The bets are made once, against the leaf's reference, and the same
e-values feed leaf, middle and the parents above agents (T4), so a mix of versions that shifts creates no evidence.
All of them are fed in the order in which the runs started, because failures are often faster than successes: the first
minutes of a version, or of any burst of runs, would look like an outage. What is counted and said takes runs as they
close.

Invariant: at most one node of a slice's family (leaf, middle) fires for the same fault; while it does, the family
neither learns nor bets.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable

from msgspec import Struct

from detectors import failure, recursion, reference
from detectors.failure import Bets
from monitor.evidence import accounts, nodes, words
from monitor.evidence.above import Above
from monitor.evidence.accounts import Account
from monitor.evidence.nodes import Key, Node
from monitor.runs import Run, RunTracker
from monitor.signals import FAILURE_SIGNALS, Signal
from monitor.topology import Topology
from schemas.config import DetectorSettings
from schemas.finding import Finding, FindingStatus

NODES = 2_000
"""Nodes of one agent. One more: those that were quiet longest make room, counted as `nodes_evicted`."""
WAITING = 3_000
"""Observations of one agent that wait for earlier runs. One more: the earliest goes in, counted as `order_forced`."""
NARROW = 0.7
"""Part of the excess that one version must explain to be named as the slice."""
ALIKE = 0.5
"""It is not named if the other versions' excess per run is more than this part of its own."""
QUIET_SECONDS = 3600.0
"""A firing slice that gets no runs for so long says so, once; it goes on firing, because silence is no evidence."""


class Waiting(Struct, array_like=True, frozen=True, order=True, gc=False):
    """An observation that waits until the runs that started before it have closed. `mean`: the null it is bet against;
    `normal`: the reference behind it; `root`: parents above agents may hear of it."""

    started: float
    run: str
    signal: str
    version: str
    tool: str
    y: float
    mean: float
    normal: float
    root: bool

    def bets(self) -> Bets:
        """The bets, as they were when the run closed."""
        return failure.bets(FAILURE_SIGNALS[self.signal].grid, self.mean)


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
        self.agent = agent
        self.owner = topology.owner_of_agent(agent)
        self.topology = topology
        self.settings = settings
        self.tracker = tracker
        self.above = Above(self.owner)
        self.emit = emit
        self.identify = identify
        self.nodes: dict[Key, Node] = {}
        self.firing: dict[Key, Node] = {}
        self.touched: set[Key] = set()
        self.accounts: dict[str, Account] = {}
        self.asked: list[str] = []
        self._off = {name for name, setting in settings.items() if setting.mode == "off"}
        self._waiting: list[tuple[Waiting, Bets]] = []
        self._opened: list[tuple[float, str]] = []
        self.runs = 0.0
        """Runs of the agent that were observed, this one not counted."""
        self.account(self.owner)

    # -- observations

    def enter(self, run: Run) -> None:
        """A run has begun, or earlier than was known; observations of later ones wait for it."""
        run.entered = run.started
        heapq.heappush(self._opened, (run.started, run.run))

    def observe(
        self, signal: Signal, run: Run, tool: str | None, y: float, error: str | None, root: bool, now: float
    ) -> None:
        """One observation of a closed run: `y` in [0, 1]. `root`: parents above agents may hear of it."""
        if signal.name in self._off:
            return
        middle = self._node((signal.name, None, tool), now)
        leaf = middle if run.version is None else self._node((signal.name, run.version, tool), now)
        if self.firing and (leaf.firing is not None or middle.firing is not None):
            self._observe_firing(leaf if leaf.firing is not None else middle, y, run.run, error, root, now)
            return
        judge = leaf if leaf.live else middle
        if not judge.live or judge.saturated:
            nodes.learn(middle, y)
            if leaf is not middle:
                nodes.learn(leaf, y)
            return
        normal = judge.reference
        bets = nodes.bets_of(judge, normal)
        value = 1.0 + bets.slopes[nodes.ONSET_BET] * (y - bets.mean)
        nodes.date(middle, value, y, bets.mean, run.run, error, now, self.runs)
        nodes.learn(middle, y)
        if leaf is not middle:
            nodes.date(leaf, value, y, bets.mean, run.run, error, now, self.runs)
            nodes.learn(leaf, y)
        item = Waiting(run.started, run.run, signal.name, run.version or "", tool or "", y, bets.mean, normal, root)
        heapq.heappush(self._waiting, (item, bets))

    def count_run(self, run: Run, now: float) -> None:
        """All of a run was observed; the firing slices that it was none of may get no more runs."""
        self.runs += 1.0
        for key in sorted(self.firing, key=str) if self.firing else ():
            node = self.firing[key]
            if node.version not in (None, run.version) or (node.tool is not None and node.tool not in run.tools):
                self.touched.add(key)
                if nodes.observe_elsewhere(node):
                    gone = f"version {node.version}" if node.version not in (None, run.version) else f"tool {node.tool}"
                    self._resolve(node, f"{gone} gets no more runs", now)

    def say_quiet(self, now: float) -> None:
        """Firing slices that got no run for a while say since when."""
        for key in sorted(self.firing, key=str):
            node = self.firing[key]
            assert node.firing is not None
            if not node.firing.quiet and now - node.seen >= QUIET_SECONDS:
                node.firing.quiet = True
                self.touched.add(key)
                self._say(node, "update", now, words.no_data_since(node.seen))

    def next_quiet(self) -> float:
        """The next tick at which `say_quiet` may have something to say; infinity for never."""
        loud = [node.seen for node in self.firing.values() if node.firing is not None and not node.firing.quiet]
        return min(loud, default=math.inf) + QUIET_SECONDS

    def waits(self) -> bool:
        """Whether observations wait for earlier runs."""
        return bool(self._waiting)

    def release(self, now: float) -> None:
        """Feed the nodes with what need not wait any longer."""
        waiting, opened = self._waiting, self._opened
        patience = now - self.tracker.usual_seconds()
        while opened:
            started, name = opened[0]
            run = self.tracker.open.get(name)
            if run is not None and run.entered == started and not run.passed:
                if started >= patience:
                    break
                run.passed = True
                self.tracker.touched.add(run.block)
            heapq.heappop(opened)
        while waiting and (not opened or waiting[0][0].started < opened[0][0] or len(waiting) > WAITING):
            if opened and waiting[0][0].started >= opened[0][0]:
                self.tracker.count("order_forced")
            self._feed(*heapq.heappop(waiting), now)

    # -- budget

    def account(self, owner: str) -> Account:
        """The account of an owner with this agent; a new one is asked for at the ledger."""
        account = self.accounts.get(owner)
        if account is None:
            account = self.accounts[owner] = accounts.empty()
        return account

    def ask(self, now: float) -> None:
        """Ask anew for every account whose grant is over."""
        self.asked = [owner for owner, account in self.accounts.items() if account.end <= now]

    def of_owner(self, owner: str) -> list[Node]:
        """The nodes that drip from this owner's account."""
        found = [node for node in self.nodes.values() if node.owner == owner]
        self.touched.update(node.key for node in found)
        return found

    # -- state

    def restore(self, found: Iterable[Node]) -> None:
        """Put back saved nodes. Where the YAML has changed for one, its evidence starts anew; others keep theirs."""
        for node in found:
            self.nodes[node.key] = node
            owner = node.owner
            if self._configure(node):
                self.account(node.owner)
                node.pending = 0.0
                if node.owner != owner:
                    node.share = 0.0  # until the new owner's next grant
                nodes.silence_evidence(node)
                self.touched.add(node.key)
            if node.firing is not None:
                self.firing[node.key] = node

    def waiting(self) -> list[Waiting]:
        """What waits, to be saved."""
        return [item for item, _ in self._waiting]

    def reopen(self, waiting: list[Waiting]) -> None:
        """After a restore: open runs hold back later ones again."""
        self._waiting = [(item, item.bets()) for item in sorted(waiting)]  # a sorted list is a heap
        for run in self.tracker.open.values():
            if run.entered is not None and not run.passed:
                self.enter(run)

    # -- inner

    def _feed(self, item: Waiting, bets: Bets, now: float) -> None:
        """Bet on one observation: in its middle node, its leaf, and the nodes above agents. One page is enough."""
        tool = item.tool or None
        middle = self.nodes.get((item.signal, None, tool))
        leaf = self.nodes.get((item.signal, item.version, tool)) if item.version else None
        if (middle is not None and middle.firing is not None) or (leaf is not None and leaf.firing is not None):
            return
        values, weights = bets.values(item.y), bets.weights
        for node in (middle, leaf):
            if node is not None:
                self.touched.add(node.key)
                if recursion.step(node.evidence, values, weights, self._drip(node, now)):
                    self._page(node, now)
                    return
        if item.root:
            self.above.tell(item.signal, tool, recursion.fixed_logs(values), item.y, item.normal, item.run)

    def _observe_firing(self, node: Node, y: float, run: str, error: str | None, root: bool, now: float) -> None:
        self.touched.add(node.key)
        firing = node.firing
        assert firing is not None
        if root:
            self.above.tell(node.signal, node.tool, (), y, firing.before, run)
        if nodes.observe_firing(node, y, run, error):
            self._resolve(node, "the signal is back", now)
        elif nodes.has_news(firing, now):
            self._say(node, "update", now)
            firing.said_n, firing.said_at = firing.n, now

    def _page(self, node: Node, now: float) -> None:
        """Begin an episode at the smallest slice that explains it; its relatives lose their evidence to it."""
        watched = node.key
        family = self._family(node)
        chosen = node if node.version is not None else _smallest_slice(node, family)
        nodes.fire(chosen, self.identify(*chosen.key), now, chosen.mode, watched, self.runs)
        self.firing[chosen.key] = chosen
        self._say(chosen, "firing", now)
        since_bad, since_n = chosen.since_bad, chosen.since_n
        for relative in [node, *family]:
            self.touched.add(relative.key)
            if relative is chosen or relative.firing is not None:
                continue
            if relative.version is None:  # it learned from the same runs
                nodes.unlearn(relative, since_bad, since_n)
                nodes.silence_evidence(relative)
            elif chosen.version is None:
                if relative.cusum > 1.0:
                    nodes.sharpen(relative)
                    nodes.unlearn(relative, relative.since_bad, relative.since_n)
                nodes.silence_evidence(relative)

    def _resolve(self, node: Node, reason: str, now: float) -> None:
        self._say(node, "resolved", now, reason)
        nodes.end(node, now)
        del self.firing[node.key]

    def _say(self, node: Node, status: FindingStatus, now: float, reason: str = "") -> None:
        assert node.firing is not None
        siblings = [n for n in self._family(node) if n.version is not None]
        identity = self.identify(node.firing.incident_key, status)
        self.emit(words.of_node(self.agent, node, status, now, siblings, reason, identity))

    def _family(self, node: Node) -> list[Node]:
        return [n for n in self.nodes.values() if n.signal == node.signal and n.tool == node.tool and n is not node]

    def _drip(self, node: Node, now: float) -> float:
        account = self.accounts[node.owner]
        return nodes.drip(node, now, account.rate(node.mode), account.end)

    def _node(self, key: Key, now: float) -> Node:
        self.touched.add(key)
        node = self.nodes.get(key)
        if node is not None:
            node.seen = now
            return node
        if len(self.nodes) >= NODES:
            self._evict()
        signal, version, tool = key
        node = self.nodes[key] = Node(signal, version, tool, "", [0.0] * failure.SIZE, now, seen=now, onset=now)
        self._configure(node)
        node.share = accounts.newcomer(self.account(node.owner), key)
        parent = self.nodes.get((signal, None, tool)) if version is not None else None
        if parent is not None and parent.live:
            node.k, node.n = reference.inherited(parent.k, parent.n)
        return node

    def _configure(self, node: Node) -> bool:
        """Give a node its owner and what the YAML says of its signal; True if that is new to it."""
        setting, row = self._setting(node.signal), FAILURE_SIGNALS[node.signal]
        before = (node.owner, node.declared, node.tolerance, node.mode)
        node.owner = self.owner if node.tool is None else self.topology.owner_of_tool(node.tool, self.agent)
        node.declared = setting.reference
        node.tolerance = setting.tolerance or row.tolerance
        node.mode = setting.mode or row.mode
        return before != (node.owner, node.declared, node.tolerance, node.mode)

    def _evict(self) -> None:
        """A twentieth at once, so that ever new names do not cost a search each."""
        quiet = sorted((node for node in self.nodes.values() if node.firing is None), key=_quiet_first)
        for node in quiet[: max(NODES // 20, 1)]:
            del self.nodes[node.key]
            self.touched.add(node.key)
            self.tracker.count("nodes_evicted")

    def _setting(self, signal: str) -> DetectorSettings:
        return self.settings.get(signal, _NO_SETTING)


_NO_SETTING = DetectorSettings()


def _quiet_first(node: Node) -> tuple[float, str]:
    return (node.seen, str(node.key))


def _smallest_slice(node: Node, family: list[Node]) -> Node:
    """The one version that explains what the middle node saw, or the middle node itself."""
    leaves = [n for n in family if n.version is not None and n.firing is None]
    excess = [max(n.since_bad - n.since_expected, 0.0) if n.cusum > 1.0 else 0.0 for n in leaves]
    if not any(excess):
        return node
    most = max(range(len(leaves)), key=lambda i: (excess[i], leaves[i].version or ""))
    if excess[most] < NARROW * sum(excess):
        return node
    leaf = leaves[most]
    others = node.since_n - leaf.since_n
    if others > 0.0:
        expected = node.since_expected / node.since_n * others
        beside = node.since_bad - leaf.since_bad - expected
        if beside / others > ALIKE * excess[most] / leaf.since_n:
            return node
    return leaf
