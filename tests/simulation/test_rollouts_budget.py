"""Canaries with and without a difference, seeded: wrong verdicts stay within alpha, and right ones come in time."""

from __future__ import annotations

import random
import statistics

from benchmarks.bench_rollouts import KNOWN_SHARE, until_worse
from schemas.config import RolloutSettings


def test_wrong_verdicts_stay_within_alpha_while_outages_come_and_the_share_ramps() -> None:
    """150 canaries of 400 runs each, all deciding signals, looked at after every run, alpha 5 %."""
    rng = random.Random(1)
    settings = RolloutSettings(randomised="run", alpha=0.05)

    def rate(number: int) -> float:
        return 0.5 if number % 100 < 25 else 0.05

    def share(number: int) -> float:
        return 0.1 + 0.4 * min(number / 300, 1.0)

    found = [until_worse(rng, rate, rate, share, settings, 400, full=True) for _ in range(150)]
    assert len(found) - found.count(None) <= 7


def test_a_worse_version_is_found_within_a_fifth_of_what_bets_on_a_known_share_take() -> None:
    known = KNOWN_SHARE[0.05, 0.15, 0.5]
    rng = random.Random(2)
    settings = RolloutSettings(randomised="run")
    found = [
        until_worse(rng, lambda _: 0.05, lambda _: 0.15, lambda _: 0.5, settings, 4_000, full=False) for _ in range(80)
    ]
    assert statistics.median(4_000 if one is None else one for one in found) <= 1.2 * known
