"""The whole page, and its live sections by name.

`sections` gives the parts that change; `document` puts the same parts into the page of the first paint. So what the
live stream brings is what a reload would show.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from monitor.web.page import words
from monitor.web.page.agents import agents, tally
from monitor.web.page.incidents import announcement, elsewhere, incidents
from monitor.web.page.markup import Markup, el, join, name, visible
from monitor.web.page.rollouts import rollouts
from monitor.web.page.silences import silences
from schemas.alert import Incident, SilenceView
from schemas.view import AgentView, BudgetView, Check, Health, RolloutView

OWNERS_SHOWN = 100
"""Budgets on the page."""

_COUNTS = (
    ("events_received", "events received"),
    ("spans_received", "spans received"),
    ("runs_closed", "runs closed"),
    ("events_duplicate", "duplicates dropped"),
    ("events_late", "too late"),
    ("events_skewed", "taken at receipt: clock off"),
)
_MARK = Markup(
    '<svg class="logo" viewBox="0 0 24 24" aria-hidden="true"><path class="line" d="M3 17h5l3-4 3 2 7-9"></path>'
    '<path class="level" d="M3 9h10"></path></svg>'
)


@dataclass(frozen=True)
class Snapshot:
    """What the page shows, at one moment. `incidents` in the order of `api.in_order`."""

    time: float
    version: str
    agents: Sequence[AgentView]
    incidents: Sequence[Incident]
    budgets: Sequence[BudgetView]
    health: Health
    counts: Mapping[str, int]
    silences: Sequence[SilenceView] = ()
    rollouts: Sequence[RolloutView] = ()


@dataclass(frozen=True)
class Address:
    """How this reader reached us, for the examples. `assets`: the version of stylesheet and script."""

    base_url: str
    token_needed: bool
    assets: str


def title(snapshot: Snapshot) -> str:
    """The window's title: the number of open incidents first, so that a narrow tab shows it."""
    firing = _open(snapshot)
    return f"({firing}) Forewarn" if firing else "Forewarn"


def sections(snapshot: Snapshot) -> dict[str, Markup]:
    """Name → inside, for every part that changes."""
    return {
        "overview": _overview(snapshot),
        "announcement": join(announcement(snapshot.incidents)),
        "incidents": incidents(snapshot.incidents, snapshot.time),
        "silences": silences(snapshot.silences, snapshot.time),
        "rollouts": rollouts(snapshot.rollouts, snapshot.time),
        "agents": agents(snapshot.agents, snapshot.time),
        "budgets": _budgets(snapshot.budgets),
        "intake": _intake(snapshot.counts),
    }


def document(snapshot: Snapshot, address: Address) -> str:
    """The page of the first paint."""
    live = sections(snapshot)
    at = datetime.fromtimestamp(snapshot.time, UTC)
    main = el(
        "main",
        el("div", live["overview"], class_="overview", data_live="overview"),
        el("p", live["announcement"], role="status", class_="visually-hidden", data_live="announcement"),
        elsewhere(),
        _section("incidents", "Incidents", live),
        _section("rollouts", "Rollouts", live),
        _section("silences", "Silences", live),
        _section("agents", "Agents", live),
        _how_to_send(address, is_empty=not snapshot.agents),
        _section("budgets", "Budgets", live),
        _section("intake", "Intake", live),
        id="main",
    )
    header = el(
        "header",
        el("a", "Skip to the incidents", href="#incidents", class_="skip"),
        el("p", _MARK, el("span", "Forewarn"), class_="wordmark"),
        el(
            "p",
            el("span", class_="pulse", aria_hidden="true"),
            el("span", f"as of {at:%H:%M:%S} UTC", id="live-text"),
            id="live",
            role="status",
            data_state="static",
        ),
        class_="top",
    )
    body = el("body", header, main, _footer(snapshot.version), data_assets=address.assets)
    return "<!doctype html>\n" + el("html", _head(snapshot, address), body, lang="en")


def _head(snapshot: Snapshot, address: Address) -> Markup:
    return el(
        "head",
        el("meta", charset="utf-8"),
        el("title", title(snapshot)),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("meta", name="robots", content="noindex"),
        el("link", rel="icon", type="image/svg+xml", href=f"/static/favicon.svg?v={address.assets}"),
        el("link", rel="stylesheet", href=f"/static/page.css?v={address.assets}"),
        el("script", src=f"/static/page.js?v={address.assets}", defer=True),
        el("noscript", Markup('<meta http-equiv="refresh" content="30">')),
    )


def _section(key: str, heading: str, live: Mapping[str, Markup]) -> Markup:
    return el(
        "section",
        el("h2", heading, id=f"{key}-heading"),
        el("div", live[key], data_live=key),
        id=key,
        aria_labelledby=f"{key}-heading",
    )


def _overview(snapshot: Snapshot) -> Markup:
    firing = _open(snapshot)
    per_minute = sum(agent.runs_per_minute for agent in snapshot.agents)
    failed = [check for check in (*snapshot.health.live, *snapshot.health.ready) if not check.ok]
    if firing:
        verdict = words.plural(firing, "open incident")
    else:
        verdict = "No open incidents" if snapshot.agents else "Waiting for the first event"
    known = words.plural(len(snapshot.agents), "agent")
    return join(
        _unready(failed) if failed else None,
        el("h1", verdict, class_="firing" if firing else None),
        el("p", f"{known}, {words.rate(per_minute).replace('/', ' runs/')}", class_="known")
        if snapshot.agents
        else None,
        tally(snapshot.agents) if snapshot.agents else None,
    )


def _unready(failed: Sequence[Check]) -> Markup:
    missing = [el("li", name(check.name), ": ", name(check.message or "not there")) for check in failed]
    return el("div", el("strong", "The monitor is not ready."), el("ul", missing), class_="unready")


def _budgets(budgets: Sequence[BudgetView]) -> Markup:
    if not budgets:
        return el("p", "No owner has a budget yet; the first agent brings one.", class_="quiet")
    columns = ("Owner", "False pages granted", "Pages spent", "False notices granted", "Notices spent")
    ordered = sorted(budgets, key=lambda budget: budget.owner)
    rows = [
        el(
            "tr",
            el("th", name(budget.owner), scope="row"),
            el("td", f"{budget.granted:,.2f}", class_="number"),
            el("td", f"{budget.spent:,}", class_="number"),
            el("td", f"{budget.notices_granted:,.2f}", class_="number wide"),
            el("td", f"{budget.notices_spent:,}", class_="number wide"),
            data_key=visible(budget.owner),
        )
        for budget in ordered[:OWNERS_SHOWN]
    ]
    kinds = (None, "number", "number", "number wide", "number wide")
    head = [el("th", column, scope="col", class_=kind) for column, kind in zip(columns, kinds, strict=True)]
    return join(
        el(
            "p",
            "Granted is how many false alerts an owner's budget has allowed for so far. Spent is how many it paid for, "
            "of which no more than that are expected to be false; what another incident causes is spent and not sent.",
            class_="note",
        ),
        el(
            "table",
            el("caption", "Budgets by owner", class_="visually-hidden"),
            el("thead", el("tr", head)),
            el("tbody", rows),
        ),
    )


def _intake(counts: Mapping[str, int]) -> Markup:
    totals = Counter[str]()
    for key, count in counts.items():
        totals[key.partition(":")[0]] += count
    shown = [(words_, totals[key]) for key, words_ in _COUNTS if totals[key]]
    dead = {key.partition(":")[2]: count for key, count in counts.items() if key.startswith("dead_letters:") and count}
    items = [el("div", el("dt", label), el("dd", f"{count:,}")) for label, count in shown]
    for reason, count in sorted(dead.items(), key=lambda item: -item[1])[:8]:
        items.append(
            el("div", el("dt", "dead letters: ", name(reason.replace("_", " "))), el("dd", f"{count:,}"), class_="dead")
        )
    if not items:
        return el("p", "Nothing has come in yet.", class_="quiet")
    return el("dl", items, class_="counts")


def _how_to_send(address: Address, *, is_empty: bool) -> Markup:
    url = address.base_url
    curl = " \\\n  ".join(
        (
            f"curl {url}/v1/events",
            *(['-H "Authorization: Bearer $FOREWARN_TOKEN"'] if address.token_needed else []),
            "-H 'Content-Type: application/json'",
            f"-d '[{_event('run_started')},\n       {_event('run_finished')}]'",
        )
    )
    otlp = f"OTEL_EXPORTER_OTLP_ENDPOINT={url}\nOTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"
    if address.token_needed:
        otlp += '\nOTEL_EXPORTER_OTLP_HEADERS="Authorization=Bearer%20$FOREWARN_TOKEN"'
    return el(
        "details",
        el("summary", el("h2", "Send events")),
        el("h3", "With OpenTelemetry"),
        el("p", "Point the exporter of your agent here. The GenAI conventions are read as they are."),
        el("pre", el("code", otlp), tabindex=0, aria_label="OpenTelemetry settings"),
        el("h3", "With curl"),
        el("p", "One run of one agent, as two events:"),
        el("pre", el("code", curl, id="curl"), tabindex=0, aria_label="Example with curl"),
        id="send",
        open=is_empty,
    )


def _event(kind: str) -> str:
    """One event for a shell, inside single quotes; the shell puts the time in."""
    return f'{{"kind":"{kind}","agent":"hello-agent","run":"r1","time":\'$(date +%s)\'}}'


def _footer(version: str) -> Markup:
    links = (
        "/api/v1/status",
        "/api/v1/agents",
        "/api/v1/incidents",
        "/api/v1/runs",
        "/api/v1/rollouts",
        "/api/v2/alerts",
        "/api/v2/silences",
        "/metrics",
        "/readyz",
    )
    return el(
        "footer",
        el("nav", el("ul", [el("li", el("a", link, href=link)) for link in links]), aria_label="For machines"),
        el("p", "Forewarn ", name(version), ". This page only reads."),
    )


def _open(snapshot: Snapshot) -> int:
    return sum(1 for incident in snapshot.incidents if incident.status == "firing")
