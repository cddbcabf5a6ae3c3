"""The Faust worker: topics in, one `PartitionWorker` per assigned partition, Faust for all that a cluster needs.

It knows roles (a topic and the core that works on its partitions), not what they do (`roles`). Nothing of Faust's own
web server, command line or signal handling is used: the worker lives in the loop of the monitor, beside its HTTP
server. Invariant: a partition is worked on only between the end of its state's recovery and its revocation.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, cast

from faust.tables.manager import TableManager
from faust.types import TP

from monitor.runtime.kafka.broker.away import Absence, Ear
from monitor.runtime.kafka.broker.connect import described
from monitor.runtime.kafka.broker.failing import BROKER, CLEAR, words_of
from monitor.runtime.kafka.broker.faust_app import DELIVERY_SECONDS, faust_app
from monitor.runtime.kafka.cluster.floods import DeadLetterFlood, Flood
from monitor.runtime.kafka.cluster.lease import Progress
from monitor.runtime.kafka.cluster.notes import NOTHING, Committed
from monitor.runtime.kafka.microbatch import MicroBatchConsumer
from monitor.runtime.kafka.partition import Core, PartitionWorker
from monitor.runtime.kafka.saving.changelog import StateTable
from monitor.saved.collecting import uncollected
from schemas.config import Runtime

_log = logging.getLogger(__name__)

WAITING_MESSAGES = 16
"""Batches per topic that wait for their turn; more pause the fetching. Bounds memory at 16 fetches."""
LEAVE_SECONDS = 4.0
"""Partitions that may go: so long sends under way may end. The others wait."""
LEAVE_SAVE_SECONDS = 40.0
"""And so long the save of them may take, below Faust's 60 s for a rebalance: what a save that is cut has handed to the
producer is written later, over the state of the next owner."""
STOP_SECONDS = 15.0
"""A graceful stop may save and commit for so long; then it goes without, and replays at the next start."""
LEAVE_GROUP_SECONDS = 10.0
"""And so long Faust may take to end its clients: it would wait for a broker that is away until that is back. The group
then finds out when the session is over."""
LOOK_SECONDS = 1.0
"""Whether the brokers answer is looked at so often."""


class WorkerFailed(Exception):
    """The worker could not go on; nothing that was committed is lost."""


@dataclass(frozen=True)
class Role:
    """What to do with the partitions of one topic.

    `table`: its state beside the topic, with as many partitions; without one only its flood is remembered, in notes
    beside the offsets. Results are durable at most `save_seconds` after a
    step; 0: before the next step. `saved` is called after each save. `keep`: a core whose partition stays ours through
    a rebalance goes on, and need not be built anew. `first`: its records do not wait behind those of other topics.
    """

    topic: str
    build: Callable[[TP], Core]
    table: str | None = None
    partitions: int = 1
    save_seconds: float = 1.0
    saved: Callable[[Core], None] | None = None
    keep: bool = False
    first: bool = False


class _Kept(NamedTuple):
    """A core between two stays of its partition. Nobody else had it if the generations follow each other, and nobody
    else wrote its state if the changelog ends where we left it."""

    core: Core
    generation: int
    offset: int | None


class KafkaWorker:
    """All roles in one Faust app."""

    def __init__(
        self,
        runtime: Runtime,
        roles: Sequence[Role],
        *,
        on_moved: Callable[[], None] | None = None,
        on_leaving: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Made inside the running loop. Raises `WorkerFailed`. `on_moved` is called after partitions came or went.

        `on_leaving` is awaited for `LEAVE_SECONDS` while they are still ours: the last moment to end what only their
        owner may do.
        """
        self._kafka = runtime.kafka
        self._roles = {role.topic: role for role in roles}
        self._on_moved = on_moved
        self._on_leaving = on_leaving
        self._workers: dict[TP, PartitionWorker] = {}
        self._kept: dict[TP, _Kept] = {}
        self._failure: BaseException | None = None
        self._ended = asyncio.Event()
        self._recovered = self._started = self._leaving = False
        self._rebalances = self._skipped = 0
        self._watch: asyncio.Task[None] | None = None
        self._ear, self._absence = Ear(), Absence(described(self._kafka), DELIVERY_SECONDS)
        self._looking: asyncio.Task[None] | None = None
        _make(Path(runtime.directory))
        self.app = faust_app(runtime, self._roles, (role.topic for role in roles if role.first))
        self._tables = {
            role.topic: StateTable(self.app, role.table, role.partitions) for role in roles if role.table is not None
        }
        for role in roles:
            self._add_agent(role)
        self.app.on_partitions_revoked.connect(self._on_revoked, weak=False)
        self.app.on_rebalance_complete.connect(self._on_assigned, weak=False)

    async def start(self) -> None:
        """Returns when the worker has joined its group and recovered its state. Raises `WorkerFailed`."""
        logging.getLogger("aiokafka").addHandler(self._ear)
        self._looking = asyncio.create_task(self._look(), name="kafka brokers")
        try:
            await self.app.start()
        except BaseException as error:
            await self._end()  # else its threads outlive us
            if isinstance(error, BROKER):
                why = f"{described(self._kafka)}: {self._ear.why or repr(error)}"
                raise WorkerFailed(f"the Kafka worker could not start: {why}") from error
            raise
        self._watch = asyncio.create_task(self._watch_app(), name="kafka worker")
        self._started = True
        if self._failure is not None:
            raise WorkerFailed(f"the Kafka worker could not start: {self._words(self._failure)}") from self._failure

    async def stop(self) -> None:
        """Save and commit what was done, leave the group. Harmless when it never started."""
        if self._watch is None:
            return
        self._watch.cancel()
        with contextlib.suppress(TimeoutError):
            save = self._failure is None and self.holds()  # who cannot reach the group writes nothing
            async with asyncio.timeout(STOP_SECONDS if save else LEAVE_SECONDS):
                await self._drop(set(self._workers), save=save)
                if isinstance(self._failure, DeadLetterFlood):
                    await self._consumer.commit()  # what is done, so that the flood is found at the same place again
        await self._end()

    async def wait(self) -> None:
        """Returns never; raises `WorkerFailed` when the worker cannot go on."""
        await self._ended.wait()
        raise WorkerFailed(f"the Kafka worker ended: {self._words(self._failure)}") from self._failure

    @property
    def started(self) -> bool:
        """Whether `start` has returned."""
        return self._started

    @property
    def failure(self) -> BaseException | None:
        """What ended the worker, if it has ended by itself."""
        return self._failure

    @property
    def ready(self) -> bool:
        """Whether partitions are assigned and their state is recovered."""
        return self._recovered and self._failure is None and not self.app.rebalancing

    def cores(self, topic: str) -> list[Core]:
        """The cores at work on the topic's partitions, in the order of the partitions."""
        return [worker.core for tp, worker in sorted(self._workers.items()) if tp.topic == topic]

    def lags(self) -> dict[tuple[str, int], int]:
        """Records per assigned partition that are not done yet."""
        return self._consumer.lags(set(self._workers)) if self._workers else {}

    async def progress(self, topics: Sequence[str]) -> dict[TP, Progress]:
        """How far the group has come with every partition of these topics. Raises what the broker answers."""
        return await self._consumer.progress(topics)

    def holds(self) -> bool:
        """Whether the group is known to count on this worker: nobody else can have its partitions."""
        return self._consumer.lease.held

    def partitions(self) -> Counter[str]:
        """Assigned and recovered partitions by topic; a topic of which we have none is 0."""
        found = Counter(dict.fromkeys(self._roles, 0))
        found.update(tp.topic for tp in self._workers)
        return found

    def counts(self) -> Counter[str]:
        """What happened to the worker itself, by metric name."""
        healed = sum(table.healed for table in self._tables.values())
        outdated = sum(table.outdated for table in self._tables.values())
        return Counter(
            rebalances=self._rebalances,
            state_healed=healed,
            state_outdated=outdated,
            state_behind=self._consumer.behind,
            records_skipped=self._skipped,
        )

    def recovery(self) -> int | None:
        """Records of changelogs that a recovery has still to read; None while there is no recovery."""
        recovery = cast(TableManager, self.app.tables).recovery
        return recovery.active_remaining_total() if recovery.in_recovery else None

    async def send(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        partition: int | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> Any:
        """Hand a record to the producer; await what comes back for the broker's acknowledgement."""
        return await self.app.producer.send(topic, key, value, partition, None, list(headers) or None)

    async def save(self, topic: str, partition: int = 0) -> None:
        """Make what this partition has done durable now."""
        worker = self._workers.get(TP(topic, partition))
        if worker is not None:
            await worker.save()

    @property
    def _consumer(self) -> MicroBatchConsumer:
        return cast(MicroBatchConsumer, self.app.consumer)

    def _add_agent(self, role: Role) -> None:
        async def work(stream: Any) -> None:
            async for batch in _guarded(stream, self.fail):
                worker = self._workers.get(batch.tp)
                if worker is not None:
                    try:
                        await worker.take(batch)
                    except Exception as error:
                        await self.fail(error)
                        return

        self.app.agent(self.app.batches(role.topic, waiting=WAITING_MESSAGES), name=f"forewarn.{role.topic}")(work)

    async def _on_assigned(self, *_: Any, **__: Any) -> None:
        """The state is recovered, the flow not yet resumed."""
        self._rebalances += 1
        generation = self.app.consumer_generation_id
        assigned = {tp for tp in self._consumer.assignment() if tp.topic in self._roles}
        await self._drop(set(self._workers) - assigned, save=False)
        new = sorted(assigned - set(self._workers))
        committed = await self._consumer.committed(new)
        with uncollected():
            for tp in new:
                if generation != self.app.consumer_generation_id or self._leaving:
                    return  # they move again: what is built here would be built on the state of yesterday
                self._workers[tp] = self._built(tp, generation, committed.get(tp, NOTHING))
                await asyncio.sleep(0)  # loading many agents takes a while; others want to breathe
        self._kept.clear()
        self._recovered = True
        _log.info("kafka: %d partitions assigned and recovered", len(self._workers))
        if self._on_moved is not None:
            self._on_moved()

    def _built(self, tp: TP, generation: int, committed: Committed = NOTHING) -> PartitionWorker:
        role, table = self._roles[tp.topic], self._tables.get(tp.topic)
        kept = self._kept.pop(tp, None)
        offset = table.offset(tp.partition) if table is not None else None
        goes_on = kept is not None and kept.generation + 1 == generation and kept.offset == offset
        core = kept.core if kept is not None and goes_on else role.build(tp)
        flood = Flood(self._kafka.floods, f"{tp.topic}/{tp.partition}")
        flood.recall(committed.note)
        worker = PartitionWorker(
            tp,
            core,
            table=table,
            producer=self.app.producer,
            consumer=self._consumer,
            save_seconds=role.save_seconds,
            flood=flood,
            letters=self._kafka.topics.dead_letters,
            crash=self.fail,
            saved=partial(role.saved, core) if role.saved is not None else None,
            loaded=goes_on,
            committed=committed,
            generation=table.generation(tp.partition, generation) if table is not None else (generation,),
        )
        self._skipped += worker.skipped
        worker.start()
        return worker

    async def _on_revoked(self, *_: Any, **__: Any) -> None:
        """Partitions may go: save what is done while they are ours, then let go; those that stay are kept."""
        self._recovered = False
        self._leaving = True
        try:
            await self._let_go()
        finally:
            self._leaving = False
        if self._on_moved is not None:
            self._on_moved()

    async def _let_go(self) -> None:
        if self._on_leaving is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LEAVE_SECONDS):
                    await self._on_leaving()
        generation, assigned = self.app.consumer_generation_id, self._consumer.assignment()
        # Those that nobody came to build anew in this generation are as they were.
        self._kept = {
            tp: kept._replace(generation=generation)
            for tp, kept in self._kept.items()
            if kept.generation + 1 == generation and tp in assigned
        }
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_SAVE_SECONDS):
                # Without the lease another worker may have them already: what it says counts.
                for worker in await self._drop(set(self._workers), save=self._consumer.lease.held):
                    table = self._tables.get(worker.tp.topic)
                    if self._roles[worker.tp.topic].keep and table is not None:
                        self._kept[worker.tp] = _Kept(worker.core, generation, table.offset(worker.tp.partition))
        self._workers.clear()

    async def _drop(self, tps: set[TP], *, save: bool) -> list[PartitionWorker]:
        """Let go of partitions; those whose every step is durable."""
        workers = [self._workers.pop(tp) for tp in sorted(tps)]
        if not workers:
            return []
        outcomes = await asyncio.gather(*(worker.stop(save=save) for worker in workers), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                _log.warning("kafka: a partition was given up unsaved and will be replayed: %r", outcome)
        if save:
            await self._consumer.commit()
        return [worker for worker, saved in zip(workers, outcomes, strict=True) if saved is True]

    async def fail(self, error: BaseException) -> None:
        """End the worker: something must not be lost and cannot be written."""
        if self._failure is None:
            self._failure = error
            known = isinstance(error, (*CLEAR, *BROKER))
            _log.error("kafka: the worker cannot go on: %s", self._words(error), exc_info=None if known else error)
        if self._looking is not None:
            self._looking.cancel()  # nothing more is tried
        self._ended.set()

    async def _look(self) -> None:
        """Say so while the brokers are away."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            said = self._absence.look(time.monotonic(), self._ear, answered=self.holds())
            if said is not None:
                _log.warning("%s", said)

    async def _end(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
        try:
            async with asyncio.timeout(LEAVE_GROUP_SECONDS):
                await self.app.stop()
        except TimeoutError:
            _log.warning("kafka: ended without leaving the group, for the brokers do not answer")
            logging.getLogger("faust").setLevel(logging.CRITICAL)  # what is left of it is cut off, and would say so
        logging.getLogger("aiokafka").removeHandler(self._ear)

    def _words(self, error: BaseException | None) -> str:
        return words_of(error, described(self._kafka), self._ear.why)

    async def _watch_app(self) -> None:
        await self.app.wait_until_stopped()
        if self._failure is None:
            await self.fail(self.app.crash_reason or RuntimeError("Faust stopped"))


def _make(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WorkerFailed(f"cannot write to {directory}: {error.strerror}; set runtime.directory") from None


async def _guarded(stream: Any, crash: Callable[[BaseException], Any]) -> AsyncIterator[Any]:
    """The stream's batches; an error of Faust's own ends the worker, because Faust would only restart the agent."""
    try:
        async for batch in stream:
            yield batch
    except (asyncio.CancelledError, GeneratorExit):
        raise
    except Exception as error:
        await crash(error)
