"""How a run ended, from what its spans show.

- An error of the topmost span is the run's.
- An error of a container below it (agent, step, graph node) or of a child run is the run's, unless work went on after
  it: then the run recovered. Instrumentations whose topmost span is fine on every failed run make this necessary.
- A tool's or a model's error is not the run's; in a headless run, which broke off, the last one is.

A child run below a tool call is that tool's business. Invariant: pure, children are judged before their parents.
"""

from __future__ import annotations

from collections.abc import Iterator
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


def judge(run: Run) -> Outcome:
    """The outcome of one run."""
    culprit = _culprit(run)
    if culprit is None:
        return Outcome(False)
    return Outcome(True, errors.error_class(culprit.span))


def _culprit(run: Run) -> Node | None:
    if run.head is not None and run.head.reading.failed:
        return run.head
    last_start = max((node.span.start for node in _work(run)), default=0.0)
    suspects = [(node.span.end, node) for node in run.nodes if node.reading.failed and _counts(node, run)]
    suspects += [
        (child.end, theirs)
        for child in run.children
        if not _below_tool(child) and (theirs := _culprit(child)) is not None
    ]
    decisive = [(end, node) for end, node in suspects if end >= last_start]
    if not decisive:
        return None
    _, last = max(decisive, key=lambda suspect: (suspect[0], suspect[1].role in CONTAINERS, suspect[1].span.span_id))
    return _outermost(last, {id(node) for _, node in decisive})


def _counts(node: Node, run: Run) -> bool:
    return node.role in CONTAINERS or (run.head is None and node.role in WORK)


def _work(run: Run) -> Iterator[Node]:
    yield from (node for node in run.nodes if node.role in WORK)
    for child in run.children:
        yield from _work(child)


def _below_tool(run: Run) -> bool:
    above = run.head.nearest if run.head else None
    while above is not None and run.parent is not None and above is not run.parent.head:
        if above.role is Role.TOOL:
            return True
        above = above.nearest
    return False


def _outermost(node: Node, suspects: set[int]) -> Node:
    """The highest suspect above a node: it names the error as the run saw it."""
    found, above = node, node.parent
    while above is not None:
        if id(above) in suspects:
            found = above
        above = above.parent
    return found
