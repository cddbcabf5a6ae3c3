"""What the router knows, from a running monitor or from the state directory of one: the same views either way.

The directory is read and never written, also while a monitor uses it; what is seen is as of its last commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import click
import msgspec
from msgspec import Struct

from monitor.alerting.router import Router
from monitor.blocks import WrongVersion
from monitor.cli import COULD_NOT_RUN
from monitor.cli.acting.asking import Monitor, fail
from monitor.config import ConfigError, load_with_places, render
from monitor.engine import PartitionEngine
from monitor.runtime.store import FILE, StoreError, read_entries
from schemas.actions import Matcher
from schemas.alert import AlertView, Incident, SilenceView
from schemas.config import Config
from schemas.view import RolloutView, rollout_of

LIMIT = 10_000
"""Incidents that one question asks for."""


class Known(Struct):
    """`now`: when it was so, epoch seconds."""

    now: float
    alerts: Sequence[AlertView] = ()
    incidents: Sequence[Incident] = ()
    silences: Sequence[SilenceView] = ()
    rollouts: Sequence[RolloutView] = ()


def stored(file: Path) -> Known:
    """What the monitor of a configuration knew at its last tick."""
    _, now, router = router_of(file)
    return Known(now, router.alerts(), router.incidents(), router.silences(), router.rollouts())


def router_of(file: Path) -> tuple[Config, float, Router]:
    """A configuration, the last tick of its monitor in epoch seconds, and a copy of the router as it was then."""
    try:
        config, _ = load_with_places(file)
        if config.runtime.kind != "embedded":
            fail(f"{file}: a monitor on Kafka keeps its state there; ask it with --endpoint")
        path = Path(config.runtime.directory) / FILE
        entries = read_entries(path)
        engine, router = PartitionEngine(config), Router(config)
        for part in (engine, router):
            part.load(entries)
    except ConfigError as error:
        click.echo(render(error.problems), err=True)
        raise click.exceptions.Exit(COULD_NOT_RUN) from None
    except OSError as error:
        fail(f"cannot read {file}: {error.strerror}")
    except StoreError as error:
        fail(str(error))
    except (WrongVersion, ValueError, KeyError, msgspec.MsgspecError) as error:
        fail(f"the state in {path} cannot be read: {error}")
    router.tick(engine.now)  # the copy goes on to the last tick; what it would say is not sent
    return config, engine.now, router


def alerts_of(monitor: Monitor) -> Known:
    """The alerts of a running monitor."""
    found = monitor.get("/api/v2/alerts", list[_Alert])
    return Known(_now(monitor), alerts=[each.view() for each in found])


def incidents_of(monitor: Monitor) -> Known:
    """The incidents of a running monitor."""
    found = monitor.get(f"/api/v1/incidents?limit={LIMIT}", _Incidents)
    return Known(found.time, incidents=found.incidents)


def silences_of(monitor: Monitor) -> Known:
    """The silences of a running monitor."""
    found = monitor.get("/api/v2/silences", list[_Silence])
    return Known(_now(monitor), silences=[each.view() for each in found])


def rollouts_of(monitor: Monitor) -> list[RolloutView]:
    """The rollouts of a running monitor. Raises `NoAnswer` where another try may help."""
    found = monitor.ask(f"/api/v1/rollouts?limit={LIMIT}", _Rollouts)
    try:
        return [rollout_of(each) for each in found.rollouts]
    except msgspec.ValidationError as error:
        fail(f"the answer is none of a monitor of this version: {error}")


class _Rollouts(Struct):
    rollouts: list[dict[str, Any]]


class _Status(Struct):
    time: float


class _Incidents(Struct):
    time: float
    incidents: list[Incident]


class _Named(Struct):
    name: str


class _State(Struct, rename="camel"):
    state: Literal["active", "suppressed", "unprocessed"]
    silenced_by: tuple[str, ...] = ()
    inhibited_by: tuple[str, ...] = ()
    muted_by: tuple[str, ...] = ()


class _Alert(Struct, rename="camel"):
    labels: dict[str, str]
    annotations: dict[str, str]
    starts_at: datetime
    ends_at: datetime
    updated_at: datetime
    fingerprint: str
    receivers: list[_Named]
    status: _State
    generator_url: str = msgspec.field(default="", name="generatorURL")

    def view(self) -> AlertView:
        return AlertView(
            labels=self.labels,
            annotations=self.annotations,
            starts_at=self.starts_at.timestamp(),
            ends_at=self.ends_at.timestamp(),
            updated_at=self.updated_at.timestamp(),
            fingerprint=self.fingerprint,
            generator_url=self.generator_url,
            state=self.status.state,
            silenced_by=self.status.silenced_by,
            inhibited_by=self.status.inhibited_by,
            muted_by=self.status.muted_by,
            receivers=tuple(each.name for each in self.receivers),
        )


class _Matcher(Struct, rename="camel"):
    name: str
    value: str
    is_regex: bool
    is_equal: bool = True


class _SilenceState(Struct):
    state: Literal["pending", "active", "expired"]


class _Silence(Struct, rename="camel"):
    id: str
    status: _SilenceState
    matchers: list[_Matcher]
    starts_at: datetime
    ends_at: datetime
    updated_at: datetime
    created_by: str = ""
    comment: str = ""

    def view(self) -> SilenceView:
        return SilenceView(
            id=self.id,
            status=self.status.state,
            matchers=tuple(Matcher(each.name, each.value, each.is_regex, each.is_equal) for each in self.matchers),
            starts_at=self.starts_at.timestamp(),
            ends_at=self.ends_at.timestamp(),
            updated_at=self.updated_at.timestamp(),
            created_by=self.created_by,
            comment=self.comment,
        )


def _now(monitor: Monitor) -> float:
    return monitor.get("/api/v1/status", _Status).time
