"""`forewarn explain`: why there is, or is not, an alert.

Asks a running monitor, or replays recorded events up to a moment. It reads views and judges nothing anew.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import click
import msgspec

from monitor.alerting.headline import headline, rate_text, seconds_text, share_text
from monitor.cli import PROBLEMS_FOUND
from monitor.cli.acting.asking import Monitor, fail, with_endpoint
from monitor.cli.acting.source import alerts_of, incidents_of, silences_of
from monitor.cli.moment import MOMENT
from monitor.cli.replay import read_history
from monitor.cli.telling import reasons
from monitor.cli.telling.words import when
from monitor.notify.redact import name as harmless
from monitor.runtime.replay import Replay
from monitor.saved.collecting import collect_rarely
from monitor.signals import DRIFT_SIGNALS, FAILURE_SIGNALS
from monitor.web.view import detailed
from schemas.alert import AlertView, Decision, GroupView, Incident, SilenceView
from schemas.signals import SIGNALS
from schemas.view import AgentView, BudgetView, SignalView

NODES_SHOWN = 12
"""Nodes that are shown without `--all`: those that fire, then those with most evidence."""
INCIDENTS_SHOWN = 5
LIMIT = 10_000
"""Agents and budgets that one question asks for."""
LEAST_LETTERS = 4
"""Of an incident's id, so that a short name is not taken for one."""
_NARROWING = ("signal", "version", "tool", "model", "provider", "tenant")


@dataclass
class Known:
    """What can be explained at `now` (epoch seconds).

    `agent`: the one that was asked for, with its signals; None where it is not known. `names`: gives those of all.
    """

    now: float
    agent: AgentView | None
    names: Callable[[], list[str]]
    incidents: Sequence[Incident]
    budgets: list[BudgetView]
    router: reasons.Asked


class _Agents(msgspec.Struct):
    time: float
    agents: list[AgentView]


class _Name(msgspec.Struct):
    agent: str


class _Seen(msgspec.Struct):
    seen: list[_Name]


class _Budgets(msgspec.Struct):
    budgets: list[BudgetView]


class _Groups(msgspec.Struct):
    groups: list[GroupView]


class _Decisions(msgspec.Struct):
    decisions: list[Decision]


@click.command(
    "explain",
    short_help="Why is there, or is there not, an alert?",
    epilog="Example: forewarn explain refund-agent tool=issue_refund signal=tool.failed",
)
@click.argument("key")
@click.argument("rest", nargs=-1, metavar="[TIME] [LABEL=VALUE]...")
@click.option(
    "--from", "inputs", multiple=True, metavar="FILE", help="Recorded events, as for replay; may be repeated."
)
@click.option("-c", "--config", "file", type=click.Path(path_type=Path), help="The configuration to replay with.")
@with_endpoint
@click.option("--all", "everything", is_flag=True, help="Show every node.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    key: str, rest: tuple[str, ...], inputs: tuple[str, ...], file: Path | None, endpoint: str,
    token: str | None, everything: bool, as_json: bool,
) -> None:  # fmt: skip
    """Say why there is, or is not, an alert, and who was told of it.

    KEY is an agent: what each of its nodes has seen, and what stands between it and an alert. Or an incident (the first
    letters of its id are enough), or the alertname of an alert: what mutes it, what it waits for, what was decided and
    why. Narrow it with LABEL=VALUE; of an agent's nodes by signal, version, tool, model, provider, tenant. Asks a
    running monitor about now. For an earlier TIME it replays up to then: what --from names, or the log of the embedded
    monitor that --config describes. Exit code 0, 1 if KEY is not known, 2 if nothing could be asked.
    """
    at, wanted = _narrowed(rest)
    known = _replayed(inputs, file, at, key) if inputs or at is not None else _asked(Monitor(endpoint, token), key)
    agent = known.agent
    if agent is None and _of_the_router(known, key, wanted, as_json=as_json):
        return
    if agent is None:
        names = known.names()
        near = difflib.get_close_matches(key, names, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; known: {len(names)} agents"
        fail(
            f"no event of an agent {key!r} was seen, and there is no incident or alert of that name{hint}",
            PROBLEMS_FOUND,
        )
    _check_narrowing(wanted)
    nodes = [node for node in agent.signals if _fits(node, wanted)]
    incidents = [each for each in known.incidents if _speaks_of(each, key)]
    budget = next((each for each in known.budgets if each.owner == agent.owner), None)
    if as_json:
        decided = [decision for each in incidents for decision in known.router.decisions(each.id)]
        told = {"time": known.now, "agent": agent.agent, "owner": agent.owner, "state": agent.state,
                "signals": nodes, "incidents": incidents, "budget": budget, "decisions": decided}  # fmt: skip
        click.echo(msgspec.json.encode(told).decode())
        return
    nodes.sort(key=lambda node: (node.state != "firing", -node.evidence))
    shown = nodes if everything else nodes[:NODES_SHOWN]
    lines = [*_of_agent(agent, budget, known.now), "", *(line for node in shown for line in of_node(node))]
    if len(shown) < len(nodes):
        lines.append(f"… and {len(nodes) - len(shown)} more nodes (--all)")
    if not nodes:
        lines.append(_nothing_fits(key, wanted, agent))
    click.echo("\n".join([*lines, *_of_incidents(incidents, known.router)]))


def of_node(node: SignalView) -> list[str]:
    """What one node has seen, and what is between it and an alert: a heading and at most four lines."""
    slice_ = " ".join(f"{label}={value}" for label, value in node.labels.items())
    lines = [f"{node.signal}{f' {slice_}' if slice_ else ''}: {node.state}"]
    lines.append(_seen(node))
    if node.state == "held":
        lines[0] = f"{lines[0].removesuffix('held')}{node.waiting_for}"
    if node.state == "firing":
        lines.append("  evidence  it fires; more evidence changes nothing until the signal is back")
    else:
        lines.append(f"  evidence  {_evidence(node.evidence)} of the 1 that raises an alert")
    if node.per_week or node.mode:
        voice = f"  voice     {_voice(node)}"
        lines.append(f"{voice}; {node.per_week:.2g} false alarms a week flow in" if node.per_week else voice)
    if node.waiting_for and node.state != "held":
        lines.append(f"  waits     {node.waiting_for}")
    if node.note:
        lines.append(f"  note      {node.note}")
    return lines


def _seen(node: SignalView) -> str:
    """Observations, and the levels where there is one: a signal that warms up, or has many sides, has none."""
    seen = f"  seen      {node.n:,.0f} {'observation' if node.n == 1 else 'observations'}"
    if node.state == "firing" and node.signal in FAILURE_SIGNALS:
        seen += " since the onset"
    if node.reference is None:
        return f"{seen}, watched for any change" if node.state == "healthy" else seen
    band = f", tolerance {node.tolerance:g} in odds" if node.tolerance else ""
    if node.state == "firing" and node.note:
        return seen  # the note says the levels in their own unit
    level = "its level not known yet" if node.level is None else _level(node.signal, node.level)
    return f"{seen}, {level}; normal {_level(node.signal, node.reference)}{band}"


def _evidence(evidence: float) -> str:
    if evidence == 0.0:
        return "nothing"
    return "next to nothing" if evidence < 0.001 else f"{evidence:.2g}"


def _voice(node: SignalView) -> str:
    if node.signal in DRIFT_SIGNALS and node.mode == "page" and node.state != "firing":
        return "notice, and page once it is material and sustained"
    return node.mode or "page"


def _nothing_fits(key: str, wanted: dict[str, str], agent: AgentView) -> str:
    """What else there is: the nearest signal, or that it is not seen yet."""
    signal = wanted.get("signal", "")
    if signal and signal not in SIGNALS:
        near = difflib.get_close_matches(signal, SIGNALS, n=1)
        return f"there is no signal {signal!r}" + (f"; did you mean {near[0]!r}?" if near else "")
    if signal and not any(node.signal == signal for node in agent.signals):
        return f"no run of {key} has said anything of {signal} yet"
    return f"no node fits; see `forewarn explain {key}`"


def _of_agent(agent: AgentView, budget: BudgetView | None, now: float) -> list[str]:
    since = max(now - agent.last_seen, 0.0)
    lines = [
        f"{agent.agent} (owner {agent.owner}) at {when(now)}: {agent.state}",
        f"  runs      {agent.runs:,}: {agent.failed:,} failed, {agent.silent:,} silent, {agent.hung:,} hung;"
        f" {agent.open_runs:,} open, last event {seconds_text(since)} ago",
    ]
    if budget is not None:
        lines.append(
            f"  budget    {agent.owner} was granted {budget.granted:.2g} false pages and spent {budget.spent},"
            f" {budget.notices_granted:.2g} false notices and spent {budget.notices_spent}"
        )
    return lines


def _of_the_router(known: Known, key: str, wanted: Mapping[str, str], *, as_json: bool) -> bool:
    """Explain the incident or the alerts that are called so; whether there are any."""
    incidents = [each for each in known.incidents if len(key) >= LEAST_LETTERS and each.id.startswith(key)]
    labels = {"alertname": key, **wanted}
    alerts = [view for view in known.router.alerts() if labels.items() <= view.labels.items()]
    if not incidents and not alerts:
        return False
    if as_json:
        about: list[str | Mapping[str, str]] = [*(each.id for each in incidents), *(view.labels for view in alerts)]
        decided = [decision for each in about for decision in known.router.decisions(each)]
        told = {"time": known.now, "incidents": incidents, "alerts": alerts, "decisions": decided}
        click.echo(msgspec.json.encode(told).decode())
        return True
    lines = _incident_lines(incidents, known.router) if incidents else []
    for view in alerts[:INCIDENTS_SHOWN]:
        lines += reasons.of_alert(view, known.router)
    click.echo("\n".join(lines))
    return True


def _of_incidents(incidents: list[Incident], router: reasons.Asked) -> list[str]:
    if not incidents:
        return ["", "no incident names this agent"]
    newest = sorted(incidents, key=lambda each: -each.opened_at)[:INCIDENTS_SHOWN]
    return ["", "incidents", *(f"  {line}" for line in _incident_lines(newest, router))]


def _incident_lines(incidents: Sequence[Incident], router: reasons.Asked) -> list[str]:
    lines = []
    for incident in incidents:
        until = f" to {when(incident.resolved_at)}" if incident.resolved_at is not None else ""
        lines.append(f"{incident.id} {incident.severity}, {incident.status}, {when(incident.opened_at)}{until}")
        lines += [f"  {harmless(headline(alert.finding))}" for alert in incident.alerts[:INCIDENTS_SHOWN]]
        lines += [f"  {line}" for line in reasons.of_incident(incident, router)]
    return lines


def _level(signal: str, value: float) -> str:
    public = SIGNALS.get(signal)
    if public is not None and public.form == "rate":
        return rate_text(value)
    return share_text(value) if public is None or public.form in ("share", "category") else f"{value:.3g}"


def _narrowed(rest: tuple[str, ...]) -> tuple[float | None, dict[str, str]]:
    """The moment, if one is given, and label → value."""
    at: float | None = None
    wanted: dict[str, str] = {}
    for text in rest:
        label, equals, value = text.partition("=")
        if not equals:
            at = MOMENT.convert(text, None, None)
        else:
            wanted[label] = value
    return at, wanted


def _check_narrowing(wanted: Mapping[str, str]) -> None:
    """The nodes of an agent have few labels; a slip would find nothing."""
    for label in wanted:
        if label not in _NARROWING:
            near = difflib.get_close_matches(label, _NARROWING, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; labels: {', '.join(_NARROWING)}"
            fail(f"{label!r} narrows no node{hint}")


def _fits(node: SignalView, wanted: dict[str, str]) -> bool:
    return all(
        (node.signal if label == "signal" else node.labels.get(label)) == value for label, value in wanted.items()
    )


def _speaks_of(incident: Incident, agent: str) -> bool:
    return any(
        alert.finding.node.get("agent") == agent or f"agent={agent}" in alert.finding.affected
        for alert in incident.alerts
    )


def _replayed(inputs: tuple[str, ...], file: Path | None, at: float | None, key: str) -> Known:
    if file is None:
        fail("a replay needs the configuration: -c forewarn.yaml")
    config, recorded = read_history(file, inputs)
    collect_rarely()
    records = [one for one in recorded.records if at is None or one.time <= at]  # type: ignore[operator]
    replay = Replay(config)
    for _ in replay.said(records, at):
        pass
    agents = {view.agent: view for view in replay.agents()}
    agent = detailed(replay, agents[key]) if key in agents else None
    return Known(replay.now, agent, lambda: list(agents), replay.incidents(), replay.budgets(), replay)


def _asked(monitor: Monitor, key: str) -> Known:
    found = monitor.get(f"/api/v1/agents?{urlencode({'agent': key})}", _Agents)
    budgets = monitor.get(f"/api/v1/budgets?limit={LIMIT}", _Budgets)
    agent = found.agents[0] if found.agents else None

    def names() -> list[str]:
        return [each.agent for each in monitor.get(f"/api/v1/seen?limit={LIMIT}", _Seen).seen]

    return Known(found.time, agent, names, incidents_of(monitor).incidents, budgets.budgets, _Running(monitor))


class _Running:
    """The router of a running monitor; asked once for each thing."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self._alerts: Sequence[AlertView] | None = None
        self._groups: Sequence[GroupView] | None = None

    def alerts(self) -> Sequence[AlertView]:
        if self._alerts is None:
            self._alerts = alerts_of(self._monitor).alerts
        return self._alerts

    def groups(self) -> Sequence[GroupView]:
        if self._groups is None:
            self._groups = self._monitor.get("/api/v1/groups", _Groups).groups
        return self._groups

    def silences(self) -> Sequence[SilenceView]:
        return silences_of(self._monitor).silences

    def decisions(self, about: str | Mapping[str, str]) -> Sequence[Decision]:
        asked = [("about", about)] if isinstance(about, str) else [("label", "=".join(pair)) for pair in about.items()]
        return self._monitor.get(f"/api/v1/decisions?{urlencode(asked)}", _Decisions).decisions
