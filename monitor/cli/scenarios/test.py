"""`forewarn test`: the scenarios of a configuration on a virtual clock."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from monitor.cli import COULD_NOT_RUN, PROBLEMS_FOUND
from monitor.cli.scenarios.trial import Miss, Trial, offset, run
from monitor.config import ConfigError, Problem, load_with_places, render
from monitor.config.document import Document, Mapping, Sequence
from monitor.saved.collecting import collect_rarely
from schemas.alert import notification_line


@click.command(
    "test",
    short_help="Run the scenarios of a configuration on a virtual clock.",
    epilog="Example: forewarn test forewarn.yaml",
)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--only", metavar="TEXT", help="Only scenarios whose name contains TEXT.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with all scenarios.")
def command(file: Path, only: str | None, as_json: bool) -> None:
    """Run the scenarios under `tests:` in FILE, each on a virtual clock and from a monitor that knows nothing.

    Nothing is sent and no secret is read. What does not hold is shown at its line, with what was found instead. Exit
    code 0 if all hold, 1 if one does not, 2 if FILE cannot be read, has problems, or has no such scenario.
    """
    collect_rarely()
    try:
        config, document = load_with_places(file)
    except OSError as error:
        raise _refused(f"forewarn: cannot read {file}: {error.strerror}") from None
    except ConfigError as error:
        raise _refused(render(problem for problem in error.problems if problem.severity == "error")) from None
    chosen = [(index, each) for index, each in enumerate(config.tests) if only is None or only in each.name]
    if not chosen:
        named = f" whose name contains {only!r}" if only is not None else ""
        raise _refused(f"forewarn: {file} has no scenario{named}; write one under `tests:`")
    failed = 0
    told: list[dict[str, Any]] = []
    for index, scenario in chosen:
        trial = run(config, scenario)
        failed += bool(trial.misses)
        problems = [_problem(document, index, miss) for miss in trial.misses]
        if as_json:
            told.append(_plain(trial, problems))
            continue
        many = len(trial.notifications)
        click.echo(
            f"{'FAILED' if problems else 'ok':<7} {scenario.name} ({many} notification{'' if many == 1 else 's'})"
        )
        for miss, problem in zip(trial.misses, problems, strict=True):
            click.echo("\n".join([render([problem]), *_found(miss)]))
    if as_json:
        click.echo(json.dumps({"file": str(file), "ok": not failed, "scenarios": told}))
    else:
        click.echo(f"{file}: {len(chosen)} scenario{'' if len(chosen) == 1 else 's'}, {failed or 'none'} failed")
    if failed:
        raise click.exceptions.Exit(PROBLEMS_FOUND)


def _refused(message: str) -> click.exceptions.Exit:
    click.echo(message, err=True)
    return click.exceptions.Exit(COULD_NOT_RUN)


def _problem(document: Document, index: int, miss: Miss) -> Problem:
    """The miss at its place in the file."""
    holder: Any = document.root["tests"][index]
    for part in miss.path[:-1]:
        holder = holder[part]
    last = miss.path[-1]
    if isinstance(holder, Sequence):
        span, path = holder.items_at[int(last)], (*holder.path, holder.indexes[int(last)])
    else:
        assert isinstance(holder, Mapping)
        span, path = holder.keys_at[str(last)], (*holder.path, str(last))
    kept = len(document.problems)
    document.report(span, path, f"at {offset(miss.at)}: {miss.message}")
    problem = document.problems[-1]
    del document.problems[kept:]
    return problem


def _found(miss: Miss) -> list[str]:
    lines = [f"    expected  {miss.expected}"]
    lines += [
        f"    {'found' if not number else '':<8}  {line}" for number, line in enumerate(miss.found or ("nothing",))
    ]
    return lines


def _plain(trial: Trial, problems: list[Problem]) -> dict[str, Any]:
    return {
        "name": trial.scenario.name,
        "ok": not problems,
        "notifications": [notification_line(each) for each in trial.notifications],
        "problems": [
            {"line": problem.line, "column": problem.column, "path": problem.path, "at": miss.at,
             "message": miss.message, "expected": miss.expected, "found": list(miss.found)}
            for miss, problem in zip(trial.misses, problems, strict=True)
        ],
    }  # fmt: skip
