"""Notes: a text beside a committed offset. It says that we committed it, and of partitions without a table their flood.

Kafka keeps a text with every offset that a group commits. It goes where the partition goes, costs no topic, and is gone
when somebody moves the offset by hand (`kafka-consumer-groups --reset-offsets`), which is what they mean by it.

Invariant: a note is of records that are done, at most of some beyond the offset beside it; never of fewer.
"""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from typing import Any, NamedTuple

from faust.types import TP

NOTE_CHARACTERS = 2_000
"""A longer note is left out: brokers take 4,096 bytes by default, and refuse the commit beyond."""


OURS = "forewarn"
"""The note where there is nothing else to say."""


class Committed(NamedTuple):
    """What the group has committed of a partition. `offset`: the next to read; None where it has nothing."""

    offset: int | None = None
    note: str = OURS

    @property
    def moved(self) -> bool:
        """Whether it was moved by hand: a monitor leaves a note."""
        return self.offset is not None and not self.note


NOTHING = Committed()


class Notes:
    """The note of each partition; written by the loop of the worker, read by the consumer's thread."""

    def __init__(self) -> None:
        self._texts: dict[tuple[str, int], str] = {}
        self._lock = Lock()

    def put(self, tp: TP, text: str) -> None:
        """From the next commit of the partition on."""
        with self._lock:
            self._texts[tp.topic, tp.partition] = text if len(text) <= NOTE_CHARACTERS else ""

    def of(self, topic: str, partition: int) -> str:
        """What is to stand beside the partition's offset; empty where there is nothing to say."""
        with self._lock:
            return self._texts.get((topic, partition), "")

    def clear(self) -> None:
        """The partitions moved."""
        with self._lock:
            self._texts.clear()


def noted(consumer: Any, notes: Notes) -> None:
    """Make an aiokafka consumer commit each offset with its note, or `OURS`; Faust always writes an empty one."""
    commit = consumer.commit

    async def with_notes(offsets: Mapping[Any, Any]) -> None:
        await commit(
            {
                place: each._replace(metadata=notes.of(place.topic, place.partition) or OURS)
                for place, each in offsets.items()
            }
        )

    consumer.commit = with_notes
