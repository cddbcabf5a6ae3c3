"""A node above agents: what it holds, how it dates a change, what it says. Decisions are the aggregator's."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

import msgspec

from detectors import recursion, resolution
from monitor.evidence import words
from monitor.evidence.nodes import UPDATE_SECONDS
from monitor.evidence.outages import cells, past
from monitor.evidence.outages.pieces import UNIT, Piece
from monitor.evidence.outages.state import Parent
from monitor.saved.states import Firing
from schemas import limits
from schemas.finding import Finding, FindingStatus

SPEAKERS: Final = 2
"""Agents that must have spoken: with one, a parent would be that agent's node again."""
MEMBERS: Final = 1_000
"""Agents that one parent tells apart. More: they count, but are not named."""
NAMED: Final = 5
ABSORBED: Final = 100
"""Episodes of agents that one of a parent absorbs. More: the latest are told as they are."""
AFFECTED: Final = 20
"""Agents that a finding names as affected, those that had spoken up first."""
EXPLAINS: Final = 0.7
"""Part of the excess that one agent must explain for it to be that agent's fault."""
ALIKE: Final = 0.5
"""It is not, if the other agents' excess per run is more than this part of its own."""
TOGETHER_SECONDS: Final = 600.0
"""Two agents that fire within so long are no matter of one agent."""
_ONSET_BET: Final = 1
_SHOWS: Final = 2.0
"""Standard errors by which others must be worse than expected to be seen to fail as well."""
_POOL_LEAST: Final = 200.0
"""Observations from which a pooled reference is made."""
_POOL_SPREAD: Final = 2.0
"""Standard deviations between agents that an upper reference lies above their mean."""
_POOL_HIGHEST: Final = 0.5
"""Agents that normally fail more often than so are no help for others."""


def note(
    parent: Parent, agents: list[str], by_agent: dict[str, Piece], tick: Piece, speakers: Iterable[str], now: float
) -> None:
    """Count what was said in a tick: by `agents`, in order, and together.

    `speakers`: who is told apart (agents; owners, for the fleet).
    """
    if len(parent.speakers) < SPEAKERS:
        for speaker in speakers:
            if len(parent.speakers) < SPEAKERS and speaker not in parent.speakers:
                parent.speakers = [*parent.speakers, speaker]
    members, pools = parent.members, parent.firing is None
    known, whole, squares = parent.normal
    for agent in agents:
        piece = by_agent[agent]
        counts = members.get(agent)
        if counts is None and len(members) < MEMBERS:
            counts = members[agent] = [0.0, 0.0, 0.0, 0.0]
        if counts is not None:
            counts[0] += float(piece.n)
            counts[1] += piece.bad * UNIT
            counts[2] += piece.expected * UNIT
            counts[3] += float(piece.young)
        if pools and piece.n > piece.young:
            n = float(piece.n - piece.young)
            normal = piece.expected * UNIT / piece.n
            known += n
            whole += n * normal
            squares += n * normal * normal
    parent.normal = (known, whole, squares)
    n, bad, expected = float(tick.n), tick.bad * UNIT, tick.expected * UNIT
    past.note(parent.past, now, (n, bad, expected))
    parent.total_n += n
    parent.total_bad += bad
    if tick.runs:
        parent.examples = [*parent.examples, *tick.runs][-limits.EXAMPLE_RUNS :]


def date(parent: Parent, agents: list[str], by_agent: dict[str, Piece], tick: Piece, now: float) -> None:
    """Follow the CUSUM that dates the onset, and count what came since it."""
    if parent.cusum <= 1.0:
        parent.onset = now
        parent.n = parent.bad = parent.expected = 0.0
        parent.members = {agent: by_agent[agent].counts() for agent in agents[:MEMBERS]}
        parent.examples = list(tick.runs)
    logs = tick.logs()[_ONSET_BET] * UNIT
    parent.cusum = max(parent.cusum, 1.0) * math.exp(max(min(logs, recursion.LOG_CAP), -recursion.LOG_CAP))
    parent.n += float(tick.n)
    parent.bad += tick.bad * UNIT
    parent.expected += tick.expected * UNIT


def drip(parent: Parent, now: float, rate: float) -> float:
    """What flowed into the node since its last step. `rate`: of all parents of its owner together, per second."""
    flowed = parent.pending + parent.share * rate * max(now - parent.last, 0.0)
    parent.last = max(now, parent.last)
    parent.pending = 0.0
    return flowed


def spoken_to(parent: Parent) -> float:
    """The last tick at which an agent said something to this node."""
    return parent.past[-1][0] if parent.past else parent.last


def upper_reference(parent: Parent) -> float | None:
    """A rate that few agents below this node exceed while nothing is wrong; None where too little is known.

    Mean and two standard deviations between agents of the references that they have, each weighted by its runs, and two
    standard errors of the mean. For nodes that know nothing of their own: calibrated, not proved.
    """
    n, whole, squares = parent.normal
    if n < _POOL_LEAST or len(parent.speakers) < SPEAKERS:
        return None
    mean = whole / n
    spread = math.sqrt(max(squares / n - mean * mean, 0.0)) + math.sqrt(mean * (1.0 - mean) / n)
    upper = mean + _POOL_SPREAD * spread
    return upper if 0.0 < upper <= _POOL_HIGHEST else None


def fire(parent: Parent, crossed: Parent, now: float) -> None:
    """Begin an episode from what was counted since the onset; `crossed`: the node whose evidence was enough."""
    if parent is not crossed:
        parent.onset = crossed.onset
        parent.n, parent.bad, parent.expected = past.since(parent.past, crossed.onset)
        if parent.cusum <= 1.0:
            parent.members = {agent: list(counts) for agent, counts in crossed.members.items()}
        parent.examples = parent.examples or list(crossed.examples)
    n = max(parent.n, 1.0)
    normal = min(max(parent.expected / n, 0.001), 0.9)
    before_n = max(parent.total_n - parent.n, 0.0)
    parent.watched, parent.held = crossed.name, 0.0
    parent.firing = Firing(
        words.name(parent.name, parent.onset, now), now, parent.onset, normal, before_n,
        max(parent.total_bad - parent.bad, 0.0), parent.n, parent.bad,
        said_n=parent.n, said_at=now, mode=parent.mode,
    )  # fmt: skip
    parent.evidence = [0.0] * len(parent.evidence)


def explained_by(parent: Parent) -> str | None:
    """The one agent that explains the excess since the onset, if one does and the others are not like it."""
    excess = _excess(parent)
    if not excess:
        return None
    worst = min(excess, key=lambda agent: (-excess[agent], agent))
    if excess[worst] <= 0.0 or excess[worst] < EXPLAINS * sum(excess.values()):
        return None
    n = parent.members[worst][0]
    others = sum(counts[0] for counts in parent.members.values()) - n
    beside = sum(counts[1] - counts[2] for agent, counts in parent.members.items() if agent != worst)
    return None if others > 0.0 and beside / others > ALIKE * excess[worst] / n else worst


def is_young(parent: Parent, agent: str) -> bool:
    """Whether most of what an agent said comes from nodes without a reference, which cannot speak for themselves."""
    counts = parent.members[agent]
    return 2.0 * counts[3] > counts[0]


def others_fail(parent: Parent, agent: str) -> bool:
    """Whether the other agents are plainly worse than expected as well, and not much less so than this one."""
    mine = parent.members.get(agent, [0.0, 0.0, 0.0, 0.0])
    n, bad, expected = (sum(counts[j] for counts in parent.members.values()) - mine[j] for j in range(3))
    beyond = bad - expected
    if n <= 0.0 or beyond <= _SHOWS * math.sqrt(max(expected, 1.0)):
        return False
    return mine[0] <= 0.0 or beyond / n > ALIKE * max(mine[1] - mine[2], 0.0) / mine[0]


def leave_to(parent: Parent, agent: str, now: float) -> bool:
    """An agent below fires: its fault is told. True if the evidence was left to it.

    Not if another one fired lately or others fail as well: then it is no matter of one agent.
    """
    if parent.firing is not None or others_fail(parent, agent):
        return False
    if parent.left_to not in ("", agent) and now - parent.left_at < TOGETHER_SECONDS:
        return False
    parent.left_to, parent.left_at = agent, now
    silence_evidence(parent, now)
    return True


def absorb(parent: Parent, incident_key: str, whose: str) -> bool:
    """An episode of a narrower node is this one's matter; False if that is known, or there is no room."""
    if len(parent.absorbs) >= ABSORBED or any(key == incident_key for key, _ in parent.absorbs):
        return False
    parent.absorbs = [*parent.absorbs, [incident_key, whose]]
    return True


def silence_evidence(parent: Parent, now: float) -> None:
    """Lose the evidence gathered so far: costs power, never validity."""
    parent.evidence = [0.0] * len(parent.evidence)
    parent.cusum = 0.0
    parent.onset = now
    parent.held = 0.0


def observe_firing(parent: Parent, tick: Piece) -> bool:
    """A tick's observations while the parent fires; True when the evidence says that the signal is back.

    log(1 + slope * (level - y)) is concave in y, so counting a share as that part of a failure never overstates.
    """
    firing = parent.firing
    assert firing is not None
    n, bad = float(tick.n), tick.bad * UNIT
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
    parent.watched, parent.absorbs = "", []
    silence_evidence(parent, now)


def say(
    parent: Parent, status: FindingStatus, now: float, reason: str = "", unaffected: tuple[str, ...] = ()
) -> Finding:
    """What the parent says; labels of the one agent that explains it, if one does."""
    firing = parent.firing
    assert firing is not None
    labels = cells.labels_of(parent.level, parent.value)
    excess = _excess(parent)
    worst = sorted(excess, key=lambda agent: (-excess[agent], agent))[:NAMED]
    node = dict(labels)
    alone = explained_by(parent)
    if alone is not None:
        node["agent"] = alone
        worst = [alone]
    spoke = [whose for _, whose in parent.absorbs]
    affected = dict.fromkeys([*spoke, *(f"agent={agent}" for agent in worst if excess[agent] > 0.0)])
    _, level, value = cells.parts_of(parent.watched or parent.name)
    finding = words.of_episode(
        firing,
        status,
        now,
        identity=words.name(firing.incident_key, status, now),
        signal=parent.signal,
        owner=parent.owner,
        node=node,
        watched=cells.labels_of(level, value),
        runs=parent.examples,
        affected=tuple(affected)[:AFFECTED],
        unaffected=unaffected,
        reason=reason,
    )
    return msgspec.structs.replace(finding, absorbs=tuple([key for key, _ in parent.absorbs]))


def _excess(parent: Parent) -> dict[str, float]:
    return {agent: max(counts[1] - counts[2], 0.0) for agent, counts in parent.members.items()}
