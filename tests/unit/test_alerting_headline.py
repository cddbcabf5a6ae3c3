"""The sentence in which an alert is said: a row per shape."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.alerting.headline import closing_entry, closing_line, headline, level_texts, rate_text, share_text, visible
from tests.doubles.findings import finding

AGENT = {"agent": "refund-agent"}
SENTENCES: list[tuple[dict[str, Any], str]] = [
    ({}, "refund-agent v13: tool issue_refund fails 16 % of runs, was 4 %"),
    ({"signal": "run.failed", "node": AGENT}, "refund-agent: fails 16 % of runs, was 4 %"),
    ({"signal": "run.failed", "node": AGENT | {"version": "2"}}, "refund-agent version 2: fails 16 % of runs, was 4 %"),
    ({"node": {"tool": "issue_refund"}}, "tool issue_refund: fails 16 % of runs, was 4 %"),
    ({"signal": "run.failed", "node": {}}, "the fleet: fails 16 % of runs, was 4 %"),
    ({"signal": "run.failed", "node": {"provider": "openai"}}, "provider openai: fails 16 % of runs, was 4 %"),
    ({"signal": "run.hung", "node": AGENT}, "refund-agent: 16 % of runs hang, was 4 %"),
    (
        {"reference": "declared", "node": AGENT, "signal": "run.failed"},
        "refund-agent: fails 16 % of runs, declared normal 4 %",
    ),
    (
        {"direction": "down", "after": 0.0, "node": AGENT, "signal": "run.failed"},
        "refund-agent: fails only 0 % of runs, was 4 %",
    ),
    (
        {"signal": "agent.traffic", "node": AGENT, "before": 1 / 60, "after": 0.0},
        "refund-agent: no runs any more, was 1 per minute",
    ),
    (
        {"signal": "agent.traffic", "node": AGENT, "before": 1 / 60, "after": 0.5},
        "refund-agent: runs at 30 per minute, was 1 per minute",
    ),
    (
        {"signal": "run.steps", "node": AGENT, "before": 7.0, "after": 31.4},
        "refund-agent: run.steps rose to 31.4, was 7",
    ),
    (
        {
            "signal": "run.output_shape",
            "node": AGENT | {"version": "v13"},
            "detail": "first character is a letter in 98 % of outputs, was 0 %",
        },
        "refund-agent v13: outputs changed shape: first character is a letter in 98 % of outputs, was 0 %",
    ),
    (
        {"signal": "run.duration_seconds", "node": AGENT, "detail": "median 12 s, was 5 s"},
        "refund-agent: run.duration_seconds: median 12 s, was 5 s",
    ),
    (
        {"signal": "run.tool_mix", "node": AGENT, "detail": "search_orders in 45 % of calls, was 12 %"},
        "refund-agent: tool mix: search_orders in 45 % of calls, was 12 %",
    ),
    (
        {
            "signal": "agent.fallback",
            "node": AGENT,
            "direction": "down",
            "after": 0.0,
            "detail": "0 % of runs, was 8 %",
        },
        "refund-agent: fallbacks stopped: 0 % of runs, was 8 %",
    ),
    (
        {"signal": "tool.schema", "detail": "result.total:number is new", "corroborated": ("run.steps",)},
        "refund-agent v13: tool issue_refund interface changed: result.total:number is new (also: run.steps)",
    ),
    (
        {"signal": "run.duration_seconds", "node": AGENT, "unit": "seconds", "before": 5.0, "after": 400.0},
        "refund-agent: run.duration_seconds rose to 6.67 min, was 5 s",
    ),
    (
        {"signal": "run.cost_usd", "node": AGENT, "unit": "usd", "before": 0.0312, "after": 0.0318},
        "refund-agent: run.cost_usd rose to $0.032, was $0.031",
    ),
    (
        {"signal": "run.tokens", "node": AGENT, "unit": "tokens", "before": 900, "after": 12_345.0},
        "refund-agent: run.tokens rose to 12,345 tokens, was 900 tokens",
    ),
    (
        {"signal": "contract.violated", "paid": False, "after_bad": 3.0, "after_n": 7.0,
         "detail": "its output claims what only issue_refund does, and no call of it succeeded"},
        "refund-agent v13: breaks its contract in 3 of 7 runs: its output claims what only issue_refund does,"
        " and no call of it succeeded",
    ),
    (
        {
            "signal": "run.loop",
            "after_bad": 1.0,
            "after_n": 1.0,
            "detail": "repeats itself: 6 calls in a row bring nothing new, the last of find",
        },
        "refund-agent v13: loops in 1 of 1 runs: repeats itself: 6 calls in a row bring nothing new, the last of find",
    ),
    (
        {"signal": "contract.violated", "before_bad": 2.0},
        "refund-agent v13: tool issue_refund 16 % of runs break the contract, was 1 %",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "sentence"), SENTENCES, ids=[row[1] for row in SENTENCES])
def test_headline(changes: dict[str, Any], sentence: str) -> None:
    assert headline(finding(**changes)) == sentence


SHARES = [
    (0.16, "16 %"),
    (0.04, "4 %"),
    (0.045, "4.5 %"),
    (0.0035, "0.35 %"),
    (0.0, "0 %"),
    (1.0, "100 %"),
    (0.9996, "99.96 %"),
    (0.996, "99.6 %"),
    (0.5, "50 %"),
    (1e-7, "0.00001 %"),
    (float("nan"), "an unknown share"),
]


@pytest.mark.parametrize(("share", "text"), SHARES)
def test_share(share: float, text: str) -> None:
    assert share_text(share) == text


RATES = [
    (0.0, "none"),
    (2.0, "2 per second"),
    (1 / 60, "1 per minute"),
    (12 / 3600, "12 per hour"),
    (1 / 172_800, "0.5 per day"),
]


@pytest.mark.parametrize(("rate", "text"), RATES)
def test_rate(rate: float, text: str) -> None:
    assert rate_text(rate) == text


def test_levels_get_as_many_digits_as_it_takes_to_tell_them_apart() -> None:
    assert level_texts(finding(before_bad=24.02, after=0.1249)) == ("12 %", "12.5 %")
    assert level_texts(finding(before_bad=24.0, after=0.12)) == ("12 %", "12 %")


def test_a_history_without_failures_is_told_as_none() -> None:
    smoothed = {"before": 0.5 / 601.0, "before_n": 600.0, "before_bad": 0.0}
    assert level_texts(finding(**smoothed)) == ("0 %", "16 %")
    assert headline(finding(**smoothed)).endswith("fails 16 % of runs, was 0 %")
    assert level_texts(finding(**smoothed, reference="declared"))[0] == "0.083 %"
    drift = {"signal": "run.cost_usd", "unit": "usd", "before": 0.5, "before_bad": 0.0}
    assert level_texts(finding(**drift))[0] == "$0.5"


def test_a_closing_line_gives_the_level_only_if_it_is_better() -> None:
    back = finding(60, status="resolved", after=0.038)
    assert closing_line(finding(), back).endswith("is back to normal, 3.8 % after 16 %")
    for unknown in (finding(60, status="resolved"), finding(60, status="resolved", after=0.038, after_n=0.0)):
        assert closing_line(finding(), unknown) == "refund-agent v13: tool issue_refund is back to normal, had 16 %"


DRIFT = {
    "signal": "run.cost_usd", "node": AGENT, "unit": "usd", "before": 0.02, "after": 0.0312,
    "detail": "median $0.031, was $0.02",
}  # fmt: skip
LAST = "refund-agent v13: tool issue_refund is not followed any more"
ENDS: list[tuple[dict[str, Any], str, str, str]] = [
    ({}, "the signal is back", "refund-agent v13: tool issue_refund is back to normal, 3.8 % after 16 %",
     "back to normal: tool.failed of refund-agent v13"),
    ({}, "version v13 gets no more runs", f"{LAST}: version v13 gets no more runs, had 16 %",
     "not followed any more: tool.failed of refund-agent v13: version v13 gets no more runs"),
    ({}, "a human calls it a false alarm", f"{LAST}: a human calls it a false alarm, had 16 %",
     "not followed any more: tool.failed of refund-agent v13: a human calls it a false alarm"),
    (DRIFT, "back to what it was", "refund-agent: is back to normal, had $0.031",
     "back to normal: run.cost_usd of refund-agent"),
    (DRIFT, "the new level is normal by now",
     "refund-agent: run.cost_usd: taken as normal by now: median $0.031, was $0.02",
     "taken as normal by now: run.cost_usd of refund-agent: median $0.031, was $0.02"),
    (DRIFT, "the new level was declared normal",
     "refund-agent: run.cost_usd: taken as normal by now: median $0.031, was $0.02",
     "taken as normal by now: run.cost_usd of refund-agent: median $0.031, was $0.02"),
    (DRIFT | {"detail": ""}, "steady for 200 runs",
     "refund-agent: run.cost_usd: taken as normal by now: $0.031, was $0.02",
     "taken as normal by now: run.cost_usd of refund-agent: $0.031, was $0.02"),
    (DRIFT, "what is normal is learned anew",
     "refund-agent: is not followed any more: what is normal is learned anew, had $0.031",
     "not followed any more: run.cost_usd of refund-agent: what is normal is learned anew"),
    ({"words": "disk is full"}, "", "over: disk is full", "over: tool.failed of refund-agent v13"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "reason", "line", "entry"), ENDS, ids=[row[1] or "words" for row in ENDS])
def test_only_what_is_back_is_told_as_back(changes: dict[str, Any], reason: str, line: str, entry: str) -> None:
    level = changes.get("after", 0.038)
    recovery = finding(60, **(changes | {"status": "resolved", "reason": reason, "after": level}))
    assert closing_line(finding(**changes), recovery) == line
    assert closing_entry(recovery) == entry


def test_what_a_person_ended_is_not_told_as_back() -> None:
    assert closing_line(finding(), None, "new normal") == f"{LAST}: new normal, had 16 %"
    assert closing_line(finding(), None) == f"{LAST}, had 16 %"


def test_visible_changes_with_what_a_reader_sees_and_with_nothing_else() -> None:
    shown = visible(finding())
    same = [{"after": 0.1602}, {"after_bad": 25.0}, {"after_n": 200.0}, {"runs": ("other",)}, {"id": "x"}]
    other = [
        {"after": 0.17},
        {"before_bad": 10.0},
        {"after_n": 300.0},
        {"error_types": ("x",)},
        {"node": {"agent": "a"}},
    ]
    assert [visible(finding(**changes)) == shown for changes in same] == [True] * len(same)
    assert [visible(finding(**changes)) == shown for changes in other] == [False] * len(other)
