"""The message of an incident, or of a group of alerts where the YAML has a `route:`.

Pure. It answers in this order what someone asks at three in the morning: what broke, how badly, since when, whose is
it, who is on it, what suffers from it, what is not affected, where do I look. All text is harmless and redacted, none
of it is escaped, as in `monitor.notify.message`.
"""

from __future__ import annotations

import msgspec

from monitor.alerting.blind import is_blind
from monitor.alerting.changes import words
from monitor.alerting.changes.unannounced import is_unannounced
from monitor.alerting.headline import budget_text, closing_line, headline, level_texts, recovered, span_text
from monitor.alerting.incidents import deeds
from monitor.notify.chart.series import chart_of
from monitor.notify.message import TIMELINE, Call, Fact, Message, clip, happened, harmless, run_link
from monitor.notify.redact import name, redact
from schemas.alert import LABELS, Alert, Notification, Standing
from schemas.config import Config
from schemas.finding import Finding
from schemas.limits import EXAMPLE_RUNS

OTHERS = 5
"""Further alerts that are listed. Beyond: a count."""

SIDES = 6
"""Affected and unaffected slices that are shown, of each. Beyond: a count."""

IMPACT = 6
"""Components that suffer which are listed. Beyond: a count."""

POSTED_FACTS = 18
"""Labels and times of an alert of another system that are shown. Beyond, they are left out."""

OWNERS = 99
"""Owners that an incident can be handed to from its message: as many as a Slack menu takes beside one of ours."""

NAMED = 3
"""Incidents of a group that its last line names. Beyond: a count."""

GONE_TO = 10
"""Receivers that are named where other messages tell of its alerts now. Beyond, they are left out."""

ERRORS = 3

MENTIONS = 50
"""Users and groups that one message mentions. Beyond, they are told of and not rung."""


def compose(notification: Notification, config: Config, *, mention: bool = False) -> Message:
    """The message of a notification; `mention`: ring the owner with it, or all whose pages ring."""
    whole = _incident(notification, config, mention)
    if not notification.root or notification.status == "resolved":
        return whole
    # Who suffers from another's incident gets a line: all the rest stands in the message of its owner.
    reader = name(notification.receiver, 60) if _looks_on(notification) else whole.owner
    return msgspec.structs.replace(
        whole, owner=reader, facts=(), cause="", cause_url=None, impact=(), affected=(), unaffected=(), errors=(),
        runs=(), others=whole.others if whole.grouped else (), timeline=(), chart=None, incidents=(),
    )  # fmt: skip


def _incident(notification: Notification, config: Config, mention: bool) -> Message:
    lead = notification.alerts[0]
    finding = harmless(lead.finding, config)
    external = config.runtime.external_url
    said = str(notification.reason) if notification.reason in deeds.WORDS.values() else ""
    recovery = None if lead.recovery is None else harmless(lead.recovery, config)
    firing = notification.status == "firing"
    return Message(
        status=notification.status,
        severity=notification.severity,
        reason=notification.reason,
        title=clip(headline(finding) if firing or _goes_on(notification) else closing_line(finding, recovery, said)),
        owner=name(notification.owner, 60),
        incident=notification.incident,
        mentions=_mentions(notification, config) if mention and (firing or _goes_on(notification)) else (),
        calls=_calls(notification, config),
        states=_states(notification),
        cause=redact(notification.cause, words.CAUSE_LENGTH),
        cause_url=words.link_of(notification.causes),
        cause_times=tuple((words.clock_of(each), each.time) for each in notification.causes),
        impact=_impact(notification),
        chart=chart_of(notification.series, finding),
        incidents=_incidents(notification) if firing else (),
        owners=tuple(each for each in config.owners if each != notification.owner)[:OWNERS],
        acked=notification.acked_at is not None,
        facts=_facts(notification, lead, finding),
        affected=_sides(finding.affected),
        unaffected=_sides(finding.unaffected),
        errors=finding.error_types[:ERRORS],
        runs=tuple(run_link(run, config.runtime.run_url) for run in notification.runs[:EXAMPLE_RUNS]),
        others=_others(notification, config),
        grouped=bool(notification.standings),
        timeline=tuple(Fact("", happened(entry.text, 160), entry.time) for entry in notification.timeline[-TIMELINE:]),
        footer=_footer(notification, lead, finding, config),
        link=None if external is None else f"{external.rstrip('/')}/#incident-{_incidents(notification)[0]}",
    )


def _goes_on(notification: Notification) -> bool:
    """Whether a message is over because another one tells of its alerts now."""
    return notification.status == "resolved" and bool(notification.gone_to)


def person(by: str) -> str:
    """Who did something, without the ids of machines: `slack:U123 alice` → `alice (slack)`."""
    where, _, who = by.partition(":")
    who = who.partition(" ")[2] or who if where == "slack" else who
    return name(f"{who} ({where})" if who else by, 80)


def _mentions(notification: Notification, config: Config) -> tuple[str, ...]:
    """Whom it rings: the owner that it goes to, else whose pages they are; to whom one was given, wherever it goes."""
    receiver = config.owners.get(notification.receiver)
    if not notification.called:
        whom = [receiver or config.owners.get(notification.owner)]
    else:
        whom = [
            receiver if receiver and not each.given else config.owners.get(each.owner) for each in notification.called
        ]
    found = (owner.mention for owner in whom if owner is not None and owner.mention is not None)
    return tuple(dict.fromkeys(found))[:MENTIONS]


def _calls(notification: Notification, config: Config) -> tuple[Call, ...]:
    """For what it rings, as far as its alerts tell it."""
    alerts = {alert.fingerprint: alert for alert in notification.alerts} if notification.called else {}
    return tuple(
        Call(name(each.owner, 60), clip(headline(harmless(alert.finding, config))), each.more, each.given)
        for each in notification.called
        if (alert := alerts.get(each.fingerprint)) is not None
    )


def _together(notification: Notification) -> tuple[Alert, ...]:
    """The alerts of the leading one's incident: it alone, where another system sent it into a group of ours."""
    if not notification.standings:
        return notification.alerts
    lead, first = notification.alerts[0], notification.standings[0]
    rest = zip(notification.alerts[1:], notification.standings[1:], strict=False)
    return (lead, *(alert for alert, each in rest if each.incident and each.incident == first.incident))


def _states(notification: Notification) -> tuple[Fact, ...]:
    found = []
    if notification.acked_at is not None:
        found.append(Fact("Acknowledged by", person(notification.acked_by), at=notification.acked_at))
    if notification.silenced_until is not None and notification.status == "firing":
        found.append(Fact("Silenced until", "", notification.silenced_until))
    if notification.gone_to:
        what = "Handed over to" if _goes_on(notification) else "Others handed over to"
        others = [name(each, 60) for each in notification.gone_to[:GONE_TO] if each != notification.receiver]
        found.append(Fact(what, ", ".join(others) or "another message here"))
    if notification.escalated_to:
        found.append(Fact("Escalated to", name(notification.escalated_to, 60)))
    if notification.no_data_since is not None:
        found.append(Fact("No data since", "", notification.no_data_since))
    if notification.complained_at is not None:
        seconds = notification.complained_at - notification.opened_at
        words = f", {span_text(abs(seconds))} {'after' if seconds >= 0.0 else 'before'} the alert"
        found.append(Fact("First complaint", words, notification.complained_at))
    if _looks_on(notification):
        mine = [each.component for each in notification.impact if each.owner == notification.receiver]
        shown = [name(each, 80) for each in mine[:IMPACT]]
        shown += [f"and {len(mine) - IMPACT} more"] if len(mine) > IMPACT else []
        found.append(Fact("Affects you", ", ".join(shown) or "you depend on it"))
        found.append(Fact("Whose it is", name(notification.owner, 60)))
    elif notification.root:
        roots = dict.fromkeys((notification.root, *(each.root for each in notification.standings if each.root)))
        found.append(Fact("Suffers from", _named(tuple(name(root, 40) for root in roots))))
    if notification.standings and (alone := _alone(notification, notification.standings[0])):
        found.append(Fact("This one", alone))
    return tuple(found)


def _alone(notification: Notification, standing: Standing) -> str:
    """What holds for one incident of a group and not for all that fires."""
    found = []
    if standing.acked and notification.acked_at is None:
        found.append(f"acknowledged by {person(standing.acked_by)}")
    if standing.silenced and notification.silenced_until is None:
        found.append("silenced")
    if standing.escalated_to and standing.escalated_to != notification.escalated_to:
        found.append(f"escalated to {name(standing.escalated_to, 60)}")
    if standing.root and not notification.root:
        found.append(f"suffers from incident {name(standing.root, 40)}")
    return ", ".join(found)


def _looks_on(notification: Notification) -> bool:
    """Whether it tells somebody of another owner's incident, which hits what is theirs."""
    return notification.root == notification.incident


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
    own = _together(notification)
    since = min(alert.finding.onset for alert in own)
    word = "Now" if notification.status == "firing" or _goes_on(notification) else "Reached"
    learned = _counted(before, finding.before_bad, finding.before_n, finding)
    usual = f"{before} (declared)" if finding.reference == "declared" else learned
    reached = _counted(after, finding.after_bad, finding.after_n, finding, " since")
    facts = [
        Fact(what, level, ours=True, share_of=finding.share_of) for what, level in ((word, reached), ("Before", usual))
    ]
    if notification.status == "resolved" and not notification.gone_to and notification.resolved_at is not None:
        ended = max((alert.ends_at for alert in own if alert.ends_at is not None), default=notification.resolved_at)
        facts += [*_recovery(lead, finding), Fact("Resolved", "", ended)]
        facts += [
            Fact("Lasted", span_text(ended - since), ours=True),
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
    if notification.status == "resolved" and not notification.gone_to and notification.resolved_at is not None:
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
    standings: tuple[Standing | None, ...] = notification.standings or (None,) * len(notification.alerts)
    # An alert that changed hands is in it twice until its group forgets the one that it was: it is not over by that.
    fires = {alert.key for alert in notification.alerts if alert.status == "firing"}
    pairs = zip(notification.alerts[1:], standings[1:], strict=False)
    rest = [(alert, each) for alert, each in pairs if alert.status == "firing" or alert.key not in fires]
    stands = ["" if each is None else _alone(notification, each) for _, each in rest[:OTHERS]]
    shown = tuple(
        ("" if alert.status == "firing" else "resolved: ")
        + clip(headline(harmless(alert.finding, config)))
        + (f" ({alone})" if alone and alert.status == "firing" else "")
        for (alert, _), alone in zip(rest, stands, strict=False)
    )
    more = len(rest) - len(shown) + notification.alerts_dropped
    return (*shown, f"and {more} more") if more else shown


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
    words = [_named(_incidents(notification)), str(notification.reason), normal]
    if notification.severity == "page" and (owner := config.owners.get(notification.owner)) is not None:
        words.append(f"false pages accepted: {budget_text(owner.budget)}")
    if notification.instead_of:
        words.append(f"meant for {name(notification.instead_of, 60)}, whom the configuration does not name")
    return (*words, finding.reason) if finding.reason else tuple(words)


def _incidents(notification: Notification) -> tuple[str, ...]:
    """The incidents that it is about, by the names that `forewarn ack` and `explain` know; of a group maybe several."""
    return notification.incidents or (notification.incident,)


def _named(incidents: tuple[str, ...]) -> str:
    """One or several incidents, the first ones by name."""
    more = f" and {len(incidents) - NAMED} more" if len(incidents) > NAMED else ""
    return f"incident{'s' if len(incidents) > 1 else ''} {', '.join(incidents[:NAMED])}{more}"
