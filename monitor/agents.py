"""One agent: its runs, its failure nodes, its traffic. Events go in; findings and evidence for parents come out.

Not here: time and the log (`monitor.engine`), how evidence is gathered (`monitor.evidence`), nodes above agents
(`monitor.evidence.aggregator`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from monitor import runs as tracking
from monitor.changes.sightings import Sightings
from monitor.complaints import known
from monitor.drift.banks.plan import Plans
from monitor.drift.methods import Methods
from monitor.drift.watch import Drift
from monitor.evidence import accounts, words
from monitor.evidence.judged import late
from monitor.evidence.slices import Slices
from monitor.evidence.volume import traffic
from monitor.evidence.within.episodes import ACKS
from monitor.evidence.within.window import BINS, Window
from monitor.readiness import carried
from monitor.readiness.gate import Gate
from monitor.rollouts import Rollouts
from monitor.runs import Closed, Run, RunTracker
from monitor.runs.run import NO_FACTS
from monitor.saved.carried import Carried
from monitor.signals import TRAFFIC, TRAFFIC_SHARE, TRAFFIC_TOLERANCE
from monitor.stepping.speaker import Speaker
from monitor.topology import Topology
from schemas.config import Config, DetectorSettings
from schemas.event import Event
from schemas.finding import RUNS_AGAIN, SETTLED, Finding, FindingStatus
from schemas.news import News
from schemas.records import Ack, Grant
from schemas.view import SeenView

NAMES: Final = 200
"""Versions and tools that an agent's view names, each. More: the one that was quiet longest is forgotten."""


class Settings:
    """What the YAML says: settings per signal, the time-out of runs in seconds, the layout of banks; and all of it."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.detectors = config.detectors
        self.run_timeout = config.runtime.run_timeout
        self.drift = Plans(config.detectors, config.slices.labels)
        self.began = 0.0
        """When the partition began to watch, epoch seconds."""

    def watched(self, now: float) -> float:
        """Seconds since the partition began to watch."""
        return now - self.began


class Agent:
    """The state of one agent and all that changes it. `emit` takes findings, `tell` news; `now`: of the last tick."""

    def __init__(
        self,
        name: str,
        now: float,
        partition: int,
        topology: Topology,
        settings: Settings,
        counts: dict[str, int],
        emit: Callable[[Finding], None],
        tell: Callable[[News], None],
    ) -> None:
        self.name = name
        self.settings = settings
        self.speaker = Speaker(name, partition, emit)
        said, named = self.speaker.emit, self.speaker.identify
        self.tell = tell
        self.tracker = RunTracker(counts, settings.run_timeout, topology.contract_of(name))
        self.slices = Slices(name, topology, settings.detectors, self.tracker, said, named)
        self.owner = self.slices.owner
        self.drift = Drift(name, self.owner, settings.drift, said, named, self.tracker.count)
        self.methods = Methods(name, self.owner, settings.detectors, emit, named)
        self.sightings = Sightings(name, tell, self.tracker.count)
        self.rollouts = Rollouts(
            name, self.owner, topology.rollout_of(name), self.slices.above, self.slices.known, self.tracker.count, tell
        )
        self.traffic = traffic.new(now)
        burn = self.slices.burn
        self.window = Window(burn.window / BINS) if burn is not None else None
        self.versions: dict[str, float] = {}
        self.tools: dict[str, float] = {}
        self.runs = self.failed = self.hung = self.silent = self.calls = 0
        self.first_seen = self.last_seen = now
        self.wake = 0.0
        self.loose_ids: dict[str, float] = {}
        self.carried = Carried()
        self.gate = Gate(name, settings.config, settings.watched, said, named, self.tracker.count)
        self.speaker.profile, self.speaker.firing = self.drift.profile, self.slices.firing

    @property
    def offset(self) -> int:
        """Of the latest record that it took."""
        return self.speaker.offset

    @offset.setter
    def offset(self, offset: int) -> None:
        self.speaker.offset = offset

    # -- events

    def take(self, event: Event, kind: str, now: float) -> Closed | None:
        """One event of a run, and its kind; the closed run if it ended one."""
        run = self.tracker.take(event, now, kind)
        if run is None:
            return None
        self.last_seen = now
        if not run.counted:
            run.counted = True
            self.traffic.arrivals += run.variant != "shadow"
            if run.version is not None and run.version not in self.versions and run.variant != "shadow":
                self.slices.deploy(run.version, run.version, now)
                self.sightings.version(run, self.runs, now)
        if kind == "tool_call" and event.tool_version is not None:
            self._see_tool(run, event, now)
        if run.moved:
            run.moved = False
            if run.entered != run.started and not run.passed and run.variant != "shadow":
                self.slices.order.enter(run)
        if run.work.facts:
            self._tell_facts(run, now)
        if kind != "run_finished":
            return None
        closed = self.tracker.finish(run, event, now)
        self._observe(closed, now)
        return closed

    def take_loose(self, event: Event, now: float) -> bool:
        """An event of no open run (a change, a complaint, a late judgement); False if it is a duplicate."""
        if event.id in self.loose_ids:
            self.tracker.count("duplicates")
            return False
        self.loose_ids[event.id] = now
        if len(self.loose_ids) > tracking.IDS_PER_RUN:
            del self.loose_ids[next(iter(self.loose_ids))]
            self.tracker.count("loose_ids_forgotten")
        if event.kind == "change":
            self._change(event, now)
            return True
        if event.kind == "complaint":
            about = self.tracker.known(event.run or "")
            complaint = known.complaint(event, about, self.slices, self.drift, self.traffic, now)
            if complaint is not None:
                self.tell(complaint)
        self.slices.observe_late(event, now)
        if event.kind == "evaluation":
            self.rollouts.judge(event, self.tracker.known(event.run or ""))
        return True

    def acknowledge(self, ack: Ack, now: float) -> bool:
        """A human's word for an episode of this agent; False if it has none of that name."""
        if self.slices.acknowledge(ack, now) or self.drift.acknowledge(ack, now):
            return True
        if self.gate.acknowledge(ack.node, ack.word, now):
            return True
        key = self.traffic.firing_key
        if not key or ack.node not in (key, TRAFFIC) or ack.word not in ACKS:
            return False
        self._say_traffic("resolved", now, self.settings.detectors.get(TRAFFIC, _NO_SETTING), ACKS[ack.word])
        traffic.end(self.traffic, now, by_itself=False)
        return True

    def seen(self, now: float) -> SeenView:
        """What its latest runs carried and used."""
        return carried.seen(self.carried, self.name, self.owner, self.runs_per_minute(now), self.last_seen)

    def runs_per_minute(self, now: float) -> float:
        """Runs of the last hour that was watched; of all its time while that is short."""
        recent = traffic.recent(self.traffic, now)
        if recent is not None:
            return recent * 60.0
        return (self.runs + self.tracker.open_count) / max(now - self.first_seen, 1.0) * 60.0

    # -- time

    def tick(self, now: float) -> list[Closed]:
        """What the passing of time does: hung runs, waiting observations, traffic. Returns the runs that it closed."""
        found = []
        self.tracker.learn_usual()
        for run in self.tracker.hung(now):
            closed = self.tracker.hang(run, now)
            self._observe(closed, now)
            found.append(closed)
        self.slices.release(now)
        for name in self.sightings.due():
            self.slices.deploy(next(reversed(self.versions), None), name, now)
        if self.slices.firing:
            self.slices.episodes.say_quiet(now)
        self.drift.tick(now)
        self.rollouts.tick(now, self.tracker.earliest_start)
        self._advance_traffic(now)
        self.slices.ask(now)
        self.tracker.loop_mass = accounts.loop_mass(
            self.slices.accounts[self.owner], self.calls / max(now - self.first_seen, 1.0)
        )
        self.tracker.forget(now)
        if self.window is not None and self.slices.burn is not None:
            burn = self.slices.burn
            stands = self.window.seen(self.name, self.owner, burn.name, 1.0 - burn.eps, now)
            if stands is not None:
                self.tell(stands)
        while self.loose_ids and next(iter(self.loose_ids.values())) + tracking.REMEMBER_SECONDS <= now:
            del self.loose_ids[next(iter(self.loose_ids))]
        self.wake = self._next_wake(now)
        return found

    def blind(self, now: float, seconds: float) -> None:
        """The monitor saw nothing for `seconds` up to `now`."""
        self.tracker.blind(seconds)
        traffic.blind(self.traffic, now)

    def grant(self, grant: Grant, now: float) -> None:
        """A new grant for the nodes of one owner that live here; one that was given before says nothing."""
        account = self.slices.table.account(grant.owner)
        if grant.end <= account.end:
            return  # it was asked for again before it came: the first of an epoch has a head start, which is part of it
        if grant.owner == self.owner:
            self._flow_to_traffic(now)
        accounts.renew(account, grant, self.slices.table.of_owner(grant.owner), now)
        if grant.owner == self.owner:
            self.drift.flow(account.notice_rate, account.page_rate, account.end, now)

    # -- inner

    def _observe(self, closed: Closed, now: float) -> None:
        run = closed.run
        if closed.work.facts:
            self._tell_facts(run, now)
        self.rollouts.observe(closed, now)
        if run.variant == "shadow":
            self.tracker.count("shadow_runs")
            return
        self.runs += 1
        self.hung += closed.status == "hung"
        self.failed += closed.status == "error"
        self.silent += closed.silent
        self.calls += closed.work.tool_calls
        if self.window is not None:
            self.window.count(closed.status != "ok" or closed.silent, now)
        forgotten = carried.observe(self.carried, closed, now)
        for _ in range(forgotten):
            self.tracker.count("uses_forgotten")
        if not self.gate.open:
            self.gate.observe(self.carried, self.seen, self.first_seen, now)
        for tool in run.tools:
            _see(self.tools, tool, now)
        if run.version is not None:
            if run.version not in self.versions:
                self.slices.deploy(run.version, run.version, now)
                self.sightings.version(run, self.runs, now)
            _see(self.versions, run.version, now)
        faulty = self.slices.observe_run(closed, now)
        again = closed.work.retry_of
        if again is not None:
            self.slices.observe_verdict(late.UNHAPPY, 1.0, again, again, now)
        self.slices.release(now)
        self.drift.observe(closed, now, self.tracker.usual_seconds(), self._paid_for_drift, learns=not faulty)
        if self.methods.on:
            self.methods.observe(closed, now, self.slices.accounts[self.owner].page_rate)
        work = closed.work
        if work.response_model is not None or work.result_fields or work.argument_fields:
            self.sightings.run(closed, self.runs, now)

    def _see_tool(self, run: Run, event: Event, now: float) -> None:
        """A call that says which version its tool has."""
        if event.tool and event.tool_version is not None and run.variant != "shadow" and event.actor == "agent":
            self.sightings.tool_version(event.tool, event.tool_version, run, self.runs, now)

    def _paid_for_drift(self) -> float:
        """What a deploy paid for the drift of its version."""
        deploys = self.slices.table.deploys
        mass, deploys.drift = deploys.drift, 0.0
        return mass

    def _tell_facts(self, run: Run, now: float) -> None:
        facts, run.work.facts = run.work.facts, NO_FACTS
        if run.variant == "shadow":
            return
        for fact in facts:
            self.slices.fact(fact, run, now)

    def _change(self, event: Event, now: float) -> None:
        """A change of this agent, or of something it depends on: what it may break is paid in advance."""
        if event.component == f"agent:{self.name}":
            self.rollouts.change(event, now)
        if event.stage == "shadow" or event.component is None:
            return
        if event.component == f"agent:{self.name}":
            self.slices.deploy(event.version, event.version or "", now)
        else:
            latest = next(reversed(self.versions), None)
            self.slices.deploy(latest, f"{event.component} {event.version}", now)

    def _next_wake(self, now: float) -> float:
        if self.slices.order:
            return now + 1.0
        rate = self.slices.accounts[self.owner].rate(self.traffic.mode)
        wake = traffic.next_wake(self.traffic, TRAFFIC_SHARE * rate)
        quiet = min(self.slices.episodes.next_quiet(), self.drift.next_wake(), self.rollouts.next_wake(now))
        return max(min(wake, self.tracker.next_wake(), quiet), now + 1.0)

    def _advance_traffic(self, now: float) -> None:
        setting = self.settings.detectors.get(TRAFFIC, _NO_SETTING)
        if setting.mode == "off":
            return
        state = self.traffic
        self._flow_to_traffic(now)
        verdict = traffic.advance(state, now, setting.reference, setting.tolerance or TRAFFIC_TOLERANCE)
        if verdict == "fire":
            traffic.fire(state, self.speaker.identify(TRAFFIC), now, declared=setting.reference is not None)
            self._say_traffic("firing", now, setting)
        elif verdict:
            self._say_traffic("resolved", now, setting, RUNS_AGAIN if verdict == "resolve" else SETTLED)
            traffic.end(state, now, by_itself=verdict == "resolve")

    def _flow_to_traffic(self, now: float) -> None:
        """What the traffic node got of the budget since this was last asked."""
        account, state = self.slices.accounts[self.owner], self.traffic
        seconds = min(now, account.end) - state.flowed_at
        if seconds > 0.0:
            state.pending += TRAFFIC_SHARE * account.rate(state.mode) * seconds
        state.flowed_at = max(now, state.flowed_at)

    def _say_traffic(self, status: FindingStatus, now: float, setting: DetectorSettings, reason: str = "") -> None:
        mode = "notice" if setting.mode == "notice" else self.traffic.mode
        identity = self.speaker.identify(self.traffic.firing_key, status)
        declared = setting.reference is not None
        said = words.of_traffic(self.name, self.owner, self.traffic, status, now, declared, mode, reason, identity)
        self.speaker.emit(said)


_NO_SETTING = DetectorSettings()


def _see(names: dict[str, float], name: str, now: float) -> None:
    seen = names.get(name)
    if seen is not None and seen == now:
        return  # within a tick the first order stays
    names.pop(name, None)  # the order of a dict is that of first insertion
    names[name] = now
    if len(names) > NAMES:
        del names[next(iter(names))]
