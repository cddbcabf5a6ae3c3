"""Marks that are new or gone, and those that only come and go; and what is known of outputs version by version."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

import pytest

from monitor.drift.outputs.answers import FIELDS
from monitor.drift.outputs.marks import MARKS, WARM, Marks
from monitor.drift.outputs.stretches import WINDOW
from monitor.drift.outputs.versions import VERSIONS, Versions
from monitor.runs import Work
from monitor.runtime.counting import NAMES

AT = 200
Made = Callable[[random.Random, int], list[str]]


def _said(before: Made, after: Made, texts: int = 60) -> tuple[int, int]:
    """Texts after the change with a mark that is new, and those without one that was there."""
    rng, marks = random.Random(3), Marks()
    for number in range(AT):
        marks.observe(before(rng, number))
        assert not marks.known or not (marks.young or marks.gone)
    young = gone = 0
    for number in range(texts):
        marks.observe(after(rng, number))
        young += bool(marks.young)
        gone += bool(marks.gone)
    return young, gone


def _usual(rng: random.Random, _: int) -> list[str]:
    return ["a, a", "a."] + ["a: a"] * (rng.random() < 0.6)


CHANGES: list[tuple[Made, bool, bool, str]] = [
    (lambda r, n: [*_usual(r, n), "a://a"], True, False, "one is new"),
    (lambda r, n: [*_usual(r, n), *(["a://a"] if n % 2 else [])], True, False, "in every other text"),
    (lambda r, n: ["a.", *_usual(r, n)[2:]], False, True, "one is gone"),
    (lambda _, __: ["a; a", "a."], True, True, "one in place of another"),
    (lambda _, __: ["a, a", "a."], False, True, "one that six of ten had"),
]


@pytest.mark.parametrize(("after", "young", "gone", "why"), CHANGES, ids=[row[3] for row in CHANGES])
def test_a_change_shows(after: Made, young: bool, gone: bool, why: str) -> None:
    found = _said(_usual, after)
    assert (found[0] > 20, found[1] > 20) == (young, gone), why


HABITS: list[tuple[Made, str]] = [
    (_usual, "as ever"),
    (lambda r, n: [*_usual(r, n), f"a{'!?*~'[n % 4]}a"] if n % 15 == 0 else _usual(r, n), "rare signs, each once"),
    (lambda r, n: ["a."] if n in (10, 11) else _usual(r, n), "two texts without one"),
]


@pytest.mark.parametrize(("after", "why"), HABITS, ids=[row[1] for row in HABITS])
def test_what_is_no_change(after: Made, why: str) -> None:
    assert _said(_usual, after) == (0, 0), why


def test_what_is_gone_for_long_is_normal() -> None:
    _, gone = _said(_usual, lambda r, n: ["a.", *_usual(r, n)[2:]], 2 * WINDOW)
    assert WINDOW - 10 < gone < WINDOW


def test_marks_that_gave_way_and_come_again_are_not_new() -> None:
    """Texts of 150 marks in all, some in nearly each, most in few: more than are known at a time."""
    rng, marks, young = random.Random(5), Marks(), 0
    often = [rng.betavariate(0.5, 1.5) for _ in range(3 * MARKS)]
    for number in range(2_000):
        marks.observe([f"a{one}a" for one, part in enumerate(often) if rng.random() < part])
        young += bool(marks.young) and number > 2 * WARM
    assert young <= 20, "one text of a hundred"
    for _ in range(4):
        marks.observe(["new"])
    assert marks.young == ["new"]


def test_ever_new_marks_fill_no_memory() -> None:
    marks = Marks()
    for number in range(10 * MARKS):
        marks.observe([f"a{number}a", "a."])
    assert len(marks.save()) < 100 * MARKS
    marks.observe(["a."])
    assert not marks.young


def _ignore(_: str) -> None:
    """Nobody counts."""


def _work(number: int, *marks: str) -> Work:
    return Work(output_hash=number, output_marks=list(marks))


def test_what_was_away_for_so_long_that_it_is_known_no_more_is_not_new_when_it_comes_again() -> None:
    """What an agent is asked on one day of the month was there before, also where the state was put back since."""
    marks, young = Marks(), list[str]()
    for number in range(2 * AT + 2 * WINDOW):
        is_the_day = number < AT or number >= AT + 2 * WINDOW
        marks.observe(["a, a", "## a"] if is_the_day else ["a, a"])
        young += marks.young
        if number == AT + WINDOW + 10:
            saved, marks = marks.save(), Marks()
            marks.load(saved)
    assert young == []


def test_each_version_has_its_own_marks() -> None:
    """The one that answers in another way gets a third of the runs, then all; nothing of it is new by then."""
    versions, said = Versions(_ignore), []
    for number in range(4 * WINDOW):
        old = number % 3 and number < 3 * WINDOW
        versions.observe("v1" if old else "v2", _work(number, "a, a") if old else _work(number, "a; a"))
        said.append(versions.latest.young or versions.latest.gone)
    assert not any(said[3 * WINDOW - 1 :])


def test_a_new_version_begins_with_what_the_one_before_it_knew() -> None:
    versions, said = Versions(_ignore), []
    for number in range(WARM + 60):
        changed = number >= WARM + 20
        versions.observe("v2" if changed else "v1", _work(number, "a; a" if changed else "a, a"))
        said.append(versions.latest.young or versions.latest.gone)
    assert not any(said[: WARM + 20])
    assert all(said[WARM + 30 :])


def test_versions_go_on_where_they_were_saved() -> None:
    """Whenever a state is written and put back, the same is said and kept; the oldest version gives way."""
    rng = random.Random(7)
    whole, parts, kept = Versions(_ignore), Versions(_ignore), {}
    for number in range(900):
        version = f"v{rng.randrange(1 + number // 120)}" if number % 7 else None
        work = _work(number, "a, a", *(["a://a"] if rng.random() < 0.5 else []), *(["a; a"] if number > 500 else []))
        whole.observe(version, work)
        if rng.random() < 0.1:
            kept |= parts.changed()
            parts = Versions(_ignore)
            parts.load(kept)
        parts.observe(version, work)
        mine, its = whole.latest, parts.latest
        assert (mine.young, mine.gone, mine.known, mine.slot) == (its.young, its.gone, its.known, its.slot)
    kept |= parts.changed()
    assert {slot: kept[slot] for slot in whole.changed()} == kept
    assert len(kept) == VERSIONS


def test_what_gives_way_is_counted() -> None:
    """Ever new marks, fields and versions, in texts and in JSON."""
    counts: Counter[str] = Counter()
    versions = Versions(lambda name: counts.update((name,)))
    for number in range(MARKS + 5):
        versions.observe("v0", _work(number, f"a{number}a"))
        assert counts["marks_forgotten"] == max(number + 1 - MARKS, 0)
    for number in range(FIELDS + 3):
        work = _work(number, f"b{number}b")
        work.output_fields = [f"field{number}:number#abc"]
        versions.observe("v0", work)
    assert counts["marks_forgotten"] == 5 + FIELDS + 3 - MARKS
    assert counts["answers_forgotten"] == 3 + 4, "fields, and what they and the texts before hold"
    assert counts["outputs_forgotten"] == 0
    for number in range(1, VERSIONS + 2):
        versions.observe(f"v{number}", _work(number))
    assert counts["outputs_forgotten"] == 2
    assert set(counts) <= set(NAMES)
