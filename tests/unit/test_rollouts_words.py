"""A rollout in words, and as JSON and back."""

from __future__ import annotations

import json
import math

import pytest

from monitor.alerting.rollouts import words
from schemas.news import Compared, RolloutSeen
from schemas.view import RolloutView, rollout_line, rollout_of
from tests.doubles.clock import START
from tests.doubles.rollouts import compared, promoted, rolled_back, rollout, shadow

LEVELS: list[tuple[Compared, str, str]] = [
    (compared("run.failed", 0.051, 0.148, 0.031, 0.164), "5.1 % → 14.8 %", "+9.7 points (3.1 to 16.4)"),
    (compared("run.failed", 0.1, 0.05, -0.09, -0.01), "10 % → 5 %", "-5 points (-9 to -1)"),
    (compared("run.failed", 0.1, 0.1, -0.01, 0.01), "10 % → 10 %", "0 points (-1 to 1)"),
    (compared("run.failed", 0.0, 1.0, -math.inf, math.inf), "0 % → 100 %", "+100 points (no interval yet)"),
    (compared("run.cost_usd", 0.031, 0.029, -0.004, 0.001, unit="usd"),
     "$0.031 → $0.029", "-$0.002 (-$0.004 to $0.001)"),
    (compared("run.failed", 0.051, 0.04794, -0.00072, 0.0004), "5.1 % → 4.79 %", "-0.31 points (-0.072 to 0.04)"),
    (compared("run.steps", 6.0, 7.5, 0.5, 2.5, unit="count"), "6 → 7.5", "+1.5 (0.5 to 2.5)"),
    (compared("run.output_length", 812.0, 1240.0, 310.0, 540.0, unit="characters"),
     "812 → 1,240 characters", "+428 (310 to 540)"),
    (compared("run.duration_seconds", 8.0, 200.0, -1.0, 300.0, unit="seconds"),
     "8 s → 3.33 min", "+3.2 min (-1 s to 5 min)"),
    (compared("score.of_mine", 0.5, 0.7, 0.1, 0.3), "0.5 → 0.7", "+0.2 (0.1 to 0.3)"),
    (compared("run.failed", 0.1, math.nan, 0.0, 0.1), "10 % → an unknown share", "unknown points (0 to 10)"),
]  # fmt: skip


@pytest.mark.parametrize(("signal", "levels", "difference"), LEVELS, ids=[row[0].signal for row in LEVELS])
def test_levels_and_their_difference(signal: Compared, levels: str, difference: str) -> None:
    assert (words.levels(signal), words.difference(signal)) == (levels, difference)


NEEDED: list[tuple[RolloutSeen, str]] = [
    (rollout(), "about 240 more runs, 4 h at this rate"),
    (rollout(runs_needed=1, per_hour=2.0), "about 1 more run, 30 min at this rate"),
    (rollout(runs_needed=90_000, per_hour=100.0), "about 90,000 more runs, 38 days at this rate"),
    (rollout(runs_needed=7, per_hour=0.0), "about 7 more runs; none come at present"),
    (rollout(runs_needed=None), "cannot be said yet"),
    (promoted(), "nothing"),
]


@pytest.mark.parametrize(("seen", "text"), NEEDED)
def test_what_a_verdict_still_needs(seen: RolloutSeen, text: str) -> None:
    assert words.needed(seen) == text


TITLES = [
    (rollout(), None, "refund-agent v13: canary beside v12, no verdict yet"),
    (promoted(), None, "Promote refund-agent v13: canary beside v12, shown to be no worse"),
    (rolled_back(), None, "Roll back refund-agent v13: canary beside v12, shown to be worse"),
    (shadow(candidate="3", baseline="2"), None, "refund-agent version 3: shadow beside 2, no verdict yet"),
    (rolled_back(ended="rolled back"), 1.0, "refund-agent v13: canary is over, rolled back; its verdict was roll back"),
    (rollout(ended="quiet"), 1.0, "refund-agent v13: canary is over, no runs any more; without a verdict"),
]


@pytest.mark.parametrize(("seen", "ended_at", "title"), TITLES)
def test_titles(seen: RolloutSeen, ended_at: float | None, title: str) -> None:
    assert words.title(RolloutView(seen=seen, heard_at=START, ended_at=ended_at)) == title


@pytest.mark.parametrize(
    ("seen", "text"),
    [
        (rollout(), "by lot, a run each: a wrong `roll back` with probability 1 % at most"),
        (rollout(randomised="session", alpha=0.05),
         "by lot, a session each: a wrong `roll back` with probability 5 % at most"),
        (rollout(randomised="no"), "not by lot: runs may differ in more than the version, so this is no exact test"),
        (shadow(), "paired by input: a wrong `roll back` with probability 1 % at most"),
    ],
)  # fmt: skip
def test_how_sure_it_is(seen: RolloutSeen, text: str) -> None:
    assert words.drawn(seen) == text


@pytest.mark.parametrize("seen", [rollout(), rolled_back(), shadow(), promoted(ended="promoted")])
def test_json_holds_every_key_and_comes_back(seen: RolloutSeen) -> None:
    view = RolloutView(seen=seen, heard_at=START, verdict_at=START + 1.0)
    written = json.loads(json.dumps(rollout_line(view), allow_nan=False))
    assert set(RolloutSeen.__struct_fields__) < set(written)
    assert rollout_of(written) == view
