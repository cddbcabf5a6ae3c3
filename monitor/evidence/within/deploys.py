"""Deploys: what a new version's nodes are paid in advance, so that a fault that comes with it is found sooner.

A part of an agent's grant drips into a pool (`Account.pool`) that holds at most a week of it. A deploy takes half of
what is there and promises it to the nodes that it may break, in equal parts: fixed before their observations, and never
more than dripped (T1). A promise waits until its node is there.

A deploy is a version that is seen for the first time, or a `change` event of the agent or of what it depends on.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from monitor.evidence import accounts
from monitor.evidence.within.node import Node
from monitor.saved.states import Account, Key

KNOWN_RUNS = 200
"""Runs after which an agent is known; before, a first version is no deploy."""
PART = 0.5
"""The part of the pool that one deploy takes."""
DRIFT_PART = 0.25
"""The part of that which is for the drift nodes of the version, where somebody asks for it."""
REMEMBERED = 50
"""Deploys that are told from a first sighting of the same version. More: the oldest is forgotten."""
PROMISES = 500
"""Nodes with a promise. More: the oldest loses it, counted as `promises_dropped`; that costs power, never budget."""


class Deploys(Struct, array_like=True):
    """What was deployed lately, and what is promised. `drift`: promised to the drift nodes, until they take it."""

    names: dict[str, float] = {}
    promises: list[tuple[Key, float]] = []
    drift: float = 0.0


def known(deploys: Deploys, name: str) -> bool:
    """Whether this deploy was seen already; `name`: the version, or what else was changed."""
    return name in deploys.names


def begin(
    deploys: Deploys, name: str, keys: Iterable[tuple[Key, str]], book: dict[str, Account], own: str, now: float
) -> int:
    """Pay for one deploy: `keys` are the nodes that it may break with their owners; how many promises were dropped."""
    deploys.names[name] = now
    while len(deploys.names) > REMEMBERED:
        del deploys.names[next(iter(deploys.names))]
    of_owner: dict[str, list[Key]] = {own: []}
    for key, owner in keys:
        of_owner.setdefault(owner, []).append(key)
    for owner, mine in of_owner.items():
        account = book.get(owner)
        mass = accounts.take_deploy(account, PART, now) if account is not None else 0.0
        if owner == own:
            deploys.drift += mass * DRIFT_PART
            mass *= 1.0 - DRIFT_PART
        if mass > 0.0:
            deploys.promises += [(key, mass / len(mine)) for key in mine]
    dropped = max(len(deploys.promises) - PROMISES, 0)
    del deploys.promises[:dropped]
    return dropped


def redeem(deploys: Deploys, node: Node) -> None:
    """A node takes what it was promised."""
    key = node.key
    node.prepaid += sum(mass for of, mass in deploys.promises if of == key)
    deploys.promises = [(of, mass) for of, mass in deploys.promises if of != key]
