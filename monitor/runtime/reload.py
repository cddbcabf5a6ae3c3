"""What of a new configuration a running monitor can take, and what it must be started again for.

Pure. What the router and the notifiers alone read is taken; what detection, intake, storage and addresses were built
with is not, because state depends on it. Invariant: a key is either taken whole or named.
"""

from __future__ import annotations

from schemas.config import Config

TAKEN = (
    "global_",
    "route",
    "inhibit_rules",
    "time_intervals",
    "mute_time_intervals",
    "receivers",
    "changes",
    "tests",
    "backtest",
)
"""Sections that are taken whole."""

OWNERS_TAKEN = ("slack", "mention", "escalate")
"""Of an owner. Budgets are granted by the ledger, which has its own from the start."""


def merged(running: Config, wanted: Config) -> tuple[Config, list[str]]:
    """The configuration to go on under, and a sentence per part that takes a restart."""
    owners = {}
    restarts: list[str] = []
    for name, owner in wanted.owners.items():
        known = running.owners.get(name)
        owners[name] = owner
        if known is None:
            restarts.append(f"owners.{name}: is known to routing; its budget is granted after a restart")
            continue
        changed = [key for key in type(owner).model_fields if getattr(owner, key) != getattr(known, key)]
        kept = [key for key in changed if key not in OWNERS_TAKEN]
        owners[name] = owner.model_copy(update={key: getattr(known, key) for key in kept})
        restarts += [f"owners.{name}.{key}: takes a restart" for key in kept]
    restarts += [f"owners.{name}: takes a restart to go" for name in running.owners if name not in wanted.owners]
    # An owner that the engine still has may still be found to own something.
    owners |= {name: owner for name, owner in running.owners.items() if name not in owners}
    taken = {key: getattr(wanted, key) for key in TAKEN} | {"owners": owners}
    for key in type(running).model_fields:
        if key not in taken and getattr(running, key) != getattr(wanted, key):
            restarts.append(f"{key}: takes a restart")
    return running.model_copy(update=taken), sorted(restarts)
