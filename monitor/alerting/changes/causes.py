"""Which change an incident began with: candidates with their odds, or none.

An incident began with its first alert: a change is a candidate where that alert's slice has it or depends on it, and it
came before that onset. Its odds weigh two stories of each agent that suffers: it broke with this change, soon after it
came there, or by itself at a time of its own. One change that explains several faults pays its price once; where
another fault, of this incident or beside it, has a change that explains it, a common cause gains no more than the price
of that one. What explains a later fault alone is no rival: it is told beside. The numbers of the stories (`BREAKS`,
`ALONE`, `PROMPT`) are assumptions, written here; how exactly an onset is dated is measured. Pure; it keeps nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from monitor.alerting.changes.ledger import Release
from schemas.alert import Cause
from schemas.config import DAY, WEEK
from schemas.finding import Finding
from schemas.news import ChangeSeen

BREAKS = 0.1
"""How often a change breaks something that has it or depends on it."""
ALONE = 1.0 / WEEK
"""Faults of one slice without any change that is known, per second."""
PROMPT = 0.9
"""The part of faults that show with the first runs; the others within a day."""
FIRST_RUN_SECONDS = 60.0
"""So long after a change came somewhere the first run that shows it may end."""
LATE_SECONDS = 300.0
"""An announcement may come so long after the version is live: pipelines say so when they are done."""
LEAST_ODDS = 0.05
"""What is less likely is not named."""
NAMED = 3
"""Candidates that are named."""
FURTHER = 3
"""Later faults of one incident that are judged by themselves, the earliest; of more a message has no room to tell."""
CERTAIN = 0.8
"""From these odds on it is the likely cause; below, it is one of several, or uncertain."""
NAMES_IT, ELSEWHERE, WELL_BEFORE = 4.0, 0.1, 0.2
"""What it says for a change that the slice names it; that the slice names another of its kind (runs may call a version
by another name than its announcement did); that another version of the agent, which has the change too, is well."""
A_FIELD = 0.3
"""The same for a new field of an interface: most break nothing."""


class Witness(Struct, frozen=True):
    """An alert that fires, between which times it began, and the components that its slice has or depends on, by steps.

    `low`, `high`: epoch seconds, see `onset.interval`.
    """

    finding: Finding
    reach: Mapping[str, int]
    low: float
    high: float


class Found(Struct, frozen=True):
    """What is known of an incident's cause. `causes`: the likeliest first; the interval of the earliest onset, epoch
    seconds. `further`: later alerts that a change of their own explains for certain, and that change."""

    causes: tuple[Cause, ...]
    onset_from: float
    onset_to: float
    further: tuple[tuple[Finding, Cause], ...] = ()


def find(own: Sequence[Witness], beside: Sequence[Witness], releases: Iterable[Release]) -> Found | None:
    """The changes that may have caused the alerts `own`; `beside`: alerts of other incidents near in time.

    None where there is no alert to judge by. Owners are filled in by who knows them.
    """
    if not own:
        return None
    known, ordered = list(releases), _ordered(own)
    named = _named(ordered[0], ordered, beside, known)
    return Found(named, ordered[0].low, ordered[0].high, _further(ordered, beside, known, named))


def first_fault(own: Sequence[Witness]) -> list[Witness]:
    """The alerts that an incident began with, the first of them first."""
    ordered = _ordered(own)
    return [each for each in ordered if _one_fault(ordered[0], each)]


def _ordered(own: Iterable[Witness]) -> list[Witness]:
    return sorted(own, key=lambda each: (each.finding.onset, each.finding.id))


def _one_fault(one: Witness, other: Witness) -> bool:
    """Alerts of one agent are one fault that is seen several times, if it can have begun at one time in one version."""
    a, b = one.finding.node, other.finding.node
    versions = {node["version"] for node in (a, b) if "version" in node}
    together = one.low <= other.high and other.low <= one.high
    return a.get("agent") == b.get("agent") and len(versions) < 2 and together


def _named(
    lead: Witness, own: Sequence[Witness], beside: Sequence[Witness], known: Sequence[Release]
) -> tuple[Cause, ...]:
    """The likeliest changes that may have caused the fault of one alert."""
    fault = [each for each in own if _one_fault(lead, each)]
    groups = _by_agent((*(each for each in own if not _one_fault(lead, each)), *beside))
    others = [(group, _otherwise(group, known)) for group in groups]
    scored = []
    for release in known:
        if _weight(lead, release) > 0.0:
            score = math.log(BREAKS) + _best(fault, release)
            score += sum(max(_best(group, release) - else_, 0.0) for group, else_ in others)
            scored.append((score, release))
    whole = 1.0 + sum(math.exp(min(score, 700.0)) for score, _ in scored)
    scored.sort(key=lambda each: (-each[0], each[1].component, each[1].version))
    likely = [(math.exp(min(score, 700.0)) / whole, release) for score, release in scored[:NAMED]]
    return tuple(_cause(odds, release, fault, own) for odds, release in likely if odds >= LEAST_ODDS)


def _further(
    ordered: Sequence[Witness], beside: Sequence[Witness], known: Sequence[Release], named: Iterable[Cause]
) -> tuple[tuple[Finding, Cause], ...]:
    """Later faults that began with another change than those that are named already."""
    said = {(each.component, each.version) for each in named}
    found, leads, judged = [], [ordered[0]], 0
    for lead in ordered[1:]:
        if any(_one_fault(each, lead) for each in leads):
            continue
        leads.append(lead)
        best = max(((_weight(lead, each), each.component, each.version) for each in known), default=(0.0, "", ""))
        if best[0] <= 0.0 or best[1:] in said:
            continue
        for cause in _named(lead, ordered, beside, known)[:1]:
            if cause.odds >= CERTAIN and (cause.component, cause.version) not in said:
                said.add((cause.component, cause.version))
                found.append((lead.finding, cause))
        judged += 1
        if judged == FURTHER:
            break
    return tuple(found)


def _by_agent(witnesses: Iterable[Witness]) -> list[list[Witness]]:
    """What else suffers: of each agent its alerts count as one fault."""
    groups: dict[str, list[Witness]] = {}
    for witness in witnesses:
        groups.setdefault(witness.finding.node.get("agent", ""), []).append(witness)
    return list(groups.values())


def _best(group: Iterable[Witness], release: Release) -> float:
    """By how much the change explains one agent's fault better than chance, as a logarithm; never worse than not."""
    return max(math.log(max(_weight(witness, release) / ALONE, 1.0)) for witness in group)


def _otherwise(group: Sequence[Witness], releases: Iterable[Release]) -> float:
    """How well another fault is explained by a change of its own, whatever caused this one."""
    return max(max((_best(group, each) for each in releases), default=0.0) + math.log(BREAKS), 0.0)


def _weight(witness: Witness, release: Release) -> float:
    """Likelihood, per second, of a fault at this onset if the change brought it; 0 where it cannot have."""
    steps = witness.reach.get(release.component)
    if steps is None:
        return 0.0
    low, high = witness.low, witness.high
    density = max((_density(at, slack, low, high) for at, slack in _came(witness, release)), default=0.0)
    return density * _fit(witness.finding, release) * 0.5 ** max(steps - 1, 0)


def _came(witness: Witness, release: Release) -> list[tuple[float, float]]:
    """When the change came to a slice, and by how much later it may have been said than it was so."""
    agent = witness.finding.node.get("agent")
    said = [(each.time, LATE_SECONDS) for each in _said(witness, release)]
    mine = release.agents.get(agent) if agent is not None else min(release.agents.values(), default=None)
    if mine is not None:
        return [(mine, 0.0), *said]
    first = release.first
    return said if first is None or said else [(first.time, 0.0)]


def _said(witness: Witness, release: Release) -> list[ChangeSeen]:
    """What was announced that may be the cause. A rollback after the onset is what somebody did about the fault."""
    return [
        each
        for each in release.announced
        if each.stage != "shadow" and (each.stage != "rolled_back" or each.time <= witness.high + 1.0)
    ]


def _density(at: float, slack: float, low: float, high: float) -> float:
    if at > high + slack + 1.0:
        return 0.0
    width = high - low + FIRST_RUN_SECONDS
    away = max(low - FIRST_RUN_SECONDS - at, 0.0)
    prompt = PROMPT * math.exp(-away / width) / (width + slack)
    return prompt + ((1.0 - PROMPT) / DAY if high - at <= DAY else 0.0)


def _fit(finding: Finding, release: Release) -> float:
    """How well the slice fits the change."""
    kind, _, name = release.component.partition(":")
    node, fit = finding.node, 1.0
    if kind in ("tool", "model") and kind in node:
        fit *= NAMES_IT if node[kind] == name else ELSEWHERE
    version = node.get("version")
    if kind == "agent" and name == node.get("agent") and version is not None:
        if version != release.version and (name in release.agents or _came_after(release, version)):
            return 0.0  # its runs say which of them have the change, and these do not
        fit *= NAMES_IT if version == release.version else ELSEWHERE
    elif version is not None and any(side.startswith("version=") for side in finding.unaffected):
        fit *= WELL_BEFORE
    if release.first is not None and release.first.what == "fields" and not release.announced:
        fit *= A_FIELD
    return fit


def _came_after(release: Release, version: str) -> bool:
    """Whether it was announced as what follows a version that runs show: their names are those of the announcement."""
    return any(each.previous == version for each in release.announced)


def _cause(odds: float, release: Release, fault: Sequence[Witness], own: Sequence[Witness]) -> Cause:
    witness = max(fault, key=lambda each: _weight(each, release))
    low, high = witness.low, witness.high
    came = _came(witness, release)
    at = max(came, key=lambda each: (_density(each[0], each[1], low, high), -each[0]))[0]
    said = [each for each in _said(witness, release) if each.time <= high + LATE_SECONDS + 1.0]
    last, first = (said[-1] if said else None), release.first
    broken = [each.finding for each in own if _weight(each, release) > 0.0]
    shares = [each.deploy_share for each in broken if each.deploy_share is not None]
    return Cause(
        component=release.component,
        version=release.version,
        owner="",
        time=at,
        odds=odds,
        share=max(shares, default=None),
        stage=last.stage if last is not None else first.stage if first is not None else "full",
        announced=last is not None,
        agent="" if last is not None or first is None else first.agent,
        what="" if last is not None or first is None else first.what,
        author=last.author if last is not None else "",
        url=last.url if last is not None else "",
    )
