"""Makes the faults of the plan happen, each at its time; what could not be done is counted as skipped."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
import time
from collections.abc import Awaitable, Callable

from benchmarks.soak.cluster import SLACK_FAULTS, Cluster, Worker
from benchmarks.soak.fleet import JUMP_SECONDS, Fleet
from benchmarks.soak.plan import Fault

SLACK_METHODS = ("chat.postMessage", "chat.update", "conversations.history", "conversations.replies")
SLACK_QUEUED = 2_000
"""Faults that wait at each method of Slack while it is down."""
DUPLICATES = 0.2


class Trouble:
    """All faults of one soak."""

    def __init__(self, cluster: Cluster, fleet: Fleet, seed: int) -> None:
        self._cluster = cluster
        self._fleet = fleet
        self._chance = random.Random(seed + 1)
        self._broker = asyncio.Lock()
        self._deeds: dict[str, Callable[[Fault], Awaitable[bool]]] = {
            "kill worker": lambda fault: self._end(fault, self._any(fault), signal.SIGKILL),
            "kill router": self._kill_router,
            "restart worker": lambda fault: self._end(fault, self._any(fault), signal.SIGTERM),
            "freeze worker": self._freeze,
            "kill broker": lambda fault: self._restart_broker(fault, kill=True),
            "restart broker": lambda fault: self._restart_broker(fault, kill=False),
            "slack down": self._slack_down,
            "clock jump": self._clock_jump,
            "duplicates": self._duplicates,
            "reordering": self._reordering,
        }

    async def happen(self, faults: list[Fault]) -> None:
        """All of them, each at its time from now; returns when the last is over."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for fault in faults:
                await asyncio.sleep(max(began + fault.at - time.monotonic(), 0.0))
                say(f"{time.monotonic() - began:6.1f} s  {fault.kind}, {fault.seconds:.1f} s")
                group.create_task(self._one(fault))

    async def _one(self, fault: Fault) -> None:
        done = await self._deeds[fault.kind](fault)
        self._cluster.faults[fault.kind if done else f"{fault.kind}, skipped"] += 1

    def _any(self, fault: Fault) -> Worker:
        workers = self._cluster.workers
        return workers[int(fault.draw * len(workers)) % len(workers)]

    async def _kill_router(self, fault: Fault) -> bool:
        worker = await self._cluster.router()
        return worker is not None and await self._end(fault, worker, signal.SIGKILL)

    async def _end(self, fault: Fault, worker: Worker, number: signal.Signals) -> bool:
        async with worker.busy:
            if not worker.up:
                return False
            await worker.end(number)
            await asyncio.sleep(fault.seconds)
            await worker.start()
        return True

    async def _freeze(self, fault: Fault) -> bool:
        """A consumer so slow that the group may give its partitions to another; then it goes on, none the wiser."""
        worker = self._any(fault)
        async with worker.busy:
            if not worker.up:
                return False
            worker.process.send(signal.SIGSTOP)
            await asyncio.sleep(fault.seconds)
            worker.process.send(signal.SIGCONT)
        return True

    async def _restart_broker(self, fault: Fault, *, kill: bool) -> bool:
        async with self._broker:
            await asyncio.to_thread(self._cluster.broker.halt, kill=kill)
            await asyncio.sleep(fault.seconds)
            await asyncio.to_thread(self._cluster.broker.resume)
        return True

    async def _slack_down(self, fault: Fault) -> bool:
        slack = self._cluster.slack
        for method in SLACK_METHODS:
            slack.fail(method, *self._chance.choices(SLACK_FAULTS, k=SLACK_QUEUED))
        await asyncio.sleep(fault.seconds)
        slack.heal()
        return True

    async def _clock_jump(self, fault: Fault) -> bool:
        disturbance = self._fleet.disturbance
        disturbance.jump_seconds = JUMP_SECONDS[int(fault.draw * len(JUMP_SECONDS))]
        await asyncio.sleep(fault.seconds)
        disturbance.jump_seconds = 0.0
        return True

    async def _duplicates(self, fault: Fault) -> bool:
        self._fleet.disturbance.duplicates = DUPLICATES
        await asyncio.sleep(fault.seconds)
        self._fleet.disturbance.duplicates = 0.0
        return True

    async def _reordering(self, fault: Fault) -> bool:
        self._fleet.disturbance.reordering = True
        await asyncio.sleep(fault.seconds)
        self._fleet.disturbance.reordering = False
        return True


def say(text: str) -> None:
    """A line of progress, on standard error."""
    print(text, file=sys.stderr, flush=True)
