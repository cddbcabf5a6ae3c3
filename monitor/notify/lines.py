"""The thread under a message: each entry of a timeline that came after the message was posted is one line there.

Pure. Lines have ids made of what they say, so the same entry is the same line however often it is told. They are sent
in order, one at a time. Lines that a long outage or a busy channel kept back are gathered into one: the present is
told, not its history message by message. What rings the owner is a line of its own, before all others: an edit of the
message rings nobody.

Invariant: the first line that waits is never changed once it may have been sent.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Container, Iterable

import msgspec
from msgspec import Struct

from schemas.alert import Call, TimelineEntry

KNOWN = 500
"""Entries of one timeline that are remembered as told; more than a timeline holds. Beyond, the oldest is forgotten."""

WAITING = 20
"""Lines that wait. Beyond, they are gathered."""

LATE_SECONDS, BUSY_SECONDS = 300.0, 30.0
"""Lines of a place that fails, or is busy, are gathered once the oldest entry is so old."""

BUSY = 15
"""Incidents of which something waits for a place. Beyond it is busy: one post a second is all that Slack takes."""

PARTS = 10
"""Entries that a gathered line shows, the latest. Beyond: a count."""

CALLED = 100
"""Owners that one line calls. Beyond, they are told of and not rung."""

TEXT = 400
"""Characters of an entry that are kept."""


class Line(Struct, frozen=True):
    """One message in a thread. `revision`: sequence of the notification that brought it; `parts`: time and text."""

    id: str
    revision: int
    parts: tuple[tuple[float, str], ...]
    more: int = 0
    """Earlier entries that are counted only."""
    loud: bool = False
    """The channel sees it as well."""
    rings: bool = False
    """It calls the owner: the message became a page after it was posted."""
    calls: tuple[Call, ...] = ()
    """For what it rings, where several incidents are told together; empty for what the message says itself."""


class Thread(Struct):
    """What one message's thread was told, and what waits. `uncertain`: the first that waits may have been sent."""

    known: list[str] = []
    waiting: list[Line] = []
    uncertain: bool = False
    under_way: bool = False

    def note(
        self, timeline: Iterable[TimelineEntry], revision: int, now: float, *, patience: float, wanted: bool
    ) -> None:
        """Take up the entries that are new. `patience`: see there; `wanted`: they are to be sent."""
        known = set(self.known)
        for entry in timeline:
            name = line_id(entry)
            if name not in known:
                known.add(name)
                self.known.append(name)
                if wanted:
                    self.waiting.append(Line(name, revision, ((entry.time, entry.text[:TEXT]),), loud=entry.loud))
        del self.known[:-KNOWN]
        late = bool(self.waiting) and now - self.waiting[0].parts[0][0] > patience
        if late or len(self.waiting) > WAITING:
            self._gather()

    @property
    def ringing(self) -> int:
        """Revision of the line that is to call the owner; 0 for none."""
        return next((line.revision for line in self.waiting if line.rings), 0)

    def ring(self, revision: int, now: float, calls: tuple[Call, ...] = ()) -> None:
        """Call the owners under the message: before all that was not begun, by the line that waits to, if one does.

        A line that may have been sent stays as it is: who is to be called beside it is by another one.
        """
        begun = 1 if self.uncertain or self.under_way else 0
        waits = next((line for line in self.waiting[begun:] if line.rings), None)
        if waits is not None or (self.ringing and not calls):
            if waits is not None:
                both = msgspec.structs.replace(waits, calls=together(waits.calls, calls))
                self.waiting[self.waiting.index(waits)] = both
            return
        name, parts = _digest(f"ring|{revision}"), ((now, "this is a page now"),)
        self.waiting.insert(begun, Line(name, revision, parts, loud=True, rings=True, calls=calls))

    def calls_of(self) -> tuple[Call, ...]:
        """For what lines that wait are to ring."""
        return together(*(line.calls for line in self.waiting if line.rings))

    def still(self, firing: Container[str]) -> None:
        """Ring no more for what is over: of alerts told together these fire (fingerprints)."""
        begun = 1 if self.uncertain or self.under_way else 0
        for line in [line for line in self.waiting[begun:] if line.rings and line.calls]:
            calls, place = tuple(call for call in line.calls if call.fingerprint in firing), self.waiting.index(line)
            self.waiting[place : place + 1] = [msgspec.structs.replace(line, calls=calls)] if calls else []

    def hush(self) -> None:
        """It is over: nobody is to be called any more."""
        if self.waiting and self.waiting[0].rings:
            self.uncertain = False
        self.waiting = [line for line in self.waiting if not line.rings]

    def opened(self, revision: int) -> None:
        """The message was posted and shows what it was told up to `revision`: those entries need no line."""
        self.waiting = [line for line in self.waiting if line.revision > revision]
        self.uncertain = False

    def said(self, name: str) -> None:
        """A line stands in the thread."""
        self.waiting = [line for line in self.waiting if line.id != name]
        self.uncertain = self.under_way = False

    def _gather(self) -> None:
        keep = 1 if self.uncertain or self.under_way else 0
        keep += any(line.rings for line in self.waiting[keep:])  # it stands before all that may be gathered
        rest = self.waiting[keep:]
        if len(rest) < 2:
            return
        parts = tuple(part for line in rest for part in line.parts)
        more = sum(line.more for line in rest) + max(0, len(parts) - PARTS)
        name = _digest("+".join(line.id for line in rest))
        self.waiting[keep:] = [Line(name, rest[-1].revision, parts[-PARTS:], more, any(line.loud for line in rest))]


def together(*parts: tuple[Call, ...]) -> tuple[Call, ...]:
    """Calls that wait for the same message: of each owner the latest, at most `CALLED`."""
    found: dict[str, Call] = {}
    for call in (call for part in parts for call in part):
        found[call.owner] = call
    return tuple(found.values())[:CALLED]


def patience(failures: int, waiting: int) -> float:
    """Seconds after which lines are gathered, by how often the place has failed and for how many incidents it is
    waited for; infinity where it is well."""
    return LATE_SECONDS if failures else BUSY_SECONDS if waiting > BUSY else math.inf


def line_id(entry: TimelineEntry) -> str:
    """16 hex digits of what an entry says and when."""
    return _digest(f"{entry.time!r}|{entry.text}")


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).hexdigest()
