"""Findings: what a node or the traffic of an agent says, as the record that goes to the router."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal

from monitor.evidence.volume.traffic import Traffic
from monitor.evidence.within import hitters
from monitor.evidence.within.node import Node
from monitor.saved.states import Firing, Key
from monitor.signals import TRAFFIC
from schemas.finding import Finding, FindingStatus, Mode

UNLIKELY = 0.1
"""A sibling is called unaffected where the fault would have stayed hidden in it at most so often."""
SIBLINGS = 5
"""Slices that are named as not affected."""


def name(*parts: object) -> str:
    """A name made of parts: the same when the same record is stepped again."""
    return hashlib.blake2b("\x1f".join(str(part) for part in parts).encode(), digest_size=10).hexdigest()


def of_episode(
    firing: Firing,
    status: FindingStatus,
    now: float,
    *,
    identity: str,
    signal: str,
    owner: str,
    node: dict[str, str],
    watched: dict[str, str],
    runs: Iterable[str],
    affected: tuple[str, ...],
    unaffected: tuple[str, ...] = (),
    error_types: tuple[str, ...] = (),
    reference: Literal["declared", "learned"] = "learned",
    reason: str,
    paid: bool = True,
    detail: str = "",
) -> Finding:
    """What an episode says, of an agent's node and of one above agents alike; levels are shares of one."""
    n, bad = counted(firing, status)
    return Finding(
        id=identity,
        incident_key=firing.incident_key,
        status=status,
        time=now,
        signal=signal,
        direction="up",
        mode=_mode(firing.mode),
        owner=owner,
        node=node,
        watched=watched,
        before=firing.before,
        after=bad / max(n, 1.0),
        before_n=firing.before_n,
        after_n=n,
        before_bad=firing.before_bad,
        after_bad=bad,
        onset=firing.onset,
        runs=tuple(runs),
        affected=affected,
        unaffected=unaffected,
        error_types=error_types,
        reference=reference,
        reason=reason,
        paid=paid,
        deploy_share=firing.deploy_share,
        onset_latest=firing.latest or None,
        detail=detail,
    )


def of_node(
    agent: str, node: Node, status: FindingStatus, now: float, siblings: Iterable[Node], reason: str, identity: str
) -> Finding:
    """What a firing node says. `siblings`: nodes of the same signal and tool for other versions."""
    firing = node.firing
    assert firing is not None
    beside = [other for other in siblings if other.seen >= firing.onset]
    shown = _would_show(firing, len(beside))
    well = sorted((other.seen, other.version or "") for other in beside if shown and _is_well(other, firing))
    part, value = firing.part.partition("=")[::2]
    affected = (f"version={node.version}",) if node.version is not None else ()
    spared = hitters.unaffected(node.counts, firing.part, firing.before)
    return of_episode(
        firing,
        status,
        now,
        identity=identity,
        signal=node.signal,
        owner=node.owner,
        node={"agent": agent, **node.labels(), **({part: value} if part else {})},
        watched={"agent": agent, **_labels(firing.watched or node.key)},
        runs=node.examples,
        affected=(*affected, firing.part) if part else affected,
        unaffected=(*(f"version={version}" for _, version in well[-SIBLINGS:]), *spared[:SIBLINGS]),
        error_types=tuple(reversed(node.errors)),
        reference="declared" if node.declared is not None else "learned",
        reason=reason,
    )


def no_data_since(at: float) -> str:
    """What is said of an episode that nothing is heard of any more; `at` in epoch seconds."""
    return f"no data since {datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"


def counted(firing: Firing, status: FindingStatus) -> tuple[float, float]:
    """The observations that a word counts, and the bad ones among them: since the onset, or since the recovery."""
    if status == "resolved" and firing.back_n:
        return firing.back_n, firing.back_bad
    return firing.n, firing.bad


def of_traffic(
    agent: str, owner: str, state: Traffic, status: FindingStatus, now: float, declared: bool, mode: str, reason: str,
    identity: str,
) -> Finding:  # fmt: skip
    """What the traffic node of an agent says; levels in runs per second."""
    quiet = max(now - state.quiet_since, 1.0)
    return Finding(
        id=identity,
        incident_key=state.firing_key,
        status=status,
        time=now,
        signal=TRAFFIC,
        direction="down",
        mode="page" if mode == "page" else "notice",
        owner=owner,
        node={"agent": agent},
        watched={"agent": agent},
        before=state.before,
        after=state.since_n / quiet,
        before_n=float(state.total),
        after_n=float(state.since_n),
        before_bad=float(state.total),
        after_bad=float(state.since_n),
        onset=state.quiet_since,
        reference="declared" if declared else "learned",
        reason=reason,
    )


def _mode(mode: str) -> Mode:
    return "page" if mode == "page" else "digest" if mode == "digest" else "notice"


def _would_show(firing: Firing, siblings: int) -> bool:
    """Whether the siblings had so many runs since the onset that the fault would have shown in each, nine in ten."""
    level = firing.bad / max(firing.n, 1.0)
    return siblings > 0 and (1.0 - level) ** ((firing.others + firing.gap) / siblings) <= UNLIKELY


def _is_well(sibling: Node, firing: Firing) -> bool:
    """Whether a sibling that ran since the onset is nearer to what was normal than to the fault."""
    if sibling.firing is not None:
        return False
    half = (firing.before + firing.bad / max(firing.n, 1.0)) / 2.0
    return sibling.cusum <= 1.0 or sibling.since_bad < half * sibling.since_n


def _labels(key: Key) -> dict[str, str]:
    return {label: value for label, value in (("version", key[1]), ("tool", key[2])) if value is not None}
