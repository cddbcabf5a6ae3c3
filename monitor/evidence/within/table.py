"""The nodes of one agent by name: made when they are first needed, bounded, paid from their owners' accounts.

Not here: what is observed and bet (`monitor.evidence.slices`).

Invariant: `nodes` and `blocks` hold the same nodes, at most `NODES` of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from detectors import failure, reference
from monitor.evidence import accounts, nodes
from monitor.evidence.within import deploys
from monitor.evidence.within.deploys import Deploys
from monitor.evidence.within.node import NO_EVIDENCE, Node
from monitor.evidence.within.objectives import Burn
from monitor.evidence.within.order import Observation, Pair, Pairs
from monitor.runs import RunTracker
from monitor.saved.states import Account, Key, Seen
from monitor.signals import FAILURE_SIGNALS, OBJECTIVE
from monitor.topology import Topology
from schemas.config import DetectorSettings

NODES: Final = 2_000
"""Nodes of one agent. One more: those that were quiet longest make room, counted as `nodes_evicted`."""


class Table:
    """Nodes, the accounts that they drip from, and what deploys promise to them."""

    def __init__(
        self,
        agent: str,
        topology: Topology,
        settings: dict[str, DetectorSettings],
        tracker: RunTracker,
        burn: Burn | None,
    ) -> None:
        self.agent = agent
        self.owner = topology.owner_of_agent(agent)
        self.topology = topology
        self.settings = settings
        self.tracker = tracker
        self.burn = burn
        self.nodes: dict[Key, Node] = {}
        self.blocks: list[dict[Key, Node]] = [{} for _ in range(nodes.BLOCKS)]
        self.touched: set[int] = set()
        """Blocks that must be saved."""
        self.accounts: dict[str, Account] = {}
        self.deploys = Deploys({}, [])
        self.pairs: dict[str | None, Pairs] = {}
        """By version."""
        self.account(self.owner)

    def node(self, key: Key, now: float) -> Node:
        """The node of this name, made if need be."""
        node = self.nodes.get(key)
        if node is not None:
            return node
        if len(self.nodes) >= NODES:
            self._evict()
        signal, version, tool = key
        block = nodes.block_of(key)
        node = Node(signal, version, tool, "", NO_EVIDENCE, now, seen=now, onset=now, block=block)
        self.nodes[key] = self.blocks[block][key] = node
        self.touched.add(block)
        self._configure(node)
        node.share = accounts.newcomer(self.account(node.owner), key, lambda: self.of_owner(node.owner), now)
        parent = self.nodes.get((signal, None, tool)) if version is not None else None
        if parent is not None and parent.live:
            node.k, node.n = reference.inherited(parent.k, parent.n)
        if self.deploys.promises:
            deploys.redeem(self.deploys, node)
        return node

    def pair(self, signal: str, version: str | None, tool: str | None, now: float) -> Pair:
        """The two nodes of an observation, made if need be."""
        known = self.pairs.get(version)
        found = None if known is None else known.get(signal, tool)
        if found is not None:
            return found
        middle = self.node((signal, None, tool), now)
        leaf = middle if version is None else self.node((signal, version, tool), now)
        pair = Pair(signal, version, tool, middle, leaf)
        pair.gone = self.nodes.get(middle.key) is not middle  # it made room for its own leaf
        if not pair.gone:
            self._keep(pair)
        return pair

    def is_still(self, pair: Pair) -> bool:
        """Find the nodes of a pair anew, one of which made room; False if both are gone."""
        middle = self.nodes.get((pair.signal, None, pair.tool))
        leaf = self.nodes.get((pair.signal, pair.version, pair.tool))
        one, other = middle or leaf, leaf or middle
        if one is None or other is None:
            return False
        pair.place(one, other)
        return True

    def bets(self, signal: str, mean: float) -> failure.Bets:
        """The bets of a signal against a null mean."""
        if signal == OBJECTIVE and self.burn is not None:
            return self.burn.bets
        return failure.bets(FAILURE_SIGNALS[signal].grid, mean)

    # -- budget

    def owner_of(self, tool: str | None) -> str:
        """Whose the nodes of a tool are; None: those of the agent."""
        return self.owner if tool is None else self.topology.owner_of_tool(tool, self.agent)

    def account(self, owner: str) -> Account:
        """The account of an owner with this agent; a new one is asked for at the ledger."""
        account = self.accounts.get(owner)
        if account is None:
            account = self.accounts[owner] = accounts.empty()
        return account

    def of_owner(self, owner: str) -> list[Node]:
        """The nodes that drip from this owner's account."""
        found = [node for node in self.nodes.values() if node.owner == owner]
        self.touched.update(node.block for node in found)
        return found

    def drip(self, node: Node, now: float) -> float:
        """What flowed into a node since its last step."""
        if now <= node.last and not node.pending:
            return 0.0
        account = self.accounts[node.owner]
        rate = account.page_rate if node.mode == "page" else account.notice_rate
        return nodes.drip(node, now, rate, account.end)

    def deploy(self, keys: list[Key], name: str, now: float) -> None:
        """Pay these nodes for a deploy of this name, each from its owner's pool."""
        owners = [(key, self.owner_of(key[2])) for key in keys]
        for _ in range(deploys.begin(self.deploys, name, owners, self.accounts, self.owner, now)):
            self.tracker.count("promises_dropped")
        for key in keys:
            node = self.nodes.get(key)
            if node is not None:
                self.touched.add(node.block)
                deploys.redeem(self.deploys, node)

    # -- state

    def restore(self, found: Iterable[Node]) -> None:
        """Put back saved nodes. Where the YAML has changed for one, its evidence starts anew; others keep theirs."""
        for node in found:
            key = node.key
            self.nodes[key] = self.blocks[node.block][key] = node
            owner = node.owner
            if self._configure(node):
                self.account(node.owner)
                node.pending = 0.0
                if node.owner != owner:
                    node.share = 0.0  # until the new owner's next grant
                nodes.silence_evidence(node)
                self.touched.add(node.block)

    def again(self, seen: Seen) -> Observation | None:
        """An observation that was saved while it waited; None if its nodes are gone."""
        version, tool = seen.version or None, seen.tool or None
        known = self.pairs.get(version)
        pair = None if known is None else known.get(seen.signal, tool)
        if pair is None:
            middle = self.nodes.get((seen.signal, None, tool))
            leaf = self.nodes.get((seen.signal, version, tool))
            one, other = middle or leaf, leaf or middle
            if one is None or other is None:
                return None
            pair = Pair(seen.signal, version, tool, one, other)
            pair.gone = middle is None or leaf is None
            if not pair.gone:
                self._keep(pair)
        return pair, seen.y, self.bets(seen.signal, seen.mean), seen.normal, seen.young

    # -- inner

    def _configure(self, node: Node) -> bool:
        """Give a node its owner and what the YAML says of its signal; True if that is new to it."""
        setting = self.settings.get(node.signal, _NO_SETTING)
        before = (node.owner, node.declared, node.tolerance, node.mode)
        node.owner = self.owner_of(node.tool)
        if node.signal == OBJECTIVE:
            node.declared, node.tolerance = (self.burn.eps if self.burn is not None else None), 1.0
            node.mode = setting.mode or "page"
        else:
            row = FAILURE_SIGNALS[node.signal]
            node.declared = setting.reference
            node.tolerance = setting.tolerance or row.tolerance
            node.mode = setting.mode or row.mode
        return before != (node.owner, node.declared, node.tolerance, node.mode)

    def _evict(self) -> None:
        """A twentieth at once, so that ever new names do not cost a search each."""
        quiet = sorted((node for node in self.nodes.values() if node.firing is None), key=_quiet_first)
        for node in quiet[: max(NODES // 20, 1)]:
            key = node.key
            del self.nodes[key]
            del self.blocks[node.block][key]
            self.touched.add(node.block)
            self.tracker.count("nodes_evicted")
        self.pairs = {version: pairs for version, pairs in self.pairs.items() if pairs.forget(self.nodes)}

    def _keep(self, pair: Pair) -> None:
        known = self.pairs.get(pair.version)
        if known is None:
            known = self.pairs[pair.version] = Pairs()
        known.put(pair)


_NO_SETTING = DetectorSettings()


def _quiet_first(node: Node) -> tuple[float, str]:
    return (node.seen, str(node.key))
