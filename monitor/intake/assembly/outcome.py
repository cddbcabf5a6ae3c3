"""How a run ended, from what its spans show.

- An error of the topmost span is the run's.
- An error of a container below it (agent, step, graph node) or of a child run is the run's, unless work went on after
  it: then the run recovered. Instrumentations whose topmost span is fine on every failed run make this necessary.
- A tool's or a model's error is not the run's; in a headless run, which broke off, the last one is.

A child run below a tool call is that tool's business. Invariant: pure, children are judged before their parents.
"""

from __future__ import annotations

from dataclasses import dataclass

from monitor.intake.assembly.forest import Node
from monitor.intake.assembly.runs import Run
from monitor.intake.dialects import errors
from monitor.intake.dialects.reading import CONTAINERS, WORK, Role


@dataclass(frozen=True, slots=True)
class Outcome:
    """`error_type` is None for a run that went well."""

    failed: bool
    error_type: str | None = None


@dataclass(frozen=True, slots=True)
class _Verdict:
    culprit: Node | None
    last_work: float  # the start of the last call below, child runs included


def judge(runs: list[Run]) -> list[Outcome]:
    """The outcomes of runs, given parents before children, in the same order."""
    verdicts: dict[int, _Verdict] = {}
    for run in reversed(runs):
        verdicts[id(run)] = _verdict(run, [(child, verdicts[id(child)]) for child in run.children])
    culprits = [verdicts[id(run)].culprit for run in runs]
    return [Outcome(True, errors.error_class(node.reading)) if node else Outcome(False) for node in culprits]


def _verdict(run: Run, children: list[tuple[Run, _Verdict]]) -> _Verdict:
    starts = [node.reading.start for node in run.nodes if node.role in WORK]
    last_work = max([*starts, *(verdict.last_work for _, verdict in children)], default=0.0)
    if run.head is not None and run.head.reading.failed:
        return _Verdict(run.head, last_work)
    suspects = [(node.reading.end, node) for node in run.nodes if node.reading.failed and _counts(node, run)]
    suspects += [
        (child.end, verdict.culprit)
        for child, verdict in children
        if verdict.culprit is not None and not _below_tool(child)
    ]
    decisive = [(end, node) for end, node in suspects if end >= last_work]
    if not decisive:
        return _Verdict(None, last_work)
    _, last = max(decisive, key=lambda suspect: (suspect[0], suspect[1].role in CONTAINERS, suspect[1].reading.span_id))
    return _Verdict(_outermost(last, {id(node) for _, node in decisive}, run.head), last_work)


def _counts(node: Node, run: Run) -> bool:
    return node.role in CONTAINERS or (run.head is None and node.role in WORK)


def _below_tool(run: Run) -> bool:
    above = run.head.nearest if run.head else None
    while above is not None and run.parent is not None and above is not run.parent.head:
        if above.role is Role.TOOL:
            return True
        above = above.nearest
    return False


def _outermost(node: Node, suspects: set[int], head: Node | None) -> Node:
    """The highest suspect above a node: it names the error as the run saw it."""
    found, above = node, node.parent
    while above is not None and above is not head:
        if id(above) in suspects:
            found = above
        above = above.parent
    return found
