"""State of partitions in RocksDB: what is there after a stop, a kill, a long absence, and beside another worker."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from faust.types import TP

from monitor.runtime.kafka.cluster.disk import OLD_SECONDS, DiskStore, Shelf, StateInUse
from monitor.runtime.kafka.microbatch import MicroBatchApp
from monitor.runtime.kafka.saving.changelog import StateTable

ONE, TWO = TP("c", 1), TP("c", 2)


class Hours:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def _store(folder: Path, clock: Hours | None = None) -> DiskStore:
    app = MicroBatchApp("disk", broker="kafka://127.0.0.1:1", web_enabled=False, store="memory://")
    store = DiskStore("rocksdb:", app, None, table_name="t", folder=folder, clock=clock)
    store.topic = "c"
    return store


async def test_after_a_stop_everything_is_there(tmp_path: Path) -> None:
    store = _store(tmp_path)
    store.write(ONE, {b"1/a": b"1", b"1/b": b"2"}, 5, (7,))
    store.write(ONE, {b"1/a": None, b"1/c": b"3"}, 8, (9, 2), {b"1/b"})
    await store.on_stop()
    again = _store(tmp_path)
    assert again.persisted_offset(ONE) == 8
    assert dict(again.entries(1)) == {b"1/b": b"2", b"1/c": b"3"}
    assert again.value(1, b"1/c") == b"3" and again.value(1, b"1/a") is None
    assert again.stale == {1: {b"1/b"}}, "the next write repeats it"
    assert again.persisted_offset(TWO) is None and not [*again.entries(2)]
    again.write(ONE, {b"1/b": b"2"}, 9, (9, 1))
    assert again.stale == {} and again.generation(ONE) == (9, 2), "an older generation counts no more"
    await again.on_stop()


async def test_after_a_kill_what_was_written_is_whole(tmp_path: Path) -> None:
    script = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from monitor.runtime.kafka.cluster.disk import Shelf, _Meta\n"
        "shelf = Shelf(Path(sys.argv[1]))\n"
        "for at in range(100):\n"
        "    shelf.write({b'1/%d' % at: b'x' * 1000}, _Meta(1, at, 4, [], 1e6))\n"
        "os._exit(9)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "1")], check=False)
    assert done.returncode == 9
    store = _store(tmp_path, Hours())
    assert store.persisted_offset(ONE) == 99
    assert sorted(dict(store.entries(1))) == sorted(b"1/%d" % at for at in range(100))
    await store.on_stop()


async def test_what_a_monitor_wrote_before_groups_could_begin_anew_is_read(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "1")
    shelf._db[b"1/a"] = b"1"
    shelf._db[b"\0meta"] = msgspec.msgpack.encode((1, 5, 7, [b"1/b"], Hours().now))
    shelf.close()
    store = _store(tmp_path, Hours())
    assert (store.persisted_offset(ONE), store.generation(ONE), store.stale) == (5, (7,), {1: {b"1/b"}})
    assert dict(store.entries(1)) == {b"1/a": b"1"}
    await store.on_stop()


@pytest.mark.parametrize(("away", "kept"), [(OLD_SECONDS - 1.0, True), (OLD_SECONDS + 1.0, False)])
async def test_what_was_away_for_long_is_read_anew(tmp_path: Path, away: float, kept: bool) -> None:
    """Compaction may have forgotten that something was deleted meanwhile."""
    clock = Hours()
    store = _store(tmp_path, clock)
    store.write(ONE, {b"1/a": b"1"}, 5)
    await store.on_stop()
    clock.now += away
    again = _store(tmp_path, clock)
    assert (again.persisted_offset(ONE) == 5) is kept
    assert bool([*again.entries(1)]) is kept and (tmp_path / "1").exists() is kept
    await again.on_stop()


async def test_what_a_kill_left_of_a_partition_that_is_not_ours_any_more_is_removed(tmp_path: Path) -> None:
    store = _store(tmp_path)
    for tp in (ONE, TWO):
        store.write(tp, {b"a": b"1"}, 5)
    await store.on_stop()
    again = _store(tmp_path)
    assert again.persisted_offset(ONE) == 5
    await again.on_recovery_completed({ONE}, set())
    assert [path.name for path in tmp_path.iterdir()] == ["1"]
    await again.on_recovery_completed({TWO}, set())
    assert [*tmp_path.iterdir()] == [] and not [*again.entries(1)]


async def test_a_directory_that_another_worker_has_is_named(tmp_path: Path) -> None:
    store = _store(tmp_path)
    store.write(ONE, {b"a": b"1"}, 5)
    with pytest.raises(StateInUse, match=r"1 cannot be opened.*a `runtime.directory` of its own"):
        _store(tmp_path).persisted_offset(ONE)
    await store.on_stop()


async def test_state_of_a_version_that_is_not_ours_is_read_anew(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "1")
    shelf._db[b"\0meta"] = b"\x92\x09\x05"
    shelf.close()
    store = _store(tmp_path)
    assert store.persisted_offset(ONE) is None
    assert not (tmp_path / "1").exists()


@pytest.mark.parametrize("folder", [None, "state"])
async def test_a_table_holds_its_state_where_the_app_says(tmp_path: Path, folder: str | None) -> None:
    app = MicroBatchApp("table", broker="kafka://127.0.0.1:1", web_enabled=False, store="memory://")
    app.state_folder = tmp_path / folder if folder else None
    table = StateTable(app, "agents", 1)
    table._store.write(TP(table.topic, 0), {b"0/a": b"1"}, 3)
    assert table.entries(0) == [("a", b"1")] and table.offset(0) == 3
    assert isinstance(table._store, DiskStore) is bool(folder)
    assert (tmp_path / "state" / "agents" / "0").exists() is bool(folder)
    await table._store.on_stop()
