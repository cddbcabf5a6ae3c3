"""Forest: the spans of one trace, linked parent to child.

Not runs yet. Whatever the parent ids say, the result has no cycle and holds every span once. Invariant: the order is
that of (start, span id), so it does not depend on the order of arrival.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field

from monitor.intake.dialects.reading import Reading, Role


@dataclass(slots=True, eq=False)
class Node:
    """One span in its place.

    `lost_parent`: its parent ran in the same process, as far as we know, and never came. `roles_below`: what is below
    it, at any depth. `calls_inside`: how many model calls a model call holds right below, which then makes none itself;
    `wrapper`: the model call that holds this one. `inside`: the last call of the same tool that a call of it holds: one
    call, seen by the framework and by its client.
    """

    reading: Reading
    lost_parent: bool = False
    parent: Node | None = None
    children: list[Node] = field(default_factory=list)
    roles_below: frozenset[Role] = frozenset()
    calls_inside: int = 0
    wrapper: Node | None = None
    inside: Node | None = None

    @property
    def role(self) -> Role:
        """What the span is to a run."""
        return self.reading.role

    @property
    def nearest(self) -> Node | None:
        """The closest node above that is not `other`."""
        above = self.parent
        while above is not None and above.role is Role.OTHER:
            above = above.parent
        return above

    def below(self, stop: frozenset[Role] = frozenset()) -> Iterator[Node]:
        """All nodes below, level by level; not beyond those whose role is in `stop`, which are given themselves."""
        level = self.children
        while level:
            yield from level
            level = [child for node in level if node.role not in stop for child in node.children]


def grow(readings: Iterable[Reading], seen: Container[str]) -> list[Node]:
    """The roots, each with what is below it. `seen`: ids of spans of this trace that were handled before.

    If the trace's own root is there, a span whose parent got lost is put below it: in one trace all belongs to it.
    """
    nodes = {reading.span_id: Node(reading) for reading in sorted(readings, key=_order)}
    origin = next((node for node in nodes.values() if not node.reading.parent_id), None)
    roots = []
    for node in nodes.values():
        above = node.reading.parent_id
        parent = nodes.get(above)
        if parent is None and above and above not in seen:
            parent = origin
            node.lost_parent = origin is None and node.reading.remote_parent is not True
        if parent is None or _is_above(node, parent):
            roots.append(node)
        else:
            node.parent = parent
            parent.children.append(node)
    _look_below(roots)
    return roots


def _look_below(roots: list[Node]) -> None:
    """Once, from the leaves up: a trace may be as deep as it has spans."""
    order = list(roots)
    for node in order:
        order.extend(node.children)
    for node in reversed(order):
        if node.parent is not None:
            node.parent.roles_below |= node.roles_below | {node.role}
        above = node.nearest if node.role is Role.LLM else None
        if above is not None and above.role is Role.LLM:
            above.calls_inside += 1
            node.wrapper = above
        _look_inside(node)


def _look_inside(node: Node) -> None:
    """Marks (in place) the call of a tool that holds this one, if it is of the same tool."""
    above = node.nearest if node.role is Role.TOOL else None
    if above is None or above.role is not Role.TOOL or _tool(above) != _tool(node):
        return
    node.wrapper = above
    if above.inside is None or _end(above.inside.reading) < _end(node.reading):
        above.inside = node


def _tool(node: Node) -> str | None:
    name: str | None = node.reading.fields.get("tool")
    return name


def _end(reading: Reading) -> tuple[float, str]:
    return reading.end, reading.span_id


def _is_above(node: Node, other: Node | None) -> bool:
    while other is not None:
        if other is node:
            return True
        other = other.parent
    return False


def _order(reading: Reading) -> tuple[float, str]:
    return reading.start, reading.span_id
