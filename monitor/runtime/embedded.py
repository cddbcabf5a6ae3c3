"""One process, no Kafka: intake → engine → router → outbox over one SQLite file.

One writer at a time holds the door: it steps the engine and the router by what came, then puts log records, all state
and the outbox into one transaction, then answers the senders. Senders that were answered have their events on disk;
senders that were not send again, and ids tell what was there already.

Crash between any two steps: before the commit nothing has happened; after it everything has, and the dispatcher finds
the delivery in the outbox. What was stepped and could not be written is never written later: the monitor ends and
starts from its file. Bound: `QUEUE_EVENTS` events wait in memory; beyond that senders are told to come back.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from monitor import views
from monitor.alerting.blind import BLIND_SECONDS
from monitor.alerting.router import Router
from monitor.engine import Record
from monitor.runs.view import of_run
from monitor.runtime.clock import SteadyClock
from monitor.runtime.counting import published
from monitor.runtime.parts import Assembler, Batch, Busy, Dispatcher, Outbox
from monitor.runtime.steps import TICK_SECONDS, Steps, Written
from monitor.runtime.store import Store, StoreError
from schemas.actions import Action
from schemas.alert import Incident
from schemas.config import Config
from schemas.event import Event
from schemas.limits import counted_as
from schemas.records import Tick
from schemas.view import AgentView, BudgetView, Check, Health, RunView, SeenView, SignalView

log = logging.getLogger(__name__)

QUEUE_EVENTS = 200_000
"""Events and spans that wait for the writer. More: `Busy`, and the sender is told when to come back."""
STEP_EVENTS = 2_000
"""Events that one transaction takes; a body with more is written in several."""
QUEUE_ACTIONS = 20_000
"""Actions that wait for the writer. More: `Busy`."""
STEP_ACTIONS = 2_000
"""Actions that one transaction takes; what one call brings is never cut."""


@dataclass(slots=True)
class _Waiting:
    batch: Batch
    done: asyncio.Future[None]


@dataclass(slots=True)
class _Asked:
    actions: Sequence[Action]
    done: asyncio.Future[None]


class Embedded:
    """The running monitor. `start`, then `accept` batches; it is a `View` for the page and the metrics as well."""

    def __init__(
        self,
        config: Config,
        store: Store,
        assembler: Assembler,
        outbox: Outbox,
        encode_letter: Callable[[Any], bytes],
        clock: SteadyClock,
        version: str,
    ) -> None:
        self.version = version
        self._config = config
        self._store = store
        self._steps = Steps(config, store, assembler, outbox)
        self._encode_letter = encode_letter
        self._clock = clock
        self._dispatcher: Dispatcher | None = None
        self._queue: deque[_Waiting] = deque()
        self._queued = 0
        self._asked: deque[_Asked] = deque()
        self._arrived = asyncio.Event()
        self._door = asyncio.Lock()
        self._said: Counter[str] = Counter()
        self._last_tick: float | None = None
        self._ticked = asyncio.Event()
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []
        self._failure: BaseException | None = None
        ahead = clock.go_on_from(self._steps.now)
        if ahead > BLIND_SECONDS:
            log.warning("the clock is %.0f s behind the last tick in the log; time goes on from there", ahead)
        self._jumps = clock.jumps

    # -- life

    def start(self, dispatcher: Dispatcher) -> None:
        """Begin to tick, write and send."""
        self._dispatcher = dispatcher
        dispatcher.committed()  # what the outbox was loaded with is on disk
        for work in (self._write(), self._tick(), dispatcher.run()):
            task = asyncio.create_task(work)
            task.add_done_callback(self._ended)
            self._tasks.append(task)

    async def stop(self) -> None:
        """Write what waits, let deliveries end, close the file."""
        self._stopping = True
        self._arrived.set()
        try:
            if self._tasks:
                await asyncio.wait(self._tasks[:1])
            async with self._door:  # nobody is in the middle of a transaction
                for task in self._tasks[:2]:
                    task.cancel()
            if self._dispatcher is not None:
                await self._dispatcher.stop()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        finally:
            self._store.close()

    async def wait(self) -> None:
        """Return when the monitor cannot go on; raises what stopped it."""
        await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        if self._failure is not None:
            raise self._failure

    # -- intake

    async def accept(self, batch: Batch) -> None:
        """Returns when all of the batch is on disk. Raises `Busy` when too much waits already."""
        size = _size(batch)
        if self._failure is not None or self._stopping or (self._queued and self._queued + size > QUEUE_EVENTS):
            raise Busy(1.0)
        waiting = _Waiting(batch, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._queued += size
        self._arrived.set()
        await waiting.done

    async def act(self, *actions: Action) -> None:
        """Returns when the actions are on disk and the router has taken them. Raises `Busy` when too much waits."""
        waiting = sum(len(each.actions) for each in self._asked)
        if self._failure is not None or self._stopping or (waiting and waiting + len(actions) > QUEUE_ACTIONS):
            raise Busy(1.0)
        asked = _Asked(actions, asyncio.get_running_loop().create_future())
        self._asked.append(asked)
        self._arrived.set()
        await asked.done

    async def reload(self, config: Config, planned: Mapping[str, Any], notifiers: Mapping[str, Any]) -> None:
        """Let the router go on under another configuration, and write to its receivers. Raises `Busy` while ending."""
        async with self._door:
            if self._failure is not None or self._stopping:
                raise Busy(1.0)
            self._steps.outbox.replan(planned, config.default_owner)
            if self._dispatcher is not None:
                self._dispatcher.replace(notifiers)
            await self._write_down(lambda: self._steps.reload(config))

    async def commit_outbox(self) -> None:
        """Make what the outbox changed durable; for the dispatcher."""
        async with self._door:
            await asyncio.to_thread(self._store.commit, (), self._steps.outbox.changes())

    # -- what people see

    @property
    def router(self) -> Router:
        """The router of this monitor: to look at."""
        return self._steps.router

    def agents(self) -> list[AgentView]:
        """Every agent, without its signals."""
        found = views.agents(self._steps.engine.partition)
        return [_blind(view) for view in found] if self._is_blind() else found

    def signals(self, agent: str) -> tuple[SignalView, ...]:
        """The signals of one agent; none of one that is not known."""
        return views.signals(self._steps.engine.partition, agent)

    def seen(self) -> list[SeenView]:
        """What the latest runs of every agent carried and used."""
        return views.seen(self._steps.engine.partition)

    def incidents(self) -> list[Incident]:
        """Open incidents, then closed ones."""
        return self.router.incidents()

    def runs(self, limit: int) -> list[RunView]:
        """Runs that closed last, newest first."""
        return [of_run(*closed) for closed in list(self._steps.closed)[::-1][:limit]]

    def budgets(self) -> list[BudgetView]:
        """One account per owner."""
        return self._steps.engine.aggregator.budgets()

    def counts(self) -> dict[str, int]:
        """Counters by metric name."""
        steps, engine = self._steps, self._steps.engine
        parts = (engine.partition.counts, engine.aggregator.counts, steps.assembler.counts, steps.router.counts)
        return dict(published(*parts, steps.sight.counts, steps.outbox.counts, self._said) + steps.counts)

    def gauges(self) -> dict[str, float]:
        """Levels by metric name."""
        age = self._clock() - self._last_tick if self._last_tick is not None else 0.0
        nodes = sum(len(agent.slices.nodes) for agent in self._steps.engine.partition.agents.values())
        return {
            "nodes": float(nodes),
            "tick_age_seconds": max(age, 0.0),
            "lag_records:log": float(self._queued),
            "traces_open": float(self._steps.assembler.open_traces),
            "outbox_pending": float(self._steps.outbox.pending()),
        }

    def health(self) -> Health:
        """Alive: the writer runs. Ready: it ticks, and there is room."""
        live = Check(
            name="writer",
            ok=self._failure is None,
            message=type(self._failure).__name__ if self._failure is not None else "",
        )
        ticks = self._last_tick is not None and not self._is_blind()
        room = self._queued < QUEUE_EVENTS
        ready = (
            Check(name="ticks", ok=ticks, message="" if ticks else "no tick for a while"),
            Check(name="room", ok=room, message="" if room else f"{self._queued} events wait"),
        )
        return Health(live=(live,), ready=ready)

    # -- the writer

    async def _write(self) -> None:
        await self._ticked.wait()  # a blind gap before the start must be known before the first event
        while self._queue or self._asked or not self._stopping:
            await self._arrived.wait()
            self._arrived.clear()
            while self._queue or self._asked:
                if self._asked:
                    await self._act_once()
                if self._queue:
                    await self._write_once()
            if self._stopping:
                return

    async def _act_once(self) -> None:
        """Take the actions that wait, up to a transaction's worth, write them, and answer who asked."""
        taken: list[_Asked] = []
        actions: list[Action] = []
        while self._asked and (not taken or len(actions) + len(self._asked[0].actions) <= STEP_ACTIONS):
            taken.append(self._asked.popleft())
            actions += taken[-1].actions
        try:
            async with self._door:
                await self._step((), actions=actions)
        except BaseException:
            _refuse(taken)
            raise
        _answer(taken)

    async def _write_once(self) -> None:
        """Take what waits, up to a transaction's worth, write it, and answer who sent it."""
        taken: list[_Waiting] = []
        events: list[Event] = []
        letters: list[bytes] = []
        spans: list[Any] = []
        while self._queue and (not taken or len(events) + len(self._queue[0].batch.events) <= STEP_EVENTS):
            waiting = self._queue.popleft()
            taken.append(waiting)
            batch = waiting.batch
            self._queued -= _size(batch)
            events += batch.events
            spans += batch.spans
            letters += [self._encode_letter(letter) for letter in batch.dead_letters]
            for letter in batch.dead_letters:
                self._steps.counts[f"dead_letters:{letter.reason}"] += 1
            self._count_said(batch.counts)
        try:
            for start in range(0, max(len(events), 1), STEP_EVENTS):
                async with self._door:  # ticks go in between
                    if spans:
                        self._steps.assembler.add(spans, self._clock())
                    await self._step(events[start : start + STEP_EVENTS], letters)
                spans, letters = [], []
        except BaseException:
            _refuse(taken)
            raise
        _answer(taken)

    async def _tick(self) -> None:
        """Time moves once a second, on whole seconds."""
        while True:
            now = float(int(self._clock()))
            if self._last_tick is None or now > self._last_tick:
                async with self._door:
                    since = self._last_tick if self._has_watched(now) else None
                    self._jumps = self._clock.jumps
                    assembled = self._steps.assembler.tick(now)
                    await self._step([*assembled, Tick(now, since)])
                    self._last_tick = now
                    self._ticked.set()
                    await asyncio.to_thread(self._store.prune, now - self._config.runtime.retention.events)
            await asyncio.sleep(max(TICK_SECONDS - (self._clock() % TICK_SECONDS), 0.01))

    def _has_watched(self, now: float) -> bool:
        """Whether nothing that was sent since the last tick can have been missed: no sleep, no stop, no jump."""
        if self._last_tick is None or self._clock.jumps != self._jumps:
            return False
        return now - self._last_tick <= BLIND_SECONDS

    async def _step(
        self, records: Sequence[Record], letters: Sequence[bytes] = (), actions: Sequence[Action] = ()
    ) -> None:
        """One step, then one transaction. Called behind the door."""
        await self._write_down(lambda: self._steps.step(records, letters, actions))

    async def _write_down(self, work: Callable[[], Written]) -> None:
        """Do it and make all that came of it durable. Called behind the door."""
        if self._failure is not None:
            raise self._failure
        try:
            await asyncio.to_thread(self._store.commit, *work())
        except BaseException as error:
            self._failure = self._failure or error  # before the door opens: nobody may write on top of this
            raise
        if self._dispatcher is not None:
            self._dispatcher.committed()

    def _count_said(self, counts: Mapping[str, int]) -> None:
        """What the intake says of a body. Producers name themselves, so the names are bounded."""
        for name, count in counts.items():
            if name == "events_skewed":
                continue  # also counted by producer
            self._said[counted_as(name, self._said)] += count

    def _is_blind(self) -> bool:
        return self._last_tick is not None and self._clock() - self._last_tick > BLIND_SECONDS

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or task.exception() is None:
            return
        error = task.exception()
        self._failure = self._failure or error
        if not isinstance(error, StoreError):  # that one says in its message what to do
            log.error("the monitor cannot go on", exc_info=error)
        for other in self._tasks:
            other.cancel()
        _refuse(self._queue)
        _refuse(self._asked)
        self._queue.clear()
        self._asked.clear()


def _answer(waiting: Iterable[_Waiting | _Asked]) -> None:
    for each in waiting:
        if not each.done.done():
            each.done.set_result(None)


def _refuse(waiting: Iterable[_Waiting | _Asked]) -> None:
    for each in waiting:
        if not each.done.done():
            each.done.set_exception(Busy(1.0))


def _size(batch: Batch) -> int:
    return len(batch.events) + len(batch.spans) + len(batch.dead_letters)


def _blind(view: AgentView) -> AgentView:
    return msgspec.structs.replace(view, state="blind")
