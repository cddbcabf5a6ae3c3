"""Agents that write runs to the events topic, and know what the monitor must count.

Seeded: what runs do does not depend on time, only when they are written does. An agent has spells in which most of its
runs fail. `Disturbance` says what goes wrong between agent and topic; nothing of it may change a count.
"""

from __future__ import annotations

import asyncio
import heapq
import json
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import aiokafka

AGENTS = 40
SPELL_SECONDS = 15.0
"""How long an agent fails."""
SPELL_GAP_SECONDS = 12.0
"""Between the beginnings of two spells."""
FAILING, HEALTHY = 0.7, 0.01
EVENTS_PER_RUN = 3
LATE_SECONDS = 8.0
"""The most by which reordering holds an event back."""
AGAIN_SECONDS = 30.0
"""The most after which a duplicate comes."""
JUMP_SECONDS = (-7200.0, 7200.0, -3600.0, 86400.0)
"""What a producer's clock jumps by; each is beyond what is believed."""
STEP_SECONDS = 0.02
BUFFERED_RECORDS = 50_000
"""Records that wait for the broker in the fleet. More: the fleet pauses, as agents with a full queue do."""


@dataclass
class Disturbance:
    """What goes wrong now."""

    jump_seconds: float = 0.0
    duplicates: float = 0.0
    """Share of the events that are sent once more."""
    reordering: bool = False


@dataclass
class Truth:
    """What was written, each event once: runs and failed runs by agent."""

    runs: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    events: int = 0
    repeated: int = 0


class Fleet:
    """Writes until it is told to stop; then what was held back is written too."""

    def __init__(self, bootstrap: str, topic: str, seed: int, events_per_second: float) -> None:
        self.truth = Truth()
        self.disturbance = Disturbance()
        self._bootstrap = bootstrap
        self._topic = topic
        self._chance = random.Random(seed)
        self._rate = events_per_second / EVENTS_PER_RUN
        self._held: list[tuple[float, int, bytes, bytes]] = []
        self._order = 0
        self._pending = 0
        self._failure: BaseException | None = None
        self._spells: dict[str, float] = {}
        self._next_spell = 0.0

    async def work(self, stop: asyncio.Event) -> None:
        """Write runs at the rate until `stop`; returns when the broker has all of them. Raises what it refuses."""
        producer = aiokafka.AIOKafkaProducer(
            bootstrap_servers=self._bootstrap, enable_idempotence=True, request_timeout_ms=300_000, linger_ms=5,
            compression_type="lz4",
        )  # fmt: skip
        await producer.start()
        try:
            began = time.monotonic()
            made = 0.0
            while not stop.is_set():
                elapsed = time.monotonic() - began
                self._begin_spells(elapsed)
                while made < elapsed * self._rate:
                    made += 1.0
                    self._run(elapsed)
                await self._write(producer, elapsed)
                while self._pending > BUFFERED_RECORDS:
                    await asyncio.sleep(STEP_SECONDS)
                await asyncio.sleep(STEP_SECONDS)
            await self._write(producer, float("inf"))
            await producer.flush()
            if self._failure is not None:
                raise self._failure
        finally:
            await producer.stop()

    def _begin_spells(self, now: float) -> None:
        if now >= self._next_spell:
            self._spells[f"agent-{self._chance.randrange(AGENTS)}"] = now + SPELL_SECONDS
            self._next_spell = now + SPELL_GAP_SECONDS

    def _run(self, now: float) -> None:
        number = sum(self.truth.runs.values()) + 1
        chance = self._chance
        agent = f"agent-{chance.randrange(AGENTS)}"
        failed = chance.random() < (FAILING if self._spells.get(agent, 0.0) > now else HEALTHY)
        took = chance.uniform(0.05, 0.5)
        names = {"agent": agent, "version": "v1", "run": f"run-{number}", "producer": f"host-{number % 7}"}
        start = time.time() + self.disturbance.jump_seconds
        events: list[dict[str, Any]] = [
            {"kind": "run_started", "time": start},
            {"kind": "tool_call", "time": start + took / 2, "tool": f"tool-{chance.randrange(5)}", "status": "ok",
             "duration_seconds": round(took / 3, 3), "arguments": {"order_id": number, "note": "x" * 120}},
            {"kind": "run_finished", "time": start + took, "status": "error" if failed else "ok",
             **({"error_type": "Timeout"} if failed else {})},
        ]  # fmt: skip
        self.truth.runs[agent] += 1
        self.truth.failed[agent] += failed
        for part, event in enumerate(events):
            body = json.dumps({**event, **names, "id": f"{number}-{part}"}).encode()
            self.truth.events += 1
            at = now + took * part / 2
            if self.disturbance.reordering:
                at += chance.uniform(0.0, LATE_SECONDS)
            self._hold(at, agent, body)
            if chance.random() < self.disturbance.duplicates:
                self.truth.repeated += 1
                self._hold(at + chance.uniform(0.0, AGAIN_SECONDS), agent, body)

    def _hold(self, at: float, agent: str, body: bytes) -> None:
        self._order += 1
        heapq.heappush(self._held, (at, self._order, agent.encode(), body))

    async def _write(self, producer: aiokafka.AIOKafkaProducer, now: float) -> None:
        while self._held and self._held[0][0] <= now:
            _, _, key, body = heapq.heappop(self._held)
            sent = await producer.send(self._topic, body, key=key)
            self._pending += 1
            sent.add_done_callback(self._acknowledged)

    def _acknowledged(self, sent: asyncio.Future[object]) -> None:
        self._pending -= 1
        if not sent.cancelled() and sent.exception() is not None:
            self._failure = sent.exception()
