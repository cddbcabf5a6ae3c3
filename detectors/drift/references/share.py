"""What is known of one channel whose values are shares of one. Not here: what is done with it (`shares`)."""

from __future__ import annotations

from typing import Any, Final, cast

from mypy_extensions import i64

from detectors.drift.channels import Kind, Value
from detectors.drift.references import learning, memory
from detectors.drift.references.learning import KNOWN, LONGEST
from detectors.drift.references.shortest import all_shortest, shortest

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

    def fields(self) -> list[Any]:
        """What is written of it: the arguments of a new one."""
        learner = self.learner
        learned = None if learner is None else [all_shortest(learner.sums), learner.n, shortest(learner.met)]
        return [
            self.position, self.kind, shortest(self.tolerance), learned, self.start, self.cells, self.live, self.learns,
            self.names, all_shortest(self.others), shortest(self.met), shortest(self.n), shortest(self.due),
            memory.to_bytes(self.tape),
        ]  # fmt: skip

    def learn_from(self, rows: list[list[Any]]) -> None:
        """Give the learner the values of runs, in the order in which they came."""
        learner = self.learner
        if learner is None:
            return
        sums: dict[Name, float] = learner.sums
        kind, met, runs = self.kind, learner.met, 0
        position: i64 = self.position
        if kind == "category":
            before: Value = None
            times = 0
            for row in rows:
                value = row[position]
                if value is None:
                    continue
                runs += 1
                if value is not before and times:
                    met += _add(sums, _kept(before), float(times))
                    times = 0
                before = value
                times += 1
            if times:  # whole numbers: added together they are what they are one by one
                met += _add(sums, _kept(before), float(times))
        elif kind == "rate":
            total = sums.get("", 0.0)
            for row in rows:
                value = row[position]
                if value is not None:
                    runs += 1
                    total += cast(float, value)
            if runs:
                sums[""] = total
        else:
            for row in rows:
                value = row[position]
                if value is None:
                    continue
                runs += 1
                for each, part in cast("dict[str, float]", value).items():
                    met += _add(sums, each if len(each) <= LONGEST else each[:LONGEST], part)
        learner.met, learner.n = met, learner.n + runs


def _kept(value: Value) -> Name:
    """What is kept of a category."""
    return value[:LONGEST] if isinstance(value, str) else cast(int, value)


def _add(sums: dict[Name, float], name: Name, part: float) -> float:
    """Count a name's part of a run; the part where there is no room for the name, else zero."""
    total = sums.get(name)
    if total is None:
        if len(sums) >= KNOWN:
            return part
        total = 0.0
    sums[name] = total + part
    return 0.0
