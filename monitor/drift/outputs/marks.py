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

from monitor.drift.outputs.stretches import WARM, WINDOW, Known, Packed, Stretches, take_away

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

    def __init__(self, name: str, first: int, latest: int, seen: int, away: Stretches) -> None:
        super().__init__(name, first, latest, away)
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
        self._latest: list[str] | None = None
        """The marks of the latest text, where these are all that are known and none may be told of as new: another text
        with the same has nothing to tell, either."""
        self._same = 0
        """Latest texts with the same that are not yet counted into the marks."""

    def observe(self, found: list[str]) -> None:
        """The marks of one text. They are kept, and not changed."""
        if self._latest is not None and found == self._latest:
            self.count += 1
            self.known = self.count > WARM
            self._same += 1
            if self._same >= WINDOW:
                self._settle()
            return
        self._settle()
        self.clear()
        count = self.count = self.count + 1
        self.known = count > WARM
        marks = self._marks
        present = 0
        fresh = False
        for name in found:
            mark = marks.get(name)
            if mark is None:
                if len(marks) >= MARKS:
                    self._give_way()
                mark = marks[name] = _Mark(name, 0 if self._was_seen(name) else count, count, 1, Stretches())
                present += 1
                fresh = fresh or mark.first > WARM
                continue
            if mark.latest != count:
                present += 1
            mark.latest = count
            mark.seen += 1
            since = count - mark.first
            if since < YOUNG and mark.first > WARM:
                fresh = True
                if mark.seen >= SURE and PART * mark.seen > since:
                    self.young.append(name)
        self._latest = found if present == len(marks) and present == len(found) and not fresh else None
        self.gone, normal = take_away(cast("list[Known]", list(marks.values())), count, AWAY)
        for name in normal:
            del marks[name]
            self._note(_number(name))

    def clear(self) -> None:
        """No text was given."""
        self.known = False
        if self.young:
            self.young = []
        if self.gone:
            self.gone = []

    def _give_way(self) -> None:
        """One mark makes room for another."""
        marks = self._marks
        name = min(marks, key=lambda one: (marks[one].latest, one))
        del marks[name]
        self._note(_number(name))
        self.lost += 1

    def _settle(self) -> None:
        """Count the texts that were like the one before them."""
        if self._same:
            for mark in self._marks.values():
                mark.latest = self.count
                mark.seen += self._same
                mark.away.rest(self._same)
            self._same = 0

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
        self._settle()
        packed = {name: (one.first, one.latest, one.seen, one.away.packed()) for name, one in self._marks.items()}
        return _encode((self.count, packed, self._seen))

    def load(self, raw: bytes) -> None:
        """Put back a saved state, also of the version that wrote numbers; what the latest text showed is not in it."""
        self.count, packed, gave_way = _saved.decode(raw)
        if isinstance(gave_way, bytes):
            self._seen = gave_way
        else:
            for number in gave_way:
                self._note(number)
        for name, (first, latest, seen, away) in packed.items():
            self._marks[name] = _Mark(name, first, latest, seen, Stretches(*away))


def _number(name: str) -> int:
    return crc32(name.encode("utf-8", "replace")) % SEEN


_encode: Final = msgspec.msgpack.Encoder().encode
_saved: Final = msgspec.msgpack.Decoder(tuple[int, dict[str, tuple[int, int, int, Packed]], bytes | list[int]])
