"""A notification as a message for a person, in no medium yet: title, facts, examples, timeline.

Pure. It answers in this order what someone asks at three in the morning: what broke, how badly, since when, whose is
it, who is on it, what suffers from it, what is not affected, where do I look. All text in it is harmless and redacted
(`redact`), none of it is escaped: that is the renderer's part.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from urllib.parse import quote

import msgspec
from msgspec import Struct

from monitor.alerting.blind import is_blind
from monitor.alerting.changes import words
from monitor.alerting.changes.unannounced import is_unannounced
from monitor.alerting.changes.words import LINK_LENGTH
from monitor.alerting.headline import budget_text, closing_line, headline, level_texts, recovered, span_text
from monitor.alerting.incidents import deeds
from monitor.notify.chart.series import Chart, chart_of
from monitor.notify.redact import name, redact
from schemas.alert import LABELS, Alert, AlertStatus, Notification, NotificationReason, Severity
from schemas.config import Config
from schemas.finding import Finding
from schemas.limits import EXAMPLE_RUNS

TITLE_LENGTH = 140
OTHERS = 5
"""Further alerts that are listed. Beyond: a count."""

TIMELINE = 6
"""Latest entries of the timeline that are shown."""

SIDES = 6
"""Affected and unaffected slices that are shown, of each. Beyond: a count."""

IMPACT = 6
"""Components that suffer which are listed. Beyond: a count."""

POSTED_FACTS = 18
"""Labels and times of an alert of another system that are shown. Beyond, they are left out."""

OWNERS = 99
"""Owners that an incident can be handed to from its message: as many as a Slack menu takes beside one of ours."""

ERRORS = 3
_SLACK_ID = re.compile(r"\bslack:[UW][A-Z0-9]{1,20} (?=\S)")
_NAME_LENGTHS = {"agent": 40, "version": 24, "tool": 40, "model": 40, "provider": 30, "tenant": 30, "owner": 40}


class Fact(Struct, frozen=True):
    """A name and what stands beside it; `time` (epoch seconds) where it is a moment. `ours`: no foreign word in it.

    `note`: foreign words behind the value, in lists; `share_of`: before it, of what it is the share.
    `at`: a moment behind the value; `spread`: how exactly `time` is known. Each medium has its own way to show times.
    """

    name: str
    value: str
    time: float | None = None
    ours: bool = False
    note: str = ""
    share_of: str = ""
    at: float | None = None
    spread: tuple[float, float] | None = None

    @property
    def plain(self) -> str:
        """What stands beside the name, as text with all times in UTC."""
        side = f"{self.share_of}: " if self.share_of else ""
        value = side + (self.value if self.time is None else utc(self.time) + self.value)
        behind = f", {_short(self.at)}" if self.at is not None else ""
        return value + behind + (words.between(*self.spread) if self.spread is not None else "")


class Listed(Struct, frozen=True):
    """A heading and what stands below it, a line each."""

    title: str
    rows: tuple[Fact, ...]


class RunLink(Struct, frozen=True):
    """An example run, and where to look at it; `beside`: the run of the same input."""

    run: str
    url: str | None
    beside: RunLink | None = None


class Message(Struct, frozen=True, kw_only=True):
    """What a person is shown of an incident. Times in epoch seconds."""

    status: AlertStatus
    severity: Severity
    reason: NotificationReason
    title: str
    owner: str
    incident: str
    mention: str | None
    """A Slack user or group id to ring."""
    states: tuple[Fact, ...] = ()
    """Who is on it and what holds it back: acknowledged, silenced, escalated, no data."""
    facts: tuple[Fact, ...]
    cause: str = ""
    cause_url: str | None = None
    """Where the change behind it stands."""
    cause_times: tuple[tuple[str, float], ...] = ()
    """Times of day in `cause`, in their order, and the moments (epoch seconds) that they mean."""
    impact: tuple[Fact, ...] = ()
    affected: tuple[str, ...]
    unaffected: tuple[str, ...]
    errors: tuple[str, ...]
    runs: tuple[RunLink, ...]
    others: tuple[str, ...]
    timeline: tuple[Fact, ...]
    footer: tuple[str, ...]
    link: str | None
    chart: Chart | None = None
    incidents: tuple[str, ...] = ()
    """What buttons act on; empty where there is nothing to do any more."""
    owners: tuple[str, ...] = ()
    """To whom it can be handed."""
    acked: bool = False
    lists: tuple[Listed, ...] = ()
    verdict: str = ""
    """Of a rollout; empty for all else."""

    @property
    def word(self) -> str:
        """`PAGE`, `Notice`, `Resolved`, `Digest`, `Report` or `Rollout`."""
        if self.reason is NotificationReason.REPORT:
            return "Report"
        if self.verdict:
            return "Rollout"
        if self.reason is NotificationReason.DIGEST:
            return "Digest"
        if self.status == "resolved":
            return "Resolved"
        return "PAGE" if self.severity == "page" else "Notice"


def compose(notification: Notification, config: Config, *, mention: bool = False) -> Message:
    """The message of a notification; `mention`: ring the owner with it."""
    whole = _incident(notification, config, mention)
    if not notification.root or notification.status == "resolved":
        return whole
    # Who suffers from another's incident gets a line: all the rest stands in the message of its owner.
    return msgspec.structs.replace(
        whole, facts=(), cause="", cause_url=None, impact=(), affected=(), unaffected=(), errors=(), runs=(),
        others=(), timeline=(), chart=None, incidents=(),
    )  # fmt: skip


def _incident(notification: Notification, config: Config, mention: bool) -> Message:
    lead = notification.alerts[0]
    finding = harmless(lead.finding, config)
    # An escalation rings the owner that it goes to, not the one who did not hear.
    owner = config.owners.get(notification.receiver) or config.owners.get(notification.owner)
    external = config.runtime.external_url
    said = str(notification.reason) if notification.reason in deeds.WORDS.values() else ""
    recovery = None if lead.recovery is None else harmless(lead.recovery, config)
    firing = notification.status == "firing"
    return Message(
        status=notification.status,
        severity=notification.severity,
        reason=notification.reason,
        title=clip(headline(finding) if firing else closing_line(finding, recovery, said)),
        owner=name(notification.owner, 60),
        incident=notification.incident,
        mention=owner.mention if owner is not None and mention and firing else None,
        states=_states(notification),
        cause=redact(notification.cause, words.CAUSE_LENGTH),
        cause_url=words.link_of(notification.causes),
        cause_times=tuple((words.clock_of(each), each.time) for each in notification.causes),
        impact=_impact(notification),
        chart=chart_of(notification.series, finding),
        incidents=(notification.incidents or (notification.incident,)) if firing else (),
        owners=tuple(each for each in config.owners if each != notification.owner)[:OWNERS],
        acked=notification.acked_at is not None,
        facts=_facts(notification, lead, finding),
        affected=_sides(finding.affected),
        unaffected=_sides(finding.unaffected),
        errors=finding.error_types[:ERRORS],
        runs=tuple(run_link(run, config.runtime.run_url) for run in notification.runs[:EXAMPLE_RUNS]),
        others=_others(notification, config),
        timeline=tuple(Fact("", happened(entry.text, 160), entry.time) for entry in notification.timeline[-TIMELINE:]),
        footer=_footer(notification, lead, finding, config),
        link=None if external is None else f"{external.rstrip('/')}/#incident-{notification.incident}",
    )


def harmless(finding: Finding, config: Config) -> Finding:
    """The finding with every foreign word cleaned and cut."""
    privacy = config.runtime.privacy
    excerpts = finding.error_types if privacy.excerpts else ()
    return msgspec.structs.replace(
        finding,
        signal=name(finding.signal, 60),
        node={label: name(value, _NAME_LENGTHS.get(label, 40)) or "?" for label, value in finding.node.items()},
        affected=tuple(name(side, 80) for side in finding.affected),
        unaffected=tuple(name(side, 80) for side in finding.unaffected),
        error_types=tuple(redact(text, privacy.excerpt_length) for text in excerpts if privacy.excerpt_length),
        reason=redact(finding.reason),
        words=redact(finding.words),
        detail=redact(finding.detail),
        corroborated=tuple(name(signal, 60) for signal in finding.corroborated),
        share_of=name(finding.share_of, 80),
    )


def happened(text: str, limit: int) -> str:
    """An entry of a timeline, redacted, with people by their names alone."""
    return redact(_SLACK_ID.sub("", text[: 4 * limit]), limit)


def person(by: str) -> str:
    """Who did something, without the ids of machines: `slack:U123 alice` → `alice (slack)`."""
    where, _, who = by.partition(":")
    who = who.partition(" ")[2] or who if where == "slack" else who
    return name(f"{who} ({where})" if who else by, 80)


def _states(notification: Notification) -> tuple[Fact, ...]:
    found = []
    if notification.acked_at is not None:
        found.append(Fact("Acknowledged by", person(notification.acked_by), at=notification.acked_at))
    if notification.silenced_until is not None and notification.status == "firing":
        found.append(Fact("Silenced until", "", notification.silenced_until))
    if notification.escalated_to:
        found.append(Fact("Escalated to", name(notification.escalated_to, 60)))
    if notification.no_data_since is not None:
        found.append(Fact("No data since", "", notification.no_data_since))
    if notification.complained_at is not None:
        seconds = notification.complained_at - notification.opened_at
        words = f", {span_text(abs(seconds))} {'after' if seconds >= 0.0 else 'before'} the alert"
        found.append(Fact("First complaint", words, notification.complained_at))
    if notification.root:
        found.append(Fact("Suffers from", f"incident {name(notification.root, 40)}"))
    return tuple(found)


def _short(time: float) -> str:
    return utc(time)[:16] + " UTC"


def utc(time: float) -> str:
    """A time in UTC, to the second."""
    try:
        return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return "an unknown time"


def _impact(notification: Notification) -> tuple[Fact, ...]:
    """Who suffers, since when, and whether the dependency was declared or only seen."""
    shown = [
        Fact(
            name(each.component, 80),
            f" for {name(each.owner, 40)}{'' if each.declared else '; seen in runs, not declared'}",
            each.since,
        )
        for each in notification.impact[:IMPACT]
    ]
    more = len(notification.impact) - len(shown)
    return (*shown, Fact(f"and {more} more", "")) if more else tuple(shown)


def _facts(notification: Notification, lead: Alert, finding: Finding) -> tuple[Fact, ...]:
    if finding.words:
        return _posted(notification, lead)
    before, after = level_texts(finding)
    since = min(alert.finding.onset for alert in notification.alerts)
    word = "Now" if notification.status == "firing" else "Reached"
    learned = _counted(before, finding.before_bad, finding.before_n, finding)
    usual = f"{before} (declared)" if finding.reference == "declared" else learned
    reached = _counted(after, finding.after_bad, finding.after_n, finding, " since")
    facts = [
        Fact(what, level, ours=True, share_of=finding.share_of) for what, level in ((word, reached), ("Before", usual))
    ]
    if notification.status == "resolved" and notification.resolved_at is not None:
        facts += [*_recovery(lead, finding), Fact("Resolved", "", notification.resolved_at)]
        facts += [
            Fact("Lasted", span_text(notification.resolved_at - since), ours=True),
            Fact("Began about", "", since),
        ]
    else:
        noticed = f", {span_text(notification.opened_at - since)} later" if notification.opened_at > since else ""
        facts += [
            Fact("Since about", "", since, spread=_spread(notification)),
            Fact("Noticed", noticed, notification.opened_at),
        ]
    facts.append(Fact("Signal", finding.signal))
    facts += [Fact(label.capitalize(), name(lead.labels[label])) for label in LABELS if label in lead.labels]
    return (*facts, Fact("Owner", name(notification.owner, 60)))


def _spread(notification: Notification) -> tuple[float, float] | None:
    """Between which times it began, where that says more than the day."""
    first, last = notification.onset_from, notification.onset_to
    return None if first is None or last is None or not words.between(first, last) else (first, last)


def _posted(notification: Notification, lead: Alert) -> tuple[Fact, ...]:
    """What another system said: its labels, no numbers of ours."""
    facts = [Fact("Since", "", lead.starts_at)]
    if notification.status == "resolved" and notification.resolved_at is not None:
        facts.append(Fact("Resolved", "", notification.resolved_at))
    facts += [Fact(name(label, 40), name(value, 80) or "-") for label, value in lead.labels.items()]
    return (*facts[:POSTED_FACTS], Fact("Owner", name(notification.owner, 60)))


def _recovery(lead: Alert, finding: Finding) -> list[Fact]:
    """The level at which the evidence said that the signal is back, where the finding tells it."""
    back, worst = lead.recovery, lead.finding
    if back is None or not recovered(worst, back):
        return []
    level = _counted(level_texts(back)[1], back.after_bad, back.after_n, back)
    return [Fact("Now", level, ours=True, share_of=finding.share_of)]


def _counted(level: str, bad: float, n: float, finding: Finding, when: str = "") -> str:
    if n <= 0 or finding.signal == "agent.traffic":
        return level
    if finding.unit not in ("", "share"):
        return f"{level} ({_count(n)} runs{when})"
    unit = "retrievals" if finding.signal == "retrieval.empty" and not finding.detail else "runs"
    return f"{level} ({_count(bad)} of {_count(n)} {unit}{when})"


def _count(value: float) -> str:
    """Whole: where a run counts partly the level says how much."""
    return f"{value:,.0f}"


def _sides(sides: tuple[str, ...]) -> tuple[str, ...]:
    shown = tuple(side.replace("=", " ", 1) for side in sides[:SIDES])
    return (*shown, f"{len(sides) - SIDES} more") if len(sides) > SIDES else shown


def _others(notification: Notification, config: Config) -> tuple[str, ...]:
    rest = notification.alerts[1:]
    shown = tuple(
        ("" if alert.status == "firing" else "resolved: ") + clip(headline(harmless(alert.finding, config)))
        for alert in rest[:OTHERS]
    )
    more = len(rest) - len(shown) + notification.alerts_dropped
    return (*shown, f"and {more} more") if more else shown


def run_link(run: str, template: str | None) -> RunLink:
    """A run's name, and its link by the template with `{run}` in it."""
    url = template.replace("{run}", quote(run, safe="", errors="replace")) if template is not None else None
    return RunLink(name(run, 80), url if url is not None and len(url) <= LINK_LENGTH else None)


def _footer(notification: Notification, lead: Alert, finding: Finding, config: Config) -> tuple[str, ...]:
    if is_blind(finding):
        normal = "the monitor about itself"
    elif is_unannounced(finding):
        normal = "a fact, no bet: it spends no budget"
    elif finding.words:
        normal = "told by another system" if lead.posted else "a fact, no bet: it spends no budget"
    elif finding.reference == "declared":
        normal = "normal level declared in the configuration"
    else:
        normal = f"normal level learned from {_count(finding.before_n)} observations"
    words = [f"incident {notification.incident}", str(notification.reason), normal]
    if notification.severity == "page" and (owner := config.owners.get(notification.owner)) is not None:
        words.append(f"false pages accepted: {budget_text(owner.budget)}")
    return (*words, finding.reason) if finding.reason else tuple(words)


def clip(title: str) -> str:
    """A title that fits."""
    return title if len(title) <= TITLE_LENGTH else title[: TITLE_LENGTH - 1].rstrip() + "…"
