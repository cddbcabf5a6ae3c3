"""What only the active one of several workers does: write the ticks and send the notifications.

It starts when the findings partition arrives and stops when it goes. Not here: what a tick or a notification means.
Invariants: `since` stands in a tick only if this writer was there, and the broker took it in time, since the one
before; no tick is before one that the router has seen, for nobody would take it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from monitor.alerting.blind import BLIND_SECONDS
from monitor.runtime.clock import SteadyClock
from monitor.runtime.kafka.central import RouterCore
from monitor.runtime.parts import Dispatcher
from schemas.records import Tick

_log = logging.getLogger(__name__)

TICK_SECONDS = 1.0
GAP_SECONDS = 5.0
"""A tick so long after the one before says nothing of the time between: the broker was away, the monitor blind."""

GRACE_SECONDS = 3.0
"""Sends under way may take so long once the partition goes. The next owner looks an uncertain one up before it repeats
it, so it must have landed or been cut off by then."""


class Active:
    """Ticks and deliveries of one stay of the findings partition. `tick` writes one everywhere, and waits for it;
    `trace_tick` does so where traces are put together, which may take longer and must not hold up the other.

    `held`: whether nobody else can be the active one; without that no tick is written.
    """

    def __init__(
        self,
        router: RouterCore,
        dispatcher: Dispatcher,
        tick: Callable[[Tick], Awaitable[None]],
        trace_tick: Callable[[float], Awaitable[None]],
        clock: SteadyClock,
        fail: Callable[[BaseException], Awaitable[None]],
        held: Callable[[], bool],
    ) -> None:
        self.router = router
        self.dispatcher = dispatcher
        self._tick = tick
        self._trace_tick = trace_tick
        self._clock = clock
        self._fail = fail
        self._held = held
        go_on(clock, router.now)
        dispatcher.committed()  # what the outbox was loaded with is durable
        self._ticking = [
            asyncio.create_task(self._guarded(work), name="ticks") for work in (self._write_ticks, self._tick_traces)
        ]
        self._sending = asyncio.create_task(self._guarded(dispatcher.run), name="deliveries")

    async def stop(self, grace_seconds: float = GRACE_SECONDS) -> None:
        """No more ticks, no new sends; those under way may end. What does not is cut off and counts as uncertain."""
        for ticking in self._ticking:
            ticking.cancel()
        await asyncio.gather(*self._ticking, return_exceptions=True)
        await self.dispatcher.stop(grace_seconds)
        await asyncio.gather(self._sending, return_exceptions=True)

    async def _write_ticks(self) -> None:
        last: float | None = None
        jumps = self._clock.jumps
        while True:
            go_on(self._clock, self.router.now)  # what the writer before us wrote last may be read only now
            now = float(int(self._clock()))
            if (last is None or now > last) and self._held():
                steady = last is not None and now - last <= GAP_SECONDS and self._clock.jumps == jumps
                jumps = self._clock.jumps
                await self._tick(Tick(now, last if steady else None))
                last = now
            await self._next_second()

    async def _tick_traces(self) -> None:
        last = 0.0
        while True:
            now = float(int(self._clock()))
            if now > last and self._held():
                await self._trace_tick(now)
                last = now
            await self._next_second()

    async def _next_second(self) -> None:
        await asyncio.sleep(max(TICK_SECONDS - self._clock() % TICK_SECONDS, 0.01))

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except asyncio.CancelledError:
            raise
        except Exception as error:
            await self._fail(error)


def go_on(clock: SteadyClock, tick: float) -> None:
    """Let time go on from a tick in the log, which the clock of another worker, or ours before a start, may have put
    ahead of this one."""
    ahead = clock.go_on_from(tick)
    if ahead > BLIND_SECONDS:
        _log.warning("the clock is %.0f s behind the last tick in the log; time goes on from there", ahead)
