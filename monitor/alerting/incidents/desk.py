"""Findings and deeds in, changed incidents out: which incident, whose, who else, and what it has become.

It decides about incidents, never about who is told. Invariants: a finding that was seen changes nothing; a finding that
fires soon after its incident's end reopens that incident; only evidence or a person ends one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import msgspec

from monitor.alerting.blind import is_blind
from monitor.alerting.changes.finder import BESIDE, Finder
from monitor.alerting.changes.ledger import Changes, Release
from monitor.alerting.changes.unannounced import is_unannounced
from monitor.alerting.digest import Digest
from monitor.alerting.dispatch.book import Held
from monitor.alerting.incidents import deeds
from monitor.alerting.incidents.alerts import Step, step_of
from monitor.alerting.incidents.dependencies import Dependencies
from monitor.alerting.incidents.grouping import home
from monitor.alerting.incidents.record import Record, new_record, same_slice
from monitor.alerting.incidents.roots import Roots
from monitor.alerting.incidents.store import OPEN_PER_OWNER, Incidents
from monitor.alerting.routing.tree import Routing
from schemas.actions import Deed
from schemas.alert import Alert, NotificationReason
from schemas.config import DAY, Config
from schemas.finding import Finding
from schemas.news import ChangeSeen

FLAP_SECONDS = 3_600.0
"""What fires again within this time, or as long after its end as it lasted (a day at most), reopens its incident."""
WAIT_SECONDS = 1.0
"""What is not escalated yet waits for so long at least, however short `escalate` is: time must go on in between."""
TRAFFIC = "agent.traffic"
PASSED = 1_000
"""Findings of one moment that changed nothing and are remembered while it lasts."""


class Desk:
    """All incidents and what changes them. `counts`: what was done, by name; `told`: whether anybody knows of one."""

    def __init__(
        self, config: Config, routing: Routing, digest: Digest, changes: Changes, told: Callable[[Record], bool]
    ) -> None:
        self.incidents = Incidents(config.runtime.retention.incidents)
        self.graph = Dependencies(config)
        self._roots = Roots(self.graph)
        self._finder = Finder(changes, self.graph, self._roots.concerning, told)
        self._told = told
        self.counts: Counter[str] = Counter()
        self._digest = digest
        self._moment = 0.0
        self._passed: list[tuple[str, str]] = []
        """Episode and id of the findings of this moment that changed nothing. A crash forgets them with the moment."""
        self.reload(config, routing)

    def reload(self, config: Config, routing: Routing) -> None:
        """Go on under another configuration. `routing`: the router's own, for who is told stands in one place."""
        self._line = deeds.Line(config.owners, config.default_owner, lambda owner: routing.to(owner).receiver)
        self._uses = {c.agent: frozenset(c.depends_on) for c in config.components if c.agent is not None}
        self.graph.reload(config)
        self.incidents.keep_for(config.runtime.retention.incidents)

    def loaded(self) -> None:
        """The incidents were loaded: know their standing."""
        for record in self.incidents.open():
            self._roots.set(record.incident)

    def take(self, finding: Finding, given: Alert | None = None) -> list[Record]:
        """Apply one finding; the open incidents that it changed. `given`: the alert, where another system wrote it."""
        step, records = self._take(finding, given)
        self.counts[f"finding {step}"] += 1
        self._pass_on(finding, step, records)
        if step in (Step.OPEN, Step.REFRESH, Step.REFIRE, Step.END):
            self.graph.learn(finding)
        for record in records:
            self._settle(record, finding)
        if finding.words:
            return records  # a posted alert names no component of ours
        if records:
            related = self._relate(records, finding.time)
            records = [*records, *related, *self._explain(records, finding.time, beside=step is not Step.REFRESH)]
        return list({record.incident.id: record for record in records}.values())

    def hear(self, news: ChangeSeen, release: Release, now: float) -> list[Record]:
        """A change that its release did not know; the open incidents whose likely cause is another one now."""
        if not news.announced and not news.component.startswith("agent:"):
            self.graph.learn_use(news.agent, (news.component,), news.time)
        records = [self.incidents.get(name) for name in self._finder.concerned(news, release)]
        changed = [record for record in records if self._look(record, now)]
        return [*changed, *self._explain(records, now, beside=True)]

    def take_posted(self, held: Held, owner: str, now: float) -> list[Record]:
        """An alert of another system, as it is held at `now`."""
        over = held.over(now)
        finding = msgspec.structs.replace(
            held.alert.finding,
            id=f"{held.alert.key}/{over}/{held.updated_at!r}",
            status="resolved" if over else "firing",
            time=now,
            owner=owner,
        )
        given = msgspec.structs.replace(held.alert, finding=finding, ends_at=None)
        return self.take(finding, given)

    def fires(self, alert: Alert) -> bool:
        """Whether an incident holds the episode of an alert as firing."""
        found = (record.alert(alert.key) for record in self.incidents.holding(alert.key))
        return any(each is not None and each.status == "firing" for each in found)

    def gone(self, fingerprint: str, now: float) -> list[Record]:
        """The end of a posted alert has come that gave way to others in the book."""
        key = f"posted/{fingerprint}"
        alerts = [alert for record in self.incidents.holding(key) if (alert := record.alert(key)) is not None]
        if not alerts or alerts[-1].status == "resolved":
            return []
        end = msgspec.structs.replace(alerts[-1].finding, id=f"{key}/gone/{now!r}", status="resolved", time=now)
        return self.take(end, alerts[-1])

    def act(self, deed: Deed, now: float) -> list[Record]:
        """A person did something; the incidents that changed. A deed on what is over or unknown is counted."""
        record = self.incidents.find(deed.incident)
        if record is None or not deeds.done(record, deed, self._line, now):
            self.counts["deed without effect"] += 1
            return []
        self.counts[f"deed {deed.act}"] += 1
        self.incidents.touch(record)
        return [record, *self._relate([record], now)]

    def escalations(self, now: float) -> list[Record]:
        """Incidents that nobody acknowledged in time; they have gone to the next owner."""
        due = []
        for record in self.unheard(now):
            until = record.incident.silenced_until
            if until is not None:  # who silences it knows of it; the clock starts anew behind the silence
                self._wait(record, max(until, now))
            elif not self._told(record):  # nobody could acknowledge what inhibition or the route's times hold back
                self._wait(record, now)
            else:
                due.append(record)
        for record in due:
            deeds.escalated(record, self._line, now)
            self.counts["escalated"] += 1
            self.incidents.touch(record)
        return due

    def unheard(self, now: float) -> list[Record]:
        """Incidents whose time to be acknowledged is over."""
        return [each for each in self.incidents.open() if each.escalate_at is not None and each.escalate_at <= now]

    def wait_anew(self, record: Record, now: float) -> None:
        """An incident is told at `now`: if nobody knew of it, the clock of its escalation starts with that."""
        if record.escalate_at is not None and not self._told(record):
            self._wait(record, now)

    def put_off(self, until: float) -> None:
        """Nothing is escalated before `until`: the monitor was away, and nobody could acknowledge."""
        for record in self.incidents.open():
            if record.escalate_at is not None and record.escalate_at < until:
                record.escalate_at = until
                self.incidents.touch(record)

    def next_escalation(self) -> float | None:
        """When the next incident is escalated, epoch seconds."""
        times = (record.escalate_at for record in self.incidents.open() if record.escalate_at is not None)
        return min(times, default=None)

    def _wait(self, record: Record, since: float) -> None:
        record.escalate_at = None
        deeds.arm(record, self._line, since)
        if record.escalate_at is not None:
            record.escalate_at = max(record.escalate_at, since + WAIT_SECONDS)
        self.incidents.touch(record)

    def _take(self, finding: Finding, given: Alert | None) -> tuple[Step, list[Record]]:
        if finding.mode == "off":
            return Step.OFF, []
        known = self.incidents.holding(finding.incident_key)
        if any(finding.id in record.seen for record in known):
            return Step.SEEN, []
        if finding.status == "firing":
            return self._fire(finding, known, given)
        steps = [(step_of(record.alert(finding.incident_key), finding), record) for record in known]
        live = [(step, record) for step, record in steps if step in (Step.REFRESH, Step.END)]
        for step, record in live:
            record.take(step, finding, given)
            self.incidents.touch(record)
        if live:
            return live[0][0], [record for _, record in live]
        return (steps[0][0] if steps else Step.UNKNOWN), []

    def _fire(self, finding: Finding, known: list[Record], given: Alert | None) -> tuple[Step, list[Record]]:
        """A firing finding lands in the incident that holds its episode, in a related one, in one that is not over for
        long, or opens its own."""
        for record in known:
            step = step_of(record.alert(finding.incident_key), finding)
            if step is Step.LATE or record.is_late(finding):
                return Step.LATE, []
            if self.incidents.is_open(record.incident.id):
                return step, [self._into(record, step, finding, given)]
        joined = self._home(finding)
        if joined is not None:
            again = any(a.status == "resolved" and same_slice(a, finding) for a in joined.incident.alerts)
            return Step.OPEN, [self._into(joined, Step.REFIRE if again else Step.OPEN, finding, given)]
        closed = self._flapped(finding)
        if closed is not None:
            self.counts["reopened"] += 1
            self.incidents.reopen(closed)
            closed.reopen()
            return Step.REFIRE, [self._into(closed, Step.REFIRE, finding, given)]
        fresh = new_record(self.incidents.free_id(finding), finding, given)
        if is_blind(finding):
            fresh.firsts[finding.owner] = NotificationReason.BLIND
        elif finding.mode == "digest" or (
            finding.mode == "notice"
            and not is_unannounced(finding)
            and not self._digest.admits(finding.owner, finding.time)
        ):
            fresh.in_digest = True
            self._digest.put(finding.owner, fresh.incident.id, finding.time)
        self.incidents.add(fresh)
        return Step.OPEN, [fresh]

    def _pass_on(self, finding: Finding, step: Step, records: Iterable[Record]) -> None:
        """An alert knows what came before it in its own moment, so that it changes nothing when it is read again."""
        if finding.time > self._moment:
            self._moment, self._passed = finding.time, []
        if step in (Step.UNKNOWN, Step.LATE) and finding.time == self._moment and len(self._passed) < PASSED:
            self._passed.append((finding.incident_key, finding.id))
        elif self._passed:
            before = [name for key, name in self._passed if key == finding.incident_key]
            for record in records:
                for name in [name for name in before if name not in record.seen]:
                    record.remember(name)

    def _into(self, record: Record, step: Step, finding: Finding, given: Alert | None) -> Record:
        record.take(step, finding, given)
        self.incidents.touch(record)
        return record

    def _home(self, finding: Finding) -> Record | None:
        mine = self.incidents.of_owner(finding.owner)
        found = home(finding, mine, self._uses)
        if found is None and len(mine) >= OPEN_PER_OWNER:
            self.counts["overflow"] += 1
            found = mine[-1]
        return None if found is None else self.incidents.get(found.id)

    def _flapped(self, finding: Finding) -> Record | None:
        """The incident of the same slice that was over a short time ago, the latest first."""
        for record in self.incidents.closed(finding):
            incident = record.incident
            over_for = finding.time - (incident.resolved_at or 0.0)
            lasted = (incident.resolved_at or 0.0) - incident.opened_at
            soon = over_for <= max(FLAP_SECONDS, min(lasted, DAY))
            same = incident.owner == finding.owner and any(same_slice(alert, finding) for alert in incident.alerts)
            if soon and same and not incident.verdict and not record.in_digest:
                return record
        return None

    def _settle(self, record: Record, finding: Finding) -> None:
        """What follows for the incident from a finding that it took."""
        incident = record.incident
        if incident.status == "firing":
            deeds.arm(record, self._line, finding.time)
        else:
            record.escalate_at = None
        silent = [
            alert.finding.onset
            for alert in incident.alerts
            if alert.status == "firing" and alert.finding.signal == TRAFFIC and alert.finding.after == 0.0
        ]
        since = min(silent, default=None)
        if since is not None and incident.no_data_since is None:
            record.news(NotificationReason.NO_DATA, finding.time, "no data any more")
        record.change(no_data_since=since)

    def _explain(self, changed: Iterable[Record], now: float, *, beside: bool) -> list[Record]:
        """Look for causes anew, also `beside` those; the other incidents that have another one because of that."""
        others: dict[str, None] = {}
        for record in changed:
            self._look(record, now)
            if beside and len(others) < BESIDE:
                others.update(dict.fromkeys(self._finder.beside(record)))
        return [record for name in others if self._look(record := self.incidents.get(name), now)]

    def _look(self, record: Record, now: float) -> bool:
        if not self._finder.look(record, now):
            return False
        self._roots.set(record.incident)
        self.incidents.touch(record)
        return True

    def _relate(self, changed: Iterable[Record], now: float) -> list[Record]:
        """Find roots anew around incidents that changed; the others that changed by it."""
        touched: dict[str, Record] = {}
        changed = list(changed)
        suspects: dict[str, None] = {}
        around = dict.fromkeys(name for record in changed for name in (record.incident.id, record.incident.root))
        for record in changed:
            suspects.update(dict.fromkeys(self._roots.around(record.incident)))
            self._roots.set(record.incident)
            suspects.update(dict.fromkeys(self._roots.around(record.incident)))
        for name in suspects:
            suspect = self.incidents.find(name)
            if suspect is None or suspect.incident.status != "firing":
                continue
            before, root = suspect.incident.root, self._roots.root_of(name)
            if root != before:
                self._set_root(suspect, root, now)
                touched[name] = suspect
                around.update(dict.fromkeys((root, before)))
        for name in around:
            found = self.incidents.find(name)
            if found is not None and found.incident.status == "firing" and self._set_impact(found, now):
                touched[name] = found
        return list(touched.values())

    def _set_root(self, record: Record, root: str, now: float) -> None:
        record.change(root=root)
        self._roots.set(record.incident)
        if root:
            record.escalate_at = None
            record.news(NotificationReason.AFFECTED, now, f"suffers from incident {root}")
            self._spare(root, record.incident.owner)
        else:
            record.news(NotificationReason.IMPACT, now, "goes on without the incident that caused it")
            deeds.arm(record, self._line, now)
        self.incidents.touch(record)

    def _spare(self, root: str, owner: str) -> None:
        """Who hears by their own incident that they suffer is not told the same by its root, if that has not been."""
        found = self.incidents.find(root)
        if found is not None and owner not in found.sent and found.onlookers.get(owner) is NotificationReason.AFFECTED:
            del found.onlookers[owner]
            self.incidents.touch(found)

    def _set_impact(self, record: Record, now: float) -> bool:
        rooted = self._roots.rooted(record.incident.id)
        impact = self._roots.impact_of(record.incident)
        if {each.component for each in impact} == {each.component for each in record.incident.impact}:
            return False
        fresh = [each for each in impact if each.component not in {one.component for one in record.incident.impact}]
        told = {each.owner for each in rooted}
        record.change(impact=impact)
        for each in fresh:
            if each.owner not in (record.incident.owner, *told, *record.also):
                record.onlookers.setdefault(each.owner, NotificationReason.AFFECTED)
        words = ", ".join(each.component for each in fresh[:5])
        record.news(NotificationReason.IMPACT, now, f"suffers too: {words}" if fresh else "fewer components suffer")
        self.incidents.touch(record)
        return True


def apart(findings: Sequence[Finding]) -> list[list[Finding]]:
    """Findings of one step in parts that are judged one after the other: an episode speaks once in each, and nothing
    fires behind an end.

    One that is over again in the same step began all the same; judged together, nobody would be told. And what ended
    is closed behind its part: whether what fires next reopens it must not hang on how records were batched.
    """
    parts: list[list[Finding]] = [[]]
    said: set[str] = set()
    ended = False
    for finding in findings:
        if finding.incident_key in said or (ended and finding.status == "firing"):
            parts.append([])
            said.clear()
            ended = False
        ended = ended or finding.status == "resolved"
        said.add(finding.incident_key)
        parts[-1].append(finding)
    return parts
