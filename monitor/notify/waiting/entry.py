"""One target's view of one incident: what it is to show, what it shows, and when it is written to again.

Pure. It knows nothing of other entries: which of them is next says its lane. Invariant: what is given up, and is not
tried again, is not due until there is news.
"""

from __future__ import annotations

import math

import msgspec
from msgspec import Struct

from monitor.notify.delivery import Delivery, FailureReason
from monitor.notify.lines import Line, Thread, together
from schemas.alert import Call, Notification

REFUSED_SOON_SECONDS, REFUSED_LATER_SECONDS = 300.0, 3_600.0
"""What a place refuses (4xx, a channel that the bot is not in) is sent again so often: at first, and later."""

REFUSED_SOON_FOR_SECONDS, REFUSED_FOR_SECONDS = 3_600.0, 86_400.0
"""How long the first of these holds, and both. Beyond, it is left until there is news or a restart."""


class Entry(Struct, kw_only=True):
    """One target's view of one incident.

    `delivered`: sequence of what it shows, 0 for nothing. `tried`: sequence of the first send that may have arrived, 0
    for none. `mention`: the owner is to be rung, and was not yet; `owed`: it was over before that, so they are rung
    when its page fires again. `thread`: None where the target has none. `attempts`: those in a row that failed.
    `not_before`: when it may be sent again, `refused_at`: when the present state was refused first, `again_at`: when it
    is sent all the same; epoch seconds, 0 for none. `calls`: for what the first message rings, where several incidents
    are told together; once that may have been sent it stays so, and lines of the thread ring for what came since.
    """

    target: str
    incident: str
    desired: Notification
    since: float
    delivered: int = 0
    generation: int = 1
    reference: str | None = None
    uncertain: bool = False
    mention: bool = False
    attempts: int = 0
    error: str = ""
    given_up: bool = False
    tried: int = 0
    thread: Thread | None = None
    not_before: float = 0.0
    refused_at: float = 0.0
    again_at: float = 0.0
    owed: bool = False
    calls: tuple[Call, ...] = ()

    @property
    def stale(self) -> bool:
        """Whether the message does not show the present state and will be tried again."""
        return self.delivered < self.desired.sequence and (not self.given_up or self.again_at > 0.0)

    @property
    def speaks(self) -> bool:
        """Whether a line waits for the message that is there."""
        return self.reference is not None and self.thread is not None and bool(self.thread.waiting)

    @property
    def waiting(self) -> bool:
        """Whether the message or its thread does not say all and will be tried again."""
        return self.stale or self.speaks

    @property
    def finished(self) -> bool:
        """Whether the incident is over and nothing is to be sent any more."""
        return self.desired.status == "resolved" and not self.waiting

    @property
    def opens_at(self) -> float:
        """When something of it may be sent, epoch seconds; infinity for never."""
        if not self.waiting:
            return math.inf
        return self.not_before if self.speaks or not self.given_up else max(self.not_before, self.again_at)

    @property
    def rank(self) -> tuple[int, float, str]:
        """What is sent first, within one target. What was refused stands behind all else."""
        first, page = self.reference is None, self.desired.severity == "page"
        if self.given_up and not self.speaks:
            order = 6
        elif self.mention or not self.stale:
            order = 0 if self.mention else 5
        elif self.desired.status == "resolved":
            order = 4
        else:
            order = (1 if page else 3) if first else (2 if page else 4)
        return order, self.since, self.incident

    def delivery(self, now: float) -> Delivery:
        """What is to be sent of it at `now`."""
        thread, line = self.thread, self._line(now)
        # Where an earlier first send may stand that rang nobody, a line below it rings.
        later = thread is not None and 0 < self.tried < thread.ringing and not self.calls
        silent = thread is not None and (self.reference is not None or later)
        calls = self._calls() if line is None else line.calls
        return Delivery(
            target=self.target,
            incident=self.incident,
            revision=self.desired.sequence,
            generation=self.generation,
            notification=calling(self.desired, calls),
            reference=self.reference,
            uncertain=self.uncertain if line is None or thread is None else thread.uncertain,
            mention=self.mention and not silent,
            since=self.since,
            line=line,
        )

    def ring(self, told: Notification, *, rung: bool) -> None:
        """Somebody is to be rung by what it shows now. `rung`: somebody was to be before, and was not yet."""
        firing = {alert.fingerprint for alert in told.alerts if alert.status == "firing"}
        if told.gone_to:  # what left for another message rings there only where nobody was to be rung here
            firing |= {call.fingerprint for call in (*self.calls, *(self.thread.calls_of() if self.thread else ()))}
        fresh = told.called if told.mention or not rung else ()
        if self.thread is None or (self.reference is None and not self.tried):
            waits = tuple(call for call in self.calls if call.fingerprint in firing)
            self.calls = together(waits if rung else (), fresh)
            return
        self.thread.still(firing)
        if fresh or not rung:
            self.thread.ring(told.sequence, told.time, fresh)
        self.mention = self.reference is None or bool(self.thread.ringing)

    def rang(self, delivery: Delivery) -> None:
        """What the delivery was to ring was rung, or cannot be; who waits for another line still is to be."""
        if delivery.mention:
            said = {call.fingerprint for call in delivery.notification.called}
            self.calls = tuple(call for call in self.calls if call.fingerprint not in said)
        if delivery.mention or (delivery.line is not None and delivery.line.rings):
            waits = bool(self.calls) if self.thread is None else bool(self.thread.ringing)
            self.mention = self.mention and waits

    def unheard(self) -> Notification:
        """What it is to show, as one that rings whom nobody rang yet."""
        return calling(msgspec.structs.replace(self.desired, mention=self.mention), self._calls())

    def refuse(self, now: float) -> bool:
        """The present state was refused: it is given up, and sent again ever more slowly. Whether this is news."""
        fresh = not self.refused_at
        self.refused_at = self.refused_at or now
        soon = now - self.refused_at < REFUSED_SOON_FOR_SECONDS
        again = now + (REFUSED_SOON_SECONDS if soon else REFUSED_LATER_SECONDS)
        self.given_up, self.again_at = True, again if again < self._over_at else 0.0
        return fresh

    def lapse(self, now: float) -> bool:
        """Leave what was refused for too long; whether it was left."""
        if not self.again_at or now < self._over_at:
            return False
        self.again_at = 0.0
        return True

    def leave(self) -> bool:
        """Its target is gone, and what stands there stays; whether it was to be changed."""
        stale, self.given_up, self.again_at = self.stale, True, 0.0
        self.error = f"{FailureReason.CLIENT_ERROR}: no such target any more"
        if self.thread is not None:
            self.thread.waiting = []
        return stale

    def renew(self) -> None:
        """There is news, or it was delivered: what was refused before does not count."""
        self.given_up, self.refused_at, self.again_at = False, 0.0, 0.0

    @property
    def _over_at(self) -> float:
        return self.refused_at + REFUSED_FOR_SECONDS

    def _calls(self) -> tuple[Call, ...]:
        """For what a message rings that is posted now: it takes the place of lines, where it was not tried before."""
        lines = () if self.tried or self.thread is None else self.thread.calls_of()
        return together(self.calls, lines)

    def _line(self, now: float) -> Line | None:
        """What is to be said in the thread, before the message is edited where that rings or does not wait for it."""
        if self.thread is None or not self.speaks:
            return None
        edits = self.stale and (not self.given_up or self.again_at <= now)
        return self.thread.waiting[0] if self.thread.waiting[0].rings or not edits else None


def calling(told: Notification, calls: tuple[Call, ...]) -> Notification:
    """The notification as one that rings for `calls`; where there are none, for what it says itself."""
    return msgspec.structs.replace(told, call=calls[0], calls=calls[1:]) if calls else told
