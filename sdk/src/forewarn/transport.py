"""What carries records away: the protocol, its receipt, and the transport that keeps them in memory for tests.

A transport sends; it does not queue, retry or count (`forewarn.delivery` does). It is called from one thread at a time.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol


class Record(NamedTuple):
    """One event on its way: the agent as key (None if the event names none) and the JSON."""

    key: str | None
    body: bytes


@dataclass
class Receipt:
    """What became of a batch: every record is accepted, refused for good, or to be sent again.

    `wait_seconds`: how long the other side asked us to wait before `again`, None if it did not say.
    """

    accepted: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    """Reason, in the words of the server → number of records."""
    again: list[Record] = field(default_factory=list)
    wait_seconds: float | None = None
    problem: str = ""
    """Why `again` is not empty, for the log."""


class Transport(Protocol):
    """Where events go. `send` may block; an exception of it means that the whole batch is sent again."""

    def send(self, batch: list[Record]) -> Receipt:
        """Hands the batch over and says what became of each record."""

    def reset(self) -> None:
        """After a fork, in the child: forget connections and threads of the parent, without talking to anyone."""

    def close(self) -> None:
        """Gives connections back."""


class MemoryTransport:
    """Keeps events in `events`, as dicts in the order in which they were emitted: for the tests of an agent."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    @property
    def events(self) -> list[dict[str, Any]]:
        """What was delivered so far; call `emitter.flush()` first."""
        return [json.loads(record.body) for record in self.records]

    def send(self, batch: list[Record]) -> Receipt:
        """Always accepted."""
        self.records.extend(batch)
        return Receipt(accepted=len(batch))

    def reset(self) -> None:
        """The child begins empty."""
        self.records = []

    def close(self) -> None:
        """Nothing to give back."""
