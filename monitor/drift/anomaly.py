"""Runs unlike the usual ones, taken as a whole: HalfSpaceTrees over what a run took and gave (`run.anomaly`).

The trees learn from the first runs of an epoch and are frozen then; from there on each run gets a score, which is a
number like any other. Off unless the YAML turns it on: scoring costs some twenty microseconds a run, and river has to
be imported.

Not here: whether the scores changed (that is for who watches them), and the trees (`detectors.river_detectors`).

Invariant: the state is the vectors that were learned from; learning from them again gives the same trees.
"""

from __future__ import annotations

from collections.abc import Mapping

from detectors.river_detectors import Forest, packed, unpacked
from monitor.runs import Closed
from schemas.config import DetectorSettings

SIGNAL = "run.anomaly"
LEARNED = 500
"""Runs that an epoch begins with; the trees learn from them and they have no score."""
FEATURES = 6
_UNKNOWN = -1.0
"""Stands where a run does not say: among learned ranks it is a value like any other."""


class Unusual:
    """One agent's trees."""

    def __init__(self) -> None:
        self.changed = False
        """Whether there is something to save: once the trees are frozen there is nothing new."""
        self._vectors: list[list[float]] = []
        self._forest: Forest | None = None

    def score(self, closed: Closed) -> float | None:
        """How unlike the epoch's first runs this one is, in [0, 1]; None while they are gathered, and for hung runs."""
        if closed.status == "hung":
            return None
        vector = vector_of(closed)
        if self._forest is not None:
            return self._forest.score(vector)
        self._vectors.append(vector)
        self.changed = True
        if len(self._vectors) == LEARNED:
            self._forest = Forest(self._vectors)
        return None

    def restart(self) -> None:
        """A new epoch: what comes now is the new normal."""
        self._vectors, self._forest = [], None
        self.changed = True

    def save(self) -> bytes:
        """The state."""
        self.changed = False
        return packed([x for vector in self._vectors for x in vector])

    def load(self, raw: bytes) -> None:
        """Put back a saved state."""
        numbers = unpacked(raw)
        self._vectors = [numbers[i : i + FEATURES] for i in range(0, len(numbers), FEATURES)]
        self._forest = Forest(self._vectors) if len(self._vectors) == LEARNED else None


def wanted(settings: Mapping[str, DetectorSettings]) -> bool:
    """Whether the YAML turns it on; nothing else does."""
    setting = settings.get(SIGNAL)
    return setting is not None and setting.mode in ("notice", "digest")


def vector_of(closed: Closed) -> list[float]:
    """Seconds, steps, tokens, dollars, characters of the output, share of calls that failed."""
    work = closed.work
    calls = sum(tool[0] for tool in closed.run.tools.values())
    failed = sum(tool[1] for tool in closed.run.tools.values())
    return [
        closed.duration_seconds,
        float(work.steps),
        _UNKNOWN if work.tokens is None else float(work.tokens),
        _UNKNOWN if work.cost_usd is None else work.cost_usd,
        _UNKNOWN if work.output_length is None else work.output_length,
        failed / calls if calls else 0.0,
    ]
