"""What an agent's answers hold, through the whole engine: a change a row, and answers that vary but do not change."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from monitor.engine import Engine
from monitor.reading import Reader
from schemas.config import Config
from schemas.event import Event, raw
from schemas.finding import Finding
from tests.doubles.fleet_log import START, log

CONFIG = Config.model_validate({"owners": {"one": {}}})
GAP = 6.0
AT = 500
"""Runs before the change."""
Answer = dict[str, Any]


def _usual(rng: random.Random, number: int) -> Answer:
    words = ("it", "came", "late", "the", "box", "was", "torn", "and", "they", "ask", "for", "money", "back", "again")
    found: Answer = {
        "summary": " ".join(rng.choice(words) for _ in range(rng.randint(3, 14))),
        "priority": rng.choice(("low", "normal", "high")),
        "amount": round(rng.lognormvariate(3.5, 0.6), 2),
        "discount": None if rng.random() < 0.1 else rng.randint(1, 30),
        "who": {"name": rng.choice(("Mara", "Tom Hart", "Ines")), "since": f"20{rng.randint(10, 25)}-03-07"},
        "urgent": rng.random() < 0.2,
        "day": f"2026-03-{1 + number // 200:02d}",
    }
    if rng.random() < 0.4:
        found["note"] = rng.choice(("call", "they ask for a call on Monday", ""))
    if rng.random() < 0.05:
        found["refund"] = rng.randint(1, 9)
    return found


def _runs(change: Callable[[Answer], object] | None, count: int) -> Iterator[Event]:
    reader = Reader(CONFIG)
    for number in range(count):
        rng = random.Random(number)
        answer = _usual(rng, number)
        if change is not None and number >= AT:
            change(answer)
        start = START + number * GAP
        common: dict[str, Any] = {"agent": "x", "version": "v1", "run": f"r{number}"}
        yield Event(kind="run_started", time=start, id=f"{number}.s", **common)
        end = Event(kind="run_finished", time=start + 2.0, id=f"{number}.f", status="ok", **common)
        end.output = raw(json.dumps(answer))
        reader.read(end)
        yield end


def _told(change: Callable[[Answer], object] | None, count: int) -> list[Finding]:
    findings = Engine(CONFIG).step(log(list(_runs(change, count)))).findings
    return [one for one in findings if one.status == "firing"]


TOLD: list[tuple[str, Callable[[Answer], object], int, str]] = [
    ("a number as text", lambda a: a.update(amount=str(a["amount"])), 25, "amount (digits 9) is new"),
    ("a flag as a word", lambda a: a.update(urgent="yes" if a["urgent"] else "no"), 25, "urgent (words) is new"),
    ("no value", lambda a: a.update(amount=None), 25, "amount (null) is new"),
    ("another form of dates", lambda a: a["who"].update(since="03/07/2020"), 25, ""),
    ("the same sentence each time", lambda a: a.update(summary="they ask for their money again"), 25,
     "summary is always the same"),
]  # fmt: skip


@pytest.mark.parametrize(("why", "change", "within", "words"), TOLD, ids=[row[0] for row in TOLD])
def test_what_an_answer_holds_is_told(why: str, change: Callable[[Answer], object], within: int, words: str) -> None:
    found = _told(change, AT + 40)
    assert not [one for one in found if one.time < START + AT * GAP], "nothing before it"
    pages = [one for one in found if one.mode == "page" and one.signal == "run.output_shape"]
    assert pages and (pages[0].time - START) / GAP - AT <= within, why
    assert words in pages[0].detail, pages[0].detail


def test_answers_that_vary_page_nobody() -> None:
    """Optional fields, one that is null now and then, text of any length, a day that goes on: nothing changed."""
    assert _told(None, 1_500) == []
