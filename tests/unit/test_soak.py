"""The soak's own parts: its plan, its fleet's truth, and that it would see what went wrong."""

from __future__ import annotations

import itertools
import json
from collections import Counter

import pytest

from benchmarks.soak import judge, memory
from benchmarks.soak.cluster import Life
from benchmarks.soak.fleet import Fleet
from benchmarks.soak.plan import EXCLUSIVE, QUIET_SECONDS, SECONDS, faults
from tests.doubles.findings import finding
from tests.doubles.slack_eyes import Post


def test_a_plan_is_the_same_for_the_same_seed_and_has_every_fault() -> None:
    plan = faults(7, 600.0)
    assert plan == faults(7, 600.0) != faults(8, 600.0)
    assert {fault.kind for fault in plan[: len(SECONDS)]} == set(SECONDS)
    assert plan[0].at == QUIET_SECONDS and all(fault.at + fault.seconds <= 600.0 for fault in plan)
    ends = [(fault.at, fault.at + fault.seconds) for fault in plan if fault.kind in EXCLUSIVE]
    assert all(end <= after for (_, end), (after, _) in itertools.pairwise(ends))
    assert faults(7, 10.0) == []
    assert {fault.kind for fault in faults(7, 300.0, ["slack down", "kill worker"])} == {"slack down", "kill worker"}


def test_a_long_plan_ends_without_faults_of_processes() -> None:
    late = {fault.kind for fault in faults(7, 1800.0) if fault.at + fault.seconds > 1200.0}
    assert late == set(SECONDS) - EXCLUSIVE
    assert faults(7, 1800.0, ["kill worker"])[-1].at < 1200.0


def test_the_fleet_knows_what_it_wrote() -> None:
    fleet = Fleet("nowhere", "t", 1, 100.0)
    fleet.disturbance.duplicates, fleet.disturbance.reordering = 0.5, True
    for number in range(200):
        fleet._run(number / 10.0)
    bodies = [json.loads(body) for _, _, _, body in fleet._held]
    by_id = {event["id"]: event for event in bodies}
    assert len(by_id) == fleet.truth.events == 600
    assert len(bodies) == 600 + fleet.truth.repeated and fleet.truth.repeated > 100
    ended = [event for event in by_id.values() if event["kind"] == "run_finished"]
    assert Counter(event["agent"] for event in ended) == fleet.truth.runs
    assert sum(event["status"] == "error" for event in ended) == fleet.truth.failed.total()


def _post(incident: str, line: str | None = None) -> Post:
    mark = {"incident": incident} | ({"line": line} if line else {})
    return Post("1", "u", "t", [], {"event_type": "x", "event_payload": mark}, thread="1" if line else None)


def test_a_count_that_is_wrong_is_seen() -> None:
    fleet = Fleet("nowhere", "t", 1, 100.0)
    fleet.truth.runs["a"] = 10
    fleet.truth.failed["a"] = 2
    right = judge.Again(agents={"a": (10, 2)})
    assert list(judge.counts(fleet.truth, {"a": (10, 2)}, right)) == []
    for found in ({"a": (11, 2)}, {"a": (10, 1)}, {}, {"a": (10, 2), "b": (1, 0)}):
        assert len(list(judge.counts(fleet.truth, found, right))) == 1, found
    assert len(list(judge.counts(fleet.truth, {"a": (10, 2)}, judge.Again()))) == 1


def test_a_message_that_is_missing_or_stands_twice_is_seen() -> None:
    again = judge.Again(told={"i", "j"})
    assert list(judge.messages([_post("i"), _post("j")], [_post("i", "1"), _post("i", "2")], again)) == []
    for posts, threads, words in (
        ([_post("i")], [], "1 missing of 2: j: 1 → None"),
        ([_post("i"), _post("j"), _post("j")], [], "1 different of 2: j: 1 → 2"),
        ([_post("i"), _post("j"), _post("k")], [], "1 too many of 2: k: None → 1"),
        ([_post("i"), _post("j")], [_post("i", "1"), _post("i", "1")], "stands 2 times"),
    ):
        (said,) = judge.messages(posts, threads, again)
        assert words in said


def test_a_finding_of_another_kind_is_seen() -> None:
    wanted = {finding().id: finding()}
    assert list(judge._differences("finding", wanted, dict(wanted))) == []
    (said,) = judge._differences("finding", wanted, {finding().id: finding(after=0.9)})
    assert said.startswith("finding: 1 different of 1")


@pytest.mark.parametrize(("per_second", "levels"), [(0.0, (1e8,)), (1e4, (1e8, 3e8)), (-500.0, (2e8, 1e8))])
def test_the_slope_of_memory_does_not_see_the_levels(per_second: float, levels: tuple[float, ...]) -> None:
    lives = [Life(1, 0.0, [(float(at), int(level + per_second * at)) for at in range(0, 400, 2)]) for level in levels]
    grown = memory.slope([*lives, Life(2, 0.0, [(5.0, 10**9)])])
    assert grown == pytest.approx(per_second * 3600 / 2**20, rel=1e-3, abs=0.01)


def test_lives_that_are_too_short_say_nothing_of_memory() -> None:
    assert memory.slope([Life(1, 0.0, [(130.0, 10**8), (180.0, 10**8)])]) is None
