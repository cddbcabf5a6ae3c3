"""The episodes of one agent's nodes: how they begin, at which slice, what is said while they last, how they end.

An episode ends by evidence, by a human's word, or because its slice plainly gets no more runs; never by silence.

Invariant: at most one node of a slice's family (leaf, middle) fires for the same fault; while it does, the family
neither learns nor bets.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from detectors import reference
from monitor.evidence import nodes, words
from monitor.evidence.within import hitters, objectives
from monitor.evidence.within.node import SUSPICIOUS, Node
from monitor.evidence.within.objectives import Burn
from monitor.runs import Run
from monitor.saved.states import Key
from schemas.finding import CALLED_NORMAL, IS_BACK, Finding, FindingStatus

NARROW = 0.7
"""Part of the excess that one version must explain to be named as the slice."""
ALIKE = 0.5
"""It is not named if the other versions' excess per run is more than this part of its own."""
CAUSES = 0.5
"""Part of the silent runs' excess that a failing tool must have for it to be told instead."""
SILENT = "run.silent"
QUIET_SECONDS = 3600.0
"""A firing slice that gets no runs for so long says so, once; it goes on firing, because silence is no evidence."""
ACKS = {"false_alarm": "a human calls it a false alarm", "new_normal": CALLED_NORMAL}
"""Words of a human that end an episode, and what is said then."""


class Episodes:
    """`emit` takes findings; `identify(parts)` names them after the present record; `touched` collects blocks."""

    def __init__(
        self,
        agent: str,
        table: dict[Key, Node],
        touched: set[int],
        burn: Burn | None,
        emit: Callable[[Finding], None],
        identify: Callable[..., str],
    ) -> None:
        self.agent = agent
        self.nodes = table
        self.touched = touched
        self.burn = burn
        self.emit = emit
        self.identify = identify
        self.firing: dict[Key, Node] = {}

    def begin(self, node: Node, now: float, runs: float) -> None:
        """Begin an episode at the smallest slice that explains it; its relatives lose their evidence to it."""
        watched = node.key
        family = self._family(node)
        share = nodes.deploy_share(node)
        chosen = node if node.version is not None else _smallest_slice(node, family)
        cause = self._cause(chosen) if node.signal == SILENT else None
        if cause is not None:
            family += [n for n in (chosen, cause, *self._family(cause)) if n is not node]
            chosen = cause
        elif chosen.tool is not None:
            family += self._effects(chosen)
        firing = nodes.fire(chosen, self.identify(*chosen.key), now, chosen.mode, watched, runs)
        firing.deploy_share = firing.deploy_share if firing.deploy_share is not None else share
        firing.part = hitters.smallest(chosen.counts, firing.before)
        if self._is_objective(chosen):
            self._set_voice(chosen)
        self.firing[chosen.key] = chosen
        self._say(chosen, "firing", now)
        since_bad, since_n = chosen.since_bad, chosen.since_n
        for relative in [node, *family]:
            self.touched.add(relative.block)
            if relative is chosen or relative.firing is not None:
                continue
            if relative.signal != chosen.signal:
                nodes.unlearn(relative, relative.since_bad, relative.since_n)
                nodes.silence_evidence(relative)
            elif relative.version is None:  # it learned from the same runs
                nodes.unlearn(relative, since_bad, since_n)
                nodes.silence_evidence(relative)
            elif chosen.version is None:
                if relative.cusum > 1.0:
                    nodes.sharpen(relative)
                    nodes.unlearn(relative, relative.since_bad, relative.since_n)
                nodes.silence_evidence(relative)

    def observe(self, node: Node, y: float, run: str, error: str | None, now: float) -> None:
        """One observation of a firing node's family."""
        self.touched.add(node.block)
        firing = node.firing
        assert firing is not None
        if nodes.observe_firing(node, y, run, error):
            self._end(node, IS_BACK, now)
            return
        if self._is_objective(node) and firing.mode == "notice" and self._set_voice(node):
            self._say(node, "firing", now)  # louder: whoever was told quietly is told again
            firing.said_n, firing.said_at = firing.n, now
        elif nodes.has_news(firing, now):
            self._say(node, "update", now)
            firing.said_n, firing.said_at = firing.n, now

    def count_run(self, run: Run, now: float) -> None:
        """All of a run was observed; the firing slices that it was none of may get no more runs."""
        for key in sorted(self.firing, key=str):
            node = self.firing[key]
            if node.version not in (None, run.version) or (node.tool is not None and node.tool not in run.tools):
                self.touched.add(node.block)
                assert node.firing is not None
                if nodes.observe_elsewhere(node.firing, now - node.seen):
                    gone = f"version {node.version}" if node.version not in (None, run.version) else f"tool {node.tool}"
                    self._end(node, f"{gone} gets no more runs", now)

    def say_quiet(self, now: float) -> None:
        """Firing slices that got no run for a while say since when."""
        for key in sorted(self.firing, key=str):
            node = self.firing[key]
            assert node.firing is not None
            if not node.firing.quiet and now - node.seen >= QUIET_SECONDS:
                node.firing.quiet = True
                self.touched.add(node.block)
                self._say(node, "update", now, words.no_data_since(node.seen))

    def next_quiet(self) -> float:
        """The next tick at which `say_quiet` may have something to say; infinity for never."""
        loud = [node.seen for node in self.firing.values() if node.firing is not None and not node.firing.quiet]
        return min(loud, default=math.inf) + QUIET_SECONDS

    def acknowledge(self, name: str, word: str, now: float) -> bool:
        """A human's word for the episode `name` (an incident key, or a node as `signal|version|tool`).

        The episode ends and the node learns anew, beginning with the runs since the onset. So does the agent's node
        above a version, and the versions below an agent's node, or the same runs would raise the same alarm again.
        """
        found = [node for node in self.firing.values() if name in _names(node)]
        if not found or word not in ACKS:
            return False
        for node in sorted(found, key=lambda node: str(node.key)):
            firing = node.firing
            assert firing is not None
            n, bad = firing.n, firing.bad
            self._end(node, ACKS[word], now)
            nodes.relearn(node, bad, n)
            for relative in self._family(node):
                if relative.firing is None and None in (node.version, relative.version):
                    self.touched.add(relative.block)
                    anew = (bad, n) if relative.version is None or reference.is_live(bad, n) else (0.0, 0.0)
                    nodes.relearn(relative, *anew)
                    nodes.silence_evidence(relative)
        return True

    # -- inner

    def _end(self, node: Node, reason: str, now: float) -> None:
        self.touched.add(node.block)
        self._say(node, "resolved", now, reason)
        nodes.end(node, now)
        del self.firing[node.key]

    def _say(self, node: Node, status: FindingStatus, now: float, reason: str = "") -> None:
        firing = node.firing
        assert firing is not None
        siblings = [n for n in self._family(node) if n.version is not None]
        if not firing.part and status == "update":  # it may take some runs to see who it is
            firing.part = hitters.smallest(node.counts, firing.before)
        identity = self.identify(firing.incident_key, status, firing.mode)
        if not reason and self.burn is not None and self._is_objective(node):
            reason = objectives.words(self.burn, firing)
        self.emit(words.of_node(self.agent, node, status, now, siblings, reason, identity))

    def _family(self, node: Node) -> list[Node]:
        return [n for n in self.nodes.values() if n.signal == node.signal and n.tool == node.tool and n is not node]

    def _cause(self, silent: Node) -> Node | None:
        """The tool whose failing makes runs silent: then that is what is told, for it is the narrower truth.

        The evidence that pays is of the silent runs, and is spent (T3).
        """
        excess = max(silent.since_bad - silent.since_expected, 0.0)
        tools = [
            (n.since_bad - n.since_expected, str(n.key), n)
            for n in self.nodes.values()
            if n.tool is not None and n.version == silent.version and n.firing is None
            if n.cusum > SUSPICIOUS and n.since_bad - n.since_expected >= CAUSES * excess
        ]
        return max(tools)[2] if tools else None

    def _effects(self, tool: Node) -> list[Node]:
        """Nodes of silent runs whose excess is that of a tool that fires now: the same fault seen twice."""
        excess = tool.since_bad - tool.since_expected
        silent = [self.nodes.get((SILENT, version, None)) for version in dict.fromkeys((None, tool.version))]
        return [n for n in silent if n is not None and excess >= CAUSES * (n.since_bad - n.since_expected)]

    def _is_objective(self, node: Node) -> bool:
        return self.burn is not None and node.signal == objectives.SIGNAL

    def _set_voice(self, node: Node) -> bool:
        """Give an objective's episode its voice; True if it is a page now."""
        firing = node.firing
        assert firing is not None and self.burn is not None
        if node.mode == "page":
            firing.mode = objectives.severity(self.burn, firing)
        return firing.mode == "page"


def _names(node: Node) -> Mapping[str, None]:
    assert node.firing is not None
    return dict.fromkeys((node.firing.incident_key, "|".join(part or "" for part in node.key)))


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
