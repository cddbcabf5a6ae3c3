"""`forewarn explain`: why there is, or is not, an alert.

Asks a running monitor, or replays recorded events up to a moment. It reads views and judges nothing anew.
"""

from __future__ import annotations

import difflib
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import click
import msgspec

from monitor import app
from monitor.alerting.headline import headline, rate_text, seconds_text, share_text
from monitor.cli import COULD_NOT_RUN, PROBLEMS_FOUND
from monitor.cli.moment import MOMENT
from monitor.cli.replay import read_history
from monitor.runtime.replay import Replay
from monitor.signals import DRIFT_SIGNALS
from schemas.alert import Incident
from schemas.signals import SIGNALS
from schemas.view import AgentView, BudgetView, SignalView

TIMEOUT_SECONDS = 10.0
ANSWER_BYTES = 64 * 1024 * 1024
NODES_SHOWN = 12
"""Nodes that are shown without `--all`: those that fire, then those with most evidence."""
INCIDENTS_SHOWN = 5
_NARROWING = ("signal", "version", "tool", "model", "provider", "tenant")


class Known(msgspec.Struct):
    """What can be explained. `now`: epoch seconds."""

    now: float
    agents: list[AgentView]
    incidents: list[Incident]
    budgets: list[BudgetView]


class _Agents(msgspec.Struct):
    time: float
    agents: list[AgentView]


class _Incidents(msgspec.Struct):
    incidents: list[Incident]


class _Budgets(msgspec.Struct):
    budgets: list[BudgetView]


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
@click.option(
    "--endpoint", envvar="FOREWARN_ENDPOINT", default="http://127.0.0.1:4319", show_default=True,
    help="The running monitor's address; also FOREWARN_ENDPOINT.",
)  # fmt: skip
@click.option("--token", envvar="FOREWARN_TOKEN", help="Bearer token; better in FOREWARN_TOKEN than here.")
@click.option("--all", "everything", is_flag=True, help="Show every node.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    key: str, rest: tuple[str, ...], inputs: tuple[str, ...], file: Path | None, endpoint: str,
    token: str | None, everything: bool, as_json: bool,
) -> None:  # fmt: skip
    """Say of the agent KEY what each of its nodes has seen, and what stands between it and an alert.

    Narrow it with LABEL=VALUE: signal, version, tool, model, provider, tenant. Asks a running monitor about now. For an
    earlier TIME it replays up to then: what --from names, or the log of the embedded monitor that --config describes.
    Exit code 0, 1 if the agent is not known, 2 if nothing could be asked.
    """
    at, wanted = _narrowed(rest)
    known = _replayed(inputs, file, at) if inputs or at is not None else _asked(endpoint, token)
    agent = next((view for view in known.agents if view.agent == key), None)
    if agent is None:
        near = difflib.get_close_matches(key, [view.agent for view in known.agents], n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; known: {len(known.agents)} agents"
        click.echo(f"forewarn: no event of an agent {key!r} was seen{hint}", err=True)
        raise click.exceptions.Exit(PROBLEMS_FOUND)
    nodes = [node for node in agent.signals if _fits(node, wanted)]
    incidents = [each for each in known.incidents if _speaks_of(each, key)]
    budget = next((each for each in known.budgets if each.owner == agent.owner), None)
    if as_json:
        told = {"time": known.now, "agent": agent.agent, "owner": agent.owner, "state": agent.state,
                "signals": nodes, "incidents": incidents, "budget": budget}  # fmt: skip
        click.echo(msgspec.json.encode(told).decode())
        return
    nodes.sort(key=lambda node: (node.state != "firing", -node.evidence))
    shown = nodes if everything else nodes[:NODES_SHOWN]
    lines = [*_of_agent(agent, budget, known.now), "", *(line for node in shown for line in of_node(node))]
    if len(shown) < len(nodes):
        lines.append(f"… and {len(nodes) - len(shown)} more nodes (--all)")
    if not nodes:
        lines.append(_nothing_fits(key, wanted, agent))
    click.echo("\n".join([*lines, *_of_incidents(incidents)]))


def of_node(node: SignalView) -> list[str]:
    """What one node has seen, and what is between it and an alert: a heading and at most four lines."""
    slice_ = " ".join(f"{label}={value}" for label, value in node.labels.items())
    lines = [f"{node.signal}{f' {slice_}' if slice_ else ''}: {node.state}"]
    lines.append(_seen(node))
    if node.state == "firing":
        lines.append("  evidence  it fires; more evidence changes nothing until the signal is back")
    else:
        lines.append(f"  evidence  {_evidence(node.evidence)} of the 1 that raises an alert")
    if node.per_week or node.mode:
        voice = f"  voice     {_voice(node)}"
        lines.append(f"{voice}; {node.per_week:.2g} false alarms a week flow in" if node.per_week else voice)
    if node.waiting_for:
        lines.append(f"  waits     {node.waiting_for}")
    if node.note:
        lines.append(f"  note      {node.note}")
    return lines


def _seen(node: SignalView) -> str:
    """Observations, and the levels where there is one: a signal that warms up, or has many sides, has none."""
    seen = f"  seen      {node.n:,.0f} {'observation' if node.n == 1 else 'observations'}"
    if node.reference is None:
        return f"{seen}, watched for any change" if node.state == "healthy" else seen
    band = f", tolerance {node.tolerance:g} in odds" if node.tolerance else ""
    if node.state == "firing" and node.note:
        return seen  # the note says the levels in their own unit
    return f"{seen}, {_level(node.signal, node.level)}; normal {_level(node.signal, node.reference)}{band}"


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
        f"{agent.agent} (owner {agent.owner}) at {_when(now)}: {agent.state}",
        f"  runs      {agent.runs:,}: {agent.failed:,} failed, {agent.silent:,} silent, {agent.hung:,} hung;"
        f" {agent.open_runs:,} open, last event {seconds_text(since)} ago",
    ]
    if budget is not None:
        lines.append(
            f"  budget    {agent.owner} was granted {budget.granted:.2g} false pages and spent {budget.spent},"
            f" {budget.notices_granted:.2g} false notices and spent {budget.notices_spent}"
        )
    return lines


def _of_incidents(incidents: list[Incident]) -> list[str]:
    if not incidents:
        return ["", "no incident names this agent"]
    lines = ["", "incidents"]
    for incident in sorted(incidents, key=lambda each: -each.opened_at)[:INCIDENTS_SHOWN]:
        until = f" to {_when(incident.resolved_at)}" if incident.resolved_at is not None else ""
        lines.append(f"  {incident.id} {incident.severity}, {incident.status}, {_when(incident.opened_at)}{until}")
        lines += [f"    {headline(alert.finding)}" for alert in incident.alerts[:INCIDENTS_SHOWN]]
    return lines


def _level(signal: str, value: float) -> str:
    public = SIGNALS.get(signal)
    if public is not None and public.form == "rate":
        return rate_text(value)
    return share_text(value) if public is None or public.form in ("share", "category") else f"{value:.3g}"


def _when(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at))


def _narrowed(rest: tuple[str, ...]) -> tuple[float | None, dict[str, str]]:
    """The moment, if one is given, and label → value."""
    at: float | None = None
    wanted: dict[str, str] = {}
    for text in rest:
        label, equals, value = text.partition("=")
        if not equals:
            at = MOMENT.convert(text, None, None)
        elif label in _NARROWING:
            wanted[label] = value
        else:
            near = difflib.get_close_matches(label, _NARROWING, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; labels: {', '.join(_NARROWING)}"
            _fail(f"{text!r} narrows nothing{hint}")
    return at, wanted


def _fits(node: SignalView, wanted: dict[str, str]) -> bool:
    return all(
        (node.signal if label == "signal" else node.labels.get(label)) == value for label, value in wanted.items()
    )


def _speaks_of(incident: Incident, agent: str) -> bool:
    return any(
        alert.finding.node.get("agent") == agent or f"agent={agent}" in alert.finding.affected
        for alert in incident.alerts
    )


def _replayed(inputs: tuple[str, ...], file: Path | None, at: float | None) -> Known:
    if file is None:
        _fail("a replay needs the configuration: -c forewarn.yaml")
    config, recorded = read_history(file, inputs)
    app.collect_rarely()
    records = [one for one in recorded.records if at is None or one.time <= at]  # type: ignore[operator]
    replay = Replay(config)
    for _ in replay.said(records, at):
        pass
    return Known(replay.now, replay.agents(), replay.incidents(), replay.budgets())


def _asked(endpoint: str, token: str | None) -> Known:
    agents = _get(endpoint, "agents", token, _Agents)
    incidents = _get(endpoint, "incidents", token, _Incidents)
    budgets = _get(endpoint, "budgets", token, _Budgets)
    return Known(agents.time, agents.agents, incidents.incidents, budgets.budgets)


def _get(endpoint: str, what: str, token: str | None, into: type[Any]) -> Any:
    if urlsplit(endpoint).scheme not in ("http", "https"):
        _fail(f"--endpoint {endpoint!r} is no http address; as in http://127.0.0.1:4319")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(f"{endpoint.rstrip('/')}/api/v1/{what}?limit=10000", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
            return msgspec.json.decode(response.read(ANSWER_BYTES), type=into)
    except urllib.error.HTTPError as error:
        remedy = "; set FOREWARN_TOKEN" if error.code in (401, 403) else ""
        _fail(f"{endpoint} answered {error.code}{remedy}")
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        _fail(f"no monitor answers at {endpoint} ({reason}); start one with `forewarn run`, or use --from")


def _fail(message: str) -> NoReturn:
    click.echo(f"forewarn: {message}", err=True)
    sys.exit(COULD_NOT_RUN)
