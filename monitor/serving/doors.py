"""The runtime as each edge sees it: as intake, as those who act, as people in Slack.

It hands on and decides nothing; what the runtime says is told in the words of the edge.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from monitor.alerting.routing.receivers import Target
from monitor.intake.bodies import settle_time
from monitor.intake.sink import Batch, Unavailable
from monitor.notify.delivery import Notifier
from monitor.runtime.parts import Busy
from monitor.web.view import NotNow, View
from schemas.actions import Action
from schemas.alert import Incident
from schemas.config import Config
from schemas.event import Event


class Runtime(View, Protocol):
    """A runtime that takes batches and actions, or is `Busy`."""

    async def accept(self, batch: Batch) -> None:
        """Returns when all of the batch is durable."""
        ...

    async def act(self, *actions: Action) -> None:
        """Returns when all of the actions are durable."""
        ...

    async def reload(
        self, config: Config, planned: Mapping[str, tuple[Target, ...]], notifiers: Mapping[str, Notifier]
    ) -> None:
        """Go on under another configuration."""
        ...


class IntakeSink:
    """The runtime as the intake sees it."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def accept(self, batch: Batch) -> None:
        """Returns when all of the batch is durable. Raises `Unavailable`."""
        try:
            await self._runtime.accept(batch)
        except Busy as error:
            raise Unavailable(error.retry_after) from None


class Acting:
    """The runtime as those see it who act on it."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def act(self, *actions: Action) -> None:
        """Returns when all of the actions are durable. Raises `NotNow`."""
        try:
            await self._runtime.act(*actions)
        except Busy as error:
            raise NotNow(error.retry_after) from None


class People(Acting):
    """The runtime as people in Slack see it."""

    def __init__(self, runtime: Runtime, clock: Callable[[], float]) -> None:
        super().__init__(runtime)
        self._clock = clock

    def active(self) -> bool:
        """Whether this process has the router."""
        return self._runtime.router is not None

    def incidents(self) -> Sequence[Incident]:
        """Open incidents, then closed ones."""
        return self._runtime.incidents()

    async def complain(self, complaint: Event) -> None:
        """Returns when the complaint is durable. Raises `Busy`."""
        settle_time(complaint, self._clock(), {})
        await self._runtime.accept(Batch(events=[complaint]))
