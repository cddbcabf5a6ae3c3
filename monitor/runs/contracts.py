"""What a contract says of a whole run: its tools, limits, outcomes, claims and effects.

Not here: what an event's text breaks (argument schemas, claims found in an output): that is read where the event
enters and stands in its `violations`. Who is told, and how loud: the agent.

Invariant: each rule is told once per run, as soon as it is broken for certain.
"""

from __future__ import annotations

import math

from monitor.runs.run import Fact, Run, Severity, Work
from schemas.config import Contract

SIGNAL = "contract.violated"
CLAIM = "claim:"
"""Begins the rule of a claim. In an event's `violations`: its output claims what only a call of this tool does."""
EFFECT = "effect:"
RULES_PER_RUN = 50
"""Rules that one run can break. Further ones are counted as `rules_folded`."""


class Rules:
    """The contract of one agent, ready to be checked while a run goes on. Without a contract nothing is broken."""

    def __init__(self, contract: Contract | None) -> None:
        self.declared = contract is not None
        known = contract or Contract()
        self.severity: Severity = "page" if known.severity == "page" else known.on_violation
        self.tools = {name: tool.version for name, tool in known.tools.items()}
        limits = known.limits
        self.steps = _limit(limits.steps)
        self.tokens = _limit(limits.tokens)
        self.cost_usd = _limit(limits.cost_usd)
        self.duration = _limit(limits.duration)
        self.limited = any(limit < math.inf for limit in (self.steps, self.tokens, self.cost_usd, self.duration))
        self.outcomes = frozenset(known.outcomes)
        self.effects = [(effect.outcome, effect.requires_tool) for effect in known.effects]

    def check_tool(self, work: Work, tool: str, version: str | None) -> None:
        """A tool that is called: in the contract, and in the version of the contract if both name one."""
        if tool not in self.tools:
            self.break_rule(work, f"tool:{tool}", tool, f"called {tool}, which its contract does not name")
            return
        wanted = self.tools[tool]
        if wanted is not None and version is not None and version != wanted:
            text = f"called {tool} version {version}; its contract says version {wanted}"
            self.break_rule(work, f"version:{tool}", tool, text)

    def check_limits(self, work: Work, seconds: float) -> None:
        """What the run took so far, `seconds` of time included."""
        if work.steps > self.steps:
            self.break_rule(work, "limit:steps", "", f"took more than {self.steps:g} steps")
        tokens = work.tokens
        if tokens is not None and tokens > self.tokens:
            self.break_rule(work, "limit:tokens", "", f"took more than {self.tokens:g} tokens")
        if work.cost_usd is not None and work.cost_usd > self.cost_usd:
            self.break_rule(work, "limit:cost_usd", "", f"cost more than ${self.cost_usd:g}")
        if seconds > self.duration:
            self.break_rule(work, "limit:duration", "", f"took longer than {self.duration:g}s")

    def take_violations(self, work: Work, tool: str, violations: list[str]) -> None:
        """Rules that an event's text broke. A claim is none yet: its tool may still be called."""
        for rule in violations:
            if not rule.startswith(CLAIM):
                self.break_rule(work, rule, tool, f"broke {rule}")
            elif rule[len(CLAIM) :] not in work.claims and len(work.claims) < RULES_PER_RUN:
                work.claims.append(rule[len(CLAIM) :])

    def check_end(self, run: Run, work: Work, outcome: str | None) -> None:
        """What can be told only once the run has finished: its outcome, claims, effects."""
        if self.outcomes and outcome is not None and outcome not in self.outcomes:
            self.break_rule(work, "outcome", "", f"ended as {outcome}, which its contract does not name")
        for tool in work.claims:
            if not _succeeded(run, tool):
                self.break_rule(work, CLAIM + tool, tool, f"claims what only {tool} does; no call of it succeeded")
        for wanted, tool in self.effects:
            if outcome == wanted and not _succeeded(run, tool):
                text = f"ended as {wanted}, but no call of {tool} succeeded"
                self.break_rule(work, EFFECT + tool, tool, text)

    def break_rule(self, work: Work, rule: str, tool: str, text: str) -> None:
        """Tell a broken rule, once per run."""
        if rule not in work.broken and len(work.broken) < RULES_PER_RUN:
            work.broken.append(rule)
            work.facts.append(Fact(SIGNAL, tool, rule, self.severity, text))


def _limit(value: float | None) -> float:
    return math.inf if value is None else value


def _succeeded(run: Run, tool: str) -> bool:
    calls = run.tools.get(tool)
    return calls is not None and calls[0] > calls[1]
