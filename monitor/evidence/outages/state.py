"""What the aggregator holds, as it lives and as it is written: plain structs, fields only ever appended."""

from __future__ import annotations

from msgspec import Struct

from monitor.saved.states import Firing
from schemas.finding import Finding


class Parent(Struct, array_like=True):
    """State of one parent node. `members`: agent → [observations, bad, expected, of young nodes] since the onset."""

    name: str
    signal: str
    level: str
    value: str
    owner: str
    evidence: list[float]
    last: float
    share: float
    mode: str
    members: dict[str, list[float]]
    cusum: float = 0.0
    onset: float = 0.0
    n: float = 0.0
    bad: float = 0.0
    expected: float = 0.0
    total_n: float = 0.0
    total_bad: float = 0.0
    examples: list[str] = []
    speakers: list[str] = []
    """The first agents (of the fleet: owners) that spoke to it, as many as it takes to bet."""
    firing: Firing | None = None
    left_to: str = ""
    left_at: float = 0.0
    """The agent that fired last, to which this node left its evidence, and when."""
    pending: float = 0.0
    """Dripped at earlier shares and not yet used."""
    past: list[list[float]] = []
    """See `monitor.evidence.outages.past`."""
    normal: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Of the references that agents have: observations, and the sums of reference and of its square over them."""
    held: float = 0.0
    """Since when it could speak and leaves it to another one that explains the fault better."""
    watched: str = ""
    """The node whose evidence crossed, while this one fires."""
    absorbs: list[list[str]] = []
    """Episodes that this one absorbs while it fires: incident key, agent or node."""


class Clock(Struct, array_like=True):
    """Where the aggregator stands. `heard`: agent → the last tick of which its evidence was taken."""

    now: float
    heard: dict[str, float]
    began: list[Finding]
    """Episodes of agents that began since the last tick."""
    words: list[tuple[str, str]] = []
    """What people said since the last tick: an episode or a node, and the word."""


class Told(Struct, array_like=True):
    """What was said lately; changes seldom."""

    episodes: list[tuple[str, str, str, str, float]]
    paid: list[str]
    quiet: list[str] = []
    """Those of `paid` that were no page so far."""
