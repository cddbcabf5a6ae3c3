"""Where an alert goes: to the receiver of its owner, or where the route tree of the YAML sends it.

Pure. The tree is walked depth first as Alertmanager does: the first child that matches wins unless it says `continue`;
where none does, the node itself handles. Invariant: routing is total; every alert has at least one destination, and
what is meant for an owner whom the configuration does not name goes to the default owner.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from monitor.alerting.routing.matchers import Matcher, in_order, matches_all, parse_matchers, text_of
from monitor.alerting.routing.receivers import plan
from schemas.config import Config, Route

GROUP_WAIT_SECONDS = 30.0
GROUP_INTERVAL_SECONDS = 300.0
REPEAT_SECONDS = 14_400.0
"""An incident that goes on is repeated so often, where the YAML does not say otherwise. Without a `route:`, only a page
is."""
ALL_LABELS = "..."


@dataclass(frozen=True)
class Destination:
    """A receiver, and what the route says of it. `key` names the route: `{}/{owner="payments"}`.

    `stands_for`: the owner who was meant, where the configuration does not name them; else empty.
    """

    receiver: str
    key: str
    repeat_seconds: float
    stands_for: str = ""


@dataclass(frozen=True)
class Node:
    """A route with all that it inherits.

    `key` is Alertmanager's name of it, which two siblings may share; `id` is this route's alone. `receiver`: None tells
    the alert's owner. `group_by`: None for all labels.
    """

    id: str
    key: str
    receiver: str | None
    matchers: tuple[Matcher, ...]
    goes_on: bool
    group_by: frozenset[str] | None
    wait_seconds: float
    interval_seconds: float
    repeat_seconds: float
    mute_times: tuple[str, ...]
    active_times: tuple[str, ...]
    children: tuple[Node, ...]

    def group_labels(self, labels: Mapping[str, str]) -> dict[str, str]:
        """The labels that name the group of an alert, in the order of their names."""
        by = self.group_by
        return {name: labels[name] for name in sorted(labels) if by is None or name in by}


class Routing:
    """The way from labels to destinations. Raises `ValueError` for a matcher that cannot be read."""

    def __init__(self, config: Config) -> None:
        self.root = None if config.route is None or config.route == Route() else _node(config.route, None, 0)
        self._default_owner, self._owners = config.default_owner, frozenset(config.owners)
        self.receivers = frozenset(plan(config, slack=True))
        """Names of all that can be told: owners and receivers of the configuration."""
        self._known = self.receivers if config.owners else None
        """None: no owner is named, so that each is as good as another."""

    def owner(self, labels: Mapping[str, str]) -> str:
        """Whose alert it is: what it says itself, else the default owner's."""
        return labels.get("owner") or self._default_owner

    def to(self, owner: str, key: str = "{}", repeat_seconds: float = math.inf) -> Destination:
        """Where what is meant for an owner goes: to them, or to the default owner where nobody knows them."""
        if self._known is None or owner in self._known:
            return Destination(owner, key, repeat_seconds)
        return Destination(self._default_owner, key, repeat_seconds, owner)

    def by(self, node: Node, labels: Mapping[str, str]) -> Destination:
        """Who is told by a route of an alert with these labels."""
        if node.receiver is None:
            return self.to(self.owner(labels), node.key, node.repeat_seconds)
        return Destination(node.receiver, node.key, node.repeat_seconds)

    def called(self, receiver: str, labels: Mapping[str, str]) -> str:
        """Whom a page rings at a receiver: that itself where it is an owner, else whose alert it is."""
        return receiver if receiver in self._owners else self.owner(labels)

    def destinations(self, labels: Mapping[str, str]) -> tuple[Destination, ...]:
        """Who is told of an alert with these labels; one entry for each receiver, the first route to it."""
        if self.root is None:
            # A notice says its thing once: an agent that was retired would otherwise be told of for ever.
            repeat = REPEAT_SECONDS if labels.get("severity") == "page" else math.inf
            return (self.to(self.owner(labels), "{}", repeat),)
        found: dict[str, Destination] = {}
        for destination in (self.by(node, labels) for node in self.handling(labels)):
            found.setdefault(destination.receiver, destination)
        return tuple(found.values())

    def handling(self, labels: Mapping[str, str]) -> list[Node]:
        """The routes that take an alert with these labels, depth first. Empty without a `route:`."""
        return [] if self.root is None else _walk(self.root, labels)

    def nodes(self) -> list[Node]:
        """Every route, depth first. Empty without a `route:`."""
        return [] if self.root is None else _all(self.root)


def labels_text(labels: Mapping[str, str]) -> str:
    """`{a="1", b="2"}`: the second part of a group's key."""
    return "{" + ", ".join(f"{name}={_quoted(labels[name])}" for name in sorted(labels)) + "}"


def _quoted(value: str) -> str:
    """As Go quotes: what cannot be printed is escaped."""
    out = []
    for char in value:
        code = ord(char)
        if char in '"\\':
            out.append("\\" + char)
        elif char in _GO_ESCAPES:
            out.append(_GO_ESCAPES[char])
        elif char.isprintable():
            out.append(char)
        elif code < 0x80:
            out.append(f"\\x{code:02x}")
        else:
            out.append(f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")
    return '"' + "".join(out) + '"'


_GO_ESCAPES = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\a": "\\a", "\b": "\\b", "\f": "\\f", "\v": "\\v"}


def _node(route: Route, parent: Node | None, index: int) -> Node:
    matchers = in_order(each for text in route.matchers for each in parse_matchers(text))
    own = text_of(matchers)
    if route.group_by is None:
        by = frozenset[str]() if parent is None else parent.group_by
    else:
        by = None if ALL_LABELS in route.group_by else frozenset(route.group_by)
    bare = Node(
        id=own if parent is None else f"{parent.id}/{own}/{index}",
        key=own if parent is None else f"{parent.key}/{own}",
        receiver=route.receiver if route.receiver is not None or parent is None else parent.receiver,
        matchers=matchers,
        goes_on=route.continue_,
        group_by=by,
        wait_seconds=_first(route.group_wait, parent.wait_seconds if parent else GROUP_WAIT_SECONDS),
        interval_seconds=_first(route.group_interval, parent.interval_seconds if parent else GROUP_INTERVAL_SECONDS),
        repeat_seconds=_first(route.repeat_interval, parent.repeat_seconds if parent else REPEAT_SECONDS),
        mute_times=tuple(route.mute_time_intervals),
        active_times=tuple(route.active_time_intervals),
        children=(),
    )
    children = tuple(_node(child, bare, number) for number, child in enumerate(route.routes))
    return Node(**{**bare.__dict__, "children": children})


def _first(own: float | None, otherwise: float) -> float:
    return otherwise if own is None else own


def _walk(node: Node, labels: Mapping[str, str]) -> list[Node]:
    """The nodes that handle the labels, depth first; empty where this branch does not match."""
    if not matches_all(node.matchers, labels):
        return []
    handling: list[Node] = []
    for child in node.children:
        found = _walk(child, labels)
        handling += found
        if found and not child.goes_on:
            break
    return handling or [node]


def _all(node: Node) -> list[Node]:
    return [node, *(each for child in node.children for each in _all(child))]
