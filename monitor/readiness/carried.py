"""What the latest production runs of one agent carried, and which components they used.

Counted per closed run, never per event. Owned by the agent and saved with its core, so what holds for that holds here:
a crash leaves the old counts, and runs are counted again with the records that are stepped again. Hung runs are left
out, for nobody said how they ended.

Invariant: only the latest `WINDOW` to twice `WINDOW` runs count, so that what an agent begins to send shows soon.
"""

from __future__ import annotations

from typing import Final

from monitor.runs import Closed
from monitor.runs.work import NO_ARGUMENTS, NO_RESULT, NO_VERSION
from monitor.saved.carried import COUNTS, COUNTS_OF_USE, Carried, Use
from schemas.view import SeenView, UseView

WINDOW: Final = 200
"""Runs after which counting begins anew; those of the stretch before still count."""
USES: Final = 200
"""Components that one agent uses, and agents that call it. More: the one used longest ago is forgotten, counted as
`uses_forgotten`."""
CALLER: Final = "caller:"
"""Begins the key of an agent that called this one."""
FREE: Final = 5
EVERY: Final = 7
"""Of an agent of which enough runs are counted: the first so many between two ticks, then every seventh, which keeps
step with few patterns. So a busy agent costs little, and a quiet one is known whole."""


def observe(carried: Carried, closed: Closed, now: float) -> int:
    """Count one production run that closed at `now`; how many uses were forgotten for it."""
    if closed.status == "hung":
        return 0
    if carried.before[0] >= WINDOW:
        if carried.tick != now:
            carried.tick, carried.taken = now, 0
        taken = carried.taken = carried.taken + 1
        if taken > FREE and taken % EVERY:
            return 0
    run, work, counts = closed.run, closed.work, carried.now
    counts[0] += 1
    if run.version is not None:
        counts[1] += 1
    if closed.outcome is not None:
        counts[2] += 1
    if work.llm_calls:
        counts[3] += 1
        if work.input_tokens is not None or work.output_tokens is not None:
            counts[4] += 1
        if work.cost_usd is not None:
            counts[5] += 1
    tools, uses = carried.tools, carried.uses
    for tool, (calls, _, _, lacks) in run.tools.items():
        used = _used(tools, tool, now)
        used[1] += calls
        if not lacks & NO_ARGUMENTS:
            used[2] += 1
        if not lacks & NO_RESULT:
            used[3] += 1
        if not lacks & NO_VERSION:
            used[4] += 1
    for component in work.used:
        _used(uses, component, now)
    if run.parent_agent is not None:
        _used(uses, CALLER + run.parent_agent, now)
    if counts[0] >= WINDOW:
        carried.before, carried.now = counts, [0] * COUNTS
        for use in (*tools.values(), *uses.values()):
            use.before, use.now = use.now, [0] * COUNTS_OF_USE
    return _make_room(carried) if len(tools) + len(uses) > USES else 0


def seen(carried: Carried, agent: str, owner: str, runs_per_minute: float, last_seen: float) -> SeenView:
    """It as people and programs read it."""
    runs, versions, outcomes, modelled, tokens, costs = map(sum, zip(carried.now, carried.before, strict=True))
    uses = [_view(f"tool:{tool}", use) for tool, use in carried.tools.items()]
    uses += [_view(key, use) for key, use in carried.uses.items() if not key.startswith(CALLER)]
    callers = [
        _view(f"agent:{key.removeprefix(CALLER)}", use) for key, use in carried.uses.items() if key.startswith(CALLER)
    ]
    return SeenView(
        agent=agent,
        owner=owner,
        runs_per_minute=runs_per_minute,
        last_seen=last_seen,
        runs=runs,
        versions=versions,
        outcomes=outcomes,
        modelled=modelled,
        tokens=tokens,
        costs=costs,
        uses=tuple(sorted(uses, key=lambda each: each.component)),
        callers=tuple(sorted(callers, key=lambda each: each.component)),
    )


def _used(uses: dict[str, Use], name: str, now: float) -> list[int]:
    use = uses.get(name)
    if use is None:
        use = uses[name] = Use(now, now, [0] * COUNTS_OF_USE, [0] * COUNTS_OF_USE)
    use.last = now
    counts = use.now
    counts[0] += 1
    return counts


def _make_room(carried: Carried) -> int:
    """Forget what was used longest ago, a tool or another component."""
    forgotten = 0
    while len(carried.tools) + len(carried.uses) > USES:
        oldest = [(use.last, name, known) for known in (carried.tools, carried.uses) for name, use in known.items()]
        _, name, known = min(oldest, key=lambda each: each[:2])
        del known[name]
        forgotten += 1
    return forgotten


def _view(component: str, use: Use) -> UseView:
    runs, calls, arguments, results, versions = map(sum, zip(use.now, use.before, strict=True))
    return UseView(
        component=component,
        first_seen=use.first,
        last_seen=use.last,
        runs=runs,
        calls=calls,
        arguments=arguments,
        results=results,
        versions=versions,
    )
