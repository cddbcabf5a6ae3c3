"""Every detector by name: what it takes, what it costs, what is proved about it.

Names only, nothing is built or imported here; river's are built in `detectors.river_detectors`. Costs are microseconds
per observation on one core, measured (river's with what `Watch` feeds again); they say which order of magnitude to
expect, not more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Takes = Literal["failures", "numbers"]
Proved = Literal["exact", "calibrated", "nothing"]
"""`exact`: T1 holds for declared references. `calibrated`: by simulation. `nothing`: false alarms are not bounded."""

KEPT = 1_000
"""Values that a detector of river's is begun anew with. It holds at most twice as many; see `Watch`."""


@dataclass(frozen=True)
class Family:
    """One of our own detectors. `module` holds its formula."""

    name: str
    module: str
    takes: str
    microseconds: float
    proved: Proved


@dataclass(frozen=True)
class Parameter:
    """What may stand under `parameters:`: a word of `words`, `true` or `false`, or a number from `low` to `high`."""

    kind: Literal["word", "flag", "whole", "number"]
    low: float = 0.0
    high: float = 0.0
    words: tuple[str, ...] = ()

    def wants(self) -> str:
        """What it must be, for people."""
        if self.kind == "word":
            return " or ".join(f"`{word}`" for word in self.words)
        if self.kind == "flag":
            return "`true` or `false`"
        if self.kind == "whole":
            return f"a whole number from {int(self.low)} to {int(self.high)}"
        return f"a number from {self.low:g} to {self.high:g}"

    def takes(self, value: object) -> bool:
        """Whether a value is one. Narrower than what river takes: some of what it takes ends in a panic of its core."""
        if self.kind == "word":
            return value in self.words
        if self.kind == "flag" or isinstance(value, bool):
            return self.kind == "flag" and isinstance(value, bool)
        whole = isinstance(value, int) or (self.kind == "number" and isinstance(value, float))
        return whole and self.low <= value <= self.high  # type: ignore[operator]


@dataclass(frozen=True)
class Method:
    """A detector of river's that `method:` may name.

    `takes`: what its authors mean it for. One for failures gets 0 or 1, so a number is refused. `parameters`: what may
    stand under `parameters:`. `kept`: the parameter that says how many values it looks back on; without one: all since
    its last alarm. `simulated`: observations on which its false alarms are counted: about a second's work at most.
    """

    name: str
    takes: Takes
    parameters: Mapping[str, Parameter]
    microseconds: float
    simulated: int
    kept: str | None = None
    inverted: bool = False
    seeded: bool = False
    aliases: tuple[str, ...] = ()


FAMILIES: tuple[Family, ...] = (
    Family("failure", "detectors.failure", "a share of failures per run", 3.0, "exact"),
    Family("silence", "detectors.silence", "arrivals in time", 4.0, "exact"),
    Family("loops", "detectors.loops", "the tool calls of a run, each", 1.0, "calibrated"),
    Family("drift", "detectors.drift", "numbers, shares and words of a run, all channels at once", 100.0, "calibrated"),
    Family("arms", "detectors.arms", "runs of two versions side by side, or pairs of them", 40.0, "exact"),
    Family("trees", "detectors.river_detectors", "a run as a vector of numbers", 25.0, "nothing"),
)

_SHARE = Parameter("number", 1e-12, 1.0 - 1e-12)
_LEVEL = Parameter("number", 0.0, 1e9)
_COUNT = Parameter("whole", 1, 1e6)
_WINDOW = Parameter("whole", 2, KEPT)
_SEED = Parameter("whole", 0, 2**32 - 1)
_FLAG = Parameter("flag")
_HDDM = {"drift_confidence": _SHARE, "warning_confidence": _SHARE}

METHODS: tuple[Method, ...] = (
    Method(
        "river.drift.ADWIN",
        "numbers",
        {
            "delta": _SHARE,
            "clock": _COUNT,
            "max_buckets": Parameter("whole", 2, 100),
            "min_window_length": _COUNT,
            "grace_period": _COUNT,
        },
        0.8,
        200_000,
    ),
    Method(
        "river.drift.KSWIN",
        "numbers",
        {"alpha": _SHARE, "window_size": _WINDOW, "stat_size": _WINDOW, "seed": _SEED},
        350.0,
        1_500,
        kept="window_size",
        seeded=True,
    ),
    Method(
        "river.drift.PageHinkley",
        "numbers",
        {
            "min_instances": _COUNT,
            "delta": _LEVEL,
            "threshold": _LEVEL,
            "alpha": Parameter("number", 0.0, 1.0),
            "mode": Parameter("word", words=("up", "down", "both")),
        },
        1.7,
        200_000,
    ),
    Method(
        "river.drift.DummyDriftDetector",
        "numbers",
        {
            "trigger_method": Parameter("word", words=("fixed", "random")),
            "t_0": _COUNT,
            "w": Parameter("whole", 0, 1e6),
            "seed": _SEED,
        },
        0.5,
        200_000,
        seeded=True,
    ),
    Method(
        "river.drift.binary.DDM",
        "failures",
        {"warm_start": _COUNT, "warning_threshold": _LEVEL, "drift_threshold": _LEVEL},
        1.8,
        200_000,
    ),
    Method(
        "river.drift.binary.EDDM",
        "failures",
        {"warm_start": _COUNT, "alpha": _SHARE, "beta": _SHARE},
        0.9,
        200_000,
    ),
    Method(
        "river.drift.binary.FHDDM",
        "failures",
        {"sliding_window_size": _WINDOW, "confidence_level": _SHARE, "short_window_size": _WINDOW},
        1.5,
        200_000,
        inverted=True,
    ),
    Method(
        "river.drift.binary.HDDMA",
        "failures",
        {**_HDDM, "two_sided_test": _FLAG},
        30.0,
        15_000,
        aliases=("river.drift.binary.HDDM_A",),
    ),
    Method(
        "river.drift.binary.HDDMW",
        "failures",
        {**_HDDM, "lambda_val": _SHARE, "two_sided_test": _FLAG},
        20.0,
        10_000,
        aliases=("river.drift.binary.HDDM_W",),
    ),
)

_BY_NAME = {name: method for method in METHODS for name in (method.name, *method.aliases)}
METHOD_NAMES: tuple[str, ...] = tuple(_BY_NAME)
"""Every spelling that is accepted."""


def method(name: str) -> Method | None:
    """The method of this name, in any accepted spelling."""
    return _BY_NAME.get(name)
