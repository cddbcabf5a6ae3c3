"""Incidents on the page: open ones as cards, the last resolved ones as a table.

Shows what changed, where, by how much, who owns it, since when and how it stands to the first complaint; numbers and
names only. Every name goes through `markup.name`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from monitor.alerting.changes.words import CAUSE_LENGTH, between, web_address
from monitor.alerting.headline import level_texts
from monitor.web.page import words
from monitor.web.page.markup import Markup, el, join, name, visible
from schemas.alert import Alert, Incident
from schemas.finding import Finding

OPEN_SHOWN = 50
"""Open incidents on the page; the rest is counted and left to the API."""

RESOLVED_SHOWN = 8
"""Resolved incidents on the page, newest first."""

LABELS_SHOWN = 8
"""Labels that say where one alert is."""

ALERTS_SHOWN = 5
"""Further alerts of one incident."""

IMPACT_SHOWN = 5
"""Components that suffer from one incident."""

PLACELESS = frozenset(("alertname", "severity", "owner"))
"""Labels that say nothing about where it is; the card shows them elsewhere."""

BESIDE_SHOWN = 5
"""Signals that changed with that of the incident."""

TIMELINE_SHOWN = 8
"""Entries of the timeline, the latest ones."""


def incidents(found: Sequence[Incident], now: float) -> Markup:
    """The section's inside. `found` in the order of `api.in_order`."""
    firing = [incident for incident in found if incident.status == "firing"]
    resolved = [incident for incident in found if incident.status != "firing"]
    resolved.sort(key=lambda incident: -(incident.resolved_at or incident.opened_at))
    roots = {incident.id: incident for incident in found}
    return join(
        None if firing else el("p", _quiet(resolved, now), class_="quiet"),
        [_card(incident, now, roots.get(incident.root)) for incident in firing[:OPEN_SHOWN]],
        _more(len(firing) - OPEN_SHOWN),
        _resolved(resolved[:RESOLVED_SHOWN], now) if resolved else None,
    )


def announcement(found: Iterable[Incident]) -> str:
    """What a screen reader hears when the open incidents change."""
    firing = [incident for incident in found if incident.status == "firing"]
    if not firing:
        return "No open incidents."
    spoken = "; ".join(_spoken(leading(incident)) for incident in firing[:3])
    return f"{words.plural(len(firing), 'open incident')}: {spoken}."


def leading(incident: Incident) -> Alert | None:
    """The alert that speaks for the incident: firing before resolved, pages before notices, then the first."""
    return min(
        incident.alerts,
        key=lambda alert: (alert.status != "firing", alert.severity != "page"),
        default=None,
    )


def _quiet(resolved: Sequence[Incident], now: float) -> str:
    if not resolved:
        return "No incidents."
    last = resolved[0].resolved_at or resolved[0].opened_at
    return f"None is open. The last one was resolved {words.ago(last, now)}."


def _spoken(alert: Alert | None) -> str:
    if alert is None:
        return "an incident without alerts"
    where = ", ".join(f"{label} {visible(value)[:80]}" for label, value in place_of(alert).items())
    return f"{words.headline(alert)} at {where or _nowhere(alert)}"


def _card(incident: Incident, now: float, root: Incident | None) -> Markup:
    alert = leading(incident)
    if alert is None:
        heading = el("h3", "Incident without alerts")
        return el("article", heading, class_="incident", id=anchor(incident.id), data_key=visible(incident.id))
    others = [other for other in incident.alerts if other is not alert]
    voice = "impact" if incident.root else incident.severity
    return el(
        "article",
        el(
            "header",
            el("h3", words.headline(alert)),
            el("span", voice, class_=f"badge {voice}"),
        ),
        el("p", where(alert), class_="where"),
        _change(alert.finding),
        el("dl", _facts(incident, alert, now, root), class_="facts"),
        _others(others),
        _impact(incident, now),
        _runs(incident),
        _timeline(incident, now),
        class_="incident",
        id=anchor(incident.id),
        data_key=visible(incident.id),
        data_severity=voice,
    )


def anchor(identity: str) -> str:
    """What the address ends with after `#` to lead to an incident; messages link there."""
    return f"incident-{visible(identity)}"


def elsewhere() -> Markup:
    """For the reader of a link to an incident that is not on the page; hidden until the script sees such an address."""
    return el(
        "p",
        "Incident ",
        el("code", id="elsewhere-id"),
        " is not on this page: it ended a while ago, or more are open than fit. ",
        el("code", "forewarn incidents --all"),
        " and ",
        el("a", "/api/v1/incidents", href="/api/v1/incidents"),
        " list what is kept.",
        id="elsewhere",
        role="status",
        hidden=True,
    )


def place_of(alert: Alert) -> dict[str, str]:
    """The slice that an alert of ours is about; of another system's alert all of its labels that may say where."""
    if not alert.posted:
        return alert.finding.node
    return {label: value for label, value in alert.labels.items() if label not in PLACELESS}


def where(alert: Alert) -> Markup:
    """The place of an alert as labelled names."""
    place = place_of(alert)
    shown = [
        [el("span", el("span", name(label), " ", class_="label"), name(value), class_="slice"), " "]
        for label, value in [*place.items()][:LABELS_SHOWN]
    ]
    hidden = len(place) - LABELS_SHOWN
    return join(
        shown,
        None if place else el("span", _nowhere(alert), class_="slice"),
        el("span", f"and {hidden} more", class_="label") if hidden > 0 else None,
    )


def _nowhere(alert: Alert) -> str:
    """What the empty slice means; another system may mean anything by it."""
    return "a place that it does not name" if alert.posted else "the whole fleet"


def _change(finding: Finding) -> Markup | None:
    if finding.words:
        return None
    before, after = level_texts(finding)
    if finding.before_bad or finding.after_bad:
        counts = (
            f"{words.whole(finding.before_bad)} of {words.whole(finding.before_n)} before, "
            f"{words.whole(finding.after_bad)} of {words.whole(finding.after_n)} since"
        )
    else:
        counts = f"{words.whole(finding.before_n)} seen before, {words.whole(finding.after_n)} since"
    if finding.reference == "declared":
        counts += "; the normal level is declared"
    return el(
        "p",
        [name(finding.share_of), " "] if finding.share_of else None,
        el("span", before, class_="before"),
        el("span", "→", class_="arrow", aria_hidden="true"),
        el("span", " to ", class_="visually-hidden"),
        el("strong", after),
        " ",
        el("span", counts, class_="counts"),
        class_="change",
    )


def _facts(incident: Incident, alert: Alert, now: float, root: Incident | None) -> list[Markup]:
    finding = alert.finding
    found_after = max(incident.opened_at - incident.onset, 0.0)
    facts = [
        _fact("Owner", name(incident.owner)),
        _fact("Signal", el("code", finding.signal)),
        _fact("Began", _began(incident, now)),
        _fact("Found", f"{words.span(float(round(found_after)))} after it began"),
    ]
    if incident.root:
        facts.append(_fact("Suffers from", _root(incident.root, root)))
    if incident.complained_at is not None:
        facts.append(_fact("Lead", _lead(incident.complained_at - incident.opened_at)))
    facts += _people(incident, now)
    if incident.cause:
        facts.append(_fact("Likely cause", _cause(incident)))
    if incident.no_data_since is not None:
        facts.append(_fact("No data since", words.ago(incident.no_data_since, now)))
    if finding.corroborated:
        beside = [[el("code", name(signal)), " "] for signal in finding.corroborated[:BESIDE_SHOWN]]
        hidden = len(finding.corroborated) - BESIDE_SHOWN
        facts.append(_fact("Changed as well", join(beside, f"and {hidden} more" if hidden > 0 else None)))
    if finding.error_types:
        facts.append(_fact("Errors", join([[name(error), " "] for error in finding.error_types[:3]])))
    if finding.unaffected:
        facts.append(
            _fact(
                "Not affected", join([[name(sibling.replace("=", " ", 1)), " "] for sibling in finding.unaffected[:3]])
            )
        )
    return facts


def _root(identity: str, root: Incident | None) -> Markup:
    """The incident that causes it, with a link; by its id alone where it is not known here."""
    alert = None if root is None else leading(root)
    said = f"incident {visible(identity)}" if alert is None else _spoken(alert)
    return el("a", el("bdi", said, class_="name"), href=f"#{anchor(identity)}")


def _began(incident: Incident, now: float) -> Markup:
    """How long ago, and between which times of day, in UTC, where the evidence says that."""
    return join(words.ago(incident.onset, now), between(incident.onset_from, incident.onset_to) or None)


def _cause(incident: Incident) -> Markup:
    """The change or changes, each with its link; or that none is known."""
    text = el("bdi", visible(incident.cause[:CAUSE_LENGTH]), class_="name")
    links = [(each, url) for each in incident.causes if (url := web_address(each.url)) is not None]
    shown = [[" ", el("a", f"open {each.component} {each.version}", href=url, rel="noreferrer")] for each, url in links]
    return join(text, shown)


def _people(incident: Incident, now: float) -> list[Markup]:
    """What people did with it, and what that changed."""
    facts = []
    if incident.acked_by:
        when = f", {words.ago(incident.acked_at, now)}" if incident.acked_at is not None else ""
        facts.append(_fact("Acknowledged", join(name(incident.acked_by), when)))
    if incident.handed_from:
        facts.append(_fact("Handed over by", name(incident.handed_from)))
    if incident.escalated_to:
        facts.append(_fact("Escalated to", name(incident.escalated_to)))
    if incident.silenced_until is not None:
        left = max(incident.silenced_until - now, 0.0)
        facts.append(_fact("Silenced", f"for another {words.span(float(round(left)))}"))
    if incident.reopened:
        facts.append(_fact("Came back", words.plural(incident.reopened, "time")))
    return facts


def _impact(incident: Incident, now: float) -> Markup | None:
    """Who suffers from it because they depend on it."""
    if not incident.impact:
        return None
    items = [
        el("li", name(each.component), " of ", name(each.owner), f", {words.ago(each.since, now)}",
           None if each.declared else ", seen in runs, not declared")
        for each in incident.impact[:IMPACT_SHOWN]
    ]  # fmt: skip
    hidden = len(incident.impact) - IMPACT_SHOWN
    return join(
        el("p", el("span", "Impact", class_="label"), class_="impact-label"),
        el("ul", items, el("li", f"and {hidden} more") if hidden > 0 else None, class_="also", aria_label="Impact"),
    )


def _fact(term: str, value: str) -> Markup:
    return el("div", el("dt", term), el("dd", value))


def _lead(seconds: float) -> str:
    if seconds >= 0.0:
        return f"{words.span(float(round(seconds)))} before the first complaint"
    return f"{words.span(float(round(-seconds)))} after the first complaint"


def _others(others: Sequence[Alert]) -> Markup | None:
    if not others:
        return None
    items = [
        el(
            "li",
            words.headline(alert),
            " ",
            where(alert),
            " resolved" if alert.status == "resolved" else None,
        )
        for alert in others[:ALERTS_SHOWN]
    ]
    hidden = len(others) - ALERTS_SHOWN
    return el("ul", items, el("li", f"and {hidden} more") if hidden > 0 else None, class_="also", aria_label="Also")


def _runs(incident: Incident) -> Markup | None:
    if not incident.runs:
        return None
    shown = [[name(run, class_="name run"), " "] for run in incident.runs[:5]]
    return el("p", el("span", "Runs to look at ", class_="label"), shown, class_="runs")


def _timeline(incident: Incident, now: float) -> Markup | None:
    if not incident.timeline:
        return None
    entries = incident.timeline[-TIMELINE_SHOWN:]
    items = [el("li", el("time", words.ago(entry.time, now)), el("span", name(entry.text))) for entry in entries]
    return el("details", el("summary", "Timeline"), el("ol", items), class_="timeline")


def _more(hidden: int) -> Markup | None:
    if hidden <= 0:
        return None
    return el("p", f"and {hidden:,} more: ", el("a", "/api/v1/incidents", href="/api/v1/incidents"), class_="more")


def _resolved(resolved: Sequence[Incident], now: float) -> Markup:
    columns = (("Resolved", None), ("Where", None), ("Owner", "wide"), ("Lasted", "number wide"), ("Ended", "number"))
    head = el("tr", [el("th", title, scope="col", class_=kind) for title, kind in columns])
    return el(
        "table",
        el("caption", "Resolved incidents, newest first", class_="visually-hidden"),
        el("thead", head),
        el("tbody", [_resolved_row(incident, now) for incident in resolved]),
        class_="resolved",
    )


def _resolved_row(incident: Incident, now: float) -> Markup:
    alert = leading(incident)
    ended = incident.resolved_at or incident.opened_at
    end = words.ended(alert, incident.verdict) if alert is not None else ""
    return el(
        "tr",
        el("th", words.headline(alert) if alert is not None else "Incident", f", {end}" if end else None, scope="row"),
        el("td", where(alert) if alert is not None else None),
        el("td", name(incident.owner), class_="wide"),
        el("td", words.span(float(round(ended - incident.onset))), class_="number wide"),
        el("td", words.ago(ended, now), class_="number"),
        id=anchor(incident.id),
        data_key=visible(incident.id),
    )
