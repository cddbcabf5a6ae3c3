"""`forewarn topics`: the topics of a monitor on Kafka, made where they are missing and checked where they are not."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from monitor.cli import COULD_NOT_RUN, GOOD, PROBLEMS_FOUND
from monitor.cli.environment import environment
from monitor.config import ConfigError, load, render
from monitor.runtime.kafka import topics as layout
from monitor.runtime.kafka.broker.connect import described
from schemas.config import Config

WORDS = {"good": "good", "made": "made", "missing": "missing", "different": "differs", "wrong": "WRONG"}
"""State of a topic → how it is shown. Wrong: the monitor would count wrongly with it, and does not start."""


@dataclass(frozen=True)
class _Found:
    """One topic: how it must be, and how it is."""

    spec: layout.TopicSpec
    state: str
    differences: Sequence[layout.Difference]


@click.command(
    "topics",
    short_help="Create and check the Kafka topics.",
    epilog="Example: forewarn topics -c forewarn.yaml --dry-run",
)
@click.option(
    "-c", "--config", "file", type=click.Path(path_type=Path), help="The configuration; without it, defaults."
)
@click.option("--dry-run", is_flag=True, help="Make nothing; what is missing is a difference.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(file: Path | None, dry_run: bool, as_json: bool) -> None:
    """Make the topics of the configuration that are missing, and say where the others differ from it.

    A topic that is there is never changed. `forewarn run` does the same when it starts. Exit code 0 when all are as
    they must be, 1 with differences, 2 if the brokers cannot be asked or refuse.
    """
    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # what it cannot do is said once, by us
    config = _config(file)
    kafka, specs = config.runtime.kafka, layout.specification(config.runtime)
    try:
        made = [] if dry_run else layout.create(kafka, specs)
        differences = layout.differences(kafka, specs)
    except layout.TopicError as error:
        click.echo(f"forewarn: {error}", err=True)
        raise click.exceptions.Exit(COULD_NOT_RUN) from None
    found = [_found(spec, made, differences) for spec in specs]
    if as_json:
        click.echo(json.dumps({"ok": not differences, "dry_run": dry_run, "topics": [_plain(each) for each in found]}))
    else:
        click.echo(f"{described(kafka)}\n" + "\n".join(line for each in found for line in _lines(each)))
        click.echo(_closing(found, dry_run=dry_run))
    raise click.exceptions.Exit(PROBLEMS_FOUND if differences else GOOD)


def _config(file: Path | None) -> Config:
    if file is None:
        return Config()
    try:
        return load(file, environment())
    except OSError as error:
        click.echo(f"forewarn: cannot read {file}: {error.strerror}", err=True)
    except ConfigError as error:
        click.echo(render(error.problems), err=True)
    raise click.exceptions.Exit(COULD_NOT_RUN)


def _found(spec: layout.TopicSpec, made: Sequence[str], differences: Sequence[layout.Difference]) -> _Found:
    ours = [difference for difference in differences if difference.topic == spec.name]
    if any(difference.what == layout.MISSING for difference in ours):
        return _Found(spec, "missing", ours)
    if any(difference.fatal for difference in ours):
        return _Found(spec, "wrong", ours)
    return _Found(spec, "different" if ours else "made" if spec.name in made else "good", ours)


def _lines(found: _Found) -> list[str]:
    spec = found.spec
    shape = f"{spec.partitions} partition{'' if spec.partitions == 1 else 's'}, factor {spec.replication_factor}"
    first = f"  {WORDS[found.state]:<8} {spec.name}"
    if found.state in ("missing", "made"):
        settings = " ".join(f"{key}={value}" for key, value in spec.settings.items())
        return [f"{first}: {shape}, {settings}"]
    return [first, *(f"           {each.what} is {each.found}, should be {each.wanted}" for each in found.differences)]


def _closing(found: Sequence[_Found], *, dry_run: bool) -> str:
    counts = {state: sum(each.state == state for each in found) for state in WORDS}
    said = [f"{count} {state}" for state, count in counts.items() if count]
    lines = [f"{len(found)} topics: {', '.join(said)}" + (" (nothing was changed)" if dry_run else "")]
    if counts["different"]:
        lines.append("Settings are yours to change: kafka-configs.sh --alter --topic NAME --add-config KEY=VALUE")
    if counts["wrong"]:
        lines.append(layout.REMEDY)
    return "\n".join(lines)


def _plain(found: _Found) -> dict[str, object]:
    spec = found.spec
    return {
        "name": spec.name,
        "state": found.state,
        "partitions": spec.partitions,
        "replication_factor": spec.replication_factor,
        "settings": spec.settings,
        "differences": [
            {key: value for key, value in asdict(each).items() if key != "topic"} for each in found.differences
        ],
    }
