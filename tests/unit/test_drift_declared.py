"""Rates whose most that is normal is declared: told from the first run on, upwards; a fall is measured by what was."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from detectors.drift import Bank, Channel, Crossing, Ended, Plan, Signal, from_bytes, to_bytes
from monitor.alerting.headline import headline
from monitor.drift.banks.plan import CHANNELS, DECLARABLE, channels_of
from monitor.drift.channels import ROW_OF
from monitor.engine import Engine
from schemas.config import Config, DetectorSettings
from schemas.signals import SIGNALS
from tests.doubles import drift_log
from tests.doubles.drift_log import Work
from tests.doubles.fleet_log import log

Share = Callable[[int], float]
NOTICE, PAGE = 1e-6, 1e-8


def _plan(declared: float | None = 0.05, tolerance: float = 1.5) -> Plan:
    return Plan([Channel("x", "s", "rate", declared=declared)], [Signal("s", 1.0, 1.0, tolerance=tolerance)])


def _feed(bank: Bank, share: Share, runs: int, seed: int = 1) -> list[tuple[int, Crossing | Ended]]:
    rng = random.Random(seed)
    said = []
    for _ in range(runs):
        at = bank.runs
        words = bank.observe([float(rng.random() < share(at))], f"r{at}", float(at), NOTICE, PAGE)
        said += [(at, word) for word in words]
    return said


def _said(words: list[tuple[int, Crossing | Ended]]) -> list[str]:
    return [word.voice if isinstance(word, Crossing) else word.how for _, word in words]


STORIES: list[tuple[Share, list[str], str]] = [
    (lambda _: 0.3, ["notice", "page"], "beyond it from the first run on"),
    (lambda _: 0.05, [], "what is declared"),
    (lambda _: 0.06, [], "within its tolerance"),
    (lambda _: 0.0, [], "never: it is the most, not what must be"),
    (lambda n: 0.01 if n < 600 else 0.05, [], "five times what it was, and still normal"),
    (lambda n: 0.05 if n < 600 else 0.3, ["notice", "page"], "beyond it later"),
    (lambda n: 0.3 if n < 60 else 0.02, ["notice", "page", "back"], "and back again"),
]


@pytest.mark.parametrize(("share", "words", "why"), STORIES, ids=[row[2] for row in STORIES])
def test_the_most_that_is_normal_is_declared(share: Share, words: list[str], why: str) -> None:
    said = _feed(Bank(_plan()), share, 900)
    assert _said(said) == words, why
    for _, word in said:
        if isinstance(word, Crossing):
            assert (word.change.before, word.change.declared, word.change.direction) == (0.05, True, "up")


def test_it_is_told_soon() -> None:
    said = _feed(Bank(_plan()), lambda _: 0.3, 200)
    assert said[0][0] < 40
    assert said[-1][0] < 80


def test_a_fall_is_measured_by_what_was_learned() -> None:
    said = _feed(Bank(_plan(declared=0.5)), lambda n: 0.3 if n < 600 else 0.0, 800)
    first = said[0][1]
    assert isinstance(first, Crossing)
    assert (first.change.direction, first.change.declared) == ("down", False)
    assert first.change.before == pytest.approx(0.3, abs=0.06)
    early = _feed(Bank(_plan(declared=0.5)), lambda n: 0.3 if n < 100 else 0.0, 180)
    assert early == [], "nothing was learned yet"


def test_what_was_declared_never_becomes_another_normal() -> None:
    learned = _said(_feed(Bank(_plan(None)), lambda n: 0.05 if n < 400 else 0.3, 2_000))
    assert learned[-1] == "settled"
    bank = Bank(_plan())
    assert _said(_feed(bank, lambda _: 0.3, 1_600)) == ["notice", "page"]
    assert [word.how for word in bank.rebaseline("s")] == ["rebaselined"]
    assert _said(_feed(bank, lambda _: 0.3, 100)) == ["notice", "page"], "a human's word does not change the YAML"


def test_false_alarms_stay_within_the_budget_at_the_edge_of_the_tolerance() -> None:
    """Declared: proved. 200 banks at the very edge of the band, 400 runs each: 8 notices are granted."""
    edge = 0.05 / 0.95 * 1.5
    notices = 0
    for seed in range(200):
        bank, rng = Bank(_plan()), random.Random(seed)
        for at in range(400):
            words = bank.observe([float(rng.random() < edge / (1.0 + edge))], f"r{at}", float(at), 1e-4, 0.0)
            notices += sum(isinstance(word, Crossing) for word in words)
    assert notices <= 8


def test_a_newcomer_of_a_declared_bank_learns_what_a_fall_is() -> None:
    old, new = Bank(_plan(declared=0.5)), None
    _feed(old, lambda _: 0.3, 600)
    new = Bank(old.plan)
    new.inherit(old)
    said = _feed(new, lambda _: 0.0, 120)
    assert isinstance(said[0][1], Crossing)
    assert said[0][1].change.direction == "down"


@pytest.mark.parametrize(
    ("before", "after", "warm"),
    [(None, 0.05, False), (0.05, None, True), (0.05, 0.2, False), (0.05, 0.05, False)],
)
def test_a_restart_with_another_declaration(before: float | None, after: float | None, warm: bool) -> None:
    bank = Bank(_plan(before))
    _feed(bank, lambda _: 0.04, 300)
    again = from_bytes(_plan(after, tolerance=2.0), to_bytes(bank))
    assert bool(again.warming()) is warm
    assert again.shares.channels[0].tolerance == 2.0
    said = _feed(again, lambda _: 0.3, 150)
    assert bool(said) is (after == 0.05)


def test_a_restart_while_it_fires_keeps_the_episode() -> None:
    bank = Bank(_plan())
    _feed(bank, lambda _: 0.3, 100)
    again = from_bytes(_plan(0.1), to_bytes(bank))
    assert again.episodes
    assert _said(_feed(again, lambda _: 0.01, 200)) == ["back"]


def test_what_can_be_declared() -> None:
    assert {name for name in DECLARABLE if SIGNALS[name].declared} == set(DECLARABLE)
    drift = {row.signal for row in ROW_OF.values()}
    assert {name for name, signal in SIGNALS.items() if signal.declared and name in drift} == set(DECLARABLE)
    for signal, channel in DECLARABLE.items():
        assert (ROW_OF[channel].signal, ROW_OF[channel].kind) == (signal, "rate")
        settings = {signal: DetectorSettings.model_validate({"reference": "2%"})}
        found = [one for one in channels_of(settings) if one.declared is not None]
        assert [(one.name, one.declared) for one in found] == [(channel, 0.02)]
    assert channels_of({}) == CHANNELS


@pytest.mark.parametrize(
    ("reference", "told"), [("5%", True), ("40%", False), (None, False)], ids=["5 %", "40 %", "learned"]
)
def test_the_yaml_declares_it(reference: str | None, told: bool) -> None:
    """An agent that falls back in a third of its runs from the start."""

    def change(number: int, work: Work) -> Work:
        return work.changed(fallback=number % 3 == 0)

    setting = {} if reference is None else {"detectors": {"agent.fallback": {"reference": reference}}}
    engine = Engine(Config.model_validate({"owners": {"one": {}}, **setting}))
    findings = engine.step(log(drift_log.events(drift_log.stream(150, change)))).findings
    found = [one for one in findings if one.signal == "agent.fallback" and one.status == "firing"]
    assert bool(found) is told
    if told:
        assert found[0].reference == "declared"
        assert found[-1].mode == "page"
        assert headline(found[-1]).endswith("% of runs, declared normal 5 %")
