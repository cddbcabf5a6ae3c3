"""Runs that wait to be learned from: given to the learners of a bank together, for one at a time costs far more.

Invariant: no channel goes live a run later than if each run were learned from at once (`due`).
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from typing import cast

import numpy as np
from mypy_extensions import i64

from detectors.drift.channels import Value
from detectors.drift.plan import Plan
from detectors.drift.references import memory
from detectors.drift.references.learning import LIVE, Numbers
from detectors.drift.references.numbers import NumberChannels
from detectors.drift.references.shares import ShareChannels

GATHERED = 32
"""Runs that wait at most."""


class Gathering:
    """The runs of one bank that wait."""

    __slots__ = ("_due", "rows")

    def __init__(self) -> None:
        self.rows: list[list[Value]] = []
        self._due = GATHERED

    @property
    def due(self) -> bool:
        """Whether some channel may have seen enough by now, or enough runs wait."""
        return len(self.rows) >= self._due

    def take(self, values: list[Value], learners: Mapping[int, Numbers], plan: Plan, shares: ShareChannels) -> bool:
        """Keep a run if it says something to a channel that learns; whether it does. Once a bank knows all that its
        agent says, hardly one does."""
        positions = plan.numbers
        for at in learners:
            if values[positions[at]] is not None:
                self.rows.append(values)
                return True
        for channel in shares.learners:
            if values[channel.position] is not None:
                self.rows.append(values)
                return True
        return False

    def give(
        self, learners: Mapping[int, Numbers], plan: Plan, numbers: NumberChannels | None, shares: ShareChannels
    ) -> None:
        """Hand what waits to the learners: those of numbers, and those that are in `shares`."""
        rows, self.rows = self.rows, []
        if rows:
            _give_numbers(rows, learners, plan)
            shares.learn_from(rows)
        seen = [learner.n for at, learner in learners.items() if numbers is None or not numbers.live[at]]
        seen += [one.learner.n for one in shares.learners if one.learner is not None and not one.live]
        self._due = max(min(LIVE - max(seen, default=0), GATHERED), 0)


def _give_numbers(rows: list[list[Value]], learners: Mapping[int, Numbers], plan: Plan) -> None:
    """Each learner takes what the rows say of its number. All are rounded to 32 bits at once: asked one by one, an
    `array` takes far longer."""
    found = memory.filled(len(learners) * len(rows), 0.0)
    ends: list[int] = []
    end: i64 = 0
    for at in learners:
        position: i64 = plan.numbers[at]
        for row in rows:
            value = row[position]
            if value is not None:
                found[end] = memory.rounded(cast(float, value))
                end += 1
        ends.append(end)
    packed = memory.view(found)[:end].astype(np.float32).tobytes()
    first = 0
    for learner, last in zip(learners.values(), ends, strict=True):
        if first < last:
            _extend(learner, packed[4 * first : 4 * last], last - first)
        first = last


def _extend(learner: Numbers, packed: bytes, count: int) -> None:
    """So many more values, in the order in which they came."""
    values = learner.values
    if learner.n + count <= LIVE:
        values.frombytes(packed)
    else:
        told = array("f", packed)
        free = max(LIVE - learner.n, 0)
        values.extend(told[:free])
        for i, value in enumerate(told[free:], start=max(learner.n, LIVE)):
            values[i % LIVE] = value
    learner.n += count
