"""The public names of signals: what may stand under `detectors:`, on an alert as `alertname`, in a finding.

Names only. How a signal is read from events and how it is watched stand in `monitor.signals`; `watched` says which of
them this version watches, so that a setting without effect can be refused.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Form = Literal["share", "rate", "number", "category"]


class PublicSignal(NamedTuple):
    """One name. `form`: what its level is; a reference is declared in the same form."""

    name: str
    form: Form
    watched: bool = False


PUBLIC_SIGNALS = (
    PublicSignal("run.failed", "share", watched=True),
    PublicSignal("run.silent", "share"),
    PublicSignal("run.hung", "share", watched=True),
    PublicSignal("run.duration_seconds", "number"),
    PublicSignal("run.steps", "number"),
    PublicSignal("run.tokens", "number"),
    PublicSignal("run.cost_usd", "number"),
    PublicSignal("run.loop", "share"),
    PublicSignal("run.tool_mix", "category"),
    PublicSignal("run.outcome", "category"),
    PublicSignal("run.output_shape", "category"),
    PublicSignal("run.output_length", "number"),
    PublicSignal("tool.failed", "share", watched=True),
    PublicSignal("tool.error_type", "category"),
    PublicSignal("tool.schema", "category"),
    PublicSignal("llm.finish_reason", "category"),
    PublicSignal("llm.response_model", "category"),
    PublicSignal("agent.traffic", "rate", watched=True),
    PublicSignal("agent.fallback", "share"),
    PublicSignal("agent.escalation", "share"),
    PublicSignal("agent.guardrail", "share"),
    PublicSignal("retrieval.empty", "share"),
    PublicSignal("contract.violated", "share"),
    PublicSignal("run.rejected", "share"),
    PublicSignal("user.unhappy", "share"),
)

SIGNALS = {signal.name: signal for signal in PUBLIC_SIGNALS}
"""Name → signal."""
