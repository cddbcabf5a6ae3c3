"""What the web shell asks of a running monitor, and how it acts on it: Protocols and nothing else.

Not an implementation: a runtime has the state, `monitor.app` hands it over. Every method of a view is called on the
event loop, up to once a second for all readers together, so it answers from memory, at once, with values that do not
change later.

Keys of `counts` and `gauges` are short metric names, followed by the values of the metric's labels: `events_received`,
`dead_letters:not_json`. The last label may hold colons. `monitor/web/metrics.py` lists the names.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from msgspec import structs

from schemas.actions import Action, SilenceSet
from schemas.alert import AlertView, Decision, GroupView, Incident, SilenceView
from schemas.config import Config
from schemas.news import ChangeSeen
from schemas.report import Report
from schemas.view import AgentView, BudgetView, Health, RolloutView, RunView, SeenView, SignalView


class Signals(Protocol):
    """What knows the signals of agents."""

    def signals(self, agent: str) -> tuple[SignalView, ...]:
        """What an agent's runs show, against what is normal; none where the agent is not known."""
        ...


def detailed(view: Signals, agent: AgentView) -> AgentView:
    """An agent with its signals."""
    return structs.replace(agent, signals=view.signals(agent.agent))


class RouterView(Protocol):
    """What the router knows: `monitor.alerting.router.Router`, to look at."""

    def alerts(self) -> Sequence[AlertView]:
        """Every alert that fires or whose end was not told yet."""
        ...

    def groups(self) -> Sequence[GroupView]:
        """What each receiver is told together."""
        ...

    def silences(self) -> Sequence[SilenceView]:
        """Silences that are kept."""
        ...

    def rollouts(self) -> Sequence[RolloutView]:
        """Rollouts that go on, then those that are over and kept."""
        ...

    def receivers(self) -> Sequence[str]:
        """Names of all receivers."""
        ...

    def silence_id(self, action: SilenceSet) -> str:
        """The id under which a silence will stand once it was taken."""
        ...

    def report(self, since: float, until: float) -> Report:
        """How well the owners were served from `since` to `until`, epoch seconds."""
        ...

    def decisions(self, about: str | Mapping[str, str]) -> Sequence[Decision]:
        """What was decided of an incident, a group or of alerts with these labels, oldest first."""
        ...

    def changes_seen(self) -> Sequence[ChangeSeen]:
        """Changes that are kept, the latest first."""
        ...


class View(Signals, Protocol):
    """The state of one monitor, as people and Prometheus read it."""

    @property
    def version(self) -> str:
        """The version of Forewarn that runs."""
        ...

    @property
    def router(self) -> RouterView | None:
        """The router; None on a worker that stands by, which knows of no alert."""
        ...

    def agents(self) -> Sequence[AgentView]:
        """Every agent that is known, in any order, without its signals, which take seconds for a large fleet."""
        ...

    def seen(self) -> Sequence[SeenView]:
        """What the latest runs of every agent that is known carried and used, in any order."""
        ...

    def incidents(self) -> Sequence[Incident]:
        """Open incidents, and closed ones for as long as they are kept, in any order."""
        ...

    def runs(self, limit: int) -> Sequence[RunView]:
        """The runs that closed last, newest first, at most `limit`."""
        ...

    def budgets(self) -> Sequence[BudgetView]:
        """One account per owner."""
        ...

    def health(self) -> Health:
        """The named checks behind `/livez` and `/readyz`."""
        ...

    def counts(self) -> Mapping[str, int]:
        """Counters that never fall while the process lives."""
        ...

    def gauges(self) -> Mapping[str, float]:
        """Numbers that go up and down, in base units."""
        ...


class NotNow(Exception):
    """The monitor cannot take anything now; worth another try after `retry_after` seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"busy; try again in {retry_after:g} s")
        self.retry_after = retry_after


class NotReloaded(Exception):
    """The configuration was not taken, the old one stands; the message says why, and holds no secret."""


class Actions(Protocol):
    """How people and other systems act on the router: one function for the API, the page and Slack alike."""

    async def act(self, *actions: Action) -> None:
        """Returns when all of them are durable, embedded also when the router has taken them. Raises `NotNow`."""
        ...


@dataclass(frozen=True)
class Control:
    """What may be done from outside, beside looking.

    `reload` reads the configuration again and returns what it takes a restart for; raises `NotReloaded`, `NotNow`.
    `original`: the part of the configuration that Alertmanager knows, as its YAML without secrets. `resolve_timeout`:
    seconds after which an alert without an end ends, unless it is sent again. `config`: the configuration in force.
    """

    actions: Actions
    reload: Callable[[], Awaitable[Sequence[str]]]
    original: Callable[[], str]
    resolve_timeout: Callable[[], float]
    config: Callable[[], Config] = Config
