"""Reach: up to when everything that senders wrote to the Collector's topics has been handed on. Pure.

The spans of one trace lie on many partitions, which are read at different speeds, by different workers, some of which
may be away. A trace that closes by the wall clock would then close without what has not been read yet. So traces close
by this clock: it shows the last time whose ends of all partitions are done, that is, written on by trace.

    at each tick: note the ends of all partitions as they are now → forget the notes that are reached → show the last

A partition that is not read at all (its topic is foreign, its end a marker that nobody can read) must not stop time for
the others: one that has not moved for `patience` seconds while it is behind counts for nothing until it moves.

State: at most `MARKS` notes, in the active worker; its successor begins without any, and shows nothing until it has
reached its own first note. A crash therefore lets traces wait, and closes none too early.
"""

from __future__ import annotations

from collections.abc import Mapping

from faust.types import TP

from monitor.runtime.kafka.cluster.lease import Progress

MARKS = 64
"""Notes that are kept. More: every other one goes, and time moves in larger steps."""


class Reach:
    """`patience`: seconds without progress after which a partition is waited for no longer.

    `time`: what the clock shows (epoch seconds); 0 before anything is known. It never goes back.
    """

    def __init__(self, patience: float) -> None:
        self.time = 0.0
        self._patience = patience
        self._marks: list[tuple[float, Mapping[TP, Progress]]] = []
        self._moved: dict[TP, tuple[int, float]] = {}
        """Where each partition was, and since when it is there although there is more."""

    def look(self, now: float, partitions: Mapping[TP, Progress]) -> float:
        """What the clock shows at `now`, which is not after the moment at which the ends were read.

        A second look at the same `now` only asks whether more is done.
        """
        for tp, (end, done) in partitions.items():
            if done >= end or tp not in self._moved or self._moved[tp][0] != done:
                self._moved[tp] = done, now
        if now > (self._marks[-1][0] if self._marks else self.time):
            self._marks.append((now, partitions))
        while self._marks and self._reached(self._marks[0][1], partitions, now):
            self.time = max(self.time, self._marks.pop(0)[0])
        if len(self._marks) > MARKS:
            self._marks = self._marks[::2]
        return self.time

    def _reached(self, then: Mapping[TP, Progress], partitions: Mapping[TP, Progress], now: float) -> bool:
        return all(
            tp not in partitions  # it is no more
            or partitions[tp].done >= mark.end
            or now - self._moved[tp][1] >= self._patience
            for tp, mark in then.items()
        )
