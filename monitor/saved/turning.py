"""Live nodes and runs to what is written of them, and back: field by field, nothing is decided here."""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter

import msgspec

from detectors.loops import Loop
from monitor.evidence.within.node import Node
from monitor.runs.run import SPENT, Run, Work
from monitor.saved.states import LoopState, NodeState, RunState, WorkState

_SPENT = WorkState()
_encoder = msgspec.msgpack.Encoder()
_nodes = msgspec.msgpack.Decoder(list[NodeState])
_runs = msgspec.msgpack.Decoder(list[RunState])


def nodes_to_bytes(nodes: Iterable[Node]) -> bytes:
    """Nodes as they are written."""
    return _encoder.encode([state_of_node(node) for node in nodes])


def nodes_from_bytes(raw: bytes) -> list[Node]:
    """The nodes that were written. Raises `msgspec.DecodeError`."""
    return [Node(*_of_node(state)) for state in _nodes.decode(raw)]


def state_of_node(node: Node) -> NodeState:
    """A node as it is written."""
    return NodeState(*_of_node(node))


def runs_to_bytes(runs: Iterable[Run]) -> bytes:
    """Runs as they are written."""
    return _encoder.encode([_state_of_run(run) for run in runs])


def runs_from_bytes(raw: bytes) -> list[Run]:
    """The runs that were written. Raises `msgspec.DecodeError`."""
    return [_run_of(state) for state in _runs.decode(raw)]


def state_of_loop(loop: Loop) -> LoopState:
    """The statistics of a loop as they are written."""
    return LoopState(*[getattr(loop, name) for name in _LOOP])


def loop_of(state: LoopState) -> Loop:
    """The statistics that were written."""
    return Loop(*[getattr(state, name) for name in _LOOP])


_NODE = NodeState.__struct_fields__
_LOOP = LoopState.__struct_fields__
_RUN = RunState.__struct_fields__
_DID = WorkState.__struct_fields__
_WORK = _RUN.index("work")
# A save reads every field of what was touched, a start those of all: in one call, for a loop costs three times as much.
_of_node = attrgetter(*_NODE)
_of_run = attrgetter(*_RUN)
_LOOPS = ("loop", "user_loop")


def _state_of_run(run: Run) -> RunState:
    values = list(_of_run(run))
    values[_WORK] = _SPENT if run.work is SPENT else state_of_work(run.work)
    return RunState(*values)


def _run_of(state: RunState) -> Run:
    values = list(_of_run(state))
    # Nearly all runs of a state are closed and have let go of what they did; an open one that did nothing is no such.
    values[_WORK] = SPENT if state.closed and state.work == _SPENT else _work_of(state.work)
    return Run(*values)


def state_of_work(work: Work) -> WorkState:
    """What a run did as it is written."""
    values = {name: getattr(work, name) for name in _DID}
    for name in _LOOPS:
        if values[name] is not None:
            values[name] = state_of_loop(values[name])
    return WorkState(**values)


def _work_of(state: WorkState) -> Work:
    values = {name: getattr(state, name) for name in _DID}
    for name in _LOOPS:
        if values[name] is not None:
            values[name] = loop_of(values[name])
    return Work(**values)
