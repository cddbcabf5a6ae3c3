"""What one agent tells the nodes above it, and what they told it.

Per tick and cell, a sum of log L and the counts that belong to it go up. Down come covers (a node above fires, and what
it explains is its matter) and pooled references for nodes that know nothing of their own yet.

Not here: which observations are bet on (`monitor.evidence.slices`), what a parent makes of it
(`monitor.evidence.aggregator`). Sums are integers, so they depend on what was told, never on the order.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from mypy_extensions import mypyc_attr

from detectors import recursion
from detectors.failure import Bets
from monitor.evidence.outages import cells
from monitor.evidence.within.order import Pair
from monitor.runs import Work
from monitor.signals import TOOL_FAILED
from schemas import limits
from schemas.records import Cover, Evidence

NAMES: Final = 2_000
"""Combinations of signal, tool and place whose names are kept at hand. More: they are worked out anew."""
POOLS: Final = 200
"""Cells of one agent for which a pooled reference is asked. Young nodes beyond tell their parents nothing."""
COVER_SECONDS = 7 * 86400.0
"""A node above that fires for longer covers nobody any more: agents speak for themselves again."""
AFTER_SECONDS: Final = 3600.0
"""So long after its end a cover is remembered, for runs that began before."""
_TO_ASK, _ASKED = -1.0, 0.0


@mypyc_attr(acyclic=True)
class Sums:
    """One cell's sums since the last tick: log L of each bet, observations, bad ones, expected ones, of young nodes."""

    def __init__(
        self, l0: int = 0, l1: int = 0, l2: int = 0, l3: int = 0, l4: int = 0, l5: int = 0,
        n: int = 0, bad: int = 0, expected: int = 0, young: int = 0,
    ) -> None:  # fmt: skip
        self.l0, self.l1, self.l2, self.l3, self.l4, self.l5 = l0, l1, l2, l3, l4, l5
        self.n, self.bad, self.expected, self.young = n, bad, expected, young

    def logs(self) -> tuple[int, ...]:
        """Sums of log L per bet."""
        return (self.l0, self.l1, self.l2, self.l3, self.l4, self.l5)


def _log(bets: Bets) -> None:
    """Most runs are good, and their logs are the same as long as the reference is."""
    gap = 0.0 - bets.mean
    bets.g0, bets.g1 = recursion.fixed_log(1.0 + bets.s0 * gap), recursion.fixed_log(1.0 + bets.s1 * gap)
    bets.g2, bets.g3 = recursion.fixed_log(1.0 + bets.s2 * gap), recursion.fixed_log(1.0 + bets.s3 * gap)
    bets.g4, bets.g5 = recursion.fixed_log(1.0 + bets.s4 * gap), recursion.fixed_log(1.0 + bets.s5 * gap)
    bets.logged = True


def _by_name(item: tuple[str, Sums]) -> str:
    return item[0]


class Covers:
    """The nodes above agents that fire, or did lately, as one partition knows them."""

    def __init__(self) -> None:
        self.known: dict[str, Cover] = {}
        self.signals: set[str] = set()
        """Those of the nodes that are known: of any other signal nothing is covered."""

    def take(self, cover: Cover) -> None:
        """A record of the log; one that is older than what is known changes nothing."""
        known = self.known.get(cover.node)
        if known is None or known.time <= cover.time:
            self.known[cover.node] = cover
            self.signals.add(cells.parts_of(cover.node)[0])

    def forget(self, now: float) -> None:
        """Drop what is over."""
        for name, cover in list(self.known.items()):
            over = cover.time + COVER_SECONDS if cover.until is None else cover.until + AFTER_SECONDS
            if over <= now:
                del self.known[name]
                self.signals = {cells.parts_of(node)[0] for node in self.known}


class Above:
    """What the parents of one agent are to hear at the next tick, and what the agent heard of them."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.sums: dict[str, Sums] = {}
        """What each cell is to hear at the next tick."""
        self.failed_runs: dict[str, list[str]] = {}
        self.pooled: dict[str, float] = {}
        """Cell → pooled upper reference; not above zero while there is none."""
        self.covers = Covers()
        """Those of the partition, once the engine has handed them over."""
        self._chains: dict[tuple[str, str | None, str], tuple[str, tuple[str, ...]]] = {}
        self._place, self._provider, self._model = cells.NOWHERE, "", ""

    def place(self, work: Work) -> str:
        """Where a run took place, as far as it said so."""
        provider, model = work.provider or "", work.model or ""
        if provider != self._provider or model != self._model:
            self._place, self._provider, self._model = cells.place_of(provider, model), provider, model
        return self._place

    def cell(self, pair: Pair, place: str) -> str:
        """The cell of what a run at this place says of these nodes."""
        if pair.where is not place:  # most runs of an agent take place where the one before did
            pair.where, pair.cell = place, self._chain(pair.signal, pair.tool, place)[0]
        return pair.cell

    def tell(self, cell: str, bets: Bets | None, y: float, normal: float, run: str, young: bool = False) -> None:
        """Add one observation to its cell: what its bets say, or only its counts where there are none.

        `normal`: the reference behind the bets; `young`: it is a pooled one.
        """
        sums = self.sums.get(cell)
        if sums is None:
            sums = self.sums[cell] = Sums()
        if bets is not None and y == 0.0:
            if not bets.logged:
                _log(bets)
            sums.l0 += bets.g0
            sums.l1 += bets.g1
            sums.l2 += bets.g2
            sums.l3 += bets.g3
            sums.l4 += bets.g4
            sums.l5 += bets.g5
        elif bets is not None:
            gap = y - bets.mean
            sums.l0 += recursion.fixed_log(1.0 + bets.s0 * gap)
            sums.l1 += recursion.fixed_log(1.0 + bets.s1 * gap)
            sums.l2 += recursion.fixed_log(1.0 + bets.s2 * gap)
            sums.l3 += recursion.fixed_log(1.0 + bets.s3 * gap)
            sums.l4 += recursion.fixed_log(1.0 + bets.s4 * gap)
            sums.l5 += recursion.fixed_log(1.0 + bets.s5 * gap)
        sums.n += 1
        sums.expected += recursion.fixed(normal)
        sums.young += young
        if y > 0.0:
            sums.bad += recursion.fixed(y)
            failed = self.failed_runs.setdefault(cell, [])
            failed.append(run)
            del failed[: -limits.EXAMPLE_RUNS]

    def take(self) -> tuple[Evidence, ...]:
        """What was told since the last call."""
        if not self.sums:
            return ()
        found = [
            Evidence(name, sums.logs(), sums.n, sums.bad, sums.expected, self._failed(name), sums.young)
            for name, sums in sorted(self.sums.items(), key=_by_name)
        ]
        self.sums, self.failed_runs = {}, {}
        return tuple(found)

    def _failed(self, cell: str) -> tuple[str, ...]:
        return tuple(self.failed_runs.get(cell, ()))

    # -- state

    def saved(self) -> dict[str, list[int]]:
        """Cell → the sums that wait for the next tick."""
        return {cell: [*s.logs(), s.n, s.bad, s.expected, s.young] for cell, s in self.sums.items()}

    def restore(self, saved: dict[str, list[int]]) -> None:
        """Put saved sums back."""
        self.sums = {cell: Sums(*numbers) for cell, numbers in saved.items()}

    # -- covers

    @property
    def covering(self) -> bool:
        """Whether any node above agents fires or did lately; while none does, nothing is covered."""
        return bool(self.covers.known)

    def covered(self, signal: str, tool: str | None, place: str, started: float) -> bool:
        """Whether an observation of a run that started at `started` belongs to a node above that fires."""
        if signal not in self.covers.signals:
            return False
        return self._any_covers(self._chain(signal, tool, place)[1], started)

    def tool_covered(self, tools: Iterable[str], started: float) -> bool:
        """Whether one of the tools that failed in a run is covered: then all that the run shows is that tool's matter.

        It is no evidence for other nodes above either.
        """
        if TOOL_FAILED.name not in self.covers.signals:
            return False
        return self._any_covers([cells.node_of(TOOL_FAILED.name, "tool", tool) for tool in tools], started)

    def covered_tools(self, started: float) -> list[str]:
        """The tools that are told above agents at the time of a run."""
        if TOOL_FAILED.name not in self.covers.signals:
            return []
        parts = [cells.parts_of(node) for node in self.covers.known if self._any_covers((node,), started)]
        return [value for signal, level, value in parts if (signal, level) == (TOOL_FAILED.name, "tool")]

    # -- pooled references

    def pooled_reference(self, cell: str) -> float | None:
        """What a node without a reference may be bet against above agents; asked for where it is not known yet."""
        rate = self.pooled.get(cell)
        if rate is None:
            if len(self.pooled) < POOLS:
                self.pooled[cell] = _TO_ASK
            return None
        return rate if rate > 0.0 else None

    def hear(self, rates: dict[str, float]) -> None:
        """The aggregator answers."""
        self.pooled.update((cell, rate) for cell, rate in rates.items() if cell in self.pooled)

    def ask(self) -> tuple[str, ...]:
        """Cells that were not asked for yet."""
        found = tuple([cell for cell, rate in self.pooled.items() if rate == _TO_ASK]) if self.pooled else ()
        self.pooled.update(dict.fromkeys(found, _ASKED))
        return found

    def ask_again(self) -> None:
        """Time went on: cells without an answer are asked for again when they are needed."""
        self.pooled = {cell: rate for cell, rate in self.pooled.items() if rate > 0.0}

    def _any_covers(self, names: Iterable[str], started: float) -> bool:
        known = self.covers.known
        for name in names:
            cover = known.get(name)
            if cover is not None and (cover.until is None or started < cover.until):
                return True
        return False

    def _chain(self, signal: str, tool: str | None, place: str) -> tuple[str, tuple[str, ...]]:
        """The cell of an observation and the nodes above agents that it feeds."""
        key = (signal, tool, place)
        found = self._chains.get(key)
        if found is None:
            cell = cells.cell_of(signal, tool, place)
            if len(self._chains) >= NAMES:
                self._chains.clear()
            found = self._chains[key] = (cell, cells.chain_of(cell, self.owner))
        return found
