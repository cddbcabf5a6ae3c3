"""The router: findings and time in, notifications with a named reason out.

Pure: `now` is a parameter, nothing is sent here. A finding is taken into an alert and its incident (`incidents`), an
incident goes to its receivers (`routing`), and the stages of `pipeline` say who is told. An incident ends by evidence,
never by time. Invariants: a finding that was seen changes nothing; what is loaded from `changes()` and stepped on gives
the same notifications; a notification is returned once and the outbox answers for its delivery.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from monitor.alerting.digest import Digest
from monitor.alerting.incidents.alerts import Step, step_of
from monitor.alerting.incidents.grouping import home
from monitor.alerting.incidents.record import Record, new_record
from monitor.alerting.incidents.store import OPEN_PER_OWNER, Incidents
from monitor.alerting.pipeline import Quiet, candidates, digests, judge, notification, wake
from monitor.alerting.routing.tree import Routing
from schemas.actions import Action, Deed, SilenceSet
from schemas.alert import AlertView, Decision, GroupView, Incident, Notification, SilenceView
from schemas.config import Config
from schemas.finding import Finding
from schemas.records import Ack


class Router:
    """The state of all incidents, stepped by findings and ticks. One active router sees all findings, in log order."""

    def __init__(self, config: Config) -> None:
        self._routing = Routing(config)
        self._incidents = Incidents(config.runtime.retention.incidents)
        self._uses = {c.agent: frozenset(c.depends_on) for c in config.components if c.agent is not None}
        self._digest = Digest(config.owners)
        self._wakes: dict[str, float] = {}
        self._counts: Counter[str] = Counter()

    def step(self, findings: Sequence[Finding], now: float, actions: Sequence[Action] = ()) -> list[Notification]:
        """Take actions, then findings, in log order; what is due at `now` (epoch seconds) comes back.

        Leaves no finding unanswered. Actions are of `now` at the latest.
        """
        del actions
        touched: dict[str, None] = {}
        for finding in findings:
            step, records = self._take(finding)
            self._counts[f"finding {step}"] += 1
            touched.update((record.incident.id, None) for record in records)
        due = sorted(name for name, at in self._wakes.items() if at <= now and name not in touched)
        self._incidents.expire(now)
        told = [each for name in (*touched, *due) for each in self._tell(self._incidents.get(name), now)]
        return told + self._daily(now)

    def tick(self, now: float) -> list[Notification]:
        """Time went on to `now`."""
        return self.step((), now)

    def next_wake(self) -> float | None:
        """When a tick would do something, epoch seconds; None while nothing waits."""
        times = list(self._wakes.values())
        times += [at for at in (self._incidents.next_expiry(), self._digest.next_due()) if at is not None]
        soonest = min(times, default=math.inf)
        return None if soonest == math.inf else soonest

    def changes(self) -> list[tuple[str, bytes | None]]:
        """Entries `incident/<id>` and `digest/<owner>` that changed since the last call; None deletes."""
        return [*self._incidents.changes(), *self._digest.changes()]

    def load(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """Take up what `changes` gave, before the first step. Entries of others are ignored."""
        entries = list(entries)
        self._incidents.load(entries)
        self._digest.load(entries)
        for record in self._incidents.open():
            self._sleep(record)

    def incidents(self) -> list[Incident]:
        """Open incidents, oldest first, then the closed ones that are kept."""
        return [record.incident for record in self._incidents]

    def reload(self, config: Config, now: float) -> None:
        """Go on under another configuration: alerts, incidents, groups and what was sent stay."""
        del now
        self._routing = Routing(config)

    def acks(self, deed: Deed) -> list[Ack]:
        """What a false alarm or a new normal tells the engine, for the log of events: one per alert of the incident."""
        del deed
        return []

    def silence_id(self, action: SilenceSet) -> str:
        """The id under which a silence will stand once it was stepped."""
        return action.id

    def alerts(self) -> list[AlertView]:
        """Every alert that fires or whose end was not told yet, ours and posted ones."""
        return []

    def groups(self) -> list[GroupView]:
        """What each receiver is told together."""
        return []

    def silences(self) -> list[SilenceView]:
        """Silences that are kept, the latest change first."""
        return []

    def receivers(self) -> list[str]:
        """Names of all receivers: the declared ones and the owners."""
        return []

    def decisions(self, about: str | Mapping[str, str]) -> list[Decision]:
        """What was decided of an incident (its id), a group (its key) or alerts with these labels, oldest first."""
        del about
        return []

    @property
    def counts(self) -> Counter[str]:
        """What was decided, by name: `finding <step>`, `notification <reason>`, `quiet <reason>`, and bounds met."""
        return self._counts + self._incidents.counts

    def _take(self, finding: Finding) -> tuple[Step, list[Record]]:
        """Apply one finding; the open incidents that it changed."""
        if finding.mode == "off":
            return Step.OFF, []
        known = self._incidents.holding(finding.incident_key)
        if any(finding.id in record.seen for record in known):
            return Step.SEEN, []
        if finding.status == "firing":
            return self._fire(finding, known)
        steps = [(step_of(record.alert(finding.incident_key), finding), record) for record in known]
        live = [(step, record) for step, record in steps if step in (Step.REFRESH, Step.END)]
        for step, record in live:
            record.take(step, finding)
            self._incidents.touch(record)
        if live:
            return live[0][0], [record for _, record in live]
        return (steps[0][0] if steps else Step.UNKNOWN), []

    def _fire(self, finding: Finding, known: list[Record]) -> tuple[Step, list[Record]]:
        """A firing finding lands in the incident that holds its episode, in a related one, or opens its own."""
        for record in known:
            step = step_of(record.alert(finding.incident_key), finding)
            if step is Step.LATE:
                return step, []
            if self._incidents.is_open(record.incident.id) and self._rings(finding, record):
                record.take(step, finding)
                self._incidents.touch(record)
                return step, [record]
        joined = self._home(finding)
        if joined is not None:
            joined.take(Step.OPEN, finding)
            self._incidents.touch(joined)
            return Step.OPEN, [joined]
        fresh = new_record(self._incidents.free_id(finding), finding)
        if finding.mode == "digest" or (
            finding.mode == "notice" and not self._digest.admits(finding.owner, finding.time)
        ):
            fresh.in_digest = True
            self._digest.put(finding.owner, fresh.incident.id, finding.time)
        self._incidents.add(fresh)
        return Step.OPEN, [fresh]

    @staticmethod
    def _rings(finding: Finding, record: Record) -> bool:
        """Whether the finding may stay in an incident: a page needs one that has paged."""
        return finding.mode != "page" or record.incident.severity == "page"

    def _home(self, finding: Finding) -> Record | None:
        mine = self._incidents.of_owner(finding.owner)
        found = home(finding, mine, self._uses)
        if found is None and len(mine) >= OPEN_PER_OWNER:
            self._counts["overflow"] += 1
            found = mine[-1]
        return None if found is None else self._incidents.get(found.id)

    def _tell(self, record: Record, now: float) -> list[Notification]:
        """What the receivers of one incident are told now; a resolved incident is closed behind it."""
        told: list[Notification] = []
        for candidate in candidates(record, self._routing):
            verdict = judge(candidate, now)
            if isinstance(verdict, Quiet):
                self._counts[f"quiet {verdict}"] += 1
                continue
            self._counts[f"notification {verdict}"] += 1
            told.append(notification(candidate, verdict, now))
        if told:
            self._incidents.touch(record)
        if record.incident.status == "resolved":
            self._wakes.pop(record.incident.id, None)
            self._incidents.close(record)
        else:
            self._sleep(record)
        return told

    def _daily(self, now: float) -> list[Notification]:
        """The digests that are due: of each owner one message per receiver, whatever became of its incidents."""
        told: list[Notification] = []
        for owner, due, names, beyond in self._digest.due(now):
            records = [record for name in names if (record := self._incidents.find(name)) is not None]
            told += digests(owner, due, records, beyond + len(names) - len(records), self._routing, now)
        self._counts["notification daily digest"] += len(told)
        return told

    def _sleep(self, record: Record) -> None:
        times = [wake(candidate) for candidate in candidates(record, self._routing)]
        self._wakes[record.incident.id] = min(times, default=math.inf)
