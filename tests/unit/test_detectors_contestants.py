"""What the benchmarks say of river's detectors is what river's detectors do, alarm for alarm."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from river import drift

from benchmarks.detection import contestants
from benchmarks.detection.contestants import Contestant

WIDTH = 8
STEPS = 4_000


@pytest.mark.parametrize(
    ("make", "original"),
    [
        (lambda: contestants.PageHinkley(WIDTH, 8.0), lambda: drift.PageHinkley(threshold=8.0)),
        (lambda: contestants.PageHinkley(WIDTH, 50.0), drift.PageHinkley),
        (lambda: contestants.Ddm(WIDTH, 3.0), drift.binary.DDM),
        (lambda: contestants.Ddm(WIDTH, 5.0), lambda: drift.binary.DDM(drift_threshold=5.0)),
        (lambda: contestants.HddmA(WIDTH, 0.001), drift.binary.HDDMA),
        (lambda: contestants.HddmA(WIDTH, 0.2), lambda: drift.binary.HDDMA(drift_confidence=0.2)),
    ],
)
def test_lanes_alarm_when_rivers_own_detector_does(make: Callable[[], Contestant], original: Callable[[], Any]) -> None:
    rng = random.Random(4)
    lanes, singles = make(), [original() for _ in range(WIDTH)]
    rates = [0.02, 0.05, 0.1, 0.1, 0.2, 0.3, 0.5, 0.02]
    found = 0
    for i in range(STEPS):
        y = [float(rng.random() < min(rate * (3.0 if i > STEPS // 2 else 1.0), 0.99)) for rate in rates]
        expected = []
        for single, one in zip(singles, y, strict=True):
            single.update(int(one))
            expected.append(bool(single.drift_detected))
        assert lanes.step(np.array(y)).tolist() == expected, f"run {i}"
        found += sum(expected)
    assert found > 0


def test_cusum_is_the_sum_of_log_likelihood_ratios_above_its_lowest() -> None:
    rng = random.Random(5)
    cusum = contestants.Cusum(1, 0.05, 0.15, 4.0)
    total = 0.0
    for i in range(20_000):
        y = rng.random() < 0.06
        total = max(total, 0.0) + math.log(0.15 / 0.05 if y else 0.85 / 0.95)
        expected = total >= 4.0
        assert cusum.step(np.array([float(y)])).tolist() == [expected], f"run {i}"
        total = 0.0 if expected else total


@pytest.mark.parametrize(("alpha", "least"), [(0.005, 14), (0.05, 11), (0.3, 8)])
def test_kswin_alarms_by_the_difference_of_two_counts_alone(alpha: float, least: int) -> None:
    """river's test on samples of zeros and ones: it alarms from a certain difference on, whatever the counts are."""
    for older in (0, 3, 15):
        for recent in range(max(older - 1, 0), 31, 2):
            detector = drift.KSWIN(alpha=alpha, seed=1, window=[1] * older + [0] * (30 - older))
            detector.window_size, detector.stat_size = 60, 30  # the whole of the older half is the sample
            detector.window = detector.window.__class__([1] * older + [0] * (30 - older) + [0] * 29, maxlen=60)
            for i in range(29):
                detector.window[30 + i] = int(i < recent)
            detector.update(int(recent == 30))
            assert detector.drift_detected is (abs(older - recent) >= least), (older, recent)


def test_kswin_over_lanes_counts_its_two_samples_right() -> None:
    rng = random.Random(6)
    lanes = contestants.Kswin(1, 99)
    seen: list[float] = []
    for i in range(400):
        y = float(rng.random() < 0.4)
        seen.append(y)
        lanes.step(np.array([y]))
        if i >= 99:
            assert lanes.recent.tolist() == [sum(seen[-30:])]
            assert lanes.older.tolist() == [sum(seen[-100:-30])]
