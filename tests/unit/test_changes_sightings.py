"""First sightings: what an agent shows from the start is no change, what comes to be beside it is told once."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.changes import sightings
from monitor.engine import PartitionEngine
from schemas.config import Config
from schemas.event import Event
from schemas.news import ChangeSeen
from schemas.records import Tick

START = 1_800_000_000.0
CONFIG = Config.model_validate({"owners": {"one": {}}, "detectors": {"agent.traffic": {"mode": "off"}}})


@pytest.fixture
def known_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One run shows what was there from the start."""
    monkeypatch.setattr(sightings, "START_RUNS", 1)


def run(number: int, **fields: Any) -> list[Event]:
    """One run of agent `a`: a call of a model and of a tool, then its end. `fields` go where they belong."""
    of_run = {key: fields.pop(key) for key in ("version", "variant") if key in fields}
    model = {key: fields.pop(key) for key in ("model", "response_model") if key in fields}
    common = {"agent": "a", "run": f"r{number}", "time": START + number, **of_run}
    made = [Event(kind="run_started", id=f"{number}.s", **common)]
    if model:
        made.append(Event(kind="llm_call", id=f"{number}.m", **common, **model))
    if fields:
        made.append(Event(kind="tool_call", id=f"{number}.t", tool="t", **common, **fields))
    return [*made, Event(kind="run_finished", id=f"{number}.f", status="ok", **common)]


def told(engine: PartitionEngine, *runs: list[Event], offset: int = 0) -> list[ChangeSeen]:
    records = [record for events in runs for record in (Tick(events[0].at), *events)]
    return [news for news in engine.step(enumerate(records, offset)).news if isinstance(news, ChangeSeen)]


def test_versions_that_serve_side_by_side_from_the_start_are_no_change() -> None:
    engine = PartitionEngine(CONFIG)
    shown = {"tool_version": "3", "model": "m", "response_model": "m-1"}
    other = {"tool_version": "4", "model": "m", "response_model": "m-2"}
    early = [run(number, version=f"v{number % 2}", **(other if number % 3 else shown)) for number in range(10)]
    assert told(engine, *early) == []
    (seen,) = told(engine, run(10, version="v2", **other), offset=100)
    assert (seen.version, seen.previous) == ("v2", "v1")


@pytest.mark.usefixtures("known_at_once")
@pytest.mark.parametrize(
    ("before", "after", "seen", "why"),
    [
        ({"version": "v1"}, {"version": "v2"}, ("agent:a", "v2", "v1", "version"), "a version"),
        ({"version": "v1"}, {"version": "v1"}, None, "the same version is no change"),
        ({}, {"version": "v1"}, None, "the first version that is named is no change"),
        ({"version": "v1"}, {"version": "v2", "variant": "shadow"}, None, "a shadow version is not in production"),
        ({"tool_version": "3"}, {"tool_version": "4"}, ("tool:t", "4", "3", "tool_version"), "a version of a tool"),
        (
            {"tool_version": "3"},
            {"tool_version": "4", "variant": "shadow"},
            None,
            "what shadow runs use is not in production",
        ),
        ({"tool_version": "3"}, {"tool_version": "4", "actor": "user"}, None, "a simulated user's tools are not ours"),
        (
            {"model": "m", "response_model": "m-1"},
            {"model": "m", "response_model": "m-2"},
            ("model:m", "m-2", "m-1", "response_model"),
            "another model answers under the same name",
        ),
        (
            {"model": "m", "response_model": "m-1"},
            {"model": "n", "response_model": "n-1"},
            None,
            "another model was asked",
        ),
    ],
)
def test_what_is_a_first_sighting(
    before: dict[str, Any], after: dict[str, Any], seen: tuple[str, str, str, str] | None, why: str
) -> None:
    engine = PartitionEngine(CONFIG)
    assert told(engine, run(0, **before), run(1, **before)) == [], "what is there from the start"
    found = told(engine, run(2, **after), run(3, **after), offset=100)
    assert [(each.component, each.version, each.previous, each.what) for each in found] == ([seen] if seen else []), why
    assert all(not each.announced and each.agent == "a" and each.time == START + 2.0 for each in found)


@pytest.mark.usefixtures("known_at_once")
def test_a_canary_says_that_it_is_one() -> None:
    engine = PartitionEngine(CONFIG)
    told(engine, run(0, version="v1"))
    (seen,) = told(engine, run(1, version="v2", variant="canary"), offset=100)
    assert seen.stage == "canary"


def test_a_new_field_is_told_where_the_interface_was_steady(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sightings, "STEADY_RUNS", 5)
    engine = PartitionEngine(CONFIG)
    known = {"result_fields": ["result.id:string"]}
    assert told(engine, *(run(number, **known) for number in range(10))) == []
    new = {"result_fields": ["result.id:string", "result.amount:number"]}
    (seen,) = told(engine, run(10, **new), run(11, **new), offset=1_000)
    assert (seen.component, seen.version, seen.what) == ("tool:t", "with result.amount:number", "fields")
    soon = {"result_fields": ["result.id:string", "result.note:string"]}
    assert told(engine, run(12, **soon), offset=2_000) == [], "soon after another one it is the same change"


def test_what_brings_ever_new_fields_has_no_interface(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sightings, "STEADY_RUNS", 5)
    engine = PartitionEngine(CONFIG)
    runs = [run(number, result_fields=[f"result.key{number}:string"]) for number in range(200)]
    assert told(engine, *runs) == []


@pytest.mark.usefixtures("known_at_once")
def test_a_restart_knows_what_was_shown() -> None:
    first = PartitionEngine(CONFIG)
    shown = {
        "version": "v1",
        "tool_version": "3",
        "model": "m",
        "response_model": "m-1",
        "result_fields": ["result.a:b"],
    }
    told(first, run(0, **shown))
    again = PartitionEngine(CONFIG)
    again.load((key, value) for key, value in first.changes() if value is not None)
    later = shown | {"version": "v2", "tool_version": "4"}
    found = [told(engine, run(1, **later), offset=100) for engine in (first, again)]
    assert found[0] == found[1]
    assert [each.component for each in found[0]] == ["agent:a", "tool:t"]


@pytest.mark.usefixtures("known_at_once")
def test_state_without_sightings_knows_the_versions_of_the_agent() -> None:
    again = PartitionEngine(CONFIG)
    agent = again._new_agent("a")
    agent.sightings.load(b"", {"v1": START})
    agent.runs = 1
    assert [each.version for each in told(again, run(1, version="v2"), offset=100)] == ["v2"]


@pytest.mark.usefixtures("known_at_once")
def test_bounds_are_kept_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sightings, "VERSIONS", 2)
    engine = PartitionEngine(CONFIG)
    found = told(engine, *(run(number, version=f"v{number}") for number in range(5)))
    assert [each.version for each in found] == ["v1", "v2", "v3", "v4"]
    assert engine.counts["sightings_forgotten"] == 3


@pytest.mark.usefixtures("known_at_once")
def test_who_has_a_version_of_its_own_for_each_run_is_not_told_of_for_ever() -> None:
    engine = PartitionEngine(CONFIG)
    found = told(engine, *(run(number, version=f"v{number}", tool_version=f"{number}") for number in range(100)))
    assert len(found) == 2 * sightings.AN_HOUR
    assert engine.counts["sightings_untold"] == 2 * (99 - sightings.AN_HOUR)
    later = told(engine, run(4_000, version="v4000", tool_version="99"), offset=5_000)
    assert [each.component for each in later] == ["agent:a"], "an hour later it is told again"


def test_a_sighting_is_a_deploy_for_what_depends_on_it() -> None:
    engine = PartitionEngine(CONFIG)
    told(engine, *(run(number, tool_version="3", version="v1") for number in range(300)))
    told(engine, run(300, tool_version="4", version="v1"), run(301, tool_version="4", version="v1"), offset=5_000)
    assert "tool:t 4" in engine.agents["a"].slices.table.deploys.names


def test_an_announced_change_is_a_deploy_for_who_calls_the_tool_declared_or_not() -> None:
    engine = PartitionEngine(CONFIG)
    told(engine, *(run(number, tool_version="3", version="v1") for number in range(300)))
    change = Event(kind="change", time=START + 300, id="c", component="tool:t", version="4")
    other = Event(kind="change", time=START + 300, id="d", component="tool:other", version="4")
    assert len(told(engine, [change, other], offset=5_000)) == 2
    names = engine.agents["a"].slices.table.deploys.names
    assert ("tool:t 4" in names, "tool:other 4" in names) == (True, False)
