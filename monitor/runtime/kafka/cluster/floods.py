"""A flood of dead letters: when so little can be read that going on would only empty a topic into the dead letters.

One `Flood` watches one partition over its last `WINDOW_RECORDS` records. Pure. Owner: the partition's worker; its state
is saved with the partition's, or as a note beside its offset where it has none, so that a worker that is started again
stops at the same place instead of draining another thousand. A crash before a save repeats the records, and their
count. What is stepped when the flood is seen is neither written nor committed.

A record that holds several things (an array of events, an OTLP body of spans) counts as many as came of it: one bad
span in each body of thousands is no flood.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

import msgspec

from schemas.config import Floods

WINDOW_RECORDS = 10_000
"""Over so many records of a partition letters are counted."""
SLOT_RECORDS = 500
"""In slots of so many: the window forgets by slots."""
RISING_SHARE = 0.25
"""From this part of the limit on a flood is rising."""
_VERSION = 1


class _Letter(msgspec.Struct):
    reason: str = "unknown"


class _Note(msgspec.Struct):
    kind: str
    version: int
    slots: list[tuple[int, int]]


_letter = msgspec.json.Decoder(_Letter)


class DeadLetterFlood(Exception):
    """Too little of a partition can be read. Says where it stands, how much it is, and what to do."""


class Flood:
    """Records and dead letters of one partition. `place` names it as `topic/3`."""

    KEY = "flood"

    def __init__(self, limits: Floods, place: str) -> None:
        self._limits = limits
        self._place = place
        self._slots: deque[tuple[int, int]] = deque()
        self._changed = False
        self.rising = False
        """Whether so much is unreadable that each step is better saved at once, lest its letters be written twice."""

    def took(self, records: int, letters: Sequence[bytes | None], first: int) -> None:
        """So many records, or things in them, came from the offset `first` on, and these letters of them.

        Raises `DeadLetterFlood`.
        """
        if self._limits.letters == 0 or (not letters and not self._slots):
            return  # nothing unreadable in the window: there is nothing to count
        if self._slots and self._slots[-1][0] < SLOT_RECORDS:
            before, bad = self._slots.pop()
            self._slots.append((before + records, bad + len(letters)))
        else:
            self._slots.append((records, len(letters)))
        self._changed = True
        total, unread = (sum(column) for column in zip(*self._slots, strict=True))
        self.rising = unread >= self._limits.letters * RISING_SHARE
        if letters and unread >= self._limits.letters and unread > self._limits.share * total:
            reason = _letter.decode(letters[0] or b"{}").reason
            raise DeadLetterFlood(
                f"{unread:,} of the last {total:,} records of {self._place} could not be read; the worker stops at "
                f"offset {first:,} rather than empty the topic into the dead letters. What is wrong there: {reason}. "
                "Mend the producer; then move the group's offset past the bad records, or raise "
                "`runtime.kafka.floods.letters` (0: never stop)"
            )
        while total - self._slots[0][0] >= WINDOW_RECORDS:
            total -= self._slots.popleft()[0]
        if not any(bad for _, bad in self._slots):
            self._slots.clear()
            self.rising = False

    def changes(self) -> list[tuple[str, bytes]]:
        """The window, where it changed since the last call."""
        if not self._changed:
            return []
        self._changed = False
        return [(self.KEY, msgspec.msgpack.encode((_VERSION, list(self._slots))))]

    def note(self) -> str:
        """The window as a text beside an offset; empty where there is nothing unreadable in it."""
        if not self._slots:
            return ""
        return msgspec.json.encode(_Note(self.KEY, _VERSION, list(self._slots))).decode()

    def recall(self, note: str) -> None:
        """Take it up from the text beside the partition's offset. A text of somebody else's says nothing."""
        try:
            found = msgspec.json.decode(note, type=_Note)
        except msgspec.DecodeError:
            return
        if found.kind == self.KEY and found.version == _VERSION:
            self._slots.extend(found.slots)

    def load(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """Take it up from the entries of the partition."""
        for key, value in entries:
            if key == self.KEY:
                version, slots = msgspec.msgpack.decode(value, type=tuple[int, list[tuple[int, int]]])
                if version != _VERSION:
                    raise ValueError(f"{key}: state of version {version}; this monitor reads {_VERSION}")
                self._slots.extend(slots)
