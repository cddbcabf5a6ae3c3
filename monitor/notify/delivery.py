"""What passes between the outbox and a notifier: a delivery, a reference, or an error with a reason.

Invariant: a `DeliveryError` says in words of ours what went wrong; no token, no URL and no answer body is in it.
"""

from __future__ import annotations

import enum
from typing import Protocol

from msgspec import Struct

from monitor.notify.lines import Line
from schemas.alert import Notification


class FailureReason(enum.StrEnum):
    """Why a delivery failed, in Alertmanager's words."""

    CLIENT_ERROR = "clientError"
    SERVER_ERROR = "serverError"
    AUTH_ERROR = "authError"
    RATE_LIMITED = "rateLimited"
    CANCELED = "contextCanceled"
    DEADLINE = "contextDeadlineExceeded"
    OTHER = "other"


class Fate(enum.StrEnum):
    """What becomes of a delivery that failed, in the words of the log."""

    AGAIN = "will be tried again"
    REFUSED = "given up, and tried again slowly for a day"
    STILL_REFUSED = "still refused"
    GIVEN_UP = "given up"


BACKOFF_SECONDS, BACKOFF_LIMIT_SECONDS = 1.0, 60.0
"""Wait after the first failure. It doubles with each that follows up to the limit, as Alertmanager's does,
unless the service asks for more: who waits longer is silent after the service has come back."""

UNCERTAIN_SECONDS = 3.0
"""Least wait after a first send of which nobody knows: a look that comes too early sees nothing and posts twice."""


class DeliveryError(Exception):
    """A send that did not succeed, or of which nobody knows.

    `detail`: one of our own words or the service's error code. `retry_after`: seconds that the service asked us to
    wait. `uncertain`: the request left, the answer did not come; it may have been carried out. `gone`: the message
    that was to be edited cannot be edited any more.
    """

    def __init__(
        self,
        reason: FailureReason,
        detail: str,
        *,
        retryable: bool,
        retry_after: float | None = None,
        uncertain: bool = False,
        gone: bool = False,
    ) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.retryable = retryable
        self.retry_after = retry_after
        self.uncertain = uncertain
        self.gone = gone


class Delivery(Struct, frozen=True, kw_only=True):
    """One attempt to bring a target to the present state of an incident, or to say one line in its thread.

    `revision`: the notification's sequence. `reference`: what the notifier returned before, None for a first send.
    `generation` counts from 1 the messages that this incident had at this target. `uncertain`: an earlier send may have
    arrived; look before sending again. `mention`: ring the owner with this send. `since`: when the target was first to
    be told, epoch seconds. `line`: what is to be said under the message that `reference` names.
    """

    target: str
    incident: str
    revision: int
    generation: int
    notification: Notification
    reference: str | None
    uncertain: bool
    mention: bool
    since: float
    line: Line | None = None

    @property
    def key(self) -> str:
        """The same for every attempt to say the same thing to the same target."""
        what = self.revision if self.line is None else f"line/{self.line.id}"
        return f"{self.target}/{self.incident}/{what}"


class Trouble(Struct, frozen=True):
    """A delivery that failed: for the page and the metrics. `error`: reason and detail, no secret."""

    target: str
    incident: str
    error: str
    attempts: int
    since: float
    given_up: bool


class Notifier(Protocol):
    """One kind of place to write to."""

    async def send(self, delivery: Delivery) -> str:
        """Bring the place to the delivery's state; a reference to what was written. Raises `DeliveryError`."""
        ...

    def turn(self, delivery: Delivery, now: float) -> float:
        """When the place wants the next send, epoch seconds; at `now` or before, it is this delivery's turn."""
        ...


def reason_of_status(status: int) -> tuple[FailureReason, bool]:
    """An HTTP status that is no success → its reason, and whether to try again."""
    if status in (401, 403):
        return FailureReason.AUTH_ERROR, False
    if status == 429:
        return FailureReason.RATE_LIMITED, True
    if status >= 500:
        return FailureReason.SERVER_ERROR, True
    return FailureReason.CLIENT_ERROR, False


def pause_seconds(error: DeliveryError, failures: int) -> float:
    """How long a target, or one entry, is left alone after its `failures`-th failure in a row."""
    wait = min(BACKOFF_LIMIT_SECONDS, BACKOFF_SECONDS * 2.0 ** min(failures - 1, 20))
    if error.uncertain:
        wait = max(wait, UNCERTAIN_SECONDS)
    if error.reason is FailureReason.RATE_LIMITED and error.retry_after is not None:
        wait = error.retry_after
    return max(wait, error.retry_after or 0.0)


def seconds_of(retry_after: str | None) -> float | None:
    """A `Retry-After` header in seconds; None for a date or nonsense, at most an hour."""
    try:
        seconds = float(retry_after) if retry_after is not None else -1.0
    except ValueError:
        return None
    return min(seconds, 3600.0) if seconds >= 0.0 else None
