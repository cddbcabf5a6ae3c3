"""Whom and what drift names at ten runs a minute, with the defaults: the tool, the tenant, or nobody."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from monitor.engine import Engine
from schemas.config import Config
from schemas.finding import SETTLED, Finding
from tests.doubles import drift_log
from tests.doubles.drift_log import GAP, Work
from tests.doubles.fleet_log import START, log

AT = 600
"""Runs before the change."""
Change = Callable[[int, Work], Work]


def _replay(change: Change, runs: int) -> list[Finding]:
    engine = Engine(Config.model_validate({"owners": {"one": {}}}))
    return engine.step(log(drift_log.events(drift_log.stream(runs, change)))).findings


def _from(change: Change) -> Change:
    return lambda number, work: change(number, work) if number >= AT else work


def _rng(number: int) -> random.Random:
    return random.Random(number * 7 + 1)


def _prose(number: int, work: Work) -> Work:
    rng = _rng(number)
    return work.changed(output="Your order " + " ".join(rng.choice(("was", "sent", "to", "you")) for _ in range(18)))


def _calling(calls: float, tool: str = "search") -> Change:
    """A tool is called once in that part of the runs, second as ever."""

    def change(number: int, work: Work) -> Work:
        others = [call for call in work.tools if call[0] != tool]
        used = [(tool, {"query": f"q{number}"}, {"items": [1]})] if _rng(number).random() < calls else []
        return work.changed(tools=[*others[:1], *used, *others[1:]])

    return change


USED: list[tuple[Change, str | None, str, str]] = [
    (_calling(0.0), "search", "search is used in 0 % of runs, was 3", "what vanished is named, not what is left"),
    (_calling(0.9), "search", "search is used in ", "what is used twice as often"),
    (_calling(0.5, "poll"), "poll", "poll is used in ", "a tool that it never used"),
    (
        lambda _, work: work.changed(hits=None),
        None,
        "retrieval is used in 0 % of runs, was 9",
        "retrievers are no tool",
    ),
]


@pytest.mark.parametrize(("change", "tool", "detail", "why"), USED, ids=[row[3] for row in USED])
def test_what_is_used_otherwise_is_named(change: Change, tool: str | None, detail: str, why: str) -> None:
    findings = _replay(_from(change), AT + 120)
    told = [one for one in findings if one.signal == "run.tool_mix" and one.status == "firing"]
    assert told[-1].mode == "page", why
    for one in told:
        assert one.node.get("tool") == tool
        assert one.detail.startswith(detail), one.detail


def test_a_tool_that_is_used_somewhat_more_often_pages_nobody() -> None:
    findings = _replay(_from(_calling(0.5)), AT + 200)
    assert not [one for one in findings if one.mode == "page"]


def _taking(usual: float, times: float) -> Change:
    """Tools tell how long they take; from `AT` on one of them takes so many times its usual seconds."""

    def change(number: int, work: Work) -> Work:
        rng = _rng(number)
        took = {tool: usual * rng.lognormvariate(0.0, 0.4) for tool in ("get_order", "search", "refund")}
        took["search"] *= times if number >= AT else 1.0
        return work.changed(took=took)

    return change


PACES: list[tuple[float, float, str | None, str]] = [
    (0.3, 10.0, "search", "a tool of two runs in five takes ten times as long, the runs as long as before"),
    (0.3, 1.2, None, "it takes a fifth longer"),
    (0.002, 10.0, None, "it takes ten times as long, and nobody feels it: a hundredth of the run"),
]


@pytest.mark.parametrize(("usual", "times", "tool", "why"), PACES, ids=[row[3] for row in PACES])
def test_a_tool_that_became_slow_is_named(usual: float, times: float, tool: str | None, why: str) -> None:
    findings = _replay(_taking(usual, times), AT + 100)
    told = [one for one in findings if one.signal == "run.duration_seconds"]
    voices = ("notice", "page") if tool is not None else ()
    assert [(one.mode, one.node.get("tool")) for one in told] == [(voice, tool) for voice in voices], why
    for one in told:
        assert (one.time - START) / GAP - AT <= 40
        assert one.detail.startswith("a call of search takes "), one.detail
        assert one.unit == "seconds"
        assert one.after > 5.0 * one.before


def test_a_tool_that_stays_slow_is_not_back_and_not_told_again() -> None:
    findings = _replay(_taking(0.3, 4.0), AT + 1_500)
    told = [one for one in findings if one.signal == "run.duration_seconds" and one.status != "update"]
    assert [(one.status, one.mode) for one in told[:2]] == [("firing", "notice"), ("firing", "page")]
    assert [(one.status, one.reason) for one in told[2:]] == [("resolved", SETTLED)]


def _among(tenants: str, changed: str, change: Change) -> Change:
    """Runs of several tenants by turns; from `AT` on those of some change."""

    def each(number: int, work: Work) -> Work:
        tenant = _rng(number).choice(tenants)
        work = work.changed(tenant=tenant)
        return change(number, work) if number >= AT and tenant in changed else work

    return each


def _slow(_: int, work: Work) -> Work:
    return work.changed(seconds=work.seconds * 4.0)


TENANTS: list[tuple[str, str, Change, str | None, str]] = [
    ("abcd", "b", _prose, "b", "prose for one of four"),
    ("abcd", "b", _slow, "b", "one of four waits four times as long"),
    ("abcd", "abcd", _prose, None, "prose for all"),
    ("abcd", "ab", _prose, None, "prose for half of them: no one tenant explains it"),
    ("a", "a", _prose, None, "an agent of one tenant"),
]


@pytest.mark.parametrize(("tenants", "changed", "change", "named", "why"), TENANTS, ids=[row[4] for row in TENANTS])
def test_a_change_of_one_tenant_names_it(
    tenants: str, changed: str, change: Change, named: str | None, why: str
) -> None:
    findings = _replay(_among(tenants, changed, change), AT + 120)
    told = [one for one in findings if one.status == "firing"]
    assert {one.node.get("tenant") for one in told} == {named}, why
    affected = [one for one in told[-1].affected if one.startswith("tenant=")]
    assert affected == ([f"tenant={named}"] if named is not None else [])
    assert not {*affected} & {*told[-1].unaffected}
