"""Which marks an agent's answers have: those that are new, and those that are gone.

Marks are the signs between words (`monitor.reading.marks`), so `9.9` where there were decimals, `## a` where a heading
was. One that was never there is *young* for the next answers, and an answer that has it is a changed one, once it is
there in a fifth of them; a rare sign that comes once is none. It is *gone* where it has been away for longer than it
ever would, by how it was away before (`monitor.drift.outputs.stretches`).

Invariant: nothing is said before the first `WARM` texts, nor within a session that goes on; at most `MARKS` are known.
"""

from __future__ import annotations

from typing import Final, cast
from zlib import crc32

import msgspec

from monitor.drift.outputs.stretches import WARM, Known, Packed, Stretches, take_away

MARKS: Final = 48
"""Marks that are known. More: the one that is away longest gives way, counted as `marks_forgotten`; when it comes again
it is not new."""
SEEN: Final = 4_096
"""Numbers by which it is known that a mark was there once and gave way, or was away for so long that it is known no
more, by its CRC-32; a mark that shares its number with such a one is never new."""
YOUNG: Final = 200
"""Texts for which a mark is new."""
SURE: Final = 3
"""Texts with a new mark before it counts, and more than one in `PART` since it came."""
PART: Final = 5
AWAY: Final = 1e-4
"""How unlikely a stretch without a mark is before it counts."""


class _Mark(Known):
    """A mark, whose `first` is 0 where it was known once and gave way. `seen`: texts that had it."""

    def __init__(self, first: int, latest: int, seen: int, away: Stretches) -> None:
        super().__init__(first, latest, away)
        self.seen = seen


class Marks:
    """The marks of an agent's texts. `known`: whether it could be told of the latest one what is `young` in it and what
    is `gone` from it. `lost`: marks that gave way to others, until somebody counts them."""

    def __init__(self) -> None:
        self.count = 0
        """Texts that were observed."""
        self.known = False
        self.young: list[str] = []
        self.gone: list[str] = []
        self.lost = 0
        self._marks: dict[str, _Mark] = {}
        self._seen = b""
        """A bit for each number of `SEEN`; empty as long as all marks that ever were are known."""

    def observe(self, found: list[str]) -> None:
        """The marks of one text."""
        self.clear()
        count = self.count = self.count + 1
        self.known = count > WARM
        marks = self._marks
        for name in found:
            mark = marks.get(name)
            if mark is None:
                if len(marks) >= MARKS:
                    gives_way = min(marks, key=lambda one: (marks[one].latest, one))
                    del marks[gives_way]
                    self._note(_number(gives_way))
                    self.lost += 1
                marks[name] = _Mark(0 if self._was_seen(name) else count, count, 1, Stretches())
                continue
            mark.latest = count
            mark.seen += 1
            since = count - mark.first
            if since < YOUNG and mark.first > WARM and mark.seen >= SURE and PART * mark.seen > since:
                self.young.append(name)
        self.gone, normal = take_away(cast("dict[str, Known]", marks), count, AWAY)
        for name in normal:
            self._note(_number(name))

    def clear(self) -> None:
        """No text was given."""
        self.known = False
        if self.young:
            self.young = []
        if self.gone:
            self.gone = []

    def _was_seen(self, name: str) -> bool:
        """Whether a mark that is not known was there before."""
        if not self._seen:
            return False
        number = _number(name)
        return self._seen[number >> 3] >> (number & 7) & 1 == 1

    def _note(self, number: int) -> None:
        """A mark of this number was there."""
        bits = bytearray(self._seen or bytes(SEEN // 8))
        bits[number >> 3] |= 1 << (number & 7)
        self._seen = bytes(bits)

    def save(self) -> bytes:
        """The state."""
        packed = {name: (one.first, one.latest, one.seen, one.away.packed()) for name, one in self._marks.items()}
        return msgspec.msgpack.encode((self.count, packed, self._seen))

    def load(self, raw: bytes) -> None:
        """Put back a saved state, also of the version that wrote numbers; what the latest text showed is not in it."""
        self.count, packed, gave_way = _saved.decode(raw)
        if isinstance(gave_way, bytes):
            self._seen = gave_way
        else:
            for number in gave_way:
                self._note(number)
        for name, (first, latest, seen, away) in packed.items():
            self._marks[name] = _Mark(first, latest, seen, Stretches(*away))


def _number(name: str) -> int:
    return crc32(name.encode("utf-8", "replace")) % SEEN


_saved = msgspec.msgpack.Decoder(tuple[int, dict[str, tuple[int, int, int, Packed]], bytes | list[int]])
