"""A closed run as people and programs see it. Reads, never changes."""

from __future__ import annotations

from monitor.runs.run import Closed
from schemas.view import RunView


def of_run(agent: str, closed: Closed) -> RunView:
    """One run when it closed."""
    run = closed.run
    return RunView(
        run=run.run,
        agent=agent,
        version=run.version,
        status="hung" if closed.status == "hung" else "error" if closed.status == "error" else "ok",
        started=run.started,
        duration_seconds=closed.duration_seconds,
        tools={tool: calls[0] for tool, calls in run.tools.items()},
        failed_tools={tool: calls[1] for tool, calls in run.tools.items() if calls[1]},
        outcome=closed.outcome,
        error_type=closed.error_type,
        parent_run=run.parent_run,
        silent=closed.silent,
        silent_reason=closed.silent_reason,
        looped=closed.work.looped,
        violations=tuple(closed.work.broken),
    )
