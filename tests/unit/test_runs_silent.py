"""Runs that say ok and did not do what they say; and runs that only look so. A sentence a row."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.runs import Closed, RunTracker
from monitor.runs.packing import runs_from_bytes, runs_to_bytes
from monitor.runs.silent import KNOWN_RUNS, REMEMBERED
from monitor.signals import RUN_LOOP, RUN_SILENT
from schemas.config import Contract
from schemas.event import Event

NOW = 1_000_000.0
Step = tuple[str, dict[str, Any]]
SAID = [5.0] + [0.0] * 60
EMPTY = [0.0] * 61
"""Shapes of an output of some length and of an empty one."""
CONTRACT = Contract.model_validate(
    {
        "claims": [{"output_matches": "refund issued", "requires_tool": "issue_refund"}],
        "effects": [{"outcome": "resolved", "requires_tool": "close_ticket"}],
    }
)


def _bad(tool: str, **fields: Any) -> Step:
    return ("tool_call", {"tool": tool, "status": "error"} | fields)


def _good(tool: str, **fields: Any) -> Step:
    return ("tool_call", {"tool": tool, "status": "ok", "soft_error": False} | fields)


SAY: Step = ("llm_call", {"output_hash": 1, "output_shape": SAID})
END: Step = ("run_finished", {})


def _play(tracker: RunTracker, steps: list[Step], run: str = "r1", now: float = NOW) -> Closed:
    for number, (kind, fields) in enumerate(steps):
        values: dict[str, Any] = {"time": now, "agent": "x", "run": run, "id": f"{run}.{number}"}
        event = Event(kind=kind, **(values | fields))
        assert tracker.take(event, now) is tracker.open[run]
    return tracker.finish(tracker.open[run], event, now)


SILENT: list[tuple[str, list[Step], str]] = [
    ("the last call of a tool failed, and the run says ok", [_bad("pay"), SAY, END], "the last call of pay failed"),
    (
        "another tool that worked does not mend it",
        [_bad("pay"), _good("notify"), SAY, END],
        "the last call of pay failed",
    ),
    (
        "a soft error is a failed call",
        [_good("pay", soft_error=True), SAY, END],
        "the last call of pay failed",
    ),
    (
        "it ended right after an empty result",
        [_good("search", result_empty=True), END],
        "it ended right after an error or an empty result",
    ),
    (
        "it ended right after a search without hits",
        [("retrieval", {"hits": 0}), END],
        "it ended right after an error or an empty result",
    ),
    (
        "it ended right after a model call that failed",
        [("llm_call", {"status": "error"}), END],
        "it ended right after an error or an empty result",
    ),
    (
        "its output is empty",
        [SAY, ("run_finished", {"output_hash": 2, "output_shape": EMPTY})],
        "its output is empty",
    ),
    (
        "the last answer of the model was empty",
        [SAY, ("llm_call", {"output_hash": 2, "output_shape": EMPTY}), END],
        "its output is empty",
    ),
    (
        "it claims what it did not do",
        [("llm_call", {"output_hash": 1, "output_shape": SAID, "violations": ["claim:0"]}), END],
        "no call of issue_refund succeeded, which its claim needs",
    ),
    (
        "resolved without the call that resolves",
        [SAY, ("run_finished", {"outcome": "resolved"})],
        "no call of close_ticket succeeded, which its effect needs",
    ),
]


@pytest.mark.parametrize(("sentence", "steps", "reason"), SILENT, ids=[row[0] for row in SILENT])
def test_a_silent_failure(sentence: str, steps: list[Step], reason: str) -> None:
    closed = _play(RunTracker({}, contract=CONTRACT), steps)
    assert closed.silent_reason == reason, sentence
    assert closed.silent
    assert RUN_SILENT.read(closed) == 1.0


FINE: list[tuple[str, list[Step]]] = [
    ("a retry mended it", [_bad("pay"), _good("pay"), SAY, END]),
    ("a human was asked after the call had failed", [_bad("pay"), ("escalation", {"to": "desk"}), END]),
    ("the defined degradation was used after the call had failed", [_bad("pay"), ("fallback", {"to": "form"}), END]),
    ("an empty result, and then the agent said so", [_good("search", result_empty=True), SAY, END]),
    ("a search without hits, then one with hits", [("retrieval", {"hits": 0}), ("retrieval", {"hits": 3}), END]),
    ("hits that are not told are not zero hits", [("retrieval", {}), END]),
    ("an empty turn that calls a tool is no empty answer", [("llm_call", {"output_shape": EMPTY}), _good("pay"), END]),
    ("an empty turn, and an answer after it", [("llm_call", {"output_shape": EMPTY}), SAY, END]),
    ("outputs that nobody sends are not empty", [("llm_call", {}), END]),
    (
        "it claims what it did",
        [_good("issue_refund"), ("llm_call", {"output_shape": SAID, "violations": ["claim:0"]}), END],
    ),
    ("resolved by the call that resolves", [_good("close_ticket"), SAY, ("run_finished", {"outcome": "resolved"})]),
    ("the simulated user's own call failed", [_bad("pay", actor="user"), SAY, END]),
]


@pytest.mark.parametrize(("sentence", "steps"), FINE, ids=[row[0] for row in FINE])
def test_what_is_no_silent_failure(sentence: str, steps: list[Step]) -> None:
    closed = _play(RunTracker({}, contract=CONTRACT), steps)
    assert closed.silent_reason == "", sentence
    assert not closed.silent
    assert RUN_SILENT.read(closed) == 0.0


def test_a_run_that_says_error_is_not_silent() -> None:
    closed = _play(RunTracker({}), [_bad("pay"), ("run_finished", {"status": "error"})])
    assert (closed.silent, RUN_SILENT.read(closed)) == (False, None)


NONE_GIVEN = "it gave no output, and usually there is one"
ONCE_MISSING: list[tuple[str, int, list[Step], str]] = [
    ("every run so far gave an output, this one none", KNOWN_RUNS, [_good("pay"), END], NONE_GIVEN),
    ("too few runs are known", KNOWN_RUNS - 1, [_good("pay"), END], ""),
    ("a human took over: none is missing", KNOWN_RUNS, [("escalation", {"to": "desk"}), END], ""),
    ("another agent took over: none is missing", KNOWN_RUNS, [("handoff", {"to_agent": "y"}), END], ""),
    ("it says error: nothing is hidden", KNOWN_RUNS, [("run_finished", {"status": "error"})], ""),
]


@pytest.mark.parametrize(("sentence", "known", "steps", "reason"), ONCE_MISSING, ids=[row[0] for row in ONCE_MISSING])
def test_an_output_that_is_usual_is_missed(sentence: str, known: int, steps: list[Step], reason: str) -> None:
    tracker = RunTracker({})
    for number in range(known):
        assert not _play(tracker, [SAY, END], run=f"q{number}").silent
    assert _play(tracker, steps).silent_reason == reason, sentence


def test_an_output_that_some_runs_give_is_not_missed() -> None:
    tracker = RunTracker({})
    reasons = {
        _play(tracker, [SAY, END] if i % 3 else [_good("pay"), END], run=f"q{i}").silent_reason for i in range(90)
    }
    assert reasons == {""}


def test_a_new_custom_becomes_the_custom() -> None:
    """Nobody sends outputs any more: that is said for a while, not for ever."""
    tracker = RunTracker({})
    tracker.outputs = [REMEMBERED, REMEMBERED]
    missing = [bool(_play(tracker, [_good("pay"), END], run=f"q{i}").silent_reason) for i in range(200)]
    assert missing[0]
    assert not missing[-1]
    assert tracker.outputs[0] < REMEMBERED


LOOP: list[Step] = [("tool_call", {"tool": "search", "soft_error": False, "arguments_hash": 1, "result_hash": 7})] * 8
FILES: list[Step] = [
    ("tool_call", {"tool": "read", "soft_error": False, "arguments_hash": i, "result_hash": i}) for i in range(8)
]
USERS: list[Step] = [(kind, fields | {"actor": "user"}) for kind, fields in LOOP]


def test_a_loop_is_told_while_the_run_goes_on() -> None:
    tracker = RunTracker({})
    told = []
    for number, (kind, fields) in enumerate(LOOP):
        event = Event(kind=kind, time=NOW, id=f"e{number}", agent="x", run="r1", **fields)
        run = tracker.take(event, NOW)
        assert run is not None
        told += [(number, fact.signal, fact.tool) for fact in run.work.facts]
        run.work.facts.clear()
    assert told == [(5, "run.loop", "search")]


@pytest.mark.parametrize(
    ("sentence", "steps", "looped"),
    [
        ("the same call again and again", [*LOOP, SAY, END], True),
        ("eight files read with one tool", [*FILES, SAY, END], False),
        ("the simulated user repeats himself: his loop, not the agent's tools", [*USERS, SAY, END], True),
        (
            "agent and user in turn, each once: neither repeats anything",
            [*[step for pair in zip(FILES[:3], USERS[:3], strict=True) for step in pair], SAY, END],
            False,
        ),
    ],
)
def test_who_loops(sentence: str, steps: list[Step], looped: bool) -> None:
    closed = _play(RunTracker({}), steps)
    assert closed.work.looped is looped, sentence
    assert RUN_LOOP.read(closed) == float(looped)
    assert closed.silent is looped
    assert RUN_SILENT.read(closed) == 0.0, "a loop is a signal of its own"


def test_a_users_calls_do_not_hide_the_agents_loop() -> None:
    """Agent and user take turns; the agent's calls are the same each time, the user's are not."""
    tracker = RunTracker({})
    mine = [{"arguments_hash": 9, "result_hash": i, "actor": "user"} for i in range(8)]
    steps = [step for one, user in zip(LOOP, mine, strict=True) for step in (one, _good("own", **user))]
    closed = _play(tracker, [*steps, END])
    assert closed.work.loop is not None
    assert closed.work.loop.crossed
    assert closed.work.user_loop is not None
    assert not closed.work.user_loop.crossed


AGAIN: list[tuple[str, dict[str, Any], dict[str, Any], float, str | None]] = [
    ("the same session gives the same input again", {"session": "s"}, {"session": "s"}, 60.0, "r1"),
    ("the same user gives the same input again", {"user": "u"}, {"user": "u"}, 60.0, "r1"),
    ("another input", {"session": "s"}, {"session": "s", "input_hash": 8}, 60.0, None),
    ("another session", {"session": "s"}, {"session": "t"}, 60.0, None),
    ("nobody is named", {}, {}, 60.0, None),
    ("the next day", {"session": "s"}, {"session": "s"}, 301.0, None),
    ("the shadow of the same run", {"session": "s"}, {"session": "s", "variant": "shadow"}, 0.0, None),
]


@pytest.mark.parametrize("saved", [False, True])
@pytest.mark.parametrize(("sentence", "first", "second", "later", "again"), AGAIN, ids=[row[0] for row in AGAIN])
def test_the_same_input_again(
    sentence: str, first: dict[str, Any], second: dict[str, Any], later: float, again: str | None, saved: bool
) -> None:
    tracker = RunTracker({})
    _play(tracker, [("run_started", {"input_hash": 7} | first), SAY, END], "r1")
    if saved:
        runs = runs_from_bytes(runs_to_bytes(tracker.block(0)))
        tracker = RunTracker({})
        tracker.restore(runs)
    closed = _play(tracker, [("run_started", {"input_hash": 7} | second), SAY, END], "r2", NOW + later)
    assert closed.work.retry_of == again, sentence


def test_who_asked_what_is_forgotten_with_the_run() -> None:
    tracker = RunTracker({})
    for number in range(50):
        asked = {"input_hash": 7, "session": f"s{number % 5}"}
        _play(tracker, [("run_started", asked), END], f"r{number}")
    assert len(tracker._asked) == 5
    tracker.forget(NOW + 3_600.0)
    assert tracker._asked == {}
