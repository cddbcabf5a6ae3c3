"""Broken contracts: what is told, when, how loud, and what only looks like one. A sentence a row."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.runs import Closed, Fact, RunTracker
from monitor.runs.packing import runs_from_bytes, runs_to_bytes
from schemas.config import Contract
from schemas.event import Event

NOW = 1_000_000.0
Step = tuple[str, dict[str, Any]]
CONTRACT: dict[str, Any] = {
    "tools": {"issue_refund": {}, "lookup": {}},
    "limits": {"steps": 4, "duration": "60s", "cost_usd": 0.5, "tokens": 1000},
    "outcomes": ["resolved", "escalated"],
    "claims": [{"output_matches": "refund (has been|was) issued", "requires_tool": "issue_refund"}],
    "effects": [{"outcome": "resolved", "requires_tool": "lookup"}],
}
CALL: Step = ("tool_call", {"tool": "lookup", "soft_error": False})
REFUND: Step = ("tool_call", {"tool": "issue_refund", "soft_error": False})
END: Step = ("run_finished", {"outcome": "resolved"})
CLAIMS: Step = ("llm_call", {"violations": ["claim:0"], "output_hash": 1})


def _events(steps: list[Step]) -> list[Event]:
    common: dict[str, Any] = {"time": NOW, "agent": "x", "run": "r1", "version": "v1"}
    return [Event(kind=kind, **(common | {"id": f"e{i}"} | fields)) for i, (kind, fields) in enumerate(steps)]


def _told(steps: list[Step], contract: dict[str, Any] | None = None) -> tuple[list[tuple[int, Fact]], Closed | None]:
    """Facts with the number of the event at which each was told, and the closed run."""
    tracker = RunTracker({}, contract=Contract.model_validate(CONTRACT if contract is None else contract))
    found, closed = [], None
    for number, event in enumerate(_events(steps)):
        run = tracker.take(event, NOW)
        assert run is not None
        if event.kind == "run_finished":
            closed = tracker.finish(run, event, NOW)
        found += [(number, fact) for fact in run.work.facts]
        run.work.facts.clear()
    return found, closed


BROKEN: list[tuple[str, list[Step], list[tuple[int, str, str]]]] = [
    ("the fifth of four steps is told when it is taken", [CALL] * 6 + [END], [(4, "limit: steps", "")]),
    (
        "model calls are steps as well",
        [("llm_call", {}), CALL] * 3 + [END],
        [(4, "limit: steps", "")],
    ),
    (
        "tokens beyond the limit, input and output together",
        [CALL, ("llm_call", {"input_tokens": 900, "output_tokens": 90}), ("llm_call", {"input_tokens": 11}), END],
        [(2, "limit: tokens", "")],
    ),
    (
        "cost beyond the limit, as soon as it is",
        [CALL, ("llm_call", {"cost_usd": 0.3}), ("llm_call", {"cost_usd": 0.3}), END],
        [(2, "limit: cost_usd", "")],
    ),
    (
        "cost that only the end tells",
        [CALL, ("run_finished", {"outcome": "resolved", "cost_usd": 0.6})],
        [(1, "limit: cost_usd", "")],
    ),
    (
        "an event that comes after the time is up",
        [CALL, ("llm_call", {"time": NOW + 61.0}), ("run_finished", {"outcome": "resolved", "time": NOW + 70.0})],
        [(1, "limit: duration", "")],
    ),
    (
        "a duration that only the end tells",
        [CALL, ("run_finished", {"outcome": "resolved", "duration_seconds": 61.0})],
        [(1, "limit: duration", "")],
    ),
    ("an outcome of its own invention", [CALL, ("run_finished", {"outcome": "done"})], [(1, "outcome", "")]),
    (
        "a refund that is claimed and was never issued",
        [CALL, CLAIMS, END],
        [(2, "claim: issue_refund", "issue_refund")],
    ),
    (
        "a refund that is claimed although issuing it failed",
        [CALL, ("tool_call", {"tool": "issue_refund", "status": "error"}), CLAIMS, END],
        [(3, "claim: issue_refund", "issue_refund")],
    ),
    (
        "a claim in the final output counts as well",
        [CALL, ("run_finished", {"outcome": "resolved", "violations": ["claim:0"], "output_hash": 1})],
        [(1, "claim: issue_refund", "issue_refund")],
    ),
    ("resolved, and nothing was looked up", [REFUND, END], [(1, "effect: lookup", "lookup")]),
    (
        "what an event's own text breaks, with its tool, at once",
        [
            CALL,
            ("tool_call", {"tool": "issue_refund", "violations": ["arguments: issue_refund: 'order_id' is missing"]}),
            END,
        ],
        [(1, "arguments: issue_refund: 'order_id' is missing", "issue_refund")],
    ),
    (
        "the same rule twice is told once",
        [CALL, *[("tool_call", {"tool": "drop", "violations": ["tool: not in the contract: drop"]})] * 2, END],
        [(1, "tool: not in the contract: drop", "drop")],
    ),
]


@pytest.mark.parametrize(("sentence", "steps", "told"), BROKEN, ids=[row[0] for row in BROKEN])
def test_a_broken_rule_is_told(sentence: str, steps: list[Step], told: list[tuple[int, str, str]]) -> None:
    found, closed = _told(steps)
    assert [(number, fact.rule, fact.tool) for number, fact in found] == told, sentence
    assert {fact.signal for _, fact in found} == {"contract.violated"}
    assert closed is not None
    assert closed.contract
    assert closed.work.broken == [rule for _, rule, _ in told]
    assert closed.silent, "it says ok, and its contract says otherwise"


KEPT: list[tuple[str, list[Step]]] = [
    ("exactly as many steps as allowed", [CALL] * 4 + [END]),
    ("the simulated user's calls are no steps", [CALL, *[("tool_call", {"tool": "own", "actor": "user"})] * 9, END]),
    ("exactly as many tokens as allowed", [CALL, ("llm_call", {"input_tokens": 900, "output_tokens": 100}), END]),
    ("exactly as long as allowed", [CALL, ("run_finished", {"outcome": "resolved", "duration_seconds": 60.0})]),
    ("an outcome that is not told is no wrong one", [CALL, ("run_finished", {})]),
    ("a refund that is claimed and was issued", [CALL, REFUND, CLAIMS, END]),
    ("a refund that is claimed first and issued then", [CALL, CLAIMS, REFUND, END]),
    ("a refund that failed and then went through", [CALL, ("tool_call", {"tool": "issue_refund", "status": "error"}),
                                                    REFUND, CLAIMS, END]),
    ("a refund that is issued and not claimed", [CALL, REFUND, END]),
    ("another outcome needs no lookup", [REFUND, ("run_finished", {"outcome": "escalated"})]),
    ("a claim that the contract does not know", [CALL, ("llm_call", {"violations": ["claim:7"]}), END]),
]  # fmt: skip


@pytest.mark.parametrize(("sentence", "steps"), KEPT, ids=[row[0] for row in KEPT])
def test_what_keeps_the_contract(sentence: str, steps: list[Step]) -> None:
    found, closed = _told(steps)
    assert found == [], sentence
    assert closed is not None
    assert closed.work.broken == []
    assert not closed.silent


VOICES: list[tuple[dict[str, str], str]] = [
    ({}, "notice"),
    ({"on_violation": "page"}, "page"),
    ({"severity": "page"}, "page"),
    ({"severity": "page", "on_violation": "notice"}, "page"),
    ({"severity": "notice", "on_violation": "notice"}, "notice"),
]


@pytest.mark.parametrize(("settings", "severity"), VOICES)
def test_how_loud(settings: dict[str, str], severity: str) -> None:
    found, _ = _told([("run_finished", {"outcome": "done"})], {"outcomes": ["resolved"]} | settings)
    assert [fact.severity for _, fact in found] == [severity]


def test_without_a_contract_nothing_is_broken() -> None:
    tracker = RunTracker({})
    call, claim, end = _events(
        [("tool_call", {"tool": "t", "violations": ["tool: not in the contract: t"]}), CLAIMS, END]
    )
    assert tracker.take(call, NOW) is tracker.take(claim, NOW)
    run = tracker.take(end, NOW)
    assert run is not None
    closed = tracker.finish(run, end, NOW)
    assert (closed.contract, closed.work.broken, closed.work.facts) == (False, [], [])


def test_a_run_that_hangs_has_taken_too_long() -> None:
    tracker = RunTracker({}, timeout=90.0, contract=Contract.model_validate(CONTRACT))
    run = tracker.take(_events([CALL])[0], NOW)
    assert run is not None
    closed = tracker.hang(run, NOW + 90.0)
    assert closed.work.broken == ["limit: duration"], "its outcome is not known, so nothing else is"
    assert not closed.silent


@pytest.mark.parametrize(("sentence", "steps", "told"), BROKEN, ids=[row[0] for row in BROKEN])
def test_saved_and_restored_between_any_two_events_the_same_is_told(
    sentence: str, steps: list[Step], told: list[tuple[int, str, str]]
) -> None:
    contract = Contract.model_validate(CONTRACT)
    for cut in range(1, len(steps)):
        tracker = RunTracker({}, contract=contract)
        found = []
        for number, event in enumerate(_events(steps)):
            if number == cut:
                saved = runs_to_bytes(tracker.block(0))
                tracker = RunTracker({}, contract=contract)
                tracker.restore(runs_from_bytes(saved))
            run = tracker.take(event, NOW)
            assert run is not None
            if event.kind == "run_finished":
                tracker.finish(run, event, NOW)
            found += [(number, fact.rule, fact.tool) for fact in run.work.facts]
            run.work.facts.clear()
        assert found == told, (sentence, cut)


def test_rules_of_one_run_are_bounded() -> None:
    steps: list[Step] = [
        ("tool_call", {"tool": "t", "violations": [f"arguments: t: {i}.{j}" for j in range(20)]}) for i in range(10)
    ]
    found, _ = _told(steps, {"outcomes": ["resolved"]})
    assert len(found) == 50
