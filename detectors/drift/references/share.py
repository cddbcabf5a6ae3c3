"""What is known of one channel whose values are shares of one. Not here: what is done with it (`shares`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

from detectors.drift.channels import Kind, Value
from detectors.drift.references import learning, memory
from detectors.drift.references.learning import KNOWN, LONGEST

Name = str | int
STEPS: Final = 250.0
"""Steps in which parts of a run are remembered for dating; references count exactly."""


class ShareChannel:
    """One channel: where its cells lie, and what it knows. A plain class, so that it compiles to a C struct.

    `names`: name → cell; a name in the cell of the rest has its sum in `others`. `met`: parts of runs that went to
    names beyond `KNOWN`. `tape`: the last `WINDOW` runs: the cell, the part in `STEPS`, or for a mix all cells' parts.
    """

    def __init__(
        self,
        position: int,
        kind: Kind,
        tolerance: float,
        learner: learning.Shares | None,
        start: int = 0,
        cells: int = 0,
        live: bool = False,
        learns: bool = False,
        names: dict[Name, int] | None = None,
        others: dict[Name, float] | None = None,
        met: float = 0.0,
        n: float = 0.0,
        due: float = 0.0,
        tape: bytes = b"",
    ) -> None:
        self.position = position
        self.kind = kind
        self.tolerance = tolerance
        self.learner = learner
        self.start = start
        self.cells = cells
        self.live = live
        self.learns = learns
        self.names: dict[Name, int] = {} if names is None else names
        self.others: dict[Name, float] = {} if others is None else others
        self.met = met
        self.n = n
        self.due = due
        self.tape = memory.bytes_of(tape)

    @property
    def width(self) -> int:
        """Bytes of tape per run."""
        return self.cells if self.kind == "share" or self.kind == "set" else 1

    @property
    def named(self) -> int:
        """Names that get a cell of their own."""
        return learning.NAMED_OF_SETS if self.kind == "set" else learning.NAMED

    def learn_from(self, rows: Sequence[Sequence[Value]]) -> None:
        """Give the learner the values of runs, in the order in which they came."""
        learner = self.learner
        if learner is None:
            return
        sums: dict[Name, float] = learner.sums
        kind, position, met, runs = self.kind, self.position, learner.met, 0
        for row in rows:
            value = row[position]
            if value is None:
                continue
            runs += 1
            if kind == "category":
                name = value[:LONGEST] if isinstance(value, str) else cast(int, value)
                met += _add(sums, name, 1.0)
            elif kind == "rate":
                met += _add(sums, "", cast(float, value))
            else:
                for each, part in cast("dict[str, float]", value).items():
                    met += _add(sums, each[:LONGEST], part)
        learner.met, learner.n = met, learner.n + runs


def _add(sums: dict[Name, float], name: Name, part: float) -> float:
    """Count a name's part of a run; the part where there is no room for the name, else zero."""
    total = sums.get(name)
    if total is None:
        if len(sums) >= KNOWN:
            return part
        total = 0.0
    sums[name] = total + part
    return 0.0
