"""The signals that nodes watch: one row each. A new failure signal is a row here, with how it is read of a closed run.

Not here: what a run did (`monitor.runs`), how evidence is gathered (`monitor.evidence`), drift (`monitor.drift`).

Invariant: the shares of an agent's budget in this module are at most one together, whichever voice they speak with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from detectors.failure import Grid
from monitor.alerting.changes import unannounced
from monitor.runs import Closed
from schemas.finding import Mode
from schemas.signals import SIGNALS, Form

Level = Literal["leaf", "middle"]


@dataclass(frozen=True)
class Signal:
    """A row: the signal's name, its bets, its default voice, its share of an agent's budget, how it is read.

    `tolerance` is in odds (see `detectors.failure.tolerated`). `leaf_share` and `middle_share` are parts of what the
    ledger grants to an agent: for the nodes of one version (and tool), and for those of the agent (and tool).
    `read` gives a number in [0, 1] where 1 is bad, or None where the run says nothing.
    """

    name: str
    grid: Grid
    mode: Mode
    tolerance: float
    leaf_share: float
    middle_share: float
    read: Callable[[Closed], float | None]


def _failed(closed: Closed) -> float | None:
    return None if closed.status == "hung" else float(closed.status == "error")


def _hung(closed: Closed) -> float | None:
    return float(closed.status == "hung")


def _silent(closed: Closed) -> float | None:
    return float(bool(closed.silent_reason)) if closed.status == "ok" else None


def _looped(closed: Closed) -> float | None:
    return float(closed.work.looped)


def _violated(closed: Closed) -> float | None:
    return float(bool(closed.work.broken)) if closed.contract or closed.work.broken else None


def _elsewhere(_: Closed) -> float | None:
    return None


RUN_FAILED = Signal("run.failed", "odds", "page", 1.25, 0.11, 0.11, _failed)
"""The run ended with status error."""
TOOL_FAILED = Signal("tool.failed", "bounded", "page", 1.25, 0.16, 0.16, _elsewhere)
"""The share of a run's calls of one tool that failed, soft errors included. Read per tool."""
RUN_HUNG = Signal("run.hung", "odds", "page", 1.25, 0.02, 0.02, _hung)
"""The run gave no sign of life for far longer than usual."""
RUN_SILENT = Signal("run.silent", "odds", "page", 1.25, 0.02, 0.02, _silent)
"""The run says ok, and what it did says otherwise (`Closed.silent_reason`)."""
RUN_LOOP = Signal("run.loop", "odds", "page", 1.25, 0.01, 0.01, _looped)
"""The run repeated itself (`detectors.loops`)."""
CONTRACT_VIOLATED = Signal("contract.violated", "odds", "notice", 1.25, 0.005, 0.005, _violated)
"""The run broke a rule of its agent's contract."""
RUN_REJECTED = Signal("run.rejected", "bounded", "notice", 1.25, 0.0075, 0.0075, _elsewhere)
"""An evaluation says that the run was bad. Comes late, after the run has closed."""
USER_UNHAPPY = Signal("user.unhappy", "bounded", "notice", 1.25, 0.0075, 0.0075, _elsewhere)
"""Feedback, a complaint, or the same input again at once. Comes late as well."""

FAILURE_SIGNALS: dict[str, Signal] = {
    signal.name: signal
    for signal in (
        RUN_FAILED,
        TOOL_FAILED,
        RUN_HUNG,
        RUN_SILENT,
        RUN_LOOP,
        CONTRACT_VIOLATED,
        RUN_REJECTED,
        USER_UNHAPPY,
    )
}

RUN_SIGNALS = tuple(signal for signal in FAILURE_SIGNALS.values() if signal.read is not _elsewhere)
"""Rows that read one number of each run as it closes."""

TRAFFIC: Final = "agent.traffic"
TRAFFIC_SHARE: Final = 0.08
"""Part of an agent's budget for silence and volume."""
TRAFFIC_TOLERANCE: Final = 1.5
DRIFT_SHARE: Final = 0.11
"""Part of an agent's budget for all drift signals."""
DEPLOY_SHARE: Final = 0.07
"""Part of an agent's budget for what begins with a change."""
OBJECTIVE: Final = "objective.burn"
OBJECTIVE_SHARE: Final = 0.05
"""Part of an agent's budget for its objectives."""

AGGREGATOR_SHARE: Final = 0.25
"""Part of an owner's budget for nodes above agents."""

DRIFT_SIGNALS: dict[str, Form] = {
    name: SIGNALS[name].form
    for name in (
        "run.duration_seconds",
        "run.steps",
        "run.tokens",
        "run.cost_usd",
        "run.retries",
        "run.output_length",
        "run.output_shape",
        "run.anomaly",
        "run.tool_mix",
        "run.outcome",
        "tool.error_type",
        "tool.schema",
        "llm.finish_reason",
        "llm.response_model",
        "agent.fallback",
        "agent.escalation",
        "agent.guardrail",
        "retrieval.empty",
        "retrieval.top_score",
        "retrieval.repeated",
    )
}
"""Signals watched for any change, in both directions: name → form. Their channels stand in `monitor.drift`."""

ROUTED: Final = (unannounced.SIGNAL,)
"""Facts that the router tells; no node watches them."""

WATCHED = (*FAILURE_SIGNALS, *DRIFT_SIGNALS, TRAFFIC, OBJECTIVE, *ROUTED)
"""Every signal that somebody tells."""
