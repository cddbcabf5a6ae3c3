"""The one number that a closed run gives of a signal, for detectors that take one number per run.

Not here: the channels of our own banks, of which a signal may have several (`monitor.drift.channels`).

Invariant: None where the run says nothing of the signal; a hung run says nothing of what it took.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from monitor.runs import Closed
from monitor.signals import FAILURE_SIGNALS

Reader = Callable[[Closed], float | None]


def _unless_hung(read: Callable[[Closed], float | None]) -> Reader:
    return lambda closed: None if closed.status == "hung" else read(closed)


def _tools(closed: Closed) -> float | None:
    calls = sum(tool[0] for tool in closed.run.tools.values())
    return sum(tool[1] for tool in closed.run.tools.values()) / calls if calls else None


def _retrievals(closed: Closed) -> float | None:
    work = closed.work
    return work.empty_retrievals / work.retrievals if work.retrievals else None


READERS: Mapping[str, Reader] = {
    **{name: FAILURE_SIGNALS[name].read for name in ("run.failed", "run.hung", "run.silent", "run.loop")},
    "contract.violated": FAILURE_SIGNALS["contract.violated"].read,
    "tool.failed": _tools,
    "run.duration_seconds": _unless_hung(lambda closed: closed.duration_seconds),
    "run.steps": _unless_hung(lambda closed: closed.work.steps),
    "run.tokens": _unless_hung(lambda closed: closed.work.tokens),
    "run.cost_usd": _unless_hung(lambda closed: closed.work.cost_usd),
    "run.retries": _unless_hung(lambda closed: closed.work.retries),
    "run.output_length": _unless_hung(lambda closed: closed.work.output_length),
    "agent.fallback": _unless_hung(lambda closed: closed.work.fallbacks > 0),
    "agent.escalation": _unless_hung(lambda closed: closed.work.escalations > 0),
    "agent.guardrail": _unless_hung(lambda closed: closed.work.blocked > 0),
    "retrieval.empty": _unless_hung(_retrievals),
    "retrieval.top_score": _unless_hung(lambda closed: closed.work.top_score),
}
"""Signal → the one number that a closed run gives of it; None where it says nothing."""
