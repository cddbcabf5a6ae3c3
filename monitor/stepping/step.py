"""What goes into a step of the engine and what comes out of it."""

from __future__ import annotations

from monitor.runs import Closed
from schemas.event import Event
from schemas.finding import Finding
from schemas.news import News
from schemas.records import Control, EvidenceBatch, Ruling

Record = Event | Control


class Step:
    """What came out of a batch. `closed`: agents and their runs. `rulings` only from `Engine`; a partition gets its own
    from the log."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.evidence: list[EvidenceBatch] = []
        self.closed: list[tuple[str, Closed]] = []
        self.rulings: list[Ruling] = []
        self.news: list[News] = []


class Said:
    """What was said from place `first` of a list on, and at which offset: to put it in the order of the log."""

    def __init__(self, first: int) -> None:
        self.first = first
        self._places: list[tuple[int, int]] = []

    def note(self, offset: int, size: int) -> None:
        """The record at `offset` has been stepped; the list has `size` by now."""
        while self.first + len(self._places) < size:
            self._places.append((offset, self.first + len(self._places)))

    def order(self) -> list[int]:
        """Places in the order of offsets; what one record said stays as it was."""
        return [at for _, at in sorted(self._places)]
