"""`forewarn alerts`: what fires, and what mutes it."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from monitor.alerting.routing.matchers import Matcher, matches_all, parse_matchers
from monitor.cli.acting.asking import Monitor, fail, with_state
from monitor.cli.acting.source import alerts_of, stored
from monitor.cli.telling.words import labels_text, table, when
from monitor.notify.redact import name as harmless
from schemas.alert import AlertView


@click.command(
    "alerts",
    short_help="What fires, and what mutes it.",
    epilog="Example: forewarn alerts owner=payments severity=page --active",
)
@click.argument("matchers", nargs=-1)
@click.option("--active", is_flag=True, help="Only alerts that nothing mutes.")
@click.option("--receiver", help="Only alerts that this receiver is told of.")
@with_state
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
def command(
    matchers: tuple[str, ...], active: bool, receiver: str | None, file: Path | None, endpoint: str,
    token: str | None, as_json: bool,
) -> None:  # fmt: skip
    """List the alerts of a running monitor, ours and those that others posted, and what mutes each.

    MATCHERS are Alertmanager's: owner=payments, severity!=notice, alertname=~"tool.*"; a bare word is an alertname.
    With --config the state directory is read, and nothing is written: what is seen is as of the monitor's last tick.
    Exit code 0, or 2 if nothing could be asked.
    """
    known = stored(file) if file is not None else alerts_of(Monitor(endpoint, token))
    wanted = read_matchers(matchers)
    found = [
        view
        for view in known.alerts
        if matches_all(wanted, view.labels)
        and not (active and view.state == "suppressed")
        and receiver in (None, *view.receivers)
        and (view.ends_at is None or view.ends_at > known.now)
    ]
    found.sort(key=lambda view: (view.state == "suppressed", view.starts_at, view.fingerprint))
    if as_json:
        click.echo(msgspec.json.encode(found).decode())
        return
    rows = [
        (harmless(view.labels.get("alertname", "")), view.state, when(view.starts_at),
         _rest(view), muted_by(view) or "-")
        for view in found
    ]  # fmt: skip
    if rows:
        click.echo("\n".join(table(("ALERTNAME", "STATE", "SINCE", "LABELS", "MUTED BY"), rows)))
    click.echo(f"{len(found)} alert{'' if len(found) == 1 else 's'}")


def read_matchers(given: tuple[str, ...]) -> tuple[Matcher, ...]:
    """Matchers as amtool takes them; a bare word is the alertname."""
    found: list[Matcher] = []
    for text in given:
        try:
            found += parse_matchers(text if any(sign in text for sign in "=~{") else f"alertname={text}")
        except ValueError as error:
            fail(f"no matcher: {error}")
    return tuple(found)


def muted_by(view: AlertView) -> str:
    """What mutes an alert, in words; empty if nothing does."""
    parts = (("silence", view.silenced_by), ("alert", view.inhibited_by), ("time", view.muted_by))
    return "; ".join(f"{what} {', '.join(harmless(name) for name in names)}" for what, names in parts if names)


def _rest(view: AlertView) -> str:
    return labels_text({name: value for name, value in view.labels.items() if name != "alertname"})
