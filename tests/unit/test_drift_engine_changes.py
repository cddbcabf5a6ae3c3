"""What drift says of an agent at ten runs a minute, with the defaults: a change a row, and a near miss that is none."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from monitor import views
from monitor.alerting.headline import closing_line, headline
from monitor.engine import Engine
from schemas.config import Config
from schemas.finding import Finding
from schemas.records import Ack, Tick
from tests.doubles import drift_log
from tests.doubles.drift_log import GAP, Work
from tests.doubles.fleet_log import START, log

DEFAULT = Config.model_validate({"owners": {"one": {}}})
AT = 600
"""Runs before the change."""
Change = Callable[[int, Work], Work]


def _replay(change: Change, runs: int, config: Config = DEFAULT, seed: int = 1) -> tuple[Engine, list[Finding]]:
    engine = Engine(config)
    findings = engine.step(log(drift_log.events(drift_log.stream(runs, change, seed)))).findings
    return engine, findings


def _from(change: Change, at: int = AT) -> Change:
    return lambda number, work: change(number, work) if number >= at else work


def _rng(number: int) -> random.Random:
    return random.Random(number * 7 + 1)


def _runs_after(finding: Finding, at: int = AT) -> float:
    return (finding.time - START) / GAP - at


def _told(findings: list[Finding], signal: str, mode: str) -> list[Finding]:
    """Findings that tell of a signal; those that page, if `mode` says so."""
    return [one for one in findings if signal in (one.signal, *one.corroborated) and mode in ("notice", one.mode)]


def _prose(number: int, work: Work) -> Work:
    rng = _rng(number)
    return work.changed(output="Your order " + " ".join(rng.choice(("was", "sent", "to", "you")) for _ in range(18)))


def _tools(change: Callable[[tuple[str, Any, Any]], list[tuple[str, Any, Any]]]) -> Change:
    return lambda _, work: work.changed(tools=[new for tool in work.tools for new in change(tool)])


def _result(tool: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Change:
    return _tools(lambda call: [(call[0], call[1], change(call[2]) if call[0] == tool else call[2])])


def _searching(number: int, work: Work) -> Work:
    calls = [("search", {"query": f"q{number}.{i}"}, {"items": [1]}) for i in range(3)]
    return work.changed(tools=[*work.tools[:1], *calls])


CHANGES: list[tuple[str, str, Change, int, str]] = [
    ("run.output_shape", "page", _prose, 25, "prose where there was JSON"),
    (
        "run.output_shape",
        "page",
        lambda _, work: work.changed(output=f"```json\n{work.output}\n```"),
        25,
        "a fence around the same JSON",
    ),
    (
        "run.output_shape",
        "page",
        lambda _, work: work.changed(output='{"order": 12345, "answer": "we are sorry that it is late", "done": true}'),
        25,
        "the same answer to everybody",
    ),
    ("run.output_length", "notice", lambda _, work: work.changed(output=(work.output or "")[:50]), 20, "cut short"),
    ("run.tool_mix", "notice", _searching, 20, "searches in place of refunds"),
    ("run.tool_mix", "page", _searching, 45, "the same, sustained"),
    (
        "run.duration_seconds",
        "page",
        lambda _, work: work.changed(seconds=work.seconds * 3.0),
        45,
        "three times slower",
    ),
    ("run.tool_mix", "page", _tools(lambda call: [call] * (call[0] != "search")), 85, "a tool of 40 % of runs, never"),
    ("run.tool_mix", "page", lambda _, work: work.changed(hits=None), 45, "retrieval is switched off"),
    ("run.steps", "notice", lambda _, work: work.changed(tools=work.tools[:1]), 45, "it ends too early"),
    (
        "run.tokens",
        "page",
        lambda _, work: work.changed(input_tokens=(work.input_tokens or 0) * 3),
        45,
        "three times the tokens",
    ),
    (
        "run.cost_usd",
        "page",
        lambda _, work: work.changed(cost_usd=(work.cost_usd or 0.0) * 3.0),
        45,
        "three times dearer",
    ),
    ("run.retries", "page", lambda n, work: work.changed(attempt=1 + n % 2), 45, "every other call is made again"),
    ("run.outcome", "page", lambda _, work: work.changed(outcome=None), 45, "no outcome any more"),
    ("tool.schema", "page", _result("get_order", lambda r: {**r, "note": "x"}), 45, "a field that is new"),
    ("tool.schema", "page", _result("get_order", lambda r: {"status": r["status"]}), 45, "a field that is gone"),
    ("tool.schema", "page", _result("get_order", lambda r: {**r, "total": str(r["total"])}), 45, "another type"),
    ("llm.finish_reason", "page", lambda n, work: work.changed(finish_reason=("stop", "length")[n % 2]), 90, "cut off"),
    ("llm.response_model", "page", lambda _, work: work.changed(model="m-2"), 45, "the provider changed the model"),
    ("agent.fallback", "page", lambda n, work: work.changed(fallback=n % 2 == 0), 100, "fallbacks in half of the runs"),
    ("agent.escalation", "page", lambda n, work: work.changed(escalation=n % 2 == 0), 100, "escalations in half"),
    ("agent.guardrail", "page", lambda _, work: work.changed(guardrail="blocked"), 45, "everything is blocked"),
    (
        "agent.guardrail",
        "page",
        lambda _, work: work.changed(guardrail=None),
        45,
        "the guardrail is not asked any more",
    ),
    (
        "retrieval.empty",
        "page",
        lambda n, work: work.changed(hits=5 * (n % 2)),
        100,
        "every other search finds nothing",
    ),
    (
        "retrieval.top_score",
        "notice",
        lambda _, work: work.changed(top_score=(work.top_score or 0.0) - 0.2),
        45,
        "scores fall",
    ),
    (
        "retrieval.repeated",
        "page",
        lambda _, work: work.changed(document="d-1"),
        60,
        "always the same document",
    ),
    (
        "retrieval.repeated",
        "page",
        lambda n, work: work.changed(document="d-1" if n % 10 else work.document),
        95,
        "nearly always the same document",
    ),
]


@pytest.mark.parametrize(("signal", "mode", "change", "within", "why"), CHANGES, ids=[row[4] for row in CHANGES])
def test_a_change_is_told(signal: str, mode: str, change: Change, within: int, why: str) -> None:
    _, findings = _replay(_from(change), AT + within + 2)
    assert not [one for one in findings if _runs_after(one) < 0.0], "nothing before it"
    found = _told(findings, signal, mode)
    assert found, why
    assert _runs_after(found[0]) <= within
    assert abs(found[0].onset - (START + AT * GAP)) <= 60 * GAP


NEAR_MISSES: list[tuple[Change, str]] = [
    (
        lambda n, work: work.changed(output=work.output + " " * (n % 5 == 0)) if work.output else work,
        "a blank at some ends",
    ),
    (lambda _, work: work.changed(seconds=work.seconds * 1.15), "a little slower"),
    (lambda n, work: _searching(n, work) if n % 12 == 0 else work, "now and then other tools"),
    (lambda n, work: work.changed(cost_usd=None) if n % 2 else work, "half of the costs are not reported"),
    (lambda n, work: work.changed(fallback=n % 8 == 0), "an eighth of the runs falls back, was a tenth"),
    (
        lambda n, work: _result("get_order", lambda r: {**r, "note": "x"})(n, work) if n % 60 == 0 else work,
        "a field that is there once in sixty runs",
    ),
]


@pytest.mark.parametrize(("change", "why"), NEAR_MISSES, ids=[row[1] for row in NEAR_MISSES])
def test_what_nobody_would_feel_pages_nobody(change: Change, why: str) -> None:
    _, findings = _replay(_from(change), AT + 150)
    assert not [one for one in findings if one.mode == "page"], why


ERRORS: list[tuple[float, float, float, bool, str]] = [
    # how many runs fail; how many failures are a 401, before and after
    (0.5, 0.02, 0.6, True, "a rare kind of error becomes the usual one, as many runs fail as before"),
    (0.5, 0.02, 0.05, False, "a rare kind of error comes a little more often"),
    (0.1, 0.02, 0.6, False, "sixty failures are too few to know what their kinds are"),
]


@pytest.mark.parametrize(("failing", "before", "after", "told", "why"), ERRORS, ids=[row[4] for row in ERRORS])
def test_kinds_of_errors_are_learned_from_failures(
    failing: float, before: float, after: float, told: bool, why: str
) -> None:
    def change(number: int, work: Work) -> Work:
        del work
        rng = _rng(number)
        rare = rng.random() < (before if number < AT else after)
        kind = "http_401" if rare else rng.choice(("timeout", "http_500"))
        return Work(
            seconds=1.0, tools=[("pay", {"a": 1}, {"ok": True})], finish_reason=None, model=None,
            error_type=kind if rng.random() < failing else None,
        )  # fmt: skip

    _, findings = _replay(change, AT + 120)
    found = [one for one in findings if one.signal == "tool.error_type"]
    assert bool(found) is told, why
    assert [one for one in findings if one.signal == "tool.failed"] == []
    if told:
        assert 0.0 < _runs_after(found[0]) <= 90
        assert "http_401" in headline(found[0])


def test_fifteen_hundred_healthy_runs_say_nothing() -> None:
    _, findings = _replay(lambda _, work: work, 1_500, seed=7)
    assert findings == []


def _mixed(number: int, work: Work) -> Work:
    """A third of the runs is of v2, which always answered in prose; from some time on it is all of them."""
    if number % 3 == 0 or number >= 1_200:
        return _prose(number, work).changed(version="v2")
    return work


def test_a_version_that_was_always_like_that_gets_all_runs() -> None:
    _, findings = _replay(_mixed, 1_400)
    assert not [one for one in findings if one.mode == "page"]


@pytest.mark.parametrize(
    ("version", "node", "why"),
    [
        (lambda _: "v1", {"agent": "x", "version": "v1"}, "the only version"),
        (lambda _: None, {"agent": "x"}, "the producer names no version"),
        (lambda n: "v2" if n >= AT else "v1", {"agent": "x", "version": "v2"}, "it came with a version"),
        (lambda n: "v2" if n >= AT and n % 2 else "v1", {"agent": "x", "version": "v2"}, "beside another version"),
    ],
)
def test_the_slice_that_is_named(version: Callable[[int], str | None], node: dict[str, str], why: str) -> None:
    def change(number: int, work: Work) -> Work:
        bad = number >= AT and version(number) == version(AT + 1)
        return (_searching(number, work) if bad else work).changed(version=version(number))

    _, findings = _replay(change, AT + 80)
    found = [one for one in findings if one.signal == "run.tool_mix" and one.status == "firing"]
    assert {label: value for label, value in found[-1].node.items() if label != "tool"} == node, why
    assert _runs_after(found[0]) <= (20 if why != "beside another version" else 40)
    if why == "beside another version":
        assert found[-1].unaffected == ("version=v1",)


def test_rates_that_fall_to_nothing() -> None:
    """It takes longer than a rise: only what does not happen speaks for it."""

    def change(number: int, work: Work) -> Work:
        usual = _rng(number).random() < 0.3
        return work.changed(fallback=usual and number < AT, guardrail="blocked" if usual and number < AT else "allowed")

    _, findings = _replay(change, AT + 130)
    last = [one for one in findings if one.signal == "agent.fallback" or "agent.fallback" in one.corroborated][-1]
    assert {"agent.fallback", "agent.guardrail"} <= {last.signal, *last.corroborated}
    assert last.after == 0.0
    assert last.direction == "down"
    assert last.mode == "page"
    assert " stopped: 0 % of runs, was " in headline(last)


def test_an_agent_that_says_little_is_left_alone() -> None:
    """No tokens, no costs, no output, no tools: constants and gaps are no changes."""

    def change(number: int, work: Work) -> Work:
        del number, work
        return Work(seconds=1.0, finish_reason=None, model=None)

    engine, findings = _replay(change, 900)
    assert findings == []
    (view,) = views.agents(engine.partition)
    shown = {signal.signal for signal in views.signals(engine.partition, view.agent)}
    assert "run.duration_seconds" in shown
    assert shown.isdisjoint({"run.tokens", "run.cost_usd", "run.output_shape", "retrieval.top_score", "tool.schema"})


def test_constants_that_change_are_told() -> None:
    def change(number: int, work: Work) -> Work:
        del work
        return Work(seconds=1.0 if number < AT else 2.5, finish_reason=None, model=None)

    _, findings = _replay(change, AT + 45)
    assert [(one.signal, one.mode) for one in findings if one.status == "firing"][-1] == (
        "run.duration_seconds",
        "page",
    )
    assert headline(findings[-1]) == "x v1: run.duration_seconds: median 2.5 s, was 1 s"


def test_it_is_over_when_it_is_back() -> None:
    _, findings = _replay(lambda n, work: _prose(n, work) if AT <= n < AT + 60 else work, AT + 140)
    firing = [one for one in findings if one.status == "firing"]
    over = [one for one in findings if one.status == "resolved"]
    assert {one.incident_key for one in firing} == {one.incident_key for one in over}
    assert {one.reason for one in over} == {"back to what it was"}
    assert all(_runs_after(one) <= 100 for one in over)
    assert "back to normal" in closing_line(firing[0], over[0])


@pytest.mark.parametrize(
    ("setting", "modes", "why"),
    [
        ({"mode": "off"}, set(), "not watched"),
        ({"mode": "notice"}, {"notice"}, "never pages"),
        ({"mode": "digest"}, {"digest"}, "not even a notice"),
        ({"sustained": 200}, {"notice"}, "not yet sustained"),
        ({"material": {"factor": 9.0}}, {"notice"}, "not material enough"),
        ({}, {"notice", "page"}, "the default"),
    ],
)
def test_what_the_yaml_says(setting: dict[str, Any], modes: set[str], why: str) -> None:
    config = Config.model_validate({"owners": {"one": {}}, "detectors": {"run.duration_seconds": setting}})
    change = _from(lambda _, work: work.changed(seconds=work.seconds * 3.0))
    _, findings = _replay(change, AT + 60, config)
    assert {one.mode for one in _told(findings, "run.duration_seconds", "notice")} == modes, why


def test_a_human_calls_it_normal() -> None:
    change = _from(lambda _, work: work.changed(seconds=work.seconds * 3.0))
    engine = Engine(DEFAULT)
    records = log(drift_log.events(drift_log.stream(AT + 300, change)))
    cut = next(i for i, (_, record) in enumerate(records) if isinstance(record, Tick) and record.time > START + 3_900)
    engine.step(records[:cut])
    ack = Ack(time=START + 3_900, agent="x", node="run.duration_seconds", word="new_normal")
    findings = engine.step([(cut, ack), *((offset + 1, record) for offset, record in records[cut:])]).findings
    assert [(one.status, one.reason) for one in findings][:1] == [("resolved", "a human calls it the new normal")]
    assert not [one for one in findings if one.status == "firing"]


def test_shadow_runs_and_silence() -> None:
    """Shadow runs feed nothing; an agent that is gone says so once, and nothing is resolved by that."""
    happened = drift_log.events(drift_log.stream(AT + 40, _from(_prose)))
    engine = Engine(DEFAULT)
    records = log(happened)
    findings = engine.step(records).findings
    assert [one for one in findings if one.mode == "page"]
    offset, before = len(records), engine.partition.now
    shadows = drift_log.events(drift_log.stream(50, lambda _, work: work), start=before + 10)
    for event in shadows:
        event.variant = "shadow"
        event.run = f"s{event.run}"
        event.id = f"s{event.id}"
    more = engine.step([(offset + at, record) for at, record in log(shadows, until=before + 9_000.0)]).findings
    assert {one.status for one in more} == {"update"}
    assert {one.reason[:13] for one in more} == {"no data since"}


def test_an_agent_whose_outputs_changed_is_not_called_healthy() -> None:
    engine, told = _replay(_from(_prose), AT + 40)
    found = {(one.signal, one.share_of, one.direction) for one in told if one.signal == "run.output_shape"}
    assert found == {("run.output_shape", "kind is json_object", "down")}, "its levels are those of what it was"
    (view,) = views.agents(engine.partition)
    assert view.state == "incident"
    shown = {
        signal.signal: signal for signal in views.signals(engine.partition, view.agent) if signal.state == "firing"
    }
    assert shown["run.output_shape"].mode == "page"
    assert shown["run.output_shape"].note.startswith("kind is prose")
    engine, _ = _replay(lambda _, work: work, AT)
    (view,) = views.agents(engine.partition)
    assert view.state == "healthy"
    escalation = next(
        signal for signal in views.signals(engine.partition, view.agent) if signal.signal == "agent.escalation"
    )
    assert escalation.level == escalation.reference == pytest.approx(0.1, abs=0.05)


@pytest.mark.parametrize(
    ("why", "runs", "levels"),
    [
        ("nothing of it was seen yet", 3, {"run.outcome": False, "agent.escalation": False, "run.failed": True}),
        ("many sides have no one level, a rate has", AT, {"run.outcome": False, "agent.escalation": True}),
    ],
)
def test_a_level_that_nobody_knows_is_none_and_not_zero(why: str, runs: int, levels: dict[str, bool]) -> None:
    engine, _ = _replay(lambda _, work: work, runs)
    (view,) = views.agents(engine.partition)
    shown = {signal.signal: signal.level for signal in views.signals(engine.partition, view.agent)}
    assert {name: shown[name] is not None for name in levels} == levels, why
