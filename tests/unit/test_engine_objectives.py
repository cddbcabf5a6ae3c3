"""Objectives: exact burn tests without a reference, loud by how fast the budget burns."""

from __future__ import annotations

from typing import Any

import pytest

from detectors import recursion
from monitor import views
from monitor.evidence.within import objectives
from schemas.config import Config, Objective
from schemas.finding import Finding
from tests.doubles.fleet_log import START, bernoulli, events, firing, replay

SIGNAL = objectives.SIGNAL


def _config(target: str = "95%", detectors: dict[str, Any] | None = None, **objective: Any) -> Config:
    quiet = {name: {"mode": "off"} for name in ("agent.traffic", "run.failed", "run.hung", "run.silent")}
    return Config.model_validate(
        {
            "owners": {"one": {}},
            "components": [{"agent": "x", "objectives": [{"target": target, **objective}]}],
            "detectors": quiet | (detectors or {}),
        }
    )


def _said(config: Config, rate: float, runs: int, seed: int = 1) -> list[Finding]:
    _, findings = replay(config, events(bernoulli("x", seed, lambda _: rate, runs=runs)))
    return [one for one in findings if one.signal == SIGNAL]


def test_an_agent_that_nobody_knows_yet_pages_through_its_objective() -> None:
    """Its first runs fail by half; 200 runs of warming up are not waited for."""
    (page, *_) = _said(_config(), 0.5, 60)
    assert (page.status, page.mode, page.reference) == ("firing", "page", "declared")
    assert page.before == pytest.approx(0.05)
    assert page.time <= START + 25 * 60
    assert page.reason.startswith("objective success 95%: the error budget burns ")
    assert page.paid


@pytest.mark.parametrize("rate", [0.0, 0.03, 0.05])
def test_failures_within_the_objective_say_nothing(rate: float) -> None:
    assert [one for seed in range(5) for one in firing(_said(_config(), rate, 1_500, seed))] == []


@pytest.mark.parametrize(
    ("rate", "detectors", "modes", "why"),
    [
        (0.17, {}, {"notice"}, "a slow burn is a notice"),
        (0.6, {}, {"page"}, "a fast one is a page"),
        (0.6, {SIGNAL: {"mode": "notice"}}, {"notice"}, "the owner wants no pages of it"),
        (0.6, {SIGNAL: {"mode": "off"}}, set(), "the owner wants none"),
    ],
)
def test_how_loud_a_burn_is(rate: float, detectors: dict[str, Any], modes: set[str], why: str) -> None:
    config = _config(detectors=detectors, window="30d")
    assert {one.mode for one in firing(_said(config, rate, 700))} == modes, why


def test_a_slow_burn_that_becomes_a_fast_one_is_told_again() -> None:
    runs = bernoulli("x", 3, lambda i: 0.13 if i < 700 else 0.9, runs=1_400)
    _, findings = replay(_config(), events(runs))
    said = [one for one in findings if one.signal == SIGNAL and one.status == "firing"]
    assert [one.mode for one in said] == ["notice", "page"]
    assert len({one.incident_key for one in said}) == 1
    assert len({one.id for one in said}) == 2


def test_a_burn_is_over_by_evidence() -> None:
    runs = bernoulli("x", 3, lambda i: 0.8 if i < 60 else 0.01, runs=400)
    _, findings = replay(_config(), events(runs))
    said = [one for one in findings if one.signal == SIGNAL and one.status != "update"]
    assert [one.status for one in said] == ["firing", "resolved"]


@pytest.mark.parametrize(
    ("eps", "factors", "why"),
    [
        (0.001, (3.0, 6.0, 14.4, 50.0), "all can be reached"),
        (0.05, (3.0, 6.0, 14.4), "50 times 5 % is more than all"),
        (0.1, (3.0, 6.0), "so is 14.4 times 10 %"),
        (0.5, (2.0**0.5,), "none can; halfway to all runs failing"),
    ],
)
def test_only_factors_that_failures_can_reach_are_bet_on(eps: float, factors: tuple[float, ...], why: str) -> None:
    assert objectives.reachable(objectives.FACTORS, eps) == pytest.approx(factors), why


@pytest.mark.parametrize("target", [0.999, 0.97, 0.9, 0.5])
def test_bets_are_fair_at_the_objective(target: float) -> None:
    """E[L] = 1 where exactly eps of the runs fail, for each bet; weights are one together."""
    burn = objectives.of(Objective(target=target))
    good, bad = burn.bets.values(0.0), burn.bets.values(1.0)
    for low, high in zip(good, bad, strict=True):
        assert burn.eps * high + (1.0 - burn.eps) * low == pytest.approx(1.0)
        assert low >= 0.0
    assert sum(burn.bets.weights) == pytest.approx(1.0)


def test_pages_never_exceed_the_drip_at_the_objective() -> None:
    """Failures at exactly the target, 40 accounts of 500 runs, a drip large enough to see pages (T1)."""
    import random

    burn = objectives.of(Objective(target=0.9))
    pages = drip = 0.0
    for seed in range(40):
        rng = random.Random(seed)
        evidence = [0.0] * 6
        for _ in range(500):
            pages += recursion.step(evidence, burn.bets.values(float(rng.random() < 0.1)), burn.bets.weights, 0.005)
            drip += 0.005
    assert 0 < pages <= drip * 1.1


def test_it_says_how_much_evidence_is_missing() -> None:
    engine, _ = replay(_config(), events(bernoulli("x", 1, lambda _: 0.0, runs=7)))
    (objective,) = [signal for signal in views.signals(engine.partition, "x") if signal.signal == SIGNAL]
    assert objective.waiting_for.startswith("not enough evidence yet: 7 of about ")
    engine, _ = replay(_config(), events(bernoulli("x", 1, lambda _: 0.0, runs=300)))
    (objective,) = [signal for signal in views.signals(engine.partition, "x") if signal.signal == SIGNAL]
    assert objective.waiting_for == ""
