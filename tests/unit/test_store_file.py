"""The file of the embedded monitor: all or nothing, one process, and refusals that say what to do."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys

import pytest

from monitor.runtime import store
from monitor.runtime.store import FILE, PRUNE_ROWS, SCHEMA_VERSION, Store, StoreError, read_log

NOBODY = 65534


@pytest.fixture
def kept(tmp_path):
    opened = Store(tmp_path)
    yield opened
    opened.close()


def rows(count: int, time: float = 100.0) -> list[tuple[int, float, bytes]]:
    return [(offset, time + offset, b"{}") for offset in range(count)]


def test_what_was_committed_is_there_after_a_restart(tmp_path) -> None:
    first = Store(tmp_path)
    first.commit(rows(2), [("a", b"1"), ("b", b"2")], [b"letter"], 2)
    first.commit((), [("a", None), ("b", b"3")])
    first.close()
    second = Store(tmp_path)
    assert dict(second.entries()) == {"b": b"3", "log/next": b"2"}
    assert second.next_offset() == 2
    assert list(second.records()) == [(0, b"{}"), (1, b"{}")]
    assert second.dead_letters() == [b"letter"]
    second.close()


def test_a_transaction_that_fails_half_way_leaves_the_old_state(kept) -> None:
    kept.commit(rows(1), [("a", b"old")], (), 1)

    def breaks():
        yield 1, 1.0, b"{}"
        raise KeyError("the process fails here")

    with pytest.raises(KeyError):
        kept.commit(breaks(), [("a", b"new")], (), 2)
    with pytest.raises(StoreError, match="UNIQUE"):
        kept.commit(rows(1), [("a", b"new")], [b"letter"], 2)
    assert dict(kept.entries()) == {"a": b"old", "log/next": b"1"}
    assert kept.dead_letters() == []
    kept.commit([(1, 1.0, b"{}")], [("a", b"new")], (), 2)
    assert kept.next_offset() == 2


def test_a_process_that_dies_inside_a_transaction_leaves_the_old_state(tmp_path) -> None:
    script = f"""
import os, pathlib
from monitor.runtime.store import Store
kept = Store(pathlib.Path({str(tmp_path)!r}))
kept.commit([(0, 1.0, b"x")], [("a", b"old")], (), 1)
def dies():
    for offset in range(1, 5000):
        yield offset, 1.0, b"y" * 2000
    os.kill(os.getpid(), 9)
kept.commit(dies(), [("a", b"new")], (), 5000)
"""
    ended = subprocess.run([sys.executable, "-c", script], check=False)
    assert ended.returncode == -9
    kept = Store(tmp_path)
    assert dict(kept.entries()) == {"a": b"old", "log/next": b"1"}
    assert list(kept.records()) == [(0, b"x")]
    kept.close()


@pytest.mark.usefixtures("kept")
def test_a_second_monitor_on_the_same_directory_is_refused(tmp_path) -> None:
    with pytest.raises(StoreError, match=r"in use by another monitor; stop it or set runtime\.directory"):
        Store(tmp_path)


def test_a_newer_file_is_refused_and_left_alone(tmp_path) -> None:
    Store(tmp_path).close()
    db = sqlite3.connect(tmp_path / FILE)
    db.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    db.close()
    before = (tmp_path / FILE).read_bytes()
    for _ in range(2):  # the refusal lets go of the lock
        with pytest.raises(StoreError, match="newer monitor"):
            Store(tmp_path)
    assert (tmp_path / FILE).read_bytes() == before


@pytest.mark.parametrize("content", [b"no database at all" * 99, None])
def test_a_file_that_is_no_database_is_refused(tmp_path, content) -> None:
    if content is None:
        (tmp_path / FILE).mkdir()
    else:
        (tmp_path / FILE).write_bytes(content)
    with pytest.raises(StoreError, match="cannot open"):
        Store(tmp_path)


def test_a_directory_that_cannot_be_made_is_refused(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"set runtime\.directory"):
        Store(tmp_path / "file" / "data")


def test_a_directory_without_permission_is_refused(tmp_path) -> None:
    tmp_path.chmod(0o500)
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)  # root may write anywhere
    try:
        with pytest.raises(StoreError, match="Permission denied"):
            Store(tmp_path)
    finally:
        os.seteuid(user)


def test_a_full_disk_is_said_and_nothing_of_it_is_kept(kept) -> None:
    """SQLite's own limit of pages stands in for the disk; the error is the same."""
    kept.commit((), [("a", b"old")])
    pages = kept._db.execute("PRAGMA page_count").fetchone()[0]
    kept._db.execute(f"PRAGMA max_page_count={pages + 3}")
    with pytest.raises(StoreError, match=r"disk is full; make room"):
        kept.commit([(n, 1.0, b"x" * 4_000) for n in range(99)], [("a", b"new")])
    assert dict(kept.entries()) == {"a": b"old"}
    kept._db.execute("PRAGMA max_page_count=1000000")
    kept.commit((), [("a", b"new")])
    assert dict(kept.entries()) == {"a": b"new"}


def test_pruning_takes_the_old_from_the_head_a_bounded_number_at_a_time(kept) -> None:
    count = PRUNE_ROWS + 500
    kept.commit(rows(count), (), (), count)
    assert kept.prune(50.0) == 0
    assert kept.prune(100.0 + count - 10) == PRUNE_ROWS
    assert kept.prune(100.0 + count - 10) == 490
    assert [offset for offset, _ in kept.records()] == list(range(count - 10, count))
    assert kept.next_offset() == count, "an offset is never used twice"


def test_one_record_from_the_future_does_not_keep_what_follows_it_for_ever(kept) -> None:
    kept.commit([(0, 1.0, b"a"), (1, 600.0, b"b"), (2, 2.0, b"c")], (), (), 3)
    assert kept.prune(10.0) == 2
    assert [record for _, record in kept.records()] == [b"b"]


def test_the_latest_dead_letters_are_kept(kept, monkeypatch) -> None:
    monkeypatch.setattr(store, "DEAD_LETTERS", 10)
    kept.commit((), (), [str(number).encode() for number in range(25)])
    assert kept.prune(0.0) == 15
    assert kept.dead_letters() == [str(number).encode() for number in range(15, 25)]


def test_a_log_is_read_beside_the_monitor_that_writes_it(tmp_path, kept) -> None:
    kept.commit(rows(3), (), (), 3)
    reading = read_log(tmp_path / FILE)
    assert next(reading) == b"{}"
    kept.commit([(3, 1.0, b"later")], (), (), 4)
    assert len(list(reading)) == 2, "as it was when the reading began"
    assert list(read_log(tmp_path / FILE))[-1] == b"later"


def test_a_log_that_is_not_there_or_newer_is_named(tmp_path) -> None:
    with pytest.raises(StoreError, match=r"there is no .*gone\.db: no monitor has run"):
        list(read_log(tmp_path / "gone.db"))
    db = sqlite3.connect(tmp_path / "newer.db")
    db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(StoreError, match="schema 99"):
        list(read_log(tmp_path / "newer.db"))
