"""Looks for the cause of incidents: which releases can be meant, what else suffers at the same time, who is to know.

It changes incidents that it is given and keeps nothing; odds stand in `causes`, wording in `words`. Invariant: the
cause depends on what is known, not on the order in which it came, as long as less than `BESIDE` fail at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from monitor.alerting.changes import causes, words
from monitor.alerting.changes.causes import Witness
from monitor.alerting.changes.ledger import Changes, Release
from monitor.alerting.changes.onset import interval
from monitor.alerting.headline import subject
from monitor.alerting.incidents.dependencies import Dependencies, agents_of
from monitor.alerting.incidents.record import Record
from monitor.alerting.incidents.roots import NEAR_SECONDS
from schemas.alert import Cause, Incident, NotificationReason
from schemas.config import DAY
from schemas.finding import Finding
from schemas.news import ChangeSeen

BESIDE = 10
"""Other incidents that are witnesses for one, the nearest in time; and those that are looked at for one change, the
latest. Where so many fail at once, one more changes nothing for the others."""
WITNESSES = 2_000
"""Alerts whose reach is kept at hand. More: all are worked out anew."""
TELL_ODDS = 0.5
"""From these odds on the owner of a change hears of the incident that it may have caused."""
SAME_ODDS = 0.1
"""Odds that moved by less are the same."""


class Finder:
    """`around`: open incidents that have to do with some components, as `Roots` knows them; `told`: whether anybody
    was told of an incident."""

    def __init__(
        self,
        changes: Changes,
        graph: Dependencies,
        around: Callable[[Iterable[str]], Iterable[Incident]],
        told: Callable[[Record], bool],
    ) -> None:
        self._changes = changes
        self._graph = graph
        self._around = around
        self._told = told
        self._witnesses_of: dict[str, Witness] = {}
        self._as_of = 0

    def look(self, record: Record, now: float) -> bool:
        """Find the cause of an open incident anew; whether something else is said of it now than before."""
        incident = record.incident
        own = self._witnesses(incident, over=not incident.reopened)
        if not own or incident.status != "firing":
            return False
        releases = self._changes.of({component for each in own for component in each.reach})
        components = {release.component for release in releases}
        beside = [each for other in self._near(incident, components) for each in self._witnesses(other)]
        if beside:
            releases = self._changes.of({component for each in (*own, *beside) for component in each.reach})
        found = causes.find(own, beside, releases)
        assert found is not None
        named = tuple(self._owned(each) for each in found.causes)
        further = tuple((finding, self._owned(each)) for finding, each in found.further)
        before = incident.causes
        if _alike(before, named):
            named = before
        cause = (words.of(named) if named else _undated(causes.first_fault(own))) + words.later(further)
        record.change(onset_from=found.onset_from, onset_to=found.onset_to)
        if cause == incident.cause and named == before:
            return False
        record.change(cause=cause, causes=named)
        self._tell_owners(record, (*named[:1], *(each for _, each in further)))
        later = [(finding, each) for finding, each in further if words.change(each) not in incident.cause]
        if self._told(record):
            _say(record, before, later, now)
        return True

    def concerned(self, news: ChangeSeen, release: Release) -> list[str]:
        """Ids of open incidents that a change may have caused, of many the latest.

        One that other agents showed before is news for the incidents of this agent, and for those above agents.
        """
        known = release.first is not None and release.first.id != news.id and not news.announced
        found = [
            each.id
            for each in self._around((news.component,))
            if news.time <= each.opened_at + DAY
            and each.onset <= news.time + DAY
            and not (known and _of_others(each, news))
        ]
        return found[-BESIDE:]

    def beside(self, record: Record) -> list[str]:
        """Ids of the open incidents for which this one is a witness: those near in time that may share a cause."""
        own = self._witnesses(record.incident)
        components = {each.component for each in self._changes.of({name for one in own for name in one.reach})}
        found = self._near(record.incident, components)
        return [each.id for each in found] if len(found) < BESIDE else []

    def _near(self, incident: Incident, components: Iterable[str]) -> list[Incident]:
        components = list(components)
        if not components:
            return []
        found = [
            (abs(other.onset - incident.onset), other.id, other)
            for other in self._around(components)
            if other.id != incident.id and abs(other.onset - incident.onset) <= NEAR_SECONDS
        ]
        return [other for _, _, other in sorted(found, key=lambda each: each[:2])[:BESIDE]]

    def _witnesses(self, incident: Incident, *, over: bool = False) -> list[Witness]:
        """Its alerts that fire. `over`: also those that are over, for an incident began with its first alert."""
        found = (alert.finding for alert in incident.alerts if over or alert.status == "firing")
        return [self._witness(finding) for finding in found if not finding.words]

    def _owned(self, cause: Cause) -> Cause:
        return msgspec.structs.replace(cause, owner=self._graph.owner(cause.component))

    def _witness(self, finding: Finding) -> Witness:
        """Each is looked at many times while many things fail at once."""
        if self._as_of != self._graph.version or len(self._witnesses_of) >= WITNESSES:
            self._as_of = self._graph.version
            self._witnesses_of.clear()
        found = self._witnesses_of.get(finding.id)
        if found is None or found.finding is not finding:
            found = self._witnesses_of[finding.id] = Witness(finding, self._reach(finding), *interval(finding))
        return found

    def _reach(self, finding: Finding) -> dict[str, int]:
        """What a slice has or depends on, and in how many steps. Of many agents: what they have in common."""
        node = finding.node
        found = {f"{kind}:{node[kind]}": 0 for kind in ("tool", "model") if kind in node}
        if "agent" in node:
            found = {f"agent:{node['agent']}": 0, **dict.fromkeys(found, 1)}
        elif not found:
            shared: dict[str, int] | None = None
            for agent in agents_of(finding):
                reach = self._graph.steps(f"agent:{agent}")
                shared = reach if shared is None else {name: shared[name] for name in shared if name in reach}
            return shared or {}
        for name, first in list(found.items()):
            for other, steps in self._graph.steps(name).items():
                found[other] = min(found.get(other, first + steps), first + steps)
        return found

    def _tell_owners(self, record: Record, likely: Iterable[Cause]) -> None:
        """The owner of what was changed hears of the incident in another's, once."""
        incident = record.incident
        if incident.root or record.in_digest:
            return
        for cause in likely:
            if cause.odds >= TELL_ODDS and cause.owner not in (incident.owner, *record.also):
                record.onlookers.setdefault(cause.owner, NotificationReason.CAUSE)


def _say(record: Record, before: tuple[Cause, ...], later: Iterable[tuple[Finding, Cause]], now: float) -> None:
    """The news of a cause for those who were told of the incident. What was said and does not hold is taken back, so
    that no message says of a cause that it was found and that none is known."""
    named = record.incident.causes
    sure = named[:1] != () and named[0].odds >= causes.CERTAIN
    other = before[:1] == () or named[:1] == () or _name(named[0]) != _name(before[0])
    fresh = record.revision > record.said  # nobody saw what was said last
    for finding, cause in later:
        record.news(NotificationReason.EVIDENCE, now, f"likely cause of {subject(finding.node)}: {words.change(cause)}")
    if sure and other:
        record.news(NotificationReason.CAUSE_FOUND, now, f"likely cause: {words.change(named[0])}")
    elif not sure and before and before[0].odds >= causes.CERTAIN and (other or fresh):
        record.news(NotificationReason.EVIDENCE, now, f"no longer the likely cause: {words.change(before[0])}")


def _of_others(incident: Incident, news: ChangeSeen) -> bool:
    return all(alert.finding.node.get("agent", news.agent) != news.agent for alert in incident.alerts)


def _undated(own: Iterable[Witness]) -> str:
    """No release is known, but a deploy paid for the evidence: its version is all that can be said."""
    lead = next((each.finding for each in own if each.finding.deploy_share), None)
    if lead is None:
        return words.UNKNOWN
    names = [f"{label} {lead.node[label]}" for label in ("version", "tool", "model") if label in lead.node]
    return f"began with a deploy: {', '.join(names)}" if names else "began with a deploy"


def _name(cause: Cause) -> tuple[str, str, bool, str]:
    return cause.component, cause.version, cause.announced, cause.author


def _alike(one: tuple[Cause, ...], other: tuple[Cause, ...]) -> bool:
    return len(one) == len(other) and all(
        _name(a) == _name(b) and a.url == b.url and abs(a.odds - b.odds) < SAME_ODDS
        for a, b in zip(one, other, strict=True)
    )
