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
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from monitor.runtime.parts import Entry

FILE = "forewarn.db"
SCHEMA_VERSION = 1
PRUNE_ROWS = 10_000
"""Log records that one `prune` deletes. More are left to the next one."""
DEAD_LETTERS = 100_000
"""Dead letters that are kept. More: the oldest go."""
BUSY_SECONDS = 30.0
"""How long a write waits for a person who looks into the file with a tool of SQLite and locks it."""

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
        self.directory = directory
        self._writing = threading.Lock()
        try:
            with self._explained("open"):
                self._db = self._open()
        except StoreError:
            os.close(self._lock)
            raise

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.directory / FILE, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, SCHEMA_VERSION):
                raise StoreError(
                    f"{self.directory} was written by a newer monitor (schema {version}; this one reads "
                    f"{SCHEMA_VERSION}); run that one, or set runtime.directory"
                )
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=FULL")
            db.executescript(_SCHEMA)
            db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        except BaseException:
            db.close()
            raise
        return db

    def entries(self) -> list[tuple[str, bytes]]:
        """All state. Raises `StoreError`."""
        with self._explained("read"):
            return self._db.execute("SELECT key, value FROM state").fetchall()

    def next_offset(self) -> int:
        """The offset that the next log record gets; offsets are never used twice."""
        row = self._db.execute("SELECT value FROM state WHERE key = 'log/next'").fetchone()
        return int(row[0]) if row is not None else 0

    def records(self) -> Iterator[tuple[int, bytes]]:
        """The log, in order: offset and record."""
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
        """Make all of it durable, or none. Raises `StoreError`; then nothing was written."""
        kept: list[tuple[str, bytes]] = []
        gone: list[tuple[str]] = []
        for key, value in changes:
            if value is None:
                gone.append((key,))
            else:
                kept.append((key, value))
        if next_offset is not None:
            kept.append(("log/next", str(next_offset).encode()))
        with self._transaction() as db:
            db.executemany("INSERT INTO log VALUES (?, ?, ?)", records)
            db.executemany(
                "INSERT INTO state VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", kept
            )
            db.executemany("DELETE FROM state WHERE key = ?", gone)
            db.executemany("INSERT INTO dead_letters (letter) VALUES (?)", ((letter,) for letter in dead_letters))

    def prune(self, before: float) -> int:
        """Delete log records older than `before` (epoch seconds), and surplus dead letters; how many rows went.

        Looks at the beginning of the log alone: a record is at most `limits.SKEW_SECONDS` away from its neighbours.
        """
        oldest = self._db.execute("SELECT time FROM log ORDER BY offset LIMIT 1").fetchone()
        least, most = self._db.execute("SELECT min(number), max(number) FROM dead_letters").fetchone()
        gone = 0
        if oldest is not None and oldest[0] < before:
            with self._transaction() as db:
                gone += db.execute(
                    "DELETE FROM log WHERE offset IN"
                    " (SELECT offset FROM (SELECT offset, time FROM log ORDER BY offset LIMIT ?) WHERE time < ?)",
                    (PRUNE_ROWS, before),
                ).rowcount
        if least is not None and least <= most - DEAD_LETTERS:
            with self._transaction() as db:
                gone += db.execute("DELETE FROM dead_letters WHERE number <= ?", (most - DEAD_LETTERS,)).rowcount
        return gone

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """All that is done inside, or none of it. One at a time, from whatever thread."""
        db = self._db
        with self._writing, self._explained("write to"):
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:  # a full disk ends the transaction by itself
                    db.execute("ROLLBACK")
                raise

    @contextmanager
    def _explained(self, deed: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(
                f"cannot {deed} {self.directory / FILE}: {error}; make room or repair it, or set runtime.directory"
            ) from error

    def close(self) -> None:
        """Close the file and let others have it; a write that is under way ends before."""
        with self._writing:
            self._db.close()
        os.close(self._lock)


def read_log(path: Path) -> Iterator[bytes]:
    """The records of a stored log, in order, while a monitor may write on. Raises `StoreError`."""
    with _reading(path) as db:
        yield from (row[0] for row in db.execute("SELECT record FROM log ORDER BY offset"))


def read_entries(path: Path) -> list[tuple[str, bytes]]:
    """The state as of the last commit, while a monitor may write on. Raises `StoreError`."""
    with _reading(path) as db:
        return list(db.execute("SELECT key, value FROM state ORDER BY key"))


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    """The file, to be read only."""
    if not path.exists():
        raise StoreError(f"there is no {path}: no monitor has run with this runtime.directory")
    try:
        db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS)
        try:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version != SCHEMA_VERSION:
                raise StoreError(f"{path} is of schema {version}; this monitor reads {SCHEMA_VERSION}")
            yield db
        finally:
            db.close()
    except sqlite3.Error as error:
        raise StoreError(f"cannot read {path}: {error}") from error
