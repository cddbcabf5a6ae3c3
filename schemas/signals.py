"""The public names of signals: what may stand under `detectors:`, on an alert as `alertname`, in a finding.

Names only. How a signal is read from events and how it is watched stand in `monitor.signals`; `watched` says which of
them this version watches, so that a setting without effect can be refused.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Form = Literal["share", "rate", "number", "category"]


class PublicSignal(NamedTuple):
    """One name. `form`: what its level is; a reference is declared in the same form, where one can be (`declared`)."""

    name: str
    form: Form
    watched: bool = False
    declared: bool = False


PUBLIC_SIGNALS = (
    PublicSignal("run.failed", "share", watched=True, declared=True),
    PublicSignal("run.silent", "share", watched=True, declared=True),
    PublicSignal("run.hung", "share", watched=True, declared=True),
    PublicSignal("run.duration_seconds", "number", watched=True),
    PublicSignal("run.steps", "number", watched=True),
    PublicSignal("run.tokens", "number", watched=True),
    PublicSignal("run.cost_usd", "number", watched=True),
    PublicSignal("run.retries", "number", watched=True),
    PublicSignal("run.loop", "share", watched=True, declared=True),
    PublicSignal("run.tool_mix", "category", watched=True),
    PublicSignal("run.outcome", "category", watched=True),
    PublicSignal("run.output_shape", "category", watched=True),
    PublicSignal("run.output_length", "number", watched=True),
    PublicSignal("run.anomaly", "number", watched=True),
    PublicSignal("tool.failed", "share", watched=True, declared=True),
    PublicSignal("tool.error_type", "category", watched=True),
    PublicSignal("tool.schema", "category", watched=True),
    PublicSignal("llm.finish_reason", "category", watched=True),
    PublicSignal("llm.response_model", "category", watched=True),
    PublicSignal("agent.traffic", "rate", watched=True, declared=True),
    PublicSignal("agent.fallback", "share", watched=True, declared=True),
    PublicSignal("agent.escalation", "share", watched=True, declared=True),
    PublicSignal("agent.guardrail", "share", watched=True, declared=True),
    PublicSignal("retrieval.empty", "share", watched=True, declared=True),
    PublicSignal("retrieval.top_score", "number", watched=True),
    PublicSignal("retrieval.repeated", "share", watched=True, declared=True),
    PublicSignal("contract.violated", "share", watched=True, declared=True),
    PublicSignal("run.rejected", "share", watched=True, declared=True),
    PublicSignal("user.unhappy", "share", watched=True, declared=True),
    PublicSignal("objective.burn", "share", watched=True),
    PublicSignal("change.unannounced", "share", watched=True),
)

SIGNALS = {signal.name: signal for signal in PUBLIC_SIGNALS}
"""Name → signal."""
