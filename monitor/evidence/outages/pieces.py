"""What agents say of a node above them in one tick, as plain numbers that compiled code adds up.

A piece is `schemas.records.Evidence` without its name. Its sums are whole numbers in units of `UNIT`, so that they do
not depend on the order in which they are added; only `runs` are in the order of the additions.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import mypyc_attr

from detectors import failure
from schemas import limits
from schemas.records import Evidence

UNIT: Final = 2.0**-32
"""Of sums: 1 / `detectors.recursion.SCALE`."""
_BETS: Final = 6
assert failure.SIZE == _BETS


@mypyc_attr(acyclic=True)
class Piece:
    """`l0` to `l5`: the sum of log L of each bet, where `has_bets`; the rest as in `Evidence`."""

    def __init__(self) -> None:
        self.has_bets = False
        self.l0, self.l1, self.l2, self.l3, self.l4, self.l5 = 0, 0, 0, 0, 0, 0
        self.n, self.bad, self.expected, self.young = 0, 0, 0, 0
        self.runs: list[str] = []

    def add(self, other: Piece) -> None:
        """Count another piece as well; of both, the last runs that were bad."""
        if other.has_bets:
            self.has_bets = True
            self.l0 += other.l0
            self.l1 += other.l1
            self.l2 += other.l2
            self.l3 += other.l3
            self.l4 += other.l4
            self.l5 += other.l5
        self.n += other.n
        self.bad += other.bad
        self.expected += other.expected
        self.young += other.young
        if other.runs:
            self.runs = [*self.runs, *other.runs][-limits.EXAMPLE_RUNS :]

    def logs(self) -> list[int]:
        """The sum of log L per bet; empty where there were no bets."""
        return [self.l0, self.l1, self.l2, self.l3, self.l4, self.l5] if self.has_bets else []

    def counts(self) -> list[float]:
        """Observations, bad ones, how many were expected to be bad, and those of nodes without a reference."""
        return [float(self.n), self.bad * UNIT, self.expected * UNIT, float(self.young)]


def piece_of(evidence: Evidence) -> Piece:
    """The numbers of `evidence`. Bets of other kinds than ours, of another release, count for nothing."""
    piece = Piece()
    sums = evidence.sums
    if len(sums) == _BETS:
        piece.has_bets = True
        piece.l0, piece.l1, piece.l2, piece.l3, piece.l4, piece.l5 = sums
    piece.n, piece.bad, piece.expected = evidence.n, evidence.bad, evidence.expected
    piece.young, piece.runs = evidence.young, list(evidence.runs)
    return piece


def both(one: Piece, other: Piece) -> Piece:
    """Two pieces as one; neither changes, for each may be evidence for other nodes too."""
    found = Piece()
    found.add(one)
    found.add(other)
    return found
