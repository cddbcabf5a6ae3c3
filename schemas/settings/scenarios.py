"""Scenarios in the YAML: what happens on a virtual clock, and what is expected then. Run by `forewarn test`.

Times are durations after the start of the scenario. What is wrong with them is told by `monitor.config.scenarios`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator, Field, WithJsonSchema

from schemas.settings.quantities import Duration, Share, Strict, parse_duration

_RUNS = re.compile(r"(\d{1,7}) every (\S+)")
START = datetime(2026, 1, 5, tzinfo=UTC).timestamp()
"""When a scenario starts that says nothing of it: a Monday, midnight UTC."""


class Pace(NamedTuple):
    """So many runs, one each so many seconds."""

    number: int
    seconds: float


def _parse_pace(value: object) -> Pace:
    """`500 every 30s`."""
    if isinstance(value, str) and (match := _RUNS.fullmatch(value.strip())) and int(match[1]):
        seconds = parse_duration(match[2])
        if seconds > 0.0:
            return Pace(int(match[1]), seconds)
    raise ValueError(f"{value!r} is no number of runs; write `500 every 30s`")


def _parse_start(value: object) -> float:
    """A date, or a moment in RFC 3339 (UTC unless it says otherwise) → epoch seconds."""
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        except ValueError:
            pass
    raise ValueError(f"{value!r} is no moment; write `2026-01-31T12:00:00Z`")


def _text(hint: str, *examples: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "description": hint, "examples": list(examples)})


Runs = Annotated[Pace, BeforeValidator(_parse_pace), _text("a number and a distance", "500 every 30s")]
Start = Annotated[float, BeforeValidator(_parse_start), _text("a moment in RFC 3339", "2026-01-31T12:00:00Z")]
Calls = Annotated[int, Field(ge=0, le=1_000)]
Labels = dict[str, str]


class Events(Strict):
    """Runs of one agent at even distances, or one event as it is on the wire."""

    agent: str | None = None
    version: str | None = None
    model: str | None = None
    tenant: str | None = None
    labels: Labels = Field(default_factory=dict)
    at: Duration | None = None
    """When the first comes; default: where the row before ends."""
    runs: Runs | None = None
    fail: Share = 0.0
    """Share of the runs that end with status error, spread evenly."""
    duration: Duration = 1.0
    """Of each run."""
    calls: dict[str, Calls] = Field(default_factory=dict)
    """Tool → calls in each run."""
    calls_fail: dict[str, Share] = Field(default_factory=dict)
    """Tool → share of its calls that fail, spread evenly; the run still ends with status ok unless `fail` says so."""
    error_type: str = "ToolError"
    outcome: str | None = None
    output: str | None = None
    tokens: int | None = Field(default=None, ge=0)
    cost_usd: float | None = Field(default=None, ge=0)
    event: dict[str, Any] | None = None
    """Any one event, as `change` or `complaint`; without `time`."""


class ScenarioAlert(Strict):
    """An alert that another system posts."""

    labels: Labels
    annotations: Labels = Field(default_factory=dict)
    at: Duration = 0.0
    until: Duration | None = None
    """When it ends; default: it fires to the end of the scenario."""


class ScenarioSilence(Strict):
    """A silence that somebody sets. `at`: when it is set and starts."""

    matchers: list[str]
    at: Duration = 0.0
    until: Duration | None = None
    """Default: to the end of the scenario."""
    by: str = "scenario"
    comment: str = ""


class ScenarioDeed(Strict):
    """What a person does with the open incident that has an alert with all these `labels`."""

    at: Duration
    act: Literal["ack", "unack", "not_mine", "false_alarm", "new_normal"]
    labels: Labels = Field(default_factory=dict)
    by: str = "scenario"
    to: str | None = None
    """For `not_mine`: the owner that it goes to."""
    note: str = ""


class ExpectedAlert(Strict):
    """Alerts with at least these labels. `count`: how many; default: one or more."""

    labels: Labels = Field(default_factory=dict)
    state: Literal["active", "suppressed", "unprocessed"] | None = None
    count: int | None = Field(default=None, ge=0)


class ExpectedNotification(Strict):
    """Notifications that have all that is written here. `labels`: one of its alerts has them."""

    receiver: str | None = None
    owner: str | None = None
    reason: str | None = None
    status: Literal["firing", "resolved"] | None = None
    severity: Literal["page", "notice"] | None = None
    mention: bool | None = None
    labels: Labels = Field(default_factory=dict)
    group_labels: Labels = Field(default_factory=dict)
    count: int | None = Field(default=None, ge=0)
    """How many; default: one or more."""


class Expectation(Strict):
    """What is there at a moment. A list that is written empty: nothing at all."""

    at: Duration
    alerts: list[ExpectedAlert] | None = None
    """That fire at this moment."""
    notifications: list[ExpectedNotification] | None = None
    """That were sent after the expectation before and up to this moment."""


class Scenario(Strict):
    """One story and what must come of it."""

    name: str = Field(min_length=1, max_length=200)
    start: Start = START
    events: list[Events] = Field(default_factory=list)
    alerts: list[ScenarioAlert] = Field(default_factory=list)
    silences: list[ScenarioSilence] = Field(default_factory=list)
    deeds: list[ScenarioDeed] = Field(default_factory=list)
    expect: list[Expectation] = Field(min_length=1)
