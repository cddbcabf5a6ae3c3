"""Sink: where intake puts what it read. The runtimes implement it; intake decides nothing about storage.

Invariant: what `accept` returned for is durable; the sender is answered after it, so what is lost is sent again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from monitor.intake.dead_letters import DeadLetter
from monitor.intake.spans import Record
from schemas.event import Event


@dataclass(frozen=True, slots=True)
class Batch:
    """All that one body held. `counts`: what was read, skipped or re-timed, by name (`events_skipped`, `skewed` …).

    `raws`: the JSON of each event as it came, where it came as JSON; else empty.
    """

    events: Sequence[Event] = ()
    spans: Sequence[Record] = ()
    dead_letters: Sequence[DeadLetter] = ()
    counts: dict[str, int] = field(default_factory=dict)
    raws: Sequence[bytes] = ()


class Unavailable(Exception):
    """The sink cannot take anything now; worth another try after `retry_after` seconds."""

    def __init__(self, retry_after: float = 5.0) -> None:
        super().__init__(f"unavailable; try again in {retry_after:g} s")
        self.retry_after = retry_after


class Sink(Protocol):
    """Takes batches."""

    async def accept(self, batch: Batch) -> None:
        """Returns when all of the batch is durable. Raises `Unavailable`; then none of it need be."""
