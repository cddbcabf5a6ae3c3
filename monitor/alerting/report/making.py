"""Makes the report of a period from incidents, complaints and objectives.

Pure and without memory; asked rarely, so it works everything out anew. An incident belongs to the period in which it
opened, a complaint to that in which the user spoke. A complaint that no incident has is a miss; one whose only incident
waited for the daily digest is a miss too, for nobody had been told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from monitor.alerting.complaints import missed
from monitor.alerting.complaints.attaching import NO_FAULT
from monitor.alerting.complaints.book import LATEST, Complaint
from monitor.alerting.headline import headline
from monitor.alerting.incidents.record import Record, leading
from schemas.config import Owner
from schemas.finding import Finding
from schemas.news import ObjectiveSeen
from schemas.report import ComponentLine, IncidentLine, Missed, OwnerReport, Report, SignalLine

FALSE_ALARM = "false_alarm"
_KINDS = ("agent", "tool", "model", "provider")


def report(
    records: Iterable[Record],
    complaints: Iterable[Complaint],
    objectives: Iterable[ObjectiveSeen],
    owners: Mapping[str, Owner],
    components: Mapping[str, str],
    since: float,
    until: float,
    watched_since: float,
) -> Report:
    """The report from `since` to `until`, which is not included; epoch seconds. `components`: component → owner.

    `watched_since`: from when on incidents were kept.
    """
    kept = {record.incident.id: record for record in records}
    began = [record for record in kept.values() if since <= record.incident.opened_at < until]
    told = [each for each in complaints if since <= each.seen.time < until]
    missing = [each for each in told if not each.incident or _is_digest(kept.get(each.incident))]
    standing = list(objectives)
    names = dict.fromkeys(owners)
    names.update(dict.fromkeys(sorted({record.incident.owner for record in began})))
    names.update(dict.fromkeys(sorted({each.seen.owner for each in told})))
    names.update(dict.fromkeys(sorted({each.owner for each in standing})))
    watched = min(max(watched_since, since), until)
    return Report(
        since=since,
        until=until,
        watched_since=watched,
        owners=tuple(
            _owner(
                name,
                owners.get(name) or _DEFAULT,
                [_line(record, components) for record in began if record.incident.owner == name],
                [_missed(each, owners, name) for each in missing if each.seen.owner == name],
                sum(each.seen.owner == name for each in told),
                tuple(each for each in standing if each.owner == name),
                until - watched,
            )
            for name in names
        ),
        undecided=sum(not each.incident and each.seen.time + LATEST > until for each in missing),
    )


def component_of(record: Record, components: Mapping[str, str]) -> str:
    """What an incident is about, as `depends_on` writes it; of a tool in one agent the one that its owner answers for.

    Where it names none: `everything`, or `other systems` for an alert that another system posted.
    """
    finding = _lead(record)
    node = finding.node
    named = [f"{kind}:{node[kind]}" for kind in _KINDS if kind in node]
    mine = (name for name in named if components.get(name) == record.incident.owner)
    return next(mine, named[0] if named else "other systems" if finding.words else "everything")


def _owner(
    name: str,
    owner: Owner,
    incidents: Sequence[IncidentLine],
    missing: Sequence[Missed],
    complaints: int,
    objectives: tuple[ObjectiveSeen, ...],
    watched_seconds: float,
) -> OwnerReport:
    lost = sorted(missing, key=lambda each: (each.time, each.complaint))
    alone = [line for line in incidents if not line.root and not line.in_digest]
    pages = [line for line in alone if line.severity == "page"]
    notices = [line for line in alone if line.severity == "notice"]
    return OwnerReport(
        owner=name,
        incidents=tuple(sorted(incidents, key=lambda line: (-line.opened_at, line.incident))),
        missed=tuple(lost),
        complaints=complaints,
        components=_components(incidents, lost),
        signals=_signals(incidents),
        objectives=objectives,
        budget=owner.budget,
        notices=owner.notices,
        pages=len(pages),
        false_pages=_false(pages),
        pages_accepted=owner.budget * watched_seconds,
        notices_told=len(notices),
        false_notices=_false(notices),
        notices_accepted=owner.notices * watched_seconds,
    )


def _line(record: Record, components: Mapping[str, str]) -> IncidentLine:
    incident, finding = record.incident, _lead(record)
    return IncidentLine(
        incident=incident.id,
        component=component_of(record, components),
        signal=finding.signal,
        title=headline(finding),
        severity=incident.severity,
        opened_at=incident.opened_at,
        onset=incident.onset,
        resolved_at=incident.resolved_at,
        complained_at=incident.complained_at,
        complaints=incident.complaints,
        verdict=incident.verdict,
        root=incident.root,
        in_digest=record.in_digest,
    )


def _lead(record: Record) -> Finding:
    """What an incident was about, also when it is over: a fault before a notice of no fault, a page before a notice."""
    alerts = leading(record.incident.alerts)
    return min(alerts, key=lambda alert: (alert.finding.signal in NO_FAULT, alert.severity != "page")).finding


def _missed(complaint: Complaint, owners: Mapping[str, Owner], owner: str) -> Missed:
    seen = complaint.seen
    if complaint.incident:
        found = missed.digested(seen.known, (owners.get(owner) or _DEFAULT).notices)
    else:
        found = missed.remedy(seen.known, owners, owner)
    return Missed(
        complaint=seen.id,
        time=seen.time,
        agent=seen.agent,
        version=seen.version,
        run=seen.run,
        source=seen.source,
        known=seen.known,
        remedy=found,
        incident=complaint.incident,
    )


def _components(incidents: Sequence[IncidentLine], lost: Sequence[Missed]) -> tuple[ComponentLine, ...]:
    names = dict.fromkeys(sorted({*(line.component for line in incidents), *(f"agent:{one.agent}" for one in lost)}))
    found = []
    for name in names:
        mine = [line for line in incidents if line.component == name]
        missing = sum(f"agent:{one.agent}" == name for one in lost)
        leads = [lead for line in mine if not line.in_digest and (lead := line.lead_seconds) is not None]
        found.append(
            ComponentLine(
                component=name,
                incidents=len(mine),
                complaints=sum(line.complaints for line in mine if not line.in_digest) + missing,
                missed=missing,
                false=_false(mine),
                lead_seconds=median(leads) if leads else None,
            )
        )
    return tuple(found)


def _signals(incidents: Sequence[IncidentLine]) -> tuple[SignalLine, ...]:
    """The noisiest first: most false alarms, then most incidents."""
    found = [
        SignalLine(
            signal=name,
            incidents=len(mine := [line for line in incidents if line.signal == name]),
            pages=sum(line.severity == "page" for line in mine),
            false=_false(mine),
        )
        for name in sorted({line.signal for line in incidents})
    ]
    return tuple(sorted(found, key=lambda one: (-one.false, -one.incidents, one.signal)))


def _false(lines: Iterable[IncidentLine]) -> int:
    return sum(line.verdict == FALSE_ALARM for line in lines)


def _is_digest(record: Record | None) -> bool:
    return record is not None and record.in_digest


_DEFAULT = Owner()
