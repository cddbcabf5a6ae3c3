"""From which run on a channel looks changed: as plain CUSUMs of the e-values say that its tables give."""

from __future__ import annotations

import random

import numpy as np
import pytest
from numpy.typing import NDArray

from detectors.drift import Bank, Channel, Plan, Signal
from detectors.drift.channels import Kind, Value
from detectors.drift.references import suspicion
from detectors.drift.references.numbers import WINDOW

KINDS: tuple[Kind, ...] = ("number", "category", "share", "rate")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("changes", [False, True], ids=["as ever", "changed"])
def test_it_is_the_last_start_of_the_highest_bet(kind: Kind, changes: bool) -> None:
    for seed in range(10):
        rng = random.Random(seed)
        bank = Bank(Plan([Channel("x", "s", kind)], [Signal("s", 1.0, 1.0)]))
        runs = 200 + rng.randrange(400)
        changed_at = runs - rng.randrange(1, 60) if changes else runs
        for run in range(runs):
            value = None if rng.random() < 0.1 else _value(kind, run >= changed_at, rng)
            bank.observe([value], f"run-{run}", float(run))
        first = max(runs - WINDOW, 0)
        found, bets = _ask(bank, kind, first, runs)
        assert found == _plain(bets, first, runs)
        if changes and runs - changed_at > 20:
            assert changed_at - 10 <= found < runs


def _value(kind: Kind, changed: bool, rng: random.Random) -> Value:
    if kind == "number":
        return rng.lognormvariate(2.0 if changed else 0.0, 0.5)
    if kind == "category":
        return rng.choice("cd" if changed else "aaab")
    part = 0.8 if changed else 0.25
    return float(rng.random() < part) if kind == "rate" else {"a": 1.0 - part, rng.choice("bc"): part}


def _ask(bank: Bank, kind: Kind, first: int, end: int) -> tuple[int, NDArray[np.float64]]:
    if kind == "number":
        assert bank.numbers is not None
        return suspicion.of_number(bank.numbers, 0, first, end), bank.numbers.bets([0], first, end)
    share = bank.shares.channels[0]
    bets = bank.shares.bets(share, bank.shares.past(share, first, end))
    return suspicion.of_share(bank.shares, share, first, end), bets


def _plain(bets: NDArray[np.float64], first: int, end: int) -> int:
    """The same, one bet after the other."""
    ends: list[tuple[float, int]] = []
    for column in bets.T.tolist():
        height, start = 1.0, first
        for run, value in enumerate(column, first):
            if height <= 1.0:
                height, start = 1.0, run
            height *= value
        ends.append((height, start))
    height, start = max(ends, key=lambda one: one[0])
    return start if height > suspicion.SUSPICIOUS else end
