"""History through engine and router on a virtual clock.

Reads nothing: events and actions come in, what would have been said comes out.

Time comes from what is fed. The engine has ticks on whole seconds: one before the first event of each new second, and
where it wants to be woken. The router is stepped at the very moments at which it wants to be woken, and at the times
of actions, in fractions of a second where they have them. Recorded ticks, if the input has any, are taken instead. The
clock stops at the last action or one second after the last event (with recorded ticks, at the last of them), or at
`until`. Invariant: the router's time never goes back, and nothing due before a record is told after it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from monitor import views
from monitor.alerting.router import Router
from monitor.engine import Engine, Record, Step
from schemas.actions import Action, Deed, PostedAlert, SilenceEnded, SilenceSet
from schemas.alert import AlertView, Decision, GroupView, Incident, Notification, SilenceView, notification_line
from schemas.config import Config
from schemas.event import Event
from schemas.finding import Finding
from schemas.news import ChangeSeen, ComplaintSeen
from schemas.records import Ack, Control, Tick
from schemas.report import Report
from schemas.view import AgentView, BudgetView, RolloutView, SeenView, SignalView

Said = Finding | Notification
Fed = Event | Control | Action

LEAST_WAIT_SECONDS = 1.0
"""A router that asks for a moment that has passed is asked again so much later: no clock may stand still."""

ACTIONS = (PostedAlert, SilenceSet, SilenceEnded, Deed)


class Replay:
    """One run through history. `said` gives findings and notifications, as they come.

    Or step by step: `feed` takes records in the order of time, `advance` lets time pass.
    """

    def __init__(self, config: Config) -> None:
        self._engine = Engine(config)
        self._router = Router(config)
        self._offset = 0
        self._ticked: float | None = None
        self._now: float | None = None
        self._began: float | None = None
        self._batch: list[Record] = []
        self._waiting: list[Action] = []
        self._has_clock = False
        self._actions = 0

    def said(
        self,
        history: Sequence[Fed],
        until: float | None = None,
        stepped: Callable[[int], None] = lambda _: None,
    ) -> Iterator[Said]:
        """Step through `history`, which must be in order. `stepped` hears how many records were taken so far."""
        timed = (record for record in history if isinstance(record, (Event, Tick, *ACTIONS)))
        self._began = next((record.at if isinstance(record, Event) else record.time for record in timed), None)
        if any(isinstance(record, Tick) for record in history):
            yield from self._recorded(history, stepped)
        else:
            yield from self.feed(history, stepped)
        if self._now is None or (until is None and self._has_clock):
            return
        end = self._now if self._ticked is None else max(self._now, self._ticked + 1.0)
        yield from self.advance(max(end, until or 0.0))

    def feed(self, history: Sequence[Fed], stepped: Callable[[int], None] = lambda _: None) -> Iterator[Said]:
        """Take records in the order of time. What belongs to the last moment may wait for `advance`."""
        for number, record in enumerate(history):
            if type(record) is Event:  # nearly all are
                at = record.at
            elif isinstance(record, ACTIONS):
                yield from self._wait(record)
                stepped(number)
                continue
            else:
                at = self._ticked or 0.0
            if self._waiting:
                yield from self._act()
            if self._ticked is None or at >= self._ticked + 1.0:
                stepped(number)
                second = float(math.floor(at))
                yield from self._to(second)
                self._batch.append(self._tick(second))
            self._batch.append(record)

    def advance(self, until: float) -> Iterator[Said]:
        """Let time pass to `until` (epoch seconds), which is included."""
        if self._waiting:
            yield from self._act()
        yield from self._to(until)
        if self._ticked is not None and math.floor(until) > self._ticked:
            yield from self._step([self._tick(math.floor(until))])
        due = self._router.next_wake()
        if due is not None and due <= until:
            yield from self._router.tick(until)
        self._now = max(self._now or 0.0, until)

    def summary(self, dead_letters: int, skipped: int, seconds: float) -> dict[str, Any]:
        """The last line: counts per agent and budgets per owner."""
        counts = self._engine.partition.counts
        return {
            "type": "summary",
            "events": counts.get("events", 0) - counts.get("duplicates", 0),
            "actions": self._actions,
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
        """Every agent, as the page would show it, without its signals."""
        return views.agents(self._engine.partition)

    def signals(self, agent: str) -> tuple[SignalView, ...]:
        """The signals of one agent; none of one that is not known."""
        return views.signals(self._engine.partition, agent)

    def seen(self) -> list[SeenView]:
        """What the latest runs of every agent carried and used."""
        return views.seen(self._engine.partition)

    def incidents(self) -> list[Incident]:
        """Open incidents, then closed ones."""
        return self._router.incidents()

    def budgets(self) -> list[BudgetView]:
        """One account per owner."""
        return self._engine.aggregator.budgets()

    def alerts(self) -> list[AlertView]:
        """Every alert that the router knows now."""
        return self._router.alerts()

    def groups(self) -> list[GroupView]:
        """What each receiver is told together."""
        return self._router.groups()

    def silences(self) -> list[SilenceView]:
        """Every silence that is kept."""
        return self._router.silences()

    def changes_seen(self) -> list[ChangeSeen]:
        """See `Router.changes_seen`."""
        return self._router.changes_seen()

    def rollouts(self) -> list[RolloutView]:
        """See `Router.rollouts`."""
        return self._router.rollouts()

    def complaints(self) -> list[ComplaintSeen]:
        """See `Router.complaints`."""
        return self._router.complaints()

    @property
    def began(self) -> float:
        """Where the clock began, epoch seconds; 0 before it did."""
        return self._began or 0.0

    def report(self, since: float, until: float) -> Report:
        """See `Router.report`."""
        return self._router.report(since, until)

    def decisions(self, about: str | Mapping[str, str]) -> list[Decision]:
        """See `Router.decisions`."""
        return self._router.decisions(about)

    def _recorded(self, history: Sequence[Fed], stepped: Callable[[int], None]) -> Iterator[Said]:
        """The ticks that were written then; what people did is taken at its own time."""
        self._has_clock = True
        for number, record in enumerate(history):
            if isinstance(record, ACTIONS):
                yield from self._flush()
                self._now = max(self._now or 0.0, record.time)
                self._actions += 1
                self._offset += 1  # it has its place in the log, and findings are named after places
                yield from self._router.step((), self._now, [record])
                continue
            if isinstance(record, Tick):
                yield from self._flush()
                stepped(number)
                self._ticked = record.time
                self._now = max(self._now or 0.0, record.time)
            self._batch.append(record)
        yield from self._flush()

    def _wait(self, action: Action) -> Iterator[Said]:
        """Keep an action until its moment is over: what comes at the same time is taken with it."""
        if self._waiting and action.time > self._waiting[0].time:
            yield from self._act()
        if not self._waiting:
            yield from self._to(action.time)
        self._waiting.append(action)

    def _act(self) -> Iterator[Said]:
        """Take the actions of one moment together; what a person said of detection goes on to the engine."""
        actions, self._waiting = self._waiting, []
        self._now = max(self._now or 0.0, actions[0].time)
        self._actions += len(actions)
        told: list[Ack] = [ack for action in actions if isinstance(action, Deed) for ack in self._router.acks(action)]
        yield from self._router.step((), self._now, actions)
        self._batch += told

    def _to(self, until: float) -> Iterator[Said]:
        """What is due before `until`: ticks of the engine on whole seconds, the router's wakes as they are."""
        yield from self._flush()
        if self._now is None:
            self._now = until
            return
        while True:
            ticks, wakes = self._next_tick(), self._next_wake()
            if min(ticks, wakes) >= until:
                break
            if ticks <= wakes:
                yield from self._step([self._tick(ticks)])
            else:
                self._now = wakes
                yield from self._router.tick(wakes)

    def _next_tick(self) -> float:
        wake = None if self._ticked is None else self._engine.next_wake()
        return math.inf if wake is None or self._ticked is None else max(float(math.ceil(wake)), self._ticked + 1.0)

    def _next_wake(self) -> float:
        wake, now = self._router.next_wake(), self._now or 0.0
        if wake is None:
            return math.inf
        return wake if wake > now else now + LEAST_WAIT_SECONDS

    def _tick(self, at: float) -> Tick:
        tick = Tick(float(at), self._ticked)
        self._ticked = float(at)
        self._now = max(self._now or 0.0, float(at))
        return tick

    def _flush(self) -> Iterator[Said]:
        batch, self._batch = self._batch, []
        yield from self._step(batch)

    def _step(self, records: Sequence[Record]) -> Iterator[Said]:
        if not records:
            return
        step: Step = self._engine.step(enumerate(records, start=self._offset))
        self._offset += len(records)
        yield from step.findings
        now = max(self._now or 0.0, self._engine.partition.now)
        yield from self._router.step(step.findings, now, (), step.news)


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
