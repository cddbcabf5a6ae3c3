"""Two configurations over the same history: which incidents and notifications differ, and how.

Pure. Incidents are paired by what their alerts are about (labels without owner and severity, which a configuration
gives) and the time at which they opened; notifications by what they are about, status and reason. New numbers of a
known incident are no difference.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from monitor.alerting.headline import headline
from monitor.config.document import clip
from schemas.alert import Alert, Incident, Notification, NotificationReason

SAME_SECONDS = 0.5
"""Times that are no further apart are the same."""
GIVEN_LABELS = ("owner", "severity")
"""Labels that come from the configuration, not from what happened."""

TITLE_LENGTH = 140
"""Characters of a title; the words of another system's alert may be long."""

Kind = Literal["only here", "only there", "changed"]
T = TypeVar("T", Incident, Notification)


@dataclass(frozen=True)
class Change:
    """One field that is another in the second configuration. `name`: owner, severity, receiver, opened, resolved …"""

    name: str
    here: Any
    there: Any


@dataclass(frozen=True)
class Difference(Generic[T]):
    """One incident or notification that is not the same in both. What is `here` is missing there, or `changes` say."""

    kind: Kind
    here: T | None
    there: T | None
    changes: tuple[Change, ...] = ()


def incidents(here: Iterable[Incident], there: Iterable[Incident]) -> list[Difference[Incident]]:
    """Differences in the order of the time at which the incidents opened."""
    found = _paired(here, there, _subject_of_incident, lambda each: each.opened_at, lambda each: each.owner)
    return [difference for pair in found if (difference := _difference(*pair, _changes_of_incident)) is not None]


def notifications(here: Iterable[Notification], there: Iterable[Notification]) -> list[Difference[Notification]]:
    """Differences in the order of time."""
    told_here, told_there = ([each for each in side if _counts(each)] for side in (here, there))
    found = _paired(told_here, told_there, _subject_of_notification, lambda each: each.time, lambda each: each.receiver)
    return [difference for pair in found if (difference := _difference(*pair, _changes_of_notification)) is not None]


def line(what: str, difference: Difference[Any]) -> dict[str, Any]:
    """The JSON line of `replay --against --json`."""
    return {
        "type": "difference",
        "what": what,
        "kind": difference.kind,
        "here": _plain(difference.here),
        "there": _plain(difference.there),
        "changes": {change.name: [change.here, change.there] for change in difference.changes},
    }


def title(one: Incident | Notification) -> str:
    """What it is about, in a sentence."""
    more = f" and {len(one.alerts) - 1} more" if len(one.alerts) > 1 else ""
    return clip(headline(one.alerts[0].finding), TITLE_LENGTH) + more


def _paired(
    here: Iterable[T],
    there: Iterable[T],
    subject: Callable[[T], Hashable],
    at: Callable[[T], float],
    place: Callable[[T], str],
) -> list[tuple[T | None, T | None]]:
    """Those of one subject, one to one: first what is the same, then of the same place, then in the order of time."""
    left: dict[Hashable, list[T]] = {}
    for each in sorted(there, key=at):
        left.setdefault(subject(each), []).append(each)
    waiting = sorted(here, key=at)
    pairs: list[tuple[T | None, T | None]] = []
    fits: tuple[Callable[[T, T], bool], ...] = (
        lambda one, other: place(one) == place(other) and abs(at(one) - at(other)) <= SAME_SECONDS,
        lambda one, other: abs(at(one) - at(other)) <= SAME_SECONDS,
        lambda one, other: place(one) == place(other),
        lambda one, other: True,  # noqa: ARG005 (the last resort fits)
    )
    for fit in fits:
        still: list[T] = []
        for each in waiting:
            others = left.get(subject(each), [])
            found = next((index for index, other in enumerate(others) if fit(each, other)), None)
            if found is None:
                still.append(each)
            else:
                pairs.append((each, others.pop(found)))
        waiting = still
    pairs += [(each, None) for each in waiting]
    pairs += [(None, other) for others in left.values() for other in others]
    return sorted(pairs, key=lambda pair: min(at(each) for each in pair if each is not None))


def _difference(here: T | None, there: T | None, changes: Callable[[T, T], tuple[Change, ...]]) -> Difference[T] | None:
    if here is None or there is None:
        return Difference("only there" if here is None else "only here", here, there)
    found = tuple(change for change in changes(here, there) if _differs(change))
    return Difference("changed", here, there, found) if found else None


def _differs(change: Change) -> bool:
    here, there = change.here, change.there
    if isinstance(here, float) and isinstance(there, float):
        return abs(here - there) > SAME_SECONDS
    return bool(here != there)


def _changes_of_incident(here: Incident, there: Incident) -> tuple[Change, ...]:
    return (
        Change("owner", here.owner, there.owner),
        Change("severity", here.severity, there.severity),
        Change("opened", here.opened_at, there.opened_at),
        Change("resolved", here.resolved_at, there.resolved_at),
    )


def _changes_of_notification(here: Notification, there: Notification) -> tuple[Change, ...]:
    return (
        Change("receiver", here.receiver, there.receiver),
        Change("owner", here.owner, there.owner),
        Change("severity", here.severity, there.severity),
        Change("mention", here.mention, there.mention),
        Change("time", here.time, there.time),
    )


def _counts(told: Notification) -> bool:
    return told.reason is not NotificationReason.EVIDENCE


def _subject_of_incident(incident: Incident) -> Hashable:
    return _subject(incident.alerts[:1])


def _subject_of_notification(told: Notification) -> Hashable:
    return told.status, str(told.reason), _subject(told.alerts)


def _subject(alerts: Sequence[Alert]) -> Hashable:
    return frozenset(
        frozenset(item for item in alert.labels.items() if item[0] not in GIVEN_LABELS) for alert in alerts
    )


def _plain(one: Incident | Notification | None) -> dict[str, Any] | None:
    if one is None:
        return None
    said: dict[str, Any] = {"owner": one.owner, "severity": one.severity, "status": one.status, "title": title(one)}
    if isinstance(one, Incident):
        return {"incident": one.id, "opened_at": one.opened_at, "resolved_at": one.resolved_at, **said}
    reason = str(one.reason)
    return {"incident": one.incident, "time": one.time, "receiver": one.receiver, "reason": reason, **said}
