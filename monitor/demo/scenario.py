"""The fleet of the demo as a table, and one run of it as a plan. Pure: randomness comes in, nothing is sent.

Ordinary failures are part of it: about 2 % of tool calls and 3 % of runs fail whatever happens. The fault is another
thing: one tool answers one version with an error in its result while every status says ok.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from random import Random

TOOL_FAILURES = 0.02
RUN_FAILURES = 0.03
SOFT_ERRORS = 0.7
"""Share of the broken tool's calls that fail while the fault lasts."""


@dataclass(frozen=True)
class Agent:
    """One deployed version of an agent. `runs_per_second` on average; `tools` in the order of a run."""

    name: str
    version: str
    model: str
    provider: str
    tools: tuple[str, ...]
    runs_per_second: float = 12.0


FLEET = (
    Agent("refund-agent", "v12", "gpt-4o", "openai", ("find_order", "issue_refund")),
    Agent("refund-agent", "v13", "gpt-4o", "openai", ("find_order", "issue_refund")),
    Agent("order-agent", "v7", "gpt-4o-mini", "openai", ("find_order", "track_parcel")),
    Agent("travel-agent", "v3", "claude-sonnet-4", "anthropic", ("search_flights", "book_seat")),
)
BROKEN_AGENT, BROKEN_VERSION, BROKEN_TOOL = "refund-agent", "v13", "issue_refund"

CONFIG = """\
owners:
  payments: {slack: "#payments-oncall"}
  orders: {slack: "#orders"}
  travel: {slack: "#travel"}
components:
  - {agent: refund-agent, owner: payments, depends_on: ["tool:issue_refund", "tool:find_order", "model:gpt-4o"]}
  - {agent: order-agent, owner: orders, depends_on: ["tool:find_order", "tool:track_parcel"]}
  - {agent: travel-agent, owner: travel, depends_on: ["tool:search_flights", "tool:book_seat"]}
  - {tool: issue_refund, owner: payments}
defaults: {owner: orders}
"""
"""The configuration of the demo: no budget and no reference is written, so the defaults hold."""


@dataclass(frozen=True)
class Step:
    """One call of a run. `tool` or, if empty, the model. `error`: its class, where the call fails openly."""

    tool: str
    seconds: float
    arguments: str = ""
    result: str = ""
    error: str = ""
    input_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True)
class Plan:
    """One run: its calls one after the other. `error`: its class, where the run fails."""

    agent: Agent
    session: str
    steps: tuple[Step, ...]
    error: str = ""

    @property
    def seconds(self) -> float:
        """From the start to the end of the run."""
        return sum(step.seconds for step in self.steps) + 0.002


def plan(agent: Agent, random: Random, broken: bool) -> Plan:
    """What one run does. `broken`: the fault lasts."""
    order = random.randrange(10_000, 99_999)
    steps = [_model(random)]
    for tool in agent.tools:
        steps += [_call(agent, tool, order, random, broken), _model(random)]
    error = random.choice(("RateLimitError", "ContextWindowExceededError")) if random.random() < RUN_FAILURES else ""
    if error:
        steps = steps[: random.randrange(1, len(steps) + 1)]
    return Plan(agent, f"s-{random.getrandbits(40):010x}", tuple(steps), error)


def _model(random: Random) -> Step:
    return Step(
        "",
        seconds=random.uniform(0.008, 0.02),
        input_tokens=random.randrange(400, 1200),
        output_tokens=random.randrange(20, 120),
    )


def _call(agent: Agent, tool: str, order: int, random: Random, broken: bool) -> Step:
    arguments = json.dumps({"order_id": f"A-{order}"})
    seconds = random.uniform(0.003, 0.012)
    ill = (agent.name, agent.version, tool) == (BROKEN_AGENT, BROKEN_VERSION, BROKEN_TOOL)
    if broken and ill and random.random() < SOFT_ERRORS:
        result = {"error": "payment provider rejected the request", "retryable": False}
    elif random.random() < TOOL_FAILURES:
        return Step(tool, seconds, arguments, error=random.choice(("TimeoutError", "ConnectionError")))
    else:
        result = {"order_id": f"A-{order}", "state": "done"}
    return Step(tool, seconds, arguments, json.dumps(result))
