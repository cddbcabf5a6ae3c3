"""What one agent tells the nodes above it: per tick and parent, a sum of log L and the counts that belong to it.

Not here: which observations are bet on (`monitor.evidence.slices`), what a parent makes of it
(`monitor.evidence.aggregator`). Sums are integers, so they depend on what was told, never on the order.
"""

from __future__ import annotations

from detectors import failure, recursion
from schemas import limits
from schemas.records import Evidence

NAMES = 2_000
"""Combinations of signal and tool whose parents' names are kept at hand. More: they are worked out anew."""


class Above:
    """What the parents of one agent are to hear at the next tick."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.evidence: dict[str, list[int]] = {}
        self.failed_runs: dict[str, list[str]] = {}
        self._names: dict[tuple[str, str | None], tuple[str, ...]] = {}

    def tell(self, signal: str, tool: str | None, logs: tuple[int, ...], y: float, normal: float, run: str) -> None:
        """Add one observation: `logs` of its bets in fixed point, or none where only counts are to be heard."""
        bad, expected = round(y * recursion.SCALE), round(normal * recursion.SCALE)
        for parent in self._parents(signal, tool):
            sums = self.evidence.get(parent)
            if sums is None:
                sums = self.evidence[parent] = [0] * (failure.SIZE + 3)
            for j, log in enumerate(logs):
                sums[j] += log
            sums[-3] += 1
            sums[-2] += bad
            sums[-1] += expected
            if bad:
                failed = self.failed_runs.setdefault(parent, [])
                failed.append(run)
                del failed[: -limits.EXAMPLE_RUNS]

    def take(self) -> tuple[Evidence, ...]:
        """What was told since the last call."""
        if not self.evidence:
            return ()
        found = [
            Evidence(name, tuple(s[:-3]), s[-3], s[-2], s[-1], tuple(self.failed_runs.get(name, ())))
            for name, s in sorted(self.evidence.items())
        ]
        self.evidence, self.failed_runs = {}, {}
        return tuple(found)

    def _parents(self, signal: str, tool: str | None) -> tuple[str, ...]:
        names = self._names.get((signal, tool))
        if names is None:
            owner_and_fleet = (f"{signal}|owner|{self.owner}", f"{signal}|fleet|")
            names = owner_and_fleet if tool is None else (f"{signal}|tool|{tool}",)
            if len(self._names) >= NAMES:
                self._names.clear()
            self._names[(signal, tool)] = names
        return names
