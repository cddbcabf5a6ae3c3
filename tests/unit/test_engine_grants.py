"""What a node may bet: a grant that comes twice is one grant, and what gathers while nobody bets is let go."""

from __future__ import annotations

import random

import pytest

from monitor.engine import Engine, PartitionEngine
from monitor.evidence import accounts
from monitor.signals import RUN_FAILED
from schemas.config import Config
from schemas.event import Event
from schemas.finding import Finding
from schemas.records import Grant, Tick
from tests.doubles.fleet_log import START

CONFIG = Config.model_validate({"owners": {"one": {"budget": "1 per week"}}})
HOUR, DAY = 3_600.0, 86_400.0


def test_a_grant_that_is_asked_for_twice_before_it_comes_is_one() -> None:
    """An agent asks at each tick until its grant is there, which on Kafka takes more than one."""
    engine = PartitionEngine(CONFIG)
    engine.step([(0, Tick(START, None)), (1, Event(kind="run_finished", time=START, id="e", agent="x", run="r"))])
    grant = Grant("one", "x", START, START + HOUR, 1e-6, 1e-6)
    engine.step([(2, grant)])
    account = engine.agents["x"].slices.accounts["one"]
    first = (account.page_rate, account.notice_rate, account.end)
    assert first == (1e-6 * (1.0 - accounts.HEAD_START), 1e-6 * (1.0 - accounts.HEAD_START), START + HOUR)
    engine.step([(3, grant)])
    assert (account.page_rate, account.notice_rate, account.end) == first
    engine.step([(4, Grant("one", "x", START + HOUR, START + 2 * HOUR, 1e-6, 1e-6))])
    assert account.page_rate == 1e-6, "the next one has no head start"


def _rare_runs(per_day: int, rate: float, seed: int) -> list[Finding]:
    """Runs of an agent that is rarely asked, until each signal of it is known and a while longer."""
    rng, engine, found = random.Random(seed), Engine(CONFIG), list[Finding]()
    gap, offset, before = DAY / per_day, 0, None
    for number in range(260):
        at = START + number * gap
        while before is None or before + HOUR <= at:
            now = START if before is None else before + HOUR
            found += engine.step([(offset, Tick(now, before))]).findings
            before, offset = now, offset + 1
        status = "error" if rng.random() < rate else "ok"
        event = Event(
            kind="run_finished", time=at, id=f"e{number}", agent="x", version="v1", run=f"r{number}", status=status
        )
        found += engine.step([(offset, event)]).findings
        offset += 1
    assert engine.partition.agents["x"].runs == 260
    return [one for one in found if one.status == "firing" and one.mode == "page"]


@pytest.mark.parametrize("per_day", [1, 5])
def test_a_rarely_used_agent_that_is_well_pages_nobody_once_it_is_known(per_day: int) -> None:
    """Its reference takes weeks; the budget of weeks, bet on one good run, was a page without evidence."""
    pages = _rare_runs(per_day, 0.0, 1)
    assert [one for one in pages if one.signal in (RUN_FAILED.name, "run.hung", "run.silent")] == []
