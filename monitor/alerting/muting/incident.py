"""The silence that a person asks for on an incident: whom it mutes, and how long.

It makes an action and takes none. Invariant: the silence matches every alert that the incident has now.
"""

from __future__ import annotations

from schemas.actions import Matcher, SilenceSet
from schemas.alert import Incident

SHORTEST_SECONDS, LONGEST_SECONDS = 60.0, 30 * 86_400.0
"""How long such a silence may last. Outside: `ValueError`."""

_VOICE = "severity"
"""Not matched: a notice that becomes a page is the same story."""


def silence_of(incident: Incident, seconds: float, now: float, *, name: str, by: str, comment: str = "") -> SilenceSet:
    """A silence of what the incident's alerts have in common, from `now` on; `name` becomes its id.

    Times in epoch seconds. Raises `ValueError`: an incident whose alerts share no label, or that has none, cannot be
    silenced as a whole.
    """
    if not SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS:
        raise ValueError("a silence lasts from one minute to 30 days")
    labels = [alert.labels for alert in incident.alerts]
    shared = {
        label: value
        for label, value in (labels[0] if labels else {}).items()
        if label != _VOICE and all(each.get(label) == value for each in labels)
    }
    if not shared:
        raise ValueError("its alerts share no label; silence them one by one")
    return SilenceSet(
        time=now,
        id=name,
        matchers=tuple(Matcher(label, value) for label, value in sorted(shared.items())),
        starts_at=now,
        ends_at=now + seconds,
        created_by=by,
        comment=comment or f"incident {incident.id}",
    )
