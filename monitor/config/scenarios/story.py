"""A scenario → the records that the monitor would have seen, in the order of time.

Pure. Failures are spread evenly: 25 % is every fourth. The same scenario gives the same records. Whoever asks for a
story has had the scenario checked (`monitor.config.scenarios.checks`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from monitor.alerting.routing.matchers import parse_matchers, posted_of
from schemas.actions import Action, PostedAlert, SilenceSet
from schemas.event import NOTHING, Event, check, decode, raw
from schemas.settings.scenarios import Events, Scenario

BEYOND_SECONDS = 86_400.0
"""What lasts to the end of a scenario lasts so much longer than its last expectation."""


@dataclass
class Story:
    """What happens, in order, and when it is over. Times in epoch seconds."""

    end: float
    records: list[Event | Action] = field(default_factory=list)


def story_of(scenario: Scenario) -> Story:
    """All events, alerts and silences of a scenario."""
    end = scenario.start + max(expected.at for expected in scenario.expect)
    story = Story(end)
    records: list[Event | Action] = [*_silences(scenario, end), *_alerts(scenario, end)]
    begin = 0.0
    for number, row in enumerate(scenario.events):
        at = begin if row.at is None else row.at
        records += _events(row, number, scenario.start + at)
        begin = at + lasts(row)
    story.records = sorted(records, key=_time)  # stable: silences, alerts, then events in the order of the file
    return story


def lasts(row: Events) -> float:
    """Seconds from the first event of a row to where the next row begins."""
    return row.runs.number * row.runs.seconds if row.runs is not None else 0.0


def size(row: Events) -> int:
    """How many events a row is."""
    if row.runs is None:
        return 1
    return row.runs.number * (2 + sum(row.calls.values()) + (row.model is not None))


def fails(index: int, share: float) -> bool:
    """Whether the `index`-th (from 0) is one of the `share` that fail."""
    return math.floor(round((index + 1) * share, 9)) > math.floor(round(index * share, 9))


def one_event(fields: dict[str, Any], at: float, name: str) -> Event:
    """An event as it is on the wire. Raises `BadEvent`."""
    return decode(json.dumps({"id": name, **fields, "time": at}).encode())


def _events(row: Events, number: int, at: float) -> Iterator[Event]:
    if row.event is not None:
        yield one_event(row.event, at, f"e{number}")
    elif row.runs is not None:
        for index in range(row.runs.number):
            yield from _run(row, f"e{number}.{index}", index, at + index * row.runs.seconds)


def _run(row: Events, name: str, index: int, at: float) -> Iterator[Event]:
    """Start, model, tools, end: the calls stand at even distances between start and end."""
    calls = [(tool, index * times + each) for tool, times in row.calls.items() for each in range(times)]
    pause = row.duration / (len(calls) + (row.model is not None) + 1)
    said: dict[str, Any] = {
        "agent": row.agent, "version": row.version, "run": name, "tenant": row.tenant, "labels": row.labels or None,
    }  # fmt: skip
    yield check(Event(kind="run_started", time=at, id=f"{name}.s", **said))
    moment = at
    if row.model is not None:
        moment += pause
        yield check(
            Event(kind="llm_call", time=moment, id=f"{name}.m", model=row.model, output_tokens=row.tokens, **said)
        )
    for place, (tool, call) in enumerate(calls):
        moment += pause
        failed = fails(call, row.calls_fail.get(tool, 0.0))
        yield check(
            Event(
                kind="tool_call",
                time=moment,
                id=f"{name}.{place}",
                tool=tool,
                status="error" if failed else "ok",
                error_type=row.error_type if failed else None,
                **said,
            )
        )
    failed = fails(index, row.fail)
    yield check(
        Event(
            kind="run_finished",
            time=at + row.duration,
            id=f"{name}.f",
            status="error" if failed else "ok",
            error_type=row.error_type if failed else None,
            duration_seconds=row.duration,
            outcome=row.outcome,
            cost_usd=row.cost_usd,
            **said,
            output=NOTHING if row.output is None else raw(row.output),
        )
    )


def _alerts(scenario: Scenario, end: float) -> Iterator[Action]:
    """Each is posted once, with its end: who posts it again until then says the same."""
    for alert in scenario.alerts:
        at = scenario.start + alert.at
        until = end + BEYOND_SECONDS if alert.until is None else scenario.start + alert.until
        yield PostedAlert(time=at, labels=alert.labels, annotations=alert.annotations, starts_at=at, ends_at=until)


def _silences(scenario: Scenario, end: float) -> Iterator[Action]:
    for number, silence in enumerate(scenario.silences):
        at = scenario.start + silence.at
        yield SilenceSet(
            time=at,
            id=f"scenario-silence-{number + 1}",
            matchers=tuple(posted_of(found) for text in silence.matchers for found in parse_matchers(text)),
            starts_at=at,
            ends_at=end + BEYOND_SECONDS if silence.until is None else scenario.start + silence.until,
            created_by=silence.by,
            comment=silence.comment,
        )


def _time(record: Event | Action) -> float:
    return record.at if isinstance(record, Event) else record.time
