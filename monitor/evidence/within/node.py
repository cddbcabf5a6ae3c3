"""A node: what it holds. What is done with it stands in `monitor.evidence.nodes`.

A plain class of numbers, so that it compiles to a C struct; `monitor.saved` writes it. The order of the parameters is
that of what is saved.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import mypyc_attr

from detectors import reference
from detectors.drift.references.shortest import shortest
from monitor.saved.states import Firing, Key

SUSPICIOUS: Final = 3.0
"""CUSUM of the onset above which a stretch looks like a fault."""
COVERING: Final = 1.2
"""Tolerance that covers what holding runs back does to the reference (`benchmarks/bench_detection.py`)."""
HELD_BACK: Final = 0.5
"""At most this part of the runs is held back."""
NO_EVIDENCE = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


@mypyc_attr(acyclic=True)
class Node:
    """State of one node. Probabilities and counts; times in epoch seconds of ticks.

    `r0` … `r5`: the evidence of each bet, together `evidence`. What else there is: `monitor.saved.states.NodeState`.
    """

    def __init__(
        self,
        signal: str,
        version: str | None,
        tool: str | None,
        owner: str,
        evidence: tuple[float, ...],
        last: float,
        share: float = 0.0,
        pending: float = 0.0,
        k: float = 0.0,
        n: float = 0.0,
        seen: float = 0.0,
        onset: float = 0.0,
        cusum: float = 0.0,
        since_n: float = 0.0,
        since_bad: float = 0.0,
        since_expected: float = 0.0,
        runs_before: float = 0.0,
        sharp_onset: float = 0.0,
        sharp_cusum: float = 0.0,
        sharp_n: float = 0.0,
        sharp_bad: float = 0.0,
        sharp_expected: float = 0.0,
        sharp_runs_before: float = 0.0,
        examples: tuple[str, ...] = (),
        errors: tuple[str, ...] = (),
        declared: float | None = None,
        tolerance: float = 1.25,
        mode: str = "page",
        firing: Firing | None = None,
        block: int = 0,
        deploy: tuple[float, ...] = (),
        prepaid: float = 0.0,
        counts: dict[str, list[float]] | None = None,
        late_k: float = 0.0,
        late_n: float = 0.0,
    ) -> None:
        self.signal = signal
        self.version = version
        self.tool = tool
        self.owner = owner
        self.r0, self.r1, self.r2, self.r3, self.r4, self.r5 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        self.evidence = evidence
        self.last = last
        self.share = share
        self.pending = pending
        self.k = k
        self.n = n
        self.seen = seen
        self.onset = onset
        self.cusum = cusum
        self.since_n = since_n
        self.since_bad = since_bad
        self.since_expected = since_expected
        self.runs_before = runs_before
        self.sharp_onset = sharp_onset
        self.sharp_cusum = sharp_cusum
        self.sharp_n = sharp_n
        self.sharp_bad = sharp_bad
        self.sharp_expected = sharp_expected
        self.sharp_runs_before = sharp_runs_before
        self.examples = examples
        self.errors = errors
        self.declared = declared
        self.tolerance = tolerance
        self.mode = mode
        self.firing = firing
        self.block = block
        self.deploy = deploy
        self.prepaid = prepaid
        self.counts: dict[str, list[float]] = {} if counts is None else counts
        self.late_k = late_k
        self.late_n = late_n

    @property
    def evidence(self) -> tuple[float, ...]:
        """R of each bet, of what the drip paid."""
        return (self.r0, self.r1, self.r2, self.r3, self.r4, self.r5)

    @evidence.setter
    def evidence(self, values: tuple[float, ...]) -> None:
        self.r0, self.r1, self.r2 = values[0], values[1], values[2]
        self.r3, self.r4, self.r5 = values[3], values[4], values[5]

    def fields(self) -> list[object]:
        """Its fields in the order of `NodeState`, numbers without a fraction as integers: as they are written."""
        return [
            self.signal, self.version, self.tool, self.owner, self.evidence, shortest(self.last), shortest(self.share),
            shortest(self.pending), shortest(self.k), shortest(self.n), shortest(self.seen), shortest(self.onset),
            shortest(self.cusum), shortest(self.since_n), shortest(self.since_bad), shortest(self.since_expected),
            shortest(self.runs_before), shortest(self.sharp_onset), shortest(self.sharp_cusum), shortest(self.sharp_n),
            shortest(self.sharp_bad), shortest(self.sharp_expected), shortest(self.sharp_runs_before), self.examples,
            self.errors, None if self.declared is None else shortest(self.declared), shortest(self.tolerance),
            self.mode, self.firing, self.block, self.deploy, shortest(self.prepaid), self.counts, shortest(self.late_k),
            shortest(self.late_n),
        ]  # fmt: skip

    @property
    def key(self) -> Key:
        """What tells this node from the others of its agent."""
        return (self.signal, self.version, self.tool)

    @property
    def live(self) -> bool:
        """Whether it knows what is normal."""
        return self.declared is not None or reference.is_live(self.k, self.n)

    @property
    def saturated(self) -> bool:
        """Whether what is normal is already so bad that nothing worse can be told apart: no bets are made."""
        return self.declared is None and self.k + 0.5 > reference.HIGHEST * (self.n + 1.0)

    @property
    def reference(self) -> float:
        """What is normal, from what came before the newest runs: a share of one.

        All runs of a stretch that looks like a fault are held back as well, or a slow fault would become normal.
        That makes the reference a little too low, which only a tolerance covers: without one, only the newest are.
        """
        if self.declared is not None:
            return self.declared
        if self.is_held_back:
            return reference.learned(self.k - self.since_bad, self.n - self.since_n)
        return reference.learned(self.k - self.late_k, self.n - self.late_n)

    @property
    def is_held_back(self) -> bool:
        """Whether a stretch that looks like a fault is kept out of what was learned."""
        since = self.since_n
        return self.cusum > SUSPICIOUS and self.tolerance >= COVERING and self.late_n < since <= HELD_BACK * self.n

    def labels(self) -> dict[str, str]:
        """Version and tool, where the node is of one."""
        named = (("version", self.version), ("tool", self.tool))
        return {name: value for name, value in named if value is not None}
