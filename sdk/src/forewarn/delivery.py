"""The queue between the agent and a transport, and the thread that empties it.

The agent's side (`put`) appends under a lock that is only ever held for microseconds: it never waits for the network.
Invariant: every record that was put is, in the end, counted once: `sent`, `refused`, or dropped with a reason.

A full queue drops its oldest record: what is fresh says more about an agent than what is old. After a fork the child
has an empty queue, its own lock and its own thread; what was queued before stays with the parent, which sends it.
"""

from __future__ import annotations

import atexit
import logging
import os
import random
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable

from forewarn.record import Counts
from forewarn.transport import Receipt, Record, Transport

QUEUE_EVENTS = 10_000
"""Records that wait. More: the oldest is dropped, counted as `queue_full`."""

QUEUE_BYTES = 32 * 1024 * 1024
"""Bytes that wait. More: the oldest records are dropped, counted as `queue_full`."""

BATCH_EVENTS = 500
"""Records in one request."""

BATCH_BYTES = 1024 * 1024
"""Bytes in one request, before compression; a single record may be longer."""

LINGER_SECONDS = 0.2
"""How long the first record of a batch waits for others."""

RETRY_SECONDS = 300.0
"""How long one batch is tried. Longer: dropped, counted as `undelivered`."""

FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 30.0
"""Waits between tries double from the first to the longest, with jitter; while flushing they stay at the first."""

EXIT_SECONDS = 3.0
"""What all emitters together may take when the interpreter ends. What is left then is lost."""

_log = logging.getLogger("forewarn")


class Delivery:
    """One queue, one thread (started by the first record), one transport."""

    def __init__(
        self,
        transport: Transport,
        counts: Counts,
        *,
        queue_events: int = QUEUE_EVENTS,
        queue_bytes: int = QUEUE_BYTES,
        linger_seconds: float = LINGER_SECONDS,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self._transport = transport
        self._counts = counts
        self._queue_events = max(1, queue_events)
        self._queue_bytes = max(1, queue_bytes)
        self._linger_seconds = linger_seconds
        self._retry_seconds = retry_seconds
        self._closed = False
        self._begin_empty()
        with _registry_lock:
            _deliveries.add(self)

    def _begin_empty(self) -> None:
        self._changed = threading.Condition(threading.RLock())  # re-entrant: signal handlers and finalisers emit too
        self._queue: deque[Record] = deque()
        self._bytes = 0
        self._in_flight = 0
        self._idle = False
        self._flushing = 0
        self._deadline: float | None = None
        self._thread: threading.Thread | None = None
        self._permit = ["to start the thread"]
        self._warned: set[str] = set()

    def put(self, record: Record) -> None:
        """Takes a record, or drops one and counts it. Never waits for the network."""
        with self._changed:
            self._counts.add("emitted")
            if self._closed:
                self._counts.add("closed")
                return
            queue = self._queue
            if not queue:
                self._bytes = 0
            queue.append(record)
            self._bytes += len(record.body)
            while len(queue) > self._queue_events or (self._bytes > self._queue_bytes and len(queue) > 1):
                self._bytes -= len(queue.popleft().body)
                self._counts.add("queue_full")
            if self._thread is None:
                self._start()
            if self._idle or len(queue) == BATCH_EVENTS:
                self._idle = False
                self._changed.notify_all()

    def flush(self, timeout: float) -> bool:
        """Waits up to `timeout` seconds until nothing is queued or under way; whether that is so."""
        with self._changed:
            self._flushing += 1
            self._changed.notify_all()
            try:
                return self._changed.wait_for(self._is_empty, max(0.0, timeout))
            finally:
                self._flushing -= 1

    def close(self, timeout: float) -> bool:
        """Takes nothing more, gives what is queued up to `timeout` seconds; whether everything left the queue."""
        with self._changed:
            if self._deadline is None:
                self._closed = True
                self._deadline = time.monotonic() + max(0.0, timeout)
            thread = self._thread
            if thread is not None and not thread.is_alive():
                thread = self._thread = None
            self._changed.notify_all()
        if thread is None:
            self._work()  # no thread could be started (the interpreter is ending): send from here
        elif thread is not threading.current_thread():
            thread.join(max(0.0, timeout))
        with self._changed:
            empty = self._is_empty()
            if not empty:
                self._counts.add("undelivered", len(self._queue))
                self._queue.clear()
                self._bytes = 0
            self._changed.notify_all()
        return empty

    def after_fork_in_child(self) -> None:
        """A fresh queue, lock and thread; counts begin at zero."""
        self._begin_empty()
        self._counts.reset()
        self._transport.reset()

    def _is_empty(self) -> bool:
        return not self._queue and not self._in_flight

    def _start(self) -> None:
        _finish_with_multiprocessing()
        try:
            permit = self._permit.pop()  # one step: a signal handler that emits cannot start a second thread
        except IndexError:
            return
        try:
            thread = threading.Thread(target=self._work, name="forewarn", daemon=True)
            thread.start()
            self._thread = thread
        except RuntimeError:  # no more threads, or the interpreter is ending: tried again with the next record
            self._permit.append(permit)
            self._counts.add("thread_failures")

    def _work(self) -> None:
        while batch := self._next_batch():
            try:
                self._deliver(batch)
            except Exception:  # ours: never let the thread die and the queue fill up
                self._counts.add("undelivered", self._in_flight)
                _log.exception("forewarn: a batch was lost")
            with self._changed:
                self._in_flight = 0
                self._changed.notify_all()
        self._transport.close()

    def _next_batch(self) -> list[Record]:
        """Waits for records; an empty list means that it is over."""
        with self._changed:
            while not self._queue and not self._closed:
                self._idle = True
                self._changed.wait()
            self._idle = False
            if not self._hurried():
                self._changed.wait_for(
                    lambda: len(self._queue) >= BATCH_EVENTS or self._hurried(), self._linger_seconds
                )
            batch: list[Record] = []
            size = 0
            while self._queue and len(batch) < BATCH_EVENTS:
                size += len(self._queue[0].body)
                if batch and size > BATCH_BYTES:
                    break
                record = self._queue.popleft()
                self._bytes -= len(record.body)
                batch.append(record)
            self._in_flight = len(batch)
            return batch

    def _deliver(self, batch: list[Record]) -> None:
        """Sends until every record is accepted, refused or given up."""
        began = time.monotonic()
        wait = FIRST_WAIT_SECONDS
        while True:
            try:
                receipt = self._transport.send(batch)
            except Exception as error:  # a transport of the user's own, too
                receipt = Receipt(again=batch, problem=f"{type(error).__name__}: {error}")
            self._account(receipt)
            batch = receipt.again
            if not batch:
                return
            self._counts.add("retries")
            if self._out_of_time(began):
                self._counts.add("undelivered", len(batch))
                self._warn("undelivered", f"gave up {len(batch)} events: {receipt.problem}")
                return
            self._pause(receipt.wait_seconds, wait)
            wait = min(2.0 * wait, LONGEST_WAIT_SECONDS)

    def _account(self, receipt: Receipt) -> None:
        if receipt.accepted:
            self._counts.add("sent", receipt.accepted)
        for reason, number in receipt.refused.items():
            self._counts.add("refused", number)
            self._warn("refused", f"the server refused {number} events: {reason}")
        self._in_flight = len(receipt.again)
        if receipt.again:
            self._warn("again", f"events wait: {receipt.problem}")

    def _out_of_time(self, began: float) -> bool:
        now = time.monotonic()
        return now - began >= self._retry_seconds or (self._deadline is not None and now >= self._deadline)

    def _pause(self, asked: float | None, wait: float) -> None:
        """Waits as asked; else with jitter, and shorter while someone waits for a flush. Closing cuts it short."""
        with self._changed:
            until: Callable[[], bool] = self._closing
            if asked is None:
                hurried = self._hurried()
                asked = (FIRST_WAIT_SECONDS if hurried else wait) * random.uniform(0.5, 1.0)
                until = self._closing if hurried else self._hurried
            if self._deadline is not None:
                time_left = max(0.0, self._deadline - time.monotonic())
                self._changed.wait(min(asked, time_left))
            else:
                self._changed.wait_for(until, asked)

    def _closing(self) -> bool:
        return self._closed

    def _hurried(self) -> bool:
        return self._flushing > 0 or self._closed

    def _warn(self, kind: str, problem: str) -> None:
        """Says a problem once for each kind, so that a dead server does not fill the agent's log."""
        if kind not in self._warned:
            self._warned.add(kind)
            _log.warning("forewarn: %s (said once; see emitter.dropped)", problem[:500])


_registry_lock = threading.RLock()
_deliveries: weakref.WeakSet[Delivery] = weakref.WeakSet()


def close_all(timeout: float = EXIT_SECONDS) -> None:
    """Gives every delivery its chance, all within `timeout` seconds."""
    end = time.monotonic() + timeout
    with _registry_lock:
        deliveries = list(_deliveries)
    for delivery in deliveries:
        delivery.close(end - time.monotonic())


def _after_fork_in_child() -> None:
    _registry_lock.release()
    global _finishing
    _finishing = False
    for delivery in list(_deliveries):
        delivery.after_fork_in_child()


_finishing = False


def _finish_with_multiprocessing() -> None:
    """A child of multiprocessing ends without atexit; it runs the finalizers of multiprocessing instead."""
    global _finishing
    process = sys.modules.get("multiprocessing.process")
    if _finishing or process is None or process.parent_process() is None:
        return
    _finishing = True
    from multiprocessing.util import Finalize

    finish: Callable[[], None] = close_all
    Finalize(None, finish, exitpriority=0)


atexit.register(close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_registry_lock.acquire,
        after_in_parent=_registry_lock.release,
        after_in_child=_after_fork_in_child,
    )
