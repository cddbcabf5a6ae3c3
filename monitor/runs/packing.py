"""Runs to what is written of them, and back: field by field, nothing is decided here.

A closed run never changes any more. So it is packed once, as it is written: what is remembered for an hour takes
less memory that way, and a block of runs that is saved again is copied rather than made anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Raw

from detectors.loops import Loop
from monitor.runs.run import SPENT, Run, Work
from monitor.saved.states import Head, LoopState, RunState, WorkState

_SPENT = WorkState()
_NOTHING = Raw(b"\x80")
"""`_SPENT` as it is written: no field, so each has its default."""
_encode: Final = msgspec.msgpack.Encoder().encode
_run = msgspec.msgpack.Decoder(RunState)
_block = msgspec.msgpack.Decoder(list[Raw])
_LOOP = LoopState.__struct_fields__
_DID = WorkState.__struct_fields__
_WORK = RunState.__struct_fields__.index("work")
_LOOPS = ("loop", "user_loop")
BEFORE = 3
"""Numbers of a tool in a run as the version before wrote them."""
FEW_RUNS: Final = 16
"""Msgpack counts fewer parts of a list in one byte, as many and more in three, which do for any block."""


_head = msgspec.msgpack.Decoder(Head)


class Stored(NamedTuple):
    """A run that was written: its place, and the bytes."""

    head: Head
    packed: bytes


def pack(run: Run) -> bytes:
    """One run as it is written."""
    return _encode(_written(run))


def unpack(packed: bytes) -> Run:
    """The run that was written, whole. Raises `msgspec.DecodeError`."""
    state = _run.decode(packed)
    values = list(msgspec.structs.astuple(state))
    # Nearly all runs of a state are closed and have let go of what they did; an open one that did nothing is no such.
    values[_WORK] = SPENT if state.closed and state.work == _SPENT else _work_of(state.work)
    for calls in state.tools.values():
        if len(calls) == BEFORE:
            calls.append(0)
    return Run(*values)


def runs_to_bytes(runs: Iterable[Run | bytes]) -> bytes:
    """Runs as they are written together; those that are packed already as they are."""
    packed = [run if isinstance(run, bytes) else _encode(_written(run)) for run in runs]
    count = len(packed)
    packed.insert(0, bytes([0x90 | count]) if count < FEW_RUNS else b"\xdc" + count.to_bytes(2, "big"))
    return b"".join(packed)


def runs_from_bytes(raw: bytes | memoryview) -> list[Stored]:
    """The runs that were written together. Raises `msgspec.DecodeError`."""
    return [Stored(_head.decode(each), bytes(each)) for each in _block.decode(raw)]


def _written(run: Run) -> list[object]:
    return run.fields(_NOTHING if run.work is SPENT else state_of_work(run.work))


def state_of_loop(loop: Loop) -> LoopState:
    """The statistics of a loop as they are written."""
    return LoopState(*[getattr(loop, name) for name in _LOOP])


def loop_of(state: LoopState) -> Loop:
    """The statistics that were written."""
    return Loop(*[getattr(state, name) for name in _LOOP])


def state_of_work(work: Work) -> WorkState:
    """What a run did as it is written."""
    loop, user_loop = work.loop, work.user_loop
    fields: list[Any] = work.fields(
        None if loop is None else state_of_loop(loop), None if user_loop is None else state_of_loop(user_loop)
    )
    return WorkState(*fields)


def _work_of(state: WorkState) -> Work:
    values = {name: getattr(state, name) for name in _DID}
    for name in _LOOPS:
        if values[name] is not None:
            values[name] = loop_of(values[name])
    return Work(**values)
