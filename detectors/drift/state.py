"""A bank as bytes, and back: bit for bit, so that saving and loading at any point changes nothing.

Little-endian arrays inside msgpack, without the names of fields. Not here: when to save, and where. What is kept for
speed alone is made anew.
"""

from __future__ import annotations

from array import array
from typing import Any

import msgspec
import numpy as np
from librt.vecs import vec
from msgspec import Struct
from numpy.typing import NDArray

from detectors.drift.bank import Bank
from detectors.drift.bets import odds
from detectors.drift.channels import Kind
from detectors.drift.episode import Episode
from detectors.drift.plan import Plan, layout_of
from detectors.drift.references import learning, memory
from detectors.drift.references.numbers import NumberChannels
from detectors.drift.references.share import ShareChannel

VERSION = 3
_BEFORE = 2
_LITTLE = np.dtype("<f8") == np.dtype(np.float64)
_ARRAYS = ("gaps", "counts", "due", "medians")
_FLOATS = ("edges", "scales", "lows", "highs")
_CELLS = ("places", "marks")


class _Share(Struct, array_like=True):
    """What `references.share.ShareChannel` says of itself."""

    position: int
    kind: Kind
    tolerance: float
    learner: learning.Shares | None
    start: int
    cells: int
    live: bool
    learns: bool
    names: dict[str | int, int]
    others: dict[str | int, float]
    met: float
    n: float
    due: float
    tape: bytes


class _Saved(Struct, array_like=True):
    """`layout`: of the plan's channels, so that a bank of others is known."""

    version: int
    layout: bytes
    runs: int
    counted: int
    names: list[str]
    times: bytes
    learners: list[tuple[int, bytes, int]]
    numbers: dict[str, bytes] | None
    flags: list[tuple[bool, bool, bool]]
    shares: list[_Share]
    cells: tuple[bytes, bytes, bytes]
    accounts: tuple[bytes, bytes, bytes, int, float]
    episodes: list[Episode]
    declared: dict[int, float] = {}


class _Version(Struct, array_like=True):
    """The beginning of every version."""

    version: int


def to_bytes(bank: Bank) -> bytes:
    """The whole state of a bank, in the order of `_Saved`."""
    bank.learn()
    numbers, shares, accounts = bank.numbers, bank.shares, bank.accounts
    return msgspec.msgpack.encode((
        VERSION,
        bank.plan.layout,
        bank.runs,
        bank.counted,
        bank.names,
        _of_array(bank.times),
        [(at, _of_array(one.values), one.n) for at, one in bank.learners.items()],
        _arrays(numbers) if numbers is not None else None,
        list(zip(numbers.live, numbers.learns, numbers.few, strict=True)) if numbers is not None else [],
        [channel.fields() for channel in shares.channels],
        (_packed(shares.counts), _packed(shares.slopes), _packed(shares.scales)),
        (_bytes(accounts.notice), _bytes(accounts.page), _bytes(accounts.block_sums), accounts.block_runs,
         accounts.block_drip),
        list(bank.episodes.values()),
        _declared(bank.plan),
    ))  # fmt: skip


def from_bytes(plan: Plan, data: bytes | memoryview) -> Bank:
    """The bank that was saved. Raises ValueError if it was one of another plan, or is no bank at all."""
    try:
        saved = _read(data)
    except msgspec.DecodeError as error:
        raise ValueError(f"not a bank: {error}") from None
    if saved.layout != plan.layout:
        raise ValueError("a bank of another plan")
    bank = Bank(plan)
    bank.runs, bank.counted, bank.names = saved.runs, saved.counted, saved.names
    bank.times = array("d", _native(saved.times, "<f8"))
    bank.learners = {at: learning.Numbers(array("f", _native(values, "<f4")), n) for at, values, n in saved.learners}
    if saved.numbers is not None:
        numbers = bank.numbers = NumberChannels(plan)
        for name in _ARRAYS:
            old = getattr(numbers, name)
            setattr(numbers, name, _array(saved.numbers[name], old.dtype).reshape(old.shape))
        for name in _FLOATS:
            setattr(numbers, name, memory.floats(_floats(saved.numbers[name]).tolist()))
        for name in _CELLS:
            setattr(numbers, name, memory.bytes_of(saved.numbers[name]))
        numbers.recall(_singles(saved.numbers["rows"]).reshape(-1, max(numbers.size, 1)))
        numbers.live = [live for live, _, _ in saved.flags]
        numbers.learns = [learns for _, learns, _ in saved.flags]
        numbers.few = [few for _, _, few in saved.flags]
    counts, slopes, scales = (_floats(cells) for cells in saved.cells)
    bank.shares.restore(
        [_channel(one) for one in saved.shares], counts, slopes.reshape(-1, odds.BETS), scales.reshape(-1, odds.BETS)
    )
    notice, page, block_sums, block_runs, block_drip = saved.accounts
    accounts = bank.accounts
    accounts.restore(_floats(notice), _floats(page))
    accounts.block_sums = _floats(block_sums)
    accounts.block_runs, accounts.block_drip = block_runs, block_drip
    bank.episodes = {episode.signal: episode for episode in saved.episodes}
    bank.settle()
    _follow(bank, saved.declared)
    return bank


def _read(data: bytes | memoryview) -> _Saved:
    """Raises `msgspec.DecodeError`, and ValueError for a version that is neither ours nor the one before."""
    version = msgspec.msgpack.decode(data, type=_Version).version
    if version == VERSION:
        return msgspec.msgpack.decode(data, type=_Saved)
    if version != _BEFORE:
        raise ValueError(f"a bank of version {version}; this one reads {_BEFORE} and {VERSION}")
    parts = msgspec.msgpack.decode(data)  # the same fields, but the names of channels and those of a share's fields
    parts[1] = layout_of(parts[1])
    shares = _Saved.__struct_fields__.index("shares")
    parts[shares] = [_of_before(share) for share in parts[shares]]
    return msgspec.convert(parts, _Saved)


def _of_before(share: dict[str, Any]) -> list[Any]:
    if share["learner"] is not None:
        share["learner"] = [share["learner"][name] for name in learning.Shares.__struct_fields__]
    return [share[name] for name in _Share.__struct_fields__]


def _follow(bank: Bank, before: dict[int, float]) -> None:
    """What the plan says otherwise than when the bank was saved.

    A tolerance holds from the next tables on; a signal with another declared reference learns anew, unless it fires.
    """
    plan, declared = bank.plan, _declared(bank.plan)
    for channel in bank.shares.channels:
        channel.tolerance = plan.tolerances[channel.position]
    changed = {plan.signal_of[at] for at in {*before, *declared} if before.get(at) != declared.get(at)}
    for signal in sorted(changed - bank.episodes.keys()):
        bank.rebaseline(plan.signals[signal].name)


def _declared(plan: Plan) -> dict[int, float]:
    return {at: one.declared for at, one in enumerate(plan.channels) if one.declared is not None}


def _arrays(numbers: NumberChannels) -> dict[str, bytes]:
    found = {name: _bytes(getattr(numbers, name)) for name in _ARRAYS}
    found |= {name: _packed(getattr(numbers, name)) for name in _FLOATS}
    found |= {name: bytes(memory.view_bytes(getattr(numbers, name))) for name in _CELLS}
    return found | {"rows": _bytes(numbers.rows())}


def _channel(share: _Share) -> ShareChannel:
    return ShareChannel(*[getattr(share, name) for name in _Share.__struct_fields__])


def _packed(values: vec[float]) -> bytes:
    return _bytes(memory.view(values))


def _of_array(values: array[float]) -> bytes:
    return values.tobytes() if _LITTLE else _bytes(np.array(values))


def _bytes(values: NDArray[np.generic]) -> bytes:
    return values.tobytes() if _LITTLE else values.astype(values.dtype.newbyteorder("<")).tobytes()


def _floats(data: bytes) -> NDArray[np.float64]:
    return np.frombuffer(data, dtype="<f8").astype(np.float64)


def _singles(data: bytes) -> NDArray[np.float32]:
    return np.frombuffer(data, dtype="<f4").astype(np.float32)


def _native(data: bytes, dtype: str) -> bytes:
    """Little-endian numbers as this machine has them."""
    return data if _LITTLE else np.frombuffer(data, dtype=dtype).astype(np.dtype(dtype).newbyteorder("=")).tobytes()


def _array(data: bytes, dtype: np.dtype[np.generic]) -> NDArray[np.generic]:
    return np.frombuffer(data, dtype=dtype.newbyteorder("<")).astype(dtype)
