"""A method in the YAML, through the whole engine: who speaks, who is silent for it, and a restart."""

from __future__ import annotations

import random
from typing import Any

import pytest

from monitor.engine import Engine
from schemas.config import Config
from schemas.finding import Finding
from tests.doubles.fleet_log import START, Run, bernoulli, events, firing, log

CHANGE = 700
ADWIN = {"method": "river.drift.ADWIN"}


def _config(**signals: dict[str, Any]) -> Config:
    dots = {name.replace("__", "."): setting for name, setting in signals.items()}
    return Config.model_validate({"owners": {"one": {}}, "detectors": {"agent.traffic": {"mode": "off"}} | dots})


def _failing(version: str | None) -> list[Run]:
    return bernoulli("x", 3, lambda i: 0.05 if i < CHANGE else 0.6, runs=CHANGE + 200, version=lambda _: version)


def _findings(config: Config, runs: list[Run], restart_every: int = 0) -> list[Finding]:
    """What the engine says; with `restart_every`, of engines that live for so many records each."""
    engine, records = Engine(config), log(events(runs))
    if not restart_every:
        return engine.step(records).findings
    found: list[Finding] = []
    store: dict[str, bytes] = {}
    for start in range(0, len(records), restart_every):
        found += engine.step(records[start : start + restart_every]).findings
        for key, value in engine.changes():
            if value is None:
                store.pop(key, None)
            else:
                store[key] = value
        engine = Engine(config)
        engine.load(store.items())
    return found


def test_the_method_speaks_for_the_agent_in_place_of_our_node() -> None:
    """Runs without a version have no node but the agent's; ours pages on them, and is silent where river watches."""
    ours = [one for one in firing(_findings(_config(), _failing(None))) if one.signal == "run.failed"]
    assert [one.mode for one in ours] == ["page"]
    rivers = [
        one for one in firing(_findings(_config(run__failed=ADWIN), _failing(None))) if one.signal == "run.failed"
    ]
    assert [(one.mode, one.reason) for one in rivers] == [("notice", "river.drift.ADWIN with its defaults")]
    assert 0 < (rivers[0].time - START) / 60.0 - CHANGE < 100


def test_the_versions_of_the_agent_keep_their_nodes() -> None:
    said = [one for one in firing(_findings(_config(run__failed=ADWIN), _failing("v1"))) if one.signal == "run.failed"]
    assert {one.mode: one.node for one in said} == {
        "page": {"agent": "x", "version": "v1"},
        "notice": {"agent": "x"},
    }


def test_a_number_that_river_watches_is_not_watched_by_ours_as_well() -> None:
    runs = [Run("x", START + 60.0 * i, seconds=(1.0 if i < 500 else 6.0) + i % 7 * 0.1) for i in range(650)]
    config = _config(run__duration_seconds=ADWIN)
    said = [one for one in firing(_findings(config, runs)) if one.signal == "run.duration_seconds"]
    assert [one.reason for one in said] == ["river.drift.ADWIN with its defaults"]
    assert (said[0].before, said[0].after) == pytest.approx((1.3, 6.3), abs=0.1)


@pytest.mark.parametrize("every", [97, 400])
def test_a_restart_changes_nothing(every: int) -> None:
    config = _config(run__failed=ADWIN, run__duration_seconds={"method": "river.drift.PageHinkley"})
    runs = _failing("v1")
    for i, run in enumerate(runs):
        run.seconds = (2.0 if i < CHANGE else 20.0) + i % 5
    plain = _findings(config, runs)
    assert {one.signal for one in plain} >= {"run.failed", "run.duration_seconds"}
    assert _findings(config, runs, every) == plain


def test_the_state_of_a_signal_whose_method_was_taken_out_is_taken_out() -> None:
    records = log(events(_failing("v1")[:100]))
    engine = Engine(_config(run__failed=ADWIN))
    engine.step(records[:100])
    store = {key: value for key, value in engine.changes() if value is not None}
    assert [key for key in store if "/mrun.failed." in key]
    engine = Engine(_config())
    engine.load(store.items())
    engine.step(records[100:])
    gone = {key for key, value in engine.changes() if value is None}
    assert gone >= {key for key in store if "/mrun.failed." in key}


def test_runs_that_are_unlike_the_usual_ones_are_noticed_and_never_paged() -> None:
    """Each number alone stays in its range; only what goes together changes."""
    rng = random.Random(5)
    runs = []
    for i in range(1_350):
        many = rng.random() < 0.5
        slow = many if i < 1_100 else not many
        calls = {"tool": (4 if many else 1, 0)}
        runs.append(
            Run("x", START + 60.0 * i, tools=calls, seconds=rng.uniform(20.0, 25.0) if slow else rng.uniform(3.0, 5.0))
        )
    said = list(firing(_findings(_config(run__anomaly={"mode": "notice"}), runs)))
    assert {one.signal for one in said} == {"run.anomaly"}
    assert {one.mode for one in said} <= {"notice", "digest"}
    assert said[0].time >= START + 60.0 * 1_100
    assert _findings(_config(), runs) == []
