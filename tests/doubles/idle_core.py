"""A core of a Kafka worker that does nothing: for what happens around it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from monitor.runtime.kafka.broker.fetched import Record
from monitor.runtime.kafka.partition import Outgoing
from monitor.runtime.parts import Entry


class IdleCore:
    """Takes whatever was saved, and is given no records."""

    def step(self, records: Sequence[Record]) -> list[Outgoing]:
        raise AssertionError(records)

    def counted(self) -> Counter[str]:
        return Counter()

    def settled(self) -> int:
        return -1

    def changes(self) -> list[Entry]:
        return []

    def load(self, entries: Iterable[tuple[str, bytes]]) -> None:
        del entries
