"""`forewarn report`: how well the monitor served its owners: leads, misses, false alarms against budget."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode

import click
import msgspec

from monitor.alerting.report import words
from monitor.alerting.report.reporter import messages
from monitor.cli.acting.asking import Monitor, check_recording, fail, with_recording
from monitor.cli.acting.source import router_of
from monitor.cli.moment import MOMENT
from monitor.cli.replay import read_history
from monitor.cli.telling.words import when
from monitor.notify.composing import message_of
from monitor.notify.console import plain, render
from monitor.notify.redact import name as harmless
from monitor.runtime.replay import Replay
from schemas.config import WEEK, Config
from schemas.report import Report

LINE_CHARACTERS = 400
"""Of one line for a person. The JSON has all."""


@click.command(
    "report",
    short_help="Lead times, misses, false alarms against budget, per owner.",
    epilog="Example: forewarn report --since 2026-01-01T00:00:00Z --owner payments",
)
@click.option("--since", type=MOMENT, help="From when on; default: seven days before --until, or all that is recorded.")
@click.option("--until", type=MOMENT, help="Until when; default: now, or the end of what is recorded.")
@click.option("--owner", help="Only this owner.")
@with_recording
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--slack", is_flag=True, help="Print the messages that Slack would be sent.")
def command(
    since: float | None,
    until: float | None,
    owner: str | None,
    file: Path | None,
    inputs: tuple[str, ...],
    endpoint: str,
    token: str | None,
    as_json: bool,
    slack: bool,
) -> None:
    """Say per owner and component how the monitor did: how long before the first complaint each alert came; complaints
    without an alert, with what the detectors knew and the setting that would have caught it; what people called a
    false alarm, against the budget; the noisiest signals; how agents stand against their objectives.

    Asks a running monitor. With --config its state directory is read; with --from recorded events are replayed, and
    nothing is sent. Exit code 0, or 2 if nothing could be asked.
    """
    check_recording(inputs, file)
    if since is not None and until is not None:
        _start(since, since, until)
    config = Config()
    if file is not None and inputs:
        config, found = _replayed(file, inputs, since, until)
    elif file is not None:
        config, now, router = router_of(file)
        end = now if until is None else until
        found = router.report(_start(since, end - WEEK, end), end)
    else:
        found = _asked(Monitor(endpoint, token), since, until)
    if owner is not None:
        mine = tuple(each for each in found.owners if each.owner == owner)
        if not mine:
            known = ", ".join(harmless(each.owner) for each in found.owners) or "nobody"
            fail(f"nothing is known of owner {owner!r}; there are: {known}")
        found = msgspec.structs.replace(found, owners=mine)
    if as_json:
        click.echo(msgspec.json.encode(found).decode())
    elif slack:
        for notification in messages(found, config.report.to, found.until, found.until):
            message = message_of(notification, config)
            channel = config.owners[message.owner].slack if message.owner in config.owners else None
            click.echo("\n".join(plain(line) for line in render(message, channel=channel or "")) + "\n")
    else:
        for line in words.all_lines(found):
            indent = len(line) - len(line.lstrip())
            click.echo(" " * indent + harmless(line, LINE_CHARACTERS))


def _replayed(file: Path, inputs: tuple[str, ...], since: float | None, until: float | None) -> tuple[Config, Report]:
    config, recorded = read_history(file, inputs)
    replay = Replay(config)
    for _ in replay.said(recorded.records, until):
        pass  # what was said stands in the report
    end = replay.now if until is None else until
    return config, replay.report(_start(since, min(replay.began, end), end), end)


def _start(since: float | None, default: float, end: float) -> float:
    """From when on; exits where nothing can lie between that and the end."""
    start = default if since is None else since
    if start > end:
        fail(f"--since {when(start)} lies after the end, {when(end)}")
    return start


def _asked(monitor: Monitor, since: float | None, until: float | None) -> Report:
    asked = {name: repr(at) for name, at in (("since", since), ("until", until)) if at is not None}
    return monitor.get("/api/v1/report" + (f"?{urlencode(asked)}" if asked else ""), Report)
