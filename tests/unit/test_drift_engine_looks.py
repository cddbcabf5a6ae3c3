"""Values of a tool that are written in another way, its fields the same: what is told, and what is as usual."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from monitor.alerting.headline import headline
from monitor.drift.outputs.stretches import WARM
from monitor.drift.tools.looks import TOOLS, Looks
from monitor.drift.watch import Drift
from monitor.engine import Engine, PartitionEngine
from monitor.runs import Work as Done
from schemas.config import Config
from schemas.finding import Finding
from tests.doubles import drift_log
from tests.doubles.drift_log import GAP, Work
from tests.doubles.fleet_log import START, log

CONFIG = Config.model_validate({"owners": {"one": {}}})
AT = 500
"""Runs before the change."""
AFTER = 40
Change = Callable[[Any], Any]


def _order(rng: random.Random) -> dict[str, Any]:
    day = f"2026-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"
    note = rng.choice(("", "call first", "leave it at the door; nobody is at home, as on every day"))
    state = rng.choice(("open", "sent"))
    return {"id": f"A-{rng.randrange(9_999)}", "total": rng.randrange(1, 9_999) / 100, "due": day, "state": state,
            "note": note, "of": rng.choice((None, {"part": rng.randrange(3)}))}  # fmt: skip


def _events(change: Change, asked: Change, runs: int) -> list[Any]:
    rng = random.Random(5)

    def work(number: int) -> Work:
        order, question = _order(rng), {"id": f"A-{rng.randrange(9_999)}", "limit": rng.randrange(1, 99)}
        if number >= AT:
            order, question = change(order), asked(question)
        return Work(seconds=rng.lognormvariate(1.0, 0.3), tools=[("orders", question, order)])

    return log(drift_log.events([work(number) for number in range(runs)]))


def _told(change: Change, asked: Change = lambda value: value, runs: int = AT + AFTER) -> list[Finding]:
    findings = Engine(CONFIG).step(_events(change, asked, runs)).findings
    return [one for one in findings if one.status == "firing"]


TOLD: list[tuple[str, Change, Change, str]] = [
    ("cents where there was a fraction", lambda o: o | {"total": int(o["total"] * 100)}, lambda q: q,
     "result total (whole) is new, result total (fraction) is gone, new forms of values in"),
    ("a date as others write it", lambda o: o | {"due": f"{o['due'][8:]}.{o['due'][5:7]}/{o['due'][:4]}"}, lambda q: q,
     "result due (digits 9/9) is new"),
    ("words in capitals", lambda o: o | {"state": o["state"].upper()}, lambda q: q,
     "result state (capitals words) is new"),
    ("always zero", lambda o: o | {"total": 0.0}, lambda q: q, "result total (zero) is new"),
    ("a template that nobody fills in", lambda o: o, lambda q: q | {"id": "{{id}}"},
     "argument id (marked words) is new"),
    ("an id without its letters", lambda o: o, lambda q: q | {"id": q["id"][2:]}, "argument id (digits 9) is new"),
]  # fmt: skip


@pytest.mark.parametrize(("sentence", "change", "asked", "said"), TOLD, ids=[row[0] for row in TOLD])
def test_what_is_told(sentence: str, change: Change, asked: Change, said: str) -> None:
    findings = [one for one in _told(change, asked) if one.signal == "tool.schema"]
    assert all(one.time >= START + AT * GAP for one in findings), "nothing before it"
    pages = [one for one in findings if one.mode == "page"]
    assert pages, sentence
    assert pages[0].node.get("tool") == "orders"
    assert said in headline(pages[0]), headline(pages[0])


def test_values_that_vary_as_they_did_are_no_alert() -> None:
    assert _told(lambda order: order, runs=2_500) == []


def test_the_same_question_again_tells_nothing() -> None:
    """Who goes on asking about one thing gets the same answer; its rare value would be in a fifth of the runs."""
    looks = Looks(_ignore)
    for number in range(WARM + 1):
        looks.observe(_done(number, "a:words"))
    for _ in range(9):
        looks.observe(_done(0, "a:digits 9"))
    assert looks.young is None
    for number in range(1, 9):
        looks.observe(_done(number, "a:digits 9"))
    assert looks.young is True
    assert looks.seen()["t"].young == ("result a:digits 9",)


def test_tools_are_bounded_and_what_gives_way_is_counted() -> None:
    counted: list[str] = []
    looks = Looks(counted.append)
    for number in range(TOOLS + 3):
        looks.observe(Done(result_looks={f"t{number}": ["a:words"]}))
    assert counted == ["looks_forgotten"] * 3
    assert len(looks.save()) < 100 * TOOLS


def test_it_goes_on_where_it_was_saved() -> None:
    rng = random.Random(3)
    whole, parts = Looks(_ignore), Looks(_ignore)
    for number in range(600):
        words = [f"w{rng.randrange(70)}:words" for _ in range(4)] + (["late:whole"] if number > 400 else [])
        work = Done(argument_looks={"t": words}, result_looks={"u": words[:2]}, answers={"t": (number // 2, 1)})
        whole.observe(work)
        if rng.random() < 0.2:
            again = Looks(_ignore)
            again.load(parts.save())
            parts = again
        parts.observe(work)
        assert (whole.young, whole.gone) == (parts.young, parts.gone)
    assert whole.save() == parts.save()


def test_what_other_tools_showed_last_is_saved() -> None:
    """A finding names the tool that changed most, be it one of another run than the one in which it is told."""
    looks = Looks(_ignore)
    for number in range(WARM + 9):
        word = "a:words" if number < WARM else "a:whole"
        looks.observe(Done(result_looks={"t": [word]}))
        looks.observe(Done(argument_looks={"u": ["a:words"]}))
    again = Looks(_ignore)
    again.load(looks.save())
    assert looks.seen()["t"].young == ("result a:whole",)
    assert again.seen() == looks.seen()
    assert again.save() == looks.save()


def test_a_state_of_the_monitor_before_goes_on() -> None:
    """It had a block each for fields, forms and questions, and none for what values look like."""
    events = _events(lambda order: order, lambda question: question, 201)
    engine = PartitionEngine(CONFIG)
    engine.step(events[: len(events) - 20])
    drift = engine.agents[next(iter(engine.agents))].drift
    blocks = {name: block for name, block in drift.save().items() if block is not None}
    memory = drift.memory
    tools, forms, stuck = memory.saved_parts()[:3]
    before = {**blocks, "dtools": tools, "dforms": forms, "dstuck": stuck}
    del before["dcalls"]
    new = Drift("x", "one", drift.plans, lambda _: None, lambda *_: "", _ignore)
    new.load(before)
    assert new.memory.saved_parts()[:3] == (tools, forms, stuck)
    new.flow(1.0, 1.0, 1e12, 0.0)
    written = new.save()
    assert [name for name, block in written.items() if block is None] == ["dstuck", "dtools", "dforms"]
    assert written["dcalls"] is not None
    again = Drift("x", "one", drift.plans, lambda _: None, lambda *_: "", _ignore)
    again.load({**blocks, **{name: block for name, block in written.items() if block is not None}})
    assert again.memory.saved_parts() == new.memory.saved_parts()


def _ignore(_: str) -> None:
    """Nobody counts."""


def _done(asked: int, *words: str) -> Done:
    return Done(result_looks={"t": list(words)}, answers={"t": (asked, 1)})
