"""A small fleet before a gate: one agent that is complete, one that calls it, one that nobody declares."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

START = 1_760_000_000.0
COMPLETE = """\
owners:
  payments: {slack: "#payments-oncall", escalate: {after: 15m, to: platform}}
  support: {}
  platform: {slack: "#platform"}
components:
  - agent: refund-agent
    owner: payments
    depends_on: ["tool:issue_refund", "model:gpt-4o", "prompt:refund"]
    objectives: [{name: success, target: 97%, window: 30d}]
    fallback: human
    contract:
      tools: {issue_refund: {version: "3", arguments: {type: object, required: [order_id]}}}
      outcomes: [resolved, escalated]
  - {agent: front-desk, owner: support, depends_on: ["agent:refund-agent", "agent:billing"]}
  - {tool: issue_refund, owner: platform}
defaults: {owner: platform}
"""
"""A configuration in which `refund-agent` lacks nothing."""

MODEL = {"kind": "llm_call", "model": "gpt-4o", "input_tokens": 900, "output_tokens": 40, "cost_usd": 0.002}
TOOL = {
    "kind": "tool_call", "tool": "issue_refund", "tool_version": "3", "status": "ok",
    "arguments": {"order_id": "A-1"}, "result": {"id": 7},
}  # fmt: skip
END = {"kind": "run_finished", "status": "ok", "outcome": "resolved"}


def run(
    agent: str, number: int, *events: dict[str, Any], at: float | None = None, end: dict[str, Any] | None = None,
    **more: Any,
) -> list[dict[str, Any]]:  # fmt: skip
    """One run, half a minute after the one before; `more` stands in each of its events."""
    begun = START + 30.0 * number if at is None else at
    said = [{"kind": "run_started"}, *events, END if end is None else end]
    name = f"{agent}-{number}"
    identity = {"agent": agent, "run": name, "version": "v12"} | more
    return [
        {"id": f"{name}/{place}", "time": round(begun + place, 3)} | identity | each for place, each in enumerate(said)
    ]


def fleet(runs: int = 60) -> list[dict[str, Any]]:
    """Each agent's runs: `refund-agent` with all of it, called in every second run of `front-desk`."""
    events: list[dict[str, Any]] = []
    for number in range(runs):
        called = {"parent_run": f"front-desk-{number}", "parent_agent": "front-desk"} if number % 2 else {}
        events += run("front-desk", number, MODEL)
        events += run("refund-agent", number, MODEL, TOOL, **called)
        if number % 3 == 0:
            events += run("shopping-bot", number, TOOL | {"arguments": None}, version=None)
    return events


def lines(events: Iterable[dict[str, Any]]) -> bytes:
    """As JSON lines; what is None is left out."""
    kept = ({name: value for name, value in event.items() if value is not None} for event in events)
    return b"\n".join(json.dumps(event).encode() for event in kept)
