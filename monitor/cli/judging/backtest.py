"""What a new configuration would have done with the history of an old one, per owner, and which limits it breaks.

Pure. What counts is what people were told: an incident that opened and that nobody heard of is not caught. Invariant:
what rang under the old configuration is either caught or lost under the new one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from monitor.alerting.headline import headline, rate_text, span_text
from monitor.cli.telling.difference import GIVEN_LABELS, title
from schemas.alert import Alert, Incident, Notification, NotificationReason
from schemas.config import WEEK
from schemas.settings.gates import Backtest, MustCatch

COMPONENTS = ("agent", "tool", "model", "provider")
NOT_COUNTED = frozenset((NotificationReason.DIGEST, NotificationReason.AFFECTED))
"""A digest is no message of its own; who suffers from another's incident gets a line in it."""
NAMED = 3
"""Incidents that one broken limit names."""

Voice = Literal["page", "notice"]


@dataclass(frozen=True)
class Side:
    """What came of the history under one configuration. `seconds`: how long it is; `missed`: owner → misses."""

    incidents: Sequence[Incident]
    notifications: Sequence[Notification]
    seconds: float
    missed: Mapping[str, int]


@dataclass(frozen=True)
class Told:
    """An incident that somebody was told of; of another system's alert behind a `route:`, the alert.

    `at`: when that was, by the loudest voice; `onset`: when the change began; `over`: infinite while it goes on. Epoch
    seconds. `complained_at`: None where nobody complained. `labels`: of each of its alerts, with those of its slice.
    """

    id: str
    owner: str
    voice: Voice
    at: float
    onset: float
    over: float
    title: str
    names: frozenset[str]
    labels: tuple[dict[str, str], ...]
    complained_at: float | None = None


@dataclass(frozen=True)
class Caught:
    """An incident that rings in both. `later`: seconds by which the new one tells of it later; negative: earlier."""

    here: Told
    there: Told

    @property
    def later(self) -> float:
        """Seconds; negative where it is earlier."""
        return self.there.at - self.here.at


@dataclass(frozen=True)
class OwnerRow:
    """What changes for one owner. `pages`, `notices`, `missed`: under the old and the new configuration."""

    owner: str
    pages: tuple[int, int]
    notices: tuple[int, int]
    caught: tuple[Caught, ...]
    lost: tuple[Told, ...]
    new: tuple[Told, ...]
    missed: tuple[int, int] = (0, 0)

    @property
    def latest(self) -> float | None:
        """The largest delay of what is caught, seconds; None where nothing is."""
        return max((each.later for each in self.caught), default=None)


@dataclass(frozen=True)
class Verdict:
    """One limit, whether it is kept, and what was found."""

    limit: str
    kept: bool
    what: str


def told(side: Side) -> list[Told]:
    """Whatever somebody was told of, in the order of time."""
    found: dict[tuple[str, Voice], Notification] = {}
    alerts: dict[tuple[str, Voice], tuple[Alert, Notification]] = {}
    over: dict[str, float] = {}
    ours = {alert.fingerprint for incident in side.incidents for alert in incident.alerts}
    for each in side.notifications:
        if each.reason in NOT_COUNTED:
            continue
        if each.status == "firing":
            for name in each.incidents:
                found.setdefault((name, each.severity), each)
        for alert in each.alerts:
            if alert.fingerprint in ours:
                continue  # its incident speaks for it
            if alert.ends_at is None:
                alerts.setdefault((alert.fingerprint, alert.severity), (alert, each))
            else:
                over[alert.fingerprint] = alert.ends_at
    heard = [_of_incident(incident, found) for incident in side.incidents]
    heard += [
        _of_alert(alert, each, over.get(name, math.inf))
        for (name, voice), (alert, each) in alerts.items()
        if voice == "page" or (name, "page") not in alerts
    ]
    return sorted((each for each in heard if each is not None), key=lambda each: (each.at, each.id))


def compare(
    here: Sequence[Told],
    there: Sequence[Told],
    missed_here: Mapping[str, int] = MappingProxyType({}),
    missed_there: Mapping[str, int] = MappingProxyType({}),
) -> list[OwnerRow]:
    """One row per owner who was told anything or of whom complaints were missed, in the order of names."""
    caught, lost, new = _matched(here, there)
    return [
        OwnerRow(
            owner,
            pages=(_count(here, owner, "page"), _count(there, owner, "page")),
            notices=(_count(here, owner, "notice"), _count(there, owner, "notice")),
            caught=tuple(pair for pair in caught if pair.here.owner == owner),
            lost=tuple(each for each in lost if each.owner == owner),
            new=tuple(each for each in new if each.owner == owner),
            missed=(missed_here.get(owner, 0), missed_there.get(owner, 0)),
        )
        for owner in sorted({*(each.owner for each in (*here, *there)), *missed_here, *missed_there})
    ]


def judge(limits: Backtest, rows: Sequence[OwnerRow], there: Sequence[Told], seconds: float) -> list[Verdict]:
    """Every limit that is set, in the order of the configuration; `seconds`: how long the history is."""
    return [*_rates(limits, rows, seconds), *_catches(limits, there), *_losses(limits, rows)]


# Who was told of what


def _of_incident(incident: Incident, found: dict[tuple[str, Voice], Notification]) -> Told | None:
    """The loudest word about it; None where nobody heard any."""
    voice: Voice = "page" if incident.severity == "page" and (incident.id, "page") in found else "notice"
    first = found.get((incident.id, voice)) or found.get((incident.id, "page"))
    if first is None:
        return None
    return Told(
        id=incident.id,
        owner=incident.owner,
        voice=voice,
        at=first.time,
        onset=incident.onset,
        over=incident.resolved_at if incident.resolved_at is not None else math.inf,
        title=title(incident),
        names=frozenset(name for alert in incident.alerts for name in _names(alert)),
        labels=tuple({**alert.labels, **alert.finding.node} for alert in incident.alerts),
        complained_at=incident.complained_at,
    )


def _of_alert(alert: Alert, first: Notification, over: float) -> Told:
    return Told(
        id=alert.fingerprint,
        owner=first.owner,
        voice=alert.severity,
        at=first.time,
        onset=alert.starts_at,
        over=over,
        title=headline(alert.finding),
        names=frozenset(_names(alert)),
        labels=(alert.labels,),
    )


def _names(alert: Alert) -> Iterator[str]:
    """What an alert speaks of; of a posted one its labels, those aside that a configuration gives."""
    node = alert.finding.node
    named = [f"{kind}:{node[kind]}" for kind in COMPONENTS if kind in node]
    named += [side.replace("=", ":", 1) for side in alert.finding.affected if side.startswith("agent=")]
    if alert.posted:
        named.append(str(sorted(item for item in alert.labels.items() if item[0] not in GIVEN_LABELS)))
    yield from named or ["the fleet"]


def _matched(here: Sequence[Told], there: Sequence[Told]) -> tuple[list[Caught], list[Told], list[Told]]:
    """Pages of both, by what they are about and when: caught ones, lost ones, new ones. One may catch several."""
    pages = [each for each in there if each.voice == "page"]
    caught: list[Caught] = []
    lost: list[Told] = []
    for one in (each for each in here if each.voice == "page"):
        found = next((other for other in pages if _same_story(one, other)), None)
        if found is None:
            lost.append(one)
        else:
            caught.append(Caught(one, found))
    used = {pair.there.id for pair in caught}
    return caught, lost, [each for each in pages if each.id not in used]


def _same_story(one: Told, other: Told) -> bool:
    """Whether two speak of a component both, at the same time."""
    return other.at <= one.over and other.over >= one.onset and not one.names.isdisjoint(other.names)


def _count(heard: Iterable[Told], owner: str, voice: Voice) -> int:
    return sum(1 for each in heard if (each.owner, each.voice) == (owner, voice))


# What is judged


def _rates(limits: Backtest, rows: Sequence[OwnerRow], seconds: float) -> Iterator[Verdict]:
    """How often an owner is told. A history shorter than a week counts as one."""
    for row in rows:
        own = limits.owners.get(row.owner)
        for what, count, of_all, of_one in (
            ("pages", row.pages[1], limits.pages, own.pages if own is not None else None),
            ("notices", row.notices[1], limits.notices, own.notices if own is not None else None),
        ):
            most = of_one if of_one is not None else of_all
            if most is not None:
                allowed = most * max(seconds, WEEK)
                words = f"{count} in {span_text(seconds)}, at most {_rate(most)}"
                yield Verdict(f"{what} of {row.owner}", count <= allowed + 1e-9, words)


def _catches(limits: Backtest, there: Sequence[Told]) -> Iterator[Verdict]:
    """What must still be caught, and in time."""
    for wanted in limits.must_catch:
        name = "must_catch " + " ".join(f"{label}={value}" for label, value in sorted(wanted.labels.items()))
        found = [each for each in there if _catches_it(wanted, each)]
        if not found:
            late = [each for each in there if _catches_it(wanted, each, later=math.inf)]
            told = f"caught only after {span_text(late[0].at - wanted.at)}" if late else "nothing catches it"
            yield Verdict(name, False, f"{told}, at most {span_text(wanted.within)}")
        else:
            after = span_text(max(found[0].at - wanted.at, 0.0))
            yield Verdict(name, True, f"caught after {after}, at most {span_text(wanted.within)}")


def _catches_it(wanted: MustCatch, heard: Told, later: float | None = None) -> bool:
    """It was told by then and was not over before; an alert of it has the labels, and it the voice."""
    latest = wanted.at + (wanted.within if later is None else later)
    in_time = heard.at <= latest and heard.over >= wanted.at
    loud = heard.voice == "page" or wanted.severity == "notice"
    return in_time and loud and any(wanted.labels.items() <= labels.items() for labels in heard.labels)


def _losses(limits: Backtest, rows: Sequence[OwnerRow]) -> Iterator[Verdict]:
    """What is lost against the old configuration: incidents, and time."""
    if limits.lost is not None:
        lost = [each for row in rows for each in row.lost]
        words = f"{len(lost)} of the incidents that rang, at most {limits.lost}{_examples(lost)}"
        yield Verdict("lost", len(lost) <= limits.lost, words)
    if limits.missed is not None:
        before, after = (sum(row.missed[side] for row in rows) for side in (0, 1))
        words = f"{after} complaints without an alert (before: {before}), at most {limits.missed}"
        yield Verdict("missed", after <= limits.missed, words)
    if limits.lost_lead is not None:
        caught = [each for row in rows for each in row.caught]
        late = [each for each in caught if each.later > limits.lost_lead]
        worst = max((each.later for each in caught), default=0.0)
        words = f"{span_text(max(worst, 0.0))} later at worst, at most {span_text(limits.lost_lead)}"
        yield Verdict("lost_lead", not late, f"{words}{_examples([each.here for each in late])}")


def _examples(heard: Sequence[Told]) -> str:
    if not heard:
        return ""
    more = f" and {len(heard) - NAMED} more" if len(heard) > NAMED else ""
    return ": " + "; ".join(each.title for each in heard[:NAMED]) + more


def _rate(per_second: float) -> str:
    """As people write budgets: `2 per week`."""
    if per_second * WEEK < 7.0:
        return f"{per_second * WEEK:.3g} per week"
    per_day = per_second * WEEK / 7.0
    return f"{per_day:.3g} per day" if per_day < 24.0 else rate_text(per_second)
