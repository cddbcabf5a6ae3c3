"""`forewarn incidents`: what is open, whose it is, and who has it in hand."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from monitor.alerting.changes.causes import CERTAIN
from monitor.alerting.headline import span_text
from monitor.cli.acting.asking import Monitor, with_state
from monitor.cli.acting.source import incidents_of, stored
from monitor.cli.telling.difference import TITLE_LENGTH, title
from monitor.cli.telling.words import table, when
from monitor.notify.redact import name as harmless
from schemas.alert import Incident

CLOSED_SHOWN = 20
"""Closed incidents that `--all` shows a person; `--json` has all that are kept."""


@click.command(
    "incidents",
    short_help="What is open, whose it is, and who has it in hand.",
    epilog="Example: forewarn incidents --owner payments",
)
@click.option("--owner", help="Only incidents of this owner.")
@click.option("--all", "everything", is_flag=True, help="Closed incidents as well, the newest first.")
@with_state
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
def command(
    owner: str | None, everything: bool, file: Path | None, endpoint: str, token: str | None, as_json: bool
) -> None:
    """List the open incidents of a running monitor: pages first, then the newest; what another one causes comes last.

    With --config the state directory is read, and nothing is written: what is seen is as of the monitor's last tick.
    Exit code 0, or 2 if nothing could be asked.
    """
    known = stored(file) if file is not None else incidents_of(Monitor(endpoint, token))
    found = [each for each in known.incidents if owner in (None, each.owner)]
    open_ones = sorted((each for each in found if each.status == "firing"), key=_place)
    closed = sorted((each for each in found if each.status != "firing"), key=lambda each: -each.opened_at)
    if as_json:
        click.echo(msgspec.json.encode([*open_ones, *(closed if everything else ())]).decode())
        return
    shown = [*open_ones, *(closed[:CLOSED_SHOWN] if everything else ())]
    rows = [
        (each.id, each.severity, _state(each), harmless(each.owner), when(each.opened_at),
         span_text(_length(each, known.now)), _cause(each), harmless(title(each), TITLE_LENGTH))
        for each in shown
    ]  # fmt: skip
    if rows:
        click.echo("\n".join(table(("INCIDENT", "VOICE", "STATE", "OWNER", "SINCE", "FOR", "CAUSE", "WHAT"), rows)))
    click.echo(f"{len(open_ones)} open, {len(closed)} closed")


def _cause(incident: Incident) -> str:
    """The change that it began with, as short as it can be said; `explain` says more."""
    if not incident.causes:
        return "-"
    first = incident.causes[0]
    return harmless(f"{first.component} {first.version}", 40) if first.odds >= CERTAIN else "not sure"


def _place(incident: Incident) -> tuple[bool, bool, float]:
    return bool(incident.root), incident.severity != "page", -incident.opened_at


def _length(incident: Incident, now: float) -> float:
    return (incident.resolved_at if incident.resolved_at is not None else now) - incident.opened_at


def _state(incident: Incident) -> str:
    """The one word that says most of who has it, with the name."""
    if incident.status != "firing":
        return incident.verdict.replace("_", " ") or "resolved"
    if incident.acked_by:
        return f"acknowledged by {harmless(incident.acked_by)}"
    if incident.silenced_until is not None:
        return f"silenced until {when(incident.silenced_until)}"
    if incident.root:
        return f"impact of {incident.root}"
    if incident.escalated_to:
        return f"escalated to {harmless(incident.escalated_to)}"
    return "open"
