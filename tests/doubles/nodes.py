"""What the nodes of an agent hold, as values that can be compared."""

from __future__ import annotations

from monitor.evidence.slices import Slices
from monitor.evidence.within.node import Node
from monitor.saved.states import Key, NodeState
from monitor.saved.turning import nodes_from_bytes, nodes_to_bytes, state_of_node


def copy_of(node: Node) -> Node:
    """Another one like it."""
    return nodes_from_bytes(nodes_to_bytes([node]))[0]


def nodes_of(slices: Slices) -> dict[Key, NodeState]:
    """Every node as it would be written."""
    return {key: state_of_node(node) for key, node in slices.nodes.items()}
