"""What our node is measured against: the optimal CUSUM, and river's detectors.

CUSUM knows the rates before and after. PageHinkley, DDM and HDDM_A are written over lanes for speed and held equal to
river's own, alarm for alarm, by `tests/unit/test_detectors_contestants.py`; KSWIN is river's in law; ADWIN is river
itself. A lane's
setting may differ from the next one's, so that one simulation calibrates several.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from river import drift

from benchmarks.detection.lanes import Flags, Floats, Lanes


class Contestant(Protocol):
    """Streams of failures in, one observation per lane and step; which lanes alarm. An alarm starts a lane anew."""

    def step(self, y: Floats) -> Flags:
        """One observation in every lane."""
        ...


Make = Callable[[int, Any], Contestant]
"""Lanes, and the setting of each (or one for all), to a contestant."""


class Cusum:
    """Page's CUSUM of the log likelihood ratio: optimal where both rates are known (Moustakides 1986)."""

    def __init__(self, width: int, before: float, after: float, threshold: Any) -> None:
        self.bad = math.log(after / before)
        self.good = math.log((1.0 - after) / (1.0 - before))
        self.threshold = threshold
        self.sum = np.zeros(width)

    def step(self, y: Floats) -> Flags:
        """One observation in every lane."""
        self.sum = np.maximum(self.sum, 0.0) + np.where(y > 0.0, self.bad, self.good)
        alarms = self.sum >= self.threshold
        self.sum[alarms] = 0.0
        return alarms


class _Means:
    """`river.stats.Mean` per lane."""

    def __init__(self, width: int) -> None:
        self.n = np.zeros(width)
        self.mean = np.zeros(width)

    def update(self, y: Floats) -> None:
        self.n += 1.0
        self.mean = self.mean + (1.0 / self.n) * (y - self.mean)

    def clear(self, lanes: Flags) -> None:
        self.n[lanes] = 0.0
        self.mean[lanes] = 0.0


class PageHinkley:
    """river.drift.PageHinkley, both directions; the setting is `threshold`."""

    def __init__(self, width: int, threshold: Any, delta: float = 0.005, alpha: float = 0.9999) -> None:
        self.threshold, self.delta, self.alpha = threshold, delta, alpha
        self.x = _Means(width)
        self.up = np.zeros(width)
        self.down = np.zeros(width)
        self.lowest = np.full(width, np.inf)
        self.highest = np.full(width, -1.0)

    def step(self, y: Floats) -> Flags:
        """One observation in every lane."""
        self.x.update(y)
        gap = y - self.x.mean
        self.up = self.alpha * self.up + gap - self.delta
        self.down = self.alpha * self.down + gap + self.delta
        self.lowest = np.minimum(self.lowest, self.up)
        self.highest = np.maximum(self.highest, self.down)
        alarms = (self.x.n >= 30) & (
            (self.up - self.lowest > self.threshold) | (self.highest - self.down > self.threshold)
        )
        if alarms.any():
            self.x.clear(alarms)
            self.up[alarms] = self.down[alarms] = 0.0
            self.lowest[alarms] = np.inf
            self.highest[alarms] = -1.0
        return alarms


class Ddm:
    """river.drift.binary.DDM; the setting is `drift_threshold`."""

    def __init__(self, width: int, threshold: Any) -> None:
        self.threshold = threshold
        self.x = _Means(width)
        self.p = np.zeros(width)
        self.s = np.zeros(width)
        self.least = np.full(width, np.inf)

    def step(self, y: Floats) -> Flags:
        """One observation in every lane."""
        self.x.update(y)
        p = self.x.mean
        s = np.sqrt(p * (1.0 - p) / self.x.n)
        warm = self.x.n > 30
        lower = warm & (p + s <= self.least)
        self.p = np.where(lower, p, self.p)
        self.s = np.where(lower, s, self.s)
        self.least = np.where(lower, self.p + self.s, self.least)
        alarms = warm & (p + s > self.p + self.threshold * self.s)
        if alarms.any():
            self.x.clear(alarms)
            self.least[alarms] = np.inf
        return alarms


class HddmA:
    """river.drift.binary.HDDMA, one-sided as by default; the setting is `drift_confidence`."""

    def __init__(self, width: int, confidence: Any) -> None:
        self.bound = np.log(1.0 / np.asarray(confidence, dtype=float))
        self.test = np.log(2.0 / np.asarray(confidence, dtype=float))
        self.z = _Means(width)
        self.n = np.zeros(width)
        self.mean = np.zeros(width)

    def step(self, y: Floats) -> Flags:
        """One observation in every lane."""
        z = self.z
        z.update(y)
        fresh = self.n == 0.0
        n = np.where(fresh, z.n, self.n)
        mean = np.where(fresh, z.mean, self.mean)
        cut = mean + np.sqrt(1.0 / (2.0 * n) * self.bound) >= z.mean + np.sqrt(1.0 / (2.0 * z.n) * self.bound)
        n = self.n = np.where(cut, z.n, n)
        mean = self.mean = np.where(cut, z.mean, mean)
        m = (z.n - n) / n * (1.0 / z.n)
        alarms = (n != z.n) & (z.mean - mean >= np.sqrt(m / 2.0 * self.test))
        if alarms.any():
            z.clear(alarms)
            self.n[alarms] = 0.0
        return alarms


class Kswin:
    """river.drift.KSWIN on zeros and ones: two samples of 30 differ by enough; the setting is by how many ones.

    The Kolmogorov-Smirnov test of such samples depends on nothing else; 14 is the default `alpha` of 0.005. The older
    sample is drawn by a generator of its own, so that alarms are river's in law, not one by one.
    """

    WINDOW, SAMPLE = 100, 30

    def __init__(self, width: int, least: Any) -> None:
        self.least = least
        self.seen = np.zeros((self.WINDOW, width))
        self.at = 0
        self.n = np.zeros(width)
        self.recent = np.zeros(width)
        self.older = np.zeros(width)
        self.rng = np.random.default_rng(5)

    def step(self, y: Floats) -> Flags:
        """One observation in every lane."""
        rows, at = self.seen, self.at
        leaving = rows[(at - self.SAMPLE) % self.WINDOW]
        self.older = self.older + leaving - rows[at]
        self.recent = self.recent + y - leaving
        rows[at] = y
        self.at = (at + 1) % self.WINDOW
        self.n += 1.0
        ones = self.older.astype(np.int64)
        drawn = self.rng.hypergeometric(ones, self.WINDOW - self.SAMPLE - ones, self.SAMPLE)
        alarms = (self.n >= self.WINDOW) & (np.abs(drawn - self.recent) >= self.least)
        if alarms.any():
            self.n[alarms] = 0.0  # river means to keep the latest ones, and forgets them at the next update
        return alarms


class Rivers:
    """Detectors of river itself, one per lane."""

    def __init__(self, width: int, make: Callable[[Any], Any], settings: Any) -> None:
        each = np.broadcast_to(np.asarray(settings, dtype=float), (width,))
        self.detectors = [make(float(setting)) for setting in each]

    def step(self, y: Floats) -> Flags:
        """One observation in every lane."""
        found = []
        for detector, value in zip(self.detectors, y.tolist(), strict=True):
            detector.update(int(value))
            found.append(detector.drift_detected)
        return np.array(found, dtype=bool)


def ours(tolerance: float, declared: float | None) -> Make:
    """Our node; the setting is the drip per run, the reciprocal of the ARL that is guaranteed."""
    return lambda width, drip: Lanes(width, "odds", tolerance, drip, declared)


def cusum(before: float, after: float) -> Make:
    """The optimal CUSUM; the setting is its threshold in nats."""
    return lambda width, threshold: Cusum(width, before, after, threshold)


def adwin(clock: int) -> Make:
    """river.drift.ADWIN; the setting is `delta`."""
    return lambda width, delta: Rivers(width, lambda one: drift.ADWIN(delta=one, clock=clock), delta)
