"""The signals that nodes watch: one row each. A new failure signal is a row here and its number in `runs.Closed`.

Not here: how evidence is gathered (`monitor.nodes`), where nodes stand (`monitor.agents`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from detectors.failure import Grid
from schemas.finding import Mode

Level = Literal["leaf", "middle"]


@dataclass(frozen=True)
class Signal:
    """A row: the signal's name, its bets, its default voice, and its share of an agent's budget.

    `tolerance` is in odds (see `detectors.failure.tolerated`). `leaf_share` and `middle_share` are parts of what the
    ledger grants to an agent: for the nodes of one version (and tool), and for those of the agent (and tool).
    """

    name: str
    grid: Grid
    mode: Mode
    tolerance: float
    leaf_share: float
    middle_share: float


RUN_FAILED = Signal("run.failed", "odds", "page", 1.25, 0.18, 0.18)
"""The run ended with status error."""
TOOL_FAILED = Signal("tool.failed", "bounded", "page", 1.25, 0.18, 0.18)
"""The share of a run's calls of one tool that failed, soft errors included."""
RUN_HUNG = Signal("run.hung", "odds", "page", 1.25, 0.06, 0.10)
"""The run gave no sign of life for far longer than usual."""

FAILURE_SIGNALS: dict[str, Signal] = {signal.name: signal for signal in (RUN_FAILED, TOOL_FAILED, RUN_HUNG)}

TRAFFIC = "agent.traffic"
TRAFFIC_SHARE = 0.12
"""Part of an agent's budget for silence and volume."""
TRAFFIC_TOLERANCE = 1.5

AGGREGATOR_SHARE = 0.25
"""Part of an owner's budget for nodes above agents."""

WATCHED = (*FAILURE_SIGNALS, TRAFFIC)
"""Every signal that has a detector."""
