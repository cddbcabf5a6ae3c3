"""Values too large for one record: whole again after any crash, and nothing of former ones is left."""

from __future__ import annotations

import msgspec
import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from monitor.runtime.kafka.saving.parts import PART_BYTES, PartMissing, Parts
from monitor.runtime.kafka.topics import MESSAGE_BYTES

Raw = tuple[bytes, bytes | None]

KEY = b"0/trace/t"
SMALL, LARGE = b"s", b"large" * PART_BYTES
LARGER, LESS = b"larger" * PART_BYTES, b"less" * (PART_BYTES // 2)


class Log:
    """What a changelog holds after compaction."""

    def __init__(self, held: dict[bytes, bytes] | None = None) -> None:
        self.held = dict(held or {})

    def append(self, records: list[Raw]) -> None:
        for key, value in records:
            if value is None:
                self.held.pop(key, None)
            else:
                self.held[key] = value


def saved(log: Log, parts: Parts, *entries: Raw) -> None:
    log.append(parts.cut(entries))
    parts.written()


def test_every_record_of_a_large_value_fits_however_badly_it_compresses() -> None:
    records = Parts().cut([(KEY, LARGE)])
    assert len(records) == 5 + 2
    for place, (key, value) in enumerate(records):
        assert DefaultRecordBatchBuilder.size_of(key, value, [("forewarn-generation", b"%d" % place)]) < 1_000_000
        assert len(value or b"") * 2 < MESSAGE_BYTES


def test_what_fits_is_written_as_it_always_was() -> None:
    entries = [(b"0/a", SMALL), (b"0/b", None), (b"0/c", b"c" * PART_BYTES)]
    parts = Parts()
    assert parts.cut(entries) == entries
    assert sorted(parts.joined([(b"0/a", SMALL), (b"0/c", LARGE)])) == [(b"0/a", SMALL), (b"0/c", LARGE)], (
        "a value that an older monitor wrote in one record is read"
    )


@pytest.mark.parametrize(
    ("why", "values"),
    [
        ("it grows and shrinks", [SMALL, LARGE, LARGER, LESS, SMALL]),
        ("it goes while it is large", [LARGE, None, SMALL]),
        ("it comes large", [LARGER, LARGER, LARGE, None]),
    ],
)
def test_a_crash_after_any_record_leaves_one_of_two_values_whole(why: str, values: list[bytes | None]) -> None:
    log, parts, before = Log(), Parts(), None
    for value in values:
        records = parts.cut([(KEY, value)])
        for count in range(len(records) + 1):
            crashed, again = Log(log.held), Parts()
            crashed.append(records[:count])
            found = dict(again.joined(crashed.held.items()))
            assert found.get(KEY) in (before, value), f"{why}: {count} of {len(records)} records"
            saved(crashed, again, (b"0/other", SMALL))
            assert dict(Parts().joined(crashed.held.items())) == found | {b"0/other": SMALL}
            assert len(crashed.held) == 1 + _records(found.get(KEY)), "what nobody names is gone with the next write"
        log.append(records)
        parts.written()
        assert len(log.held) == _records(value)
        before = value
    assert dict(Parts().joined(log.held.items())).get(KEY) == values[-1], why


def test_what_was_refused_once_is_written_beside_and_the_first_attempt_deleted() -> None:
    log, parts = Log(), Parts()
    saved(log, parts, (KEY, LARGE))
    log.append(parts.cut([(KEY, LARGER)]))  # the broker has it; we do not know, and write once more
    records = parts.cut([(KEY, LARGER), (KEY, LESS)])
    for count in range(len(records) + 1):
        crashed = Log(log.held)
        crashed.append(records[:count])
        assert dict(Parts().joined(crashed.held.items()))[KEY] in (LARGER, LESS)
    log.append(records)
    parts.written()
    assert dict(Parts().joined(log.held.items())) == {KEY: LESS} and len(log.held) == _records(LESS)


def test_what_another_owner_wrote_meanwhile_is_not_taken_for_a_rest_of_ours() -> None:
    log, ours = Log(), Parts()
    ours.cut([(KEY, LARGE)])  # never written
    saved(log, Parts(), (KEY, LARGER))
    assert ours.joined(log.held.items()) == [(KEY, LARGER)]
    saved(log, ours, (b"0/other", SMALL))
    assert dict(Parts().joined(log.held.items()))[KEY] == LARGER


def test_a_name_without_its_parts_and_one_of_another_version_are_no_state() -> None:
    log = Log()
    saved(log, Parts(), (KEY, LARGE))
    del log.held[KEY + b"\xff1.2"]
    with pytest.raises(PartMissing, match="trace/t"):
        Parts().joined(log.held.items())
    with pytest.raises(ValueError, match="version 9"):
        Parts().joined([(KEY + b"\xff", msgspec.msgpack.encode((9, 1, 1)))])


def _records(value: bytes | None) -> int:
    if value is None:
        return 0
    return 1 if len(value) <= PART_BYTES else -(-len(value) // PART_BYTES) + 1
