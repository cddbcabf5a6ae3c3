"""The states that an agent goes through in turn: what a bank knows of each, and whether a change is a return to one.

An agent whose work comes in blocks (task A for a day, then task B; customers in turn) really changes each time. The
first times that is told. A state that was told `TOLD` times, was left again each time, and in which the agent spends
a part of its runs (`PART`) is a part of what this agent does: when the runs since the onset of a change fit it in every
signal, the bank goes on with what is normal there, so that what is new in it is found as fast as elsewhere, and the
return is not told like news. A fault that lasts for less of the time is told each time that it comes back.

Not here: how references are compared (`detectors.drift.regime`), what is said (`monitor.drift.episodes`).

Invariant: nothing is done to a bank but where it goes on with a known state; without one it says what it would.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec
from msgspec import Struct

from detectors.drift import Bank, Crossing, Ended, Plan, Word, regime
from detectors.drift.channels import Value

TOLD = 2
"""Times that a state is told before it is known."""
PART = 10
"""A known state has at least one in so many of the runs since it was first entered."""
STATES = 5
"""States of a bank. More: the one with the fewest runs makes room, counted as `drift_states_forgotten`."""
ROWS = 64
"""Runs by which a state is known that the bank never learned in."""
FITS = 100.0
"""Evidence (an e-value) from which on runs do not fit a state."""
FEWEST = 4
"""Runs from which on it is asked whether they fit."""
WAITS = 6
"""Runs that a change waits to be told where there is a known state: its first ones may be of both."""
AGAIN = 86_400.0
"""Seconds in which returns are told once, after the first one to each state."""
ALWAYS = frozenset(
    ("agent.fallback", "retrieval.empty", "retrieval.repeated", "run.anomaly", "tool.error_type", "tool.schema")
)
"""Signals with a wrong side, or that say that something is new and not what: their change is told each time."""


class State(Struct, array_like=True):
    """One state. `entered`: times; `lived`: runs in it; `first`: the bank's run at which it was first entered."""

    entered: int
    lived: int
    first: int
    learned: bytes = b""
    """What is normal in it, once the bank has learned it."""
    rows: list[bytes] = []
    """Before that: runs in it."""
    told: bool = False
    """Whether a return to it was told."""


class Regimes(Struct, array_like=True):
    """The states of one bank. `current`, `visited`: the state whose references the bank has, and the one whose visit is
    told now; -1 for none, as where a visit is over in some signals and taken as normal in others."""

    states: list[State] = []
    current: int = -1
    visited: int = -1
    since: int = 0
    """The bank's run at which the visit, or the stay in the current state, began."""
    heard: int = 0
    """The bank's run at which something of the visit was told last: what begins later may be another one."""
    seen: int = 0
    """Rows that are of the present visit."""
    stays: bool = False
    left: bool = False
    """Whether something of the visited state is the reference by now, and whether something is back."""
    waiting: list[Crossing] = []
    """Changes that may yet be a return, and are not told so far."""
    asked: int = 0
    """Times that it was asked whether they are."""
    forgotten: int = 0
    """States that made room."""
    told: float = 0.0
    """When a return to a known state was told last, epoch seconds."""


class Returned(Struct, frozen=True):
    """A change that is a return to a known state, which was entered so many times. `voice`: how it is told; empty: not
    at all."""

    crossing: Crossing
    entered: int
    voice: Literal["notice", "digest", ""]


class Seen(NamedTuple):
    """A run of a bank: what it takes of it, and its version."""

    values: list[Value]
    version: str


def hear(kept: Regimes, bank: Bank, crossing: Crossing, seen: Sequence[Seen], now: float) -> list[Word | Returned]:
    """What is to be said of a change; `seen`: the latest runs of the bank, so many as are kept."""
    if crossing.change.declared:
        return [crossing]
    fresh = kept.visited < 0 and not kept.waiting
    rows = [one.values for one in seen[-_length(kept, bank, [*kept.waiting, crossing], seen) :]]
    before = {one.version for one in seen[: -len(rows)]}
    deployed = bool(before) and before.isdisjoint([one.version for one in seen[-len(rows) :]])
    if fresh:
        if not kept.states:
            kept.current = 0
            kept.states.append(State(1, 0, bank.runs - len(rows), rows=[]))
            kept.since = bank.runs - len(rows)  # what was before may be of several states
        if kept.current >= 0:
            home = kept.states[kept.current]
            home.learned, home.rows = regime.to_bytes(regime.noted(bank, rows)), []
    kept.waiting.append(crossing)
    if deployed or crossing.signal in ALWAYS or not _other_known(kept, bank.runs):
        return _tell(kept, bank, rows)
    return look(kept, bank, seen, now)


def look(kept: Regimes, bank: Bank, seen: Sequence[Seen], now: float) -> list[Word | Returned]:
    """What is to be said of changes that wait, by the runs since the latest of them began: nothing for a while."""
    rows = [one.values for one in seen[-_length(kept, bank, kept.waiting, seen) :]]
    found = _fitting(kept, bank, rows, known=True) if len(rows) >= FEWEST else None
    if found is not None:
        return _go_on(kept, bank, found, rows, now)
    kept.asked += 1
    if kept.visited < 0 and kept.asked <= WAITS:
        return []
    return _tell(kept, bank, rows)


def end(kept: Regimes, bank: Bank, ended: Ended) -> list[Word]:
    """A signal of the bank does not fire any more; changes that waited and are to be told before."""
    told: list[Word] = []
    if any(one.signal == ended.signal for one in kept.waiting):
        told = [*kept.waiting]
        kept.waiting, kept.asked = [], 0
    if kept.visited < 0:
        return told
    kept.stays |= ended.how != "back"
    kept.left |= ended.how == "back"
    if not bank.episodes:
        kept.states[kept.visited].lived += max(bank.runs - kept.since, 0)
        if kept.left and kept.current >= 0:
            kept.states[kept.current].entered += 1
        if kept.stays:
            kept.current = kept.visited if not kept.left else -1
        kept.visited, kept.since = -1, bank.runs
    return told


def vouch(kept: Regimes) -> None:
    """A person says that what is told now is no fault."""
    if kept.visited >= 0:
        kept.states[kept.visited].entered = max(kept.states[kept.visited].entered, TOLD)


def handed_on(kept: Regimes, runs: int) -> Regimes:
    """What a bank that begins with the experience of another, of so many runs, has of its states."""
    states = [msgspec.structs.replace(one, first=one.first - runs) for one in kept.states]
    return Regimes(states, kept.current)


def is_known(kept: Regimes, number: int, runs: int) -> bool:
    """Whether a state is a part of what the agent does."""
    state = kept.states[number]
    return state.entered >= TOLD and state.lived * PART >= runs - state.first


def _other_known(kept: Regimes, runs: int) -> bool:
    others = [number for number in range(len(kept.states)) if number not in (kept.current, kept.visited)]
    return any(is_known(kept, number, runs) for number in others)


def _length(kept: Regimes, bank: Bank, crossings: Sequence[Crossing], seen: Sequence[Seen]) -> int:
    """How many of the latest runs are of a change, those of one story taken together.

    Where its onset lies before the last visit to another state, whose evidence was not used up, it is dated anew.
    """
    latest = max(crossings, key=lambda one: one.onset_run)
    first = kept.since if kept.visited >= 0 and latest.onset_run < kept.heard else latest.onset_run
    if first < kept.since and kept.states:
        rows = [one.values for one in seen[-max(bank.runs - kept.since, 1) :]]
        first = bank.runs - len(rows) + regime.dated(bank, latest.change.channel, rows)
    return min(max(bank.runs - first, 1), len(seen))


def _tell(kept: Regimes, bank: Bank, rows: Sequence[list[Value]]) -> list[Word | Returned]:
    """Changes that are told: a visit to a state, a new one if the runs fit none."""
    told, first = [*kept.waiting], bank.runs - len(rows)
    kept.waiting, kept.asked = [], 0
    found = _fitting(kept, bank, rows)
    if kept.visited < 0 or (first >= kept.heard and found != kept.visited):
        _leave(kept, first)
        if found is None:
            found = _new_state(kept, first)
        kept.states[found].entered += 1
        kept.visited, kept.since, kept.seen, kept.stays, kept.left = found, first, 0, False, False
    if found == kept.visited:
        _remember(kept, kept.states[found], rows)
    kept.heard = bank.runs
    return [*told]


def _go_on(kept: Regimes, bank: Bank, found: int, rows: Sequence[list[Value]], now: float) -> list[Word | Returned]:
    """Let the bank live in a known state."""
    state, crossing = kept.states[found], kept.waiting[0]
    _leave(kept, bank.runs)
    if not state.learned:
        kept.seen = 0
        _remember(kept, state, rows)
    silent = {one.signal for one in kept.waiting}
    kept.current, kept.visited, kept.since, kept.waiting, kept.asked = found, -1, bank.runs, [], 0
    state.entered += 1
    ended = regime.assume(bank, _regime(state, bank.plan))
    voice: Literal["notice", "digest", ""] = "notice"
    if state.told:
        voice = "digest" if now - kept.told >= AGAIN else ""
    if voice:
        state.told, kept.told = True, now
    return [*(one for one in ended if one.signal not in silent), Returned(crossing, state.entered, voice)]


def _leave(kept: Regimes, run: int) -> None:
    """The stay, or the visit, lasted until a run of the bank."""
    state = kept.current if kept.visited < 0 else kept.visited
    if state >= 0:
        kept.states[state].lived += max(run - kept.since, 0)


def _fitting(kept: Regimes, bank: Bank, rows: Sequence[list[Value]], *, known: bool = False) -> int | None:
    """The likeliest state, other than the current one, that runs fit: all of them, or the later part of them, because
    the first ones may be of what was before. A state in which they are less likely than in the current one is none.

    `known`: only states that are, and that are not visited already.
    """
    length = len(rows)
    starts = [start for start in (0, length // 4, length // 2) if length - start >= FEWEST] or [0]
    best: int | None = None
    most: int | None = None
    if kept.current >= 0 and kept.states[kept.current].learned:
        most = regime.compare(_regime(kept.states[kept.current], bank.plan), rows, starts)[1]
    for number, state in enumerate(kept.states):
        if number == kept.current or (known and (number == kept.visited or not is_known(kept, number, bank.runs))):
            continue
        height, likely = regime.compare(_regime(state, bank.plan), rows, starts)
        if height < FITS and (most is None or likely > most):
            best, most = number, likely
    return best


def _regime(state: State, plan: Plan) -> Bank:
    if state.learned:
        return regime.from_bytes(plan, state.learned)
    return regime.made_of(plan, [_row(raw, plan) for raw in state.rows])


def _remember(kept: Regimes, state: State, rows: Sequence[list[Value]]) -> None:
    """Runs of the present visit, in place of those that are kept of it."""
    if not state.learned:
        before = state.rows[: len(state.rows) - kept.seen]
        state.rows = [*before, *(_encode(row) for row in rows)][-ROWS:]
        kept.seen = min(len(rows), ROWS)


def _new_state(kept: Regimes, first: int) -> int:
    """A state that is entered for the first time; where there are too many, another makes room."""
    if len(kept.states) >= STATES:
        others = [number for number in range(len(kept.states)) if number != kept.current]
        gone = min(others, key=lambda number: (kept.states[number].lived, number))
        del kept.states[gone]
        kept.current -= kept.current > gone
        kept.forgotten += 1
    kept.states.append(State(0, 0, first, rows=[]))
    return len(kept.states) - 1


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Value]).decode


def _row(raw: bytes, plan: Plan) -> list[Value]:
    row = _decode(raw)
    return row + [None] * (len(plan.channels) - len(row))
