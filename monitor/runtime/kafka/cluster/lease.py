"""The lease: for how long the group is known to count on this worker.

A worker that was frozen, or that cannot reach its group, does not know that others have taken over. So nothing is
written to state, and no message is sent, without a heartbeat that the group has answered within `LEASE_SECONDS`. The
broker gives partitions away only `SESSION_SECONDS` after the last one that it has seen.

Owner: the consumer's thread renews it, everybody reads it. A crash ends it. What stays open: a process that is frozen
between the look at the lease and the write itself; what it then writes to state is found by its offset (`store`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from aiokafka.structs import TopicPartition
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode.threads import WorkerThread

from monitor.runtime.kafka.broker.fetched import fetched_as_records
from monitor.runtime.kafka.cluster.notes import Committed, Notes, noted

SESSION_SECONDS = 6.0
"""After kill -9 the group waits so long before another worker takes over: the least that brokers allow by default."""
HEARTBEAT_SECONDS = 1.2
"""A fifth of the session: four may be lost on a bad day."""
LEASE_SECONDS = SESSION_SECONDS - 1.0
"""So long after a heartbeat was sent that the group has answered, nobody else has our partitions."""
FETCH_WAIT_MS = 50
"""How long a fetch waits at the broker when there is nothing. aiokafka has one on its way to a broker at a time, so
that while one for quiet partitions waits there, busy ones wait for it, and so does a recovery; Faust's is 1,500."""


_log = logging.getLogger(__name__)


class Lease:
    """When the group last counted on us. `steady`: seconds that never go back."""

    def __init__(self, steady: Callable[[], float] = time.monotonic) -> None:
        self._steady = steady
        self._renewed = -LEASE_SECONDS

    @property
    def held(self) -> bool:
        """Whether nobody else can have our partitions yet."""
        return self._steady() - self._renewed < LEASE_SECONDS

    def renew(self, sent: float | None = None) -> None:
        """The group has answered what we sent at `sent` (now, if not given)."""
        self._renewed = max(self._renewed, self._steady() if sent is None else sent)

    def now(self) -> float:
        """Its clock."""
        return self._steady()


class Progress(NamedTuple):
    """One partition: the offset after its last record, and after the last one that was handed on."""

    end: int
    done: int


class _Thread(WorkerThread):
    """Ends with the process, also where aiokafka waits for a broker that is away."""

    def __init__(self, service: Any, **kwargs: Any) -> None:
        super().__init__(service, **kwargs)
        self.daemon = True

    def run(self) -> None:
        """Run the service, which says itself why it ends (`crash`): Python would print a traceback beside it."""
        with contextlib.suppress(Exception, asyncio.CancelledError):
            super().run()


class LeasedThread(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread; its heartbeats renew `lease`, it commits offsets with their `notes`, and what it fetches
    are `Record`s."""

    Worker = _Thread
    lease: Lease
    notes: Notes

    async def on_start(self) -> None:
        """Start, listen to the heartbeats, and take over how records are made."""
        await super().on_start()
        assert self._consumer is not None
        coordinator: Any = self._consumer._coordinator
        beat = coordinator._do_heartbeat

        async def heartbeat() -> bool:
            sent = self.lease.now()
            answered = bool(await beat())
            if answered:
                self.lease.renew(sent)
            return answered

        coordinator._do_heartbeat = heartbeat
        noted(self._consumer, self.notes)
        fetched_as_records(self._consumer)

    def on_crash(self, msg: str, *fmt: Any, **kwargs: Any) -> None:
        """Where Faust prints a traceback: `KafkaWorker` says what it was."""
        del kwargs
        _log.debug(msg.format(*fmt))

    async def read_committed(self, tps: Sequence[TP]) -> dict[TP, Committed]:
        """The committed offsets of these partitions and what stands beside them; without those that have none."""
        coordinator: Any = self._ensure_consumer()._coordinator
        found = await coordinator.fetch_committed_offsets([driver.ensure_aiokafka_TP(tp) for tp in tps])
        return {
            TP(place.topic, place.partition): Committed(committed.offset, committed.metadata or "")
            for place, committed in found.items()
        }

    async def read_progress(self, topics: Sequence[str]) -> dict[TP, Progress]:
        """Each partition's end, and what the group has committed of it; where it has nothing, its beginning.

        Committed is asked first: what is done is never more than the end that stands beside it.
        """
        consumer: Any = self._ensure_consumer()
        numbers = {topic: consumer._client.cluster.partitions_for_topic(topic) or () for topic in topics}
        tps = [TopicPartition(topic, number) for topic in topics for number in numbers[topic]]
        if not tps:
            return {}
        found = await consumer._coordinator.fetch_committed_offsets(tps)
        done = {tp: committed.offset for tp, committed in found.items() if committed.offset >= 0}
        if fresh := [tp for tp in tps if tp not in done]:
            done |= await consumer.beginning_offsets(fresh)
        ends = await consumer.end_offsets(tps)
        return {TP(tp.topic, tp.partition): Progress(ends[tp], done[tp]) for tp in tps}

    def _create_consumer(self, loop: asyncio.AbstractEventLoop) -> Any:
        consumer = super()._create_consumer(loop=loop)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        return consumer
