"""What the page, the API and the summary of `replay` show. Numbers and names only; no agent text."""

from __future__ import annotations

import math
from typing import Any, Literal

import msgspec
from msgspec import Struct

from schemas.news import RolloutSeen

AgentState = Literal["warming up", "healthy", "incident", "silent", "blind"]


class RunView(Struct, frozen=True, kw_only=True, gc=False):
    """One closed run. Times in epoch seconds, duration in seconds."""

    run: str
    agent: str
    version: str | None
    status: Literal["ok", "error", "hung"]
    started: float
    duration_seconds: float
    tools: dict[str, int]
    """Calls per tool."""
    failed_tools: dict[str, int]
    """Calls per tool that failed, soft errors included."""
    outcome: str | None = None
    error_type: str | None = None
    parent_run: str | None = None
    silent: bool = False
    """Whether it says ok and something that it did says otherwise: a loop and a broken contract included."""
    silent_reason: str = ""
    """Why it did not do what it says, in words, where neither of those two says so."""
    looped: bool = False
    violations: tuple[str, ...] = ()
    """Rules of its contract that it broke."""


class SignalView(Struct, frozen=True, kw_only=True):
    """One node as a person reads it: level now against what is normal, shares 0..1."""

    signal: str
    labels: dict[str, str]
    state: Literal["warming up", "healthy", "held", "firing"]
    """held: another node fires for the same runs, and while it does this one takes none of them."""
    level: float | None
    """None where none is known yet, and for signals of many sides, which have no one level."""
    reference: float | None
    n: float
    """Observations behind the level: of a failure that fires, those since its onset."""
    evidence: float
    """0..1: how much of a page's worth of evidence has been gathered."""
    waiting_for: str = ""
    """What a warming-up node still needs, or what a held one is held by, as words."""
    mode: str = ""
    """Its voice: page, notice, digest or off."""
    owner: str = ""
    tolerance: float | None = None
    """Odds ratio within which a change is not worth a word."""
    per_week: float = 0.0
    """False alarms per week that flow into it of its owner's budget, at the present grant."""
    note: str = ""
    """What else stands between it and an alert, as words."""


class AgentView(Struct, frozen=True, kw_only=True):
    """One agent: counts since the monitor knows it."""

    agent: str
    owner: str
    state: AgentState
    runs: int
    failed: int
    hung: int
    silent: int
    open_runs: int
    versions: tuple[str, ...]
    tools: tuple[str, ...]
    last_seen: float
    runs_per_minute: float
    signals: tuple[SignalView, ...] = ()


class UseView(Struct, frozen=True, kw_only=True):
    """A component that an agent's runs used, or an agent that called it. Times in epoch seconds.

    `component`: as `depends_on` writes it. `runs`: of the latest runs that are counted, those that used it; of a tool,
    `calls` in them, and the runs in which every call carried its `arguments`, `results` (a failed call needs none) and
    `versions`.
    """

    component: str
    first_seen: float
    last_seen: float
    runs: int
    calls: int = 0
    arguments: int = 0
    results: int = 0
    versions: int = 0


class SeenView(Struct, frozen=True, kw_only=True):
    """What the latest production runs of one agent carried and used.

    `runs`: how many are counted, 400 at most; of them `versions`, `outcomes` had one, `modelled` called a model, and of
    those `tokens`, `costs` said them.
    """

    agent: str
    owner: str
    runs_per_minute: float
    last_seen: float
    runs: int = 0
    versions: int = 0
    outcomes: int = 0
    modelled: int = 0
    tokens: int = 0
    costs: int = 0
    uses: tuple[UseView, ...] = ()
    callers: tuple[UseView, ...] = ()


class Dependent(Struct, frozen=True, kw_only=True):
    """A component that depends on another one.

    `steps`: how many dependencies lie between, 1 for a direct one; `through`: the one that it depends on itself.
    `declared`: the YAML says every one of them; `seen`: runs used `through`; `fallback`: only where another fails.
    `share`: of the agent's latest runs those that used `through`, 0..1; None where nothing was seen of it.
    """

    component: str
    owner: str
    steps: int
    through: str
    declared: bool
    seen: bool = False
    fallback: bool = False
    runs_per_minute: float | None = None
    share: float | None = None
    last_seen: float | None = None
    objectives: tuple[str, ...] = ()


class Dependents(Struct, frozen=True, kw_only=True):
    """Who depends on a component: the nearest first. `known`: the YAML declares it, or runs used it.

    `asked`: whether anybody looked at runs; else only what is declared is known. `left_out`: those beyond the bound.
    `time`: epoch seconds at which it was looked at, in a history its latest event; 0 where nothing was.
    """

    component: str
    owner: str
    known: bool
    declared: bool
    asked: bool
    time: float = 0.0
    dependents: tuple[Dependent, ...] = ()
    left_out: int = 0


class BudgetView(Struct, frozen=True, kw_only=True):
    """One owner's account in false pages: what was granted, what alerts took, told or not.

    `facts` (broken contracts) and `repeats` of an episode are alerts that no budget pays for.
    """

    owner: str
    granted: float
    spent: int
    notices_granted: float
    notices_spent: int
    facts: int = 0
    repeats: int = 0


class Check(Struct, frozen=True):
    """One named thing that must hold. `message` says what is missing when it does not; never a secret."""

    name: str
    ok: bool
    message: str = ""


class Health(Struct, frozen=True, kw_only=True):
    """Whether the process is alive (else: restart it) and whether it does its job (else: look at the checks)."""

    live: tuple[Check, ...]
    ready: tuple[Check, ...]

    @property
    def is_live(self) -> bool:
        """Whether every liveness check holds."""
        return all(check.ok for check in self.live)

    @property
    def is_ready(self) -> bool:
        """Whether every check holds, liveness included."""
        return self.is_live and all(check.ok for check in self.ready)


class RolloutView(Struct, frozen=True, kw_only=True):
    """A rollout as the router knows it: `seen` is what was heard of it last.

    `heard_at`: when it was first heard of. `verdict_at`: when its present verdict came; None while it never had
    another than `hold`. `ended_at`: when it was over, None while it goes on.
    """

    seen: RolloutSeen
    heard_at: float
    verdict_at: float | None = None
    ended_at: float | None = None


_TIMES = ("heard_at", "verdict_at", "ended_at")
_UNKNOWN = {"low": -math.inf, "high": math.inf, "evidence": math.inf}
"""What a number of a signal is where JSON has null, for it knows no infinity; another is no number."""


def rollout_line(view: RolloutView) -> dict[str, Any]:
    """A rollout as JSON, flat and with every key: for the API, `--json`, webhooks and the lines of a replay."""
    line = {key: _finite(value) for key, value in msgspec.structs.asdict(view.seen).items()}
    signals = [msgspec.structs.asdict(each) for each in view.seen.signals]
    line["signals"] = [{key: _finite(value) for key, value in each.items()} for each in signals]
    line["examples"] = [list(pair) for pair in view.seen.examples]
    return {**line, **{name: getattr(view, name) for name in _TIMES}}


def rollout_of(line: dict[str, Any]) -> RolloutView:
    """The rollout that `rollout_line` wrote. Raises `msgspec.ValidationError`."""
    times = msgspec.convert({name: line.get(name) for name in _TIMES}, dict[str, float | None])
    if times["heard_at"] is None:
        raise msgspec.ValidationError("a rollout without `heard_at`")
    given = msgspec.convert(line.get("signals", []), list[dict[str, Any]])
    signals = [
        {
            key: _UNKNOWN.get(key, math.nan) if value is None and key in _NUMBERS else value
            for key, value in each.items()
        }
        for each in given
    ]
    seen = msgspec.convert({**line, "signals": signals}, RolloutSeen)
    return RolloutView(
        seen=seen, heard_at=times["heard_at"], verdict_at=times["verdict_at"], ended_at=times["ended_at"]
    )


_NUMBERS = ("baseline", "candidate", "effect", *_UNKNOWN)


def _known(key: str, value: Any) -> Any:
    return _UNKNOWN.get(key, math.nan) if value is None and key in _NUMBERS else value


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
