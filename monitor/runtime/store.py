"""SQLite on disk for the embedded runtime: the events log, everybody's state, dead letters. One file, WAL.

One transaction holds all that one step changed: log records, state entries, dead letters. After a crash the file is as
it was before or after that transaction, never between. Entries are bytes to the store; it knows only their keys.

Bound: log records older than the retention are deleted, at most `PRUNE_ROWS` a time; dead letters beyond
`DEAD_LETTERS` too.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

from monitor.runtime.parts import Entry

SCHEMA_VERSION = 1
PRUNE_ROWS = 10_000
DEAD_LETTERS = 100_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS log (offset INTEGER PRIMARY KEY, time REAL NOT NULL, record BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS dead_letters (number INTEGER PRIMARY KEY, letter BLOB NOT NULL);
"""


class StoreError(Exception):
    """The directory cannot be used; the message says why and what to do."""


class Store:
    """The file `forewarn.db` in `directory`. One process at a time: a lock file says so."""

    def __init__(self, directory: Path) -> None:
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StoreError(f"cannot write to {directory}: {error.strerror}; set runtime.directory") from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise StoreError(f"{directory} is in use by another monitor; stop it or set runtime.directory") from None
        self._db = sqlite3.connect(directory / "forewarn.db", isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, SCHEMA_VERSION):
            self.close()
            raise StoreError(
                f"{directory} was written by a newer monitor (schema {version}); this one reads {SCHEMA_VERSION}"
            )
        self._db.executescript(_SCHEMA)
        self._db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")

    def entries(self) -> list[tuple[str, bytes]]:
        """All state."""
        return self._db.execute("SELECT key, value FROM state").fetchall()

    def next_offset(self) -> int:
        """The offset that the next log record gets; offsets are never used twice."""
        row = self._db.execute("SELECT value FROM state WHERE key = 'log/next'").fetchone()
        return int(row[0]) if row is not None else 0

    def records(self) -> Iterator[tuple[int, bytes]]:
        """The log, in order."""
        yield from self._db.execute("SELECT offset, record FROM log ORDER BY offset")

    def dead_letters(self) -> list[bytes]:
        """Dead letters, oldest first."""
        return [row[0] for row in self._db.execute("SELECT letter FROM dead_letters ORDER BY number")]

    def commit(
        self,
        records: Iterable[tuple[int, float, bytes]] = (),
        changes: Iterable[Entry] = (),
        dead_letters: Iterable[bytes] = (),
        next_offset: int | None = None,
    ) -> None:
        """Make all of it durable, or none. Raises `sqlite3.Error`; then nothing was written."""
        db = self._db
        db.execute("BEGIN IMMEDIATE")
        try:
            db.executemany("INSERT INTO log VALUES (?, ?, ?)", records)
            kept: list[tuple[str, bytes]] = []
            gone: list[tuple[str]] = []
            for key, value in changes:
                if value is None:
                    gone.append((key,))
                else:
                    kept.append((key, value))
            if next_offset is not None:
                kept.append(("log/next", str(next_offset).encode()))
            db.executemany(
                "INSERT INTO state VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", kept
            )
            db.executemany("DELETE FROM state WHERE key = ?", gone)
            db.executemany("INSERT INTO dead_letters (letter) VALUES (?)", ((letter,) for letter in dead_letters))
            db.execute("COMMIT")
        except BaseException:
            db.execute("ROLLBACK")
            raise

    def prune(self, before: float) -> int:
        """Delete log records older than `before` (epoch seconds), and surplus dead letters; how many rows went."""
        db = self._db
        gone = db.execute(
            "DELETE FROM log WHERE offset IN (SELECT offset FROM log WHERE time < ? ORDER BY offset LIMIT ?)",
            (before, PRUNE_ROWS),
        ).rowcount
        gone += db.execute(
            "DELETE FROM dead_letters WHERE number <= (SELECT max(number) FROM dead_letters) - ?", (DEAD_LETTERS,)
        ).rowcount
        return gone

    def close(self) -> None:
        """Close the file and let others have it."""
        self._db.close()
        os.close(self._lock)
