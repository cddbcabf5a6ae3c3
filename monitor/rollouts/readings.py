"""What a closed run says in a comparison: one row per signal. A new one is a row.

Invariant: no agent text; a row gives None where the run says nothing.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Final, Literal, NamedTuple

from monitor.reading.shape import INDEX
from monitor.rollouts.state import Reading
from monitor.runs import Closed
from monitor.signals import CONTRACT_VIOLATED, RUN_FAILED, RUN_HUNG, RUN_LOOP, RUN_SILENT
from schemas.finding import Unit

TOOLS: Final = 12
"""Tools of one run that are compared; further ones are left out."""
REJECTED: Final = "run.rejected"
_KIND = INDEX["kind"]
_SCRIPT = INDEX["script"]


class Row(NamedTuple):
    """A signal: how it is read, and what part of `alpha` it has before the parts of all deciding ones are made one."""

    signal: str
    form: Literal["share", "number"]
    unit: Unit
    weight: float
    read: Callable[[Closed], float | None]


def _late(_: Closed) -> float | None:
    return None


def _duration(closed: Closed) -> float | None:
    return None if closed.status == "hung" else closed.duration_seconds


def _cost(closed: Closed) -> float | None:
    """A tracer says 0 of a model whose price it does not know: that is no price to be dearer than."""
    return closed.work.cost_usd or None


ROWS: tuple[Row, ...] = (
    Row("run.failed", "share", "share", 0.6, RUN_FAILED.read),
    Row("run.silent", "share", "share", 0.1, RUN_SILENT.read),
    Row("run.hung", "share", "share", 0.05, RUN_HUNG.read),
    Row("run.loop", "share", "share", 0.05, RUN_LOOP.read),
    Row("contract.violated", "share", "share", 0.05, CONTRACT_VIOLATED.read),
    Row(REJECTED, "share", "share", 0.05, _late),
    Row("run.cost_usd", "number", "usd", 0.05, _cost),
    Row("run.duration_seconds", "number", "seconds", 0.05, _duration),
    Row("run.steps", "number", "count", 0.05, lambda c: float(c.work.steps)),
    Row("run.tokens", "number", "tokens", 0.05, lambda c: None if c.work.tokens is None else float(c.work.tokens)),
    Row("run.output_length", "number", "characters", 0.05, lambda c: c.work.output_length),
)  # fmt: skip
ROW_OF = {row.signal: row for row in ROWS}


def read(closed: Closed) -> Reading:
    """What a closed run says."""
    run, work = closed.run, closed.work
    shares: dict[str, float] = {}
    numbers: dict[str, float] = {}
    for row in ROWS:
        value = row.read(closed)
        if value is not None:
            (shares if row.form == "share" else numbers)[row.signal] = value
    shape = work.output_shape
    return Reading(
        run.run,
        run.version or "",
        run.started,
        shares,
        numbers,
        sorted(run.tools)[:TOOLS],
        zlib.crc32(f"{closed.status} {closed.silent} {closed.outcome or ''}".encode()),
        work.calls_hash,
        -1 if shape is None else int(shape[_KIND]) * 64 + int(shape[_SCRIPT]),
    )
