"""The loop that sends what the outbox holds due.

The only active part of delivery: it calls notifiers, tells the outbox how it went and has each change committed. It
decides nothing about messages or retries. Invariants: nothing is sent before its note is durable; one target is written
to by one send at a time, and a slow one holds up no other; what is cancelled counts as uncertain, never as not sent.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial

from monitor.notify.delivery import Delivery, DeliveryError, FailureReason, Fate, Notifier
from monitor.notify.outbox import Outbox
from monitor.notify.redact import name
from schemas.alert import Notification

log = logging.getLogger(__name__)

SEND_SECONDS = 30.0
"""A send that takes longer is given up and counts as uncertain."""

GRACE_SECONDS = 10.0
"""How long `stop` waits for sends that are under way."""

IDLE_SECONDS = 1.0
"""The loop looks at the clock at least so often, so that a clock that jumps is noticed."""


class Dispatcher:
    """Sends for one outbox. `commit` makes `outbox.changes()` durable; `clock` gives epoch seconds.

    While `may_send` says no, nothing new is begun: somebody else may have the outbox.
    """

    def __init__(
        self,
        outbox: Outbox,
        notifiers: Mapping[str, Notifier],
        commit: Callable[[], Awaitable[None]],
        clock: Callable[[], float],
        may_send: Callable[[], bool] = lambda: True,
    ) -> None:
        self._outbox = outbox
        self._may_send = may_send
        self._notifiers = dict(notifiers)
        self._commit = commit
        self._clock = clock
        self._committing = asyncio.Lock()
        self._wake = asyncio.Event()
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._stopping = False
        self._crash: BaseException | None = None

    async def put(self, notifications: Iterable[Notification]) -> None:
        """Note, make durable, send soon."""
        for notification in notifications:
            self._outbox.put(notification)
        await self._make_durable()
        self.committed()

    def committed(self) -> None:
        """The caller has put notifications and made them durable itself."""
        self._outbox.release()
        self._wake.set()

    def replace(self, notifiers: Mapping[str, Notifier]) -> None:
        """From now on these write to the targets; sends under way end as they began."""
        self._notifiers = dict(notifiers)

    async def run(self) -> None:
        """Send until `stop`. Raises what `commit` raised: without a durable note nothing may be sent."""
        while not self._stopping:
            self._wake.clear()
            self._start()
            wake = self._outbox.next_wake(self._under_way)
            wait = IDLE_SECONDS if wake is None else min(IDLE_SECONDS, max(0.01, wake - self._clock()))
            try:
                async with asyncio.timeout(wait):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._raise_crash()

    async def flush(self) -> None:
        """Send what is due now, until nothing is due or under way."""
        self._start()
        while self._under_way:
            await asyncio.wait(self._under_way.values(), return_when=asyncio.FIRST_COMPLETED)
            self._raise_crash()
            self._start()

    async def stop(self, grace_seconds: float = GRACE_SECONDS) -> None:
        """Start nothing more, let sends end, cancel what does not."""
        self._stopping = True
        self._wake.set()
        tasks = list(self._under_way.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace_seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        self._raise_crash()

    def _start(self) -> None:
        if self._stopping or not self._may_send():
            return
        now = self._clock()
        for delivery in self._outbox.due(now, self._under_way):
            notifier = self._notifiers.get(delivery.target)
            turn = notifier.turn(delivery, now) if notifier is not None else now
            if turn > now:
                self._outbox.pace(delivery, turn)
                continue
            self._outbox.begin(delivery)
            task = asyncio.create_task(self._send(delivery), name=f"deliver {delivery.target}")
            self._under_way[delivery.target] = task
            task.add_done_callback(partial(self._done, delivery.target))

    def _done(self, target: str, task: asyncio.Task[None]) -> None:
        self._under_way.pop(target, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._crash = self._crash or error
        self._wake.set()

    def _raise_crash(self) -> None:
        if self._crash is not None:
            raise self._crash

    async def _send(self, delivery: Delivery) -> None:
        cancelled: asyncio.CancelledError | None = None
        try:
            notifier = self._notifiers.get(delivery.target)
            if notifier is None:
                raise DeliveryError(FailureReason.CLIENT_ERROR, "no such target any more", retryable=False)
            async with asyncio.timeout(SEND_SECONDS):
                reference = await notifier.send(delivery)
        except DeliveryError as error:
            self._failed(delivery, error)
        except TimeoutError:
            self._failed(delivery, _lost(FailureReason.DEADLINE, f"no answer within {SEND_SECONDS:g} s"))
        except asyncio.CancelledError as error:
            cancelled = error
            self._failed(delivery, _lost(FailureReason.CANCELED, "stopped while sending"))
        except Exception as error:  # a notifier's own mistake must not end the others
            # Its type only: the text of a foreign error may hold a URL or a token.
            self._failed(delivery, _lost(FailureReason.OTHER, type(error).__name__))
        else:
            self._outbox.sent(delivery, reference, self._clock())
            _say_whose(delivery)
        await self._make_durable()
        if cancelled is not None:
            raise cancelled

    def _failed(self, delivery: Delivery, error: DeliveryError) -> None:
        fate = self._outbox.failed(delivery, error, self._clock())
        level = logging.ERROR if fate in (Fate.REFUSED, Fate.GIVEN_UP) else logging.WARNING
        log.log(level, "delivery to %s of incident %s failed, %s: %s", delivery.target, delivery.incident, fate, error)

    async def _make_durable(self) -> None:
        async with self._committing:
            if self._outbox.dirty:
                await self._commit()


def _lost(reason: FailureReason, detail: str) -> DeliveryError:
    return DeliveryError(reason, detail, retryable=True, uncertain=True)


def _say_whose(delivery: Delivery) -> None:
    """What is meant for an owner whom the configuration does not name is said once, when it was delivered."""
    told = delivery.notification
    if told.instead_of and delivery.reference is None:
        log.warning(
            "incident %s is meant for the owner %s, whom the configuration does not name; %s was told",
            delivery.incident, name(told.instead_of, 60), delivery.target,
        )  # fmt: skip
