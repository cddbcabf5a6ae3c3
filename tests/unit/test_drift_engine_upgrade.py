"""A monitor that watches more channels than the one that wrote the state: banks learn anew, and what fired is over."""

from __future__ import annotations

import msgspec
import pytest

from detectors.drift import state
from monitor.drift.banks.plan import CHANNELS
from monitor.drift.banks.profile import AGENT
from monitor.engine import Engine
from schemas.config import Config
from schemas.finding import Finding
from tests.doubles import drift_log
from tests.doubles.drift_log import GAP, Work
from tests.doubles.fleet_log import START, Item, log

CONFIG = Config.model_validate({"owners": {"one": {}}})
AT, STOP, END = 400, 450, 900


def _slower(number: int, work: Work) -> Work:
    return work.changed(seconds=work.seconds * (4.0 if AT <= number < STOP or number >= 700 else 1.0))


def _halves() -> tuple[list[Item], list[Item]]:
    records = log(drift_log.events(drift_log.stream(END, _slower)))
    cut = next(i for i, (_, record) in enumerate(records) if getattr(record, "time", 0.0) >= START + STOP * GAP)
    return records[:cut], records[cut:]


def _of(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(one.status, one.reason) for one in findings if one.signal == "run.duration_seconds"]


def test_state_of_another_version_is_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = _halves()
    old = Engine(CONFIG)
    fired = old.step(before).findings
    assert ("firing", "") in _of(fired)
    stored = dict(old.changes())
    monkeypatch.setattr(state, "VERSION", state.VERSION + 1)  # as if it were of other channels
    new = Engine(CONFIG)
    new.load((key, value) for key, value in stored.items() if value is not None)
    assert new.partition.agents["x"].drift.profile.banks[AGENT].runs == 0
    assert new.partition.counts["banks_relearned"] == 1
    findings = new.step(after).findings
    assert ("resolved", "what is normal is learned anew") in _of(findings)
    assert _of(findings)[-1][0] in ("firing", "update"), "two hundred runs later it is watched again"
    stored.update(new.changes())
    again = Engine(CONFIG)
    again.load((key, value) for key, value in stored.items() if value is not None)
    assert again.partition.agents["x"].drift.profile.banks[AGENT].runs > 0
    assert again.partition.counts["banks_relearned"] == 1, "once"


def test_runs_of_fewer_channels_are_filled_up() -> None:
    before, after = _halves()
    old = Engine(CONFIG)
    old.step(before)
    recent = old.partition.agents["x"].drift.profile.recent
    cut = [msgspec.structs.replace(sample, values=sample.values[:-2]) for sample in recent.samples()]
    recent._packed = [msgspec.msgpack.encode(sample) for sample in cut]
    saved = [(key, value) for key, value in old.changes() if value is not None]
    new = Engine(CONFIG)
    new.load(saved)
    recent = new.partition.agents["x"].drift.profile.recent
    assert {len(sample.values) for sample in recent.samples()} == {len(CHANNELS)}
    assert new.step(after).findings
