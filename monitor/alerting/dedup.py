"""Whether a receiver is told again, and why.

Two pure decisions that return a named reason or None; the second is asked only when the first says no. They know
nothing of incidents, routes or messages.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Protocol

from monitor.alerting.incidents.record import Sent
from schemas.alert import NotificationReason

EVIDENCE_SECONDS = 30.0
"""Numbers that moved are shown at most so often per incident and receiver."""


class Last(Protocol):
    """What was told last: when (epoch seconds), what fired then and what had resolved."""

    @property
    def time(self) -> float: ...
    @property
    def firing(self) -> Set[str]: ...
    @property
    def resolved(self) -> Set[str]: ...


def needs_update(
    last: Last | None, firing: Set[str], resolved: Set[str], repeat: float, now: float
) -> NotificationReason | None:
    """Alertmanager's decision, in its order. `firing`, `resolved`: alerts now; `last`: what was told; seconds."""
    if last is None:
        return NotificationReason.FIRST if firing else None
    if not firing <= last.firing:
        return NotificationReason.NEW_ALERTS if last.firing else NotificationReason.FIRST
    if not firing:
        return NotificationReason.ALL_RESOLVED if last.firing else None
    if not resolved <= last.resolved:
        return NotificationReason.SOME_RESOLVED
    if last.time < now - repeat:
        return NotificationReason.REPEAT
    return None


def evidence_moved(last: Sent | None, shown: tuple[str, ...], now: float) -> NotificationReason | None:
    """Ours: what a reader sees has changed, and the last word is not too fresh."""
    if last is None or shown == last.shown or now - last.time < EVIDENCE_SECONDS:
        return None
    return NotificationReason.EVIDENCE
