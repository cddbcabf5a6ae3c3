"""`forewarn silence`: mute alerts for a time."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import Any

import click
import msgspec

from monitor.alerting.routing.matchers import matcher_of, posted_of
from monitor.cli import PROBLEMS_FOUND
from monitor.cli.acting.alerts import read_matchers
from monitor.cli.acting.asking import Monitor, fail, with_endpoint, with_state
from monitor.cli.acting.source import silences_of, stored
from monitor.cli.environment import environment
from monitor.cli.moment import MOMENT
from monitor.cli.telling.words import rfc3339, table, when
from monitor.notify.redact import name as harmless
from monitor.runtime.clock import SteadyClock
from schemas.config import parse_duration


class _Made(msgspec.Struct, rename={"silence": "silenceID"}):
    silence: str


@click.group(
    "silence",
    short_help="Mute alerts for a time: add, list, expire.",
    epilog='Example: forewarn silence add owner=payments tool=issue_refund --for 2h --comment "deploy"',
)
def command() -> None:
    """Mute alerts for a time, see what is muted, and end it.

    Exit code 0, 1 if the monitor refuses, 2 if it could not be asked. Alertmanager's amtool does the same.
    """


@command.command(epilog="Example: forewarn silence add alertname=tool.failed tool=issue_refund --for 2h")
@click.argument("matchers", nargs=-1, required=True)
@click.option("-d", "--for", "--duration", "length", default="1h", show_default=True, help="How long, as 90m or 2h.")
@click.option("--start", type=MOMENT, help="When it begins; default: now.")
@click.option("--comment", default="", help="Why.")
@click.option("-a", "--by", "--author", "by", help="Who; default: the user of this shell.")
@with_endpoint
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with the silence's id.")
def add(
    matchers: tuple[str, ...], length: str, start: float | None, comment: str, by: str | None, endpoint: str,
    token: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Mute the alerts that all MATCHERS fit.

    MATCHERS are Alertmanager's: owner=payments, version!=v13, alertname=~"tool.*"; a bare word is an alertname. Prints
    the id of the silence.
    """
    try:
        seconds = parse_duration(length)
    except ValueError as error:
        fail(str(error))
    begins = SteadyClock()() if start is None else start
    wanted = [posted_of(each) for each in read_matchers(matchers)]
    body: dict[str, Any] = {
        "matchers": [
            {"name": each.name, "value": each.value, "isRegex": each.is_regex, "isEqual": each.is_equal}
            for each in wanted
        ],
        "startsAt": rfc3339(begins), "endsAt": rfc3339(begins + seconds),
        "createdBy": by or who(), "comment": comment or "forewarn silence add",
    }  # fmt: skip
    made = Monitor(endpoint, token).post("/api/v2/silences", body, _Made)
    click.echo(msgspec.json.encode({"silence": made.silence, **body}).decode() if as_json else made.silence)


@command.command("list", epilog="Example: forewarn silence list --expired")
@click.option("--expired", is_flag=True, help="Those that are over as well.")
@with_state
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
def list_(expired: bool, file: Path | None, endpoint: str, token: str | None, as_json: bool) -> None:
    """List silences: what they mute, until when, who set them."""
    known = stored(file) if file is not None else silences_of(Monitor(endpoint, token))
    found = [view for view in known.silences if expired or view.status != "expired"]
    found.sort(key=lambda view: (view.status == "expired", view.ends_at, view.id))
    if as_json:
        click.echo(msgspec.json.encode(found).decode())
        return
    rows = [
        (view.id, view.status, when(view.starts_at), when(view.ends_at), harmless(view.created_by) or "-",
         " ".join(harmless(str(matcher_of(each))) for each in view.matchers), harmless(view.comment))
        for view in found
    ]  # fmt: skip
    if rows:
        click.echo("\n".join(table(("SILENCE", "STATE", "FROM", "UNTIL", "BY", "MATCHERS", "COMMENT"), rows)))
    click.echo(f"{len(found)} silence{'' if len(found) == 1 else 's'}")


@command.command(epilog="Example: forewarn silence expire 4b0f1f0e-6f0a-4c55-9a2b-0c6d6f1f3f6d")
@click.argument("ids", nargs=-1, required=True)
@with_endpoint
def expire(ids: tuple[str, ...], endpoint: str, token: str | None) -> None:
    """End silences before their time. IDS are as `silence list` shows them; the first letters are enough."""
    monitor = Monitor(endpoint, token)
    living = [view.id for view in silences_of(monitor).silences if view.status != "expired"]
    for wanted in ids:
        name = one_of(wanted, living, "silence that is not over")
        monitor.delete(f"/api/v2/silence/{name}")
        click.echo(f"{name} has ended")


def one_of(wanted: str, names: list[str], what: str) -> str:
    """The only name that begins so; ends the process if there is none, or more than one."""
    found = [wanted] if wanted in names else [name for name in names if name.startswith(wanted)]
    if len(found) != 1:
        reason = f"{len(found)} begin with" if found else f"there is no {what} like"
        fail(f"{reason} {wanted!r}", PROBLEMS_FOUND)
    return found[0]


def who() -> str:
    """The user of this shell, as the record of a deed names them."""
    named = environment().get("USER") or environment().get("LOGNAME")
    if named:
        return named
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container may run as a number without a name
        return "cli"
