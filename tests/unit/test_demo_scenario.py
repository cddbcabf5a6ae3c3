"""The fleet of the demo: ordinary failures at their rates, and a fault that shows in results alone."""

import json
from random import Random

import pytest

from monitor.config import check_text
from monitor.demo.scenario import (
    BROKEN_AGENT,
    BROKEN_TOOL,
    BROKEN_VERSION,
    CONFIG,
    FLEET,
    RUN_FAILURES,
    SOFT_ERRORS,
    TOOL_FAILURES,
    plan,
)
from schemas.texts.derive import soft_error

RUNS = 2000


def plans(agent, *, broken):
    random = Random(7)
    return [plan(agent, random, broken) for _ in range(RUNS)]


def calls(found):
    return [step for each in found for step in each.steps if step.tool]


@pytest.mark.parametrize("agent", FLEET, ids=lambda agent: f"{agent.name}-{agent.version}")
def test_healthy_traffic_has_ordinary_failures(agent) -> None:
    found = plans(agent, broken=False)
    assert sum(bool(each.error) for each in found) / RUNS == pytest.approx(RUN_FAILURES, abs=0.015)
    failed = [bool(step.error) for step in calls(found)]
    assert sum(failed) / len(failed) == pytest.approx(TOOL_FAILURES, abs=0.01)
    assert not any(soft_error(json.dumps(step.result).encode()) for step in calls(found))
    assert all(0.0 < each.seconds < 0.2 for each in found)


@pytest.mark.parametrize("agent", FLEET, ids=lambda agent: f"{agent.name}-{agent.version}")
def test_the_fault_is_one_tool_of_one_version_and_no_status_tells(agent) -> None:
    found = plans(agent, broken=True)
    broken = [step for step in calls(found) if soft_error(json.dumps(step.result).encode())]
    if (agent.name, agent.version) != (BROKEN_AGENT, BROKEN_VERSION):
        assert broken == []
        return
    assert {step.tool for step in broken} == {BROKEN_TOOL}
    assert not any(step.error for step in broken)
    of_the_tool = [step for step in calls(found) if step.tool == BROKEN_TOOL]
    assert len(broken) / len(of_the_tool) == pytest.approx(SOFT_ERRORS, abs=0.05)


def test_the_same_seed_is_the_same_fleet() -> None:
    assert plans(FLEET[0], broken=True) == plans(FLEET[0], broken=True)


def test_the_configuration_is_good_and_declares_no_budget_and_no_reference() -> None:
    assert [problem.message for problem in check_text(CONFIG, "demo", {}) if problem.severity == "error"] == []
    assert "budget" not in CONFIG
    assert "reference" not in CONFIG
    assert {agent.name for agent in FLEET} == {"refund-agent", "order-agent", "travel-agent"}
