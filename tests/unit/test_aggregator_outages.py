"""Faults above agents: who is named, who keeps quiet, and what comes back when it is over."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Literal

import pytest

from monitor.engine import Engine, Step
from monitor.signals import DRIFT_SIGNALS
from schemas.config import Config
from schemas.event import Event
from schemas.finding import Finding
from schemas.records import Cover
from tests.doubles.fleet_log import START, firing, log

QUIET = {name: {"mode": "off"} for name in ("agent.traffic", "run.hung", "run.silent", *DRIFT_SIGNALS)}
GAP = 60.0
WARM = 210
"""Runs of each agent before anything breaks; a reference takes 200."""
AT = START + WARM * GAP

Status = Literal["ok", "error"]
Broken = Callable[[int, str, str], bool]
"""Agent, provider and model → whether its runs fail while the fault lasts."""


def _fleet(
    broken: Broken,
    *,
    agents: int = 12,
    after: int = 20,
    rate: float = 0.03,
    until: int = 10_000,
    bad: float = 0.9,
    late: int = 0,
    seed: int = 1,
    owners: int = 1,
    tool: Callable[[int], str | None] = lambda _: None,
    placed: bool = True,
) -> list[Finding]:
    """Two thirds of the agents at provider one (models large and small by turns), the others at two.

    `until`: runs of the fault; `late`: agents (the last ones) that begin only with the fault. `tool`: the tool that an
    agent calls; where the fault is the tool's, its calls fail and half of these runs.
    """
    rng = random.Random(seed)
    events: list[Event] = []
    for number in range(agents):
        for i in range(WARM if number >= agents - late else 0, WARM + after):
            at = START + i * GAP + number
            provider = "one" if number % 3 else "two"
            model = ("large" if (i + number) % 2 else "small") if provider == "one" else "other"
            faulty = WARM <= i < WARM + until and broken(number, provider, model)
            name = f"{number}.{i}"
            common: dict[str, Any] = {"agent": f"a{number}", "run": name, "version": "v1", "time": at}
            called, failed = tool(number), rng.random() < (bad if faulty else rate)
            if called is not None:
                soft = rng.random() < (bad if faulty else rate)
                events.append(Event(kind="tool_call", id=f"{name}t", tool=called, soft_error=soft, **common))
                failed = (soft and rng.random() < 0.5) if faulty else rng.random() < rate
            if placed:
                events.append(Event(kind="llm_call", id=f"{name}m", provider=provider, model=model, **common))
            events.append(Event(kind="run_finished", id=f"{name}f", status="error" if failed else "ok", **common))
    events.sort(key=lambda event: event.at)
    components = [{"agent": f"a{number}", "owner": f"o{number % owners}"} for number in range(agents)]
    config = Config.model_validate(
        {
            "owners": {f"o{number}": {} for number in range(owners)},
            "components": components,
            "defaults": {"owner": "o0"},
            "detectors": QUIET,
        }
    )
    return Engine(config).step(log(events)).findings


def _nodes(findings: list[Finding]) -> list[dict[str, str]]:
    return [one.node for one in firing(findings) if one.time >= AT]


@pytest.mark.parametrize(
    ("broken", "placed", "node", "why"),
    [
        (lambda _, provider, __: provider == "one", True, {"provider": "one"}, "all models of a provider"),
        (
            lambda _, __, model: model == "large",
            True,
            {"provider": "one", "model": "large"},
            "one of its models, in every agent",
        ),
        (lambda *_: True, True, {}, "everything, at both providers"),
        (lambda *_: True, False, {"owner": "o0"}, "runs that name no provider: all that the owner has"),
    ],
)
def test_an_outage_is_one_finding_at_the_smallest_node_that_explains_it(
    broken: Broken, placed: bool, node: dict[str, str], why: str
) -> None:
    named = []
    for seed in range(4):
        found = _nodes(_fleet(broken, placed=placed, seed=seed, owners=2 if not node else 1))
        named.append(found[0])
        assert len(found) <= 2, why
    assert named.count(node) >= 3, why


def test_one_bad_agent_is_named_as_the_agent() -> None:
    for seed in range(4):
        found = _nodes(_fleet(lambda number, *_: number == 4, seed=seed, after=30))
        assert [node.get("agent") for node in found] == ["a4"]


def test_a_shift_of_traffic_between_agents_says_nothing() -> None:
    """Agents that always fail often get all the runs; each is as it was (Simpson)."""
    rng = random.Random(3)
    events = []
    for number in range(10):
        rate = 0.25 if number < 5 else 0.01
        runs = [START + i * GAP for i in range(WARM)]
        runs += [AT + i * (GAP / 4 if number < 5 else GAP * 4) for i in range(120 if number < 5 else 8)]
        for i, at in enumerate(runs):
            common: dict[str, Any] = {"agent": f"a{number}", "run": f"{number}.{i}", "time": at + number}
            events.append(Event(kind="llm_call", id=f"{number}.{i}m", provider="one", model="m", **common))
            status: Status = "error" if rng.random() < rate else "ok"
            events.append(Event(kind="run_finished", id=f"{number}.{i}f", status=status, **common))
    events.sort(key=lambda event: event.at)
    step = Engine(Config.model_validate({"owners": {"o": {}}, "detectors": QUIET})).step(log(events))
    assert list(firing(step.findings)) == []


def test_runs_that_fail_because_a_tool_does_are_the_tools_matter() -> None:
    """Six agents call it, half of the runs in which it fails fail with it."""
    for seed in range(4):
        findings = _fleet(
            lambda number, *_: number % 2 == 0,
            tool=lambda number: None if number % 2 else "search",
            after=40,
            seed=seed,
        )
        assert {"tool": "search"} in _nodes(findings)
        assert len(_nodes(findings)) <= 3


def test_agents_say_nothing_while_they_are_covered_and_speak_for_themselves_again_afterwards() -> None:
    """The outage ends after 30 runs; agent 4 goes on failing and is named then, the others are not."""

    rng = random.Random(5)
    events = []
    for number in range(12):
        for i in range(WARM + 90):
            provider = "one" if number % 3 else "two"
            during = WARM <= i < WARM + 30
            rate = 0.5 if during and provider == "one" else 0.02
            if number == 4 and i >= WARM:
                rate = 1.0
            common: dict[str, Any] = {"agent": f"a{number}", "run": f"{number}.{i}", "time": START + i * GAP + number}
            events.append(Event(kind="llm_call", id=f"{number}.{i}m", provider=provider, model="m", **common))
            status: Status = "error" if rng.random() < rate else "ok"
            events.append(Event(kind="run_finished", id=f"{number}.{i}f", status=status, **common))
    events.sort(key=lambda event: event.at)
    step = Engine(Config.model_validate({"owners": {"o": {}}, "detectors": QUIET})).step(log(events))
    told = [(one.status, one.node) for one in step.findings if one.status != "update" and one.time >= AT]
    assert told[:2] == [("firing", {"provider": "one"}), ("resolved", {"provider": "one"})]
    assert [(status, node["agent"]) for status, node in told[2:]] == [("firing", "a4")]
    resolved = next(one for one in step.findings if one.status == "resolved")
    covers = [ruling for ruling in step.rulings if isinstance(ruling, Cover)]
    assert [(cover.node, cover.until) for cover in covers] == [
        ("run.failed|provider|one", None),
        ("run.failed|provider|one", resolved.time),
    ]


def test_what_is_covered_is_not_learned_as_normal() -> None:
    rng = random.Random(6)
    events = []
    for number in range(6):
        for i in range(WARM + 60):
            failed = rng.random() < (0.8 if i >= WARM else 0.02)
            common: dict[str, Any] = {"agent": f"a{number}", "run": f"{number}.{i}", "time": START + i * GAP + number}
            events.append(Event(kind="llm_call", id=f"{number}.{i}m", provider="one", model="m", **common))
            events.append(Event(kind="run_finished", id=f"{number}.{i}f", status="error" if failed else "ok", **common))
    events.sort(key=lambda event: event.at)
    engine = Engine(Config.model_validate({"owners": {"o": {}}, "detectors": QUIET}))
    step: Step = engine.step(log(events))
    assert _nodes(step.findings) == [{"provider": "one"}]
    for agent in engine.partition.agents.values():
        node = agent.slices.nodes[("run.failed", None, None)]
        assert node.k / node.n < 0.06
        assert sum(node.evidence) == 0.0


def test_agents_that_spoke_first_are_absorbed_by_the_node_above() -> None:
    """Agent 1 breaks three runs before its provider does."""
    rng = random.Random(2)
    events = []
    for number in range(12):
        for i in range(WARM + 60):
            at = START + i * GAP + number
            provider = "one" if number % 3 else "two"
            rate = 0.9 if i >= WARM + (0 if number == 1 else 14) and provider == "one" else 0.02
            common: dict[str, Any] = {"agent": f"a{number}", "run": f"{number}.{i}", "time": at}
            events.append(Event(kind="llm_call", id=f"{number}.{i}m", provider=provider, model="m", **common))
            status: Status = "error" if rng.random() < rate else "ok"
            events.append(Event(kind="run_finished", id=f"{number}.{i}f", status=status, **common))
    events.sort(key=lambda event: event.at)
    step = Engine(Config.model_validate({"owners": {"o": {}}, "detectors": QUIET})).step(log(events))
    first, wide = (one for one in firing(step.findings) if one.time >= AT)
    assert first.node["agent"] == "a1"
    assert wide.node == {"provider": "one"}
    assert wide.absorbs == (first.incident_key,)
    assert "agent=a1" in wide.affected
    assert wide.unaffected == ("provider=two",)


def test_agents_without_a_reference_are_heard_above_by_what_is_normal_for_others() -> None:
    """A third of the agents begin with the outage: what they say counts, against an upper rate of their neighbours."""
    findings = _fleet(lambda _, provider, __: provider == "one", agents=18, late=6, after=25)
    assert _nodes(findings)[:1] == [{"provider": "one"}]
    rates = _pooled_rates()
    assert rates
    assert all(0.02 < rate < 0.2 for rate in rates)


def _pooled_rates() -> list[float]:
    rng = random.Random(8)
    events = []
    for number in range(8):
        for i in range(WARM + 40 if number == 7 else 0, WARM + 80):
            common: dict[str, Any] = {"agent": f"a{number}", "run": f"{number}.{i}", "time": START + i * GAP + number}
            events.append(Event(kind="llm_call", id=f"{number}.{i}m", provider="one", model="m", **common))
            status: Status = "error" if rng.random() < 0.03 else "ok"
            events.append(Event(kind="run_finished", id=f"{number}.{i}f", status=status, **common))
    events.sort(key=lambda event: event.at)
    engine = Engine(Config.model_validate({"owners": {"o": {}}, "detectors": QUIET}))
    engine.step(log(events))
    young = engine.partition.agents["a7"]
    assert not young.slices.nodes[("run.failed", None, None)].live
    others = sum(engine.partition.agents[f"a{number}"].runs - 200 for number in range(7))
    assert engine.aggregator.parents["run.failed|provider|one"].total_n > others + 10
    return [rate for rate in young.slices.above.pooled.values() if rate > 0.0]
