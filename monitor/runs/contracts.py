"""What a contract says of a whole run: its limits, outcomes, claims and effects.

    limit: steps, tokens, cost_usd, duration      told as soon as the run is beyond it
    outcome                                       it ended in a way that the contract does not name
    claim: issue_refund                           an output claims it, and no call of the tool succeeded
    effect: issue_refund                          the outcome needs a call of the tool, and none succeeded

Not here: what one event breaks by itself (`monitor.reading.contracts`): that stands in its `violations` and is told
here. Who is told, and how loud: the agent.

Invariant: each rule is told once per run, as soon as it is broken for certain.
"""

from __future__ import annotations

import math
from typing import Final

from monitor.reading.contracts import CLAIM
from monitor.runs.run import CLAIM_BROKEN, EFFECT_BROKEN, Run, Work
from monitor.saved.states import Fact, Severity
from schemas.config import Contract

SIGNAL: Final = "contract.violated"
RULES_PER_RUN: Final = 50
"""Rules that one run can break. Further ones are not told; the run is broken as it is."""


class Rules:
    """The contract of one agent, ready to be checked while a run goes on. Without a contract nothing is broken."""

    def __init__(self, contract: Contract | None) -> None:
        self.declared = contract is not None
        known = contract or Contract()
        self.severity: Severity = "page" if known.severity == "page" else known.on_violation
        limits = known.limits
        self.steps = _limit(limits.steps)
        self.tokens = _limit(limits.tokens)
        self.cost_usd = _limit(limits.cost_usd)
        self.duration = _limit(limits.duration)
        self.limited = min(self.steps, self.tokens, self.cost_usd, self.duration) < math.inf
        self.outcomes = frozenset(known.outcomes)
        self.claims = {f"{CLAIM}{number}": claim.requires_tool for number, claim in enumerate(known.claims)}
        self.effects = [(effect.outcome, effect.requires_tool) for effect in known.effects]

    def take_violations(self, work: Work, tool: str, violations: list[str]) -> None:
        """Rules that one event broke. A claim is none yet: its tool may still be called."""
        for rule in violations:
            if not rule.startswith(CLAIM):
                self._break(work, rule, tool, rule)
            elif (required := self.claims.get(rule)) is not None and required not in work.claims:
                work.claims = [*work.claims, required]

    def check_limits(self, work: Work, seconds: float) -> None:
        """What the run took so far, `seconds` of time included."""
        if work.steps > self.steps:
            self._break(work, "limit: steps", "", f"more than {self.steps:g} steps")
        tokens = work.tokens
        if tokens is not None and tokens > self.tokens:
            self._break(work, "limit: tokens", "", f"more than {self.tokens:g} tokens")
        if work.cost_usd is not None and work.cost_usd > self.cost_usd:
            self._break(work, "limit: cost_usd", "", f"more than ${self.cost_usd:g}")
        if seconds > self.duration:
            self._break(work, "limit: duration", "", f"longer than {self.duration:g}s")

    def check_end(self, run: Run, work: Work, outcome: str | None) -> None:
        """What can be told only once the run has finished."""
        if self.outcomes and outcome is not None and outcome not in self.outcomes:
            self._break(work, "outcome", "", f"ended as {outcome}, which its contract does not name")
        for tool in work.claims:
            if not _succeeded(run, tool):
                text = f"its output claims what only {tool} does, and no call of it succeeded"
                self._break(work, CLAIM_BROKEN + tool, tool, text)
        for wanted, tool in self.effects:
            if outcome == wanted and not _succeeded(run, tool):
                self._break(work, EFFECT_BROKEN + tool, tool, f"ended as {wanted}, and no call of {tool} succeeded")

    def _break(self, work: Work, rule: str, tool: str, text: str) -> None:
        if rule not in work.broken and len(work.broken) < RULES_PER_RUN:
            work.broken = [*work.broken, rule]
            work.facts = [*work.facts, Fact(SIGNAL, tool, rule, self.severity, text)]


def _limit(value: float | None) -> float:
    return math.inf if value is None else value


def _succeeded(run: Run, tool: str) -> bool:
    calls = run.tools.get(tool)
    return calls is not None and calls[0] > calls[1]
