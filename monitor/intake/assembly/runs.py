"""Cuts a forest into runs: one run belongs to one agent, from its topmost span down.

- A run begins at the topmost agent or workflow; a chain above an agent, or above any work, is a workflow too.
- Its agent is the name that the topmost span gives; a wrapper without one (a workflow, a trace span) takes the name
  of the first agent inside. So one agent keeps one key, however many wrappers an instrumentation writes.
- An agent of another name below opens a child run; the same name again is the same run (doubled spans).
- What hangs together below a span that never came is a headless run; a lone model call is none.

Invariant: every span is in at most one run, and which one does not depend on the order of arrival.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice

from msgspec import Struct

from monitor.intake.assembly.forest import Node
from monitor.intake.dialects.reading import WORK, Role

_CALLS = frozenset((Role.LLM, Role.TOOL))
_NAMERS = WORK | {Role.HANDOFF}
NAME_SEARCH = 200
"""Spans below a nameless topmost one among which a name is looked for; beyond it is its label's or its service's."""
UNKNOWN_AGENT = "unknown"
"""The key of an agent that nobody named, in a process that has no `service.name`."""


class RunKey(Struct, frozen=True, array_like=True):
    """What later spans must know of a run. `named`: the agent's name was given, not taken from a label."""

    run: str
    agent: str
    named: bool = False
    headless: bool = False
    version: str | None = None
    session: str | None = None
    user: str | None = None
    parent_run: str | None = None
    parent_agent: str | None = None


@dataclass(slots=True, eq=False)
class Run:
    """One run under construction: `nodes` from the top down. `head` is its topmost span (None: headless).

    `resumed`: it was closed before; only what came late is told of it.
    """

    agent: str
    named: bool
    head: Node | None = None
    parent: Run | None = None
    nodes: list[Node] = field(default_factory=list)
    children: list[Run] = field(default_factory=list)
    id: str = ""
    resumed: RunKey | None = None

    @property
    def start(self) -> float:
        """Epoch seconds."""
        return self.head.reading.start if self.head else min(node.reading.start for node in self.nodes)

    @property
    def end(self) -> float:
        """Epoch seconds."""
        return self.head.reading.end if self.head else max(node.reading.end for node in self.nodes)

    @property
    def last_node(self) -> Node:
        """The node that says when and from where the run reached us."""
        return self.head or max(self.nodes, key=lambda node: (node.reading.end, node.reading.span_id))


def cut(trace: str, roots: Iterable[Node], known: list[RunKey], placed: dict[str, int]) -> tuple[list[Run], list[Node]]:
    """The runs of a forest, parents before children, and the nodes that belong to none.

    `known` are runs of this trace that were closed before and `placed` says which spans belong to them.
    """
    roots = list(roots)
    resumed = [Run(agent=key.agent, named=key.named, id=key.run, resumed=key) for key in known]
    runs: list[Run] = []
    strays: list[Node] = []
    for root in roots:
        above = _resumed_above(root, resumed, placed)
        _walk(root, above, runs, strays)
    orphaned = any(root.lost_parent for root in roots)
    if _is_run(strays, orphaned):
        runs.append(_headless(strays))
        strays = []
    _name_ids(trace, [run for run in runs if run.parent is None], taken=bool(known))
    _name_child_ids(trace, runs)
    return [run for run in resumed if run.nodes] + runs, strays


def _resumed_above(root: Node, resumed: list[Run], placed: dict[str, int]) -> Run | None:
    if not resumed:
        return None
    index = placed.get(root.reading.parent_id)
    if index is not None:
        return resumed[index] if index < len(resumed) else None
    first = resumed[0]
    is_new_run = root.role in (Role.AGENT, Role.WORKFLOW) and not root.lost_parent
    if is_new_run and first.resumed is not None and not first.resumed.headless:
        return None
    if is_new_run and first.head is None:
        first.head = root  # the head of a run that was closed without one
    return first


def _walk(root: Node, above: Run | None, runs: list[Run], strays: list[Node]) -> None:
    stack: list[tuple[Node, Run | None]] = [(root, above)]
    while stack:
        node, run = stack.pop()
        opened = _opens(node, run, root.lost_parent)
        if opened is not None:
            runs.append(opened)
            run = opened
        if run is not None:
            run.nodes.append(node)
        elif node.role is not Role.OTHER:
            strays.append(node)
        stack.extend((child, run) for child in reversed(node.children))


def _opens(node: Node, run: Run | None, broken_off: bool) -> Run | None:
    if run is not None:
        if node is run.head or node.role is not Role.AGENT or not _is_other(node, run):
            return None
        name, named = _name(node)
        child = Run(agent=name, named=named, head=node, parent=run)
        run.children.append(child)
        return child
    if not _is_head(node, broken_off):
        return None
    name, named = _name(node)
    return Run(agent=name, named=named, head=node)


def _is_head(node: Node, broken_off: bool) -> bool:
    """`broken_off`: what is above its topmost span never came."""
    if node.role in (Role.AGENT, Role.WORKFLOW):
        return True
    if node.role is not Role.CHAIN:
        return False
    if node.roles_below & {Role.AGENT, Role.WORKFLOW}:
        return True
    return bool(node.roles_below & WORK) and not broken_off  # else a step of a headless run, however deep


def _is_other(node: Node, run: Run) -> bool:
    if node.reading.agent is not None:
        return node.reading.agent != run.agent
    return node.reading.label is not None and not run.named and node.reading.label != run.agent


def _name(head: Node) -> tuple[str, bool]:
    """The agent's key, and whether somebody gave it as an agent's name."""
    if head.reading.agent is not None:
        return head.reading.agent, True
    nearby = islice(head.below(stop=_NAMERS), NAME_SEARCH)
    agents = [node for node in nearby if node.role is Role.AGENT]
    for node in agents:
        if node.reading.agent is not None:
            return node.reading.agent, True
    label = head.reading.label or next((node.reading.label for node in agents if node.reading.label), None)
    if label is not None:
        return label, False
    return _said_by_work(islice(head.below(), NAME_SEARCH)) or _service(head), False


def _said_by_work(nodes: Iterable[Node]) -> str | None:
    return next((node.reading.agent for node in nodes if node.role in _CALLS and node.reading.agent), None)


def _service(node: Node) -> str:
    return node.reading.service or UNKNOWN_AGENT


def _is_run(strays: list[Node], orphaned: bool) -> bool:
    calls = [node for node in strays if node.role in _CALLS]
    if not calls:
        return False
    if not orphaned:  # the whole trace is here: a model and tools, but nothing that calls itself an agent
        return {node.role for node in calls} == _CALLS
    if _said_by_work(calls) is not None:
        return True
    return len(calls) + sum(node.role is Role.CHAIN for node in strays) > 1


def _headless(strays: list[Node]) -> Run:
    nodes = sorted(strays, key=lambda node: (node.reading.start, node.reading.span_id))
    agent = _said_by_work(nodes)
    return Run(agent=agent or _service(nodes[0]), named=agent is not None, nodes=nodes)


def _name_ids(trace: str, roots: list[Run], taken: bool) -> None:
    """The first run of a trace is called like the trace, so that what an application logs finds it."""
    for run in sorted(roots, key=lambda run: (run.head is None, run.start, run.nodes[0].reading.span_id)):
        run.id = f"{trace}/{run.nodes[0].reading.span_id}" if taken else trace
        taken = True


def _name_child_ids(trace: str, runs: list[Run]) -> None:
    for run in runs:
        if run.parent is not None:
            run.id = f"{trace}/{run.nodes[0].reading.span_id}"
