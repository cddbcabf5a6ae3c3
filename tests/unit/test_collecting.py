"""Python's collector while state is put back."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator

import pytest

from monitor.agents import Agent
from monitor.alerting.router import Router
from monitor.engine import PartitionEngine
from monitor.evidence.aggregator import Aggregator
from monitor.intake.assembler import Assembler
from monitor.saved.collecting import uncollected
from schemas.config import Config
from schemas.event import Event
from schemas.records import Tick
from tests.doubles.clock import START
from tests.doubles.findings import finding


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


def test_what_was_put_back_is_old_and_can_still_be_collected() -> None:
    with uncollected():
        put_back = [[number] for number in range(100)]
    for young in (0, 1):
        assert not any(found is put_back for found in gc.get_objects(young))
    assert any(found is put_back for found in gc.get_objects(2))
    assert gc.get_freeze_count() == 0


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    was_on = gc.isenabled()
    gc.disable()
    yield
    if was_on:
        gc.enable()


def alive(kind: type) -> int:
    return sum(isinstance(found, kind) for found in gc.get_objects())


@pytest.mark.usefixtures("no_collector")
def test_agents_go_with_their_partition_and_wait_for_no_collector() -> None:
    before = alive(Agent)
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
    assert alive(Agent) == before + 2
    del engine
    assert alive(Agent) == before


def router_with_an_incident() -> Router:
    router = Router(Config.model_validate({"owners": {"payments": {}}, "defaults": {"owner": "payments"}}))
    assert router.step([finding(0)], START)
    return router


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize(
    ("kind", "make"),
    [(Router, router_with_an_incident), (Aggregator, lambda: Aggregator(Config())), (Assembler, Assembler)],
)
def test_so_do_the_other_parts_that_move(kind: type, make: Callable[[], object]) -> None:
    before = alive(kind)
    part = make()
    assert alive(kind) == before + 1
    del part
    assert alive(kind) == before
