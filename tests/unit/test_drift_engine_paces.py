"""How long tools usually take, learned from their calls: a sentence per case."""

from __future__ import annotations

import pytest

from monitor.drift.tools import paces
from monitor.drift.tools.paces import LEARNED, TOOLS, Pace


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


def test_what_is_usual_follows_slowly() -> None:
    tools = _known()
    slow = [paces.observe(tools, "t", 3.0, 1, 10.0) or 0.0 for _ in range(1_000)]
    assert slow[500] > 1.5, "five hundred runs later it is still slow"
    assert slow[-1] < 1.2, "a thousand runs later that is what it takes"


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
