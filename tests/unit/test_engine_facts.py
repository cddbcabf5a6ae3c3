"""Facts: a broken rule is told at once, grouped, louder at the third, and over by evidence alone."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.engine import Engine
from monitor.evidence.within.facts import HABIT
from schemas.config import Config
from schemas.event import Event
from schemas.finding import Finding
from tests.doubles.fleet_log import START, firing, log

CONTRACT = {"limits": {"steps": 3}, "tools": {"pay": {"version": "3"}, "look": {}}}


def _config(contract: dict[str, Any] | None = None, **changes: Any) -> Config:
    component = {"agent": "x", "contract": CONTRACT if contract is None else contract}
    detectors = {"agent.traffic": {"mode": "off"}} | changes
    return Config.model_validate({"owners": {"one": {}}, "components": [component], "detectors": detectors})


def _runs(steps: list[int], *, gap: float = 60.0, version: Any = "v1", tool: str = "look") -> list[Event]:
    """Runs of so many tool calls each."""
    found = []
    for i, calls in enumerate(steps):
        at = START + i * gap
        name = version(i) if callable(version) else version
        common: dict[str, Any] = {"agent": "x", "version": name, "run": f"r{i}"}
        found += [
            Event(kind="tool_call", time=at, id=f"r{i}.{j}", tool=tool, soft_error=False, **common)
            for j in range(calls)
        ]
        found.append(Event(kind="run_finished", time=at, id=f"r{i}.f", status="ok", **common))
    return found


def _said(config: Config, events: list[Event], signal: str = "contract.violated") -> tuple[Engine, list[Finding]]:
    engine = Engine(config)
    findings = engine.step(log(events)).findings
    return engine, [one for one in findings if one.signal == signal]


def test_a_broken_limit_is_told_at_once_with_its_rule() -> None:
    engine, said = _said(_config(), _runs([2, 2, 5]))
    (first,) = said
    assert (first.status, first.mode, first.node) == ("firing", "notice", {"agent": "x", "version": "v1"})
    assert (first.reason, first.detail) == ("limit: steps", "more than 3 steps")
    assert first.runs == ("r2",)
    assert first.paid is False
    assert first.time <= START + 121.0
    book = engine.aggregator.ledger.books["one"]
    assert (book.pages, book.notices) == (0, 0), "a fact costs nothing of the budget"


@pytest.mark.parametrize("steps", [[3, 3, 3, 1], [0, 3], []])
def test_a_limit_that_is_only_reached_is_not_broken(steps: list[int]) -> None:
    assert _said(_config(), _runs(steps))[1] == []


def test_without_a_contract_nothing_is_broken() -> None:
    config = Config.model_validate({"owners": {"one": {}}, "detectors": {"agent.traffic": {"mode": "off"}}})
    assert _said(config, _runs([9, 9, 9, 9]))[1] == []


@pytest.mark.parametrize(
    ("broken", "gap", "modes", "why"),
    [
        ([9, 9], 60.0, ["notice"], "two in a day are a notice"),
        ([9, 9, 9], 60.0, ["notice", "page"], "the third is a page"),
        ([9, 9, 9], 50_000.0, ["notice"], "three in two days are none"),
    ],
)
def test_the_third_within_a_day_is_a_page(broken: list[int], gap: float, modes: list[str], why: str) -> None:
    _, said = _said(_config(), _runs(broken, gap=gap))
    assert [one.mode for one in said if one.status == "firing"] == modes, why
    assert len({one.incident_key for one in said}) == 1


@pytest.mark.parametrize(
    ("contract", "setting", "mode", "why"),
    [
        ({"severity": "page"}, {}, "page", "the contract says so"),
        ({"on_violation": "page"}, {}, "page", "the contract says so, in its other word"),
        ({"severity": "page"}, {"contract.violated": {"mode": "notice"}}, "notice", "the signal's setting is stronger"),
        ({}, {"contract.violated": {"mode": "off"}}, None, "it is off"),
    ],
)
def test_how_loud_a_fact_is(contract: dict[str, Any], setting: dict[str, Any], mode: str | None, why: str) -> None:
    _, said = _said(_config(CONTRACT | contract, **setting), _runs([1, 9]))
    assert [one.mode for one in said] == ([mode] if mode else []), why


def test_it_is_over_after_enough_clean_runs_and_not_before() -> None:
    _, said = _said(_config(), _runs([9] + [1] * 40))
    fired, ended = said
    assert (fired.status, ended.status) == ("firing", "resolved")
    assert ended.reason == "the rule is kept again"
    assert 15 <= (ended.time - fired.time) / 60.0 <= 30
    assert ended.incident_key == fired.incident_key


def test_silence_ends_nothing() -> None:
    engine = Engine(_config())
    records = log(_runs([9, 1, 1]), until=START + 90_000.0)
    findings = [one for one in engine.step(records).findings if one.signal == "contract.violated"]
    assert [one.status for one in findings] == ["firing"]


def test_a_tool_outside_the_contract_is_a_group_of_its_own() -> None:
    events = sorted([*_runs([1, 5]), *_other_tool("r7", 90.0)], key=lambda event: event.at)
    _, said = _said(_config(), events)
    assert sorted(one.reason.split(":")[0] for one in said) == ["limit", "tool"]
    assert {one.node.get("tool") for one in said} == {None, "delete"}


def _other_tool(run: str, after: float) -> list[Event]:
    common: dict[str, Any] = {"agent": "x", "version": "v1", "run": run}
    return [
        Event(kind="tool_call", time=START + after, id=f"{run}.0", tool="delete", soft_error=False, **common),
        Event(kind="run_finished", time=START + after, id=f"{run}.f", status="ok", **common),
    ]


def test_facts_of_one_version_are_over_when_it_is_rolled_back() -> None:
    def version(i: int) -> str:
        return "v2" if i in range(10, 30, 2) else "v1"

    steps = [9 if i in range(10, 30, 2) else 1 for i in range(100)]
    _, said = _said(_config(), _runs(steps, version=version))
    assert said[0].node == {"agent": "x", "version": "v2"}
    assert said[-1].status == "resolved"
    assert said[-1].reason == "version v2 gets no more runs"


def test_updates_are_few_however_often_a_rule_is_broken() -> None:
    _, said = _said(_config(), _runs([9] * 400, gap=1.0))
    assert [one.status for one in said].count("update") <= 14
    assert said[-1].after_n >= 200


def test_many_rules_at_once_begin_ten_episodes_an_hour() -> None:
    common: dict[str, Any] = {"agent": "x", "version": "v1"}
    events = [
        Event(kind="tool_call", time=START + i, id=f"{i}", tool=f"t{i}", soft_error=False, run=f"r{i}", **common)
        for i in range(90)
    ]
    engine, said = _said(_config(), events)
    assert len(list(firing(said))) == 10
    counts = engine.partition.counts
    assert counts["facts_held"] == 80
    assert len(engine.partition.agents["x"].slices.facts.groups) <= 64


def test_a_loop_pages_at_once_and_is_paid() -> None:
    """The same call with the same result, again and again, in an agent that never loops."""
    config = Config.model_validate({"owners": {"one": {}}, "detectors": {"agent.traffic": {"mode": "off"}}})
    engine = Engine(config)
    happened = [*_steps(60, lambda i, j: (i, j)), *_steps(1, lambda _i, _j: (1, 1), start=60, calls=30)]
    findings = [one for one in engine.step(log(happened)).findings if one.signal == "run.loop"]
    assert [(one.status, one.mode, one.paid) for one in findings] == [("firing", "page", True)]
    assert findings[0].runs == ("r60",)
    assert engine.aggregator.ledger.books["one"].pages == 1


@pytest.mark.parametrize(
    ("rises", "pages"),
    [
        pytest.param(False, 0, id="as often as ever: nobody is called again"),
        pytest.param(True, 1, id="every second run: the share has risen, and that pages"),
    ],
)
def test_a_habit_of_looping_pages_three_times_and_then_if_it_grows(rises: bool, pages: int) -> None:
    """One run in sixty loops, and each of them is over when the next one comes."""
    config = Config.model_validate({"owners": {"one": {}}, "detectors": {"agent.traffic": {"mode": "off"}}})
    engine = Engine(config)
    happened = []
    for number in range(600):
        loops = number % 60 == 59 or (rises and number >= 480 and number % 2)
        happened += _steps(
            1, lambda i, j, loops=loops: (1, 1) if loops else (i, j), start=number, calls=30 if loops else 4
        )
    began = list(firing([one for one in engine.step(log(happened)).findings if one.signal == "run.loop"]))
    told = [one.mode for one in began if one.time < START + 480 * 60]
    assert told[: HABIT + 1] == ["page"] * HABIT + ["notice"]
    assert "page" not in told[HABIT:]
    assert sum(one.mode == "page" for one in began if one.time >= START + 480 * 60) == pages


def test_three_files_read_with_one_tool_are_no_loop() -> None:
    config = Config.model_validate({"owners": {"one": {}}, "detectors": {"agent.traffic": {"mode": "off"}}})
    findings = Engine(config).step(log(_steps(60, lambda i, j: (i, j), calls=30))).findings
    assert [one for one in findings if one.signal == "run.loop"] == []


def _steps(runs: int, hashes: Any, *, start: int = 0, calls: int = 4) -> list[Event]:
    """Runs of tool calls; `hashes(i, j)`: what stands for arguments and result of the j-th call."""
    found = []
    for i in range(start, start + runs):
        common: dict[str, Any] = {"agent": "x", "version": "v1", "run": f"r{i}"}
        for j in range(calls):
            one, other = hashes(i, j)
            found.append(
                Event(
                    kind="tool_call", time=START + i * 60, id=f"r{i}.{j}", tool="read", soft_error=False,
                    arguments_hash=one * 1_000 + other, result_hash=one * 1_000 + other, result_empty=False, **common,
                )
            )  # fmt: skip
        found.append(Event(kind="run_finished", time=START + i * 60, id=f"r{i}.f", status="ok", **common))
    return found
