"""A `View` in memory, and a few fleets to look at; not a monitor.

python tests/services/web_fleet.py incident     # serves a fleet on a free loopback port until Ctrl-C
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec import structs

from monitor.alerting.router import Router
from monitor.web.view import Control, NotReloaded
from schemas.actions import Action
from schemas.alert import Alert, Impact, Incident, TimelineEntry
from schemas.config import Config
from schemas.finding import Finding
from schemas.news import RolloutSeen
from schemas.view import AgentView, BudgetView, Check, Health, RunView, SeenView, SignalView
from tests.doubles import rollouts
from tests.doubles.clock import START

NOW = 1_790_000_000.0
READY = Health(live=(Check("engine", True),), ready=(Check("log", True), Check("ticks", True)))


@dataclass
class MemoryView:
    """What a runtime would answer, held in lists that a test may change at any time."""

    version: str = "0.1.0"
    agent_list: list[AgentView] = field(default_factory=list)
    seen_list: list[SeenView] = field(default_factory=list)
    incident_list: list[Incident] = field(default_factory=list)
    run_list: list[RunView] = field(default_factory=list)
    budget_list: list[BudgetView] = field(default_factory=list)
    health_now: Health = READY
    count_map: dict[str, int] = field(default_factory=dict)
    gauge_map: dict[str, float] = field(default_factory=dict)
    router: Router | None = field(default_factory=lambda: Router(Config()))

    def agents(self) -> Sequence[AgentView]:
        return [structs.replace(agent, signals=()) for agent in self.agent_list]

    def signals(self, agent: str) -> tuple[SignalView, ...]:
        return next((one.signals for one in self.agent_list if one.agent == agent), ())

    def seen(self) -> Sequence[SeenView]:
        return list(self.seen_list)

    def incidents(self) -> Sequence[Incident]:
        return list(self.incident_list)

    def runs(self, limit: int) -> Sequence[RunView]:
        return self.run_list[:limit]

    def budgets(self) -> Sequence[BudgetView]:
        return list(self.budget_list)

    def health(self) -> Health:
        return self.health_now

    def counts(self) -> Mapping[str, int]:
        return dict(self.count_map)

    def gauges(self) -> Mapping[str, float]:
        return dict(self.gauge_map)


@dataclass
class MemoryActions:
    """Takes actions as a runtime does: the view's own router is stepped by them, and they are remembered."""

    view: MemoryView
    taken: list[Action] = field(default_factory=list)
    refuse: Exception | None = None

    async def act(self, *actions: Action) -> None:
        if self.refuse is not None:
            raise self.refuse
        self.taken += actions
        if self.view.router is not None:
            self.view.router.step((), max((NOW, *(action.time for action in actions))), actions)


def control_of(view: MemoryView, problem: str = "", config: Config | None = None) -> Control:
    """A control over a view in memory; a reload fails with `problem`, if there is one."""

    async def reload() -> list[str]:
        if problem:
            raise NotReloaded(problem)
        return ["runtime: takes a restart"]

    known = config or Config()
    return Control(MemoryActions(view), reload, lambda: "route: {receiver: x}\n", lambda: 300.0, lambda: known)


def agent(name: str, state: str = "healthy", **changes: Any) -> AgentView:
    fields: dict[str, Any] = {
        "agent": name,
        "owner": "payments",
        "state": state,
        "runs": 4_210,
        "failed": 131,
        "hung": 2,
        "silent": 17,
        "open_runs": 3,
        "versions": ("v12", "v13"),
        "tools": ("issue_refund", "search_orders"),
        "last_seen": NOW - 2.0,
        "runs_per_minute": 31.0,
        "signals": (
            signal("run.failed", 0.031, 0.029, 0.08, agent=name),
            signal("tool.failed", 0.041, 0.038, 0.21, agent=name, tool="issue_refund"),
            signal("tool.failed", 0.012, 0.011, 0.02, agent=name, tool="search_orders"),
            signal("run.hung", 0.001, 0.001, 0.01, agent=name),
            signal("agent.traffic", 0.52, 0.49, 0.05, agent=name),
        ),
    }
    return AgentView(**(fields | changes))


def signal(
    name: str, level: float | None, reference: float | None, evidence: float, state: str = "healthy", **labels: str
) -> SignalView:
    return SignalView(
        signal=name, labels=labels, state=state, level=level, reference=reference, n=900.0, evidence=evidence
    )


def learning(name: str, waiting_for: str, **labels: str) -> SignalView:
    return SignalView(
        signal=name,
        labels=labels,
        state="warming up",
        level=0.02,
        reference=None,
        n=82.0,
        evidence=0.0,
        waiting_for=waiting_for,
    )


def finding(**changes: Any) -> Finding:
    fields: dict[str, Any] = {
        "id": "f1",
        "incident_key": "k1",
        "status": "firing",
        "time": NOW - 200.0,
        "signal": "tool.failed",
        "direction": "up",
        "mode": "page",
        "owner": "platform",
        "node": {"agent": "refund-agent", "version": "v13", "tool": "issue_refund"},
        "watched": {"agent": "refund-agent", "tool": "issue_refund"},
        "before": 0.038,
        "after": 0.31,
        "before_n": 812.0,
        "after_n": 42.0,
        "before_bad": 31.0,
        "after_bad": 13.0,
        "onset": NOW - 240.0,
        "unaffected": ("version=v12",),
        "error_types": ("soft_error",),
    }
    return Finding(**(fields | changes))


def incident(identity: str = "i1", *, resolved_at: float | None = None, **changes: Any) -> Incident:
    says = finding(**changes)
    alert = Alert(
        labels={"alertname": says.signal, "owner": says.owner, **says.node},
        annotations={},
        starts_at=says.time,
        ends_at=resolved_at,
        fingerprint="0123456789abcdef",
        finding=says,
    )
    return Incident(
        id=identity,
        owner=says.owner,
        severity="page" if says.mode == "page" else "notice",
        status="firing" if resolved_at is None else "resolved",
        opened_at=says.time,
        resolved_at=resolved_at,
        complained_at=says.time + 720.0 if says.mode == "page" and resolved_at is None else None,
        alerts=(alert,),
        runs=("run-8f3a1c", "run-90d2be", "run-91b7aa"),
        timeline=(TimelineEntry(says.onset, "began"), TimelineEntry(says.time, f"page to {says.owner}")),
    )


def run(name: str = "run-1", **changes: Any) -> RunView:
    fields: dict[str, Any] = {
        "run": name,
        "agent": "refund-agent",
        "version": "v13",
        "status": "ok",
        "started": NOW - 60.0,
        "duration_seconds": 4.2,
        "tools": {"issue_refund": 1},
        "failed_tools": {},
    }
    return RunView(**(fields | changes))


def empty() -> MemoryView:
    """A monitor that nobody has sent anything to."""
    return MemoryView()


def calm() -> MemoryView:
    """Agents at work, nothing wrong."""
    return MemoryView(
        agent_list=[
            agent("refund-agent"),
            agent("order-status", owner="orders", failed=0, silent=0, hung=0, runs_per_minute=212.4, runs=48_112),
            agent(
                "invoice-reader",
                "warming up",
                owner="finance",
                runs=82,
                failed=1,
                hung=0,
                silent=0,
                versions=("2026-09-01",),
                runs_per_minute=0.4,
                signals=(
                    learning("run.failed", "118 more runs, or 19 more failures", agent="invoice-reader"),
                    learning("tool.failed", "126 more runs that use it", agent="invoice-reader", tool="ocr"),
                    learning("agent.traffic", "a first day of traffic", agent="invoice-reader"),
                ),
            ),
        ],
        incident_list=[
            incident("old", mode="notice", resolved_at=NOW - 5_000.0, time=NOW - 9_000.0, onset=NOW - 9_300)
        ],
        run_list=[run(f"run-{number}") for number in range(5)],
        budget_list=[
            BudgetView(owner="payments", granted=0.42, spent=1, notices_granted=2.96, notices_spent=2),
            BudgetView(owner="orders", granted=0.42, spent=0, notices_granted=2.96, notices_spent=0),
            BudgetView(owner="finance", granted=0.01, spent=0, notices_granted=0.07, notices_spent=0),
        ],
        count_map={
            "events_received": 1_204_338,
            "spans_received": 911_022,
            "runs_closed": 52_404,
            "events_duplicate": 212,
            "dead_letters:not_json": 3,
            "dead_letters:missing_field": 12,
        },
        gauge_map={"traces_open": 4.0, "nodes": 120.0, "tick_age_seconds": 0.4},
    )


def troubled() -> MemoryView:
    """Two open incidents and every state that an agent can be in."""
    view = calm()
    view.agent_list[0] = agent(
        "refund-agent",
        "incident",
        signals=(
            signal("tool.failed", 0.31, 0.038, 1.0, "firing", agent="refund-agent", version="v13", tool="issue_refund"),
            signal("run.failed", 0.064, 0.029, 0.62, agent="refund-agent", version="v13"),
            signal("run.failed", 0.029, 0.029, 0.03, agent="refund-agent", version="v12"),
            signal("run.hung", 0.001, 0.001, 0.01, agent="refund-agent"),
            learning("tool.failed", "41 more runs that use it", agent="refund-agent", tool="lookup_policy"),
        ),
    )
    view.agent_list += [
        agent("night-batch", "silent", owner="finance", last_seen=NOW - 4_100.0, runs_per_minute=0.0, open_runs=0),
        agent("edge-helper", "blind", owner="platform", last_seen=NOW - 95.0, runs_per_minute=0.0),
    ]
    view.incident_list += [
        structs.replace(
            incident("i1"),
            impact=(Impact(owner="orders", component="agent:order-status", since=NOW - 100.0, declared=False),),
        ),
        incident(
            "i2",
            mode="notice",
            signal="agent.traffic",
            direction="down",
            owner="finance",
            node={"agent": "night-batch"},
            before=0.08,
            after=0.0,
            before_n=4_000.0,
            after_n=0.0,
            before_bad=0.0,
            after_bad=0.0,
            time=NOW - 3_000.0,
            onset=NOW - 4_100.0,
            unaffected=(),
            error_types=(),
            reference="declared",
        ),
    ]
    assert view.router is not None
    view.router.step((), NOW, (), told())
    return view


def told() -> list[RolloutSeen]:
    """Three rollouts: one to roll back, a shadow, and one that is over."""
    ago = NOW - START
    return [
        rollouts.rolled_back(ago - 60.0, started=NOW - 9_000.0),
        rollouts.shadow(ago - 50.0, agent="order-status", owner="orders", started=NOW - 4_000.0),
        rollouts.promoted(ago - 900.0, id="p1", agent="invoice-reader", owner="finance", ended="promoted"),
    ]


HOSTILE = (
    '<script>document.title="owned"</script>',
    '"><img src=x onerror="document.title=\'owned\'">',
    "x" * 500,
    "W" * 500,
    "safe\u202egnp.exe",
    "\u05e1\u05d5\u05db\u05df \u05d4\u05d7\u05d6\u05e8\u05d9\u05dd",
    "z\u0335\u0321\u0322" * 60,
    "a\x00b\nc\td",
    "${7*7} {{7*7}} &amp; ]]> --> ' \"",
    "   ",
)
"""Names that agents, tools and owners may send us."""


def hostile() -> MemoryView:
    """Every name is one that tries to break the page."""
    view = MemoryView()
    for place, name in enumerate(HOSTILE):
        labels = {"agent": name, "tool": HOSTILE[-1 - place], "version": name}
        view.agent_list.append(
            agent(
                name,
                "incident" if place % 2 else "warming up",
                owner=HOSTILE[place - 1],
                versions=(name, name),
                signals=(
                    signal("tool.failed", 0.3, 0.1, 1.0, "firing", **labels),
                    learning("run.failed", name, **labels),
                ),
            )
        )
        view.incident_list.append(
            incident(f"i{place} {name}", owner=name, node=labels, error_types=(name,), unaffected=(f"version={name}",))
        )
        view.budget_list.append(BudgetView(owner=name, granted=0.1, spent=0, notices_granted=1, notices_spent=0))
        view.count_map[f"dead_letters:{name}"] = place + 1
        assert view.router is not None
        evil = rollouts.rolled_back(NOW - START, id=name, agent=name, baseline=name, candidate=HOSTILE[-1 - place])
        evil = structs.replace(evil, owner=name, reason=name, examples=((name, name),), signals=(
            rollouts.compared(name, 0.1, 0.2, 0.0, 0.3, detail=name, state="worse"),
        ))  # fmt: skip
        view.router.step((), NOW, (), [evil])
    view.health_now = Health(live=(), ready=(Check(HOSTILE[0], False, HOSTILE[1]), Check("x", False, HOSTILE[2])))
    return view


def crowd(number: int = 400) -> MemoryView:
    """More agents and incidents than the page shows."""
    return MemoryView(
        agent_list=[agent(f"agent-{place:04d}") for place in range(number)],
        incident_list=[incident(f"i{place}") for place in range(number)],
    )


def unready(name: str, message: str) -> Health:
    """Alive, with one check that does not hold."""
    return Health(live=(Check("engine", True),), ready=(Check(name, False, message),))


FLEETS = {"empty": empty, "calm": calm, "incident": troubled, "hostile": hostile, "crowd": crowd}

if __name__ == "__main__":
    import sys

    from aiohttp import web

    from monitor.web.server import build_app

    shown = FLEETS[sys.argv[1]]()
    served = build_app(shown, control_of(shown), [], host_is_loopback=True, clock=lambda: NOW)
    web.run_app(served, host="127.0.0.1", port=int(sys.argv[2]) if len(sys.argv) > 2 else 0)
