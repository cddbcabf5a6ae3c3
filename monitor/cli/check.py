"""`forewarn check`: validate a configuration offline, and show every problem at its place."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from pathlib import Path

import click

from monitor.cli import COULD_NOT_RUN, PROBLEMS_FOUND
from monitor.cli.environment import environment
from monitor.config import ConfigError, Problem, check_text, load, read_text, render


@click.command(
    "check",
    short_help="Validate a configuration, offline.",
    epilog="Example: forewarn check forewarn.yaml && forewarn run -c forewarn.yaml",
)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with all problems.")
@click.option("--check-slack", is_flag=True, help="Also ask Slack: are the tokens good, does it take our messages?")
def command(file: Path, as_json: bool, check_slack: bool) -> None:
    """Validate the configuration in FILE, offline.

    Prints every problem at once, each with its line, a caret and the nearest spelling. Variables and secret files
    that are missing here are warnings. Exit code 0 without problems (warnings are none), 1 with problems, 2 if FILE
    cannot be read. With --check-slack Slack is asked too, with the tokens of FILE; nothing is posted.
    """
    try:
        problems = check_text(read_text(file), str(file), environment())
    except OSError as error:
        raise click.exceptions.Exit(_cannot_read(file, error)) from None
    except ConfigError as error:
        problems = list(error.problems)
    errors = [problem for problem in problems if problem.severity == "error"]
    slack = _ask_slack(file) if check_slack and not errors else []
    if as_json:
        found = {"file": str(file), "ok": not errors and not slack, "problems": [_plain(p) for p in problems]}
        click.echo(json.dumps({**found, "slack": slack} if check_slack else found))
    else:
        if problems:
            click.echo(render(problems))
        for line in slack:
            click.echo(f"slack: {line}")
        click.echo(_closing(file, len(errors) + len(slack), len(problems) - len(errors)))
    if errors or slack:
        raise click.exceptions.Exit(PROBLEMS_FOUND)


def _ask_slack(file: Path) -> list[str]:
    """What Slack itself has to say of the tokens and of our messages."""
    from monitor.notify.slack.checking import problems as asked  # the client takes a moment to import
    from monitor.notify.slack.client import SlackClient

    slack = (config := load(file, environment())).slack
    if slack.bot_token is None:
        return ["there is no slack.bot_token to ask with"]
    client = SlackClient(slack.bot_token.get_secret_value(), base_url=slack.base_url)
    token = slack.app_token
    app = SlackClient(token.get_secret_value(), base_url=slack.base_url) if token is not None else None
    return asyncio.run(asked(config, client, app))


def _cannot_read(file: Path, error: OSError) -> int:
    click.echo(f"forewarn: cannot read {file}: {error.strerror}", err=True)
    return COULD_NOT_RUN


def _closing(file: Path, errors: int, warnings: int) -> str:
    parts = [f"{errors} problem{'' if errors == 1 else 's'}" if errors else "good"]
    if warnings:
        parts.append(f"{warnings} warning{'' if warnings == 1 else 's'}")
    return f"{file}: {', '.join(parts)}"


def _plain(problem: Problem) -> dict[str, object]:
    return {key: value for key, value in dataclasses.asdict(problem).items() if key not in ("source", "length", "file")}
