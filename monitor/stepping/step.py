"""What goes into a step of the engine and what comes out of it."""

from __future__ import annotations

from typing import Any, Final

from monitor.runs import Closed
from schemas.event import Event
from schemas.finding import Finding
from schemas.news import News
from schemas.records import Control, EvidenceBatch, Ruling

Record = Event | Control
Numbered = tuple[Any, ...]
"""Offset and record. Not written with two places: compiled code would take such a tuple apart and make it anew."""
RECENT_RUNS: Final = 200
"""Closed runs that a view can show."""


class Step:
    """What came out of a batch. `closed`: agents and their runs. `rulings` only from `Engine`; a partition gets its own
    from the log."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.evidence: list[EvidenceBatch] = []
        self.closed: list[tuple[str, Closed]] = []
        self.rulings: list[Ruling] = []
        self.news: list[News] = []


class Outlet:
    """Where agents say things: in the step that is under way.

    It is no part of the engine, so that no agent leads back to it: what is dropped goes at once, and not when Python
    next looks for reference cycles.
    """

    def __init__(self) -> None:
        self.step = Step()

    def emit(self, finding: Finding) -> None:
        """Say a finding."""
        self.step.findings.append(finding)

    def tell(self, news: News) -> None:
        """Tell news."""
        self.step.news.append(news)


class Said:
    """What is said in a list from now on, and at which offset: to put it in the order of the log."""

    def __init__(self, said: list[Any]) -> None:
        self._said = said
        self._first = len(said)
        self._offsets: list[int] = []

    def note(self, offset: int) -> None:
        """The record at `offset` has been stepped."""
        while self._first + len(self._offsets) < len(self._said):
            self._offsets.append(offset)

    def put_in_order(self) -> None:
        """Put it in the order of offsets; what one record said stays as it was."""
        if len(self._offsets) > 1:
            places = sorted([(offset, at) for at, offset in enumerate(self._offsets, self._first)])
            self._said[self._first :] = [self._said[at] for _, at in places]
