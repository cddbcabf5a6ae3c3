"""What is known of rollouts, as it lives and as it is written: plain structs, fields only ever appended."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from detectors.arms import labels, pairs
from schemas.news import Verdict


def _zeros() -> list[float]:
    return [0.0, 0.0]


def _logs() -> list[float]:
    return [0.0] * len(labels.SLOPES)


class Reading(Struct, array_like=True, gc=False):
    """One run as it is compared.

    `shares`, `numbers`: signal → value. `end`: status and outcome, hashed. `arguments`: a hash of all calls with their
    arguments, whatever their order. `shape`: kind and script of the output, -1 where there is none.
    """

    run: str
    version: str
    started: float
    shares: dict[str, float]
    numbers: dict[str, float]
    tools: list[str]
    end: int
    arguments: int
    shape: int


class Rate(Struct, array_like=True):
    """A share of two versions. `base`, `other`: bad runs, runs. `logs`: log evidence that the candidate is worse.

    `gaps`: differences within pairs, for shadows (`detectors.arms.pairs`); empty for canaries.
    """

    base: list[float] = field(default_factory=_zeros)
    other: list[float] = field(default_factory=_zeros)
    logs: list[float] = field(default_factory=_logs)
    gaps: list[int] = []


class Number(Struct, array_like=True):
    """A number of two versions: histograms; log evidence that the candidate's are higher than the factor allows (`up`),
    and that they are not (`down`)."""

    base: dict[int, int] = {}
    other: dict[int, int] = {}
    up: list[float] = field(default_factory=_logs)
    down: list[float] = field(default_factory=_logs)


class Placed(Struct, array_like=True):
    """A run of a block that is not full yet."""

    candidate: bool
    shares: dict[str, float]
    numbers: dict[str, float]


class Pairing(Struct, array_like=True):
    """What pairs have in common. Each list: pairs that differ, pairs. `examples`: (production run, shadow run)."""

    same: list[float] = field(default_factory=_zeros)
    """Pairs with the same end and tools, pairs."""
    tools: list[float] = field(default_factory=_zeros)
    arguments: list[float] = field(default_factory=_zeros)
    shape: list[float] = field(default_factory=_zeros)
    end: list[float] = field(default_factory=_zeros)
    examples: list[tuple[str, str]] = []


class Rollout(Struct, array_like=True):
    """One rollout. `by_variant`: runs say themselves that they are the canary; else the version tells.

    `runs`, `last`: of baseline and candidate.
    `tools`: tool → runs of baseline and candidate that called it. `rules`: the settings that its evidence rests on.
    """

    id: str
    mode: Literal["canary", "shadow"]
    baseline: str
    candidate: str
    by_variant: bool
    started: float
    rules: tuple[str, float] = ("no", 1.5)
    runs: list[int] = field(default_factory=lambda: [0, 0])
    last: list[float] = field(default_factory=_zeros)
    left_out: int = 0
    rates: dict[str, Rate] = {}
    numbers: dict[str, Number] = {}
    block: list[Placed] = []
    late: list[Placed] = []
    """A block of what was said of runs later."""
    tools: dict[str, list[float]] = {}
    pairing: Pairing = field(default_factory=Pairing)
    sessions: dict[int, None] = {}
    """Hashes of those that have had their observation."""
    verdict: Verdict = "hold"
    decided_at: float | None = None
    ended: str = ""
    bets: int = 0
    """Blocks and pairs that were bet on; how many there were when the verdict was last thought over."""
    judged: int = 0
    said_at: float = 0.0
    said_runs: int = -1
    said: tuple[str, str] = ("", "")
    """Verdict and end as they were last told."""
    every: int = 1
    """Of so many runs of a canary one counts, drawn by its name: where more are under way than can wait."""


def evidence_of(rate: Rate, paired: bool) -> float:
    """The e-value against "no worse"."""
    return pairs.evidence(rate.logs) if paired else labels.evidence(rate.logs, labels.WEIGHTS)


class Young(Struct, array_like=True):
    """A version beside the current one. `streak`: its runs since the last of the current one; `beside`: those."""

    since: float
    runs: int = 0
    beside: int = 0
    streak: int = 0


class Watch(Struct, array_like=True):
    """Which version serves, and which come up. `first`: version → when it was first seen. `over`: mode and candidate of
    rollouts that ended → when."""

    current: str = ""
    first: dict[str, float] = {}
    young: dict[str, Young] = {}
    over: dict[str, float] = {}


class Half(Struct, array_like=True):
    """A run that waits for the other one of its pair. `met`: of a production run, the shadows that had theirs."""

    shadow: bool
    at: float
    reading: Reading
    met: list[str] = []


class Waiting(Struct, array_like=True):
    """A closed run that waits for those that started before it."""

    candidate: bool
    session: str
    reading: Reading


class Saved(Struct, array_like=True):
    """The rollouts that go on, shadows by candidate, and which versions there are."""

    canary: Rollout | None = None
    shadows: dict[str, Rollout] = {}
    watch: Watch = field(default_factory=Watch)


class Judged(Struct, array_like=True):
    """What is remembered of runs that were compared, for what is said of them later.

    `partners`: run → (rollout, the other run of its pair, whether it is the shadow). `said`: run → what was said of it.
    """

    partners: dict[str, tuple[str, str, bool]] = {}
    said: dict[str, float] = {}
