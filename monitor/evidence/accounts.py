"""An agent's part of the alert budget: what the ledger granted, and how the agent's nodes share it.

A grant is for one owner and one agent and ends at a given time. Every kind of node (signal, and whether it is of one
version) has a part of it; within a kind the nodes share by `detectors.shares`. What is reserved is lent while nobody
needs it: the reserve of a kind to its nodes, until one comes in this epoch; most of the part of a kind without nodes to
those that have some. All of it is fixed before the observations that it is spent on, and together it never exceeds the
grant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from detectors import shares
from monitor.evidence import nodes
from monitor.evidence.within.node import Node
from monitor.saved.states import Account, Key
from monitor.signals import DEPLOY_SHARE, FAILURE_SIGNALS, OBJECTIVE, OBJECTIVE_SHARE
from schemas.records import Grant

HEAD_START: Final = 0.5
"""Part of an agent's first grant that its nodes get at once: a fault in its first seconds is found as well. It is fixed
before the observations that it is spent on, like any drip."""


NODES_SHARE = sum(row.leaf_share + row.middle_share for row in FAILURE_SIGNALS.values()) + OBJECTIVE_SHARE
"""Part of an agent's budget for all kinds of nodes."""
LOOP_SHARE: Final = 0.01
"""Part of an agent's budget for loops inside runs."""
FIRST_LOOP_MASS: Final = 1e-6
"""What a call may cost in false loops while there is no grant."""
HIGHEST_LOOP_MASS: Final = 1e-3
DEPLOY_SECONDS: Final = 604_800.0
"""The pool for deploys holds at most what drips in so long."""


def empty() -> Account:
    """An account without a grant: it drips nothing."""
    return Account(0.0, 0.0, 0.0, {}, {})


def newcomer(account: Account, key: Key, mine: Callable[[], Iterable[Node]], now: float) -> float:
    """The share of a node that is seen for the first time. The first of a kind takes back the reserve that was lent.

    `mine` finds the nodes of the account; this one may be among them, it has no share yet.
    """
    kind = _kind(key)
    known = account.known.get(kind, 0)
    index = account.newcomers[kind] = account.newcomers.get(kind, 0) + 1
    if known and index == 1:
        for node in mine():
            if _kind(node.key) == kind:
                nodes.settle(node, now, account.rate(node.mode), account.end)
                node.share *= 1.0 - shares.RESERVE
    part = _kind_share(key) * shares.newcomer_share(known, index)
    return part if known or not account.known else part * shares.RESERVE


def loop_mass(account: Account, calls_per_second: float) -> float:
    """The start mass of `detectors.loops`: what one call may cost, so that all calls together cost `LOOP_SHARE`."""
    if account.page_rate <= 0.0:
        return FIRST_LOOP_MASS
    return min(LOOP_SHARE * account.page_rate / max(calls_per_second, 1e-9), HIGHEST_LOOP_MASS)


def take_deploy(account: Account, part: float, now: float) -> float:
    """Take a part of the pool for a deploy: expected false pages, fixed before the deploy's observations."""
    _flow_to_pool(account, now)
    mass = account.pool * part
    account.pool -= mass
    return mass


def _flow_to_pool(account: Account, now: float) -> None:
    seconds = min(now, account.end) - account.pooled_at
    if seconds > 0.0:
        flow = DEPLOY_SHARE * account.page_rate
        account.pool = min(account.pool + flow * seconds, flow * DEPLOY_SECONDS)
    account.pooled_at = max(now, account.pooled_at)


def renew(account: Account, grant: Grant, mine: Iterable[Node], now: float) -> None:
    """A new grant: what flowed so far is kept, and the nodes that are known by now share anew."""
    page, notice, end = account.page_rate, account.notice_rate, account.end
    _flow_to_pool(account, now)
    kinds: dict[str, list[Node]] = {}
    middles: dict[str, list[Node]] = {}
    leaves: dict[str, list[Node]] = {}
    for node in mine:
        nodes.settle(node, now, page if node.mode == "page" else notice, end)
        alike = middles if node.version is None else leaves
        found = alike.get(node.signal)
        if found is None:  # a name is made once a kind: at the turn of an epoch all agents come here in one tick
            found = alike[node.signal] = kinds[_kind(node.key)] = []
        found.append(node)
    parts = {kind: _kind_share(found[0].key) for kind, found in kinds.items()}
    used = sum(parts[kind] for kind in sorted(parts))  # in one order, whatever was restored first
    lent = 1.0 + (1.0 - shares.RESERVE) * (NODES_SHARE - used) / used if used else 1.0
    first = end == 0.0
    part = 1.0 - HEAD_START if first else 1.0
    account.page_rate, account.notice_rate = grant.page_rate * part, grant.notice_rate * part
    account.end = grant.end
    account.known, account.newcomers = {kind: len(found) for kind, found in kinds.items()}, {}
    for kind, found in kinds.items():
        share = parts[kind] * lent / len(found)
        for node in found:
            node.share = share
            if first:
                whole = grant.page_rate if node.mode == "page" else grant.notice_rate
                node.pending += share * whole * HEAD_START * (grant.end - grant.start)


def _kind(key: Key) -> str:
    return f"{key[0]}|{'middle' if key[1] is None else 'leaf'}"


def _kind_share(key: Key) -> float:
    if key[0] == OBJECTIVE:
        return OBJECTIVE_SHARE
    row = FAILURE_SIGNALS[key[0]]
    return row.middle_share if key[1] is None else row.leaf_share
