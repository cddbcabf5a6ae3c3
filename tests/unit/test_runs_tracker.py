"""The run tracker: each event counts once, each run ends once. A sentence a row."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.runs import CLOSED_RUNS, IDS_PER_RUN, OPEN_RUNS, TOOLS_PER_RUN, Closed, Run, RunTracker
from monitor.runs import tracker as tracking
from monitor.runs.packing import pack, runs_from_bytes, runs_to_bytes
from schemas.event import Event, raw

NOW = 1_000_000.0
Step = tuple[str, dict[str, Any]]


def _event(number: int, kind: str, **fields: Any) -> Event:
    values: dict[str, Any] = {"time": NOW, "id": f"e{number}", "agent": "x", "run": "r1", "version": "v1"}
    return Event(kind=kind, **(values | fields))


def _play(tracker: RunTracker, steps: list[Step], now: float = NOW) -> list[Closed]:
    closed = []
    for number, (kind, fields) in enumerate(steps):
        event = _event(number, kind, **fields)
        run = tracker.take(event, now)
        if run is not None and kind == "run_finished":
            closed.append(tracker.finish(run, event, now))
    return closed


TABLE: list[tuple[str, list[Step], list[tuple[str, float]], dict[str, int]]] = [
    (
        "started and finished: one run, its duration from the times",
        [("run_started", {}), ("run_finished", {"time": NOW + 7})],
        [("ok", 7.0)],
        {},
    ),
    (
        "a run that was never started opens at its first event",
        [("tool_call", {"tool": "t"}), ("run_finished", {"time": NOW + 2})],
        [("ok", 2.0)],
        {},
    ),
    (
        "`run_finished` alone is a run; a duration that is told is believed",
        [("run_finished", {"duration_seconds": 9.0, "status": "error"})],
        [("error", 9.0)],
        {},
    ),
    (
        "an earlier event that comes later moves the start",
        [("tool_call", {"tool": "t"}), ("run_started", {"time": NOW - 30}), ("run_finished", {})],
        [("ok", 30.0)],
        {},
    ),
    (
        "the same id again in an open run is a duplicate",
        [("run_started", {"id": "a"}), ("run_started", {"id": "a"}), ("run_finished", {})],
        [("ok", 0.0)],
        {"duplicates": 1},
    ),
    (
        "the same id again after the run closed is a duplicate, another id is late",
        [
            ("run_started", {"id": "a"}),
            ("run_finished", {"id": "b"}),
            ("run_finished", {"id": "b"}),
            ("run_started", {"id": "a"}),
            ("tool_call", {"id": "c", "tool": "t"}),
        ],
        [("ok", 0.0)],
        {"duplicates": 2, "late": 1},
    ),
    (
        "a second finish with an id of its own does not close twice",
        [("run_finished", {"id": "a"}), ("run_finished", {"id": "b", "status": "error"})],
        [("ok", 0.0)],
        {"late": 1},
    ),
    (
        "two runs of one name are two runs only after the first is forgotten",
        [("run_finished", {"run": "r1", "id": "a"}), ("run_finished", {"run": "r2", "id": "a"})],
        [("ok", 0.0), ("ok", 0.0)],
        {},
    ),
]


@pytest.mark.parametrize(("sentence", "steps", "ended", "counts"), TABLE, ids=[row[0] for row in TABLE])
def test_events_become_runs(
    sentence: str, steps: list[Step], ended: list[tuple[str, float]], counts: dict[str, int]
) -> None:
    tracker = RunTracker({})
    closed = _play(tracker, steps)
    assert [(one.status, one.duration_seconds) for one in closed] == ended, sentence
    assert tracker.counts == counts, sentence
    assert tracker.open_count == 0, sentence


CALLS: list[tuple[str, dict[str, Any], list[int]]] = [
    ("a call with status error failed", {"status": "error"}, [1, 1, 1]),
    ("a call with status ok did not", {"status": "ok"}, [1, 0, 0]),
    ("a result with an error is a soft error", {"result": raw({"error": "no such order"})}, [1, 1, 1]),
    ("an error that is null says nothing", {"result": raw({"error": None})}, [1, 0, 0]),
    ("an error that is false, empty or zero says nothing", {"result": raw({"error": False, "isError": 0})}, [1, 0, 0]),
    ("isError true is a soft error", {"result": raw({"content": [], "isError": True})}, [1, 1, 1]),
    ("isError false is none", {"result": raw({"content": [], "isError": False})}, [1, 0, 0]),
    ("JSON in a string is read as JSON", {"result": raw('{"error": {"code": 5}}')}, [1, 1, 1]),
    ("a text that is an error is a soft error", {"result": raw("An error occurred: no route to host")}, [1, 1, 1]),
    ("text about an error is no error", {"result": raw("the error occurred in March")}, [1, 0, 0]),
    ("an error further down is none", {"result": raw({"data": {"error": "x"}})}, [1, 0, 0]),
    ("a result in a list is none", {"result": raw([{"error": "x"}])}, [1, 0, 0]),
    ("what was derived before stands, without text", {"soft_error": True}, [1, 1, 1]),
    ("what was derived before stands against the text", {"soft_error": False, "result": raw({"error": 1})}, [1, 0, 0]),
]


@pytest.mark.parametrize(("sentence", "fields", "counted"), CALLS, ids=[row[0] for row in CALLS])
def test_calls(sentence: str, fields: dict[str, Any], counted: list[int]) -> None:
    tracker = RunTracker({})
    run = tracker.take(_event(1, "tool_call", tool="t", **fields), NOW)
    assert run is not None
    assert {tool: calls[:3] for tool, calls in run.tools.items()} == {"t": counted}, sentence


def test_a_users_own_calls_are_kept_apart() -> None:
    tracker = RunTracker({})
    (closed,) = _play(
        tracker,
        [
            ("tool_call", {"tool": "t", "actor": "user", "status": "error"}),
            ("tool_call", {"tool": "t", "status": "ok"}),
            ("run_finished", {}),
        ],
    )
    assert closed.run.tools["t"][:3] == [1, 0, 0]
    assert closed.error_type is None


@pytest.mark.parametrize(
    ("failures", "silent", "why"),
    [
        ((True, False), False, "a retry mended it"),
        ((False, True), True, "the last call failed and the run says ok"),
        ((False, False), False, "nothing failed"),
    ],
)
def test_a_silent_failure_is_one_that_nothing_mended(failures: tuple[bool, ...], silent: bool, why: str) -> None:
    calls: list[Step] = [("tool_call", {"tool": "t", "soft_error": bad}) for bad in failures]
    (closed,) = _play(RunTracker({}), [*calls, ("run_finished", {})])
    assert closed.silent is silent, why


def _open(tracker: RunTracker, run: str, now: float, **fields: Any) -> None:
    tracker.take(_event(0, "run_started", id=run, run=run, time=now, **fields), now)


def test_a_run_hangs_after_ten_minutes_while_durations_are_unknown() -> None:
    tracker = RunTracker({})
    _open(tracker, "r1", NOW)
    _open(tracker, "r2", NOW + 10.0)
    assert tracker.next_wake() == NOW + tracking.UNKNOWN_TIMEOUT
    assert tracker.hung(NOW + 599.0) == []
    assert [run.run for run in tracker.hung(NOW + 600.0)] == ["r1"]
    assert [run.run for run in tracker.hung(NOW + 610.0)] == ["r1", "r2"]


def test_a_sign_of_life_puts_it_off() -> None:
    tracker = RunTracker({})
    _open(tracker, "r1", NOW)
    tracker.take(_event(9, "llm_call"), NOW + 500.0)
    assert tracker.hung(NOW + 1_000.0) == []
    assert tracker.next_wake() == NOW + 1_100.0


def test_the_timeout_shrinks_for_runs_that_are_open_already() -> None:
    """Twenty runs of a second each are enough to know that a minute of silence is long."""
    tracker = RunTracker({})
    _open(tracker, "slow", NOW)
    for number in range(20):
        _play(tracker, [("run_finished", {"run": f"q{number}", "id": f"q{number}", "duration_seconds": 1.0})])
    tracker.learn_usual()
    assert tracker.timeout_seconds() == tracking.LEAST_TIMEOUT
    assert [run.run for run in tracker.hung(NOW + 60.0)] == ["slow"]


def test_a_declared_timeout_is_the_timeout() -> None:
    tracker = RunTracker({}, timeout=5.0)
    _open(tracker, "r1", NOW)
    assert [run.run for run in tracker.hung(NOW + 5.0)] == ["r1"]


def test_while_the_monitor_was_blind_no_run_was_silent() -> None:
    tracker = RunTracker({}, timeout=60.0)
    _open(tracker, "r1", NOW)
    tracker.blind(500.0)
    assert tracker.hung(NOW + 559.0) == []
    assert len(tracker.hung(NOW + 560.0)) == 1


def test_a_hung_run_that_finishes_after_all_is_late() -> None:
    tracker = RunTracker({}, timeout=60.0)
    _open(tracker, "r1", NOW)
    (run,) = tracker.hung(NOW + 60.0)
    assert tracker.hang(run, NOW + 60.0).status == "hung"
    assert tracker.take(_event(7, "run_finished"), NOW + 61.0) is None
    assert tracker.counts == {"late": 1}


def test_closed_runs_are_forgotten_after_an_hour_and_their_blocks_go() -> None:
    tracker = RunTracker({})
    _play(tracker, [("run_finished", {})])
    tracker.touched.clear()
    tracker.forget(NOW + 3_599.0)
    assert len(tracker.closed) == 1
    tracker.forget(NOW + 3_600.0)
    assert (tracker.open, tracker.closed, tracker.blocks) == ({}, {}, {})
    assert tracker.touched == {0}
    assert tracker.counts == {}


def test_beyond_the_limit_the_oldest_closed_run_is_forgotten_early() -> None:
    tracker = RunTracker({})
    for number in range(CLOSED_RUNS + 1):
        _play(tracker, [("run_finished", {"run": f"r{number}", "id": f"i{number}"})], NOW)
    tracker.forget(NOW + 3.0)
    assert next(iter(tracker.closed)) == "r1"
    assert len(tracker.closed) == CLOSED_RUNS
    assert tracker.counts == {"closed_forgotten": 1}


def test_beyond_the_limit_the_run_that_was_silent_longest_gives_way() -> None:
    tracker = RunTracker({})
    _open(tracker, "r1", NOW)
    for number in range(2, OPEN_RUNS + 1):
        _open(tracker, f"r{number}", NOW + 1.0)
    tracker.take(_event(5, "llm_call"), NOW + 2.0)
    _open(tracker, "last", NOW + 3.0)
    assert list(tracker.open)[-2:] == ["r1", "last"]
    assert list(tracker.closed) == ["r2"]
    assert tracker.counts == {"runs_evicted": 1}


def test_ids_and_tools_of_one_run_are_bounded() -> None:
    tracker = RunTracker({})
    calls = [("tool_call", {"tool": f"t{i}"}) for i in range(TOOLS_PER_RUN + 3)]
    calls += [("tool_call", {"tool": "t0"})] * (IDS_PER_RUN - len(calls) + 2)
    (closed,) = _play(tracker, [*calls, ("run_finished", {})])
    assert set(closed.run.tools) == {*(f"t{i}" for i in range(TOOLS_PER_RUN)), "_other"}
    assert closed.run.tools["_other"][0] == 3
    assert tracker.counts == {"tools_folded": 3, "ids_unchecked": 3}


def test_restored_runs_hang_leave_and_give_way_in_the_same_order() -> None:
    tracker = RunTracker({}, timeout=60.0)
    for name in ("b", "c", "a", "d"):
        _open(tracker, name, NOW)
    for name in ("a", "b"):  # the later one closes first
        run = tracker.open[name]
        tracker.finish(run, _event(0, "run_finished", run=name), NOW + 1.0)
    again = RunTracker({}, timeout=60.0)
    again.restore(
        runs_from_bytes(runs_to_bytes(run for number in tracker.blocks for run in reversed(tracker.block(number))))
    )
    assert list(again.open) == list(tracker.open) == ["c", "d"]
    again.forget(NOW + 3_601.0)
    assert (set(again.open), again.closed) == ({"c", "d"}, {})


def test_a_closed_run_is_packed_once_and_known_as_it_was() -> None:
    tracker = RunTracker({})
    steps: list[Step] = [("run_started", {"tenant": "acme"}), ("tool_call", {"tool": "pay", "status": "error"})]
    (closed,) = _play(tracker, [*steps, ("run_finished", {})])
    _open(tracker, "r2", NOW)
    first = tracker.block(0)
    assert [type(run) for run in first] == [bytes, Run]
    assert tracker.block(0)[0] is first[0]
    known = tracker.known("r1")
    assert known is not None and known is not closed.run
    assert pack(known) == pack(closed.run) == first[0]
    assert (known.tools, known.tenant, known.closed) == ({"pay": [1, 1, 1, 5]}, "acme", True)
    assert tracker.known("r2") is tracker.open["r2"]
    assert tracker.known("r3") is None


@pytest.mark.parametrize("restored", [False, True])
def test_what_comes_for_a_packed_run_is_a_duplicate_or_late(restored: bool) -> None:
    tracker = RunTracker({})
    _play(tracker, [("llm_call", {}), ("run_finished", {})])
    saved = runs_to_bytes(tracker.block(0))
    if restored:
        tracker = RunTracker({})
        tracker.restore(runs_from_bytes(saved))
    assert tracker.take(_event(0, "llm_call"), NOW) is None
    assert tracker.counts == {"duplicates": 1}
    assert tracker.take(_event(9, "llm_call"), NOW) is None
    assert tracker.counts == {"duplicates": 1, "late": 1}
    assert runs_to_bytes(tracker.block(0)) == saved


@pytest.mark.parametrize("ends", [False, True], ids=["open", "closed"])
def test_what_is_saved_does_not_depend_on_the_order_of_a_set(ends: bool) -> None:
    names = [f"event-{number}" for number in range(40)]
    saved: set[bytes] = set()
    for order in (names, names[::-1], sorted(names)):
        tracker = RunTracker({})
        run = tracker.take(_event(0, "run_started", id="first"), NOW)
        assert run is not None
        for name in order:
            tracker.take(_event(0, "llm_call", id=name), NOW)
        if ends:
            tracker.finish(run, _event(0, "run_finished", id="last"), NOW)
        saved.add(runs_to_bytes(tracker.block(0)))
    assert len(saved) == 1
