"""What a bank knows, taken as one: noted when an agent leaves a state, made from a few runs, gone on with on a return.

A regime is a bank that observes nothing: its references are what is normal in one of the states that an agent goes
through. Not here: which states there are, and what becomes of a return (`monitor.drift.banks.regimes`).

Invariant: evidence against a regime is that of the same bets and the same band as in a bank that lives in it.
"""

from __future__ import annotations

import math
import zlib
from array import array
from collections.abc import Sequence

import numpy as np
from librt.vecs import vec

from detectors.drift import state, strongest
from detectors.drift.accounts import CAP
from detectors.drift.bank import Bank
from detectors.drift.channels import Ended, Value
from detectors.drift.onset import onset_of
from detectors.drift.plan import Plan
from detectors.drift.references import learning, memory
from detectors.drift.references.numbers import WINDOW
from detectors.drift.references.share import ShareChannel

LEAST = 4
"""Values of a channel from which on something is said of it."""


def noted(bank: Bank, rows: Sequence[list[Value]]) -> Bank:
    """What a bank knows, without the runs `rows`, its latest ones, of signals that do not fire: those that do have left
    them out."""
    found = Bank(bank.plan)
    found.inherit(bank)
    frozen = {at for signal in bank.episodes for at in bank.plan.members[signal]}
    _leave_out(found, rows[-WINDOW:], frozen)
    return found


def made_of(plan: Plan, rows: Sequence[list[Value]]) -> Bank:
    """A regime of which only so many runs were seen: live in every channel of which at least `LEAST` speak."""
    found = Bank(plan)
    for at, position in enumerate(plan.numbers):
        told = [memory.rounded(float(row[position])) for row in rows if row[position] is not None]  # type: ignore[arg-type]
        if len(told) >= LEAST:
            numbers = found.numbers or found.make_numbers()
            numbers.freeze(at, array("f", told[-learning.LIVE :]))
            del found.learners[at]
    found.shares.learn_from(list(rows))
    ripe = [one for one in found.shares.learners if one.learner is not None and one.learner.n >= LEAST]
    found.lay_out(found.shares.freeze(ripe))
    found.weigh()
    return found


def compare(regime: Bank, rows: Sequence[list[Value]], starts: Sequence[int]) -> tuple[float, int]:
    """How little the runs from one of `starts` on speak against a regime, and how likely it makes the last of these.

    The first is the e-value of the signal that says most. The second tells a state from a mixture of states, against
    which a few runs say nothing either: thousandths of the mean log of what a run's categories are expected to be.
    The regime forgets nothing and learns nothing, but is of no use afterwards: it takes the runs for its own.
    """
    likely, accounts = _likely(regime), regime.accounts
    told = []
    for number, row in enumerate(rows):
        told.append(np.array(_show(regime, row, number)[: accounts.size]))
    found = []
    for start in starts:
        product = np.ones(accounts.size)
        for one in told[start:]:
            product = np.minimum(product * one, CAP)
        found.append(max(accounts.means(product.tolist()), default=0.0))
    return min(found), _likelihood(regime, likely, starts[-1], len(rows))


def dated(bank: Bank, channel: str, rows: Sequence[list[Value]]) -> int:
    """From which of a bank's latest runs on a channel is changed, by what the bank knows, as far as these tell."""
    plan, found = bank.plan, Bank(bank.plan)
    found.inherit(bank)
    position = next(at for at, one in enumerate(plan.channels) if one.name == channel)
    for number, row in enumerate(rows):
        _show(found, row, number)
    bets = strongest.past_bets(plan, found.numbers, found.shares, position, 0, len(rows))
    return max((onset_of(bets[:, at]) for at in range(bets.shape[1])), key=lambda one: one[1], default=(0, 0.0))[0]


def assume(bank: Bank, regime: Bank) -> list[Ended]:
    """Let a bank go on with the references of a regime. What fires is over; what the regime does not know stays."""
    ended = [bank.ended(episode, "known") for _, episode in sorted(bank.episodes.items())]
    for signal in sorted(bank.episodes):
        del bank.episodes[signal]
        bank.restore(signal)
    numbers = bank.numbers
    if numbers is not None and regime.numbers is not None:
        for at in range(len(bank.plan.numbers)):
            if numbers.live[at] and regime.numbers.live[at]:
                numbers.drop(at)
                bank.learners[at] = learning.Numbers(array("f"))
    for mine, theirs in zip(bank.shares.channels, regime.shares.channels, strict=True):
        if mine.live and theirs.live:
            bank.shares.drop(mine, keep=False)
    for signal in range(len(bank.plan.signals)):
        bank.accounts.empty("notice", signal)
        bank.accounts.empty("page", signal)
    bank.inherit(regime)
    return ended


def to_bytes(regime: Bank) -> bytes:
    """A regime as it is kept; nearly all of it are places for runs that it never saw."""
    return zlib.compress(state.to_bytes(regime))


def from_bytes(plan: Plan, raw: bytes) -> Bank:
    """Raises ValueError where the plan has other channels by now."""
    return state.from_bytes(plan, zlib.decompress(raw))


_Likely = list[tuple[ShareChannel, list[float]]]


def _show(bank: Bank, row: list[Value], number: int) -> vec[float]:
    """Let a bank that observes nothing read one run; the e-values of its bets."""
    out = bank.plan.room(bank.accounts.size)
    if bank.numbers is not None:
        bank.numbers.read(row, number, out)
    if bank.shares.size:
        bank.shares.read(row, number, out, bank.accounts.split)
    return out


def _likely(regime: Bank) -> _Likely:
    """Of each channel of shares, the logs of what its cells hold; of a rate, those of yes and no."""
    found: _Likely = []
    for channel in regime.shares.channels:
        if channel.live:
            held = [regime.shares.probability(channel, cell) for cell in range(channel.cells)]
            if channel.kind == "rate":
                held.append(1.0 - held[0])
            found.append((channel, [math.log(one) for one in held]))
    return found


def _likelihood(regime: Bank, likely: _Likely, first: int, end: int) -> int:
    total, told = 0.0, 0
    for channel, logs in likely:
        for parts in regime.shares.past(channel, first, end).tolist():
            if parts[0] == parts[0]:
                told += 1
                if channel.kind == "rate":
                    parts = [parts[0], 1.0 - parts[0]]
                for part, log in zip(parts, logs, strict=True):
                    total += part * log
    return round(1000.0 * total / told) if told else 0


def _leave_out(regime: Bank, rows: Sequence[list[Value]], frozen: set[int]) -> None:
    """Take runs out of the references, and make the tables anew."""
    plan, end = regime.plan, len(rows)
    for channel in regime.shares.channels:
        regime.shares.learn(channel, False)
    if regime.numbers is not None:
        regime.numbers.learns = [False] * len(plan.numbers)
    for number, row in enumerate(rows):
        _show(regime, row, number)
    numbers = regime.numbers
    for at, position in enumerate(plan.numbers):
        if numbers is not None and numbers.live[at] and position not in frozen:
            numbers.uncount(at, numbers.past(at, 0, end))
            numbers.refresh(at, [])
    if numbers is not None:
        numbers.learns = list(numbers.live)
    changed = [one for one in regime.shares.channels if one.live and one.position not in frozen]
    regime.lay_out(regime.shares.refresh([(one, regime.shares.past(one, 0, end)) for one in changed]))
    for channel in regime.shares.channels:
        regime.shares.learn(channel, channel.live)
    regime.weigh()
