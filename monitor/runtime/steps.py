"""One step of the embedded monitor: engine, router and outbox by a batch, and all that must be written of it together.

No task, no lock, no I/O but what the store was asked before: `Embedded` calls it behind its door and commits what comes
back. Order inside a step: what people did (`schemas.actions`) and what that tells the engine, then events and ticks,
then the router. Invariant: nothing of a step is durable but all of its `Written`; actions stand in the log before they
are answered.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from monitor.alerting.blind import Sight
from monitor.alerting.router import Router
from monitor.blocks import WrongVersion
from monitor.engine import Engine, Record
from monitor.runs import Closed
from monitor.runtime.parts import Assembler, Entry, Outbox
from monitor.runtime.store import Store, StoreError
from monitor.saved.collecting import uncollected
from monitor.stepping.step import RECENT_RUNS
from schemas.actions import Action, Deed, encode_action
from schemas.config import Config
from schemas.event import Event, encode
from schemas.finding import Finding
from schemas.records import Ack, Tick, encode_control
from schemas.texts import derive

TICK_SECONDS = 1.0
"""Between two ticks of a monitor that is well."""
AHEAD_SECONDS = 10.0
"""How far an action may lie ahead of the last tick; its edge's clock is taken for wrong beyond."""


class Written(NamedTuple):
    """The arguments of `Store.commit`: one transaction."""

    rows: list[tuple[int, float, bytes]]
    changes: list[Entry]
    letters: Sequence[bytes]
    next_offset: int


class Steps:
    """The pure parts of the embedded monitor, loaded from its store. Raises `StoreError` on a state it cannot read."""

    def __init__(self, config: Config, store: Store, assembler: Assembler, outbox: Outbox) -> None:
        self.engine = Engine(config, reads=False)
        self.router = Router(config)
        self.sight = Sight(config.default_owner)
        self.assembler = assembler
        self.outbox = outbox
        self.counts: Counter[str] = Counter()
        self.closed: deque[tuple[str, Closed]] = deque(maxlen=RECENT_RUNS)
        self._offset = store.next_offset()
        try:
            entries = store.entries()
            with uncollected():
                for part in (self.engine, self.router, self.sight, assembler, outbox):
                    part.load(entries)
        except (WrongVersion, ValueError, KeyError, msgspec.MsgspecError) as error:
            raise StoreError(
                f"the state in {store.directory} cannot be read: {error}; set runtime.directory"
            ) from error

    @property
    def now(self) -> float:
        """The last tick, epoch seconds; 0 before the first."""
        return self.engine.partition.now

    def step(self, records: Sequence[Record], letters: Sequence[bytes] = (), actions: Sequence[Action] = ()) -> Written:
        """Take what people did, then records, and say what is to be written."""
        rows: list[tuple[int, float, bytes]] = []
        batch: list[tuple[int, Record]] = []
        taken = [settled(action, self.now, self._offset + place) for place, action in enumerate(actions)]
        for action in taken:
            rows.append((self._offset, action.time, encode_action(action)))
            self._offset += 1
            self.counts[f"actions:{name_of(action)}"] += 1
        before, read, blind = self.now, 0, list[Finding]()
        said = [ack for action in taken if isinstance(action, Deed) for ack in self.router.acks(action)]
        for record in (*said, *records):
            if isinstance(record, Event):
                self.engine.partition.reader.read(record)
                derive.keep_no_text(record)
                rows.append((self._offset, record.at, encode(record)))
                read += 1
                if record.kind == "heartbeat" and record.producer:
                    self.sight.beat(record.producer)
            elif isinstance(record, Tick | Ack):
                rows.append((self._offset, record.time, encode_control(record)))
                if isinstance(record, Tick):
                    blind += self.sight.tick(before, record.time)
                    before = max(before, record.time)
            batch.append((self._offset, record))
            self._offset += 1
        self.sight.came(read, len(letters))
        step = self.engine.step(batch)
        self.closed.extend(step.closed)
        for finding in (*step.findings, *blind):
            if finding.status == "firing":
                self.counts[f"findings:{finding.signal}"] += 1
        now = max((self.now, *(action.time for action in taken)))
        told = self.router.step(step.findings, now, taken, step.news)
        if blind:  # behind what was due while nobody watched
            told += self.router.step(blind, now)
        for notification in told:
            self.outbox.put(notification)
        return Written(rows, self._changes(), letters, self._offset)

    def reload(self, config: Config) -> Written:
        """Go on under another configuration of the router; what comes of it is written as of a step."""
        self.router.reload(config, self.now)
        self.sight.owner = config.default_owner
        return Written([], self._changes(), (), self._offset)

    def _changes(self) -> list[Entry]:
        return [
            *self.router.changes(),
            *self.sight.changes(),
            *self.outbox.changes(),
            *self.engine.changes(),
            *self.assembler.changes(),
        ]


def settled(action: Action, now: float, place: int) -> Action:
    """The action at the time at which the router takes it: near the last tick, `now`, and never before it.

    Edges have clocks of their own; no clock may pull time ahead or back. Two actions are never of one time because of
    that: the router takes such for one that came twice. `place` in the log tells them apart.
    """
    if now <= 0.0 or now <= action.time <= now + AHEAD_SECONDS:  # before the first tick nothing else tells the time
        return action
    at = now if action.time < now else now + AHEAD_SECONDS
    return msgspec.structs.replace(action, time=at + place % 1_000_000 * 1e-6)


def name_of(action: Action) -> str:
    """What was done, in one word, for the metrics."""
    if isinstance(action, Deed):
        return action.act
    return {"PostedAlert": "alert", "SilenceSet": "silence", "SilenceEnded": "silence_ended"}[type(action).__name__]
