"""History through engine and router on a virtual clock.

Reads nothing: events come in, what would have been said comes out.

Time comes from the events: a tick before the first event of each new second, and one at each moment at which engine or
router want to be woken. Recorded ticks, if the input has any, are taken instead. The clock stops one second after the
last event, or at `until`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

from monitor import views
from monitor.alerting.router import Router
from monitor.engine import Engine, Record, Step
from schemas.alert import Notification, notification_line
from schemas.config import Config
from schemas.event import Event
from schemas.finding import Finding
from schemas.records import Control, Tick

Said = Finding | Notification


class Replay:
    """One run through history. `said` gives findings that fired or resolved, and notifications, as they come."""

    def __init__(self, config: Config) -> None:
        self._engine = Engine(config)
        self._router = Router(config)
        self._offset = 0
        self._now: float | None = None

    def said(self, history: list[Event | Control], until: float | None = None) -> Iterator[Said]:
        """Step through `history`, which must be sorted by time."""
        recorded = any(isinstance(record, Tick) for record in history)
        second: list[Record] = []
        last = 0.0
        for record in history:
            at = record.at if isinstance(record, Event) else getattr(record, "time", last)
            last = max(last, at)
            if recorded:
                second.append(record)
                if isinstance(record, Tick):
                    yield from self._step(second)
                    second = []
                continue
            if self._now is None or at >= self._now + 1.0:
                if second:
                    yield from self._step(second)
                    second = []
                yield from self._idle(math.floor(at))
                yield from self._step([self._tick(math.floor(at))])
            second.append(record)
        yield from self._step(second)
        if history and not recorded:
            end = math.floor(last) + 1.0 if until is None else max(math.floor(until), math.floor(last) + 1.0)
            yield from self._idle(end)
            yield from self._step([self._tick(end)])

    def summary(self, dead_letters: int, seconds: float) -> dict[str, Any]:
        """The last line: counts per agent and budgets per owner."""
        counts = self._engine.partition.counts
        return {
            "type": "summary",
            "events": counts.get("events", 0) - counts.get("duplicates", 0),
            "duplicates": counts.get("duplicates", 0),
            "late": counts.get("late", 0),
            "unattributed": counts.get("unassigned", 0),
            "dead_letters": dead_letters,
            "seconds": seconds,
            "agents": {
                view.agent: {
                    "runs": view.runs,
                    "failed": view.failed,
                    "silent": view.silent,
                    "hung": view.hung,
                    "versions": list(view.versions),
                }
                for view in views.agents(self._engine.partition)
            },
            "budget": {
                view.owner: {
                    "granted": view.granted,
                    "spent": view.spent,
                    "notices_granted": view.notices_granted,
                    "notices_spent": view.notices_spent,
                }
                for view in self._engine.aggregator.budgets()
            },
        }

    def _idle(self, until: float) -> Iterator[Said]:
        """Ticks at the moments before `until` at which something is due."""
        if self._now is None:
            return
        while True:
            wakes = [wake for wake in (self._engine.next_wake(), self._router.next_wake()) if wake is not None]
            wake = max(math.ceil(min(wakes, default=math.inf)) if wakes else math.inf, self._now + 1.0)
            if wake >= until:
                return
            yield from self._step([self._tick(wake)])

    def _tick(self, at: float) -> Tick:
        tick = Tick(float(at), self._now)
        self._now = float(at)
        return tick

    def _step(self, records: Iterable[Record]) -> Iterator[Said]:
        batch = []
        for record in records:
            batch.append((self._offset, record))
            self._offset += 1
        step: Step = self._engine.step(batch)
        yield from step.findings
        yield from self._router.step(step.findings, self._engine.partition.now)


def line(said: Said) -> dict[str, Any] | None:
    """The JSON line for what was said; None for an update of numbers, which the notifications carry."""
    if isinstance(said, Notification):
        return notification_line(said)
    if said.status == "update":
        return None
    return {
        "type": "finding" if said.status == "firing" else "resolution",
        "time": said.time,
        "node": said.node,
        "signal": said.signal,
        "direction": said.direction,
        "before": said.before,
        "after": said.after,
        "before_n": said.before_n,
        "after_n": said.after_n,
        "onset": said.onset,
        "mode": said.mode,
        "owner": said.owner,
        "runs": list(said.runs),
        "unaffected": list(said.unaffected),
        "reason": said.reason,
    }
