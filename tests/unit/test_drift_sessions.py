"""Runs of one session are about one thing: how much each is worth, and what a healthy agent of sessions is spared."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import msgspec
import numpy as np
import pytest

from detectors.drift import Bank, Channel, Plan, Signal
from monitor.drift.banks.sessions import APART, MOST, take, teaches
from monitor.drift.banks.slots import Sessions
from monitor.engine import Engine
from schemas.config import Config
from schemas.finding import Finding
from tests.doubles import drift_log
from tests.doubles.drift_log import GAP, KINDS, Work, answer
from tests.doubles.fleet_log import START, log

CONFIG = Config.model_validate({"owners": {"one": {}}})
RUNS = 2_600
AT = 2_200


def _each(length: int, runs: int = 600) -> Iterator[str]:
    return (f"s{number // length}" for number in range(runs))


def _mixed(sessions: int, length: int, runs: int = 600) -> Iterator[str]:
    """So many sessions at a time, each of `length` runs, in any order."""
    rng, left, number = random.Random(5), dict[str, int](), 0
    for _ in range(runs):
        while len(left) < sessions:
            left[f"s{number}"] = length
            number += 1
        name = rng.choice(sorted(left))
        left[name] -= 1
        if not left[name]:
            del left[name]
        yield name


WORTH: list[tuple[Iterator[str | None], int, str]] = [
    (iter([None] * 600), 0, "runs without a session"),
    (_each(1), 0, "a session for each run"),
    (_each(2), 1, "two runs each"),
    (_each(5), 2, "five runs each: four is the nearest power of two"),
    (_each(40), MOST, "long ones"),
    (_mixed(12, 6), 3, "twelve users at a time, six runs each"),
    (iter(["process-1"] * 600), 0, "one session for everything says nothing"),
]


@pytest.mark.parametrize(("sessions", "roots", "why"), WORTH, ids=[row[2] for row in WORTH])
def test_what_a_run_is_worth(sessions: Iterator[str | None], roots: int, why: str) -> None:
    known = Sessions(latest={})
    latest = [take(known, session) for session in sessions][-60:]
    assert sorted(latest)[30] == roots, why


def test_a_run_is_worth_what_was_usual_before_it() -> None:
    """Else the bet would know the run; so the first ones count in full."""
    known = Sessions(latest={})
    assert [take(known, session) for session in _each(4, APART)][:10] == [0] * 10


def test_a_restart_changes_nothing() -> None:
    whole, sessions = Sessions(latest={}), list(_mixed(9, 4))
    for session in sessions[:300]:
        take(whole, session)
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(whole), type=Sessions)
    assert [take(whole, session) for session in sessions[300:]] == [take(again, session) for session in sessions[300:]]


@pytest.mark.parametrize("roots", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("turns", [1, 2, 3, 4, 8])
def test_each_turn_of_a_session_is_learned_from_alike(roots: int, turns: int) -> None:
    taught = [number % turns for number in range(24_000) if teaches(number, roots)]
    part = 24_000 / turns / 2**roots
    assert all(0.9 * part < taught.count(turn) < 1.1 * part for turn in range(turns))


@pytest.mark.parametrize("roots", [1, 3])
def test_a_run_that_is_worth_less_moves_the_evidence_by_a_root(roots: int) -> None:
    def moved(roots: int) -> np.ndarray:
        bank = Bank(Plan((Channel("length", "shape", "number"),), (Signal("shape", 1.0, 1.0),)))
        rng = random.Random(2)
        for number in range(300):
            bank.observe([rng.random()], f"r{number}", float(number))
        before = np.full(bank.accounts.size, 1e-3)
        bank.accounts.restore(before, before)
        bank.observe([2.0], "new", 300.0, roots=roots)
        return np.array(bank.accounts.page) / before

    whole = moved(0)
    assert whole.max() > 1.5 and whole.min() < 0.9
    assert moved(roots) ** (2**roots) == pytest.approx(whole)


def _in_sessions(kept: bool, change: bool) -> Callable[[int, Work], Work]:
    """Each session is about one of four things, or each run is, in sessions of their own."""
    rng, left, session, kind = random.Random(8), 0, 0, ""

    def work(number: int, usual: Work) -> Work:
        nonlocal left, session, kind
        if left <= 0 or not kept:
            kind, left, session = rng.choice(KINDS), rng.choice((1, 2, 4, 8, 12)), session + 1
        left -= 1
        said = answer(rng, "page" if change and number >= AT else kind)
        return usual.changed(output=said, session=f"s{session}" if kept else None)

    return work


def _told(kept: bool, change: bool, serial: bool = True, sessions: bool = True) -> list[Finding]:
    """`serial`, `sessions`: see `drift_log.told`."""
    entries = log(drift_log.events(drift_log.stream(RUNS, _in_sessions(kept, change))))
    findings = drift_log.told(Engine(CONFIG), entries, serial, sessions)
    return [one for one in findings if one.status == "firing" and one.signal == "run.output_shape"]


def test_healthy_sessions_are_no_change() -> None:
    assert not _told(True, False)


def test_taken_as_drawn_apart_they_would_be() -> None:
    """Else the test above shows nothing. Without their names, runs that come alike in a row are seen as such."""
    assert len([one for one in _told(True, False, sessions=False) if one.mode == "page"]) == 0
    assert len([one for one in _told(True, False, serial=False, sessions=False) if one.mode == "page"]) > 2


@pytest.mark.parametrize("kept", [True, False], ids=["in sessions", "run by run"])
def test_a_change_is_found_all_the_same(kept: bool) -> None:
    told = _told(kept, True)
    assert told and told[0].time >= START + AT * GAP
    page = next(one for one in told if one.mode == "page")
    assert page.time < START + (AT + (60 if kept else 20)) * GAP


def test_a_question_and_its_follow_up_are_both_normal() -> None:
    """Every second answer is another; were only the first ones learned, each second one would be a change."""

    def work(number: int, usual: Work) -> Work:
        text = f"It comes on day {number * 7_919 % 90_001}"
        return usual.changed(
            output=f"{text}. {text}!" if number % 2 else f'{{"a": "{text}"}}', session=f"s{number // 2}"
        )

    findings = Engine(CONFIG).step(log(drift_log.events(drift_log.stream(1_500, work)))).findings
    assert not [one for one in findings if one.signal == "run.output_shape"]
