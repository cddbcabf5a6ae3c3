"""A verifier that passes more while others reject more: two alerts that are one fault, told as one.

A guardrail that acts less is good news or a guardrail that sees less; evaluations and users that get worse are a worse
agent or one that nobody stops any more. Both together, begun at about the same time, are the second of each: whichever
is told later says both. Nothing is paid for that: each has paid for itself.

Invariant: a pure reading of what fires; no state of its own, so that a restart changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from detectors.drift import Bank
from detectors.drift.episode import Episode
from monitor.alerting.headline import share_text
from monitor.evidence.judged import late
from monitor.evidence.within.node import Node
from schemas.finding import Finding

GUARDRAIL = "agent.guardrail"
WORSE = {late.REJECTED: "are rejected by evaluation", late.UNHAPPY: "make users unhappy"}
"""Signals of late truth, and what runs do that are bad there."""
TOGETHER_SECONDS = 86_400.0
"""Onsets that are not farther apart are one story: what others say of a run may come a day later."""


def both(finding: Finding, banks: Iterable[Bank], firing: Iterable[Node]) -> Finding:
    """The finding, with the other side if it is one of a pair that both fire. What is over is told as it is."""
    if finding.status == "resolved":
        return finding
    if finding.signal in WORSE:
        lax = [one for one in _lax(banks) if _together(one.onset, finding.onset)]
        return _beside(finding, (GUARDRAIL,), _passes(lax[0])) if lax else finding
    if not _is_lax(finding):
        return finding
    worse = [node for node in firing if node.signal in WORSE and node.firing is not None]
    worse = [node for node in worse if node.firing is not None and _together(node.firing.onset, finding.onset)]
    worse.sort(key=lambda node: str(node.key))
    return _beside(finding, tuple(node.signal for node in worse), _rejects(worse[0])) if worse else finding


def _lax(banks: Iterable[Bank]) -> list[Episode]:
    """Episodes in which the guardrail acts less, the oldest first."""
    found = [
        episode
        for bank in banks
        for episode in bank.episodes.values()
        if bank.plan.signals[episode.signal].name == GUARDRAIL and episode.change.direction == "down"
    ]
    return sorted(found, key=lambda episode: (episode.onset, episode.change.channel))


def _is_lax(finding: Finding) -> bool:
    return finding.signal == GUARDRAIL and finding.direction == "down"


def _together(one: float, other: float) -> bool:
    return abs(one - other) <= TOGETHER_SECONDS


def _beside(finding: Finding, signals: tuple[str, ...], words: str) -> Finding:
    told = tuple(dict.fromkeys((*finding.corroborated, *signals)))
    reason = f"{finding.reason}; {words}" if finding.reason else words
    return msgspec.structs.replace(finding, corroborated=told, reason=reason)


def _passes(episode: Episode) -> str:
    change = episode.change
    what = "is asked" if change.channel == "guardrail asked" else "acts"
    levels = f"{share_text(change.after)} of runs, was {share_text(change.before)}"
    return f"a guardrail {what} less at the same time: in {levels}"


def _rejects(node: Node) -> str:
    firing = node.firing
    assert firing is not None
    share = firing.bad / max(firing.n, 1.0)
    what = WORSE[node.signal]
    return f"more runs {what} at the same time: {share_text(share)}, was {share_text(firing.before)}"
