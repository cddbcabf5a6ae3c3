"""Loops inside a run: what is one, what only looks like one, and how often a healthy run is called one."""

from __future__ import annotations

import random

import msgspec
import pytest

from detectors import loops
from detectors.loops import Loop
from monitor.runs.packing import loop_of, state_of_loop
from monitor.saved.states import LoopState

Call = tuple[str, int | None, int | None, bool]
"""Tool, arguments, result, whether the result is bad."""
MASS = 1e-6


def _crossed(calls: list[Call], mass: float = MASS) -> list[int]:
    loop = Loop()
    return [
        i
        for i, (tool, arguments, result, bad) in enumerate(calls)
        if loops.step(loop, tool, arguments, result, bad, mass)
    ]


def _good(tool: str, arguments: int | None, result: int | None) -> Call:
    return (tool, arguments, result, False)


LOOPS: list[tuple[str, list[Call]]] = [
    ("the same call with the same result, again and again", [_good("search", 1, 7)] * 8),
    ("two calls in turn that bring nothing new", [_good("search", 1, 7), _good("read", 2, 8)] * 6),
    ("three calls in turn that bring nothing new", [_good("abc"[i % 3], i % 3, i % 3) for i in range(16)]),
    ("four calls in turn, one of them made twice", [_good("abcb"[i % 4], i % 4 % 3, i % 4 % 3) for i in range(24)]),
    ("ever new arguments, always the same error", [("book", i, 5, True) for i in range(8)]),
    ("ever new arguments, always nothing", [("find", i, 0, True) for i in range(8)]),
    ("the same error where arguments are not told", [("book", None, 5, True)] * 8),
    (
        "a loop that begins after much good work",
        [_good("read", i, i) for i in range(200)] + [_good("search", 1, 7)] * 8,
    ),
]


@pytest.mark.parametrize(("sentence", "calls"), LOOPS, ids=[row[0] for row in LOOPS])
def test_a_loop(sentence: str, calls: list[Call]) -> None:
    assert len(_crossed(calls)) == 1, sentence


WORK: list[tuple[str, list[Call]]] = [
    ("three files read with one tool: other arguments, other results", [_good("read", i, i) for i in range(3)]),
    ("forty files read with one tool", [_good("read", i, i) for i in range(40)]),
    ("a poll whose result changes", [_good("poll", 1, i) for i in range(40)]),
    ("a poll that sees the same state three times and then another", [_good("poll", 1, i // 3) for i in range(60)]),
    ("other arguments, by chance the same good result", [_good("add", i, 7) for i in range(40)]),
    ("three attempts that fail alike, then one that works", [*[("pay", 1, 5, True)] * 3, _good("pay", 1, 6)]),
    ("two tools in turn on ever new things", [(("read", "write")[i % 2], i, i, False) for i in range(40)]),
    (
        "a look at the same thing after each two steps of work",
        [_good("check", 1, 1) if i % 3 == 0 else _good("act", i, i) for i in range(60)],
    ),
    (
        "two looks that see the same after each two steps of work",
        [_good("look", i % 4, 1) if i % 4 < 2 else _good("act", i, i) for i in range(60)],
    ),
    ("three things polled in turn, and one of them changes", [_good("p", i % 3, i if i % 3 else 1) for i in range(60)]),
    ("ten writes that are all told done", [_good("save", i, 7) for i in range(10)]),
    ("pages of a list, each another", [_good("list", i, i) for i in range(20)]),
    ("a turn of three made twice", [_good("abc"[i % 3], i % 3, i % 3) for i in range(6)]),
    ("the same tool, each time another error", [("book", i, i, True) for i in range(40)]),
    ("different tools that fail alike", [(f"tool-{i % 7}", 1, 5, True) for i in range(40)]),
    ("the same arguments, results not told: nothing is known", [_good("read", 1, None)] * 40),
    ("the same good results, arguments not told: nothing is known", [_good("add", None, 7)] * 40),
]


@pytest.mark.parametrize(("sentence", "calls"), WORK, ids=[row[0] for row in WORK])
def test_what_is_no_loop(sentence: str, calls: list[Call]) -> None:
    assert _crossed(calls) == [], sentence


@pytest.mark.parametrize(("mass", "calls"), [(1e-3, 5), (1e-5, 6), (1e-6, 6), (1e-8, 8)])
def test_a_smaller_mass_takes_a_longer_loop(mass: float, calls: int) -> None:
    """30 per repeat, a quarter of it: 30 ** n / 4 reaches 1 / mass."""
    assert _crossed([_good("search", 1, 7)] * 20, mass) in ([calls - 1], [calls - 2])


def test_a_bet_is_fair_at_the_null() -> None:
    assert pytest.approx(1.0, abs=1e-12) == loops.NULL * loops.FITS + (1.0 - loops.NULL) * loops.ELSE


def test_false_loops_stay_within_the_mass_per_call() -> None:
    """Calls repeat with the null's probability, whatever came before; 3 standard errors are allowed."""
    rng = random.Random(5)
    mass, length, runs = 0.01, 60, 1_500
    found = 0
    for _ in range(runs):
        calls: list[Call] = [_good("t", 0, 0)]
        for i in range(1, length):
            calls.append(calls[-1] if rng.random() < loops.NULL else _good("t", i, i))
        found += len(_crossed(calls, mass))
    bound = mass * length * runs
    assert found <= bound + 3.0 * bound**0.5


def test_evidence_stays_bounded_and_a_run_that_goes_on_is_free_again() -> None:
    loop = Loop()
    for _ in range(10_000):
        loops.step(loop, "t", 1, 1, False, MASS)
    assert loops.value(loop) <= loops.HIGHEST
    for i in range(2, 60):
        loops.step(loop, "t", i, i, False, MASS)
    assert loops.value(loop) == 1.0
    assert loop.repeats == 0


@pytest.mark.parametrize("turn", [2, 3, 4])
def test_a_saved_loop_goes_on_where_it_was(turn: int) -> None:
    calls = [_good("search", i % turn, i % turn) for i in range(20)]
    for cut in range(len(calls)):
        loop = Loop()
        found = [loops.step(loop, *call, MASS) for call in calls[:cut]]
        loop = loop_of(msgspec.msgpack.decode(msgspec.msgpack.encode(state_of_loop(loop)), type=LoopState))
        found += [loops.step(loop, *call, MASS) for call in calls[cut:]]
        assert [i for i, crossed in enumerate(found) if crossed] == _crossed(calls)


def test_a_loop_of_the_version_before_goes_on() -> None:
    written = msgspec.msgpack.encode([["t", 1, 1], None, None, 30.0, 1.0, 1.0, 1, True, False])
    loop = loop_of(msgspec.msgpack.decode(written, type=LoopState))
    assert (loop.again, loop.third, loop.fours, loop.cycle) == (30.0, None, 0, 1.0)
    assert sum(loops.step(loop, "t", 1, 1, False, MASS) for _ in range(8)) == 1
