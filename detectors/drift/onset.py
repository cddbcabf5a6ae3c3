"""When a change began, and what it is: read off the remembered runs once an account is full.

The onset is the last start of the CUSUM max(1, M) * L of the bet that earned most. Then the strongest channels are
compared, reference against the runs since the onset. Runs further back than `numbers.WINDOW` cannot be told apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.drift.channels import Change, Channel, Signal
from detectors.drift.references import memory, suspicion
from detectors.drift.references.cells import masses_of
from detectors.drift.references.numbers import NONE, NumberChannels
from detectors.drift.references.share import ShareChannel
from detectors.drift.references.shares import ShareChannels


class Seen(NamedTuple):
    """A change, and the indicator behind it: `cell` and `up` as in `episode.Episode`; `hits` per run since the onset
    (None where the run says nothing)."""

    change: Change
    cell: int
    up: bool
    material: bool
    hits: list[float | None]


def onset_of(bets: NDArray[np.float64]) -> tuple[int, float]:
    """Index of the first run of the stretch that one bet's e-values tell of, and the CUSUM's height at the end."""
    start, height = suspicion.cusum(memory.floats(bets.tolist()))
    return min(start, max(len(bets) - 1, 0)), height


def of_number(
    channels: NumberChannels, at: int, channel: Channel, signal: Signal, first: int, end: int, weight: float
) -> Seen:
    """What changed in a number over the runs `first` to `end`."""
    n = channels.cells(at)
    past = channels.past(at, first, end)
    after_counts = [sum(mark == cell for mark in past) for cell in range(n)]
    after_n = sum(after_counts)
    before_counts = [float(count) for count in channels.counts[at, :n]]
    if channels.learns[at]:  # what came since the change was counted, too
        before_counts = [max(count - now, 0.0) for count, now in zip(before_counts, after_counts, strict=True)]
    masses = masses_of(before_counts)
    best, cell, before, after = -1.0, 1, 0.0, 0.0
    for i in range(1, n):
        survived, now = sum(masses[i:]), sum(after_counts[i:]) / max(after_n, 1)
        if abs(now - survived) > best:
            best, cell, before, after = abs(now - survived), i, survived, now
    up = after > before
    edge = channels.edges_of(at)[cell - 1]
    values = channels.latest(at, first, end)
    median_before = float(channels.medians[at])
    median_after = values[len(values) // 2] if values else median_before
    change = Change(
        channel.name, f"above {edge:.4g}" if up else f"at most {edge:.4g}", "up" if up else "down",
        before if up else 1.0 - before, after if up else 1.0 - after, sum(before_counts), float(after_n), weight,
        median_before, median_after, unseen=cell == (n - 1 if up else 1),
    )  # fmt: skip
    median = _surely(values, median_before)
    if channel.apart:
        material = abs(median - median_before) > channel.apart
    else:
        material = _factor(median_before, median) > signal.factor or (channels.few[at] and best > signal.points)
    if abs(median_after - median_before) > 0.1 * abs(median_before):
        change.phrase = f"{_label(channel)}: median {median_after:.3g}, was {median_before:.3g}"
    else:
        change.phrase = (
            f"{_label(channel)}: {change.what} in {_percent(change.after)} of runs, was {_percent(change.before)}"
        )
    hits = [None if mark == NONE else float((mark >= cell) == up) for mark in past]
    return Seen(change, cell, up, bool(material), hits)


def of_share(
    channels: ShareChannels,
    share: ShareChannel,
    channel: Channel,
    signal: Signal,
    first: int,
    end: int,
    weight: float,
) -> Seen:
    """What changed in a category, mix, set or rate over the runs `first` to `end`."""
    past = channels.past(share, first, end)
    told = past[~np.isnan(past[:, 0])]
    n = len(told)
    before = channels.probabilities(share, told)
    after = [sum(told[:, cell].tolist()) / max(n, 1) for cell in range(share.cells)]
    declared = channel.declared is not None and after[0] > channel.declared
    if channel.declared is not None and declared:
        before[0] = channel.declared
    moved = [abs(now - then) for now, then in zip(after, before, strict=True)]
    largest = max(moved)
    candidates = [cell for cell in range(share.cells) if moved[cell] >= 0.8 * largest]
    if share.kind == "set":
        named = [at for at in range(share.cells) if at != share.cells - 2]
        sure = [at for at in named if _is_material_in_set(before[at], after[at], n, signal)]
        cell = max(sure or named, key=lambda at: moved[at] * moved[at] / (before[at] * (1.0 - before[at])))
    elif largest > signal.points:
        cell = max(candidates, key=lambda cell: before[cell])
    else:
        cell = max(candidates, key=lambda cell: (after[cell] > before[cell], _odds_moved(before[cell], after[cell], n)))
    up = after[cell] > before[cell]
    what = channels.title(share, cell)
    change = Change(
        channel.name, what, "up" if up else "down", before[cell], after[cell], share.n, float(n), weight,
        unseen=share.kind != "rate" and cell == share.cells - 1, declared=declared,
    )  # fmt: skip
    where = "of runs" if share.kind in ("category", "set") else "of a run"
    subject = f"{_label(channel)}: " + (f"`{what}` in " if what else "")
    change.phrase = f"{subject}{_percent(after[cell])} {where}, was {_percent(before[cell])}"
    if share.kind == "rate" and not channel.by_points:
        material = _rate_factor(before[cell], after[cell], n) > signal.factor
    elif share.kind == "set":
        material = _is_material_in_set(before[cell], after[cell], n, signal)
    else:
        material = largest > signal.points
    parts = past[:, cell].tolist()
    hits = [None if part != part else part if up else 1.0 - part for part in parts]
    return Seen(change, cell, up, material, hits)


def examples(hits: Sequence[float | None], runs: Sequence[str]) -> list[str]:
    """Up to five of the latest runs that show the change; `runs` are the names of the latest runs."""
    n = min(len(hits), len(runs))
    recent = list(zip(hits[len(hits) - n :], runs[len(runs) - n :], strict=True))
    return [run for hit, run in recent if hit is not None and hit >= 0.5][-5:] or [run for _, run in recent][-5:]


def _surely(values: Sequence[float], before: float) -> float:
    """The median of ascending values, nearer to `before` by 1.5 standard errors of its rank; `before` if in between."""
    n = len(values)
    if not n:
        return before
    margin = int(0.75 * math.sqrt(n))
    low, high = values[max((n - 1) // 2 - margin, 0)], values[min(n // 2 + margin, n - 1)]
    return min(max(before, low), high)


def _factor(a: float, b: float) -> float:
    low, high = min(abs(a), abs(b)), max(abs(a), abs(b))
    if high == 0.0:
        return 1.0
    if low == 0.0 or (a < 0.0) != (b < 0.0):
        return math.inf
    return high / low


def _rate_factor(before: float, after: float, n: int) -> float:
    floor = 0.5 / (n + 1.0)
    return _factor(max(before, floor), max(after, floor))


def _is_material_in_set(before: float, after: float, n: int, signal: Signal) -> bool:
    """A name of a set is a rate, but one of many: what hardly any run has may double without a word."""
    moved = abs(after - before)
    if moved > signal.points:
        return True
    return moved >= signal.points / 3.0 and _rate_factor(before, after, n) > signal.factor


def _odds_moved(before: float, after: float, n: int) -> float:
    after = (after * n + 0.5) / (n + 1.0)
    a, b = before / (1.0 - before), after / (1.0 - after)
    return a / b if a > b else b / a


def _percent(share: float) -> str:
    return f"{100.0 * share:.0f} %" if share >= 0.0995 or share < 0.0005 else f"{100.0 * share:.1f} %"


def _label(channel: Channel) -> str:
    return channel.label or channel.name
