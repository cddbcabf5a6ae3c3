"""What is saved of drift: in few bytes, whole again afterwards, and as the versions before wrote it."""

from __future__ import annotations

import math
import random
from typing import Any

import msgspec
import pytest

from detectors.drift import Bank, from_bytes, state, to_bytes
from detectors.drift.channels import Value
from detectors.drift.references.shortest import shortest
from monitor.drift.banks.plan import CHANNELS, Plans
from monitor.drift.banks.recent import CHUNK, RING, Recent
from monitor.drift.banks.slots import Sample
from monitor.drift.channels import ROWS, Row

WHOLE = (0.0, 1.0, 200.0, 1_764_000_000.0, -3.0, 2.0**53 - 1.0)
OTHER = (0.5, 1e300, -2.75, math.inf, -math.inf, 2.0**53, 1e-9)


@pytest.mark.parametrize("number", WHOLE)
def test_a_number_without_a_fraction_is_written_as_an_integer(number: float) -> None:
    assert type(shortest(number)) is int
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(shortest(number)), type=float) == number


@pytest.mark.parametrize("number", OTHER)
def test_any_other_stays_what_it_is(number: float) -> None:
    assert type(shortest(number)) is float
    assert shortest(number) == number


def test_no_number_stays_none() -> None:
    assert math.isnan(shortest(math.nan))


def _value(row: Row, rng: random.Random) -> Value:
    if rng.random() < 0.1:
        return None
    if row.place is not None and row.place.words:
        return rng.choice([*row.place.words, "a word that is none of them"])
    if row.kind == "category":
        return rng.choice(("lookup", "7", "no tool"))
    if row.kind in ("share", "set"):
        return {name: rng.choice((1.0, 0.25)) for name in rng.sample(("lookup", "refund", "mail"), 2)}
    return rng.choice((*WHOLE, *OTHER))


def _samples(count: int) -> list[Sample]:
    rng = random.Random(7)
    found = []
    for number in range(count):
        values = [_value(row, rng) for row in ROWS]
        sample = Sample(number, f"run-{number}", rng.choice(("", "v1")), 1_764_000_000.5 + number, values, 1e-9, 0.0)
        sample.version_notice, sample.timed, sample.learns = rng.random(), number % 3 > 0, number % 5 > 0
        sample.whose, sample.roots = ["tenant=acme"], number % 2
        found.append(sample)
    return found


def _same(one: Sample, other: Sample) -> bool:
    kinds = [[type(value) for value in sample.values] for sample in (one, other)]
    return kinds[0] == kinds[1] and msgspec.structs.astuple(one) == msgspec.structs.astuple(other)


def test_the_latest_runs_are_the_same_again_after_they_were_packed_and_saved() -> None:
    samples = _samples(RING + 9)
    recent, again = Recent(), Recent()
    saved: dict[str, bytes] = {}
    for sample in samples:
        recent.add(sample)
        if sample.number % 5 == 0:
            saved |= {name: raw for name, raw in recent.save().items() if raw is not None}
    saved |= {name: raw for name, raw in recent.save().items() if raw is not None}
    again.load(saved.values(), len(samples))
    for found in (recent.samples(), again.samples()):
        assert len(found) == RING
        assert all(_same(one, other) for one, other in zip(found, samples[-RING:], strict=True))


def test_runs_that_the_version_before_saved_are_read() -> None:
    """It wrote every number as a float and every word itself, and knew fewer channels."""
    samples = _samples(CHUNK)
    before = [msgspec.structs.replace(sample, values=sample.values[:-3]) for sample in samples]
    recent = Recent()
    recent.load([msgspec.msgpack.encode(before)], CHUNK)
    for found, sample in zip(recent.samples(), samples, strict=True):
        sample.values[-3:] = [None] * 3
        assert _same(found, sample)


def test_a_run_takes_half_of_the_bytes_that_it_took() -> None:
    values: list[Value] = [
        2.0 if row.kind in ("number", "rate") else row.place.words[0] if row.place is not None else None for row in ROWS
    ]
    sample = Sample(1, "run-1", "v1", 1_764_000_000.0, values, 0.0, 0.0)
    recent = Recent()
    recent.add(sample)
    (raw,) = [raw for raw in recent.save().values() if raw is not None]
    assert len(raw) < 0.5 * len(msgspec.msgpack.encode([sample]))


def _bank(runs: int) -> Bank:
    rng = random.Random(3)
    bank = Bank(Plans({}).plan)
    for number in range(runs):
        values = [
            rng.random() if row.kind in ("number", "rate") else _value(row, rng) if row.kind != "number" else None
            for row in ROWS
        ]
        bank.observe(values, f"r{number}", float(number), 1e-6, 1e-8)
    return bank


def _of_version_2(raw: bytes) -> bytes:
    """The same bank as version 2 wrote it: with the names of all channels, and of all fields of their shares."""
    saved = msgspec.msgpack.decode(raw, type=state._Saved)
    parts: list[Any] = list(msgspec.structs.astuple(saved))
    parts[0], parts[1] = 2, [channel.name for channel in CHANNELS]
    shares = []
    for share in saved.shares:
        fields: dict[str, Any] = msgspec.structs.asdict(share)
        if share.learner is not None:
            fields["learner"] = msgspec.structs.asdict(share.learner)
        shares.append(fields)
    parts[state._Saved.__struct_fields__.index("shares")] = shares
    return msgspec.msgpack.encode(parts)


@pytest.mark.parametrize("runs", [20, 260], ids=["learns", "bets"])
def test_a_bank_of_the_version_before_is_read(runs: int) -> None:
    bank = _bank(runs)
    raw = to_bytes(bank)
    before = _of_version_2(raw)
    assert len(raw) < len(before) - 4_000
    assert to_bytes(from_bytes(bank.plan, before)) == raw
    assert to_bytes(from_bytes(bank.plan, memoryview(raw))) == raw


def test_a_bank_of_another_version_or_plan_is_none() -> None:
    bank = _bank(20)
    raw = to_bytes(bank)
    parts = msgspec.msgpack.decode(raw)
    with pytest.raises(ValueError, match="a bank of version 1; this one reads 2 and 3"):
        from_bytes(bank.plan, msgspec.msgpack.encode([1, *parts[1:]]))
    with pytest.raises(ValueError, match="a bank of another plan"):
        from_bytes(bank.plan, msgspec.msgpack.encode([3, b"12345678", *parts[2:]]))
    with pytest.raises(ValueError, match="not a bank"):
        from_bytes(bank.plan, b"\xc1")
