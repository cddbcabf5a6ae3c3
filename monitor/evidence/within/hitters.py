"""Narrower slices of a node: who, inside it, has the fault. Counted only while a stretch looks like a fault.

A table holds [weight, runs, bad] per `dimension=value` (model, provider, tenant, declared labels) and the node's own
counts under the empty name. It is bounded by the rule of SpaceSaving (Metwally, Agrawal, El Abbadi 2005): a new name
takes the place of the lightest one and inherits its weight, so that what comes often stays. Runs and bad ones are
counted from the name's own first run, so that nothing is put on a name that it did not do.

Invariant: at most `ENTRIES` names in a node, whatever the runs bring.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from monitor.runs import SPENT, Run

ENTRIES = 32
"""Names in one node. One more: the lightest gives way, counted as `slices_evicted`."""
NARROW = 0.7
"""Part of the excess that one value must explain to be named."""
ALIKE = 0.5
"""It is not named if the other values' excess per run is more than this part of its own."""
CHANCE = 0.01
"""It is not named if as many of the bad runs would be its own by chance more often than this."""
EXACT_RUNS = 2_000
"""Runs up to which that is worked out exactly; beyond, a bound."""
UNLIKELY = 0.1
"""A value is called unaffected where the fault would have stayed hidden in it at most so often."""

Table = dict[str, list[float]]
ALL = ""


def names_of(run: Run, labels: Iterable[str]) -> list[str]:
    """The slices that a run is of, as `dimension=value`; `labels`: the declared ones."""
    work = run.work
    model = run.model if run.closed else work.model
    found = []
    if model is not None:
        found.append(f"model={model}")
        maker = work.provider or (model.partition("/")[0] if "/" in model else None)
        if maker is not None:
            found.append(f"provider={maker}")
    elif work is not SPENT and work.provider is not None:
        found.append(f"provider={work.provider}")
    return found + whose(run, labels)


def whose(run: Run, labels: Iterable[str]) -> list[str]:
    """Of these, for whom it ran: its tenant and declared labels."""
    tenant, more = (run.tenant, run.labels) if run.closed else (run.work.tenant, run.work.labels)
    found = [] if tenant is None else [f"tenant={tenant}"]
    if more:
        found += [f"{label}={more[label]}" for label in labels if label in more]
    return found


def count(table: Table, names: Iterable[str], y: float) -> int:
    """Count one observation, in place; how many names had to give way."""
    whole = table.get(ALL)
    if whole is None:
        whole = table[ALL] = [0.0, 0.0, 0.0]
    whole[1] += 1.0
    whole[2] += y
    evicted = 0
    for name in names:
        entry = table.get(name)
        if entry is None:
            weight = 0.0
            if len(table) > ENTRIES:
                lightest = min((key for key in table if key != ALL), key=lambda key: (table[key][0], key))
                weight = table.pop(lightest)[0]
                evicted += 1
            entry = table[name] = [weight, 0.0, 0.0]
        entry[0] += 1.0
        entry[1] += 1.0
        entry[2] += y
    return evicted


def smallest(table: Mapping[str, list[float]], normal: float) -> str:
    """The narrowest `dimension=value` that explains the excess over `normal`; empty where none does."""
    if ALL not in table:
        return ""
    _, whole_n, whole_bad = table[ALL]
    whole = whole_bad - normal * whole_n
    if whole <= 0.0:
        return ""
    best: tuple[float, str] | None = None
    values = _values(table)
    for name, (_, n, bad) in table.items():
        others = whole_n - n
        excess = bad - normal * n
        if name == ALL or others <= 0.0 or excess < NARROW * whole:
            continue
        beside = (whole_bad - bad) - normal * others
        if beside / others > ALIKE * excess / n:
            continue
        hits, failed = min(int(bad), int(n)), min(math.ceil(whole_bad), int(whole_n))  # parts of a run speak against it
        if hits <= 0 or _chance(hits, failed, int(n), int(whole_n)) * max(values[_dimension(name)], 2) > CHANCE:
            continue
        if best is None or (n, name) < best:
            best = (n, name)
    return best[1] if best is not None else ""


def unaffected(table: Mapping[str, list[float]], part: str, normal: float) -> list[str]:
    """Values beside `part`, of its dimension, that had so many runs that the fault would show in them."""
    if part not in table:
        return []
    _, n, bad = table[part]
    level = bad / max(n, 1.0)
    half = (normal + level) / 2.0
    dimension = _dimension(part)
    found = [
        (seen, name)
        for name, (_, seen, failed) in table.items()
        if name not in (ALL, part)
        and _dimension(name) == dimension
        and failed < half * seen
        and (1.0 - min(level, 1.0)) ** seen <= UNLIKELY
    ]
    return [name for _, name in sorted(found, key=lambda pair: (-pair[0], pair[1]))]


def _dimension(name: str) -> str:
    return name.partition("=")[0]


def _values(table: Mapping[str, list[float]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for name in table:
        dimension = _dimension(name)
        found[dimension] = found.get(dimension, 0) + 1
    return found


def _chance(hits: int, bad: int, n: int, whole: int) -> float:
    """How often so many of `bad` runs or more fall on `n` of the `whole` runs by chance (Fisher, in whole numbers)."""
    if whole > EXACT_RUNS:
        part, share = hits / bad, n / whole
        if part <= share:
            return 1.0
        nats = part * math.log(part / share)
        if part < 1.0:
            nats += (1.0 - part) * math.log((1.0 - part) / (1.0 - share))
        return math.exp(-bad * nats)  # a bound (Chernoff)
    ways = sum([math.comb(n, i) * math.comb(whole - n, bad - i) for i in range(hits, min(n, bad) + 1)])
    return ways / math.comb(whole, bad)
