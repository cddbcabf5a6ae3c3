"""Runs that come alike in a row and have no session: what each is worth, and what a healthy agent is spared."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

import pytest

from detectors.drift.channels import Value
from monitor import views
from monitor.drift.banks import serial
from monitor.drift.banks.recent import RING
from monitor.engine import Engine
from schemas.config import Config
from schemas.finding import Finding
from tests.doubles import drift_log
from tests.doubles.drift_log import GAP, KINDS, Work, answer
from tests.doubles.fleet_log import START, log

CONFIG = Config.model_validate({"owners": {"one": {}}})
RUNS = 2_600
AT = 2_200


def _blocks(mean: float, seed: int, runs: int = RING) -> list[str]:
    """Work of a kind for `mean` runs on average, then of another."""
    rng, kind, found = random.Random(seed), "json", []
    for _ in range(runs):
        if rng.random() < 1.0 / mean:
            kind = rng.choice([one for one in KINDS if one != kind])
        found.append(kind)
    return found


def _roots(mean: float, how: Callable[[random.Random, str], Value]) -> list[int]:
    """Of forty stretches, with 20 channels beside the one in question that hang on nothing."""
    found = []
    for seed in range(40):
        rng = random.Random(seed)
        others: list[list[Value]] = [[rng.random(), rng.choice(KINDS), None] * 7 for _ in range(RING)]
        runs = [[*other, how(rng, kind)] for other, kind in zip(others, _blocks(mean, seed), strict=True)]
        found.append(serial.look(runs))
    return sorted(found)


def _category(_: random.Random, kind: str) -> Value:
    return kind


def _number(rng: random.Random, kind: str) -> Value:
    return 10.0 ** KINDS.index(kind) * rng.uniform(0.5, 2.0)


def _tools(rng: random.Random, kind: str) -> Value:
    return {kind: 1.0, **({"log": 1.0} if rng.random() < 0.1 else {})}


@pytest.mark.parametrize(
    ("mean", "how", "least", "most"),
    [
        (1.0, _category, 0, 0),
        (1.0, _number, 0, 0),
        (1.0, _tools, 0, 0),
        (5.0, _category, 1, 3),
        (5.0, _number, 1, 3),
        (5.0, _tools, 1, 3),
        (8.0, _category, 1, 3),
        (8.0, _number, 1, 3),
        (8.0, _tools, 1, 3),
        (12.0, _category, 2, 4),
        (12.0, _tools, 2, 4),
    ],
)
def test_what_a_run_is_worth(mean: float, how: Callable[[random.Random, str], Value], least: int, most: int) -> None:
    assert least <= _roots(mean, how)[20] <= most


def test_runs_that_are_drawn_apart_are_worth_one_each() -> None:
    """A thousand stretches of a hundred channels."""
    rng, wrong = random.Random(3), 0
    for _ in range(1_000):
        weights = [rng.choice([(1, 1, 1, 1), (8, 1, 1, 0), (5, 5, 0, 0), (97, 1, 1, 1)]) for _ in range(100)]
        columns = [rng.choices(KINDS, each, k=RING) for each in weights]
        wrong += serial.look([list(row) for row in zip(*columns, strict=True)]) > 0
    assert wrong <= 2


def test_what_is_rare_or_seldom_said_shows_nothing() -> None:
    rare: list[list[Value]] = [["usual"]] * 40 + [["odd"]] * 5 + [["usual"]] * (RING - 45)
    silent: list[list[Value]] = [[kind] if at % 2 else [None] for at, kind in enumerate(_blocks(8.0, 1))]
    assert serial.look(rare) == serial.look(silent) == 0


@pytest.mark.parametrize("at", range(4, RING - 3, 5))
def test_one_change_for_good_does_not_make_it_deaf(at: int) -> None:
    rng = random.Random(at)
    clean: list[list[Value]] = [["before" if number < at else "after"] for number in range(RING)]
    noisy: list[list[Value]] = [[rng.gauss(0.0 if number < at else 3.0, 1.0)] for number in range(RING)]
    assert serial.look(clean) == serial.look(noisy) == 0


def test_a_stretch_that_looks_so_alone_counts_for_nothing() -> None:
    alike: list[list[Value]] = [[kind] for kind in _blocks(6.0, 2)]
    apart: list[list[Value]] = [[kind] for kind in _blocks(1.0, 2)]
    found: list[int] = []
    for runs in (apart, apart, alike, *[apart] * (serial.WINDOWS - 1), alike):
        found = serial.followed(found, serial.look(runs))
        assert len(found) <= serial.WINDOWS
        assert serial.second(found) == 0
    assert serial.second(serial.followed(found, serial.look(alike))) == serial.look(alike) > 0


def test_when_it_is_looked() -> None:
    looked = [number for number in range(1, 2_000) if serial.is_due(number, RING)]
    assert looked == [64, 128, 192, 256, 320, 512, 1024, 1536]


def _in_blocks(change: bool) -> Callable[[int, Work], Work]:
    """Each stretch of some five runs is about one of four things."""
    rng, kind = random.Random(8), "json"

    def work(number: int, usual: Work) -> Work:
        nonlocal kind
        if rng.random() < 0.2:
            kind = rng.choice(KINDS)
        return usual.changed(output=answer(rng, "page" if change and number >= AT else kind))

    return work


def _told(change: bool, seen: bool = True) -> list[Finding]:
    found = drift_log.told(Engine(CONFIG), log(drift_log.events(drift_log.stream(RUNS, _in_blocks(change)))), seen)
    return [one for one in found if one.status == "firing" and one.signal == "run.output_shape"]


def test_healthy_stretches_are_no_change() -> None:
    assert not [one for one in _told(False) if one.mode == "page"]


def test_taken_as_drawn_apart_they_would_be() -> None:
    """Else the test above shows nothing."""
    assert len([one for one in _told(False, seen=False) if one.mode == "page"]) > 2


def test_a_change_is_found_all_the_same() -> None:
    told = _told(True)
    page = next(one for one in told if one.mode == "page")
    assert START + AT * GAP <= page.time < START + (AT + 100) * GAP


@pytest.mark.parametrize(("runs", "state"), [(150, "warming up"), (RUNS, "healthy")])
def test_people_see_that_runs_count_together(runs: int, state: str) -> None:
    engine = Engine(CONFIG)
    engine.step(log(drift_log.events(drift_log.stream(runs, _in_blocks(False)))))
    (agent,) = engine.partition.agents
    (shape,) = [one for one in views.signals(engine.partition, agent) if one.signal == "run.output_shape"]
    assert shape.state == state
    found = re.fullmatch(r"runs in a row are alike: as news, (2|4|8|16) count as one", shape.note)
    assert found is not None
    if state == "warming up":
        assert shape.waiting_for.endswith(f"of 200 runs seen, one in {found[1]} counts")
