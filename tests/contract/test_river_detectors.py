"""What every detector of river's owes as the monitor uses it, and what river's own code is known to do.

One suite over all methods: fed again they are the same, they hold a bounded number of values, they find a change where
they found it before. The last part nails down defects of river's: if one of these tests fails, river has changed, and
what the docs and `detectors.river_detectors` say of it must change as well.
"""

from __future__ import annotations

import ast
import random
from pathlib import Path
from typing import Any

import pytest
from river import anomaly, drift

from detectors import registry, river_detectors
from detectors.registry import KEPT, METHODS, Method
from detectors.river_detectors import Forest, Watch, packed, unpacked

EVERY = pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
SMALL = {"river.drift.KSWIN": {"window_size": 60, "stat_size": 20}}
"""Parameters where the defaults are too slow for a test."""

ROOT = Path(__file__).resolve().parents[2]


def _failures(seed: int, *parts: tuple[int, float]) -> list[float]:
    rng = random.Random(seed)
    return [float(rng.random() < rate) for runs, rate in parts for _ in range(runs)]


def _numbers(seed: int, *parts: tuple[int, float]) -> list[float]:
    rng = random.Random(seed)
    return [rng.lognormvariate(middle, 0.5) for runs, middle in parts for _ in range(runs)]


def _stream(method: Method, seed: int) -> list[float]:
    short = method.name.endswith("KSWIN")
    if method.takes == "numbers":
        return _numbers(seed, (150 if short else 1_500, 0.0), (150 if short else 1_500, 1.0))
    return _failures(seed, (1_500, 0.1), (1_500, 0.5), (1_500, 0.1))


def _alarms(watch: Watch, values: list[float]) -> list[int]:
    return [i for i, x in enumerate(values) if watch.update(x) is not None]


@EVERY
def test_fed_again_it_goes_on_as_it_would_have(method: Method) -> None:
    """At any point: the values that are held, through bytes and back, make a watch that says the same from there on."""
    parameters = SMALL.get(method.name, {})
    values = _stream(method, 3)
    live = Watch(method, parameters)
    for i, x in enumerate(values[:-40]):
        live.update(x)
        if i % 467 == 0 or i in (2 * KEPT - 1, 2 * KEPT, 2 * KEPT + 1):
            again = Watch(method, parameters, unpacked(packed(live.values)))
            twin = Watch(method, parameters, live.values.copy())
            rest = values[i + 1 : i + 41]
            assert _alarms(again, rest) == _alarms(twin, rest)
    restored = Watch(method, parameters, unpacked(packed(live.values)))
    assert _alarms(restored, values[-40:]) == _alarms(live, values[-40:])
    assert restored.values == live.values


@EVERY
def test_a_restart_at_every_tenth_run_changes_no_alarm(method: Method) -> None:
    parameters = SMALL.get(method.name, {})
    values = _stream(method, 5)
    plain = _alarms(Watch(method, parameters), values)
    watch, found = Watch(method, parameters), []
    for i, x in enumerate(values):
        if i % (211 if len(values) > 1_000 else 10) == 0:
            watch = Watch(method, parameters, unpacked(packed(watch.values)))
        if watch.update(x) is not None:
            found.append(i)
    assert found == plain
    assert found, "a stream on which nothing is found proves nothing"


@EVERY
def test_what_is_held_is_bounded(method: Method) -> None:
    parameters = SMALL.get(method.name, {})
    watch = Watch(method, parameters)
    most = 0
    for _ in range(300 if method.kept else 2 * KEPT + 500):
        watch.update(0.0)
        most = max(most, len(watch.values))
    assert most <= 2 * watch.kept <= 2 * KEPT


GOLDEN: dict[str, list[int]] = {
    "river.drift.ADWIN": [1535],
    "river.drift.KSWIN": [155],
    "river.drift.PageHinkley": [1514, 2343, 2728],
    "river.drift.DummyDriftDetector": [299, 599, 899, 1199, 1499, 1799, 2099, 2399, 2699, 2999],
    "river.drift.binary.DDM": [1578],
    "river.drift.binary.EDDM": [377, 673, 988, 1237, 1536, 1602, 1804],
    "river.drift.binary.FHDDM": [1571],
    "river.drift.binary.HDDMA": [1537],
    "river.drift.binary.HDDMW": [1548],
}
"""Method → runs at which it speaks on its stream of seed 7. The mean changes at 1,500 (KSWIN: 150), for binary ones up
at 1,500 and down at 3,000."""


@EVERY
def test_it_finds_what_it_found_before(method: Method) -> None:
    assert _alarms(Watch(method, {}), _stream(method, 7)) == GOLDEN[method.name]


@EVERY
def test_parameters_that_are_named_are_rivers_own(method: Method) -> None:
    """Each parameter exists there, and its range holds river's default."""
    group, name = method.name.split(".")[-2:]
    made: Any = getattr(drift.binary if group == "binary" else drift, name)()
    for parameter, form in method.parameters.items():
        default = getattr(made, parameter)
        assert default is None or form.takes(default), (parameter, default)


@EVERY
def test_the_defaults_can_be_built_and_every_edge_of_a_range_is_survived(method: Method) -> None:
    """River's core panics on some numbers; none of those is in a range."""
    assert river_detectors.problem(method, {}) is None
    if method.kept:
        return
    for name, form in method.parameters.items():
        if form.kind in ("whole", "number"):
            for edge in (form.low, form.high):
                value = int(edge) if form.kind == "whole" else edge
                found = river_detectors.problem(method, {name: value})
                assert found is None or found[0] == name


@pytest.mark.parametrize("family", registry.FAMILIES, ids=lambda family: family.name)
def test_a_family_names_a_module_that_says_what_it_is(family: registry.Family) -> None:
    place = ROOT / family.module.replace(".", "/")
    source = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    assert ast.get_docstring(ast.parse(source.read_text()))
    assert family.microseconds > 0.0


def test_nothing_is_said_to_be_proved_of_what_is_rivers() -> None:
    assert {family.proved for family in registry.FAMILIES if family.module == "detectors.river_detectors"} == {
        "nothing"
    }


def test_a_stream_that_does_not_change_is_always_the_same() -> None:
    """Counted twice it is the same count, which can be told to a user and does not depend on the machine."""
    ddm = registry.method("river.drift.binary.DDM")
    assert ddm is not None
    first = river_detectors.calibrate_failures(ddm, {}, 0.05, 20_000)
    assert first == river_detectors.calibrate_failures(ddm, {}, 0.05, 20_000) == (20_000, 7)


# the trees


def _vectors(seed: int, n: int) -> list[list[float]]:
    rng = random.Random(seed)
    return [[rng.lognormvariate(0.0, 0.5), float(rng.randint(3, 8)), 7.0] for _ in range(n)]


def test_frozen_trees_score_the_same_whatever_was_scored_before() -> None:
    forest, other = Forest(_vectors(1, 500)), Forest(_vectors(1, 500))
    for vector in _vectors(2, 200):
        forest.score(vector)
    assert [forest.score(vector) for vector in _vectors(3, 50)] == [other.score(vector) for vector in _vectors(3, 50)]


def test_a_run_like_the_learned_ones_is_usual_and_one_far_from_them_is_not() -> None:
    forest = Forest(_vectors(1, 500))
    usual = [forest.score(vector) for vector in _vectors(2, 500)]
    assert sum(forest.unusual(vector) for vector in _vectors(2, 500)) < 75
    assert forest.unusual([40.0, 90.0, 7.0])
    assert forest.score([40.0, 90.0, 7.0]) > sorted(usual)[475]


def test_the_scores_of_the_trees_are_those_of_before() -> None:
    forest = Forest(_vectors(1, 500))
    assert [round(forest.score(vector), 6) for vector in _vectors(4, 4)] == [0.913856, 0.908198, 0.962111, 0.946808]


# defects of river's, 0.26.1


def test_fhddm_fires_when_ones_get_fewer_though_its_documentation_says_one_is_an_error() -> None:
    worse = [int(x) for x in _failures(1, (600, 0.1), (600, 0.9))]
    as_documented, inverted = drift.binary.FHDDM(), drift.binary.FHDDM()
    alarms = [0, 0]
    for x in worse:
        as_documented.update(x)
        inverted.update(1 - x)
        alarms[0] += as_documented.drift_detected
        alarms[1] += inverted.drift_detected
    assert alarms == [0, 1]


@EVERY
def test_after_an_alarm_river_resets_at_the_next_update(method: Method) -> None:
    """So a new detector after an alarm, which is what `Watch` makes, is what river has one update later."""
    if method.name.endswith("DummyDriftDetector"):
        return  # it counts on; a new one counts from zero, which is the same
    parameters = {"seed": 0} if method.seeded else {}
    group, name = method.name.split(".")[-2:]
    made = getattr(drift.binary if group == "binary" else drift, name)
    kept: Any = made(**parameters)
    values = [x if method.takes == "numbers" else int(bool(x) != method.inverted) for x in _stream(method, 7)]
    fresh: Any = None
    after = 0
    for x in values:
        kept.update(x)
        if fresh is not None:
            fresh.update(x)
            after += 1
            assert fresh.drift_detected == kept.drift_detected
        if kept.drift_detected and fresh is None:
            fresh = made(**parameters)
    assert after > 20


def test_kswin_forgets_the_window_that_it_kept_after_a_drift() -> None:
    detector = drift.KSWIN(seed=0)
    for x in _numbers(1, (150, 0.0), (150, 2.0)):
        detector.update(x)
        if detector.drift_detected:
            break
    assert len(detector.window) == 30
    detector.update(1.0)
    assert len(detector.window) == 1


def test_page_hinkley_alarms_as_soon_as_it_may_on_milliseconds() -> None:
    """Its threshold is in units of the signal, so a latency in milliseconds is always a drift."""
    detector, rng = drift.PageHinkley(), random.Random(2)
    found = []
    for i, x in enumerate(rng.lognormvariate(7.0, 0.6) for _ in range(200)):
        detector.update(x)
        if detector.drift_detected:
            found.append(i)
    assert found[0] == 29
    assert len(found) >= 4


def test_the_drift_package_lists_a_class_that_it_does_not_have() -> None:
    assert "PeriodicTrigger" in drift.__all__
    assert not hasattr(drift, "PeriodicTrigger")


def test_adwin_panics_outside_of_pythons_exceptions_on_a_clock_of_zero() -> None:
    """Why ranges are checked before a detector is built: this is no `Exception`, so nobody catches it."""
    detector = drift.ADWIN(clock=0)
    with pytest.raises(BaseException, match="remainder") as caught:
        detector.update(1)
    assert not isinstance(caught.value, Exception)


def test_ddm_hardly_obeys_its_threshold() -> None:
    """False alarms on a stream that does not change: more than twice the threshold, and they are still there."""
    ddm = registry.method("river.drift.binary.DDM")
    assert ddm is not None
    default = river_detectors.calibrate_failures(ddm, {}, 0.02, 60_000)
    high = river_detectors.calibrate_failures(ddm, {"drift_threshold": 7.0}, 0.02, 60_000)
    assert default.alarms > high.alarms > 0


def test_half_space_trees_learn_and_score_apart() -> None:
    """What freezing rests on: scoring alone changes no mass."""
    trees: Any = anomaly.HalfSpaceTrees(n_trees=3, height=4, window_size=50, seed=0)
    rng = random.Random(1)
    for _ in range(50):
        trees.learn_one({0: rng.random()})
    before = [node.r_mass for tree in trees.trees for node in tree.iter_dfs()]
    for _ in range(50):
        trees.score_one({0: rng.random()})
    assert [node.r_mass for tree in trees.trees for node in tree.iter_dfs()] == before
