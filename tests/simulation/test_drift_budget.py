"""Banks in which nothing changes say no more than was dripped for them, whatever their values look like.

Seeded. References are learned from the same stream; both accounts get the same drip, so that what is full can be
counted alike. The bound is that of a Poisson count three standard errors up.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest

from detectors.drift import Bank, Channel, Crossing, Plan, Signal
from detectors.drift.channels import Kind, Value

RUNS = 3_200
BANKS = 4
DRIP = 1e-3
"""Expected false alarms per run, account and signal: far more than any budget, so that there is something to count."""


def _mix(rng: random.Random) -> dict[str, float]:
    calls = rng.choices("abcdefghij", [40, 20, 10, 8, 6, 5, 4, 3, 2, 1], k=rng.randint(1, 8))
    return {tool: calls.count(tool) / len(calls) for tool in set(calls)}


KINDS: dict[str, tuple[Kind, Callable[[random.Random], Value]]] = {
    "lognormal": ("number", lambda rng: rng.lognormvariate(0.0, 0.8)),
    "a constant with a rare exception": ("number", lambda rng: 9.0 if rng.random() < 0.004 else 3.0),
    "three values": ("number", lambda rng: rng.choice([1.0, 1.0, 1.0, 2.0, 2.0, 3.0])),
    "more than half zero": (
        "number",
        lambda rng: float(int(rng.lognormvariate(3.0, 1.0))) if rng.random() < 0.4 else 0.0,
    ),
    "heavy tail": ("number", lambda rng: rng.paretovariate(1.2)),
    "three categories": ("category", lambda rng: "c" if rng.random() < 0.02 else rng.choice("aaab")),
    "a long tail of categories": ("category", lambda rng: f"c{int(rng.paretovariate(1.0))}"),
    "a rate of half a percent": ("rate", lambda rng: float(rng.random() < 0.005)),
    "a rate of a fifth": ("rate", lambda rng: float(rng.random() < 0.2)),
    "a share of five": ("rate", lambda rng: sum(rng.random() < 0.1 for _ in range(5)) / 5.0),
    "a mix of tools": ("share", _mix),
}


@pytest.mark.parametrize("tolerance", [1.0, 1.5])
def test_crossings_stay_within_the_drip(tolerance: float) -> None:
    size = len(KINDS)
    plan = Plan(
        [Channel(name, name, kind) for name, (kind, _) in KINDS.items()],
        [
            Signal(name, 1.0 / size, 1.0 / size, tolerance=tolerance, blocked=kind == "number")
            for name, (kind, _) in KINDS.items()
        ],
    )
    notices, full, dripped = dict.fromkeys(KINDS, 0), dict.fromkeys(KINDS, 0), 0.0
    for seed in range(BANKS):
        rng = random.Random(seed)
        bank = Bank(plan)
        for i in range(RUNS):
            drip = DRIP * size if i >= 200 else 0.0
            dripped += drip / size
            words = bank.observe([draw(rng) for _, draw in KINDS.values()], f"r{i}", float(i), drip, drip)
            for word in words:
                if isinstance(word, Crossing) and word.voice == "notice":
                    notices[word.signal] += 1
            for signal in bank.accounts.full("page") if len(bank.accounts.page) else ():
                full[plan.signals[signal].name] += 1  # it waits for a material change; here it pays at once
                bank.accounts.empty("page", signal)
    limit = dripped + 3.0 * math.sqrt(dripped)
    assert {name: count for name, count in (notices | {}).items() if count > limit} == {}
    assert {name: count for name, count in full.items() if count > limit} == {}
    for counts in (notices, full):
        assert sum(counts.values()) <= dripped * size + 3.0 * math.sqrt(dripped * size)
