"""What is known of one channel whose values are shares of one, as it is saved. Not here: what is done with it."""

from __future__ import annotations

from msgspec import Struct

from detectors.drift.channels import Kind
from detectors.drift.references import learning

Name = str | int
STEPS = 250.0
"""Steps in which parts of a run are remembered for dating; references count exactly."""


class ShareChannel(Struct):
    """One channel: where its cells lie, and what it knows."""

    position: int
    kind: Kind
    tolerance: float
    learner: learning.Shares | None
    start: int = 0
    cells: int = 0
    live: bool = False
    learns: bool = False
    names: dict[Name, int] = {}
    """Name → cell; a name in the cell of the rest has its sum in `others`."""
    others: dict[Name, float] = {}
    met: float = 0.0
    """Parts of runs that went to names beyond `KNOWN`."""
    n: float = 0.0
    due: float = 0.0
    tape: bytearray = bytearray()
    """The last `WINDOW` runs: the cell, the part in `STEPS`, or for a mix the parts of all cells."""

    @property
    def width(self) -> int:
        """Bytes of tape per run."""
        return self.cells if self.kind == "share" else 1
