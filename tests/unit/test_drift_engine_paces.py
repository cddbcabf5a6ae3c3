"""How long tools usually take, learned from their calls: a sentence per case."""

from __future__ import annotations

import random

import pytest

from monitor.drift.tools import paces
from monitor.drift.tools.pace import Pace
from monitor.drift.tools.paces import LEARNED, TOOLS


def _known(seconds: float = 1.0) -> dict[str, Pace]:
    tools: dict[str, Pace] = {}
    for _ in range(LEARNED):
        assert paces.observe(tools, "t", seconds, 1, 10.0) is None, "too new to tell"
    return tools


CALLS: list[tuple[float, int, float, float | None, str]] = [
    (3.0, 1, 10.0, 3.0, "three times slower"),
    (6.0, 2, 10.0, 3.0, "each of two calls"),
    (0.5, 1, 10.0, 1.0, "faster is as fast as usual"),
    (1.2, 1, 10.0, 1.0, "a little slower is as fast as usual"),
    (3.0, 1, 100.0, 1.0, "slower by a fiftieth of the run, which nobody feels"),
    (0.0, 1, 10.0, None, "a call that took no time says nothing"),
]


@pytest.mark.parametrize(("seconds", "calls", "duration", "times", "why"), CALLS, ids=[row[4] for row in CALLS])
def test_a_run_is_compared_with_the_usual_seconds(
    seconds: float, calls: int, duration: float, times: float | None, why: str
) -> None:
    assert paces.observe(_known(), "t", seconds, calls, duration) == times, why


def test_one_slow_call_names_no_tool_and_several_do() -> None:
    tools = _known()
    paces.observe(tools, "t", 9.0, 1, 10.0)
    assert paces.slower(tools) is None
    for _ in range(2):
        paces.observe(tools, "t", 9.0, 1, 10.0)
    assert paces.slower(tools) == ("t", tools["t"].usual, 9.0)


def _cached(rng: random.Random, hits: float) -> float:
    return 0.05 if rng.random() < hits else 2.0


@pytest.mark.parametrize("hits", [0.4, 0.5, 0.6, 0.9, 0.97])
def test_a_tool_of_two_speeds_says_the_same_all_along(hits: float) -> None:
    """A median between a cache's speed and the other one has nothing to hold it."""
    rng, tools = random.Random(7), _known(0.05)
    said = [paces.observe(tools, "t", _cached(rng, hits), 1, 2.5) for _ in range(3_000)]
    assert set(said) == {1.0, 40.0}
    assert not paces.is_stale(tools, ["t"])


STEPS: list[tuple[float, float, str]] = [
    (2.3, 2.5, "halves, where it is little"),
    (10.4, 10.0, "twos from eight on"),
    (39.0, 40.0, "eights from thirty-two on, for a load that moves by some hundredths"),
    (40.9, 40.0, "the same"),
    (1e300, paces.MOST, "there is a most"),
]


@pytest.mark.parametrize(("seconds", "times", "why"), STEPS, ids=[row[2] for row in STEPS])
def test_times_are_told_in_steps(seconds: float, times: float, why: str) -> None:
    told = paces.observe(_known(), "t", seconds, 1, seconds)
    assert told is not None
    assert told == pytest.approx(times, rel=0.05 if times == paces.MOST else 0.0), why


LASTING: list[tuple[float, float, bool, str]] = [
    (3.0, 1.0, True, "three times slower"),
    (3.0, 0.8, True, "three times slower in most runs"),
    (0.3, 1.0, True, "three times faster"),
    (3.0, 0.5, False, "slower in every other run"),
    (1.8, 1.0, False, "not twice as slow"),
    (0.6, 1.0, False, "not twice as fast"),
]


@pytest.mark.parametrize(("seconds", "part", "stale", "why"), LASTING, ids=[row[3] for row in LASTING])
def test_what_takes_something_else_for_good_is_learned_anew(seconds: float, part: float, stale: bool, why: str) -> None:
    rng, tools = random.Random(3), _known()
    usual = tools["t"].usual
    for _ in range(1_500):
        paces.observe(tools, "t", seconds if rng.random() < part else 1.0, 1, 10.0)
    assert tools["t"].usual == usual, "until it is learned anew it stays, or the tool would seem to be back"
    assert paces.is_stale(tools, ["t"]) is stale, why
    assert not paces.is_stale(tools, ["another"])
    paces.renew(tools)
    assert (tools["t"].usual == 0.0) is stale


def test_what_lasts_for_some_hundred_runs_is_no_reason_to_learn_anew() -> None:
    tools = _known()
    for number in range(2_000):
        paces.observe(tools, "t", 3.0 if number % 400 < 200 else 1.0, 1, 10.0)
        assert not paces.is_stale(tools, ["t"])


def test_the_tool_that_was_quiet_longest_makes_room() -> None:
    tools: dict[str, Pace] = {}
    for number in range(TOOLS + 1):
        paces.observe(tools, f"t{number}", 1.0, 1, 10.0)
    assert len(tools) == TOOLS
    assert "t0" not in tools


def test_a_tool_that_always_takes_the_same_says_the_same() -> None:
    """What is usual must not wander, or the bank sees a change that is ours."""
    tools = _known()
    said = {paces.observe(tools, "t", 1.0 if number % 2 else 1.001, 1, 10.0) for number in range(2_000)}
    assert said == {1.0}
