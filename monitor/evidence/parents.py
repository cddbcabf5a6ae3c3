"""A node above agents: what it holds, how it dates a change, what it says. Decisions are the aggregator's."""

from __future__ import annotations

import math
from collections.abc import Iterable

from msgspec import Struct

from detectors import recursion, resolution
from monitor.evidence import words
from monitor.evidence.nodes import UPDATE_SECONDS, Firing
from schemas import limits
from schemas.finding import Finding, FindingStatus
from schemas.records import Evidence

SPEAKERS = 2
"""Agents that must have spoken: with one, a parent would be that agent's node again."""
MEMBERS = 1_000
"""Agents that one parent tells apart. More: they count, but are not named."""
NAMED = 5
EXPLAINS = 0.7
"""Part of the excess that one agent must explain for it to be that agent's fault."""
ALIKE = 0.5
"""It is not, if the other agents' excess per run is more than this part of its own."""
TOGETHER_SECONDS = 600.0
"""Two agents that fire within so long are no matter of one agent."""
_ONSET_BET = 1


class Parent(Struct, array_like=True):
    """State of one parent node. `members`: agent → [observations, bad, expected] since the onset."""

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


def add(one: Evidence, other: Evidence) -> Evidence:
    """Two pieces of evidence for the same node as one."""
    sums = tuple([a + b for a, b in zip(one.sums, other.sums, strict=True)]) if one.sums and other.sums else ()
    return Evidence(
        one.node, sums or one.sums or other.sums, one.n + other.n, one.bad + other.bad,
        one.expected + other.expected, (*one.runs, *other.runs)[-limits.EXAMPLE_RUNS :],
    )  # fmt: skip


def total(evidence: Iterable[Evidence]) -> Evidence:
    """All of a tick's evidence for one node."""
    pieces = iter(evidence)
    result = next(pieces)
    for piece in pieces:
        result = add(result, piece)
    return result


def note(parent: Parent, agent: str, speaker: str, evidence: Evidence) -> None:
    """Count what one agent said; `speaker` is who is told apart (an owner, for the fleet)."""
    if len(parent.speakers) < SPEAKERS and speaker not in parent.speakers:
        parent.speakers = [*parent.speakers, speaker]
    counts = parent.members.get(agent)
    if counts is None and len(parent.members) < MEMBERS:
        counts = parent.members[agent] = [0.0, 0.0, 0.0]
    if counts is not None:
        counts[0] += evidence.n
        counts[1] += evidence.bad / recursion.SCALE
        counts[2] += evidence.expected / recursion.SCALE
    parent.total_n += evidence.n
    parent.total_bad += evidence.bad / recursion.SCALE
    parent.examples = [*parent.examples, *evidence.runs][-limits.EXAMPLE_RUNS :]


def date(parent: Parent, by_agent: dict[str, Evidence], tick: Evidence, now: float) -> None:
    """Follow the CUSUM that dates the onset, and count what came since it."""
    if parent.cusum <= 1.0:
        parent.onset = now
        parent.n = parent.bad = parent.expected = 0.0
        parent.members = {agent: _counts(by_agent[agent]) for agent in sorted(by_agent)[:MEMBERS]}
        parent.examples = list(tick.runs)
    logs = tick.sums[_ONSET_BET] / recursion.SCALE
    parent.cusum = max(parent.cusum, 1.0) * math.exp(max(min(logs, recursion.LOG_CAP), -recursion.LOG_CAP))
    n, bad, expected = _counts(tick)
    parent.n += n
    parent.bad += bad
    parent.expected += expected


def fire(parent: Parent, now: float) -> None:
    """Begin an episode from what was counted since the onset."""
    n = max(parent.n, 1.0)
    normal = min(max(parent.expected / n, 0.001), 0.9)
    before_n = max(parent.total_n - parent.n, 0.0)
    parent.firing = Firing(
        words.name(parent.name, parent.onset, now), now, parent.onset, normal, before_n,
        max(parent.total_bad - parent.bad, 0.0), parent.n, parent.bad,
        said_n=parent.n, said_at=now, mode=parent.mode,
    )  # fmt: skip


def explained_by(parent: Parent) -> str | None:
    """The one agent that explains the excess since the onset, if one does and the others are not like it."""
    excess = {agent: max(bad - expected, 0.0) for agent, (_, bad, expected) in parent.members.items()}
    if not excess:
        return None
    worst = min(excess, key=lambda agent: (-excess[agent], agent))
    if excess[worst] <= 0.0 or excess[worst] < EXPLAINS * sum(excess.values()):
        return None
    n = parent.members[worst][0]
    others = sum(counts[0] for counts in parent.members.values()) - n
    beside = sum(bad - expected for agent, (_, bad, expected) in parent.members.items() if agent != worst)
    return None if others > 0.0 and beside / others > ALIKE * excess[worst] / n else worst


def leave_to(parent: Parent, agent: str, now: float) -> bool:
    """An agent below fires: its fault is told. True if the evidence was left to it; not if another one fired lately."""
    if parent.left_to not in ("", agent) and now - parent.left_at < TOGETHER_SECONDS:
        return False
    parent.left_to, parent.left_at = agent, now
    if parent.firing is None:
        silence_evidence(parent, now)
    return parent.firing is None


def silence_evidence(parent: Parent, now: float) -> None:
    """Lose the evidence gathered so far: costs power, never validity."""
    parent.evidence = [0.0] * len(parent.evidence)
    parent.cusum = 0.0
    parent.onset = now


def observe_firing(parent: Parent, tick: Evidence) -> bool:
    """A tick's observations while the parent fires; True when the evidence says that the signal is back.

    log(1 + slope * (level - y)) is concave in y, so counting a share as that part of a failure never overstates.
    """
    firing = parent.firing
    assert firing is not None
    n, bad, _ = _counts(tick)
    firing.quiet = False
    if firing.back <= resolution.drip(firing.n):
        firing.back_n = firing.back_bad = 0.0
    firing.back_n += n
    firing.back_bad += bad
    level = resolution.level(firing.before, firing.bad, firing.n)
    slope = resolution.slope(firing.before, level)
    worst = max(1.0 + slope * (level - 1.0), 1e-12)
    logs = bad * math.log(worst) + (n - bad) * math.log(1.0 + slope * level)
    firing.back = (firing.back + resolution.drip(firing.n)) * math.exp(
        max(min(logs, recursion.LOG_CAP), -recursion.LOG_CAP)
    )
    if firing.back >= resolution.RESOLVED:
        return True
    firing.n += n
    firing.bad += bad
    return False


def has_news(parent: Parent, now: float) -> bool:
    """Whether the counts moved enough since the last word; if so, this is the word."""
    firing = parent.firing
    assert firing is not None
    if firing.n - firing.said_n < max(5.0, 0.25 * firing.said_n) or now - firing.said_at < UPDATE_SECONDS:
        return False
    firing.said_n, firing.said_at = firing.n, now
    return True


def end(parent: Parent, now: float) -> None:
    """Close the episode."""
    parent.firing = None
    silence_evidence(parent, now)


def say(parent: Parent, status: FindingStatus, now: float, reason: str = "") -> Finding:
    """What the parent says; labels of the one agent that explains it, if one does."""
    firing = parent.firing
    assert firing is not None
    labels = {} if parent.level == "fleet" else {parent.level: parent.value}
    excess = {agent: max(bad - expected, 0.0) for agent, (_, bad, expected) in parent.members.items()}
    worst = sorted(excess, key=lambda agent: (-excess[agent], agent))[:NAMED]
    node = dict(labels)
    alone = explained_by(parent)
    if alone is not None:
        node["agent"] = alone
        worst = [alone]
    return words.of_episode(
        firing,
        status,
        now,
        identity=words.name(firing.incident_key, status, now),
        signal=parent.signal,
        owner=parent.owner,
        node=node,
        watched=labels,
        runs=parent.examples,
        affected=tuple([f"agent={agent}" for agent in worst if excess[agent] > 0.0]),
        reason=reason,
    )


def _counts(evidence: Evidence) -> list[float]:
    return [float(evidence.n), evidence.bad / recursion.SCALE, evidence.expected / recursion.SCALE]
