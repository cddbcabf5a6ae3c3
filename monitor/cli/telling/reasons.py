"""Why somebody was told of an alert, or was not: what mutes it, what it waits for, what was decided.

Reads views and judges nothing anew.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

from monitor.alerting.changes import words
from monitor.cli.telling.words import labels_text, when
from monitor.notify.redact import name as harmless
from monitor.notify.redact import redact
from schemas.alert import AlertView, Decision, GroupView, Incident, SilenceView

DECISIONS_SHOWN = 12
"""The latest decisions of an incident or alert that a person is shown."""


class Asked(Protocol):
    """What can say how the router saw it: a replay, or a running monitor."""

    def alerts(self) -> Sequence[AlertView]:
        """Every alert that is known."""
        ...

    def groups(self) -> Sequence[GroupView]:
        """What each receiver is told together."""
        ...

    def silences(self) -> Sequence[SilenceView]:
        """Silences that are kept."""
        ...

    def decisions(self, about: str | Mapping[str, str]) -> Sequence[Decision]:
        """What was decided of an incident, a group or alerts with these labels."""
        ...


def of_incident(incident: Incident, router: Asked) -> list[str]:
    """What mutes its alerts, who has it, and what was decided of it."""
    lines = []
    if incident.acked_by:
        lines.append(f"acked     by {harmless(incident.acked_by)}; it does not escalate")
    if incident.escalated_to:
        lines.append(f"escalated to {harmless(incident.escalated_to)}")
    if incident.root:
        lines.append(f"root      incident {incident.root}; this one is its impact and does not page")
    if incident.onset_from is not None and incident.onset_to is not None:
        lines.append(f"began     between {when(incident.onset_from)} and {when(incident.onset_to)}")
    if incident.cause:
        lines.append(f"cause     {redact(incident.cause, words.CAUSE_LENGTH)}")
    for cause in incident.causes:
        link = f" {url}" if (url := words.web_address(cause.url)) is not None else ""
        change = harmless(words.change(cause), 200)
        lines.append(f"change    {change} ({words.odds(cause)}), of {harmless(cause.owner)}{link}")
    prints = {alert.fingerprint for alert in incident.alerts}
    mine = [view for view in router.alerts() if view.fingerprint in prints]
    decided = list(router.decisions(incident.id))
    for view in mine:
        lines += _muting(view, router)
        decided += _of_groups(view, router)
    return lines + _decisions(decided)


def of_alert(view: AlertView, router: Asked) -> list[str]:
    """A heading, what mutes it, what it waits for, and what was decided of it."""
    lines = [f"{labels_text(view.labels)}: {view.state} since {when(view.starts_at)}"]
    to = ", ".join(harmless(name) for name in view.receivers) or "nobody"
    lines.append(f"  told      to {to}")
    lines += [f"  {line}" for line in _muting(view, router)]
    decided = [*router.decisions(view.labels), *_of_groups(view, router)]
    return lines + [f"  {line}" for line in _decisions(decided)]


def _muting(view: AlertView, router: Asked) -> list[str]:
    """A line for each thing that keeps the alert from being told, now or until its group is looked at."""
    lines = []
    silences = {silence.id: silence for silence in router.silences()} if view.silenced_by else {}
    for name in view.silenced_by:
        until = f" until {when(silences[name].ends_at)}" if name in silences else ""
        why = (
            f", by {harmless(silences[name].created_by)}: {harmless(silences[name].comment)}"
            if name in silences
            else ""
        )
        lines.append(f"silenced  by {name}{until}{why}")
    for name in view.inhibited_by:
        source = next((other for other in router.alerts() if other.fingerprint == name), None)
        lines.append(f"inhibited by {labels_text(source.labels) if source is not None else name}, which fires")
    lines += [f"muted     by the time interval {harmless(name)}" for name in view.muted_by]
    for group in router.groups():
        if group.next_at is not None and any(each.fingerprint == view.fingerprint for each in group.alerts):
            setting = "group_interval" if group.looked else "group_wait"
            lines.append(f"waits     {harmless(group.receiver)}: {setting} until {when(group.next_at)}")
    return lines


def _of_groups(view: AlertView, router: Asked) -> list[Decision]:
    """What was decided of the groups that hold the alert, where another alert led them.

    While it is muted a group is told without it: what was decided since then is not of this alert.
    """
    found: list[Decision] = []
    for group in router.groups():
        if any(each.fingerprint == view.fingerprint for each in group.alerts):
            muted = router.decisions(f"{group.key}|{view.fingerprint}") if _is_muted(view) else ()
            since = max((each.time for each in muted if each.what == "muted"), default=math.inf)
            found += [each for each in router.decisions(group.key) if each.time < since]
    return found


def _is_muted(view: AlertView) -> bool:
    return bool(view.silenced_by or view.inhibited_by or view.muted_by)


def _decisions(found: Sequence[Decision]) -> list[str]:
    """The latest ones, each once, oldest first."""
    unique = sorted({(each.time, each.receiver, each.what, each.reason) for each in found})
    lines = [f"decided   … and {len(unique) - DECISIONS_SHOWN} earlier"] if len(unique) > DECISIONS_SHOWN else []
    return lines + [
        f"decided   {when(at)} {harmless(receiver)}: {what}, {harmless(reason)}"
        for at, receiver, what, reason in unique[-DECISIONS_SHOWN:]
    ]
