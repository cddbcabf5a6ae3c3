"""`forewarn ready`: may an agent go to production, and what to add where it may not."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from monitor.cli import GOOD, PROBLEMS_FOUND
from monitor.cli.acting.asking import fail, with_endpoint
from monitor.cli.judging.traffic import asked, declared, recorded
from monitor.cli.telling.words import table
from monitor.notify.redact import name as harmless
from monitor.readiness.lines import sdk_lines, yaml_lines
from monitor.readiness.pieces import Case, Judged, Readiness, case, judge
from schemas.config import Config
from schemas.view import SeenView

WHAT_LENGTH = 300
"""Characters of what is said of one piece."""


@click.command(
    "ready",
    short_help="May an agent go to production, and what is missing?",
    epilog="Example: forewarn ready refund-agent -c forewarn.yaml --from staging.jsonl",
)
@click.argument("agent")
@click.option(
    "-c", "--config", "file", type=click.Path(path_type=Path), default="forewarn.yaml", show_default=True,
    help="The configuration that is to go live.",
)  # fmt: skip
@click.option(
    "--from", "inputs", multiple=True, metavar="FILE", help="Recorded events, as for replay; may be repeated."
)
@click.option("--runs", type=click.IntRange(1, 200), help="Runs that must have been seen, in place of ready.runs.")
@with_endpoint
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    agent: str, file: Path, inputs: tuple[str, ...], runs: int | None, endpoint: str, token: str | None, as_json: bool
) -> None:
    """Say whether AGENT has all that production needs, and the lines to add for what it lacks.

    Of the configuration: owner, contract, objectives, escalation, fallback, versioned contracts of its tools. Of its
    events, in the latest runs: enough runs, tool calls with arguments and results, outcomes, versions, tokens, costs.
    Events are those that a running monitor has seen, or those that --from names. Exit code 0 if it is ready, 1 with
    what is missing, 2 if nothing could be asked.
    """
    if inputs:
        config, replay = recorded(file, inputs)
        seen: Sequence[SeenView] = replay.seen()
    else:
        config = declared(file)
        seen, _ = asked(endpoint, token)
    if runs is not None:
        config = config.model_copy(update={"ready": config.ready.model_copy(update={"runs": runs})})
    given = case(agent, config, next((view for view in seen if view.agent == agent), None))
    if given.component is None and given.seen is None:
        fail(_unknown(agent, config, seen), PROBLEMS_FOUND)
    found = judge(given)
    click.echo(
        msgspec.json.encode(_for_programs(given, found)).decode() if as_json else "\n".join(_lines(given, found))
    )
    raise click.exceptions.Exit(GOOD if found.ready else PROBLEMS_FOUND)


def _lines(given: Case, found: Readiness) -> list[str]:
    """The verdict for a person: what is missing, piece by piece, and the lines to add."""
    many, lacks = sum(piece.required for piece in found.pieces), len(found.missing)
    verdict = "is ready" if found.ready else f"is not ready: {lacks} of {many} pieces missing"
    rows = [(_state(piece), piece.name, harmless(piece.what, WHAT_LENGTH)) for piece in found.pieces]
    told = [f"{harmless(found.agent)} {verdict}", *table(("STATE", "PIECE", "WHAT"), rows)]
    if lines := yaml_lines(given, found):
        told += ["", "to forewarn.yaml:", *(f"  {_shown(line)}" for line in lines)]
    if lines := sdk_lines(given, found):  # not indented: it is pasted as it is
        told += ["", "to the agent:", *map(_shown, lines)]
    return told


def _state(piece: Judged) -> str:
    if not piece.required:
        return "not asked"
    return "ok" if piece.ok else "MISSING"


def _for_programs(given: Case, found: Readiness) -> dict[str, Any]:
    return {
        "agent": found.agent,
        "ready": found.ready,
        "missing": found.missing,
        "runs": given.runs,
        "pieces": found.pieces,
        "add": {"yaml": yaml_lines(given, found), "sdk": sdk_lines(given, found)},
    }


def _shown(line: str) -> str:
    """A line as it is to be copied: its blanks stay, what is in it is harmless."""
    return line[: len(line) - len(line.lstrip())] + harmless(line, WHAT_LENGTH)


def _unknown(agent: str, config: Config, seen: Sequence[SeenView]) -> str:
    known = [component.agent for component in config.components if component.agent is not None]
    near = difflib.get_close_matches(agent, [*known, *(view.agent for view in seen)], n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"nobody declares an agent {agent!r}, and no run of it was seen{hint}"
