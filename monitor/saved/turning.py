"""Live nodes to what is written of them, and back: field by field, nothing is decided here.

Most numbers of most nodes have no fraction, and are written as integers.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from typing import Final

import msgspec

from monitor.evidence.within.node import Node
from monitor.saved.states import NodeState

_encode: Final = msgspec.msgpack.Encoder().encode
_nodes = msgspec.msgpack.Decoder(list[NodeState])
# A start reads every field of all: in one call, for a loop costs three times as much.
_of_node = attrgetter(*NodeState.__struct_fields__)


def nodes_to_bytes(nodes: Iterable[Node]) -> bytes:
    """Nodes as they are written."""
    return _encode([node.fields() for node in nodes])


def nodes_from_bytes(raw: bytes | memoryview) -> list[Node]:
    """The nodes that were written. Raises `msgspec.DecodeError`."""
    return [Node(*_of_node(state)) for state in _nodes.decode(raw)]


def state_of_node(node: Node) -> NodeState:
    """A node as it is written."""
    return NodeState(*_of_node(node))
