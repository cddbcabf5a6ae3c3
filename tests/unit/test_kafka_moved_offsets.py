"""An offset that somebody moved by hand past what nobody can read: his word counts, forwards."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from faust.types import TP

from monitor.runtime.kafka.cluster.floods import Flood
from monitor.runtime.kafka.cluster.notes import NOTHING, OURS, Committed
from monitor.runtime.kafka.partition import SETTLED
from monitor.runtime.kafka.worker import KafkaWorker, Role, _Kept
from schemas.config import Config
from tests.doubles.idle_core import IdleCore

PLACE = TP("t", 0)


def worker_of(directory: Path, settled: int | None) -> KafkaWorker:
    """State with a flood in it, that counts up to here."""
    runtime = Config.model_validate({"runtime": {"kind": "kafka", "directory": str(directory)}}).runtime
    found = KafkaWorker(
        runtime, [Role("t", lambda _: IdleCore(), "state", 1, keep=True), Role("plain", lambda _: IdleCore())]
    )
    table = found._tables["t"]
    entries = {b"0/flood": msgspec.msgpack.encode((1, [(900, 900)]))}
    if settled is not None:
        entries[b"0/" + SETTLED.encode()] = msgspec.msgpack.encode((1, settled))
    table._store.write(TP(table.topic, 0), entries, 3)
    return found


@pytest.mark.parametrize(
    ("why", "settled", "committed", "begins", "skipped"),
    [
        ("we committed it, and the state is older", 29, Committed(42, OURS), 30, 0),
        ("we committed it, with what could not be read", 29, Committed(42, '{"kind": "flood"}'), 30, 0),
        ("it was moved forwards", 29, Committed(42, ""), None, 12),
        ("it was moved to where it was", 29, Committed(30, ""), 30, 0),
        ("it was moved back: agents skip what they know", 29, Committed(7, ""), 30, 0),
        ("nothing was committed", 29, NOTHING, 30, 0),
        ("an older monitor does not say how far its state counts", None, Committed(42, ""), None, 0),
    ],
)
async def test_an_offset_that_was_moved_forwards_by_hand_counts(
    why: str, settled: int | None, committed: Committed, begins: int | None, skipped: int, tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    found = worker_of(tmp_path, settled)
    built = found._built(PLACE, 2, committed)
    await built.stop(save=False)
    assert found._consumer._begin.get(PLACE) == begins, why
    assert found.counts()["records_skipped"] == skipped, why
    assert bool(built._flood.changes() or built._flood.note()) is (not skipped), "what is skipped is forgotten"
    assert ("12 records from 30 on are skipped" in caplog.text) is bool(skipped)


async def test_a_partition_that_stays_is_not_skipped(tmp_path: Path) -> None:
    """A group that has members lets nobody move its offsets: what has no note is an older monitor's."""
    found, core = worker_of(tmp_path, 29), IdleCore()
    found._kept[PLACE] = _Kept(core, 1, 3)
    built = found._built(PLACE, 2, Committed(42, ""))
    await built.stop(save=False)
    assert built.core is core and found.counts()["records_skipped"] == 0 and PLACE not in found._consumer._begin


@pytest.mark.parametrize(("note", "kept"), [('{"kind": "flood", "version": 1, "slots": [[9, 9]]}', True), ("", False)])
async def test_a_partition_without_state_forgets_its_flood_with_its_note(note: str, kept: bool, tmp_path: Path) -> None:
    found = worker_of(tmp_path, None)
    built = found._built(TP("plain", 0), 2, Committed(42, note))
    await built.stop(save=False)
    assert bool(built._flood.note()) is kept
    assert isinstance(built._flood, Flood) and found.counts()["records_skipped"] == 0
