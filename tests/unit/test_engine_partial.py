"""Runs are left out of a signal because their tool's failing is told: what is left is not taken for what is normal."""

from __future__ import annotations

import random

from monitor import views
from monitor.engine import Engine
from schemas.config import Config
from schemas.event import Event
from schemas.records import Cover
from tests.doubles import drift_log
from tests.doubles.drift_log import GAP, Work
from tests.doubles.fleet_log import START, Item, log

CONFIG = Config.model_validate({"owners": {"one": {}}})
FAULT = range(600, 1_500)
RUNS = 3_000
SILENT = ("run.silent", None, None)


def _stream(number: int, work: Work) -> Work:
    """One run in twenty is silent: its last call fails, and it ends well. During the fault half of the runs are."""
    if number in FAULT and random.Random(number).random() < 0.5:
        return work.changed(error_type="rejected")
    return work


def test_while_a_tool_fails_good_runs_alone_do_not_make_silence_rare() -> None:
    engine = Engine(CONFIG)
    findings = engine.step(log(drift_log.events(drift_log.stream(RUNS, _stream)))).findings
    fired = [one for one in findings if one.status == "firing"]
    assert {one.signal for one in fired} == {"tool.failed"}
    node = engine.partition.agents["x"].slices.nodes[SILENT]
    assert node.n < RUNS - 600, "what came while a tool fired was not learned"
    assert 0.03 < node.k / node.n < 0.07


def _runs(first: int, runs: int, failing: float) -> list[Event]:
    rng = random.Random(first)
    found = []
    for number in range(first, first + runs):
        common = {"agent": "x", "run": f"r{number}", "time": START + number * GAP}
        bad = rng.random() < failing
        found += [
            Event(kind="run_started", id=f"{number}.s", **common),
            Event(kind="tool_call", id=f"{number}.t", tool="t", status="error" if bad else "ok", **common),
            Event(kind="run_finished", id=f"{number}.f", status="error" if bad else "ok", **common),
        ]
    return found


def test_while_a_tool_is_told_above_agents_runs_teach_nothing_of_whole_runs() -> None:
    engine = Engine(CONFIG)
    items: list[Item] = log(_runs(0, 300, 0.05))
    engine.step(items)
    slices = engine.partition.agents["x"].slices
    node = slices.nodes["run.failed", None, None]
    before = node.n
    later = log(_runs(300, 300, 0.4))
    engine.partition.covers.take(Cover("tool.failed|tool|t", START + 300 * GAP, START + 300 * GAP))
    engine.step((len(items) + offset, record) for offset, record in later)
    assert node.n <= before, "less what had looked like evidence of the same"
    assert 0.04 < node.k / node.n < 0.07
    assert slices.firing == {}
    (tool,) = [each for each in views.signals(engine.partition, "x") if each.signal == "tool.failed"]
    assert (tool.state, tool.waiting_for) == ("held", "held while tool.failed tool=t fires above agents")
