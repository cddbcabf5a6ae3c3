"""River's drift detectors and its HalfSpaceTrees, as the monitor uses them. The only importer of river.

River takes seconds and a hundred megabytes to import, so it is imported when the first detector is built: who names
none in the YAML pays nothing.

A detector of river's cannot be saved as data. `Watch` therefore keeps the values that it was fed, and its state is by
definition what a new detector is in after being fed them. So that they stay few, a watch that holds twice `KEPT` begins
anew with the last `KEPT`, live as after a restore: saved and loaded at any point, it goes on bit for bit as it would
have. What a detector says while it is fed again was said before, or never, and is not said.

Nothing is proved about the false alarms of these detectors; `calibrate` counts them on a stream that does not change.
"""

from __future__ import annotations

import hashlib
import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from statistics import NormalDist
from typing import Any, NamedTuple, Protocol

import numpy as np

from detectors.registry import KEPT, Method

Parameters = Mapping[str, Any]
TRIED = 300
"""Values that parameters are tried on when a configuration is read."""
REASON_LENGTH = 200
"""Characters of what river says of a wrong parameter."""
RATES = (0.01, 0.05, 0.2)
"""Failure rates on which a method is tried before any is known."""


class _Detector(Protocol):
    drift_detected: bool

    def update(self, x: float) -> None: ...


class Watch:
    """One method on one stream. `values`: what its state is made of, at most 2 * `kept` numbers."""

    def __init__(self, method: Method, parameters: Parameters, values: Sequence[float] = ()) -> None:
        self._method = method
        self._parameters = dict(parameters)
        if method.seeded:
            self._parameters.setdefault("seed", 0)
        self.kept = KEPT
        if method.kept is not None:
            detector = _build(method, self._parameters)
            self.kept = max(int(getattr(detector, method.kept)), 1)
        self._begin(list(values))

    def update(self, x: float) -> list[float] | None:
        """Take one value; all values that led to an alarm, or None. After an alarm the detector begins anew."""
        values = self.values
        values.append(x)
        self._detector.update(_fed(self._method, x))
        if self._detector.drift_detected:
            # River resets at the next update; a new detector is in that very state and does not hang on the old one.
            self._begin([])
            return values
        if len(values) >= 2 * self.kept:
            self._begin(values[-self.kept :])
        return None

    def _begin(self, values: list[float]) -> None:
        self.values = values
        self._detector = _build(self._method, self._parameters)
        for x in values:
            self._detector.update(_fed(self._method, x))


def problem(method: Method, parameters: Parameters) -> tuple[str | None, str] | None:
    """What is wrong with parameters: (its name, or None where it is several; why). They are tried, not only read."""
    for name, value in parameters.items():
        if not method.parameters[name].takes(value):
            return name, f"`{name}` must be {method.parameters[name].wants()}"
    why = _tried(method, parameters)
    if why is None:
        return None
    guilty = [name for name in parameters if _tried(method, {k: v for k, v in parameters.items() if k != name}) is None]
    return (guilty[0] if len(guilty) == 1 else None), f"river refuses: {why}"


class Calibration(NamedTuple):
    """`alarms` raised in `updates` observations of a stream that does not change."""

    updates: int
    alarms: int

    @property
    def least(self) -> float:
        """Observations per false alarm, the lower end of a one-sided 95 % interval (no alarm: updates / 3)."""
        return self.updates / _upper(self.alarms)

    def words(self) -> str:
        """What was seen, for people."""
        seen = f"{self.alarms or 'no'} false alarm{'s' if self.alarms != 1 else ''} in {self.updates:,} simulated runs"
        return f"{seen}, so at worst one per {int(self.least):,}"


def calibrate_failures(method: Method, parameters: Parameters, rate: float, updates: int) -> Calibration:
    """Count alarms on runs that fail independently with probability `rate`."""
    return _count(method, parameters, updates, lambda u: 1.0 if u < rate else 0.0)


def calibrate_numbers(method: Method, parameters: Parameters, values: Sequence[float], updates: int) -> Calibration:
    """Count alarms on values drawn from `values` with replacement; without any: from a lognormal law (0, 1)."""
    if not values:
        normal = NormalDist()
        return _count(method, parameters, updates, lambda u: math.exp(normal.inv_cdf(max(u, 1e-12))))
    n = len(values)
    return _count(method, parameters, updates, lambda u: values[min(int(u * n), n - 1)])


class Forest:
    """HalfSpaceTrees, learned on the first vectors of an epoch and frozen then: it scores and learns no more.

    A tree that learns while it scores makes its own scores dependent, and no reference for them holds. Features are
    ranks among the learned values, so units do not matter and a feature that never varied has every other value at an
    end. Restored by learning from the same vectors again.
    """

    TREES = 10
    HEIGHT = 8
    UNUSUAL = 0.95
    """A vector is unusual whose score is above this quantile of the learned ones' scores."""

    def __init__(self, vectors: Sequence[Sequence[float]]) -> None:
        from river.anomaly import HalfSpaceTrees  # seconds, and only where `run.anomaly` is on

        self._columns = [sorted(column) for column in zip(*vectors, strict=True)]
        trees: Any = HalfSpaceTrees(n_trees=self.TREES, height=self.HEIGHT, window_size=len(vectors), seed=0)
        for vector in vectors:
            trees.learn_one(self._ranks(vector))
        self._trees = trees
        scores = sorted(self.score(vector) for vector in vectors)
        self._edge = scores[int(self.UNUSUAL * (len(scores) - 1))]

    def score(self, vector: Sequence[float]) -> float:
        """In [0, 1]; high is unusual."""
        return float(self._trees.score_one(self._ranks(vector)))

    def unusual(self, vector: Sequence[float]) -> bool:
        """Whether it is less usual than 19 in 20 of what was learned."""
        return self.score(vector) > self._edge

    def _ranks(self, vector: Sequence[float]) -> dict[int, float]:
        return {
            i: (bisect_left(column, x) + bisect_right(column, x)) / (2 * len(column))
            for i, (column, x) in enumerate(zip(self._columns, vector, strict=True))
        }


def _build(method: Method, parameters: Parameters) -> _Detector:
    from river import drift  # seconds, and only where a method is named

    group, name = method.name.split(".")[-2:]
    detector: _Detector = getattr(drift.binary if group == "binary" else drift, name)(**parameters)
    return detector


def _fed(method: Method, x: float) -> float:
    """What the detector is given. FHDDM's documentation says 1 is an error, but it fires only when ones get FEWER, so
    it is fed successes."""
    if method.takes == "numbers":
        return x
    return int((x > 0.0) != method.inverted)


def _tried(method: Method, parameters: Parameters) -> str | None:
    """Why a detector with these parameters cannot be built or fed."""
    try:
        watch = Watch(method, parameters)
        for i in range(TRIED if method.kept is None else watch.kept + 1):
            watch.update(float(i % 7 == 0))
    except Exception as error:  # whatever river says of them, it is the file's fault
        return (str(error).splitlines() or [type(error).__name__])[0][:REASON_LENGTH]
    return None


def _count(method: Method, parameters: Parameters, updates: int, draw: Callable[[float], float]) -> Calibration:
    watch = Watch(method, parameters)
    alarms = 0
    for u in _uniforms(updates):
        alarms += watch.update(draw(u)) is not None
    return Calibration(updates, alarms)


def _uniforms(n: int) -> list[float]:
    """The same n numbers in [0, 1) everywhere and for ever: there is no randomness in here."""
    raw = hashlib.shake_128(b"a stream that does not change").digest(8 * n)
    found: list[float] = ((np.frombuffer(raw, dtype="<u8") >> 11) * 2.0**-53).tolist()
    return found


def _upper(alarms: int) -> float:
    """The most alarms that so few would be seen of once in twenty times (Poisson; Wilson and Hilferty's form)."""
    if alarms == 0:
        return 3.0
    k = alarms + 1.0
    return float(k * (1.0 - 1.0 / (9.0 * k) + 1.645 / (3.0 * math.sqrt(k))) ** 3)


def packed(values: Sequence[float]) -> bytes:
    """Values as bytes: eight each, or one each where all are 0 or 1."""
    if all(x in (0.0, 1.0) for x in values):
        return b"b" + bytes(int(x) for x in values)
    return b"d" + np.asarray(values, dtype="<f8").tobytes()


def unpacked(raw: bytes) -> list[float]:
    """The values of `packed`."""
    if raw[:1] == b"b":
        return [float(x) for x in raw[1:]]
    return list(array("d", np.frombuffer(raw[1:], dtype="<f8").tolist()))
