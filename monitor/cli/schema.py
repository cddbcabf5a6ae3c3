"""`forewarn schema`: what is sent to the monitor, what configures it, and its topics, for other programs."""

from __future__ import annotations

import json

import click


@click.command(
    "schema",
    short_help="Print the JSON Schema of events or of the configuration, or the topics.",
    epilog="Example: forewarn schema config > forewarn.schema.json, and in the first line of forewarn.yaml: "
    "# yaml-language-server: $schema=forewarn.schema.json",
)
@click.argument("what", type=click.Choice(["event", "config", "asyncapi"]))
def command(what: str) -> None:
    """Print the JSON Schema (2020-12) of an event or of the configuration file, or the Kafka topics as AsyncAPI 3."""
    if what == "asyncapi":
        click.echo(asyncapi(), nl=False)
        return
    from schemas.border import config_schema, event_schema  # building the models takes a moment

    schema = event_schema() if what == "event" else config_schema()
    click.echo(json.dumps(schema, indent=2))


def asyncapi() -> str:
    """The topics of a monitor with default settings, as YAML."""
    import yaml

    from monitor.cli.brokers.asyncapi import document
    from schemas.config import Runtime

    return str(yaml.safe_dump(document(Runtime()), sort_keys=False, width=110, allow_unicode=True))
