"""Shadows: pairs of runs on one input, and that nothing of them reaches production."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from monitor.blocks import Blocks
from monitor.engine import Engine
from monitor.rollouts import book, pairing
from monitor.saved.core import Saved
from schemas.event import Event
from schemas.news import Compared, RolloutSeen
from tests.doubles.fleet_log import START, Item, log
from tests.doubles.rollout_log import Side, config, events, told

CONFIG = config()


def _pairs(count: int, base: float, other: float, seed: int = 1, lag: float = 5.0) -> list[Side]:
    rng = random.Random(seed)
    found = []
    for number in range(count):
        at, order = START + 30.0 * number, rng.randrange(1_000)
        common: dict[str, Any] = {"pair": f"p{number}", "tool": "t", "order": order, "cost_usd": 0.02}
        found.append(Side(at, f"b{number}", "v1", failed=rng.random() < base, **common))
        found.append(Side(at + lag, f"s{number}", "v2", "shadow", rng.random() < other, **common))
    return found


def _row(news: RolloutSeen, signal: str) -> Compared:
    return next(row for row in news.signals if row.signal == signal)


def _first(news: list[RolloutSeen], verdict: str) -> RolloutSeen:
    return next(one for one in news if one.verdict == verdict)


def test_a_shadow_that_fails_more_on_the_same_inputs_is_found() -> None:
    _, news = told(CONFIG, events(_pairs(200, 0.05, 0.3)), until=START + 12_000.0)
    last = news[-1]
    assert (last.mode, last.baseline, last.candidate, last.verdict) == ("shadow", "v1", "v2", "roll back")
    assert last.pairs == last.baseline_runs == last.candidate_runs == 200
    row = _row(last, "run.failed")
    assert row.low <= 0.25 <= row.high
    assert row.low >= 0.0
    assert last.agreement == pytest.approx(0.7, abs=0.1)
    assert last.agreement_low < last.agreement < last.agreement_high
    assert len(last.examples) == 5
    assert all(base.startswith("b") and base[1:] == other[1:] for base, other in last.examples)


def test_a_shadow_that_does_the_same_is_promoted_after_the_least_number_of_pairs() -> None:
    _, news = told(CONFIG, events(_pairs(300, 0.0, 0.0)))
    assert news[-1].verdict == "promote"
    half = next(one for one in news if one.pairs >= 50)
    assert half.runs_needed is not None
    assert 0.5 < half.runs_needed / (_first(news, "promote").pairs - half.pairs) < 2.0
    assert news[-1].agreement == 1.0
    assert news[-1].examples == ()
    assert [_row(news[-1], signal).candidate for signal in ("pair.outcome", "pair.tools", "pair.arguments")] == [
        0.0
    ] * 3


@pytest.mark.parametrize(
    ("change", "differs", "why"),
    [
        ({"order": -1}, {"pair.arguments"}, "the same tool with other arguments"),
        ({"tool": "u"}, {"pair.tools", "pair.arguments"}, "another tool"),
        ({"tool": None}, {"pair.tools", "pair.arguments"}, "no tool"),
        ({"outcome": "escalated"}, {"pair.outcome"}, "another outcome"),
        ({"failed": True}, {"pair.outcome"}, "another status"),
        ({}, set(), "nothing"),
    ],
)
def test_what_differs_in_a_pair(change: dict[str, Any], differs: set[str], why: str) -> None:
    sides = [replace(side, **change) if side.variant == "shadow" else side for side in _pairs(20, 0.0, 0.0)]
    _, news = told(CONFIG, events(sides), until=START + 4_000.0)
    rows = {row.signal: row.candidate for row in news[-1].signals if row.signal.startswith("pair.")}
    assert {signal for signal, share in rows.items() if share == 1.0} == differs, why
    assert {signal for signal, share in rows.items() if share == 0.0} == set(rows) - differs
    assert news[-1].agreement == float(not differs & {"pair.outcome", "pair.tools"})


def test_either_run_of_a_pair_may_be_the_first_and_others_wait_an_hour() -> None:
    for lag, pairs in ((5.0, 20), (-5.0, 20), (4_000.0, 0)):
        _, news = told(CONFIG, events(_pairs(20, 0.0, 0.0, lag=lag)), until=START + 9_000.0)
        assert news[-1].pairs == pairs, lag
    assert news[-1].reason == "no pairs yet: both runs of an input carry the same `pair`"


def test_runs_without_a_pair_are_counted_and_compared_with_nothing() -> None:
    engine, news = told(CONFIG, events([replace(side, pair=None) for side in _pairs(20, 0.0, 1.0)]))
    assert news[-1].pairs == 0
    assert engine.partition.counts["shadows_without_pair"] == 20


def test_evaluations_of_both_runs_are_one_more_pair() -> None:
    sides = _pairs(120, 0.0, 0.0)
    said = [
        Event(
            kind="evaluation", time=side.at + 60.0, id=f"{side.name}.e", agent="x", run=side.name, name="judge",
            label="wrong" if side.variant == "shadow" and int(side.name[1:]) % 2 else "right",
        )
        for side in sides
    ]  # fmt: skip
    _, news = told(CONFIG, sorted([*events(sides), *said], key=lambda event: event.at), until=START + 9_000.0)
    row = _row(news[-1], "run.rejected")
    assert (row.baseline, row.candidate, row.candidate_n) == (0.0, 0.5, 120)
    assert news[-1].verdict == "roll back"


def test_halves_that_never_meet_are_bounded() -> None:
    sides = [Side(START + 0.1 * n, f"b{n}", "v1", pair=f"p{n}") for n in range(pairing.HALVES + 50)]
    engine, _ = told(CONFIG, events(sides))
    assert len(engine.partition.agents["x"].rollouts.halves) == pairing.HALVES
    assert engine.partition.counts["pairs_forgotten"] == 50


def test_at_most_so_many_shadows_at_a_time() -> None:
    sides = [Side(START + n, f"s{n}", f"v{n}", "shadow", pair=f"p{n}") for n in range(book.SHADOWS + 2)]
    engine, news = told(CONFIG, events(sides))
    assert len(engine.partition.agents["x"].rollouts.open) == book.SHADOWS
    assert [one.candidate for one in news if one.ended == "replaced"] == ["v0", "v1"]


@pytest.mark.parametrize(("lag", "count"), [(5.0, 99), (-5.0, 100)])
def test_two_shadows_on_one_input_have_each_their_pair(lag: float, count: int) -> None:
    """A pair of its own for each, whichever run closes first; a shadow that was second met nobody. `count`: before its
    first run nobody waits for a second shadow."""
    rng = random.Random(3)
    sides, production = [], _pairs(100, 0.05, 0.05, lag=lag)
    for side in production:
        sides.append(side)
        if side.variant == "shadow":
            failed = rng.random() < 0.3
            seconds = 0.2 if failed else 8.0
            sides.append(replace(side, name=f"t{side.name}", version="v3", failed=failed, seconds=seconds))
    said = [
        Event(
            kind="evaluation", time=side.at + 60.0, id=f"{side.name}.e", agent="x", run=side.name, name="judge",
            label="right",
        )
        for side in sides
    ]  # fmt: skip
    engine, _ = told(CONFIG, sorted([*events(sides), *said], key=lambda event: event.at))
    shadows = engine.partition.agents["x"].rollouts.state.shadows
    assert sorted(int(one.pairing.same[1]) for one in shadows.values()) == [count, 100]
    assert sorted(int(one.rates["run.rejected"].other[1]) for one in shadows.values()) == [count, 100]
    assert shadows["v3"].rates["run.failed"].other[0] == pytest.approx(30.0, abs=10.0)


def test_a_production_run_that_one_shadow_met_gives_way_to_one_that_none_has() -> None:
    sides = []
    for number in range(pairing.HALVES + 50):
        at, pair = START + 1.0 * number, f"p{number}"
        sides.append(Side(at, f"b{number}", "v1", pair=pair))
        if number != 1:
            sides.append(Side(at + 0.1, f"s{number}", "v2", "shadow", pair=pair))
        if number == 0:
            sides.append(Side(at + 0.2, "t", "v3", "shadow", pair=pair))
    engine, _ = told(CONFIG, events(sides))
    rollouts = engine.partition.agents["x"].rollouts
    assert len(rollouts.halves) == pairing.HALVES
    assert "p1" in rollouts.halves
    assert "pairs_forgotten" not in engine.partition.counts


# -- production does not know of them


def _apart() -> tuple[list[Item], list[Item]]:
    """A log of production, and the same with shadows in it; what both have has the same offsets."""
    rng = random.Random(9)
    sides = _pairs(260, 0.05, 0.9)
    for side in sides:
        side.seconds = rng.uniform(1.0, 3.0) if side.variant == "stable" else rng.uniform(200.0, 400.0)
        side.tool_failed = side.variant == "shadow"
    said = [
        Event(
            kind="evaluation", time=side.at + 500.0, id=f"{side.name}.e", agent="x", run=side.name, name="j", score=0.0,
        )
        for side in sides
        if side.variant == "shadow"
    ]  # fmt: skip
    everything = log(sorted([*events(sides), *said], key=lambda event: event.at))
    production = [(offset, record) for offset, record in everything if not _is_shadows(record)]
    return production, everything


def _is_shadows(record: object) -> bool:
    return isinstance(record, Event) and (record.run or "").startswith("s")


def _nodes_and_banks(engine: Engine) -> dict[str, Any]:
    """What is saved of production: nodes, banks, accounts, what is usual.

    Not the runs, which records were read, and when the agent was last looked at: `loop_mass` is worked out then, from
    production's numbers alone.
    """
    saved = dict(engine.partition.changes())
    raw = saved["agent/x/core"]
    assert raw is not None
    core = msgspec.msgpack.decode(raw[1:], type=Saved).core
    found: dict[str, Any] = {
        key: value for key, value in saved.items() if key.startswith(("agent/x/n", "agent/x/d", "agent/x/m"))
    }
    ours = ("offset", "next_block", "rollouts", "last_seen", "loose_ids", "wake", "loop_mass")
    return found | {name: getattr(core, name) for name in core.__struct_fields__ if name not in ours}


def test_shadows_leave_the_state_of_production_as_it_is() -> None:
    """Byte for byte: nodes, banks of drift, accounts, what is waited for, usual durations, what was judged."""
    production, everything = _apart()
    alone, both = Engine(CONFIG), Engine(CONFIG)
    findings, others = alone.step(production).findings, both.step(everything).findings
    assert sum(_is_shadows(record) for _, record in everything) > 900
    assert _nodes_and_banks(both) == _nodes_and_banks(alone)
    assert others == findings
    assert both.partition.agents["x"].rollouts.open[0].runs[1] > 200
    above = [dict(engine.aggregator.changes()) for engine in (alone, both)]
    assert above[0].keys() == above[1].keys()
    # but for the clock, which knows when an agent was last heard of
    assert [key for key in above[0] if above[0][key] != above[1][key]] in ([], ["aggregator/clock"])


def test_the_comparison_of_states_can_fail() -> None:
    production, everything = _apart()
    alone, both = Engine(CONFIG), Engine(CONFIG)
    alone.step(production)
    both.step([(offset, replace_variant(record) if _is_shadows(record) else record) for offset, record in everything])
    assert _nodes_and_banks(both) != _nodes_and_banks(alone)


def replace_variant(record: Any) -> Any:
    """A shadow's record as if production had done it."""
    return msgspec.structs.replace(record, variant="stable")


def test_shadows_never_page() -> None:
    sides = [replace(side, at=side.at, variant="shadow", version="v2") for side in _pairs(300, 1.0, 1.0)]
    engine = Engine(CONFIG)
    assert engine.step(log(events(sides))).findings == []


def test_blocks_know_the_entries_of_rollouts() -> None:
    engine, _ = told(CONFIG, events(_pairs(20, 0.0, 0.0)))
    saved = [(key, value) for key, value in engine.changes() if value is not None]
    names = {key.rsplit("/", 1)[1].rsplit(".", 1)[0] for key, _ in saved if key.startswith("agent/x/o")}
    assert names == {"ocore", "ohalves", "ojudged"}
    core = Blocks().restore(saved)["x"].core
    assert set(core.rollouts) == names
