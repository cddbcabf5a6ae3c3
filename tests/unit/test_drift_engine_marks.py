"""The signs of an agent's texts, through the whole engine: a change a row, and texts that vary but do not change."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from monitor.alerting.headline import headline
from monitor.drift.watch import Drift
from monitor.engine import Engine, PartitionEngine
from monitor.reading import Reader
from schemas.config import Config
from schemas.event import Event, raw
from schemas.finding import Finding
from tests.doubles.fleet_log import START, log

CONFIG = Config.model_validate({"owners": {"one": {}}})
GAP = 6.0
AT = 400
"""Runs before the change."""
_WORDS = ("sales", "grew", "in", "north", "and", "fell", "over", "there", "while", "stock", "is", "low", "again")
Change = Callable[[str], str]


def _usual(rng: random.Random) -> str:
    def words(least: int, most: int) -> str:
        return " ".join(rng.choice(_WORDS) for _ in range(rng.randint(least, most)))

    parts = []
    for _ in range(rng.randint(2, 4)):
        parts.append(f"## {words(1, 3).capitalize()}\n\n{words(6, 20).capitalize()} by {rng.randint(10, 99) / 10} %.")
        if rng.random() < 0.5:
            parts.append(f"See [page {rng.randint(1, 9)}](https://example.com/{rng.randint(1, 99)}).")
        if rng.random() < 0.02:
            parts.append(rng.choice(("Really?", 'They say "yes".', "A; b.", "One/two.", "x = 3")))
    return "\n\n".join(parts)


def _runs(change: Change | None, count: int, version: Callable[[int], str]) -> Iterator[Event]:
    reader = Reader(CONFIG)
    for number in range(count):
        text = _usual(random.Random(number))
        start, name = START + number * GAP, version(number)
        if change is not None and (name == "v2" or number >= AT):
            text = change(text)
        common: dict[str, Any] = {"agent": "x", "version": name, "run": f"r{number}"}
        yield Event(kind="run_started", time=start, id=f"{number}.s", **common)
        end = Event(kind="run_finished", time=start + 2.0, id=f"{number}.f", status="ok", **common)
        end.output = raw(text)
        reader.read(end)
        yield end


def _told(change: Change | None, count: int, version: Callable[[int], str] = lambda _: "v1") -> list[Finding]:
    findings = Engine(CONFIG).step(log(list(_runs(change, count, version)))).findings
    return [one for one in findings if one.status == "firing"]


CHANGES: list[tuple[Change, str, str]] = [
    (lambda text: text.replace("## ", "### "), "`### a` is new, `## a` is gone", "headings one level deeper"),
    (lambda text: text.replace(" %", "%"), "9%.", "no blank before a sign"),
    (lambda text: text.replace(".1", ",1").replace("https", "https:"), "", "a colon that is too many"),
]


@pytest.mark.parametrize(("change", "words", "why"), CHANGES, ids=[row[2] for row in CHANGES])
def test_a_change_of_signs_is_told(change: Change, words: str, why: str) -> None:
    pages = [one for one in _told(change, AT + 25) if one.mode == "page"]
    assert [one.signal for one in pages] == ["run.output_shape"], why
    assert pages[0].time > START + AT * GAP
    assert words in headline(pages[0]), headline(pages[0])


def test_which_signs_changed_is_said() -> None:
    found = _told(lambda text: text.replace("](https", "] (https"), AT + 25)
    assert any("`9] (a` is new" in one.detail and "signs" in one.detail for one in found), found


def test_texts_that_vary_are_no_alert() -> None:
    assert _told(None, 3_000) == []


def test_a_version_that_writes_in_another_way_may_get_all_runs() -> None:
    """It was there from the beginning, with a third of the runs."""
    change: Change = lambda text: text.replace("## ", "### ").replace(" %", "%")  # noqa: E731
    found = _told(change, AT + 200, lambda number: "v2" if number % 3 == 0 or number >= AT else "v1")
    assert [one for one in found if one.mode == "page"] == []


def test_a_state_of_the_monitor_before_goes_on() -> None:
    """It knew the fields of all versions in one block, and no marks."""
    engine = PartitionEngine(CONFIG)
    engine.step(log(list(_runs(None, 200, lambda _: "v1"))))
    old = engine.agents["x"].drift
    blocks = {name: block for name, block in old.save().items() if block is not None}
    blocks["danswers"] = msgspec.msgpack.decode(blocks.pop("doutputs0"))[2]
    new = Drift("x", "one", old.plans, lambda _: None, lambda *_: "", lambda _: None)
    new.load(blocks)
    new.flow(1.0, 1.0, 1e12, 0.0)
    assert set(new.save()) == {"dcore"}, "what no run has needed yet lies as it was, its block of before as well"
    assert new.memory.versions.latest.answers.save() == blocks["danswers"]
    engine.agents["x"].drift = new
    engine.step([(1_000 + offset, record) for offset, record in log(list(_runs(None, 201, lambda _: "v1"))[400:])])
    written = new.save()
    assert written["danswers"] is None
    assert "danswers" not in new.save()
    again = Drift("x", "one", old.plans, lambda _: None, lambda *_: "", lambda _: None)
    again.load({**blocks, **{name: block for name, block in written.items() if block is not None}})
    assert again.memory.versions.latest.answers.save() != blocks["danswers"]
    assert {name for name in written if name.startswith("doutputs")} == {"doutputs0", "doutputs1"}
