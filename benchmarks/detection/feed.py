"""Events into the real engine, as a monitor feeds it: text read and dropped where an event enters, ticks in between."""

from __future__ import annotations

import math
from collections.abc import Iterable

from monitor.engine import Engine
from monitor.reading import Reader
from monitor.runs.view import of_run
from schemas.config import Config
from schemas.event import Event
from schemas.finding import Finding
from schemas.records import Tick
from schemas.view import RunView

START = 1_800_000_000.0
RUNS_PER_MINUTE = 10
RUN_SECONDS = 60.0 / RUNS_PER_MINUTE


class Feed:
    """An engine with its reader and its log. `config`: the whole YAML as values; nothing is the default."""

    def __init__(self, config: dict[str, object] | None = None) -> None:
        self.config = config or {}
        checked = Config.model_validate(self.config)
        self.engine = Engine(checked)
        self.reader = Reader(checked)
        self.offset = -1
        self.now: float | None = None
        self.closed: list[RunView] = []
        self.saved: dict[str, bytes] = {}

    def take(self, events: Iterable[Event]) -> list[Finding]:
        """Events in order of time, with a tick at each new whole second; the findings that came of them."""
        found: list[Finding] = []
        for event in events:
            second = math.floor(event.at)
            if self.now is None or second > self.now:
                found += self.tick(float(second))
            self.offset += 1
            self.reader.read(event)
            step = self.engine.step([(self.offset, event)])
            found += step.findings
            self.closed += [of_run(*run) for run in step.closed]
        return found

    def tick(self, now: float) -> list[Finding]:
        """Time moves to `now`; the monitor was there all the while."""
        self.offset += 1
        tick, self.now = Tick(now, self.now), now
        step = self.engine.step([(self.offset, tick)])
        self.closed += [of_run(*run) for run in step.closed]
        return step.findings

    def fork(self) -> Feed:
        """A monitor that starts from the saved state of this one, to be fed something else."""
        for key, value in self.engine.changes():
            if value is None:
                self.saved.pop(key, None)
            else:
                self.saved[key] = value
        other = Feed(self.config)
        other.engine.load(self.saved.items())
        other.offset, other.now = self.offset, self.now
        return other


def pages(findings: Iterable[Finding]) -> list[Finding]:
    """Episodes that began and wake somebody."""
    return [finding for finding in findings if finding.status == "firing" and finding.mode == "page"]


def began(findings: Iterable[Finding]) -> list[Finding]:
    """Episodes that began, pages and notices."""
    return [finding for finding in findings if finding.status == "firing"]
