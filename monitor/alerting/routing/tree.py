"""Where an alert goes: to the receiver of its owner, or where the route tree of the YAML sends it.

Pure. The tree is walked depth first as Alertmanager does: the first child that matches wins unless it says `continue`;
where none does, the node itself handles. Invariant: routing is total; every alert has at least one destination.
Grouping by labels and waits belong to the stage behind; here an incident is the group.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from monitor.alerting.routing.matchers import Matcher, matches_all, parse_matchers
from schemas.config import Config, Route

REPEAT_SECONDS = 14_400.0
"""An incident that goes on is repeated so often, where the YAML does not say otherwise. Without a `route:`, only a page
is."""


@dataclass(frozen=True)
class Destination:
    """A receiver, and what the route says of it. `key` names the route: `{}/{owner="payments"}`."""

    receiver: str
    key: str
    repeat_seconds: float


@dataclass(frozen=True)
class _Node:
    key: str
    receiver: str | None
    matchers: tuple[Matcher, ...]
    goes_on: bool
    repeat_seconds: float
    children: tuple[_Node, ...]


class Routing:
    """The way from labels to destinations. Raises `ValueError` for a matcher that cannot be read."""

    def __init__(self, config: Config) -> None:
        self._root = None if config.route is None else _node(config.route, None)

    def destinations(self, labels: Mapping[str, str]) -> tuple[Destination, ...]:
        """Who is told of an alert with these labels; one entry for each receiver, the first route to it."""
        owner = labels.get("owner", "")
        if self._root is None:
            # A notice says its thing once: an agent that was retired would otherwise be told of for ever.
            repeat = REPEAT_SECONDS if labels.get("severity") == "page" else math.inf
            return (Destination(owner, "{}", repeat),)
        found: dict[str, Destination] = {}
        for node in _walk(self._root, labels):
            receiver = node.receiver if node.receiver is not None else owner
            found.setdefault(receiver, Destination(receiver, node.key, node.repeat_seconds))
        return tuple(found.values())


def _node(route: Route, parent: _Node | None) -> _Node:
    matchers = tuple(matcher for text in route.matchers for matcher in parse_matchers(text))
    own = "{" + ",".join(str(matcher) for matcher in matchers) + "}"
    bare = _Node(
        key=own if parent is None else f"{parent.key}/{own}",
        receiver=route.receiver if route.receiver is not None or parent is None else parent.receiver,
        matchers=matchers,
        goes_on=route.continue_,
        repeat_seconds=_inherited(route.repeat_interval, parent),
        children=(),
    )
    children = tuple(_node(child, bare) for child in route.routes)
    return _Node(bare.key, bare.receiver, bare.matchers, bare.goes_on, bare.repeat_seconds, children)


def _inherited(seconds: float | None, parent: _Node | None) -> float:
    if seconds is not None:
        return seconds
    return REPEAT_SECONDS if parent is None else parent.repeat_seconds


def _walk(node: _Node, labels: Mapping[str, str]) -> list[_Node]:
    """The nodes that handle the labels, depth first; empty where this branch does not match."""
    if not matches_all(node.matchers, labels):
        return []
    handling: list[_Node] = []
    for child in node.children:
        found = _walk(child, labels)
        handling += found
        if found and not child.goes_on:
            break
    return handling or [node]
