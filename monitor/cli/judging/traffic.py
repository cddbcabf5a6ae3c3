"""What was seen of agents: asked of a running monitor, or counted in recorded events on a virtual clock."""

from __future__ import annotations

from pathlib import Path

import click
from msgspec import Struct

from monitor.cli import COULD_NOT_RUN
from monitor.cli.acting.asking import Monitor, fail
from monitor.cli.replay import read_history
from monitor.config import ConfigError, load_with_places, render
from monitor.runtime.replay import Replay
from monitor.saved.collecting import collect_rarely
from monitor.serving.paging import in_large_pages
from schemas.config import Config
from schemas.view import SeenView

LIMIT = 10_000
"""Agents that one question asks for."""


class _Seen(Struct):
    time: float
    total: int
    seen: list[SeenView]


def declared(file: Path) -> Config:
    """The configuration; ends with 2 where it cannot be read. No secret is read."""
    try:
        return load_with_places(file)[0]
    except ConfigError as error:
        click.echo(render(error.problems), err=True)
        raise click.exceptions.Exit(COULD_NOT_RUN) from None
    except OSError as error:
        fail(f"cannot read {file}: {error.strerror}")


def asked(endpoint: str, token: str | None) -> tuple[list[SeenView], float]:
    """What a running monitor has seen, or each worker of one on Kafka, whose addresses stand with commas between, and
    when that was by its clock (epoch seconds).

    More agents than one answer holds are said on standard error. An agent that moved is known by the worker that has
    seen it last.
    """
    seen: dict[str, SeenView] = {}
    now = 0.0
    for address in endpoint.split(","):
        found = Monitor(address.strip(), token).get(f"/api/v1/seen?limit={LIMIT}", _Seen)
        now = max(now, found.time)
        if found.total > len(found.seen):
            click.echo(f"forewarn: {found.total} agents, the first {len(found.seen)} are looked at", err=True)
        for view in found.seen:
            known = seen.get(view.agent)
            if known is None or known.last_seen <= view.last_seen:
                seen[view.agent] = view
    return list(seen.values()), now


def recorded(file: Path | None, inputs: tuple[str, ...]) -> tuple[Config, Replay]:
    """The configuration, and recorded events behind it."""
    if file is None:
        fail("recorded events need the configuration: -c forewarn.yaml")
    config, history = read_history(file, inputs)
    collect_rarely()
    in_large_pages()
    replay = Replay(config)
    for _ in replay.said(history.records):
        pass
    return config, replay


def given(parameter: str) -> bool:
    """Whether an option was written, or set in the environment, and is no default."""
    source = click.get_current_context().get_parameter_source(parameter)
    return source not in (None, click.core.ParameterSource.DEFAULT)
