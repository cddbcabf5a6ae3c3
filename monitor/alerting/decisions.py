"""What the router decided, kept so that one can ask why somebody was told, or was not.

A ring of the latest decisions. A verdict that only repeats the one before it, of the same receiver about the same
thing, is not noted again. Invariant: what is loaded stands in the order in which it was noted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from monitor.alerting.entries import Entries
from schemas.alert import Decision

DECISIONS = 2_000
"""Decisions that are kept. Beyond, the oldest gives way."""
LATEST = 4_000
"""Pairs of thing and receiver whose latest verdict is known again. Beyond, the oldest may be noted twice."""
PREFIX = "router/decision/"


class _Noted(Struct, frozen=True):
    number: int
    decision: Decision


class Decisions:
    """The ring."""

    def __init__(self) -> None:
        self._ring = Entries(PREFIX, _Noted)
        self._next = 0
        self._latest: dict[tuple[str, str], tuple[str, str]] = {}

    def note(
        self, now: float, what: str, about: str, receiver: str, reason: str, labels: Mapping[str, str] | None = None
    ) -> None:
        """Keep a decision."""
        key, verdict = (about, receiver), (what, reason)
        if self._latest.get(key) == verdict and what != "told":
            return
        self._remember(key, verdict)
        decision = Decision(now, what, about, receiver, reason, dict(labels or {}))
        self._ring.put(str(self._next % DECISIONS), _Noted(self._next, decision))
        self._next += 1

    def about(self, wanted: str | Mapping[str, str]) -> list[Decision]:
        """Those of an incident, a group or alerts with these labels, oldest first."""
        noted = sorted(self._ring, key=lambda each: each.number)
        if isinstance(wanted, str):
            return [each.decision for each in noted if each.decision.about == wanted]
        return [each.decision for each in noted if wanted.items() <= each.decision.labels.items()]

    def latest(self, reason: str) -> set[str]:
        """Incidents and groups whose latest verdict, for some receiver, has this reason."""
        return {about for (about, _), (_, why) in self._latest.items() if why == reason}

    def changes(self) -> list[tuple[str, bytes | None]]:
        """Entries that changed since the last call."""
        return self._ring.changes()

    def load(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """Take up what `changes` gave."""
        self._ring.load(entries)
        for each in sorted(self._ring, key=lambda each: each.number):
            self._next = each.number + 1
            self._remember((each.decision.about, each.decision.receiver), (each.decision.what, each.decision.reason))

    def _remember(self, key: tuple[str, str], verdict: tuple[str, str]) -> None:
        self._latest.pop(key, None)
        self._latest[key] = verdict
        while len(self._latest) > LATEST:
            del self._latest[next(iter(self._latest))]
