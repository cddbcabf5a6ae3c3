"""Results of a tool whose fields, types and forms are as before: in another unit, by another name, one for several."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from monitor.alerting.headline import headline
from monitor.drift.tools.traits import FIELDS, TOOLS, Traits
from monitor.drift.watch import Drift
from monitor.engine import Engine, PartitionEngine
from monitor.runs import Work as Done
from schemas.config import Config
from schemas.finding import Finding
from tests.doubles import drift_log
from tests.doubles.drift_log import GAP, Work
from tests.doubles.fleet_log import START, log

CONFIG = Config.model_validate({"owners": {"one": {}}})
AT = 700
"""Runs before the change."""
AFTER = 120
Change = Callable[[dict[str, Any], random.Random], dict[str, Any]]


def _price(rng: random.Random) -> float:
    return round(rng.lognormvariate(3.0, 1.0), 2)


def _order(rng: random.Random, number: int) -> dict[str, Any]:
    lines = [{"sku": "blue shirt", "price": _price(rng)} for _ in range(rng.randrange(2, 6))]
    return {
        "id": 99_000 + 3 * number, "total": _price(rng), "sure": round(rng.betavariate(6.0, 2.0), 3),
        "metres": round(rng.lognormvariate(7.0, 0.7), 1), "outside": round(rng.gauss(15.0, 7.0), 1),
        "state": rng.choice(("open", "shipped", "shipped", "done")), "city": rng.choice(("Oslo", "Rome", "Lima")),
        "hits": [{"n": rng.randrange(9)} for _ in range(rng.randrange(2, 8))],
        "of": {"lines": lines}, "rows": [[rng.randrange(9), "x", _price(rng)] for _ in range(rng.randrange(1, 4))],
    }  # fmt: skip


def _events(change: Change, runs: int, seed: int = 5) -> list[Any]:
    rng = random.Random(seed)

    def work(number: int) -> Work:
        order = _order(rng, number)
        if number >= AT:
            order = change(order, rng)
        return Work(seconds=rng.lognormvariate(1.0, 0.3), tools=[("orders", {"id": rng.random()}, order)])

    return log(drift_log.events([work(number) for number in range(runs)]))


def _told(change: Change, runs: int = AT + AFTER, seed: int = 5) -> list[Finding]:
    findings = Engine(CONFIG).step(_events(change, runs, seed)).findings
    return [one for one in findings if one.status == "firing"]


def _lines(order: dict[str, Any], change: Callable[[float], Any]) -> dict[str, Any]:
    return order | {"of": {"lines": [one | {"price": change(one["price"])} for one in order["of"]["lines"]]}}


def _state(order: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    return order | {"state": names.get(order["state"], order["state"])}


TOLD: list[tuple[str, Change, str]] = [
    ("cents where there were dollars", lambda o, _: o | {"total": round(o["total"] * 100 + 0.1, 1)},
     "result total is about 100 times larger"),
    ("further in, too", lambda o, _: _lines(o, lambda price: round(price * 100 + 0.1, 1)),
     "result of.lines[].price is about 100 times larger"),
    ("a percentage where there was a part", lambda o, _: o | {"sure": round(o["sure"] * 100, 1)},
     "result sure is about 100 times larger"),
    ("kilometres where there were metres", lambda o, _: o | {"metres": o["metres"] / 1_000},
     "result metres is about 1,000 times smaller"),
    ("degrees Fahrenheit", lambda o, _: o | {"outside": round(1.8 * o["outside"] + 32.0, 1)},
     "result outside is in degrees Fahrenheit where it was in Celsius"),
    ("another word for one", lambda o, _: _state(o, {"shipped": "in_transit"}),
     "result state has a new word in place of a usual one"),
    ("the same for all words", lambda o, _: o | {"state": "unknown"},
     "result state has a new word in place of a usual one"),
    ("with a capital", lambda o, _: o | {"state": o["state"].title()}, "result state has the same word with other"),
    ("one result for several", lambda o, _: o | {"hits": o["hits"][:1]},
     "result hits has one item in place of several items"),
    ("none where others are", lambda o, _: o | {"of": {"lines": []}}, "result of.lines"),
    ("a number as text in rows", lambda o, _: o | {"rows": [[n, x, str(price)] for n, x, price in o["rows"]]},
     "result rows[][2] has string in place of number"),
    ("a number as text two levels down", lambda o, _: _lines(o, str),
     "result of.lines[].price has string in place of number"),
]  # fmt: skip


@pytest.mark.parametrize(("sentence", "change", "said"), TOLD, ids=[row[0] for row in TOLD])
def test_what_is_told(sentence: str, change: Change, said: str) -> None:
    findings = _told(change)
    assert all(one.time >= START + AT * GAP for one in findings), "nothing before it"
    pages = [one for one in findings if one.mode == "page" and one.signal == "tool.schema"]
    assert pages, sentence
    assert pages[0].node.get("tool") == "orders"
    assert said in headline(pages[0]), headline(pages[0])


NOT_TOLD: list[tuple[str, Change]] = [
    ("prices twice as high", lambda o, _: o | {"total": 2 * o["total"]}),
    ("ten times as high: a dearer catalogue", lambda o, _: o | {"total": 10.0 * o["total"]}),
    (
        "one price in six a hundred times higher",
        lambda o, rng: o | {"total": o["total"] * (100.0 if rng.random() < 1 / 6 else 1.0) + 0.1},
    ),
    ("a hundred times higher, and all about the same", lambda o, rng: o | {"total": round(rng.uniform(1990, 2010), 2)}),
    ("a colder week", lambda o, _: o | {"outside": o["outside"] - 12.0}),
    ("a new word now and then", lambda o, rng: o | {"state": "lost" if rng.random() < 0.05 else o["state"]}),
    ("a word that does not come any more", lambda o, _: _state(o, {"shipped": "done"})),
    ("words in other shares", lambda o, rng: o | {"state": rng.choice(("open",) * 8 + ("shipped", "done"))}),
    ("other cities", lambda o, rng: o | {"city": rng.choice(("Oslo", "Rome", "Kyoto"))}),
    ("one result now and then", lambda o, rng: o | {"hits": o["hits"][: 1 if rng.random() < 0.1 else 9]}),
    ("longer lists", lambda o, _: o | {"hits": 3 * o["hits"]}),
]


@pytest.mark.parametrize(("sentence", "change"), NOT_TOLD, ids=[row[0] for row in NOT_TOLD])
def test_what_only_seems_like_it_is_not_told(sentence: str, change: Change) -> None:
    assert _told(change) == [], sentence


def test_values_that_vary_as_they_did_are_no_alert() -> None:
    assert _told(lambda order, _: order, runs=2_500, seed=7) == []


def test_what_wanders_or_stays_for_long_is_not_judged() -> None:
    """A queue that grows to a hundred times, a state of the world, an id that gets another digit."""
    rng = random.Random(2)
    traits = Traits(_ignore)
    for number in range(2_000):
        queue = round(4.0 * (number / 250 if number > 500 else 0.0) + rng.randrange(2))
        world = "a" if number % 600 < 300 else "b" if number < 1_200 else "c"
        traits.observe(_done(number, f"queue~+{queue}", f"weather={world}", f"id~+{number // 100}"))
        assert not traits.changed
    assert traits.seen() == {}


def test_the_same_question_again_tells_nothing() -> None:
    traits = Traits(_ignore)
    rng = random.Random(3)
    for number in range(400):
        traits.observe(_done(number, f"a~+{rng.randrange(8)}"))
    for _ in range(50):
        traits.observe(_done(0, f"a~+{27 + rng.randrange(8)}"))
    assert not traits.changed
    for number in range(1, 20):
        traits.observe(_done(number, f"a~+{27 + rng.randrange(8)}"))
    assert traits.changed
    assert traits.seen() == {"t": ["result a is about 100 times larger"]}


def test_what_stays_is_the_usual_after_a_while() -> None:
    rng = random.Random(4)
    traits = Traits(_ignore)
    told = []
    for number in range(1_000):
        late = number >= 400
        word = rng.choice(("open", "sent", "lost" if late else "done"))
        traits.observe(_done(number, f"a~+{rng.randrange(8) + 27 * late}", f"b={word}", f"c*{1 if late else 2}"))
        told.append(bool(traits.changed))
    assert not any(told[:400]) and sum(told[440:590]) > 120 and not any(told[680:])


def test_tools_and_fields_are_bounded_and_what_gives_way_is_counted() -> None:
    counted: list[str] = []
    traits = Traits(counted.append)
    for number in range(9 * (TOOLS + 3)):  # of nine runs some are looked at
        traits.observe(Done(result_traits={f"t{number // 9}": [f"f{n}*2" for n in range(2 * FIELDS)]}))
    assert counted == ["traits_forgotten"] * 3
    empty = len(traits.save())
    for number in range(5_000):
        traits.observe(Done(result_traits={"t": [f"f={number % 99:x}", f"g~+{number % 500}"]}))
    assert len(traits.save()) < empty


@pytest.mark.parametrize("text", ["", "~", "a~", "a~+x", "a", "*", "a=", "=:*~"])
def test_what_somebody_else_wrote_does_no_harm(text: str) -> None:
    traits = Traits(_ignore)
    traits.observe(Done(result_traits={"t": [text, "b~+4"]}))
    traits.observe(Done(result_traits={"t": [text]}))
    assert not traits.changed


def test_it_goes_on_where_it_was_saved() -> None:
    rng = random.Random(3)
    whole, parts = Traits(_ignore), Traits(_ignore)
    for number in range(900):
        late = 27 if number > 600 else 0
        words = [f"a~+{rng.randrange(8) + late}", f"b={rng.choice('xyz' if late else 'xyw')}", f"c*{1 if late else 2}"]
        work = Done(result_traits={"t": words, "u": words[:2]}, answers={"t": (number // 2, 1)})
        whole.observe(work)
        if rng.random() < 0.2:
            again = Traits(_ignore)
            again.load(parts.save())
            assert again.save() == parts.save()
            parts = again
        parts.observe(work)
        assert (whole.changed, whole.seen()) == (parts.changed, parts.seen())
    assert whole.save() == parts.save()


def test_a_state_of_the_version_before_goes_on() -> None:
    """It had no traits in the block of calls."""
    events = _events(lambda order, _: order, 120)
    engine = PartitionEngine(CONFIG)
    engine.step(events[: len(events) - 20])
    drift = engine.agents[next(iter(engine.agents))].drift
    blocks = {name: block for name, block in drift.save().items() if block is not None}
    parts = drift.memory.saved_parts()
    new = Drift("x", "one", drift.plans, lambda _: None, lambda *_: "", _ignore)
    new.load({**blocks, "dcalls": msgspec.msgpack.encode(parts[:4])})
    assert new.memory.saved_parts()[:4] == parts[:4]
    assert new.memory.traits.seen() == {}


def _ignore(_: str) -> None:
    """Nobody counts."""


def _done(asked: int, *traits: str) -> Done:
    return Done(result_traits={"t": list(traits)}, answers={"t": (asked, 1)})
