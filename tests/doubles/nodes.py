"""What the nodes of an agent hold, as values that can be compared."""

from __future__ import annotations

from monitor.evidence.slices import Slices
from monitor.saved.states import Key, NodeState
from monitor.saved.turning import state_of_node


def nodes_of(slices: Slices) -> dict[Key, NodeState]:
    """Every node as it would be written."""
    return {key: state_of_node(node) for key, node in slices.nodes.items()}
