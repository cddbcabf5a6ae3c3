"""What the latest production runs of one agent carried, and which components they used.

Counted per closed run, never per event. Owned by the agent and saved with its core, so what holds for that holds here:
a crash leaves the old counts, and runs are counted again with the records that are stepped again. Hung runs are left
out, for nobody said how they ended.

Invariant: only the latest `WINDOW` to twice `WINDOW` runs count, so that what an agent begins to send shows soon.
"""

from __future__ import annotations

from msgspec import Struct, field

from monitor.runs import Closed
from monitor.runs.work import NO_ARGUMENTS, NO_RESULT, NO_VERSION
from schemas.view import SeenView, UseView

WINDOW = 200
"""Runs after which counting begins anew; those of the stretch before still count."""
USES = 200
"""Components that one agent uses, and agents that call it. More: the one used longest ago is forgotten, counted as
`uses_forgotten`."""
CALLER = "caller:"
"""Begins the key of an agent that called this one."""


class Counts(Struct, array_like=True):
    """Runs of a stretch, and how many of them said something. `modelled`: runs that called a model."""

    runs: int = 0
    versions: int = 0
    outcomes: int = 0
    modelled: int = 0
    tokens: int = 0
    costs: int = 0


class Used(Struct, array_like=True):
    """Runs of a stretch that used a component; of a tool: its calls, and the runs in which every call carried them."""

    runs: int = 0
    calls: int = 0
    arguments: int = 0
    results: int = 0
    versions: int = 0


class Use(Struct, array_like=True):
    """One component. Times in epoch seconds."""

    first: float
    last: float
    now: Used = field(default_factory=Used)
    before: Used = field(default_factory=Used)


class Carried(Struct, array_like=True):
    """What runs carried in this stretch and in the one before, and all uses by component."""

    now: Counts = field(default_factory=Counts)
    before: Counts = field(default_factory=Counts)
    uses: dict[str, Use] = {}


def observe(carried: Carried, closed: Closed, now: float) -> int:
    """Count one production run that closed at `now`; how many uses were forgotten for it."""
    if closed.status == "hung":
        return 0
    run, work, counts = closed.run, closed.work, carried.now
    counts.runs += 1
    counts.versions += run.version is not None
    counts.outcomes += closed.outcome is not None
    if work.llm_calls:
        counts.modelled += 1
        counts.tokens += work.tokens is not None
        counts.costs += work.cost_usd is not None
    for tool, (calls, _, _, lacks) in run.tools.items():
        used = _used(carried, "tool:" + tool, now)
        used.calls += calls
        used.arguments += not lacks & NO_ARGUMENTS
        used.results += not lacks & NO_RESULT
        used.versions += not lacks & NO_VERSION
    for component in work.used:
        _used(carried, component, now)
    if run.parent_agent is not None:
        _used(carried, CALLER + run.parent_agent, now)
    if counts.runs >= WINDOW:
        carried.before, carried.now = counts, Counts()
        for use in carried.uses.values():
            use.before, use.now = use.now, Used()
    return _make_room(carried.uses)


def seen(carried: Carried, agent: str, owner: str, runs_per_minute: float, last_seen: float) -> SeenView:
    """It as people and programs read it."""
    now, before = carried.now, carried.before
    uses: list[UseView] = []
    callers: list[UseView] = []
    for key, use in carried.uses.items():
        (callers if key.startswith(CALLER) else uses).append(_view(key, use))
    return SeenView(
        agent=agent,
        owner=owner,
        runs_per_minute=runs_per_minute,
        last_seen=last_seen,
        runs=now.runs + before.runs,
        versions=now.versions + before.versions,
        outcomes=now.outcomes + before.outcomes,
        modelled=now.modelled + before.modelled,
        tokens=now.tokens + before.tokens,
        costs=now.costs + before.costs,
        uses=tuple(sorted(uses, key=lambda each: each.component)),
        callers=tuple(sorted(callers, key=lambda each: each.component)),
    )


def _used(carried: Carried, component: str, now: float) -> Used:
    use = carried.uses.get(component)
    if use is None:
        use = carried.uses[component] = Use(now, now)
    use.last = now
    use.now.runs += 1
    return use.now


def _make_room(uses: dict[str, Use]) -> int:
    forgotten = 0
    while len(uses) > USES:
        del uses[min(uses, key=lambda key: (uses[key].last, key))]
        forgotten += 1
    return forgotten


def _view(key: str, use: Use) -> UseView:
    now, before = use.now, use.before
    return UseView(
        component=f"agent:{key.removeprefix(CALLER)}" if key.startswith(CALLER) else key,
        first_seen=use.first,
        last_seen=use.last,
        runs=now.runs + before.runs,
        calls=now.calls + before.calls,
        arguments=now.arguments + before.arguments,
        results=now.results + before.results,
        versions=now.versions + before.versions,
    )
