"""Python's collector while state is put back."""

from __future__ import annotations

import gc

import pytest

from monitor.agents import Agent
from monitor.engine import PartitionEngine
from monitor.saved.collecting import uncollected
from schemas.config import Config
from schemas.event import Event
from schemas.records import Tick


@pytest.mark.parametrize("was_on", [True, False])
def test_the_collector_is_left_as_it_was_found(was_on: bool) -> None:
    before = gc.isenabled()
    (gc.enable if was_on else gc.disable)()
    try:
        with pytest.raises(ValueError, match="of no use"), uncollected():
            assert not gc.isenabled()
            raise ValueError("of no use")
        assert gc.isenabled() == was_on
    finally:
        (gc.enable if before else gc.disable)()


def test_what_was_put_back_is_never_looked_at() -> None:
    try:
        with uncollected():
            put_back = [[number] for number in range(100)]
        assert not any(found is put_back for found in gc.get_objects())
    finally:
        gc.unfreeze()


def test_agents_go_with_their_partition_and_wait_for_no_collector() -> None:
    engine = PartitionEngine(Config())
    kinds = ("run_started", "tool_call", "run_finished")
    events = [
        Event(
            kind=kind, time=1e9, id=f"{agent}{kind}", agent=agent, run=agent, version="v1", tool="look_up", status="ok"
        )
        for agent in ("triage", "billing")
        for kind in kinds
    ]
    engine.step(enumerate([*events, Tick(1e9 + 1.0, None)]))
    gc.collect()
    was_on = gc.isenabled()
    gc.disable()
    try:
        ours = [agent for agent in gc.get_objects() if isinstance(agent, Agent)]
        assert len(ours) >= 2
        before = len(ours)
        ours.clear()
        del engine
        assert sum(isinstance(found, Agent) for found in gc.get_objects()) == before - 2
    finally:
        if was_on:
            gc.enable()
