"""The third voice: what is not worth a message of its own waits for one a day.

A notice is posted at once while its owner's notices last (`notices: 1 per day`); what comes beyond, and what a detector
says in mode `digest`, is listed in the owner's next digest, at nine o'clock UTC. Pages never come here. It decides and
remembers; who renders or sends stands elsewhere. Invariant: an incident is listed once, however often it is put.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import msgspec
from msgspec import Struct

from schemas.config import DAY, Owner

HOUR_SECONDS = 9 * 3600.0
"""Of the day, UTC, at which digests are due."""
LISTED = 50
"""Incidents that one digest lists. More: they are counted in it, not listed."""
PREFIX = "digest/"
VERSION = b"\x01"


class Book(Struct, array_like=True):
    """What one owner still may be told at once, and what waits. Times in epoch seconds; `due` 0 for nothing waits."""

    owner: str
    tokens: float
    filled_at: float
    due: float = 0.0
    incidents: list[str] = []
    beyond: int = 0


class Digest:
    """Books by owner. `owners`: as configured; another owner has the defaults."""

    def __init__(self, owners: Mapping[str, Owner]) -> None:
        self._owners = owners
        self._books: dict[str, Book] = {}
        self._changed: dict[str, None] = {}

    def reload(self, owners: Mapping[str, Owner]) -> None:
        """Go on with other owners; what waits still waits."""
        self._owners = owners

    def admits(self, owner: str, now: float) -> bool:
        """Whether a notice that begins at `now` is told at once; if so, it is spent.

        Notices flow in at the owner's rate; a day's worth (at least one) may be saved up.
        """
        rate, most, book = self._rate(owner), self._most(owner), self._book(owner, now)
        book.tokens = min(book.tokens + rate * max(now - book.filled_at, 0.0), most)
        book.filled_at = max(book.filled_at, now)
        self._changed[owner] = None
        if book.tokens < 1.0 - 1e-9:
            return False
        book.tokens -= 1.0
        return True

    def put(self, owner: str, incident: str, now: float) -> None:
        """List an incident in the owner's next digest."""
        book = self._book(owner, now)
        if incident in book.incidents:
            return
        if not book.due:
            book.due = (math.floor((now - HOUR_SECONDS) / DAY) + 1.0) * DAY + HOUR_SECONDS
        if len(book.incidents) < LISTED:
            book.incidents.append(incident)
        else:
            book.beyond += 1
        self._changed[owner] = None

    def due(self, now: float) -> list[tuple[str, float, list[str], int]]:
        """Owner, the time it was due, incidents and the number beyond, of every digest that is due; they are over."""
        found = []
        for owner in sorted(self._books):
            book = self._books[owner]
            if book.due and now >= book.due:
                found.append((owner, book.due, book.incidents, book.beyond))
                book.due, book.incidents, book.beyond = 0.0, [], 0
                self._changed[owner] = None
        return found

    def next_due(self) -> float | None:
        """When the next digest is due, epoch seconds; None while none waits."""
        return min((book.due for book in self._books.values() if book.due), default=None)

    def changes(self) -> list[tuple[str, bytes | None]]:
        """Entries `digest/<owner>` that changed since the last call."""
        found: list[tuple[str, bytes | None]] = [
            (PREFIX + owner, VERSION + msgspec.msgpack.encode(self._books[owner])) for owner in self._changed
        ]
        self._changed.clear()
        return found

    def load(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """Take up what `changes` gave; other entries are ignored. Raises `ValueError` on an unknown version."""
        for key, raw in entries:
            if key.startswith(PREFIX):
                if raw[:1] != VERSION:
                    raise ValueError(f"digest of unknown version {raw[:1]!r}")
                book = msgspec.msgpack.decode(raw[1:], type=Book)
                self._books[book.owner] = book

    def _rate(self, owner: str) -> float:
        return (self._owners.get(owner) or _DEFAULT).notices

    def _most(self, owner: str) -> float:
        return max(1.0, self._rate(owner) * DAY)

    def _book(self, owner: str, now: float) -> Book:
        book = self._books.get(owner)
        if book is None:
            book = self._books[owner] = Book(owner, self._most(owner), now)
        return book


_DEFAULT = Owner()
