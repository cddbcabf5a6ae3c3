"""What the latest production runs of an agent carried, and which components they used."""

from __future__ import annotations

import msgspec
import pytest

from monitor import views
from monitor.engine import Engine
from monitor.readiness.carried import EVERY, FREE, USES, WINDOW
from monitor.runs.packing import runs_from_bytes, unpack
from monitor.runs.work import USED
from monitor.saved.states import RunState
from schemas.config import Config
from schemas.event import Event, decode
from schemas.records import Tick
from schemas.view import SeenView, UseView

START = 1_760_000_000.0
CONFIG = Config.model_validate({"owners": {"one": {}}})


def run(number: int, *events: dict[str, object], agent: str = "a", **more: object) -> list[Event]:
    """One run: its start, some events, its end; `more` stands in each."""
    at = START + 10.0 * number
    said = [{"kind": "run_started"}, *events, {"kind": "run_finished", "status": "ok"}]
    raws = [
        {"id": f"{agent}{number}/{place}", "time": at + place * 0.1, "agent": agent, "run": f"{agent}{number}"}
        | more | each
        for place, each in enumerate(said)
    ]  # fmt: skip
    return [decode(msgspec.json.encode(raw)) for raw in raws]


def seen_of(events: list[Event], engine: Engine | None = None) -> dict[str, SeenView]:
    """What was seen at the end, with a tick before each run."""
    engine = engine or Engine(CONFIG)
    records: list[Event | Tick] = []
    for event in events:
        if event.kind == "run_started":
            records.append(Tick(event.at, event.at - 10.0))
        records.append(event)
    engine.step(enumerate([*records, Tick(events[-1].at + 1.0, events[-1].at)]))
    return {view.agent: view for view in views.seen(engine.partition)}


def use(view: SeenView, component: str) -> UseView:
    return next(each for each in view.uses if each.component == component)


CALL = {"kind": "tool_call", "tool": "t", "status": "ok", "arguments": {}, "result": "done", "tool_version": "3"}
FAILED = {"kind": "tool_call", "tool": "t", "status": "error", "arguments": {}}
ROWS: list[tuple[str, dict[str, object], tuple[int, int, int]]] = [
    ("a call that carries all of it, empty arguments too", CALL, (1, 1, 1)),
    ("no arguments", {k: v for k, v in CALL.items() if k != "arguments"}, (0, 1, 1)),
    ("no result", {k: v for k, v in CALL.items() if k != "result"}, (1, 0, 1)),
    ("a failed call needs no result", FAILED, (1, 1, 0)),
    ("no version", {k: v for k, v in CALL.items() if k != "tool_version"}, (1, 1, 0)),
]  # fmt: skip


@pytest.mark.parametrize(("sentence", "call", "carried"), ROWS)
def test_what_calls_of_a_tool_carry(sentence: str, call: dict[str, object], carried: tuple[int, int, int]) -> None:
    found = use(seen_of(run(0, call))["a"], "tool:t")
    assert (found.arguments, found.results, found.versions) == carried, sentence
    both = use(seen_of(run(0, CALL, call))["a"], "tool:t")
    assert (both.runs, both.calls) == (1, 2)
    assert (both.arguments, both.results, both.versions) == carried, "every call of a run must carry it"


def test_what_runs_carry() -> None:
    model = {"kind": "llm_call", "model": "m", "input_tokens": 5, "cost_usd": 0.1}
    events = [
        *run(0, model, version="v1"),
        *run(1, {"kind": "llm_call", "model": "m"}),
        *run(2)[:-1],
        *run(3, model, variant="shadow"),
    ]
    finished = run(2)[-1]
    finished.outcome = "resolved"
    view = seen_of([*events, finished])["a"]
    assert (view.runs, view.versions, view.outcomes) == (3, 1, 1), "shadow runs do not count"
    assert (view.modelled, view.tokens, view.costs) == (2, 1, 1)


def test_which_components_runs_use() -> None:
    events = run(
        0,
        {"kind": "llm_call", "model": "m", "provider": "p"},
        {"kind": "llm_call", "model": "small"},
        {"kind": "retrieval", "source": "kb", "hits": 1},
        {"kind": "retrieval", "source": "kb", "hits": 1},
        {"kind": "handoff", "to_agent": "b"},
        {"kind": "tool_call", "tool": "t", "actor": "user"},
    )
    events += run(1, agent="b", parent_run="a0", parent_agent="a")
    seen = seen_of(events)
    assert [(each.component, each.runs) for each in seen["a"].uses] == [
        ("agent:b", 1), ("model:m", 1), ("model:small", 1), ("provider:p", 1), ("retriever:kb", 1),
    ]  # fmt: skip
    assert [each.component for each in seen["b"].callers] == ["agent:a"]
    assert seen["b"].uses == ()


def test_what_was_sent_long_ago_counts_no_more() -> None:
    old = [event for number in range(WINDOW) for event in run(number, version="v1")]
    new = [event for number in range(WINDOW, 2 * WINDOW + 5) for event in run(number)]
    view = seen_of([*old, *new])["a"]
    assert (view.runs, view.versions) == (WINDOW + 5, 0)


def test_of_a_busy_agent_that_is_known_some_runs_are_enough() -> None:
    known = [event for number in range(2 * WINDOW - 1) for event in run(number)]
    engine = Engine(CONFIG)
    assert seen_of(known, engine)["a"].runs == 2 * WINDOW - 1, "one run between two ticks counts"
    burst = [event for number in range(2 * WINDOW, 2 * WINDOW + 70) for event in run(number)]
    engine.step(enumerate(burst, start=10 * len(known)))
    (view,) = views.seen(engine.partition)
    assert view.runs == WINDOW + FREE + 70 // EVERY - 1, "the first of them began a new stretch"


def test_bounds_hold_and_are_counted() -> None:
    many = [{"kind": "retrieval", "source": f"kb{n}", "hits": 1} for n in range(USED + 3)]
    engine = Engine(CONFIG)
    seen = seen_of(run(0, *many), engine)
    assert len(seen["a"].uses) == USED
    assert engine.partition.counts["used_folded"] == 3
    engine = Engine(CONFIG)
    calls = [
        event
        for number in range(USES // 50 + 1)
        for event in run(number, *({"kind": "tool_call", "tool": f"t{number}.{n}"} for n in range(50)))
    ]
    seen = seen_of(calls, engine)
    assert len(seen["a"].uses) == USES
    assert engine.partition.counts["uses_forgotten"] == 50
    assert not any(each.component.startswith("tool:t0.") for each in seen["a"].uses), "the one used longest ago goes"


def test_a_restart_keeps_the_counts() -> None:
    events = [event for number in range(3) for event in run(number, CALL)]
    engine = Engine(CONFIG)
    before = seen_of(events, engine)
    again = Engine(CONFIG)
    again.load((key, value) for key, value in engine.changes() if value is not None)
    assert {view.agent: view for view in views.seen(again.partition)} == before


def test_an_open_run_of_the_version_before_goes_on() -> None:
    engine = Engine(CONFIG)
    seen_of(run(0, CALL)[:-1], engine)
    (state,) = [
        msgspec.msgpack.decode(value[1:], type=list[RunState])
        for key, value in engine.changes()
        if value is not None and "/r" in key
    ]
    state[0].tools = {tool: calls[:3] for tool, calls in state[0].tools.items()}
    (restored,) = runs_from_bytes(msgspec.msgpack.encode(state))
    assert unpack(restored.packed).tools == {"t": [1, 0, 0, 0]}
