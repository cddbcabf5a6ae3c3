"""`forewarn schema`: the JSON Schema of what is sent to the monitor and of what configures it."""

from __future__ import annotations

import json

import click


@click.command(
    "schema",
    short_help="Print the JSON Schema of events or of the configuration.",
    epilog="Example: forewarn schema config > forewarn.schema.json, and in the first line of forewarn.yaml: "
    "# yaml-language-server: $schema=forewarn.schema.json",
)
@click.argument("what", type=click.Choice(["event", "config"]))
def command(what: str) -> None:
    """Print the JSON Schema (2020-12) of an event, or of the configuration file."""
    from schemas.border import config_schema, event_schema  # building the models takes a moment

    schema = event_schema() if what == "event" else config_schema()
    click.echo(json.dumps(schema, indent=2))
