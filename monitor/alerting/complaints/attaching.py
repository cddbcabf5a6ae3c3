"""Which incident a complaint belongs to: the rule, and what follows for the incident.

A complaint belongs to an incident when all three hold:

- who: an alert of it speaks of the complaint's agent, of something that the agent depends on or that its run used
  (declared, or learned from runs), or of all that the agent's owner has; or the agent stands in its impact;
- what: where both name a version, or the run's tools are known and the alert names one, they agree;
- when: the run that the user speaks of (where none is known: some run of the four hours before the complaint) can lie
  within the fault, from ten minutes before its estimated onset to its end; and the alert came at most a day after the
  complaint.

Of several it is the one that was told loudest (page, notice, digest), then the one with the latest onset, so that no
lead is claimed that an older and unrelated alert would give. Its root incident is marked as well. What a person called
a false alarm explains no complaint, and neither does a notice about how something is declared. The lead of an incident
is its first complaint's time minus `opened_at`.

It keeps nothing: the book of complaints and the incidents do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from monitor.alerting.complaints.book import LATEST, Complaint, Complaints
from monitor.alerting.headline import span_text
from monitor.alerting.incidents.dependencies import Dependencies, agents_of
from monitor.alerting.incidents.record import Record
from monitor.alerting.incidents.store import Incidents
from schemas.alert import Alert, Incident, NotificationReason
from schemas.news import ComplaintSeen

BEFORE_ONSET_SECONDS = 600.0
"""An onset is an estimate; a run may have suffered so much earlier."""
COMPLAIN_WITHIN = 4 * 3_600.0
"""Where the run is not known, the complaint is about one of the last hours. Longer would hide misses behind a fault
that is over."""

NO_FAULT = frozenset(("change.unannounced", "agent.unready", "tool.unready"))
"""Signals of notices about how things are declared, not about how they do."""

_KINDS = ("tool", "model", "provider")


class Attaching:
    """Complaints of `book` on one side, incidents on the other."""

    def __init__(self, book: Complaints, incidents: Incidents, graph: Dependencies) -> None:
        self._book = book
        self._incidents = incidents
        self._graph = graph

    def came(self, seen: ComplaintSeen, now: float) -> list[Record]:
        """A complaint came; the incidents that changed by it."""
        complaint = self._book.take(seen)
        if complaint is None:
            return []
        uses = self._uses(seen)
        fitting = [record for record in self._near(seen) if belongs(record.incident, seen, uses)]
        best = max(fitting, key=_rank, default=None)
        return [] if best is None else self._attach(complaint, best, now)

    def changed(self, records: Iterable[Record], now: float) -> list[Record]:
        """Incidents opened or changed: complaints that waited for them find them; those that changed by it."""
        records = list(records)
        waiting = self._book.waiting(now) if records else []
        found: dict[str, Record] = {}
        for record in records if waiting else ():
            for complaint in waiting:
                if not complaint.incident and belongs(record.incident, complaint.seen, self._uses(complaint.seen)):
                    found.update((each.incident.id, each) for each in self._attach(complaint, record, now))
        return list(found.values())

    def _attach(self, complaint: Complaint, record: Record, now: float) -> list[Record]:
        self._book.attach(complaint, record.incident.id)
        root = self._incidents.find(record.incident.root) if record.incident.root else None
        return [each for each in (record, root) if each is not None and self._mark(each, complaint.seen, now)]

    def _mark(self, record: Record, seen: ComplaintSeen, now: float) -> bool:
        """Count the complaint at an incident; whether those who were told of it are to hear."""
        incident = record.incident
        record.change(complaints=incident.complaints + 1)
        self._incidents.touch(record)
        if incident.complained_at is not None and incident.complained_at <= seen.time:
            return False
        first = incident.complained_at is None
        record.change(complained_at=seen.time)
        if not first or incident.status != "firing":
            return False
        lead = seen.time - incident.opened_at
        side = "after" if lead >= 0.0 else "before"
        record.news(NotificationReason.COMPLAINED, now, f"first complaint, {span_text(abs(lead))} {side} the alert")
        return True

    def _uses(self, seen: ComplaintSeen) -> frozenset[str]:
        """Everything that the agent depends on, and the tools of the run."""
        return frozenset(self._graph.reach(f"agent:{seen.agent}")).union(f"tool:{tool}" for tool in seen.tools)

    def _near(self, seen: ComplaintSeen) -> Iterator[Record]:
        """Open incidents, and closed ones back to the first that was over before the complaint's time began."""
        yield from self._incidents.open()
        yield from self._incidents.closed_since(_since(seen))


def belongs(incident: Incident, seen: ComplaintSeen, uses: frozenset[str]) -> bool:
    """Whether a complaint may be about an incident. `uses`: what its agent depends on, as `depends_on` writes it."""
    if all(alert.finding.signal in NO_FAULT for alert in incident.alerts):
        return False
    if incident.verdict == "false_alarm" or incident.opened_at > seen.time + LATEST:
        return False
    if incident.resolved_at is not None and incident.resolved_at < _since(seen):
        return False
    if any(each.component == f"agent:{seen.agent}" for each in incident.impact):
        return incident.onset - BEFORE_ONSET_SECONDS <= seen.time
    return any(_is_about(alert, incident, seen, uses) for alert in incident.alerts)


def _is_about(alert: Alert, incident: Incident, seen: ComplaintSeen, uses: frozenset[str]) -> bool:
    finding, node = alert.finding, alert.finding.node
    if finding.signal in NO_FAULT:
        return False
    if finding.onset - BEFORE_ONSET_SECONDS > seen.time or "producer" in node:
        return False
    if alert.ends_at is not None and alert.ends_at < _since(seen):
        return False
    if "version" in node and seen.version and node["version"] != seen.version and node.get("agent") == seen.agent:
        return False
    if "tool" in node and seen.tools and node["tool"] not in seen.tools:
        return False
    if "agent" in node:
        return node["agent"] == seen.agent or f"agent:{node['agent']}" in uses
    named = [f"{kind}:{node[kind]}" for kind in _KINDS if kind in node]
    if seen.agent in agents_of(finding) or any(name in uses for name in named):
        return True
    return not named and not finding.words and incident.owner == seen.owner


def _since(seen: ComplaintSeen) -> float:
    """The earliest time of the run that a complaint is about."""
    return seen.started if seen.started is not None else seen.time - COMPLAIN_WITHIN


def _rank(record: Record) -> tuple[bool, bool, float, str]:
    incident = record.incident
    return not record.in_digest, incident.severity == "page", incident.onset, incident.id
