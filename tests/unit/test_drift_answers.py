"""What an agent's answers hold, field by field: what is new, what is gone, what stands still; a sentence per row."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from monitor.drift.outputs import answers as module
from monitor.drift.outputs.answers import FIELDS, YOUNG, Answers
from monitor.drift.outputs.stretches import WARM, WINDOW
from monitor.reading.calls.answers import forms

USUAL = 400


def _usual(rng: random.Random) -> dict[str, Any]:
    found: dict[str, Any] = {
        "id": f"A-{rng.randint(1, 9999)}",
        "state": rng.choice(("open", "waiting", "closed")),
        "amount": None if rng.random() < 0.1 else round(rng.random() * 90, 2),
        "who": {"name": rng.choice(("Mara", "Tom Hart", "Ines")), "mail": f"{rng.randint(1, 999)}@example.org"},
        "reason": rng.choice(("It was late by ", "It came broken after ", "It never came in "))
        + f"{rng.random()} days",
        "urgent": rng.random() < 0.8,
    }
    if rng.random() < 0.4:
        found["note"] = rng.choice(("call", "They ask for a call on Monday."))
    return found


def _after(change: Callable[[dict[str, Any]], Any] | None, count: int, session: str | None = None) -> Answers:
    """What is known after usual answers and then `count` changed ones."""
    rng, answers = random.Random(7), Answers()
    for number in range(USUAL + count):
        value = _usual(rng)
        if change is not None and number >= USUAL:
            change(value)
        answers.observe(forms(value), 1, session if number >= USUAL else None)
    return answers


def _set(name: str, value: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda answer: answer.__setitem__(name, value)


CHANGES: list[tuple[str, Callable[[dict[str, Any]], Any], int, list[str], list[str], list[str]]] = [
    ("a number that is a string now is new at once", _set("amount", "12.50"), 1, ["amount:digits 9"], [], []),
    ("and the number is gone soon", _set("amount", "12.50"), 6, ["amount:digits 9"],
     ["amount:number"], []),
    ("yes and no in place of a boolean", lambda a: a.__setitem__("urgent", "yes" if a["urgent"] else "no"), 6,
     ["urgent:words"], ["urgent:boolean"], []),
    ("a field that is null sometimes and now always", _set("amount", None), 12, [], ["amount:number"], ["amount"]),
    ("a field that is no more", lambda a: a.pop("reason"), 6, [], ["reason:text"], []),
    ("one below the top", lambda a: a["who"].pop("mail"), 6, [], ["who.mail:code"], []),
    ("an object that is flattened", lambda a: a.update({f"who_{k}": v for k, v in a.pop("who").items()}), 1,
     ["who_mail:code", "who_name:words"], [], []),
    ("the same sentence in each answer", _set("reason", "It was late by some two days."), 9, [], [], ["reason"]),
    ("one word of three in each answer", _set("state", "open"), 16, [], [], ["state"]),
]  # fmt: skip


@pytest.mark.parametrize(("why", "change", "count", "young", "gone", "still"), CHANGES)
def test_a_change_shows(
    why: str, change: Callable[[dict[str, Any]], Any], count: int, young: list[str], gone: list[str], still: list[str]
) -> None:
    last = _after(change, count)
    assert (sorted(last.young), sorted(last.gone), sorted(last.still)) == (young, gone, still), why


NO_CHANGES: list[tuple[str, Callable[[dict[str, Any]], Any] | None, int, str | None]] = [
    ("answers as they always were", None, 300, None),
    ("an optional field that is away for a while", lambda a: a.pop("note", None), 9, None),
    ("a flag that mostly is set", _set("urgent", True), 20, None),
    ("three of the same in a row", _set("state", "open"), 3, None),
    (
        "one customer's answers, one after the other",
        _set("who", {"name": "Tom Hart", "mail": "1@example.org"}),
        5,
        None,
    ),
    ("who goes on asking in a session gets the same again", _set("reason", "It was late by some two days."), 40, "s"),
]


@pytest.mark.parametrize(("why", "change", "count", "session"), NO_CHANGES)
def test_what_is_no_change(
    why: str, change: Callable[[dict[str, Any]], Any] | None, count: int, session: str | None
) -> None:
    last = _after(change, count, session)
    assert (last.young, last.gone, last.still) == ([], [], []), why


def test_nothing_is_said_before_enough_was_seen() -> None:
    answers, rng = Answers(), random.Random(1)
    for number in range(WARM):
        answers.observe(forms(_usual(rng) | ({"late": 1} if number > 90 else {})), 1, None)
        assert not answers.known
    answers.observe(forms(_usual(rng)), 1, None)
    assert answers.known


def test_what_is_new_is_normal_after_a_while() -> None:
    answers, rng = Answers(), random.Random(1)
    young = []
    for number in range(USUAL + YOUNG + 50):
        answers.observe(forms(_usual(rng) | ({"late": 1} if number >= USUAL else {})), 1, None)
        young.append("late:number" in answers.young)
    assert young == [False] * USUAL + [True] * YOUNG + [False] * 50


def test_what_has_been_away_for_long_is_forgotten_and_new_when_it_comes_again() -> None:
    answers, rng = Answers(), random.Random(1)
    for number in range(USUAL + 2 * WINDOW):
        value = _usual(rng)
        if number >= USUAL:
            del value["reason"]
        answers.observe(forms(value), 1, None)
    assert "reason:text" not in answers.gone
    answers.observe(forms(_usual(rng)), 1, None)
    assert answers.young == ["reason:text"]


def test_an_answer_that_is_no_json_is_one_field() -> None:
    answers, rng = Answers(), random.Random(1)
    for _ in range(USUAL):
        answers.observe(None, rng.randint(1, 5), None)
    assert not answers.still
    for _ in range(12):
        answers.observe(None, 3, None)
    assert answers.still == [""]
    answers.observe(None, 4, None)
    assert not answers.still


def test_answers_that_never_differ_stand_still_for_nobody() -> None:
    answers = Answers()
    for _ in range(3 * WINDOW):
        answers.observe(None, 3, None)
        assert not answers.still


def test_names_that_are_data_are_bounded_and_counted() -> None:
    answers, rng = Answers(), random.Random(1)
    for _ in range(300):
        names = ["".join(rng.choice("abcdefgh") for _ in range(4)) for _ in range(9)]
        answers.observe(forms({name: rng.random() for name in names}), 1, None)
    assert len(answers._fields) == FIELDS
    assert len(answers._values) == FIELDS
    assert answers.lost > 1_000


def test_saved_and_put_back_it_says_the_same() -> None:
    def says(saving: bool) -> list[object]:
        answers, rng, told = Answers(), random.Random(3), []
        for number in range(USUAL + 60):
            value = _usual(rng)
            if number >= USUAL:
                value["state"], value["amount"] = "open", "7"
            if saving and number % 7 == 0:
                again = Answers()
                again.load(answers.save())
                answers = again
            answers.observe(forms(value), 1, None)
            told.append((answers.known, list(answers.young), list(answers.gone), list(answers.still)))
        return told

    assert says(saving=True) == says(saving=False)
    assert module.STILL < module.AWAY
