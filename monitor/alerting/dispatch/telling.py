"""What one message says of alerts that belong to several incidents.

Pure. The first alert leads: its incident's cause, impact and people stand in the message. What holds for some of the
alerts alone is told with each of them (`schemas.alert.Standing`). Invariant: an entry of the timeline that was left out
of a message does not come into it later, for it would be told there as news.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from monitor.alerting.dispatch.book import Held
from monitor.alerting.dispatch.told import Mark
from monitor.alerting.incidents.record import TIMELINE, Record
from schemas.alert import Alert, Notification, Standing, TimelineEntry
from schemas.limits import EXAMPLE_RUNS

Records = Mapping[str, Record]
"""Incidents by id; those of posted alerts, and what lies beyond a bound, are missing."""


def shown(held: Held, now: float) -> Alert:
    """The alert as it is told at `now`: an end that lies ahead is not told."""
    return held.alert if held.over(now) else msgspec.structs.replace(held.alert, ends_at=None)


def in_order(members: Iterable[Held], now: float, find: Callable[[str], Record | None]) -> list[Held]:
    """What fires first, then what no other incident causes, then pages, then by labels."""

    def place(held: Held) -> tuple[bool, bool, bool, list[tuple[str, str]]]:
        over = held.over(now)
        rooted = not over and root_of(held, find) != ""
        return over, rooted, held.alert.severity != "page", sorted(held.alert.labels.items())

    return sorted(members, key=place)


def root_of(held: Held, find: Callable[[str], Record | None]) -> str:
    """The incident that causes the one of an alert; empty for none."""
    record = find(held.incident) if held.incident else None
    return "" if record is None else record.incident.root


def explained(made: Notification, members: Sequence[Held], records: Records, now: float) -> Notification:
    """The notification with what its leading alert's incident knows, and with what holds for all that fires.

    `members`: those of its alerts, in their order.
    """
    made = msgspec.structs.replace(made, standings=standings(members[: len(made.alerts)], records))
    lead = records.get(members[0].incident)
    firing = [held for held in members if not held.over(now)] or members
    found = [None if (record := records.get(held.incident)) is None else record.incident for held in firing]
    known = [incident for incident in found if incident is not None]
    if known:
        first = known[0] if lead is None else lead.incident
        acked = all(each.acked_at is not None for each in known)  # a posted alert cannot be
        rooted = all(each is not None and each.root for each in found)
        silenced = all(each is not None and each.silenced_until is not None for each in found)
        made = msgspec.structs.replace(
            made,
            acked_by=first.acked_by if acked else "",
            acked_at=first.acked_at if acked else None,
            root=first.root if rooted else "",
            silenced_until=first.silenced_until if silenced else None,
        )
    if lead is None:
        return made
    incident = lead.incident
    return msgspec.structs.replace(
        made,
        opened_at=incident.opened_at,
        escalated_to=incident.escalated_to,
        impact=incident.impact,
        cause=incident.cause,
        causes=incident.causes,
        onset_from=incident.onset_from,
        onset_to=incident.onset_to,
        no_data_since=incident.no_data_since,
        series=lead.series_of(made.alerts[0]),
        complained_at=incident.complained_at,
    )


def standings(members: Sequence[Held], records: Records) -> tuple[Standing, ...]:
    """How each alert's incident stands; empty where all are of one."""
    if len({held.incident for held in members}) < 2:
        return ()
    return tuple(_standing(held, records.get(held.incident)) for held in members)


def runs_of(members: Sequence[Held]) -> tuple[str, ...]:
    """Example runs of the leading alert's incident, at most `EXAMPLE_RUNS`; `members` in their order."""
    own = [held for held in members if held.matter == members[0].matter]
    return tuple(dict.fromkeys(run for held in own for run in held.alert.finding.runs))[:EXAMPLE_RUNS]


def timeline_of(records: Iterable[Record], after: Mark) -> tuple[tuple[TimelineEntry, ...], Mark]:
    """The latest `TIMELINE` entries of some incidents in the order of time, none before `after`; and the mark before
    which they are left out from now on."""
    found = {(entry.time, entry.text): entry for record in records for entry in record.incident.timeline}
    marks = [mark for mark in found if mark >= after]
    if len(marks) > TIMELINE:
        after = sorted(marks)[-TIMELINE]
    # Of one moment in the order in which it was written.
    return tuple(found[mark] for mark in sorted(marks, key=lambda mark: mark[0]) if mark >= after), after


def _standing(held: Held, record: Record | None) -> Standing:
    if record is None:
        return Standing(incident=held.incident)
    incident = record.incident
    return Standing(
        incident=incident.id,
        acked_by=incident.acked_by,
        acked=incident.acked_at is not None,
        silenced=incident.silenced_until is not None,
        escalated_to=incident.escalated_to,
        root=incident.root,
    )
