"""A monitor that starts again with another YAML: nodes whose parameters changed start anew, others keep evidence."""

from __future__ import annotations

from monitor.engine import Engine
from schemas.config import Config
from schemas.event import Event
from schemas.records import Tick

OLD = {"owners": {"a": {}, "b": {}}, "defaults": {"owner": "a"}}


def _history() -> list[tuple[int, Event | Tick]]:
    """Runs of one agent, a tenth of which fail: enough to be live, not enough to page."""
    records: list[tuple[int, Event | Tick]] = []
    for i in range(400):
        at = 1_000_000.0 + i
        records.append((len(records), Tick(at, at - 1.0)))
        run = Event(
            kind="run_finished", time=at, id=f"e{i}", agent="x", version="v1", run=f"r{i}",
            status="error" if i % 10 == 0 else "ok", duration_seconds=1.0,
        )  # fmt: skip
        records.append((len(records), run))
    return records


def _restarted(**changes: object) -> tuple[Engine, Engine]:
    before = Engine(Config.model_validate(OLD))
    before.step(_history())
    entries = [(key, value) for key, value in before.changes() if value is not None]
    after = Engine(Config.model_validate(OLD | changes))
    after.load(entries)
    return before, after


def _evidence(engine: Engine) -> dict[tuple[str, str | None, str | None], list[float]]:
    return {key: node.evidence for key, node in engine.partition.agents["x"].slices.nodes.items()}


def test_without_a_change_evidence_is_kept() -> None:
    before, after = _restarted()
    assert _evidence(after) == _evidence(before)
    assert any(sum(evidence) > 0.0 for evidence in _evidence(after).values())


def test_a_new_tolerance_starts_the_nodes_of_that_signal_anew_and_no_others() -> None:
    before, after = _restarted(detectors={"run.failed": {"tolerance": 2.0}})
    for key, evidence in _evidence(after).items():
        if key[0] == "run.failed":
            assert sum(evidence) == 0.0
            assert after.partition.agents["x"].slices.nodes[key].tolerance == 2.0
        else:
            assert evidence == _evidence(before)[key]


def test_a_new_owner_pays_from_an_account_of_its_own() -> None:
    _, after = _restarted(components=[{"agent": "x", "owner": "b"}])
    slices = after.partition.agents["x"].slices
    assert {node.owner for node in slices.nodes.values()} == {"b"}
    assert "b" in slices.accounts


def test_what_always_fails_is_not_said_to_fail_more() -> None:
    engine = Engine(Config.model_validate(OLD))
    records: list[tuple[int, Event | Tick]] = []
    for i in range(600):
        at = 1_000_000.0 + i
        records.append((len(records), Tick(at, at - 1.0)))
        call = Event(kind="tool_call", time=at, id=f"t{i}", agent="x", run=f"r{i}", tool="broken", status="error")
        records.append((len(records), call))
        run = Event(kind="run_finished", time=at, id=f"e{i}", agent="x", run=f"r{i}", status="ok")
        records.append((len(records), run))
    findings = engine.step(records).findings
    assert findings == []
    node = engine.partition.agents["x"].slices.nodes["tool.failed", None, "broken"]
    assert node.saturated
