"""The smallest setting that would have caught a complaint: a row per obstacle, and their order."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.alerting.complaints import missed
from schemas.config import DAY, WEEK, Owner, parse_rate
from schemas.news import SignalState

OWNERS = {"payments": Owner(), "platform": Owner.model_validate({"budget": "2 per week"})}


def state(signal: str = "run.failed", **fields: Any) -> SignalState:
    found = {"mode": "page", "evidence": 0.0, "level": 0.04, "reference": 0.04, "n": 500.0, "tolerance": 1.25}
    return SignalState(signal=signal, **(found | {"owner": "payments"} | fields))


WARMING = state("tool.failed", state="warming up", reference=None, waiting_for="warming up: 3 of 200 runs seen")
OFF = SignalState(signal="user.unhappy", mode="off", state="off")

ROWS = [
    ((state(evidence=0.25),), "budget", "budget: 4 per week", "a quarter of a page: four times the budget"),
    ((state(evidence=0.3),), "budget", "budget: 3.34 per week", "rounded up, so that it is enough"),
    ((state(evidence=0.01, level=0.1),), "budget", "budget: 14.3 per day", "a hundred times, for a level that moved"),
    ((state(evidence=0.01),), "nothing", "", "what chance gathers"),
    ((state("run.steps", mode="notice", evidence=0.5),), "notices", "notices: 2 per day", "what is told as a notice"),
    ((state("tool.failed", evidence=0.5, owner="platform"),), "budget", "owners: {platform: {budget: 4 per week}}",
     "the budget of the tool's owner"),
    ((state(evidence=0.2), state("run.hung", evidence=0.5)), "budget", "budget: 2 per week", "the nearest of several"),
    ((state(level=0.048),), "tolerance", "detectors: {run.failed: {tolerance: 1.2}}",
     "a level within the tolerance: 4.8 % are odds 1.21 times those of 4 %"),
    ((state(evidence=0.02, level=0.048),), "tolerance", "detectors: {run.failed: {tolerance: 1.2}}",
     "which is nearer than fifty times the budget"),
    ((state(evidence=0.2, level=0.048),), "budget", "budget: 5 per week", "and farther than five times"),
    ((state(level=0.0401),), "nothing", "", "no change at all"),
    ((state(level=0.01),), "nothing", "", "fewer failures than usual"),
    ((state(evidence=0.0001), WARMING), "reference", "detectors: {tool.failed: {reference: <what is normal>}}",
     "what had no reference yet"),
    ((state(), OFF), "off", "detectors: {user.unhappy: {mode: notice}}", "what is off"),
    ((), "nothing", "", "nothing is known"),
]  # fmt: skip


@pytest.mark.parametrize(("known", "obstacle", "setting", "why"), ROWS, ids=[row[3] for row in ROWS])
def test_what_would_have_caught_it(known: tuple[SignalState, ...], obstacle: str, setting: str, why: str) -> None:
    found = missed.remedy(known, OWNERS, "payments")
    assert (found.obstacle, found.setting) == (obstacle, setting), why
    assert found.why


def test_an_alert_that_waited_for_the_digest() -> None:
    twice = missed.digested((state(evidence=1.0, state="firing", mode="notice"),), 1.0 / DAY)
    assert (twice.obstacle, twice.setting) == ("digest", "notices: 2 per day")
    asked = missed.digested((state("run.steps", evidence=1.0, state="firing", mode="digest"),), 1.0 / DAY)
    assert asked.setting == "detectors: {run.steps: {mode: notice}}"


@pytest.mark.parametrize("factor", [1.0, 1.0001, 1.23456, 2.0, 8.9538, 99.9, 99.951, 999.0])
def test_a_budget_is_never_rounded_down_and_can_be_read(factor: float) -> None:
    wanted = factor / WEEK
    given = parse_rate(missed.at_least(wanted))
    assert wanted * (1.0 - 1e-9) <= given <= wanted * 1.011
