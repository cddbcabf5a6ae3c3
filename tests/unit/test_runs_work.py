"""What a run did, added up: what counts where, what stays unknown, what bounds it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from monitor.runs import SPENT, Closed, Run, RunTracker
from monitor.runs import work as adding
from monitor.runs.packing import runs_from_bytes, runs_to_bytes, state_of_work
from monitor.saved.states import Head, RunState, WorkState
from schemas.event import Event, raw
from schemas.texts.derive import text_hash

NOW = 1_000_000.0
Step = tuple[str, dict[str, Any]]
END: Step = ("run_finished", {})


def _events(steps: list[Step]) -> list[Event]:
    common: dict[str, Any] = {"time": NOW, "agent": "x", "run": "r1", "version": "v1"}
    return [Event(kind=kind, **(common | {"id": f"e{i}"} | fields)) for i, (kind, fields) in enumerate(steps)]


def _play(steps: list[Step], counts: dict[str, int] | None = None) -> Closed:
    tracker = RunTracker({} if counts is None else counts)
    for event in _events(steps):
        assert tracker.take(event, NOW) is not None
    return tracker.finish(tracker.open["r1"], event, NOW)


ADDED: list[tuple[str, list[Step], dict[str, Any]]] = [
    (
        "calls of models, tools and retrievers are steps",
        [("llm_call", {}), ("tool_call", {"tool": "t"}), ("retrieval", {}), ("guardrail", {"name": "g"})],
        {"steps": 3, "llm_calls": 1, "tool_calls": 1, "retrievals": 1, "guardrails": 1},
    ),
    (
        "the simulated user's calls are counted apart",
        [("llm_call", {"actor": "user", "input_tokens": 5}), ("tool_call", {"tool": "t", "actor": "user"})],
        {"steps": 0, "user_calls": 2, "tokens": None, "path": []},
    ),
    ("tokens that nobody reports are not zero", [("llm_call", {})], {"tokens": None, "cached_tokens": None}),
    ("zero tokens are zero", [("llm_call", {"output_tokens": 0})], {"tokens": 0, "input_tokens": None}),
    (
        "tokens add up",
        [("llm_call", {"input_tokens": 9, "output_tokens": 1, "cached_tokens": 4})] * 3,
        {"tokens": 30, "input_tokens": 27, "output_tokens": 3, "cached_tokens": 12},
    ),
    (
        "a count that cannot be one is none",
        [("llm_call", {"input_tokens": -5, "output_tokens": 2**62}), ("llm_call", {"output_tokens": 3})],
        {"input_tokens": None, "output_tokens": 3},
    ),
    ("cost adds up", [("llm_call", {"cost_usd": 0.25})] * 2, {"cost_usd": 0.5}),
    ("a cost that nobody tells is not zero", [("llm_call", {})], {"cost_usd": None}),
    (
        "the end knows the cost best",
        [("llm_call", {"cost_usd": 0.25}), ("run_finished", {"cost_usd": 0.75})],
        {"cost_usd": 0.75},
    ),
    (
        "further attempts are retries",
        [("llm_call", {"attempt": 1}), ("llm_call", {"attempt": 2}), ("tool_call", {"tool": "t", "attempt": 3})],
        {"retries": 2},
    ),
    (
        "models, and what answered",
        [("llm_call", {"model": "a"}), ("llm_call", {"model": "b", "response_model": "b-2", "provider": "p"})],
        {"model": "b", "response_model": "b-2", "provider": "p"},
    ),
    (
        "error types of tools apart, as they are named",
        [
            ("tool_call", {"tool": "t", "status": "error", "error_type": "429"}),
            ("tool_call", {"tool": "t", "status": "error", "error_type": "401"}),
            ("tool_call", {"tool": "t", "status": "error", "error_type": "429"}),
            ("tool_call", {"tool": "t", "status": "error"}),
            ("tool_call", {"tool": "t", "result": raw({"error": "x"})}),
        ],
        {"error_types": {"429": 2, "401": 1, "error": 1, "soft_error": 1}},
    ),
    (
        "finish reasons",
        [("llm_call", {"finish_reason": "stop"}), ("llm_call", {"finish_reason": "length"})],
        {"finish_reasons": {"stop": 1, "length": 1}},
    ),
    (
        "what was handed on, asked for, blocked",
        [
            ("handoff", {"to_agent": "y"}),
            ("fallback", {}),
            ("escalation", {}),
            ("guardrail", {"name": "g", "action": "allowed"}),
            ("guardrail", {"name": "g", "action": "blocked"}),
            ("guardrail", {"name": "g", "action": "rewritten"}),
        ],
        {"handoffs": 1, "fallbacks": 1, "escalations": 1, "guardrails": 3, "blocked": 2},
    ),
    (
        "retrievals: zero hits, and the mean of the scores that are told",
        [("retrieval", {"hits": 0}), ("retrieval", {"hits": 2, "top_score": 0.5}), ("retrieval", {"top_score": 0.7})],
        {"retrievals": 3, "empty_retrievals": 1, "top_score": 0.6},
    ),
    (
        "of each source the best document of the first search that told one",
        [
            ("retrieval", {"source": "faq", "hits": 0}),
            ("retrieval", {"source": "faq", "hits": 2, "document": "d1"}),
            ("retrieval", {"source": "faq", "hits": 2, "document": "d2"}),
            ("retrieval", {"document": "d2"}),
        ],
        {"documents": {"faq": text_hash(b"d1"), "": text_hash(b"d2")}},
    ),
    (
        "the seconds of each tool, of the calls that tell them",
        [
            ("tool_call", {"tool": "find", "duration_seconds": 0.5}),
            ("tool_call", {"tool": "find", "duration_seconds": 0.25}),
            ("tool_call", {"tool": "read"}),
            ("llm_call", {"duration_seconds": 2.0}),
        ],
        {"tool_seconds": {"find": 0.75}},
    ),
    ("a score that nobody tells", [("retrieval", {"hits": 2})], {"top_score": None}),
    (
        "tool calls since the last words, and the most of them",
        [("tool_call", {"tool": "t"})] * 3 + [("llm_call", {"output_hash": 1}), ("tool_call", {"tool": "t"})],
        {"tool_turns": 1, "longest_tool_turns": 3, "outputs": 1},
    ),
    (
        "the path, in order",
        [("tool_call", {"tool": name}) for name in ("find", "read", "read", "write")],
        {"path": ["find", "read", "read", "write"]},
    ),
    (
        "the final output is the end's",
        [("llm_call", {"output_hash": 1, "output_shape": [3.0]}), ("run_finished", {"output_hash": 2})],
        {"output_hash": 2, "output_shape": None},
    ),
    (
        "else that of the last model call that gave one",
        [("llm_call", {"output_hash": 1, "output_shape": [6.5]}), ("llm_call", {"output_shape": [0.0]})],
        {"output_hash": 1, "output_shape": [6.5], "output_length": 95.0},
    ),
    (
        "fields of tools, together for the run; those of a failed result are no interface",
        [
            ("tool_call", {"tool": "t", "arguments_fields": ["a:string"], "result_fields": ["x:number"]}),
            ("tool_call", {"tool": "t", "arguments_fields": ["a:string", "b:string"], "result_fields": ["x:string"]}),
            ("tool_call", {"tool": "t", "status": "error", "result_fields": ["error:string"]}),
        ],
        {"argument_fields": {"t": ["a:string", "b:string"]}, "result_fields": {"t": ["x:number", "x:string"]}},
    ),
    (
        "who and what for: from the first event, the start and the end",
        [("llm_call", {"tenant": "acme"}), ("run_started", {"session": "s", "user": "u"}), END],
        {"tenant": "acme", "session": "s", "user": "u", "labels": None},
    ),
    ("labels of the end", [("run_finished", {"labels": {"region": "eu"}})], {"labels": {"region": "eu"}}),
]


@pytest.mark.parametrize(("sentence", "steps", "expected"), ADDED, ids=[row[0] for row in ADDED])
def test_what_a_run_did(sentence: str, steps: list[Step], expected: dict[str, Any]) -> None:
    work = _play(steps if steps[-1][0] == "run_finished" else [*steps, END]).work
    found = {name: getattr(work, name) for name in expected}
    assert found == pytest.approx(expected) if "top_score" in expected else found == expected, sentence


@pytest.mark.parametrize("characters", [0, 1, 2, 95, 1_000, 20_000, 1_000_000])
def test_the_length_of_an_output_is_read_of_its_shape(characters: int) -> None:
    power = (characters + 1).bit_length() - 1
    shape = [round(power + (characters + 1) / (1 << power) - 1.0, 3)]
    length = adding.length_of(shape)
    assert length == pytest.approx(characters, rel=1e-3)
    assert adding.length_of(None) is None
    assert adding.length_of([-1.0]) is None
    assert adding.length_of([1e9]) is None


def test_everything_that_grows_is_bounded() -> None:
    counts: dict[str, int] = {}
    steps: list[Step] = []
    for i in range(200):
        fields = [f"f{i}.{j}:string" for j in range(40)]
        steps += [
            ("llm_call", {"finish_reason": f"reason-{i}"}),
            ("tool_call", {"tool": f"t{i}", "status": "error", "error_type": f"e{i}", "arguments_fields": fields}),
            ("tool_call", {"tool": "one", "soft_error": False, "arguments_fields": fields, "result_fields": fields}),
        ]
    work = _play([*steps, END], counts).work
    assert len(work.finish_reasons) == len(work.error_types) == adding.KINDS_PER_RUN + 1
    assert sum(work.error_types.values()) == 200
    assert len(work.path) == adding.PATH
    assert len(work.argument_fields) <= adding.TOOLS_PER_RUN + 1
    assert max(len(fields) for fields in work.argument_fields.values()) == adding.FIELDS_PER_TOOL
    assert counts["kinds_folded"] == 2 * (200 - adding.KINDS_PER_RUN)
    assert counts["tools_folded"] == 200 - (adding.TOOLS_PER_RUN - 1)
    assert counts["fields_folded"] > 0


def test_a_closed_run_keeps_only_what_is_said_of_it_later() -> None:
    tracker = RunTracker({})
    for event in _events([("run_started", {"tenant": "acme"}), ("llm_call", {"model": "m"}), END]):
        tracker.take(event, NOW)
    run = tracker.open["r1"]
    closed = tracker.finish(run, event, NOW)
    assert run.work is closed.work
    tracker.forget(NOW)
    assert run.work is SPENT
    assert closed.work.llm_calls == 1
    assert (run.model, run.tenant, run.version) == ("m", "acme", "v1")


def test_saved_between_any_two_events_the_work_is_the_same() -> None:
    steps = [step for _, each, _ in ADDED for step in each if step[0] != "run_finished"]
    whole = _play([*steps, END])
    for cut in range(1, len(steps), 7):
        tracker = RunTracker({})
        for number, event in enumerate(_events([*steps, END])):
            if number == cut:
                saved = runs_to_bytes(tracker.block(0))
                tracker = RunTracker({})
                tracker.restore(runs_from_bytes(saved))
            tracker.take(event, NOW)
        closed = tracker.finish(tracker.open["r1"], event, NOW)
        assert state_of_work(closed.work) == state_of_work(whole.work), cut
        assert closed.silent_reason == whole.silent_reason


def test_no_work_that_was_added_to_leaks_into_the_next_run() -> None:
    tracker = RunTracker({})
    for number in (1, 2):
        event = Event(
            kind="tool_call", time=NOW, id=f"e{number}", agent="x", run=f"r{number}", tool="t", status="error"
        )
        tracker.take(event, NOW)
    first, second = tracker.open["r1"].work, tracker.open["r2"].work
    assert first.error_types == second.error_types == {"error": 1}
    assert first.error_types is not second.error_types
    assert (SPENT.error_types, SPENT.path, SPENT.facts, SPENT.broken) == ({}, [], [], [])


def test_the_place_of_a_run_is_read_from_the_fields_that_are_written() -> None:
    names = RunState.__struct_fields__
    assert Head.__struct_fields__ == names
    run = Run(
        "r1", "v1", 3, 4.0, 5.0, {"i"}, {"t": [1, 0, 0, 0]}, SPENT, "parent", "planner", "canary", "timeout", True, 6.0,
        False, 7, True, b"crcs", "gpt", "acme", {"region": "eu"}, ("user u", 8, 9),
    )  # fmt: skip
    values = [getattr(run, name) for name in names]
    assert run.fields(run.work) == [sorted(value) if isinstance(value, set) else value for value in values]


def test_a_closed_run_as_the_version_before_wrote_it_is_known() -> None:
    """All fields of its work, each with its default."""
    state = RunState("r1", "v1", 0, NOW, NOW, set(), {"t": [1, 0, 0]}, WorkState(), order=2, closed=True)
    tracker = RunTracker({})
    written = msgspec.msgpack.encode([state])
    tracker.restore(runs_from_bytes(written))
    known = tracker.known("r1")
    assert known is not None and known.work is SPENT and known.tools == {"t": [1, 0, 0, 0]}
    assert runs_to_bytes(tracker.block(0)) == written, "what is not touched stays as it was written"
