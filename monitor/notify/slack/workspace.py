"""One Slack workspace as the monitor sees it: what writes to it, and what listens to its buttons.

Puts the parts of this folder together; `monitor.app` needs no other of them. Notifiers come anew with each
configuration; what was learned of the workspace (its pace, its charts) stays.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable

from aiohttp import web

from monitor.notify.slack.client import SLACK_URL, TIMEOUT_SECONDS, Signatures, SlackClient, SocketLink
from monitor.notify.slack.doorway import Desk, Doorway
from monitor.notify.slack.notifier import Charts, SlackNotifier
from schemas.config import Config

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""How often it is looked whether this process has the router, and whether the link still stands."""


class Workspace:
    """Writes with `token`. Buttons act with `app_token` (Socket Mode), `signing_secret` (signed HTTP), or both."""

    def __init__(
        self,
        token: str,
        *,
        app_token: str | None = None,
        signing_secret: str | None = None,
        base_url: str = SLACK_URL,
        timeout_seconds: int = TIMEOUT_SECONDS,
    ) -> None:
        self.client = SlackClient(token, base_url=base_url, timeout_seconds=timeout_seconds)
        self._charts = Charts()
        self._link = SocketLink(app_token, base_url=base_url, timeout_seconds=timeout_seconds) if app_token else None
        self._signing_secret = signing_secret

    @property
    def listens(self) -> bool:
        """Whether buttons act; without it messages have none."""
        return self._link is not None or self._signing_secret is not None

    def notifier(self, channel: str, config: Config) -> SlackNotifier:
        """What writes to one channel."""
        return SlackNotifier(self.client, channel, config, charts=self._charts, buttons=self.listens)

    def doors(self, desk: Desk, config: Callable[[], Config], clock: Callable[[], float]) -> Doors:
        """Where presses come in. `config`: the one in force; `clock`: epoch seconds."""
        signatures = Signatures(self._signing_secret, clock) if self._signing_secret is not None else None
        return Doors(Doorway(desk, config, self.client, clock), desk, self._link, signatures)


class Doors:
    """`routes` for the web server, `run` beside it."""

    def __init__(self, doorway: Doorway, desk: Desk, link: SocketLink | None, signatures: Signatures | None) -> None:
        self._doorway = doorway
        self._desk = desk
        self._link = link
        self.routes: list[web.RouteDef] = doorway.routes(signatures) if signatures is not None else []

    @property
    def counts(self) -> Counter[str]:
        """Presses by act, and what was refused by reason; the counter itself."""
        return self._doorway.counts

    async def run(self) -> None:
        """Listen until cancelled, while this process has the router; then presses that are under way may end."""
        listening: asyncio.Task[None] | None = None
        try:
            while True:
                if self._link is not None and self._desk.active() == (listening is None):
                    if listening is None:
                        listening = asyncio.create_task(self._link.run(self._doorway.listen))
                    else:
                        listening.cancel()
                        listening = None
                if listening is not None and listening.done():
                    log.error("Socket Mode ended: %s", type(listening.exception()).__name__)
                    listening = None
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            if listening is not None:
                listening.cancel()
                await asyncio.wait((listening,), timeout=TIMEOUT_SECONDS)
            await self._doorway.stop()
