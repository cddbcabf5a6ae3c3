"""The silences that a person asks for on an incident: whom they mute, and how long.

It makes actions and takes none. Invariant: every alert of the incident that fires is matched, up to `SILENCES` sets of
labels, and nothing is muted because of its owner alone, or of its name alone, where the alert says where it is.
"""

from __future__ import annotations

from collections.abc import Callable

from monitor.alerting.incidents.record import leading
from schemas.actions import Matcher, SilenceSet
from schemas.alert import LABELS, Alert, Incident

SHORTEST_SECONDS, LONGEST_SECONDS = 60.0, 30 * 86_400.0
"""How long such a silence may last. Outside: `ValueError`."""

SILENCES = 20
"""Silences of one incident: one for each set of labels that fires, the leading alert's first. Beyond, the rest is left
out."""

Labels = tuple[tuple[str, str], ...]
"""Names and values, in the order of names."""


def silences_of(
    incident: Incident,
    seconds: float,
    now: float,
    *,
    name: Callable[[Labels], str],
    by: str,
    comment: str,
    press: str = "",
) -> list[SilenceSet]:
    """Silences of what fires of an incident, from `now` on; `name`: the id of each. None where nothing fires.

    Times in epoch seconds. Raises `ValueError` for a length out of bounds.
    """
    if not SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS:
        raise ValueError("a silence lasts from one minute to 30 days")
    wanted = dict.fromkeys(_labels(alert) for alert in leading(incident.alerts) if alert.status == "firing")
    return [
        SilenceSet(
            time=now,
            id=name(labels),
            matchers=tuple(Matcher(label, value) for label, value in labels),
            starts_at=now,
            ends_at=now + seconds,
            created_by=by,
            comment=comment,
            press=press,
        )
        for labels in list(wanted)[:SILENCES]
    ]


def _labels(alert: Alert) -> Labels:
    """All labels, but severity and owner of ours: a notice may become a page, and an incident may change hands.

    Where no other label says where it is, the owner does: `run.failed` alone would be everybody's.
    """
    placed = any(label in alert.labels for label in LABELS)
    changing = () if alert.posted else ("severity", "owner") if placed else ("severity",)
    return tuple(pair for pair in sorted(alert.labels.items()) if pair[0] not in changing)
