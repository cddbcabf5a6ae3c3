"""The run tracker: events of one agent → open runs → closed runs. Each event counts once.

A run opens at its first event, whatever that is, and closes by `run_finished` or, hung, when it gave no sign of life
for longer than its agent's runs usually take. Closed runs are remembered for an hour: what still comes for them is a
duplicate or late, and counted as such.

Not here: what an event adds to its run (`monitor.runs.work`), what a closed run means for a node (`monitor.agents`).
"""

from __future__ import annotations

import math
from array import array
from collections import deque
from operator import itemgetter
from typing import Final
from zlib import crc32

from detectors import durations
from monitor.runs import silent
from monitor.runs import work as adding
from monitor.runs.contracts import Rules
from monitor.runs.packing import Stored, pack, unpack
from monitor.runs.run import SPENT, Closed, Run, Work
from monitor.runs.work import TOOLS_PER_RUN as TOOLS_PER_RUN
from schemas.config import Contract
from schemas.event import Event

OPEN_RUNS: Final = 10_000
"""Open runs of one agent. One more: the one that was silent longest is closed unjudged, counted as `runs_evicted`."""
CLOSED_RUNS: Final = 50_000
"""Closed runs of one agent that are remembered. More: the oldest is forgotten early, counted as `closed_forgotten`."""
REMEMBER_SECONDS: Final = 3600.0
IDS_PER_RUN: Final = 10_000
"""Event ids remembered per run. Further ones are counted as `ids_unchecked` and taken."""
LEAST_TIMEOUT: Final = 60.0
UNKNOWN_TIMEOUT: Final = 600.0
"""Seconds after which a run is hung while the agent's usual duration is not known."""
TIMEOUT_FACTOR: Final = 3.0
"""A run is hung after this many times the agent's p99 duration without a sign of life."""
USUAL: Final = 0.99
RETRY_SECONDS: Final = 300.0
"""Who gives the same input again within so long of the last sign of life of the run before was not content with it."""

_NO_IDS: Final[set[str]] = set()
"""What closed runs hold; nothing is ever added to it."""

_checksum: Final = crc32
"""At hand: compiled code looks a name of another module up each time."""

_Remembered = tuple[float, str, int, str]
"""When a run closed, which, its block, and who gave it its input, if that is known."""


class RunTracker:
    """The runs of one agent. `now` is the time of the last tick; `touched` collects blocks that must be saved.

    Closed runs are packed at the next tick or save, for nothing changes them any more; `known` gives them whole again.

    What a run broke stands in `run.work.facts` after the call that found it, in `closed.work.facts` once it is closed,
    until the caller empties it.
    """

    BLOCK_RUNS = 64

    def __init__(self, counts: dict[str, int], timeout: float | None = None, contract: Contract | None = None) -> None:
        self.counts = counts
        self.timeout = timeout
        self.open: dict[str, Run] = {}
        self.closed: dict[str, dict[str, Run | bytes]] = {}
        """The block of each closed run that is remembered."""
        self.blocks: dict[int, dict[str, Run | bytes]] = {}
        """All runs, open and closed, in the blocks in which they are saved."""
        self.touched: set[int] = set()
        self.next_block = 0
        self.usual: float | None = None
        self.histogram = durations.new_histogram()
        self.outputs = [0, 0]
        """Runs that ended well, and those of them that gave an output."""
        self._closed: deque[_Remembered] = deque()
        self._order = 0
        self._book = adding.Book(counts, Rules(contract))
        self._asked: dict[str, str] = {}
        self._limited = self._book.rules.limited
        self._unspent: list[Run] = []
        self._latest: Run | None = None
        """The run of the event before: many come one after the other."""

    @property
    def loop_mass(self) -> float:
        """The false loops that one tool call may cost; see `detectors.loops`."""
        return self._book.loop_mass

    @loop_mass.setter
    def loop_mass(self, mass: float) -> None:
        self._book.loop_mass = mass

    @property
    def open_count(self) -> int:
        """How many runs are open."""
        return len(self.open)

    def known(self, name: str) -> Run | None:
        """The run of that name, open or closed, to be read; None where none is remembered."""
        run = self.open.get(name)
        if run is not None:
            return run
        block = self.closed.get(name)
        if block is None:
            return None
        found = block[name]
        return unpack(found) if isinstance(found, bytes) else found

    # -- events

    def take(self, event: Event, now: float, kind: str | None = None) -> Run | None:
        """The open run that the event belongs to; None where it is a duplicate or late.

        `kind`: the event's, where it is at hand.
        """
        if kind is None:
            kind = event.kind
        name, event_id, time = event.run or "", event.id, event.time
        at = time if type(time) is float else event.at
        run = self._latest
        if run is None or run.closed or run.run != name:
            run = self._latest = self.open.get(name)
        if run is None:
            before = self.known(name)
            if before is not None:
                known = array("I")
                known.frombytes(before.packed)
                if crc32(event_id.encode()) in known:
                    self.count("duplicates")
                    return None
                self.count("late")
                if kind == "run_finished":
                    self._learn_late(before, event, known)
                return None
            run = self._latest = self._begin(name, event, kind, at, now)
        ids = run.ids
        known_ids = len(ids)
        if known_ids < IDS_PER_RUN:
            ids.add(event_id)
            if len(ids) == known_ids:
                self.count("duplicates")
                return None
        elif event_id in ids:
            self.count("duplicates")
            return None
        else:
            self.count("ids_unchecked")
        if run.seen != now:
            run.seen = now
            self._last(run)
        self.touched.add(run.block)
        if at < run.started:
            run.started = at
            run.moved = True
        if run.version is None:
            run.version = event.version
        if kind == "llm_call":
            adding.model_call(run.work, event, self._book)
        elif kind == "tool_call":
            adding.tool_call(run, run.work, event, self._book)
        else:
            adding.other(run, run.work, event, self._book)
            asked = event.input_hash
            if asked is not None:
                self._ask(run, asked, now)
        if self._limited:
            self._book.rules.check_limits(run.work, at - run.started)
        return run

    def finish(self, run: Run, event: Event, now: float) -> Closed:
        """Close a run by its `run_finished`."""
        time = event.time
        at = time if type(time) is float else event.at
        duration = event.duration_seconds
        if duration is None:
            duration = at - run.started if at > run.started else 0.0
        elif at - duration < run.started:
            run.started = at - duration
        shadow = run.variant == "shadow"
        if not shadow:
            durations.add(self.histogram, duration)
        work = run.work
        rules = self._book.rules
        if rules.declared:
            rules.check_limits(work, duration)
            rules.check_end(run, work, event.outcome)
        error_type = event.error_type or run.error_type
        self._close(run, now)
        status = event.status or "ok"
        # what a shadow does is no custom of production
        outputs = self.outputs.copy() if shadow else self.outputs
        why = silent.reason(run, work, outputs) if status == "ok" else ""
        return Closed(run, status, at, duration, event.outcome, error_type, work, rules.declared, why)

    def hang(self, run: Run, now: float) -> Closed:
        """Close a run that gave no sign of life for too long."""
        duration = max(now - run.started, 0.0)
        rules = self._book.rules
        if rules.limited:
            rules.check_limits(run.work, duration)
        self._close(run, now)
        return Closed(run, "hung", now, duration, None, None, run.work, rules.declared)

    # -- time

    def learn_usual(self) -> None:
        """Take what was counted since the last tick into the agent's usual duration."""
        self.usual = durations.quantile(self.histogram, USUAL)

    def usual_seconds(self) -> float:
        """The p99 duration of a run, or a minute while it is not known."""
        return LEAST_TIMEOUT if self.usual is None else self.usual

    def timeout_seconds(self) -> float:
        """How long a run may be silent."""
        if self.timeout is not None:
            return self.timeout
        return UNKNOWN_TIMEOUT if self.usual is None else max(LEAST_TIMEOUT, TIMEOUT_FACTOR * self.usual)

    def next_wake(self) -> float:
        """The earliest tick at which a run may be hung, or all closed ones may be forgotten; infinity for never."""
        hung = math.inf
        for run in self.open.values():
            hung = run.seen + self.timeout_seconds()
            break
        return min(hung, self._closed[-1][0] + REMEMBER_SECONDS) if self._closed else hung

    def earliest_start(self, now: float) -> float:
        """When the first run started that is open and has not taken longer than usual; infinity if none is."""
        patience = now - self.usual_seconds()
        return min((run.started for run in self.open.values() if run.started >= patience), default=math.inf)

    def hung(self, now: float) -> list[Run]:
        """Open runs that are hung at `now`, the one that was silent longest first."""
        found = []
        latest = now - self.timeout_seconds()
        for run in self.open.values():
            if run.seen > latest:
                break
            found.append(run)
        return found

    def blind(self, seconds: float) -> None:
        """Nobody could see signs of life for `seconds`: they do not count against open runs."""
        for run in self.open.values():
            run.seen += seconds
            self.touched.add(run.block)

    def forget(self, now: float) -> None:
        """Drop closed runs after their hour, and the oldest beyond the limit."""
        self._spend()
        closed = self._closed
        while closed and (closed[0][0] + REMEMBER_SECONDS <= now or len(closed) > CLOSED_RUNS):
            at, name, number, who = closed.popleft()
            if at + REMEMBER_SECONDS > now:
                self.count("closed_forgotten")
            if who and self._asked.get(who) == name:
                del self._asked[who]
            block = self.closed.pop(name)
            del block[name]
            if not block:
                del self.blocks[number]
            self.touched.add(number)

    # -- state

    def block(self, number: int) -> list[Run | bytes]:
        """The runs of one block, in the order in which they came; those that have closed are packed."""
        self._spend()
        return list(self.blocks.get(number, {}).values())

    def restore(self, runs: list[Stored]) -> None:
        """Put back all saved runs, each in its place."""
        placed: list[tuple[int, float, str, int, str, Run | None]] = []
        asked: list[tuple[int, str, str]] = []
        for head, packed in runs:
            name: str = head.run
            number: int = head.block
            block = self.blocks.get(number)
            if block is None:
                block = self.blocks[number] = {}
            run: Run | None = None
            if head.closed:
                block[name] = packed
                self.closed[name] = block
            else:
                run = block[name] = unpack(packed)
            who, by = "", head.asked
            if by is not None:
                who = by[0]
                asked.append((by[2], who, name))
            placed.append((head.order, head.seen, name, number, who, run))
        asked.sort()
        for self._order, who, name in asked:
            self._asked[who] = name
        placed.sort(key=itemgetter(0))
        for order, seen, name, number, who, run in placed:
            self._order = max(self._order, order)
            if run is None:
                self._closed.append((seen, name, number, who))
            else:
                self.open[name] = run

    # -- inner

    def _learn_late(self, run: Run, event: Event, known: array[int]) -> None:
        """The end of a run that was taken for hung: so long runs take, unless it failed, as where it did hang until its
        client gave up. It counts once, however often it is sent."""
        seconds = event.duration_seconds
        if run.variant != "shadow" and event.status != "error":
            durations.add(self.histogram, max(event.at - run.started, 0.0) if seconds is None else seconds)
        if len(known) < IDS_PER_RUN:
            known.append(crc32(event.id.encode()))
            run.packed = known.tobytes()
            block = self.closed[run.run]
            if isinstance(block[run.run], bytes):
                block[run.run] = pack(run)
            self.touched.add(run.block)

    def _begin(self, name: str, event: Event, kind: str, at: float, now: float) -> Run:
        if len(self.open) >= OPEN_RUNS:
            self.count("runs_evicted")
            self._close(next(iter(self.open.values())), now)
        current = self.blocks.get(self.next_block)
        if current is None:
            current = self.blocks[self.next_block] = {}
        elif len(current) >= self.BLOCK_RUNS:
            self.next_block += 1
            current = self.blocks[self.next_block] = {}
        self._order += 1
        run = Run(name, event.version, self.next_block, at, now, set(), {}, Work(), order=self._order)
        if kind != "run_started":
            adding.describe(run, run.work, event)
        self.open[name] = current[name] = run
        return run

    def _last(self, run: Run) -> None:
        """It gave a sign of life: it gives way after all others."""
        self._order += 1
        run.order = self._order
        self.open[run.run] = self.open.pop(run.run)

    def _close(self, run: Run, now: float) -> None:
        self._order += 1
        run.order = self._order
        run.closed = True
        run.seen = now
        run.packed = array("I", sorted([_checksum(name.encode()) for name in run.ids])).tobytes()
        run.ids = _NO_IDS
        work = run.work
        if work.output_shape is not None:
            work.output_length = adding.length_of(work.output_shape)
        run.model, run.tenant, run.labels = work.model, work.tenant, work.labels
        self._unspent.append(run)
        del self.open[run.run]
        self.closed[run.run] = self.blocks[run.block]
        self.touched.add(run.block)
        self._closed.append((now, run.run, run.block, run.asked[0] if run.asked is not None else ""))

    def _ask(self, run: Run, input_hash: int, now: float) -> None:
        """Who gave the same input to another run a moment ago was not content with it."""
        work = run.work
        who = f"session {work.session}" if work.session is not None else f"user {work.user}"
        if run.asked is not None or run.variant == "shadow" or (work.session is None and work.user is None):
            return
        last = self._asked.get(who)
        before = None if last is None else self.known(last)
        if (
            before is not None
            and before.asked is not None
            and before.asked[1] == input_hash
            and now - before.seen <= RETRY_SECONDS
        ):
            work.retry_of = before.run
        self._asked[who] = run.run
        self._order += 1
        run.asked = (who, input_hash, self._order)

    def _spend(self) -> None:
        """What runs did that have closed is with their `Closed`; the runs themselves are packed without it."""
        for run in self._unspent:
            run.work = SPENT
            self.blocks[run.block][run.run] = pack(run)
        self._unspent.clear()

    def count(self, name: str) -> None:
        """Add one to a counter."""
        self.counts[name] = self.counts.get(name, 0) + 1
