"""A fault that comes while drift still learns: what its runs show is not learned, so that its end is no change."""

from __future__ import annotations

import random

import pytest

from detectors.drift import Bank, Channel, Plan, Signal, state
from monitor.drift.banks.profile import AGENT
from monitor.engine import Engine
from monitor.evidence import slices
from schemas.config import Config
from schemas.finding import Finding
from tests.doubles import drift_log
from tests.doubles.drift_log import GAP, Work
from tests.doubles.fleet_log import START, log

CONFIG = Config.model_validate({"owners": {"one": {}}})
FAULT = range(300, 360)
RUNS = 2_500
SEEN = 2_000
"""By then what was learned during the fault would have been told; later chance may say a word of its own."""


def _rejected(number: int, work: Work) -> Work:
    """Every sixth run has a call that fails; during the fault two thirds fail with an error of its own."""
    rng = random.Random(number)
    if number in FAULT and rng.random() < 0.66:
        return work.changed(error_type="rejected")
    return work.changed(error_type=rng.choice(("timeout", "http_500")) if rng.random() < 1.0 / 6.0 else None)


def _findings() -> list[Finding]:
    records = log(drift_log.events(drift_log.stream(RUNS, _rejected)))
    return Engine(CONFIG).step(records).findings


def test_the_end_of_a_fault_is_no_drift() -> None:
    firing = [one for one in _findings() if one.status == "firing" and one.time < START + SEEN * GAP]
    assert {one.signal for one in firing} == {"tool.failed"}


def test_without_that_it_would_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the test above shows nothing; and a fault of more than a day is learned from."""
    monkeypatch.setattr(slices, "FAULT_SECONDS", 0.0)
    firing = [one for one in _findings() if one.status == "firing" and one.time < START + SEEN * GAP]
    assert "tool.error_type" in {one.signal for one in firing}


def test_what_a_fault_changed_beside_its_page_is_back_with_it() -> None:
    """Lengths change less than shapes: a notice, which alone would be the new normal after two hundred runs."""

    def prose(number: int, work: Work) -> Work:
        words = "Your order was sent to you and it will come soon, thank you " + "yes " * (number % 7)
        return work.changed(output=words) if number in range(600, 1_000) else work

    findings = Engine(CONFIG).step(log(drift_log.events(drift_log.stream(1_700, prose)))).findings
    pages = [one for one in findings if one.status == "firing" and one.mode == "page"]
    assert [one.signal for one in pages] == ["run.output_shape"]
    assert START + 600 * GAP < pages[0].time < START + 625 * GAP


def test_a_restart_in_the_midst_of_a_fault_changes_nothing() -> None:
    records = log(drift_log.events(drift_log.stream(500, _rejected)))
    through, before = Engine(CONFIG), Engine(CONFIG)
    through.step(records)
    cut = next(i for i, (_, record) in enumerate(records) if record.time >= START + FAULT[40] * GAP)
    before.step(records[:cut])
    after = Engine(CONFIG)
    after.load((key, value) for key, value in before.changes() if value is not None)
    after.step(records[cut:])
    banks = [engine.partition.agents["x"].drift.profile.banks[AGENT] for engine in (through, after)]
    assert banks[0].runs == 500
    assert state.to_bytes(banks[0]) == state.to_bytes(banks[1])


def test_a_bank_learns_from_no_run_that_is_none_to_learn_from() -> None:
    plan = Plan((Channel("length", "shape", "number"),), (Signal("shape", 1.0, 1.0),))
    bank = Bank(plan)
    for number in range(300):
        bank.observe([float(number % 7)], f"r{number}", float(number), learns=number % 2 == 0)
    assert bank.warming() == {"shape": 150}
    assert bank.runs == 300
