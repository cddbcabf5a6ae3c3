"""State of partitions on Kafka: what a recovery takes up, what a worker keeps, and where reading begins."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from faust.tables.recovery import RebalanceAgain, Recovery
from faust.types import TP

from monitor.runtime.kafka.broker.fetched import Record
from monitor.runtime.kafka.cluster import recovery as sure
from monitor.runtime.kafka.cluster.disk import DiskStore
from monitor.runtime.kafka.cluster.store import GENERATION, Generation, PartitionStore, after, generation_of, named
from monitor.runtime.kafka.microbatch import Batch, MicroBatchApp, MicroBatchConsumer
from monitor.runtime.kafka.partition import SETTLED
from monitor.runtime.kafka.saving.changelog import StateTable
from monitor.runtime.kafka.worker import KafkaWorker, Role, _Kept
from schemas.config import Config
from tests.doubles.idle_core import IdleCore

# -- store


class _Message(NamedTuple):
    tp: TP


class _Event(NamedTuple):
    message: _Message
    value: Batch


def changelog(tp: TP, first: int, *entries: tuple[bytes, bytes | None], generation: int | None = None) -> _Event:
    headers = () if generation is None else ((GENERATION, b"%d" % generation),)
    records = [Record(first + place, key, value, 0.0, headers) for place, (key, value) in enumerate(entries)]
    return _Event(_Message(tp), Batch(tp, 0, tuple(records)))


@pytest.fixture(params=["memory", "disk"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[PartitionStore]:
    app = MicroBatchApp("store", broker="kafka://127.0.0.1:1", web_enabled=False, store="memory://")
    if request.param == "memory":
        yield PartitionStore("memory:", app, None, table_name="t")  # type: ignore[arg-type]
        return
    found = DiskStore("rocksdb:", app, None, table_name="t", folder=tmp_path)
    found.topic = "c"
    yield found
    await found.on_stop()


ONE, TWO, THREE = TP("c", 1), TP("c", 2), TP("c", 3)


async def test_a_partition_that_is_ours_or_stood_by_for_is_kept_with_its_offset(store: PartitionStore) -> None:
    for tp in (ONE, TWO, THREE):
        store.apply_changelog_batch([changelog(tp, 5, (b"a", b"1"), (b"b", b"2"), (b"a", None))], str, str)
    assert dict(store.entries(1)) == {b"b": b"2"}
    await store.on_recovery_completed({ONE}, {TWO})
    assert (store.persisted_offset(ONE), store.persisted_offset(TWO)) == (7, 7), "a recovery reads on from there"
    assert store.persisted_offset(THREE) is None and not [*store.entries(3)], (
        "its tombstones may be gone when it returns"
    )


async def test_what_a_recovery_reads_twice_changes_nothing(store: PartitionStore) -> None:
    store.apply_changelog_batch([changelog(ONE, 5, (b"a", b"1"))], str, str)
    store.write(ONE, {b"a": b"2"}, 6)  # ours, acknowledged
    store.apply_changelog_batch([changelog(ONE, 5, (b"a", b"1"))], str, str)
    assert dict(store.entries(1)) == {b"a": b"2"} and store.persisted_offset(ONE) == 6
    store.apply_changelog_batch([changelog(ONE, 6, (b"a", b"2"), (b"c", b"3"))], str, str)
    assert dict(store.entries(1)) == {b"a": b"2", b"c": b"3"} and store.persisted_offset(ONE) == 7


async def test_what_a_former_owner_writes_after_the_new_one_is_left_out(store: PartitionStore) -> None:
    store.apply_changelog_batch([changelog(ONE, 0, (b"a", b"old"), (b"b", b"old"))], str, str)
    store.apply_changelog_batch([changelog(ONE, 2, (b"a", b"mine"), generation=7)], str, str)
    late = changelog(ONE, 3, (b"a", b"late"), (b"b", b"late"), generation=6)
    store.apply_changelog_batch([late, changelog(ONE, 5, (b"b", b"mine"), generation=7)], str, str)
    assert dict(store.entries(1)) == {b"a": b"mine", b"b": b"mine"}
    assert (store.outdated, store.persisted_offset(ONE)) == (2, 5)
    store.write(ONE, {b"a": b"ours"}, 6, (9,))
    store.apply_changelog_batch([changelog(ONE, 7, (b"a", b"late"), generation=7)], str, str)
    assert store.value(1, b"a") == b"ours", "what was written here counts as well"


@pytest.mark.parametrize(
    ("why", "latest", "group", "written"),
    [
        ("nobody has written yet", (0,), 1, (1,)),
        ("the group goes on", (7,), 8, (8,)),
        ("it was deleted, and begins anew", (7,), 1, (7, 1)),
        ("the new one goes on", (7, 1), 2, (7, 2)),
        ("it has counted beyond the old one", (7, 6), 8, (8,)),
        ("it as far, and nobody has written in it", (7,), 7, (7, 7)),
        ("it is deleted again", (7, 2), 1, (7, 2, 1)),
        ("and counts beyond the second", (7, 2, 1), 3, (7, 3)),
    ],
)
def test_what_an_owner_writes_is_above_all_that_was_written(
    why: str, latest: Generation, group: int, written: Generation
) -> None:
    assert after(latest, group) == written, why
    assert written > latest
    assert generation_of([("other", b"9"), named(written)]) == written


@pytest.mark.parametrize("latest", [(0,), (1,), (3,), (5, 2), (3, 3, 1), (4, 1, 3)])
def test_an_owner_is_above_a_former_one_that_has_not_written_yet(latest: Generation) -> None:
    """It was frozen before its first write; what others wrote in between, the new owner has read."""
    for former in range(1, 8):
        frozen = after(latest, former)
        for group in range(former + 1, 9):
            assert after(latest, group) > frozen
            for between in range(1, group):
                assert after(max(latest, after(latest, between)), group) > frozen


@pytest.mark.parametrize("text", [b"", b"7.", b".7", b"-1", b"seven", b"7.x"])
def test_a_generation_that_no_monitor_wrote_is_none(text: bytes) -> None:
    assert generation_of([(GENERATION, text)]) == (0,)


async def test_what_a_group_writes_that_was_made_anew_is_kept(store: PartitionStore) -> None:
    store.apply_changelog_batch([changelog(ONE, 0, (b"a", b"old"), generation=7)], str, str)
    headers = (named(after(store.generation(ONE), 1)),)
    anew = Batch(ONE, 0, (Record(1, b"a", b"new", 0.0, headers),))
    store.apply_changelog_batch([_Event(_Message(ONE), anew)], str, str)
    assert dict(store.entries(1)) == {b"a": b"new"} and store.outdated == 0
    store.apply_changelog_batch([changelog(ONE, 2, (b"a", b"late"), generation=7)], str, str)
    assert dict(store.entries(1)) == {b"a": b"new"} and store.outdated == 1, "the old one's workers stay below"
    assert store.generation(ONE) == (7, 1)


@pytest.mark.parametrize("folder", [None, "state"])
async def test_what_a_former_owner_wrote_late_is_written_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: str | None
) -> None:
    """Compaction would keep its value, which a recovery leaves out, and drop the one that counts."""
    app = MicroBatchApp("table", broker="kafka://127.0.0.1:1", web_enabled=False, store="memory://")
    app.state_folder = tmp_path / folder if folder else None
    table = StateTable(app, "t", 1)
    place = TP(table.topic, 0)
    mine = changelog(place, 0, *((b"0/" + key, b"mine") for key in (b"a", b"b", b"c")), generation=7)
    late = changelog(place, 3, *((b"0/" + key, b"late") for key in (b"a", b"b", b"d")), generation=6)
    table._store.apply_changelog_batch([mine, late], str, str)
    sent: list[tuple[bytes, bytes | None]] = []

    async def send(_: TP, entries: Sequence[tuple[bytes, bytes | None]], generation: Generation) -> list[int]:
        assert generation == (8,)
        sent.extend(entries)
        return list(range(6 + len(sent) - len(entries), 6 + len(sent)))

    async def still() -> bool:
        return True

    monkeypatch.setattr(table, "_send", send)
    assert await table.write(0, [("b", b"new")], still, (8,))
    assert sent == [(b"0/a", b"mine"), (b"0/d", None), (b"0/b", b"new")]
    assert table.healed == 1
    assert await table.write(0, [("c", b"new")], still, (8,))
    assert sent[3:] == [(b"0/c", b"new")], "once is enough"
    await table._store.on_stop()


async def test_what_is_left_of_another_changelog_is_not_taken_for_ours(store: PartitionStore) -> None:
    store.topic = "c"
    store.apply_changelog_batch([changelog(ONE, 0, (b"1/offset", b"ours"))], str, str)
    store.apply_changelog_batch([changelog(TP("other", 1), 9, (b"1/offset", b"theirs"))], str, str)
    assert dict(store.entries(1)) == {b"1/offset": b"ours"}
    assert store.persisted_offset(TP("other", 1)) is None


# -- recovery


class Held:
    """A table whose store ends somewhere."""

    def __init__(self, offset: int | None) -> None:
        self.offset = offset

    def persisted_offset(self, _: TP) -> int | None:
        return self.offset


@pytest.mark.parametrize(
    ("highwater", "held", "again"),
    [
        pytest.param(9, 9, None, id="all is held"),
        pytest.param(9, 12, None, id="and what we wrote since"),
        pytest.param(-1, None, None, id="an empty changelog"),
        pytest.param(9, 4, 4, id="the queue's rest counted as read"),
        pytest.param(9, None, -1, id="nothing is held"),
    ],
)
async def test_a_recovery_asks_the_store_whether_it_is_complete(
    monkeypatch: pytest.MonkeyPatch, highwater: int, held: int | None, again: int | None
) -> None:
    app = MicroBatchApp("recovery", broker="kafka://127.0.0.1:1", web_enabled=False, store="memory://")
    app.consumer_generation_id = 4
    found = sure.SureRecovery(app, app.tables)
    found._generation_id = 4
    found.active_tps.add(ONE)
    found.tp_to_table[ONE] = Held(held)  # type: ignore[assignment]
    found.active_highwaters[ONE], found.active_offsets[ONE] = highwater, highwater
    said: list[int] = []

    async def completed(_: Any, generation_id: int = 0) -> None:
        said.append(generation_id)

    monkeypatch.setattr(Recovery, "on_recovery_completed", completed)
    if again is None:
        await found.on_recovery_completed(4)
    else:
        with pytest.raises(RebalanceAgain):
            await found.on_recovery_completed(4)
        assert found.active_offsets[ONE] == again and found.signal_recovery_start.is_set()
    assert said == ([4] if again is None else [])


@pytest.mark.parametrize(("generation", "left"), [(5, {}), (4, {ONE: 901})], ids=["settled", "they move again"])
async def test_a_rebalance_forgets_what_the_queue_counted_as_read(
    monkeypatch: pytest.MonkeyPatch, generation: int, left: dict[TP, int]
) -> None:
    app = MicroBatchApp("recovery", broker="kafka://127.0.0.1:1", web_enabled=False, store="memory://")
    app.consumer_generation_id = 5
    found = sure.SureRecovery(app, app.tables)
    found.active_offsets[ONE] = 901
    app.tables.changelog_queue.put_nowait(changelog(ONE, 901, (b"a", b"1")))  # type: ignore[arg-type]
    begun: list[dict[TP, int]] = []

    async def rebalanced(self: Recovery, *_: Any) -> None:
        begun.append(dict(self.active_offsets))

    monkeypatch.setattr(Recovery, "on_rebalance", rebalanced)
    await found.on_rebalance({ONE}, set(), {ONE}, generation)
    assert begun == [left]
    assert app.tables.changelog_queue.empty() is not bool(left), "else its end would be applied without its beginning"


@pytest.mark.parametrize(
    ("generation", "signalled", "missing", "complete"),
    [
        pytest.param(4, False, False, True, id="all is read"),
        pytest.param(3, False, False, False, id="partitions moved while it read"),
        pytest.param(4, True, False, False, id="they are about to move"),
        pytest.param(4, False, True, False, id="something is missing"),
    ],
)
async def test_a_recovery_that_was_cut_short_does_not_call_itself_complete(
    monkeypatch: pytest.MonkeyPatch, generation: int, signalled: bool, missing: bool, complete: bool
) -> None:
    app = MicroBatchApp("recovery", broker="kafka://127.0.0.1:1", web_enabled=False, store="memory://")
    app.consumer_generation_id = 4
    found = sure.SureRecovery(app, app.tables)
    found._generation_id = 4
    said: list[int] = []

    async def completed(_: Any, generation_id: int = 0) -> None:
        said.append(generation_id)

    monkeypatch.setattr(Recovery, "on_recovery_completed", completed)
    if signalled:
        found.signal_recovery_start.set()
    if missing:
        found.active_highwaters[ONE], found.active_offsets[ONE] = 10, 9
    if complete:
        await found.on_recovery_completed(generation)
    else:
        with pytest.raises(RebalanceAgain):
            await found.on_recovery_completed(generation)
    assert said == ([4] if complete else [])
    assert found.signal_recovery_start.is_set() is (signalled or missing), "a pass that misses something is made again"


# -- partitions that stay


class Nothing(IdleCore):
    """A core that was loaded so often."""

    loads = 0

    def load(self, entries: Iterable[tuple[str, bytes]]) -> None:
        assert list(entries) == [("a", b"1")]
        self.loads += 1


@pytest.mark.parametrize(
    ("why", "kept", "generation", "offset", "goes_on"),
    [
        ("it was ours in the generation before", 4, 5, 7, True),
        ("somebody else may have had it in between", 3, 5, 7, False),
        ("somebody wrote its state", 4, 5, 8, False),
        ("it was not ours", None, 5, 7, False),
    ],
)
async def test_a_partition_that_stays_goes_on(
    why: str, kept: int | None, generation: int, offset: int, goes_on: bool, tmp_path: Path
) -> None:
    runtime = Config.model_validate({"runtime": {"kind": "kafka", "directory": str(tmp_path)}}).runtime
    found = KafkaWorker(runtime, [Role("t", lambda _: Nothing(), "state", 1, keep=True)])
    place, core = TP("t", 0), Nothing()
    found._tables["t"]._store.write(TP(found._tables["t"].topic, 0), {b"0/a": b"1"}, offset)
    if kept is not None:
        found._kept[place] = _Kept(core, kept, 7)
    built = found._built(place, generation)
    await built.stop(save=False)
    assert built._generation == (generation,)
    assert (built.core is core) is goes_on, why
    assert isinstance(built.core, Nothing) and built.core.loads == (0 if goes_on else 1)


async def test_an_owner_in_a_group_that_was_made_anew_writes_above_the_state_that_it_found(tmp_path: Path) -> None:
    runtime = Config.model_validate({"runtime": {"kind": "kafka", "directory": str(tmp_path)}}).runtime
    found = KafkaWorker(runtime, [Role("t", lambda _: Nothing(), "state", 1)])
    found._tables["t"]._store.write(TP(found._tables["t"].topic, 0), {b"0/a": b"1"}, 3, (7,))
    built = found._built(TP("t", 0), 1)
    await built.stop(save=False)
    assert built._generation == (7, 1)


# -- where reading begins


class Idle(Nothing):
    """A core that takes whatever was saved."""

    def load(self, entries: Iterable[tuple[str, bytes]]) -> None:
        assert all(key != SETTLED for key, _ in entries), "it is the worker's"


@pytest.mark.parametrize(
    ("why", "settled", "state", "committed", "begins"),
    [
        ("the state is as it should be", 41, True, 42, None),
        ("the state is older than what was committed", 29, True, 42, 30),
        ("the state is newer: a crash before the commit", 50, True, 42, None),
        ("there is no state, whatever the reason", None, False, 42, 0),
        ("an older monitor does not say", None, True, 42, None),
        ("nothing was committed", 29, True, None, None),
    ],
)
async def test_reading_begins_where_the_state_ends(
    why: str, settled: int | None, state: bool, committed: int | None, begins: int | None, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    runtime = Config.model_validate({"runtime": {"kind": "kafka", "directory": str(tmp_path)}}).runtime
    found = KafkaWorker(runtime, [Role("t", lambda _: Idle(), "state", 1)])
    table, place, sought = found._tables["t"], TP("t", 0), []
    entries = {b"0/a": b"1"} if state else {}
    if settled is not None:
        entries[b"0/" + SETTLED.encode()] = msgspec.msgpack.encode((1, settled))
    if entries:
        table._store.write(TP(table.topic, 0), entries, 3, (1,))
    built = found._built(place, 2)
    await built.stop(save=False)
    consumer = found._consumer

    async def to_committed(_: Any) -> dict[TP, int]:
        return {place: -1 if committed is None else committed}

    async def seek(_: Any, __: TP, offset: int) -> None:
        sought.append(offset)

    async def from_beginning(*_: TP) -> None:
        return None

    monkeypatch.setattr(MicroBatchConsumer, "seek_to_committed", to_committed)
    monkeypatch.setattr(MicroBatchConsumer, "assignment", lambda _: {place})
    monkeypatch.setattr(MicroBatchConsumer, "seek", seek)
    monkeypatch.setattr(consumer._thread, "seek_to_beginning", from_beginning)
    await consumer.perform_seek()
    assert sought == ([] if begins is None else [begins]), why
    assert consumer.behind == len(sought)
    await consumer.perform_seek()
    assert consumer.behind == len(sought), "once: from there on what is committed counts"
