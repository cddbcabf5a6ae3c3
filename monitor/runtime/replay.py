"""History through engine and router on a virtual clock.

Reads nothing: events come in, what would have been said comes out.

Time comes from the events: a tick before the first event of each new second, and one at each moment at which engine or
router want to be woken. Recorded ticks, if the input has any, are taken instead. The clock stops one second after the
last event (with recorded ticks, at the last of them), or at `until`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from monitor import views
from monitor.alerting.router import Router
from monitor.engine import Engine, Record, Step
from schemas.alert import Incident, Notification, notification_line
from schemas.config import Config
from schemas.event import Event
from schemas.finding import Finding
from schemas.records import Control, Tick
from schemas.view import AgentView, BudgetView

Said = Finding | Notification


class Replay:
    """One run through history. `said` gives findings and notifications, as they come."""

    def __init__(self, config: Config) -> None:
        self._engine = Engine(config)
        self._router = Router(config)
        self._offset = 0
        self._now: float | None = None
        self._has_clock = False

    def said(
        self,
        history: Sequence[Event | Control],
        until: float | None = None,
        stepped: Callable[[int], None] = lambda _: None,
    ) -> Iterator[Said]:
        """Step through `history`, which must be in order. `stepped` hears how many records were taken so far."""
        if any(isinstance(record, Tick) for record in history):
            yield from self._recorded(history, stepped)
        else:
            yield from self._on_a_grid(history, stepped)
        if self._now is None or (until is None and self._has_clock):
            return
        end = max(self._now + 1.0, math.floor(until) if until is not None else 0.0)
        yield from self._idle(end)
        yield from self._step([self._tick(end)])

    def _on_a_grid(self, history: Sequence[Event | Control], stepped: Callable[[int], None]) -> Iterator[Said]:
        """A tick before the first event of each new second, and where something is due."""
        batch: list[Record] = []
        for number, record in enumerate(history):
            at = record.at if isinstance(record, Event) else self._now or 0.0
            if self._now is None or at >= self._now + 1.0:
                yield from self._step(batch)
                stepped(number)
                second = float(math.floor(at))
                yield from self._idle(second)
                batch = [self._tick(second)]
            batch.append(record)
        yield from self._step(batch)

    def _recorded(self, history: Sequence[Event | Control], stepped: Callable[[int], None]) -> Iterator[Said]:
        """The ticks that were written then."""
        self._has_clock = True
        batch: list[Record] = []
        for number, record in enumerate(history):
            if isinstance(record, Tick):
                yield from self._step(batch)
                stepped(number)
                batch = []
                self._now = record.time
            batch.append(record)
        yield from self._step(batch)

    def summary(self, dead_letters: int, skipped: int, seconds: float) -> dict[str, Any]:
        """The last line: counts per agent and budgets per owner."""
        counts = self._engine.partition.counts
        return {
            "type": "summary",
            "events": counts.get("events", 0) - counts.get("duplicates", 0),
            "duplicates": counts.get("duplicates", 0),
            "late": counts.get("late", 0),
            "unattributed": counts.get("unassigned", 0),
            "dead_letters": dead_letters,
            "skipped": skipped,
            "seconds": seconds,
            "agents": {
                view.agent: {
                    "runs": view.runs,
                    "failed": view.failed,
                    "silent": view.silent,
                    "hung": view.hung,
                    "versions": list(view.versions),
                }
                for view in self.agents()
            },
            "budget": {
                view.owner: {
                    "granted": view.granted,
                    "spent": view.spent,
                    "notices_granted": view.notices_granted,
                    "notices_spent": view.notices_spent,
                }
                for view in self.budgets()
            },
        }

    @property
    def now(self) -> float:
        """Where the clock stopped, epoch seconds."""
        return self._now or 0.0

    def agents(self) -> list[AgentView]:
        """Every agent, as the page would show it."""
        return views.agents(self._engine.partition)

    def incidents(self) -> list[Incident]:
        """Open incidents, then closed ones."""
        return self._router.incidents()

    def budgets(self) -> list[BudgetView]:
        """One account per owner."""
        return self._engine.aggregator.budgets()

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

    def _step(self, records: Sequence[Record]) -> Iterator[Said]:
        if not records:
            return
        step: Step = self._engine.step(enumerate(records, start=self._offset))
        self._offset += len(records)
        yield from step.findings
        yield from self._router.step(step.findings, self._engine.partition.now)


def line(said: Said) -> dict[str, Any] | None:
    """The JSON line for what was said; None for what only the notifications carry: new numbers, and the end."""
    if isinstance(said, Notification):
        return notification_line(said)
    if said.status != "firing":
        return None
    return {
        "type": "finding",
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
