"""Notices of `retrieval.repeated` stay within what was granted, whatever documents are usual."""

from __future__ import annotations

import random

import pytest

from detectors.drift import Bank, Channel, Crossing, Plan, Signal
from monitor.drift.banks.plan import CHANNELS
from monitor.drift.channels import ROW_OF
from monitor.drift.memory import Memory, recall
from monitor.runs.run import Closed, Run, Work

AGENTS, RUNS, DRIP = 30, 1_200, 1e-4
NAME = "same document"
CHANNEL = next(one for one in CHANNELS if one.name == NAME)
PLAN = Plan([Channel("x", "s", "rate", harmless=CHANNEL.harmless)], [Signal("s", 1.0, 1.0)])
LAWS: list[tuple[str, list[float], float]] = [
    ("many documents, some of them often", [1 / (k + 1) for k in range(50)], 0.0),
    ("one document for more than half of the runs", [0.55] + [0.01] * 45, 0.0),
    ("one document for nine of ten runs", [0.9] + [0.01] * 10, 0.0),
    ("sessions of ten runs that get the same", [1 / (k + 1) for k in range(500)], 0.9),
]


def _closed(run: int, document: int, session: int) -> Closed:
    work = Work(documents={"": document}, session=f"s{session}")
    return Closed(Run(f"r{run}", None, 0, 0.0, 0.0, set(), {}, work), "ok", 1.0, 1.0, None, None, work)


@pytest.mark.parametrize(("why", "law", "stays"), LAWS, ids=[row[0] for row in LAWS])
def test_usual_documents_stay_within_the_budget(why: str, law: list[float], stays: float) -> None:
    notices = 0
    for seed in range(AGENTS):
        rng, bank, memory = random.Random(seed), Bank(PLAN), Memory()
        document = session = 0
        for number in range(RUNS):
            if rng.random() >= stays:
                document, session = rng.choices(range(len(law)), law)[0], number
            value = ROW_OF[NAME].read(recall(memory, _closed(number, document, session)))
            words = bank.observe([value], f"r{number}", float(number), DRIP, 0.0)
            notices += sum(isinstance(word, Crossing) for word in words)
    assert notices <= AGENTS * RUNS * DRIP, why
