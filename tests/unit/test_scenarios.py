"""Scenarios: what they are as records, what is wrong with them, what holds and what does not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from monitor.cli.scenarios.trial import offset, run
from monitor.config import check_text, render
from monitor.config.scenarios.checks import _OF_RUNS, EVENTS
from monitor.config.scenarios.story import fails, story_of
from schemas.actions import PostedAlert, SilenceSet
from schemas.config import Config
from schemas.event import Event
from schemas.settings.scenarios import START, Events, Scenario


def scenario(**parts: Any) -> Scenario:
    return Scenario.model_validate({"name": "s", "expect": [{"at": "1h", "alerts": []}], **parts})


# -- the story


def test_runs_stand_at_even_distances_and_rows_follow_each_other() -> None:
    rows = [
        {"agent": "a", "version": "v1", "runs": "3 every 10s", "calls": {"t": 2}, "model": "m", "duration": "4s"},
        {"agent": "a", "version": "v2", "runs": "2 every 5s"},
        {"agent": "b", "at": "0s", "runs": "1 every 5s"},
    ]
    events = [record for record in story_of(scenario(events=rows)).records if isinstance(record, Event)]
    starts = [(event.agent, event.version, event.at - START) for event in events if event.kind == "run_started"]
    assert starts == [("a", "v1", 0.0), ("b", None, 0.0), ("a", "v1", 10.0), ("a", "v1", 20.0), ("a", "v2", 30.0),
                      ("a", "v2", 35.0)]  # fmt: skip
    first = [(event.kind, event.at - START) for event in events if event.run == "e0.0"]
    assert first == [
        ("run_started", 0.0), ("llm_call", 1.0), ("tool_call", 2.0), ("tool_call", 3.0), ("run_finished", 4.0),
    ]  # fmt: skip
    assert len({event.id for event in events}) == len(events)


@pytest.mark.parametrize(
    ("share", "wanted"), [(0.0, []), (0.25, [3, 7, 11]), (0.04, []), (1.0, list(range(12))), (1 / 3, [2, 5, 8, 11])]
)
def test_failures_are_spread_evenly(share: float, wanted: list[int]) -> None:
    assert [index for index in range(12) if fails(index, share)] == wanted


def test_shares_come_true_over_the_row() -> None:
    rows = [{"agent": "a", "runs": "200 every 1s", "calls": {"t": 3}, "calls_fail": {"t": "7%"}, "fail": "4%"}]
    events = [record for record in story_of(scenario(events=rows)).records if isinstance(record, Event)]
    bad = [event for event in events if event.status == "error"]
    assert sum(event.kind == "tool_call" for event in bad) == 42
    assert sum(event.kind == "run_finished" for event in bad) == 8
    assert {event.error_type for event in bad} == {"ToolError"}


def test_alerts_and_silences_without_an_end_outlast_the_scenario() -> None:
    story = story_of(
        scenario(alerts=[{"labels": {"a": "b"}, "at": "1m"}], silences=[{"matchers": ["a=b"], "until": "5m"}])
    )
    silence, alert = story.records
    assert isinstance(silence, SilenceSet)
    assert isinstance(alert, PostedAlert)
    assert silence.ends_at == START + 300.0
    assert alert.ends_at is not None
    assert alert.ends_at > story.end == START + 3_600.0


def test_one_event_is_as_on_the_wire() -> None:
    row = {"at": "90s", "event": {"kind": "change", "component": "tool:t", "version": "4"}}
    (event,) = story_of(scenario(events=[row])).records
    assert isinstance(event, Event)
    assert (event.kind, event.at, event.version) == ("change", START + 90.0, "4")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (90, "1m30s"), (3600, "1h"), (5400.5, "1h30m0.5s"), (86_400, "1d"), (0.25, "0.25s")],
)
def test_offsets_are_written_as_in_the_file(seconds: float, text: str) -> None:
    assert offset(seconds) == text


# -- what is wrong with them

HEAD = "owners: {a: {}}\ntests:\n- name: s\n  expect: [{at: 1h, alerts: []}]\n  "
EXPECT = "owners: {a: {}}\ntests:\n- name: s\n  expect:\n  - "
PROBLEMS = [
    ("tests: [{expect: [{at: 1h, alerts: []}]}]", 1, 9, "`name` is missing here", None),
    ("tests: [{name: s, expect: []}]", 1, 19, "list should have at least 1 item", None),
    ("tests:\n- {name: s, expect: [{at: 1h}]}", 2, 22, "this expects nothing", None),
    ("tests:\n- &s {name: s, expect: [{at: 1h, alerts: []}]}\n- {name: s, expect: [{at: 1h, alerts: []}]}", 3, 10,
     "a second scenario `s`, first on line 2", None),
    (HEAD + "evnts: []", 5, 3, "unknown key `evnts`", "events"),
    (HEAD + "start: noon", 5, 10, "'noon' is no moment", None),
    (HEAD + "events: [{agent: x}]", 5, 12, "a row has either `runs` (and `agent`) or `event`", None),
    (HEAD + "events: [{runs: 5 every 1s}]", 5, 12, "runs need an `agent`", None),
    (HEAD + "events: [{agent: x, runs: 5}]", 5, 29, "5 is no number of runs; write `500 every 30s`", None),
    (HEAD + "events: [{agent: x, runs: 5 every 0s}]", 5, 29, "'5 every 0s' is no number of runs", None),
    (HEAD + "events: [{agent: x, runs: 5 every 1s, calls: {t: 1}, calls_fail: {tt: 5%}}]", 5, 69,
     "`calls` has no tool `tt`", "t"),
    (HEAD + "events: [{agent: x, runs: 5 every 1s, duration: 0s}]", 5, 51, "this must be longer than nothing", None),
    (HEAD + "events: [{agent: x, runs: 5 every 1s, tokens: 5}]", 5, 49, "tokens are a model's", None),
    (HEAD + "events: [{agent: x, runs: 5 every 1s, fail: 120%}]", 5, 47, "'120%' is no share", None),
    (HEAD + f"events: [{{agent: x, runs: {EVENTS} every 1s}}]", 5, 3, f"at most {EVENTS}", None),
    (HEAD + "events: [{event: {kind: dream}}]", 5, 13, "no event: kind 'dream'", None),
    (HEAD + "events: [{version: v1, event: {kind: heartbeat, producer: p}}]", 5, 13, "`version` belongs to runs", None),
    (HEAD + "events: [{tokens: 3, event: {kind: heartbeat, producer: p}}]", 5, 13, "`tokens` belongs to runs", None),
    (HEAD + "events: [{agent: x, event: {kind: heartbeat, producer: p}}]", 5, 13, "`agent` belongs to runs", None),
    (HEAD + "alerts: [{labels: {}}]", 5, 13, "an alert needs a label", None),
    (HEAD + "alerts: [{labels: {a: b}, at: 2m, until: 1m}]", 5, 44, "an alert ends after it starts", None),
    (HEAD + "silences: [{matchers: []}]", 5, 15, "a silence needs a matcher", None),
    (HEAD + "silences: [{matchers: [a]}]", 5, 26, "no matcher:", None),
    (HEAD + "silences: [{matchers: [a=b], at: 1m, until: 1m}]", 5, 47, "a silence ends after it starts", None),
    (HEAD + "deeds: [{at: 1m, act: akc}]", 5, 25, "`akc` is not among the allowed words", "ack"),
    (HEAD + "deeds: [{at: 1m, act: not_mine, to: b}]", 5, 39, "there is no owner `b`", None),
    (HEAD + "deeds: [{at: 1m, act: ack, to: a}]", 5, 34, "`to` belongs to `not_mine`", None),
    (EXPECT + "{at: 2h, alerts: []}\n  - {at: 1h, alerts: []}", 6, 10, "expectations stand in the order of time", None),
    (EXPECT + "{at: 2h, notifications: [{reason: frist notification}]}", 5, 39, "there is no reason",
     "first notification"),
    (EXPECT + "{at: 2h, notifications: [{receiver: aa}]}", 5, 41, "there is no receiver `aa`", "a"),
    (EXPECT + "{at: 2h, notifications: [{owner: b}]}", 5, 38, "there is no owner `b`", None),
    (EXPECT + "{at: 2h, alerts: [{state: activ}]}", 5, 31, "`activ` is not among the allowed words", "active"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "column", "message", "suggestion"), PROBLEMS)
def test_a_problem_at_its_place(text: str, line: int, column: int, message: str, suggestion: str | None) -> None:
    problems = [problem for problem in check_text(text, "f.yaml") if problem.severity == "error"]
    assert [(problem.line, problem.column) for problem in problems] == [(line, column)], render(problems)
    assert message.lower() in problems[0].message.lower()
    assert problems[0].suggestion == suggestion


# -- what holds

CONFIG = Config.model_validate(
    {
        "owners": {"db": {"escalate": {"after": "20m", "to": "all"}}, "all": {}},
        "defaults": {"owner": "db"},
    }
)
DISK = {"alertname": "Disk", "severity": "page"}


def misses(**parts: Any) -> list[str]:
    return [f"{'.'.join(map(str, miss.path))}: {miss.message}" for miss in run(CONFIG, scenario(**parts)).misses]


FIRST = {"receiver": "db", "reason": "first notification", "status": "firing", "severity": "page", "mention": True}
HOLDS: list[tuple[str, list[dict[str, Any]], list[str]]] = [
    ("what is expected and there", [{"at": "1h", "alerts": [{"labels": DISK, "state": "active"}]}], []),
    ("each part of a notification is compared", [{"at": "1m", "notifications": [FIRST | {"count": 1}]}], []),
    ("one part that differs is a miss", [{"at": "1m", "notifications": [FIRST | {"severity": "notice"}]}],
     ["expect.0.notifications.0: one or more such notification expected, none found"]),
    ("a count is exact", [{"at": "1m", "notifications": [FIRST | {"count": 2}]}],
     ["expect.0.notifications.0: 2 such notification expected, 1 found"]),
    ("none of a sort", [{"at": "1m", "notifications": [{"receiver": "all", "count": 0}]}], []),
    ("an empty list says that there is nothing", [{"at": "1m", "alerts": [], "notifications": []}],
     ["expect.0.alerts: no alert was to fire", "expect.0.notifications: no notification was to be sent"]),
    ("notifications count from the moment before", [{"at": "1m", "alerts": [{"labels": DISK}]},
     {"at": "10m", "notifications": []}], []),
    ("nobody acknowledges: the next owner is told", [{"at": "19m", "notifications": [{"receiver": "all", "count": 0}]},
     {"at": "30m", "notifications": [{"reason": "escalated"}]}], []),
    ("an alert that has ended does not fire", [{"at": "3h", "alerts": []}], []),
]  # fmt: skip


@pytest.mark.parametrize(("sentence", "expect", "wanted"), HOLDS)
def test_what_holds(sentence: str, expect: list[dict[str, Any]], wanted: list[str]) -> None:
    assert misses(alerts=[{"labels": DISK, "until": "2h"}], expect=expect) == wanted, sentence


def test_a_person_acts_on_the_incident_with_these_labels() -> None:
    parts = {"alerts": [{"labels": DISK}, {"labels": {"alertname": "Other", "severity": "notice"}, "at": "2m"}]}
    ack = {"at": "5m", "act": "ack", "by": "ann", "labels": {"alertname": "Disk"}}
    told = [{"at": "4m", "notifications": [{}]},
            {"at": "5m", "notifications": [{"reason": "acknowledged", "count": 1}]},
            {"at": "1h", "notifications": [{"reason": "escalated", "count": 0}]}]  # fmt: skip
    assert misses(**parts, deeds=[ack], expect=told) == []
    assert misses(**parts, deeds=[ack | {"labels": {"alertname": "Disc"}}]) == [
        "deeds.0: there is no open incident to ack", "expect.0.alerts: no alert was to fire",
    ]  # fmt: skip


def test_an_acknowledgement_ends_what_waits_for_one() -> None:
    parts = {"alerts": [{"labels": DISK}], "expect": [{"at": "1h", "notifications": [{"receiver": "all", "count": 0}]}]}
    assert misses(**parts) != []
    assert misses(**parts, deeds=[{"at": "5m", "act": "ack"}]) == []


def test_every_key_of_a_row_is_of_runs_or_of_an_event() -> None:
    """What a row of an event has beside it would be left out, and the scenario pass without it."""
    assert {*_OF_RUNS, "at", "runs", "event"} == set(Events.model_fields)


def test_every_key_of_a_scenario_stands_in_the_docs() -> None:
    text = (Path(__file__).parents[2] / "docs" / "test.md").read_text(encoding="utf-8")
    models = [Scenario]
    for model in models:
        for name, field in model.model_fields.items():
            assert re.search(rf"\b{name}\b", text), name
            models += [arg for arg in getattr(field.annotation, "__args__", ()) if hasattr(arg, "model_fields")]
