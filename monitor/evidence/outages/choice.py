"""Which node a fault above agents belongs to: the smallest one whose members show it while others do not.

The node whose evidence crosses is often not it: an outage of a provider crosses in the node of whichever owner or
model gathered evidence fastest. Every node that shares observations with the one that crossed is asked how well "it has
a rate of its own, all others are normal" explains the stretch since the onset; a wider node is diluted by members that
are well, a narrower one leaves out members that are not. Decides nothing about when to speak.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from monitor.evidence.outages import cells, past
from monitor.evidence.outages.past import Counts
from monitor.evidence.outages.state import Parent
from monitor.evidence.parents import SPEAKERS

_HEAD_STARTS = {"provider": 4.0, "model": 4.0, "owner": 1.0, "fleet": 0.0}
"""Nats by which a wider node must explain more: where all that runs is one provider's, it is the provider's fault."""
_ORDER: Final = ("provider", "model", "owner", "fleet")
"""Where two explain the same, the first: a provider with one model is named, not the model."""
_NEARLY: Final = 2.0
"""Nats by which a tool may explain less than a run's failures do and still be the reason for them."""
_MOST: Final = 0.7
"""Part of the excess that must lie with the agents of a tool, for it to be the tool's fault."""
SIBLINGS: Final = 5
_UNLIKELY: Final = 0.1
"""A sibling is called unaffected where the fault would have stayed hidden in it at most so often."""


def surprise(counts: Counts) -> float:
    """By how many nats "more bad than expected, at a rate of its own" explains the counts better; at least zero."""
    n, bad, expected = counts
    if n <= 0.0 or bad <= expected:
        return 0.0
    null = min(max(expected / n, 1e-9), 1.0 - 1e-9)
    share = min(bad / n, 1.0)
    found = bad * math.log(share / null)
    if share < 1.0:
        found += (n - bad) * math.log((1.0 - share) / (1.0 - null))
    return found


def redate(crossed: Parent) -> None:
    """Count the fault from where what came since says most: evidence outlives the CUSUM that dates the onset."""
    best, most = crossed.onset, surprise((crossed.n, crossed.bad, crossed.expected))
    for row in crossed.past:
        found = surprise(past.since(crossed.past, row[0]))
        if row[0] < best and found > most:
            best, most = row[0], found
    if best < crossed.onset:
        crossed.onset = best
        crossed.n, crossed.bad, crossed.expected = past.since(crossed.past, best)


def explains(crossed: Parent, beside: Iterable[Parent]) -> Parent:
    """The node that the fault belongs to, of those of the same signal; the one that crossed where none does better."""
    best, most = crossed, surprise(past.since(crossed.past, crossed.onset)) + _HEAD_STARTS.get(crossed.level, 0.0)
    here = (crossed.level, crossed.value)
    for each in sorted(beside, key=_place):
        if each is crossed or each.firing is not None or len(each.speakers) < SPEAKERS:
            continue
        if not cells.contains((each.level, each.value), here):
            continue
        found = surprise(past.since(each.past, crossed.onset)) + _HEAD_STARTS[each.level]
        if found > most or (found == most and _place(each) < _place(best)):
            best, most = each, found
    return best


def fault_of_tool(crossed: Parent, tools: Iterable[Parent]) -> bool:
    """Whether runs fail because a tool that they call does: it explains as much, in the same agents."""
    least = surprise(past.since(crossed.past, crossed.onset)) - _NEARLY
    return any(
        surprise(past.since(tool.past, crossed.onset)) >= least and lies_within(crossed, tool)
        for tool in tools
        if len(tool.speakers) >= SPEAKERS
    )


def lies_within(one: Parent, other: Parent) -> bool:
    """Whether most of the excess of `one` is that of agents which `other` knows as well."""
    excess = {agent: max(counts[1] - counts[2], 0.0) for agent, counts in one.members.items()}
    whole = sum(excess.values())
    return whole > 0.0 and sum(excess[agent] for agent in excess if agent in other.members) >= _MOST * whole


def unaffected(firing: Parent, beside: Iterable[Parent]) -> tuple[str, ...]:
    """Nodes of the same level that ran since the onset and are nearer to what is normal than to the fault."""
    episode = firing.firing
    if episode is None or firing.level in ("tool", "fleet"):
        return ()
    level = min(episode.bad / max(episode.n, 1.0), 1.0)
    half = (episode.before + level) / 2.0
    found = []
    for each in beside:
        if each is firing or each.level != firing.level or each.firing is not None:
            continue
        n, bad, _ = past.since(each.past, episode.onset)
        if n > 0.0 and bad < half * n and (1.0 - level) ** n <= _UNLIKELY:
            name = cells.labels_of(each.level, each.value)[each.level]
            found.append((-n, f"{each.level}={name}"))
    return tuple([name for _, name in sorted(found)[:SIBLINGS]])


def _place(parent: Parent) -> tuple[int, str]:
    return (_ORDER.index(parent.level), parent.name)
