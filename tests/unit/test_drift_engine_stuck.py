"""Tools that answer, or are asked, the same again and again, and those that only seem to: a sentence per case."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from monitor.alerting.headline import headline
from monitor.drift.outputs.stretches import WARM
from monitor.drift.tools.stuck import TOOLS, Same, Stuck
from monitor.engine import Engine
from schemas.config import Config
from schemas.finding import Finding
from tests.doubles import drift_log
from tests.doubles.drift_log import GAP, Work
from tests.doubles.fleet_log import START, log

AT = 400
"""Runs before the change."""
AFTER = 60
NOTHING = Same({}, {})
Result = Callable[[random.Random], Any]


def _order(rng: random.Random) -> Any:
    return {"status": rng.choice(("open", "sent")), "total": rng.random()}


def _id(rng: random.Random) -> Any:
    return {"id": rng.randrange(10**6)}


def _replay(before: Result, after: Result, runs: int = AT + AFTER, asked: Result = _id) -> list[Finding]:
    rng = random.Random(5)

    def work(number: int) -> Work:
        result = (before if number < AT else after)(rng)
        arguments = (_id if number < AT else asked)(rng)
        tools = [("get_order", arguments, result), ("mail", {"to": rng.random()}, {"ok": True})]
        return Work(seconds=rng.lognormvariate(1.0, 0.3), tools=tools)

    events = drift_log.events([work(number) for number in range(runs)])
    config = Config.model_validate({"owners": {"one": {}}})
    return [one for one in Engine(config).step(log(events)).findings if one.status == "firing"]


def test_a_tool_that_answers_everybody_the_same_is_told() -> None:
    """A cache without the id in its key: each call is ok, and of the usual form."""
    findings = _replay(_order, lambda _: {"status": "open", "total": 12.5})
    assert [(one.signal, one.mode) for one in findings] == [
        ("retrieval.repeated", "notice"),
        ("retrieval.repeated", "page"),
    ]
    assert START + AT * GAP < findings[0].time < START + (AT + 20) * GAP
    assert findings[1].node.get("tool") == "get_order"
    assert "the same again and again: get_order answers the same in " in headline(findings[1])


def test_a_tool_that_is_asked_the_same_for_everybody_is_told() -> None:
    """The example of a prompt in place of what a user wants; the tool answers as ever."""
    findings = _replay(_order, _order, asked=lambda _: {"id": 7})
    said = [one for one in findings if one.signal == "run.tool_mix"]
    assert [one.mode for one in said] == ["notice", "page"]
    assert said[1].node.get("tool") == "get_order"
    assert "tool mix: get_order is asked the same in " in headline(said[1])


HABITS: list[tuple[str, Result]] = [
    ("one of two answers, one of them mostly", lambda rng: {"available": rng.random() < 0.7}),
    ("one of five", lambda rng: {"code": rng.choice("ABCDE")}),
    ("always the same", lambda _: {"ok": True}),
    ("mostly one answer, else any", lambda rng: {"id": rng.choice((1, 1, 1, rng.random()))}),
]


@pytest.mark.parametrize("result", [row[1] for row in HABITS], ids=[row[0] for row in HABITS])
def test_what_a_tool_usually_answers_is_no_alert(result: Result) -> None:
    assert not _replay(result, result, 1_500)


def _warm(tools: int = 1) -> Stuck:
    stuck = Stuck()
    for number in range(WARM + 2):
        for tool in range(tools):
            assert stuck.observe({f"t{tool}": (number, number)}) == NOTHING
    return stuck


def test_the_same_question_may_have_the_same_answer() -> None:
    stuck = _warm()
    assert not any(stuck.observe({"t0": (7, 7)}).answers for _ in range(100))
    told = [stuck.observe({"t0": (1_000 + number, 7)}) for number in range(20)]
    assert told[0] == NOTHING
    assert told[-1] == Same({"t0": 1.0}, {})


def test_it_goes_on_where_it_was_saved() -> None:
    stuck, again = _warm(3), Stuck()
    stuck.observe({"t1": (2_000, 9)})
    again.load(stuck.save())
    assert again.save() == stuck.save()
    for number in range(20):
        answers = {"t1": (3_000 + number, 9), "t2": (3_000 + number, number)}
        assert again.observe(answers) == stuck.observe(answers)
    assert stuck.observe({"t1": (9_000, 9)}) == Same({"t1": 1.0}, {})


def test_ever_new_tools_fill_no_memory() -> None:
    stuck = Stuck()
    for number in range(3 * TOOLS):
        stuck.observe({f"t{number}": (1, 1)})
    again = Stuck()
    again.load(stuck.save())
    assert len(stuck.save()) == len(again.save()) < 160 * TOOLS
