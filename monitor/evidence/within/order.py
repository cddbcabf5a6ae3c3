"""The order in which an agent's runs are bet on: that in which they started, not that in which they closed.

Failures are often faster than successes: the first minutes of a version, or of any burst of runs, would look like an
outage. What a run said waits until every run that started before it has closed or has taken longer than usual.

Invariant: what waits is a function of the runs that opened and closed, so a restart changes nothing.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from typing import Final

from mypy_extensions import mypyc_attr

from detectors.failure import Bets
from monitor.evidence.within.node import Node
from monitor.runs import Run, RunTracker
from monitor.saved.states import Key, Seen, Waiting

WAITING: Final = 3_000
"""Observations of one agent that wait for earlier runs. One more: the earliest run goes in, counted as
`order_forced`."""


@mypyc_attr(acyclic=True)
class Pair:
    """The two nodes that an observation feeds: the agent's, and the version's (the same where none is known).

    `bets`: the last ones made for them, good as long as what is normal is the same. `nodes`: both, or the one. `gone`:
    one of them made room for others. `cell`: theirs above the agent, at the place of the last run
    (`monitor.evidence.above`).
    """

    def __init__(self, signal: str, version: str | None, tool: str | None, middle: Node, leaf: Node) -> None:
        self.signal = signal
        self.version = version
        self.tool = tool
        self.middle = middle
        self.leaf = leaf
        self.nodes: tuple[Node, ...] = (middle,) if leaf is middle else (middle, leaf)
        self.bets: Bets | None = None
        self.gone = False
        self.where: str | None = None
        self.cell = ""

    def place(self, middle: Node, leaf: Node) -> None:
        """Say which nodes they are."""
        self.middle = middle
        self.leaf = leaf
        self.nodes = (middle,) if leaf is middle else (middle, leaf)


@mypyc_attr(acyclic=True)
class Pairs:
    """The pairs of one version: those of whole runs by signal, those of tools, which have but one signal, by tool."""

    def __init__(self) -> None:
        self.runs: dict[str, Pair] = {}
        self.tools: dict[str, Pair] = {}

    def get(self, signal: str, tool: str | None) -> Pair | None:
        """The pair of a signal, or of a tool."""
        return self.runs.get(signal) if tool is None else self.tools.get(tool)

    def put(self, pair: Pair) -> None:
        """Keep a pair."""
        if pair.tool is None:
            self.runs[pair.signal] = pair
        else:
            self.tools[pair.tool] = pair

    def forget(self, nodes: dict[Key, Node]) -> bool:
        """Let go of pairs of which a node is no longer among these; whether any is left."""
        for known in (self.runs, self.tools):
            for name, pair in list(known.items()):
                if pair.middle.key not in nodes or pair.leaf.key not in nodes:
                    pair.gone = True
                    del known[name]
        return bool(self.runs or self.tools)


Observation = tuple[Pair, float, Bets, float, bool]
"""Nodes, `y` in [0, 1], the bets as they were when the run closed, the reference behind them, and whether that is only
a pooled one, which nodes above agents may hear of and these nodes may not."""


Item = tuple[float, str, int, str | None, list[Observation]]
"""Start, run, a number that tells two items apart, its place, what was observed."""


class Order:
    """Runs of one agent that wait for earlier ones."""

    def __init__(self, tracker: RunTracker) -> None:
        self.tracker = tracker
        self._items: list[Item] = []
        self._opened: list[tuple[float, str]] = []
        self._size = 0
        self._number = 0

    def __bool__(self) -> bool:
        return bool(self._items)

    def enter(self, run: Run) -> None:
        """A run has begun, or earlier than was known; later ones wait for it."""
        run.entered = run.started
        heapq.heappush(self._opened, (run.started, run.run))

    def add(self, run: Run, place: str | None, observations: list[Observation]) -> None:
        """What was observed of a closed run."""
        self._number += 1
        self._size += len(observations)
        heapq.heappush(self._items, (run.started, run.run, self._number, place, observations))

    def next(self, now: float) -> Item | None:
        """The earliest run that need not wait any longer; None where all must wait."""
        items, opened = self._items, self._opened
        if not items and not opened:
            return None
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
        if not items:
            return None
        if opened and items[0][0] >= opened[0][0]:
            if self._size <= WAITING:
                return None
            self.tracker.count("order_forced")
        item: Item = heapq.heappop(items)
        self._size -= len(item[4])
        return item

    # -- state

    def saved(self) -> list[Waiting]:
        """What waits, to be saved."""
        return [
            Waiting(
                started,
                run,
                place,
                [
                    Seen(p.signal, p.version or "", p.tool or "", y, bets.mean, normal, young)
                    for p, y, bets, normal, young in seen
                ],
            )
            for started, run, _, place, seen in sorted(self._items, key=_place)
        ]

    def restore(self, waiting: Iterable[Waiting], again: Callable[[Seen], Observation | None]) -> None:
        """Put back what waited; open runs hold back later ones again. `again`: the observation that was saved."""
        self._items = []
        self._number = self._size = 0
        for item in waiting:
            found = [observation for seen in item.seen if (observation := again(seen)) is not None]
            self._number += 1
            self._size += len(found)
            self._items.append((item.started, item.run, self._number, item.place, found))
        heapq.heapify(self._items)
        for run in self.tracker.open.values():
            if run.entered is not None and not run.passed:
                self.enter(run)


def _place(item: Item) -> tuple[float, str, int]:
    return item[:3]
