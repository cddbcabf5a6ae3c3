"""`forewarn replay`: history through the monitor on a virtual clock."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import click

from monitor import history
from monitor.cli import COULD_NOT_RUN
from monitor.cli.environment import environment
from monitor.config import ConfigError, load, render
from monitor.notify.console import render as render_message
from monitor.notify.message import compose
from monitor.runtime.replay import Replay, line
from schemas.alert import Notification
from schemas.config import Config


@click.command(
    "replay",
    short_help="Push recorded events through the monitor on a virtual clock.",
    epilog="Example: forewarn replay forewarn.yaml runs.jsonl.gz --json | tail -1",
)
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON per finding and notification.")
@click.option("--until", type=float, help="Keep the clock running after the last event, to this time (epoch seconds).")
def command(file: Path, inputs: tuple[Path, ...], as_json: bool, until: float | None) -> None:
    """Push recorded events through engine and router, as the configuration FILE says, on a virtual clock.

    INPUTS are JSON lines of events or OTLP bodies (protobuf or JSON), plain or gzip; they are sorted by time. Nothing
    is sent. The last line is a summary. Exit code 0, or 2 if something cannot be read.
    """
    try:
        config = load(file, environment())
        began = time.perf_counter()
        recorded = history.read(inputs, config.runtime.trace_timeout)
    except ConfigError as error:
        click.echo(render(error.problems), err=True)
        raise click.exceptions.Exit(COULD_NOT_RUN) from None
    except OSError as error:
        click.echo(f"forewarn: cannot read {file}: {error.strerror}", err=True)
        raise click.exceptions.Exit(COULD_NOT_RUN) from None
    except history.CannotRead as error:
        click.echo(f"forewarn: {error}", err=True)
        raise click.exceptions.Exit(COULD_NOT_RUN) from None
    for bad in recorded.bad:
        click.echo(f"forewarn: {bad}", err=True)
    replay = Replay(config)
    for said in replay.said(recorded.records, until):
        if as_json:
            if (found := line(said)) is not None:
                click.echo(json.dumps(found))
        elif isinstance(said, Notification):
            _show(said, config)
    seconds = round(time.perf_counter() - began, 3)
    summary = replay.summary(recorded.dead_letters, seconds)
    click.echo(json.dumps(summary) if as_json else _for_people(summary))


def _show(notification: Notification, config: Config) -> None:
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(notification.time))
    click.echo(f"{when} UTC, {notification.reason}")
    message = compose(notification, config, mention=notification.mention)
    click.echo("\n".join(click.unstyle(text) for text in render_message(message, edits=False, channel="")) + "\n")


def _for_people(summary: dict[str, Any]) -> str:
    lines = [f"{summary['events']} events in {summary['seconds']:g} s, {summary['duplicates']} duplicates,"]
    lines[0] += f" {summary['dead_letters']} dead letters"
    lines += [
        f"  {name}: {agent['runs']} runs, {agent['failed']} failed, {agent['silent']} silent, {agent['hung']} hung"
        for name, agent in summary["agents"].items()
    ]
    lines += [
        f"  {owner}: {book['spent']} pages spent of {book['granted']:.3g} granted"
        for owner, book in summary["budget"].items()
    ]
    return "\n".join(lines)
