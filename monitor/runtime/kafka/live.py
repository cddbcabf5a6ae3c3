"""The monitor on Kafka as the rest of the process sees it: started, fed, looked at, stopped.

It gives each topic its core, writes the ticks and sends the notifications while it is the active one, takes what HTTP
senders bring, and answers what people ask. Detection, routing and durability are elsewhere (`events`, `central`,
`partition`). Invariant: ticks are written and messages sent only by the worker that owns the findings partition.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

from aiokafka.errors import KafkaError
from faust.exceptions import ProducerSendError

from monitor import views
from monitor.alerting.blind import BLIND_SECONDS
from monitor.alerting.router import Router
from monitor.engine import PartitionEngine
from monitor.runs.view import of_run
from monitor.runtime.clock import SteadyClock
from monitor.runtime.counting import Totals, published
from monitor.runtime.kafka import topics as layout
from monitor.runtime.kafka.active import Active, go_on
from monitor.runtime.kafka.central import AggregatorCore, ControlCore, RouterCore
from monitor.runtime.kafka.events import EventsCore, ReadEvents, observed_header, partition_of
from monitor.runtime.kafka.partition import Core, LetterParts
from monitor.runtime.kafka.traces.reach import Reach
from monitor.runtime.kafka.traces.spans import AssemblerCore, OtlpCore, SpanParts
from monitor.runtime.kafka.worker import KafkaWorker, Role
from monitor.runtime.parts import Batch, Busy, Dispatcher, Outbox
from schemas.actions import Action, encode_action
from schemas.alert import Incident
from schemas.config import Config
from schemas.event import encode
from schemas.limits import counted_as
from schemas.records import Sighting, Tick, TraceTick, encode_control
from schemas.view import AgentView, BudgetView, Check, Health, RunView, SeenView, SignalView

_log = logging.getLogger(__name__)
C = TypeVar("C", bound=Core)

ACCEPT_RECORDS = 200_000
"""Records of HTTP senders that wait for the broker. More: `Busy`."""
ACCEPT_SECONDS = 10.0
"""A sender waits so long for the broker's acknowledgement, then is told to come again; ids tell what was there."""
LOOKS, LOOK_SECONDS = 4, 0.2
"""How often it is looked, before traces get their tick, whether what senders wrote until now is read: a little longer
than a partition without state takes to be done."""
LOOK_TIMEOUT_SECONDS = 5.0
"""How long the broker may take to say so."""
AHEAD_SECONDS = 5.0
"""Ticks further ahead of this worker's clock than this come from a clock that is wrong, or is ours."""


class Parts(NamedTuple):
    """What may not be imported here; `monitor.app` hands it over."""

    read_events: ReadEvents
    spans: SpanParts
    letters: LetterParts
    outbox: Callable[[], Outbox]
    dispatcher: Callable[[Outbox, Callable[[], Awaitable[None]], Callable[[], bool]], Dispatcher]
    """Outbox, what makes its changes durable, and whether it may send → the loop that sends."""


class KafkaMonitor:
    """The running monitor: `start`, `accept`, `wait`, `stop`, and a `View` for the page and the metrics."""

    def __init__(self, config: Config, parts: Parts, clock: SteadyClock, version: str) -> None:
        self.version = version
        self._config = config
        self._kafka = config.runtime.kafka
        self._topics = config.runtime.kafka.topics
        self._parts = parts
        self._clock = clock
        self._counts: Counter[str] = Counter()
        self._said: Counter[str] = Counter()
        self._engines = Totals[PartitionEngine](lambda engine: published(engine.counts), saved=True)
        self._others = Totals(_counts_of)
        self._accepting = 0
        self._active: Active | None = None
        self._since: dict[EventsCore, float] = {}
        """Since when we have each partition, epoch seconds."""
        self._ending: set[asyncio.Task[None]] = set()
        self._worker = KafkaWorker(config.runtime, self._roles(), on_moved=self._moved, on_leaving=self._leave)

    # -- life

    async def start(self) -> None:
        """Topics made and checked, group joined, state recovered. Raises `TopicError`, `WorkerFailed`."""
        for difference in await asyncio.to_thread(layout.prepare, self._config.runtime):
            _log.warning("%s", difference)
        await self._worker.start()
        self._moved()

    async def wait(self) -> None:
        """Never returns; raises what ended the monitor."""
        await self._worker.wait()

    async def stop(self) -> None:
        """Stop ticking and sending, save and commit, leave the group."""
        await self._leave()
        await self._worker.stop()

    # -- intake

    async def accept(self, batch: Batch) -> None:
        """Returns when the broker has all of the batch. Raises `Busy` while it cannot."""
        size = len(batch.events) + len(batch.spans) + len(batch.dead_letters)
        if not self._worker.ready or (self._accepting and self._accepting + size > ACCEPT_RECORDS):
            raise Busy(1.0)
        self._accepting += size
        try:
            async with asyncio.timeout(ACCEPT_SECONDS):
                await asyncio.gather(*[await sent for sent in self._sends(batch)])
        except (TimeoutError, KafkaError, ProducerSendError):
            raise Busy(5.0) from None
        finally:
            self._accepting -= size
        for name, count in batch.counts.items():
            if not name.startswith("events_skewed"):  # the worker settles times again, and counts
                self._said[counted_as(name, self._said)] += count
        for letter in batch.dead_letters:
            self._counts[f"dead_letters:{letter.reason}"] += 1

    async def act(self, *actions: Action) -> None:
        """Returns when the broker has the actions; the active router takes them from there. Raises `Busy`."""
        if not self._worker.ready or (self._accepting and self._accepting + len(actions) > ACCEPT_RECORDS):
            raise Busy(1.0)
        self._accepting += len(actions)
        topic = self._topics.control
        try:
            async with asyncio.timeout(ACCEPT_SECONDS):
                sent = [await self._worker.send(topic, encode_action(action), partition=0) for action in actions]
                await asyncio.gather(*sent)
        except (TimeoutError, KafkaError, ProducerSendError):
            raise Busy(5.0) from None
        finally:
            self._accepting -= len(actions)

    async def reload(self, config: Config, planned: Mapping[str, Any], notifiers: Mapping[str, Any]) -> None:
        """Let the router go on under another configuration; a worker that stands by will begin with it."""
        self._config = config
        for core in self._cores(RouterCore):
            core.outbox.replan(planned, config.default_owner)
            core.reload(config)
        if self._active is not None:
            self._active.dispatcher.replace(notifiers)
            await self._worker.save(self._topics.findings)

    def _sends(self, batch: Batch) -> Iterator[Awaitable[Awaitable[object]]]:
        send = self._worker.send
        values = batch.raws or [encode(event) for event in batch.events]
        for event, value in zip(batch.events, values, strict=True):
            # An event without an agent may begin anywhere: its partition looks, and asks the others.
            home = partition_of(event.agent or event.id, self._kafka.partitions)
            observed = event.observed_time if event.observed_time is not None else self._clock()
            key = event.agent.encode() if event.agent is not None else None
            yield send(self._topics.events, value, key=key, partition=home, headers=observed_header(observed))
        for span in batch.spans:
            parts = self._parts.spans
            yield send(self._topics.spans, parts.encode_span(span), key=parts.span_key(span))
        for letter in batch.dead_letters:
            yield send(self._topics.dead_letters, self._parts.letters.encode(letter))
        if batch.dead_letters:
            told = Sighting(place="http", read=len(batch.events), unread=len(batch.dead_letters))
            yield send(self._topics.findings, encode_control(told), partition=0)

    # -- what people see

    @property
    def router(self) -> Router | None:
        """The router, to look at; None on a worker that stands by."""
        return next((core.router for core in self._cores(RouterCore)), None)

    @property
    def ready(self) -> bool:
        """Whether partitions are assigned and recovered."""
        return self._worker.ready

    def agents(self) -> list[AgentView]:
        """Every agent of this worker's partitions, without its signals."""
        return [view for core in self._cores(EventsCore) for view in views.agents(core.engine)]

    def signals(self, agent: str) -> tuple[SignalView, ...]:
        """The signals of one of them; none of another."""
        return next((found for core in self._cores(EventsCore) if (found := views.signals(core.engine, agent))), ())

    def seen(self) -> list[SeenView]:
        """What the latest runs of the agents of this worker's partitions carried and used."""
        return [view for core in self._cores(EventsCore) for view in views.seen(core.engine)]

    def incidents(self) -> list[Incident]:
        """Open incidents, then closed ones; empty on a worker that stands by."""
        return [incident for core in self._cores(RouterCore) for incident in core.router.incidents()]

    def runs(self, limit: int) -> list[RunView]:
        """Runs that closed last on this worker, newest first."""
        closed = [of_run(*run) for core in self._cores(EventsCore) for run in core.closed]
        closed.sort(key=lambda run: run.started + run.duration_seconds, reverse=True)
        return closed[:limit]

    def budgets(self) -> list[BudgetView]:
        """One account per owner; empty on a worker that stands by."""
        return [budget for core in self._cores(AggregatorCore) for budget in core.aggregator.budgets()]

    def counts(self) -> dict[str, int]:
        """Counters by metric name, since this process began; they only rise, whatever partitions come and go."""
        counted = self._counts + published(self._said) + self._engines.total() + self._others.total()
        return dict(counted + self._worker.counts())

    def gauges(self) -> dict[str, float]:
        """Levels by metric name."""
        lags: Counter[str] = Counter()
        for (topic, _), lag in self._worker.lags().items():
            lags[topic] += lag
        pending = sum(core.outbox.pending() for core in self._cores(RouterCore))
        traces = sum(core.assembler.open_traces for core in self._cores(AssemblerCore))
        nodes = sum(len(a.slices.nodes) for core in self._cores(EventsCore) for a in core.engine.agents.values())
        found = {f"lag_records:{topic}": float(lag) for topic, lag in lags.items()}
        found |= {f"partitions_assigned:{topic}": float(count) for topic, count in self._worker.partitions().items()}
        for core in self._cores(EventsCore):
            for producer, latest in core.watermarks.latest.items():
                name = f"producer_watermark_timestamp_seconds:{producer}"
                found[name] = max(latest, found.get(name, latest))
        return {
            **found,
            "recovery_records": float(self._worker.recovery() or 0),
            "nodes": float(nodes),
            "tick_age_seconds": max([0.0, *self._tick_ages()]),
            "traces_open": float(traces),
            "outbox_pending": float(pending),
        }

    def health(self) -> Health:
        """Alive: the worker runs. Ready: assigned and recovered, and time goes on."""
        failure = self._worker.failure
        live = Check(name="worker", ok=failure is None, message="" if failure is None else type(failure).__name__)
        off = self._off()
        ready = (
            Check(name="kafka", ok=self.ready, message="" if self.ready else self._waiting_for()),
            Check(name="ticks", ok=not off, message=off),
        )
        return Health(live=(live,), ready=ready)

    def _waiting_for(self) -> str:
        left = self._worker.recovery()
        if left is None:
            return "no partitions yet"
        return f"recovering: {left:,} records of state still to read"

    def _off(self) -> str:
        """How the time in the log is off, at the partition where it is worst; empty where it goes on as it should."""
        ages = self._tick_ages()
        age, ahead = max(ages, default=0.0), -min(ages, default=0.0)
        if age > BLIND_SECONDS:
            waiting = sum(lag for (topic, _), lag in self._worker.lags().items() if topic == self._topics.events)
            return f"{age:.0f} s behind: {waiting:,} events wait" if waiting else f"no tick for {age:.0f} s"
        return f"ticks are {ahead:.0f} s ahead of this clock" if ahead > AHEAD_SECONDS else ""

    def _tick_ages(self) -> list[float]:
        """Seconds since the latest tick that each partition of ours has seen; before its first, since we have it."""
        now = self._clock()
        return [
            now - (core.engine.now if core.engine.counts.get("ticks") else self._since.get(core, now))
            for core in self._cores(EventsCore)
        ]

    # -- inner

    def _roles(self) -> list[Role]:
        config, parts, names = self._config, self._parts, self._topics  # what a reload changes is read late
        many = self._kafka.partitions
        spans, letters = parts.spans, parts.letters
        roles = [
            Role(
                names.events,
                lambda tp: EventsCore(config, tp[1], parts.read_events, letters),
                "agents",
                many,
                keep=True,
            ),
            Role(names.spans, lambda tp: AssemblerCore(names, tp[1], spans, letters), "traces", many, keep=True),
            Role(names.otlp_spans, lambda tp: OtlpCore(names, tp[0], tp[1], spans, letters), save_seconds=0.2),
            Role(names.otlp_logs, lambda tp: OtlpCore(names, tp[0], tp[1], spans, letters), save_seconds=0.2),
            Role(names.evidence, lambda _: AggregatorCore(config, letters), "aggregator", first=True),
            Role(names.control, lambda _: ControlCore(config, letters), save_seconds=0.2, first=True),
            Role(
                names.findings,
                lambda _: RouterCore(self._config, parts.outbox(), letters),
                "router",
                save_seconds=0.0,  # nothing is sent before its note is durable
                saved=self._router_saved,
                first=True,
            ),
        ]
        self._by_topic = [role.topic for role in roles]
        return roles

    def _cores(self, kind: type[C]) -> Iterator[C]:
        for topic in self._by_topic:
            for core in self._worker.cores(topic):
                if isinstance(core, kind):
                    yield core

    def _moved(self) -> None:
        """Partitions came or went: be the active one, or stop being it."""
        self._engines.hold({core.engine.partition: core.engine for core in self._cores(EventsCore)})
        self._others.hold({id(core): core for topic in self._by_topic for core in self._worker.cores(topic)})
        ticks = [core.engine.now for core in self._cores(EventsCore) if core.engine.counts.get("ticks")]
        go_on(self._clock, max(ticks, default=0.0))  # the group has one time
        now = self._clock()
        self._since = {core: self._since.get(core, now) for core in self._cores(EventsCore)}
        if not self._worker.started:
            return
        router = next(self._cores(RouterCore), None)
        if self._active is not None and self._active.router is not router:
            task = asyncio.create_task(self._active.stop())
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)
            self._active = None
        if router is not None and self._active is None:
            commit = partial(self._worker.save, self._topics.findings)
            held = self._worker.holds
            dispatcher = self._parts.dispatcher(router.outbox, commit, held)
            trace_tick = partial(self._trace_tick, Reach(self._config.runtime.trace_timeout))
            self._active = Active(router, dispatcher, self._tick, trace_tick, self._clock, self._worker.fail, held)

    async def _leave(self) -> None:
        """Be the active one no longer: returns when nothing is being sent and what was sent is noted."""
        active, self._active = self._active, None
        if active is not None:
            await active.stop()
        await asyncio.gather(*self._ending, return_exceptions=True)

    async def _tick(self, tick: Tick) -> None:
        """Write a tick to every partition in which time must pass. Returns when the broker has it everywhere."""
        names = self._topics
        places = [(names.events, number) for number in range(self._kafka.partitions)]
        await self._send_everywhere(encode_control(tick), [*places, (names.evidence, 0), (names.findings, 0)])

    async def _trace_tick(self, reach: Reach, now: float) -> None:
        """The same for traces, whose time goes on only as far as all that senders wrote before has been read."""
        names = self._topics
        try:
            async with asyncio.timeout(LOOK_TIMEOUT_SECONDS):
                for _ in range(LOOKS):
                    if reach.look(now, await self._worker.progress((names.otlp_spans, names.otlp_logs))) >= now:
                        break
                    await asyncio.sleep(LOOK_SECONDS)
        except (TimeoutError, KafkaError) as error:
            _log.debug("kafka: cannot see how far the Collector's topics are read: %r", error)
        places = [(names.spans, number) for number in range(self._kafka.partitions)]
        await self._send_everywhere(encode_control(TraceTick(reach.time, now)), places)

    async def _send_everywhere(self, value: bytes, places: Sequence[tuple[str, int]]) -> None:
        sent = [await self._worker.send(topic, value, partition=partition) for topic, partition in places]
        await asyncio.gather(*sent)

    def _router_saved(self, core: Core) -> None:
        if self._active is not None and self._active.router is core:
            self._active.dispatcher.committed()


def _counts_of(core: Core) -> Counter[str]:
    """What a core has counted since it was made; engines, which keep their counts, are counted apart."""
    parts: list[Mapping[str, int]] = []
    if isinstance(core, AssemblerCore):
        parts.append(core.assembler.counts)
    elif isinstance(core, AggregatorCore):
        parts.append(core.aggregator.counts)
    elif isinstance(core, RouterCore):
        parts += [core.router.counts, core.sight.counts, core.outbox.counts]
    return published(*parts) + core.counted()
