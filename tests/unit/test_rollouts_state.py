"""What is saved of rollouts: a restart at any tick changes nothing, an older state loads, other settings begin anew."""

from __future__ import annotations

import random

import msgspec
import pytest

from monitor.engine import Engine
from monitor.rollouts import book, versions
from monitor.saved.core import Core
from schemas.config import Config
from schemas.news import RolloutSeen
from tests.doubles.fleet_log import START, Item, log
from tests.doubles.rollout_log import Side, change, config, events, told

SESSION = config(randomised="session")
RUN = config(randomised="run")


def _sides(count: int) -> list[Side]:
    """A canary and a shadow of one agent at once."""
    rng = random.Random(3)
    found = []
    for number in range(count):
        its = rng.random() < 0.4
        at, name = START + 10.0 * number, f"p{number}"
        found.append(
            Side(
                at, f"r{number}", "v2" if its else "v1", "canary" if its else "stable",
                rng.random() < (0.5 if its else 0.1), name, f"s{number // 2}", seconds=rng.uniform(1.0, 30.0),
            )
        )  # fmt: skip
        found.append(Side(at, f"s{number}", "v3", "shadow", rng.random() < 0.3, name, seconds=rng.uniform(1.0, 60.0)))
    return found


def _news(engine: Engine, records: list[Item]) -> list[RolloutSeen]:
    return [news for news in engine.step(records).news if isinstance(news, RolloutSeen)]


@pytest.mark.parametrize("settings", [RUN, SESSION], ids=["run", "session"])
def test_a_restart_anywhere_changes_nothing(settings: Config) -> None:
    records = log([*events(_sides(120)), change(START + 1_500.0, "v2", "full")])
    expected = _news(Engine(settings), records)
    assert {one.ended for one in expected} == {"", "promoted", "replaced"}
    assert settings is SESSION or "roll back" in {one.verdict for one in expected}
    rng = random.Random(4)
    store: dict[str, bytes] = {}
    engine, said, at = Engine(settings), [], 0
    while at < len(records):
        until = at + rng.randrange(1, 60)
        said += _news(engine, records[at:until])
        for key, value in engine.changes():
            if value is None:
                store.pop(key, None)
            else:
                store[key] = value
        engine, at = Engine(settings), until
        engine.load(store.items())
    assert said == expected


def test_the_state_of_a_monitor_without_rollouts_loads() -> None:
    engine, _ = told(RUN, events([Side(START + 10.0 * n, f"r{n}") for n in range(50)]))
    saved = [(key, value) for key, value in engine.changes() if value is not None]
    older = []
    for key, value in saved:
        if key == "agent/x/core":  # as it was written when there was no field for rollouts, nor a block of theirs
            core, manifest = msgspec.msgpack.decode(value[1:])
            manifest = {name: parity for name, parity in manifest.items() if name[0] in "nrdm"}
            core = core[: Core.__struct_fields__.index("rollouts")]
            value = value[:1] + msgspec.msgpack.encode([core, manifest])
        if not key.startswith("agent/x/o"):
            older.append((key, value))
    assert len(older) < len(saved)
    again = Engine(RUN)
    again.load(older)
    agent = again.partition.agents["x"]
    assert (agent.runs, agent.rollouts.open) == (50, [])


def test_other_settings_begin_the_evidence_anew() -> None:
    records = log(events(_sides(120)))
    first = Engine(RUN)
    before = _news(first, records)[-1]
    store = [(key, value) for key, value in first.changes() if value is not None]
    for settings, anew in ((RUN, False), (config(randomised="run", factor=2.0), True), (config(), True)):
        engine = Engine(settings)
        engine.load(store)
        canary = engine.partition.agents["x"].rollouts.state.canary
        assert canary is not None
        assert (canary.id, canary.numbers == {}) == (before.id.replace("shadow/v3", "canary/v2"), anew) or anew


def test_runs_that_wait_are_bounded() -> None:
    """One long run holds back all that started after it. Half of those then count, drawn by name."""
    sides = [Side(START, "first", "v2", "canary"), Side(START + 1.0, "long", seconds=33.5)]
    sides += [Side(START + 2.0 + 0.002 * n, f"r{n}", seconds=30.0) for n in range(book.WAITING + 40)]
    engine, _ = told(RUN, events(sides))
    rollouts = engine.partition.agents["x"].rollouts
    assert rollouts.state.canary is not None
    assert rollouts.state.canary.every == 2
    waited = len(rollouts.waiting) + sum(rollouts.state.canary.runs)
    assert 100 < waited < 240
    assert 100 < engine.partition.counts["rollouts_forced"] < 200


def test_versions_that_are_watched_are_bounded() -> None:
    sides = [Side(START + n, f"r{n}", f"v{n}") for n in range(versions.NAMES + 30)]
    engine, _ = told(RUN, events(sides))
    watch = engine.partition.agents["x"].rollouts.state.watch
    assert watch.current == "v0"
    assert len(watch.first) == versions.NAMES
    assert len(watch.young) == versions.YOUNG
