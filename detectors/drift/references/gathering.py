"""Runs that wait to be learned from: given to the learners of a bank together, for one at a time costs far more.

Invariant: no channel goes live a run later than if each run were learned from at once (`due`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

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
            for at, learner in learners.items():
                position = plan.numbers[at]
                told: list[float] = []
                for row in rows:
                    value = row[position]
                    if value is not None:
                        told.append(memory.rounded(cast(float, value)))
                if told:
                    learner.extend(told)
            shares.learn_from(rows)
        seen = [learner.n for at, learner in learners.items() if numbers is None or not numbers.live[at]]
        seen += [one.learner.n for one in shares.learners if one.learner is not None and not one.live]
        self._due = max(min(LIVE - max(seen, default=0), GATHERED), 0)
