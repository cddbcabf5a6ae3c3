"""Schedule: when each of many names wants to be woken, and the names that are remembered for a while. Pure.

A tick at which nothing is due costs the same however many names there are: times stand in a heap that is corrected
where it is looked at. Invariant: a name's entry in the heap is never later than its true time.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Callable

_SPARE = 1_000  # outdated entries of the heap that are worth no sweep


Due = Callable[[str], float | None]


class Schedule:
    """Its callers say with `due` a name's true time, or None if it wants nothing any more."""

    def __init__(self) -> None:
        self._at: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []

    def put(self, name: str, earliest: float) -> None:
        """Look at `name` at `earliest`, which is not after its true time; an earlier look that is noted stays."""
        noted = self._at.get(name)
        if noted is not None and noted <= earliest:
            return
        self._at[name] = earliest
        heapq.heappush(self._heap, (earliest, name))
        if len(self._heap) > 2 * len(self._at) + _SPARE:
            self._heap = sorted((at, name) for name, at in self._at.items())

    def take(self, now: float, due: Due) -> list[str]:
        """The names that are due at `now`, by their times; they are scheduled no more."""
        found: list[tuple[float, str]] = []
        while self._heap and self._heap[0][0] <= now:
            name = self._pop()
            at = due(name) if name is not None else None
            if name is None or at is None:
                continue
            if at <= now:
                found.append((at, name))
            else:
                self.put(name, at)
        return [name for _, name in sorted(found)]

    def next(self, due: Due) -> float | None:
        """The first time at which a name is due."""
        while self._heap:
            noted = self._heap[0][0]
            name = self._pop()
            at = due(name) if name is not None else None
            if name is None or at is None:
                continue
            self.put(name, at)
            if at <= noted:
                return at
        return None

    def _pop(self) -> str | None:
        at, name = heapq.heappop(self._heap)
        if self._at.get(name) != at:
            return None
        del self._at[name]
        return name


class Remembered:
    """Names in the order in which they were closed; each is kept for as many seconds as its kind."""

    def __init__(self, *seconds: float) -> None:
        self._kinds: tuple[tuple[float, OrderedDict[str, float]], ...] = tuple(
            (kept, OrderedDict()) for kept in seconds
        )

    def put(self, name: str, closed_at: float, kind: int) -> None:
        """The latest of all."""
        self._kinds[kind][1][name] = closed_at

    def drop(self, name: str) -> None:
        """It is not closed any more."""
        for _, names in self._kinds:
            names.pop(name, None)

    def expired(self, now: float) -> list[str]:
        """Takes out the names whose time has passed."""
        found = []
        for kept, names in self._kinds:
            while names and now - next(iter(names.values())) >= kept:
                found.append(names.popitem(last=False)[0])
        return found

    def oldest(self) -> str | None:
        """Takes out the name that was closed first."""
        filled = [names for _, names in self._kinds if names]
        if not filled:
            return None
        return min(filled, key=lambda names: next(iter(names.values()))).popitem(last=False)[0]

    def __len__(self) -> int:
        return sum(len(names) for _, names in self._kinds)
