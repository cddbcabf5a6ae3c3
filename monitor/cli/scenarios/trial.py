"""One scenario, tried: its story through a replay, with a stop at each deed and each expectation.

Prints nothing. What does not hold is a `Miss`: where it stands in the file, what was expected, what was found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from monitor.config.scenarios.story import story_of
from monitor.runtime.replay import Replay, Said
from schemas.actions import Deed
from schemas.alert import AlertView, Incident, Notification
from schemas.config import Config
from schemas.settings.scenarios import (
    Expectation,
    ExpectedAlert,
    ExpectedNotification,
    Scenario,
    ScenarioDeed,
)

FOUND_SHOWN = 8
"""What was found instead is listed up to here; the rest is counted."""


@dataclass(frozen=True)
class Miss:
    """Something that does not hold. `path` leads to the row in the file, from the scenario."""

    path: tuple[str | int, ...]
    at: float
    message: str
    expected: str = ""
    found: tuple[str, ...] = ()


@dataclass
class Trial:
    """How a scenario went."""

    scenario: Scenario
    misses: list[Miss] = field(default_factory=list)
    notifications: list[Notification] = field(default_factory=list)


def run(config: Config, scenario: Scenario) -> Trial:
    """Try one scenario from a monitor that knows nothing."""
    trial, replay, story = Trial(scenario), Replay(_without_gate(config)), story_of(scenario)
    fed, since = 0, 0
    for at, act in _stops(trial, scenario, replay):
        moment = scenario.start + at
        upto = fed
        while upto < len(story.records) and story.records[upto].time <= moment:  # type: ignore[operator]
            upto += 1
        _keep(trial, replay.feed(story.records[fed:upto]))
        _keep(trial, replay.advance(moment))
        fed = upto
        since = act(since)
    return trial


def _without_gate(config: Config) -> Config:
    """A scenario is no production: nobody is told that its agents are not ready."""
    return config.model_copy(update={"ready": config.ready.model_copy(update={"mode": "off"})})


def _stops(trial: Trial, scenario: Scenario, replay: Replay) -> Iterator[tuple[float, Callable[[int], int]]]:
    """When to look or to act, in order; deeds come before what is expected at the same time."""
    stops: list[tuple[float, int, Callable[[int], int]]] = []
    for number, deed in enumerate(scenario.deeds):
        stops.append((deed.at, 0, lambda since, n=number, d=deed: _act(trial, replay, n, d, since)))  # type: ignore[misc]
    for number, expected in enumerate(scenario.expect):
        stops.append((expected.at, 1, lambda since, n=number, e=expected: _look(trial, replay, n, e, since)))  # type: ignore[misc]
    for at, _, act in sorted(stops, key=lambda stop: stop[:2]):
        yield at, act


def _keep(trial: Trial, said: Iterator[Said]) -> None:
    trial.notifications += [one for one in said if isinstance(one, Notification)]


def _act(trial: Trial, replay: Replay, number: int, deed: ScenarioDeed, since: int) -> int:
    moment = trial.scenario.start + deed.at
    open_ones = [incident for incident in replay.incidents() if incident.status == "firing"]
    fitting = [incident for incident in open_ones if _concerns(incident, deed.labels)]
    if not fitting:
        message = f"there is no open incident to {deed.act}"
        found = tuple(_incident_line(incident) for incident in open_ones)
        trial.misses.append(Miss(("deeds", number), deed.at, message, _labels(deed.labels) or "any", found))
        return since
    told = [
        Deed(time=moment, incident=incident.id, act=deed.act, by=deed.by, to=deed.to or "", note=deed.note)
        for incident in fitting
    ]
    _keep(trial, replay.feed(told))
    _keep(trial, replay.advance(moment))
    return since


def _look(trial: Trial, replay: Replay, number: int, expected: Expectation, since: int) -> int:
    """Compare; returns where the next expectation's notifications begin."""
    moment, path = trial.scenario.start + expected.at, ("expect", number)
    if expected.alerts is not None:
        firing = [view for view in replay.alerts() if view.ends_at is None or view.ends_at > moment]
        found = [_alert_line(view) for view in firing]
        if not expected.alerts and firing:
            trial.misses.append(Miss((*path, "alerts"), expected.at, "no alert was to fire", "none", _shown(found)))
        for index, wanted in enumerate(expected.alerts):
            count = sum(_fits_alert(wanted, view) for view in firing)
            if miss := _counted(wanted.count, count, "alert that fires"):
                words = _wanted_alert(wanted)
                trial.misses.append(Miss((*path, "alerts", index), expected.at, miss, words, _shown(found)))
    if expected.notifications is not None:
        sent = trial.notifications[since:]
        found = [_notification_line(each, trial.scenario.start) for each in sent]
        if not expected.notifications and sent:
            miss = "no notification was to be sent"
            trial.misses.append(Miss((*path, "notifications"), expected.at, miss, "none", _shown(found)))
        for index, row in enumerate(expected.notifications):
            count = sum(_fits_notification(row, each) for each in sent)
            if miss := _counted(row.count, count, "notification"):
                words = _wanted_notification(row)
                trial.misses.append(Miss((*path, "notifications", index), expected.at, miss, words, _shown(found)))
    return len(trial.notifications)


def _counted(wanted: int | None, count: int, noun: str) -> str:
    """What is wrong with so many; empty if nothing is."""
    if count == wanted or (wanted is None and count):
        return ""
    number = "one or more" if wanted is None else "none" if wanted == 0 else str(wanted)
    return f"{number} such {noun} expected, {count or 'none'} found"


def _concerns(incident: Incident, labels: Mapping[str, str]) -> bool:
    return any(_has(alert.labels, labels) for alert in incident.alerts)


def _has(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(labels.get(name, "") == value for name, value in wanted.items())


def _fits_alert(wanted: ExpectedAlert, view: AlertView) -> bool:
    return _has(view.labels, wanted.labels) and wanted.state in (None, view.state)


def _fits_notification(wanted: ExpectedNotification, sent: Notification) -> bool:
    return (
        wanted.receiver in (None, sent.receiver)
        and wanted.owner in (None, sent.owner)
        and wanted.reason in (None, str(sent.reason))
        and wanted.status in (None, sent.status)
        and wanted.severity in (None, sent.severity)
        and wanted.mention in (None, sent.mention)
        and _has(sent.group_labels, wanted.group_labels)
        and (not wanted.labels or any(_has(alert.labels, wanted.labels) for alert in sent.alerts))
    )


def _wanted_alert(wanted: ExpectedAlert) -> str:
    return ", ".join(part for part in (_labels(wanted.labels) or "any alert", wanted.state) if part)


def _wanted_notification(wanted: ExpectedNotification) -> str:
    parts = [
        f"to {wanted.receiver}" if wanted.receiver else "",
        f"owner {wanted.owner}" if wanted.owner else "",
        wanted.reason or "",
        wanted.status or "",
        wanted.severity or "",
        "" if wanted.mention is None else "with a mention" if wanted.mention else "without a mention",
        _labels(wanted.labels),
        f"group {_labels(wanted.group_labels)}" if wanted.group_labels else "",
    ]
    return ", ".join(part for part in parts if part) or "any notification"


def _alert_line(view: AlertView) -> str:
    muted = [
        f"silenced by {', '.join(view.silenced_by)}" if view.silenced_by else "",
        f"inhibited by {', '.join(view.inhibited_by)}" if view.inhibited_by else "",
        f"muted by {', '.join(view.muted_by)}" if view.muted_by else "",
    ]
    return ", ".join(part for part in (_labels(view.labels), view.state, *muted) if part)


def _notification_line(sent: Notification, start: float) -> str:
    alerts = "; ".join(_labels(alert.labels) for alert in sent.alerts[:2])
    more = f" and {len(sent.alerts) - 2} more" if len(sent.alerts) > 2 else ""
    mention = ", with a mention" if sent.mention else ""
    when = offset(sent.time - start)
    return f"at {when} to {sent.receiver}, {sent.reason}, {sent.status}, {sent.severity}{mention}, {alerts}{more}"


def _incident_line(incident: Incident) -> str:
    return f"{incident.id} of {incident.owner}: " + "; ".join(_labels(alert.labels) for alert in incident.alerts[:2])


def _labels(labels: Mapping[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in sorted(labels.items()))


def _shown(found: Sequence[str]) -> tuple[str, ...]:
    more = len(found) - FOUND_SHOWN
    return (*found[:FOUND_SHOWN], *([f"… and {more} more"] if more > 0 else []))


def offset(seconds: float) -> str:
    """A time after the start, as the YAML writes it: `1h30m`, `90.5s` is `1m30.5s`."""
    whole, text = round(seconds, 3), ""
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if whole >= length:
            text += f"{int(whole // length)}{unit}"
            whole = round(whole % length, 3)
    return text + (f"{whole:g}s" if whole or not text else "")
