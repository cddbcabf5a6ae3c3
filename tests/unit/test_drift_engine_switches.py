"""Silent changes and near misses, whole: what an agent does before and after, and which signal tells it, if any."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from monitor.alerting.headline import headline
from monitor.engine import Engine
from schemas.config import Config
from schemas.finding import Finding
from tests.doubles import drift_log
from tests.doubles.drift_log import GAP, Work
from tests.doubles.fleet_log import START, log

AT = 600
"""Runs before the change."""
AFTER = 120
CONFIG = Config.model_validate({"owners": {"one": {}}})
Switch = Callable[[int, Work], Work]


def _chance(number: int) -> float:
    return random.Random(number * 31 + 5).random()


def _findings(change: Switch) -> list[Finding]:
    works = drift_log.stream(AT + AFTER, change, seed=3)
    return Engine(CONFIG).step(log(drift_log.events(works))).findings


def _later(change: Switch) -> Switch:
    return lambda number, work: change(number, work) if number >= AT else work


def _cached(share: float) -> Switch:
    return lambda _, work: work.changed(cached_tokens=int((work.input_tokens or 0) * share))


def _each(before: Switch, after: Switch) -> Switch:
    return lambda number, work: (before if number < AT else after)(number, work)


def _without(tool: str, part: float = 1.0) -> Switch:
    return lambda number, work: (
        work.changed(tools=[one for one in work.tools if one[0] != tool]) if _chance(number) < part else work
    )


def _refuses(number: int, work: Work) -> Work:
    said = "I'm sorry, but I can't help with that request, please ask your administrator"
    return work.changed(output=f'{{"order": {number * 7919 % 99999}, "answer": "{said}", "done": false}}')


TOLD: list[tuple[str, Switch, str, str]] = [
    ("run.tool_mix", _later(_without("refund")), "tool mix: ", "a tool is never used any more"),
    ("run.tokens", _each(_cached(0.8), _cached(0.0)), "from the cache", "nothing comes from the cache any more"),
    (
        "run.tokens",
        _later(lambda _, work: work.changed(output_tokens=(work.output_tokens or 0) * 2)),
        "output, median",
        "twice the tokens for the same text: another model behind the name",
    ),
    (
        "run.steps",
        _each(lambda _, work: work.changed(words=True), lambda _, work: work),
        "",
        "it calls tools without a word in between",
    ),
    ("run.output_shape", _later(_refuses), "", "it refuses, in the shape of an answer"),
    (
        "run.cost_usd",
        _later(lambda number, work: work.changed(cost_usd=(work.cost_usd or 0.0) * (20.0 if number % 5 == 0 else 1.0))),
        "",
        "one run in five is twenty times dearer",
    ),
    (
        "tool.error_type",
        _each(
            lambda number, work: work.changed(error_type="http_500" if number % 2 else None),
            lambda number, work: work.changed(error_type="http_401" if number % 2 else None),
        ),
        "http_401 in 100 % of failed calls, was http_500 in 9",
        "401 in place of 500, as many as before",
    ),
]


@pytest.mark.parametrize(("signal", "change", "words", "why"), TOLD, ids=[row[3] for row in TOLD])
def test_what_is_told(signal: str, change: Switch, words: str, why: str) -> None:
    findings = _findings(change)
    assert not [one for one in findings if one.time < START + AT * GAP], "nothing before it"
    told = [one for one in findings if signal in (one.signal, *one.corroborated)]
    assert told, why
    said = [headline(one) for one in told if one.signal == signal]
    assert not words or any(words in one for one in said), said


NOT_TOLD: list[tuple[Switch, str]] = [
    (_later(_without("refund", 0.15)), "a tool is used a little less"),
    (
        lambda n, work: _cached(0.6 + 0.3 * _chance(n) - (0.0 if n < AT else 0.01))(n, work),
        "a little less from the cache",
    ),
    (_later(lambda n, work: _refuses(n, work) if n % 40 == 0 else work), "it refuses one run in forty"),
    (lambda n, work: work.changed(model=f"m-{n % 2}"), "two models in turn, as always"),
    (
        lambda n, work: work.changed(finish_reason="length" if _chance(n) < (0.04 if n < AT else 0.055) else "stop"),
        "a few more answers are cut off",
    ),
    (lambda n, work: work.changed(hits=0 if _chance(n) < (0.1 if n < AT else 0.13) else 5), "a few more find nothing"),
    (_later(lambda _, work: work.changed(top_score=(work.top_score or 0.0) - 0.005)), "scores a hair lower"),
    (lambda n, work: work.changed(escalation=_chance(n) < (0.2 if n < AT else 0.24)), "a few more escalations"),
    (
        lambda n, work: work.changed(guardrail="blocked" if _chance(n) < (0.2 if n < AT else 0.17) else "allowed"),
        "a guardrail acts a little less",
    ),
    (
        lambda n, work: work.changed(outcome="partial" if _chance(n) < (0.1 if n < AT else 0.12) else "resolved"),
        "a few more partial outcomes",
    ),
    (_later(lambda n, work: work.changed(attempt=2) if n % 30 == 0 else work), "a call made again now and then"),
]


@pytest.mark.parametrize(("change", "why"), NOT_TOLD, ids=[row[1] for row in NOT_TOLD])
def test_what_is_not_told(change: Switch, why: str) -> None:
    assert [headline(one) for one in _findings(change)] == [], why
