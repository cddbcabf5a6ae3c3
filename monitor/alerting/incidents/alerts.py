"""The life of one alert: which finding fires it, refreshes it, ends it.

Pure. An alert ends by a finding that says `resolved`, never by time. A finding that is older than what the alert knows
changes nothing; one of the same time does, for an agent with many runs a second may fire and recover between two ticks.

             | firing  | update  | resolved
    ---------+---------+---------+---------
    unknown  | open    | unknown | unknown
    firing   | refresh | refresh | end
    resolved | refire  | late    | late
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

import msgspec

from monitor.alerting.headline import headline
from schemas.alert import LABELS, Alert
from schemas.finding import Finding, FindingStatus


class Step(enum.StrEnum):
    """What a finding does to an alert. Counted by name."""

    OPEN = "open"
    REFRESH = "refresh"
    REFIRE = "refire"
    END = "end"
    UNKNOWN = "unknown episode"
    LATE = "late"
    SEEN = "seen before"
    OFF = "mode off"


_LIFE: dict[str, dict[FindingStatus, Step]] = {
    "unknown": {"firing": Step.OPEN, "update": Step.UNKNOWN, "resolved": Step.UNKNOWN},
    "firing": {"firing": Step.REFRESH, "update": Step.REFRESH, "resolved": Step.END},
    "resolved": {"firing": Step.REFIRE, "update": Step.LATE, "resolved": Step.LATE},
}


def step_of(alert: Alert | None, finding: Finding) -> Step:
    """What `finding` does to `alert` (None: nobody knows its episode)."""
    if alert is None:
        return _LIFE["unknown"][finding.status]
    if finding.time < last_heard(alert):
        return Step.LATE
    return _LIFE[alert.status][finding.status]


def last_heard(alert: Alert) -> float:
    """When the newest finding of this alert was made, epoch seconds. Others may post a start that lies ahead."""
    return alert.finding.time if alert.ends_at is None else max(alert.finding.time, alert.ends_at)


def opened(finding: Finding) -> Alert:
    """The alert that a firing finding starts."""
    labels = labels_of(finding)
    return Alert(
        labels=labels,
        annotations={"summary": headline(finding)},
        starts_at=finding.time,
        ends_at=None,
        fingerprint=fingerprint(labels),
        finding=finding,
    )


def stepped(alert: Alert, step: Step, finding: Finding, fresh: Alert) -> Alert:
    """The alert after `step`; the same where the step changes nothing. `fresh`: the alert that `finding` would open."""
    if step is Step.END:
        return msgspec.structs.replace(alert, ends_at=finding.time, recovery=finding)
    if step is Step.REFRESH:
        return msgspec.structs.replace(fresh, starts_at=alert.starts_at)
    if step is Step.REFIRE:
        return fresh
    return alert


def labels_of(finding: Finding) -> dict[str, str]:
    """`alertname`, `severity`, `owner`, and the node's own labels; absent where they do not apply."""
    severity = "page" if finding.mode == "page" else "notice"
    labels = {"alertname": finding.signal, "severity": severity, "owner": finding.owner}
    labels.update((name, finding.node[name]) for name in LABELS if name in finding.node)
    return labels


def fingerprint(labels: Mapping[str, str]) -> str:
    """Alertmanager's name of a set of labels: FNV-1a, 64 bits, over sorted names and values, as 16 hex digits."""
    total = 14695981039346656037
    for name in sorted(labels):
        for byte in (*name.encode("utf-8", "replace"), 255, *labels[name].encode("utf-8", "replace"), 255):
            total = ((total ^ byte) * 1099511628211) & 0xFFFFFFFFFFFFFFFF
    return f"{total:016x}"
