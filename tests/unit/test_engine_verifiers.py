"""A verifier passes more while evaluations or users say worse: one story of two sides, and each side alone is none."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from monitor.alerting.headline import headline
from monitor.alerting.router import Router
from monitor.engine import Engine
from monitor.evidence.judged import verifiers
from schemas.config import Config
from schemas.event import Event
from schemas.finding import Finding
from tests.doubles import drift_log
from tests.doubles.drift_log import GAP, Work
from tests.doubles.fleet_log import START, firing, log

CONFIG = Config.model_validate({"owners": {"one": {}}, "detectors": {"agent.traffic": {"mode": "off"}}})
AT = 600
"""Runs before anything changes."""
Share = Callable[[int], float]
Said = Callable[[int, bool], list[dict[str, Any]]]


def _judge(_: int, bad: bool) -> list[dict[str, Any]]:
    return [{"kind": "evaluation", "name": "judge", "score": 0.1 if bad else 0.9}]


def _complaint(_: int, bad: bool) -> list[dict[str, Any]]:
    return [{"kind": "complaint"}] if bad else []


def _passed_first(number: int, bad: bool) -> list[dict[str, Any]]:
    """The agent's own verifier has said yes to every run before the judge comes."""
    return [{"kind": "evaluation", "name": "self-check", "label": "pass"}, *_judge(number, bad)]


def _replay(blocked: Share, bad: Share, said: Said = _judge, runs: int = AT + 130) -> tuple[Engine, list[Finding]]:
    """Runs of an agent that says nothing but what its guardrail did; 20 s later somebody judges them."""
    rng = random.Random(3)
    works = [
        Work(seconds=3.0, finish_reason=None, model=None,
             guardrail="blocked" if rng.random() < blocked(number) else "allowed")
        for number in range(runs)
    ]  # fmt: skip
    events = drift_log.events(works)
    for number in range(runs):
        for at, fields in enumerate(said(number, rng.random() < bad(number))):
            time, name = START + number * GAP + 20.0 + at, f"x-{number}"
            events.append(Event(time=time, id=f"{name}.j{at}", run=name, agent="x", **fields))
    engine = Engine(CONFIG)
    return engine, engine.step(log(sorted(events, key=lambda event: event.at))).findings


def _then(before: float, after: float, at: int = AT) -> Share:
    return lambda number: before if number < at else after


def _told(findings: list[Finding]) -> dict[str, tuple[str, ...]]:
    """Signal that speaks for itself → what the latest word on it lists beside it."""
    return {one.signal: one.corroborated for one in findings if one.status != "resolved"}


@pytest.mark.parametrize(
    ("said", "signal", "words"),
    [
        (_judge, "run.rejected", "are rejected by evaluation"),
        (_complaint, "user.unhappy", "make users unhappy"),
        (_passed_first, "run.rejected", "are rejected by evaluation"),
    ],
    ids=["a judge", "users", "a judge after the agent's own check"],
)
def test_it_passes_more_while_others_reject_more(said: Said, signal: str, words: str) -> None:
    _, findings = _replay(_then(0.3, 0.0), _then(0.03, 0.3), said)
    told = _told(findings)
    assert set(told) == {"agent.guardrail", signal}
    assert told[signal] == ("agent.guardrail",)
    (later,) = {one.signal for one in firing(findings) if one.corroborated}
    assert later in (signal, "agent.guardrail"), "the one that was told later lists the other"
    last = next(one for one in reversed(findings) if one.signal == signal and one.status != "resolved")
    assert "a guardrail acts less at the same time: in 0 % of runs, was 28 %" in last.reason
    assert headline(last).endswith("(also: agent.guardrail)")
    assert words in headline(last)
    router = Router(CONFIG)
    for one in findings:
        router.step([one], one.time)
    incidents = {frozenset(alert.finding.signal for alert in one.alerts) for one in router.incidents()}
    assert frozenset(told) in incidents, "one incident"


def test_the_guardrail_that_is_told_later_lists_who_rejects() -> None:
    _, findings = _replay(_then(0.3, 0.0, AT + 40), _then(0.03, 0.5))
    lax = next(one for one in firing(findings) if one.signal == "agent.guardrail")
    assert lax.corroborated == ("run.rejected",)
    assert "more runs are rejected by evaluation at the same time: " in lax.reason
    assert headline(lax).startswith("x v1: guardrail ")


ALONE: list[tuple[Share, Share, set[str], str]] = [
    (_then(0.3, 0.0), _then(0.03, 0.03), {"agent.guardrail"}, "the agent got better: nobody rejects more"),
    (_then(0.3, 0.3), _then(0.03, 0.3), {"run.rejected"}, "the agent got worse: the verifier is as it was"),
    (_then(0.1, 0.7), _then(0.03, 0.3), {"agent.guardrail", "run.rejected"}, "the verifier sees it as well"),
    (_then(0.3, 0.27), _then(0.03, 0.04), set(), "both a little, as it comes"),
]


@pytest.mark.parametrize(("blocked", "bad", "signals", "why"), ALONE, ids=[row[3] for row in ALONE])
def test_one_side_alone_is_no_such_story(blocked: Share, bad: Share, signals: set[str], why: str) -> None:
    _, findings = _replay(blocked, bad)
    told = _told(findings)
    assert set(told) == signals, why
    assert not any(told.values())


def test_what_began_on_another_day_is_another_story() -> None:
    engine, findings = _replay(_then(0.3, 0.0), _then(0.03, 0.3))
    agent = engine.partition.agents["x"]
    known = agent.drift.profile.banks.values(), agent.slices.firing.values()
    rejected = next(one for one in firing(findings) if one.signal == "run.rejected")
    bare = msgspec.structs.replace(rejected, corroborated=(), reason="")
    assert verifiers.both(bare, *known).corroborated == ("agent.guardrail",)
    later = msgspec.structs.replace(bare, onset=bare.onset + 2.0 * verifiers.TOGETHER_SECONDS)
    assert verifiers.both(later, *known) == later
    over = msgspec.structs.replace(bare, status="resolved")
    assert verifiers.both(over, *known) == over


def test_a_verifier_that_passes_everything_outvotes_nobody() -> None:
    """Both judge every run, the verifier first; a judge who is as always raises nothing."""
    _, usual = _replay(_then(0.1, 0.1), _then(0.05, 0.05), _passed_first)
    assert [one for one in firing(usual) if one.signal == "run.rejected"] == []
    engine, _ = _replay(_then(0.1, 0.1), _then(0.05, 0.05), _passed_first, runs=200)
    node = engine.partition.agents["x"].slices.nodes[("run.rejected", None, None)]
    assert node.n == 200.0 + node.k
    assert 3.0 <= node.k <= 20.0
