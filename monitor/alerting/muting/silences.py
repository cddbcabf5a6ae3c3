"""Silences: made, edited and ended by people; pending, active or expired by the time.

Rules of Alertmanager. Invariant: an expired silence never comes back; an edit that would change whom it mutes, or when
it began, ends it and makes another. Ids are given by the caller; the one of a replacement is made of the old one and
the time, so that a replay makes the same.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec
from msgspec import Struct

from monitor.alerting.entries import Entries
from monitor.alerting.routing.matchers import Matcher, Op, matcher_of, matches_all
from schemas.actions import Matcher as PostedMatcher
from schemas.actions import SilenceEnded, SilenceSet, encode_action
from schemas.alert import SilenceView

SILENCES = 2_000
"""Silences that are kept, expired ones included. Beyond, the oldest expired one is forgotten; while none is expired, a
new silence is refused. Both are counted."""
KEPT_SECONDS = 120 * 3600.0
"""For how long an expired silence is still shown."""
PREFIX = "router/silence/"


class Silence(Struct, frozen=True, kw_only=True):
    """What is kept of a silence. Times in epoch seconds."""

    id: str
    matchers: tuple[PostedMatcher, ...]
    starts_at: float
    ends_at: float
    updated_at: float
    created_by: str
    comment: str
    action: str = ""
    """A digest of the action that it was made of, or of the press of a button: the same one again changes nothing."""

    def status(self, now: float) -> Literal["pending", "active", "expired"]:
        """The start belongs to the active time, the end does not."""
        return "expired" if now >= self.ends_at else "pending" if now < self.starts_at else "active"


class Silences:
    """All silences that are kept."""

    def __init__(self) -> None:
        self._kept = Entries(PREFIX, Silence)
        self._compiled: dict[str, tuple[Matcher, ...]] = {}
        self.counts: Counter[str] = Counter()

    def id_of(self, action: SilenceSet, now: float) -> str:
        """Under which id the silence will stand."""
        known = self._kept.get(action.id)
        if known is None or known.action == _digest(action) or _editable(known, action, now):
            return action.id
        return _next_id(action)

    def set(self, action: SilenceSet, now: float) -> str | None:
        """Make or edit; the id under which it stands. None: refused (and counted), because it says nothing sensible."""
        try:
            compiled = tuple(matcher_of(each) for each in action.matchers)
        except ValueError:
            compiled = ()
        # A silence of everything is a slip: one matcher at least must need a label, or exclude something.
        if not compiled or all(_takes_all(each) for each in compiled) or action.ends_at <= max(action.starts_at, now):
            self.counts["silence refused"] += 1
            return None
        known = self._kept.get(action.id)
        if known is not None and known.action == _digest(action):
            return known.id
        name = self.id_of(action, now)
        if name in self._kept and name != action.id:
            return name
        edits = known is not None and name == action.id
        if not edits and not self._make_room(now):
            self.counts["silence refused"] += 1
            return None
        if known is not None and not edits:
            self._end(known, now)
        starts_at = action.starts_at if edits else max(action.starts_at, now)
        self._kept.put(
            name,
            Silence(
                id=name,
                matchers=action.matchers,
                starts_at=starts_at,
                ends_at=action.ends_at,
                updated_at=now,
                created_by=action.created_by,
                comment=action.comment,
                action=_digest(action),
            ),
        )
        self._compiled[name] = compiled
        return name

    def end(self, action: SilenceEnded, now: float) -> None:
        """End one before its time; one that is unknown or over stays as it is."""
        if (known := self._kept.get(action.id)) is not None:
            self._end(known, now)

    def muting(self, labels: Mapping[str, str], now: float) -> tuple[str, ...]:
        """Ids of the active silences that match the labels."""
        active = (each.id for each in self._kept if each.status(now) == "active")
        return tuple(sorted(name for name in active if matches_all(self._compiled[name], labels)))

    def until(self, ids: Iterable[str]) -> float | None:
        """When the last of these silences ends, epoch seconds."""
        return max((each.ends_at for name in ids if (each := self._kept.get(name)) is not None), default=None)

    def next_change(self, now: float) -> float | None:
        """When a silence begins or has ended next, epoch seconds."""
        return min((at for each in self._kept for at in (each.starts_at, each.ends_at) if at > now), default=None)

    def expire(self, now: float) -> None:
        """Forget what was over long ago."""
        for name, each in self._kept.items():
            if each.ends_at + KEPT_SECONDS <= now:
                self._forget(name)

    def views(self, now: float) -> list[SilenceView]:
        """All that are kept, the latest change first."""
        found = sorted(self._kept, key=lambda each: (-each.updated_at, each.id))
        return [
            SilenceView(
                id=each.id,
                status=each.status(now),
                matchers=each.matchers,
                starts_at=each.starts_at,
                ends_at=each.ends_at,
                updated_at=each.updated_at,
                created_by=each.created_by,
                comment=each.comment,
            )
            for each in found
        ]

    def changes(self) -> list[tuple[str, bytes | None]]:
        """Entries that changed since the last call."""
        return self._kept.changes()

    def load(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """Take up what `changes` gave."""
        self._kept.load(entries)
        self._compiled = {each.id: tuple(matcher_of(one) for one in each.matchers) for each in self._kept}

    def _end(self, known: Silence, now: float) -> None:
        status = known.status(now)
        if status == "expired":
            return
        starts_at = now if status == "pending" else known.starts_at
        self._kept.put(known.id, msgspec.structs.replace(known, starts_at=starts_at, ends_at=now, updated_at=now))

    def _make_room(self, now: float) -> bool:
        if len(self._kept) < SILENCES:
            return True
        expired = [each for each in self._kept if each.status(now) == "expired"]
        if expired:
            self._forget(min(expired, key=lambda each: (each.ends_at, each.id)).id)
            self.counts["silence forgotten"] += 1
        return bool(expired)

    def _forget(self, name: str) -> None:
        self._kept.drop(name)
        self._compiled.pop(name, None)


def _takes_all(matcher: Matcher) -> bool:
    return matcher.op in (Op.EQUAL, Op.REGEX) and matcher.matches({})


def _editable(known: Silence, action: SilenceSet, now: float) -> bool:
    if known.matchers != action.matchers:
        return False
    status = known.status(now)
    if status == "active":
        return int(known.starts_at) == int(action.starts_at) and action.ends_at >= now
    return status == "pending" and action.starts_at >= now


def _digest(action: SilenceSet) -> str:
    said = action.press.encode("utf-8", "replace") if action.press else encode_action(action)
    return hashlib.blake2b(said, digest_size=16).hexdigest()


def _next_id(action: SilenceSet) -> str:
    raw = _digest(action)
    return f"{raw[:8]}-{raw[8:12]}-4{raw[13:16]}-8{raw[17:20]}-{raw[20:]}"
