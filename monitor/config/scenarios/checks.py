"""What the types of scenarios cannot say: rows that are complete, names that exist, moments in order.

Reports at the place and raises nothing, as the other checks do.
"""

from __future__ import annotations

from monitor.alerting.routing.matchers import parse_matchers
from monitor.config.document import Mapping, Sequence, clip
from monitor.config.meaning import Checked
from monitor.config.scenarios.story import one_event, size
from schemas.alert import NotificationReason
from schemas.event import BadEvent
from schemas.settings.scenarios import Events, Expectation, Scenario, ScenarioAlert, ScenarioDeed, ScenarioSilence

EVENTS = 200_000
"""Events of one scenario. More: refused, since a test that takes minutes is not run."""

_OF_RUNS = (
    "agent", "version", "model", "tenant", "labels", "fail", "duration", "calls", "calls_fail", "error_type", "outcome",
    "output", "cost_usd", "tokens",
)  # fmt: skip


def check_scenarios(checked: Checked) -> None:
    """Every scenario of `tests:`."""
    section = checked.document.root.get("tests", ())
    first: dict[str, int] = {}
    for place, scenario in zip(section, checked.config.tests, strict=True):
        line = first.setdefault(scenario.name, place.values_at["name"].line)
        if line != place.values_at["name"].line:
            checked.at(place, "name", f"a second scenario `{clip(scenario.name)}`, first on line {line}")
        _check_scenario(checked, place, scenario)


def _check_scenario(checked: Checked, place: Mapping, scenario: Scenario) -> None:
    for row_at, row in zip(place.get("events", ()), scenario.events, strict=True):
        _check_events(checked, row_at, row)
    count = sum(size(row) for row in scenario.events)
    if count > EVENTS:
        checked.document.report(
            place.keys_at["events"], (*place.path, "events"), f"these are {count} events; at most {EVENTS}"
        )
    for row_at, alert in zip(place.get("alerts", ()), scenario.alerts, strict=True):
        _check_alert(checked, row_at, alert)
    for row_at, silence in zip(place.get("silences", ()), scenario.silences, strict=True):
        _check_silence(checked, row_at, silence)
    for row_at, deed in zip(place.get("deeds", ()), scenario.deeds, strict=True):
        _check_deed(checked, row_at, deed)
    before = -1.0
    for row_at, expected in zip(place.get("expect", ()), scenario.expect, strict=True):
        if expected.at <= before:
            checked.at(row_at, "at", "expectations stand in the order of time")
        before = max(before, expected.at)
        _check_expectation(checked, row_at, expected)


def _check_events(checked: Checked, place: Mapping, row: Events) -> None:
    if (row.runs is None and "runs" in place.keys_at) or (row.event is None and "event" in place.keys_at):
        return  # what stands there cannot be read, which is told
    if (row.event is None) == (row.runs is None):
        checked.document.report(place.span, place.path, "a row has either `runs` (and `agent`) or `event`")
        return
    if row.event is not None:
        for key in _OF_RUNS:
            if key in place:
                checked.document.report(
                    place.keys_at[key], (*place.path, key), f"`{key}` belongs to runs, not to an `event`"
                )
        try:
            one_event(row.event, 0.0, "e")
        except BadEvent as error:
            checked.document.report(place.keys_at["event"], (*place.path, "event"), f"no event: {error.detail}")
        return
    if not row.agent:
        checked.document.report(place.span, place.path, "runs need an `agent`")
    if row.duration <= 0.0:
        checked.at(place, "duration", "this must be longer than nothing")
    if row.tokens is not None and row.model is None:
        checked.at(place, "tokens", "tokens are a model's: say which `model`")
    for tool in row.calls_fail:
        if tool not in row.calls:
            holder = place["calls_fail"]
            checked.document.unknown(
                holder.keys_at[tool], (*holder.path, tool), "`calls` has no tool", tool, tuple(row.calls)
            )


def _check_alert(checked: Checked, place: Mapping, alert: ScenarioAlert) -> None:
    if not any(alert.labels.values()):
        checked.document.report(place.keys_at["labels"], (*place.path, "labels"), "an alert needs a label")
    if alert.until is not None and alert.until <= alert.at:
        checked.at(place, "until", "an alert ends after it starts")


def _check_silence(checked: Checked, place: Mapping, silence: ScenarioSilence) -> None:
    matchers = place.get("matchers")
    if not silence.matchers:
        checked.document.report(place.keys_at["matchers"], (*place.path, "matchers"), "a silence needs a matcher")
    if isinstance(matchers, Sequence):
        for index, text in enumerate(silence.matchers):
            try:
                parse_matchers(text)
            except ValueError as error:
                path = (*matchers.path, matchers.indexes[index])
                checked.document.report(matchers.items_at[index], path, f"no matcher: {error}", found=clip(text))
    if silence.until is not None and silence.until <= silence.at:
        checked.at(place, "until", "a silence ends after it starts")


def _check_deed(checked: Checked, place: Mapping, deed: ScenarioDeed) -> None:
    if deed.to is not None:
        checked.owner(place, "to")
        if deed.act != "not_mine":
            checked.at(place, "to", f"`to` belongs to `not_mine`, not to `{deed.act}`")


def _check_expectation(checked: Checked, place: Mapping, expected: Expectation) -> None:
    if expected.alerts is None and expected.notifications is None:
        checked.document.report(place.span, place.path, "this expects nothing: write `alerts` or `notifications`")
    receivers, owners = checked.names.receivers, checked.names.owners
    reasons = tuple(str(reason) for reason in NotificationReason)
    rows = place.get("notifications", ())
    for row_at, row in zip(rows, expected.notifications or (), strict=True):
        if row.reason is not None and row.reason not in reasons:
            path = (*row_at.path, "reason")
            checked.document.unknown(row_at.values_at["reason"], path, "there is no reason", row.reason, reasons)
        if row.owner is not None:
            checked.owner(row_at, "owner")
        if row.receiver is not None and receivers is not None and owners is not None:
            known = tuple(dict.fromkeys((*receivers, *owners, checked.config.default_owner)))
            if row.receiver not in known:
                path = (*row_at.path, "receiver")
                checked.document.unknown(
                    row_at.values_at["receiver"], path, "there is no receiver", row.receiver, known
                )
