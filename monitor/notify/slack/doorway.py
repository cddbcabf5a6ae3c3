"""Where people's deeds in Slack come in: Socket Mode, or signed HTTP at `/slack/interactions` and `/slack/events`.

Only what Slack itself vouches for is looked at: what came over the connection that we opened with the app's token, or
with a signature over the raw body that is at most five minutes old. The press becomes an action (`controls`); `Desk`
makes it durable. A reaction that means a complaint (`complaints.reactions`) becomes an event and goes the way of all
events. Slack waits three seconds for an answer; what takes longer goes on, and the person who pressed hears of it.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import parse_qs

from aiohttp import web

from monitor.alerting.incidents.deeds import refusal
from monitor.notify.delivery import DeliveryError
from monitor.notify.slack.client import Signatures, SlackClient
from monitor.notify.slack.complaints import reactions
from monitor.notify.slack.controls import NEXT, NotUnderstood, Press, actions, read
from schemas.actions import Action
from schemas.alert import Incident
from schemas.config import Config
from schemas.event import Event

log = logging.getLogger(__name__)

PATH = "/slack/interactions"
EVENTS_PATH = "/slack/events"
BODY_BYTES = 1_048_576
"""A request that is longer is refused. Slack sends the message along, which has 13,000 characters at most."""

ANSWER_SECONDS = 2.0
"""Slack gives up after three."""

UNDER_WAY = 100
"""Presses and reactions that are worked on. Beyond, people are told to try again; a reaction is dropped and counted."""

TAKEN = 1_000
"""Presses that are remembered as taken, so that nobody is told what is wrong with a repeated one. Beyond, the oldest is
forgotten; the router knows a repeated press all the same, also after a restart."""

COMPLAINT_TRIES = 5
COMPLAINT_WAIT_SECONDS = 1.0
"""A complaint that the monitor cannot take is tried so often, so far apart; then it is dropped and counted."""


class Desk(Protocol):
    """The monitor as buttons see it."""

    def incidents(self) -> Sequence[Incident]:
        """Open incidents, then closed ones."""
        ...

    def active(self) -> bool:
        """Whether this process has the router; another has it otherwise."""
        ...

    async def act(self, *actions: Action) -> None:
        """Returns when all of them are durable; raises where they will not be."""
        ...

    async def complain(self, complaint: Event) -> None:
        """Returns when the event is durable; raises where it will not be."""
        ...


class Doorway:
    """Takes presses for one monitor.

    `config`: the one in force. `client` tells people in Slack what went wrong; `clock` gives epoch seconds.
    """

    def __init__(
        self, desk: Desk, config: Callable[[], Config], client: SlackClient, clock: Callable[[], float]
    ) -> None:
        self._desk = desk
        self._config = config
        self._client = client
        self._clock = clock
        self._under_way: set[asyncio.Task[None]] = set()
        self._taken: deque[str] = deque(maxlen=TAKEN)
        self.counts: Counter[str] = Counter()

    def routes(self, signatures: Signatures) -> list[web.RouteDef]:
        """The routes of signed HTTP. They need no token of ours: the signature is one."""

        async def signed(request: web.Request, what: str) -> bytes:
            body = await _body(request)
            if body is None:
                self.counts[f"{what}:too_long"] += 1
                raise web.HTTPRequestEntityTooLarge(BODY_BYTES, BODY_BYTES + 1)
            headers = request.headers
            timestamp, signature = headers.get("X-Slack-Request-Timestamp"), headers.get("X-Slack-Signature")
            if not signatures.valid(body, timestamp, signature):
                self.counts[f"{what}:signature"] += 1
                raise web.HTTPUnauthorized
            return body

        async def interactions(request: web.Request) -> web.Response:
            body = await signed(request, "slack_presses_refused")
            if not self._desk.active():
                return web.Response(status=503)  # Slack tells the person that it did not work
            try:
                payload = json.loads(parse_qs(body.decode())["payload"][0])
            except (ValueError, KeyError, RecursionError):
                payload = None
            await self.listen("interactive", payload if isinstance(payload, dict) else {})
            return web.Response()

        async def events(request: web.Request) -> web.Response:
            body = await signed(request, "slack_complaints_refused")
            try:
                payload = json.loads(body)
            except (ValueError, RecursionError):
                payload = None
            payload = payload if isinstance(payload, dict) else {}
            if (said := reactions.challenge(payload)) is not None:
                return web.Response(text=said)
            await self.listen("events_api", payload)
            return web.Response()

        return [web.post(PATH, interactions), web.post(EVENTS_PATH, events)]

    async def listen(self, kind: str, payload: Mapping[str, Any]) -> None:
        """One envelope. Returns when its deed is durable, or after `ANSWER_SECONDS`."""
        if kind == "events_api":
            for complaint in reactions.complaints(payload, self._config().slack.complaints):
                await self._begin(self._complain(complaint), "slack_complaints_refused")
            return
        if kind != "interactive":
            return
        try:
            press = read(payload)
        except NotUnderstood as error:
            self.counts["slack_presses_refused:not_understood"] += 1
            log.warning("a press in Slack was not understood: %s", error)
            return
        await self._begin(self._take(press), "slack_presses_refused")

    async def stop(self) -> None:
        """Let presses end that are under way."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=ANSWER_SECONDS)

    async def _begin(self, work: Coroutine[Any, Any, None], refused: str) -> None:
        """Let it work; return when it is done, or after `ANSWER_SECONDS`."""
        if len(self._under_way) >= UNDER_WAY:
            work.close()
            self.counts[f"{refused}:busy"] += 1
            return
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        await asyncio.wait((task,), timeout=ANSWER_SECONDS)

    async def _complain(self, complaint: Event) -> None:
        """Hand a complaint on, again and again where the monitor is busy; its id tells it from another."""
        for tried in range(1, COMPLAINT_TRIES + 1):
            try:
                await self._desk.complain(complaint)
            except Exception as error:  # whatever it is, it is tried again, and then said
                if tried == COMPLAINT_TRIES:
                    self.counts["slack_complaints_refused:not_recorded"] += 1
                    log.warning("a complaint in Slack was not recorded: %s", type(error).__name__)
                    return
                await asyncio.sleep(COMPLAINT_WAIT_SECONDS)
            else:
                self.counts["slack_complaints"] += 1
                return

    async def _take(self, press: Press) -> None:
        if press.key and press.key in self._taken:
            self.counts["slack_presses_refused:repeated"] += 1
            return
        by = self._by(press)
        if by is None:
            self.counts["slack_presses_refused:no_member"] += 1
            await self._whisper(press, "You are not listed under `slack: members:`, so this monitor does not take it.")
            return
        if press.act == "not_mine" and press.value != NEXT and press.value not in self._config().owners:
            self.counts["slack_presses_refused:no_owner"] += 1
            await self._whisper(press, "This owner is not in the configuration any more.")
            return
        known = {incident.id: incident for incident in self._desk.incidents()}
        made = actions(press, by, self._clock(), known.get)
        if not made:
            self.counts["slack_presses_refused:nothing_to_do"] += 1
            await self._whisper(press, "There is nothing to do any more: the incident is over or forgotten.")
            return
        if press.act == "not_mine" and (why := self._nobody(press, known)):
            self.counts["slack_presses_refused:no_owner"] += 1
            await self._whisper(press, why)
            return
        try:
            await self._desk.act(*made)
        except Exception as error:  # whatever it is, the person must know that nothing was recorded
            self.counts["slack_presses_refused:not_recorded"] += 1
            log.warning("a press in Slack was not recorded: %s", type(error).__name__)
            await self._whisper(press, "This could not be recorded. Please try again.")
            return
        self._taken.append(press.key)
        self.counts[f"slack_presses:{press.act}"] += 1

    def _nobody(self, press: Press, known: Mapping[str, Incident]) -> str:
        """Why none of the incidents has a next in line; "" where one has, or where an owner was chosen."""
        if press.value != NEXT:
            return ""
        config = self._config()
        owners = [known[each].owner for each in press.incidents if each in known]
        if any(not refusal("", owner, config.owners, config.default_owner) for owner in owners):
            return ""
        return "Nobody is next in line: please choose an owner."

    def _by(self, press: Press) -> str | None:
        """Who it was: a member by the configured name where members are listed, else as Slack calls them."""
        members = {user: member for member, user in self._config().slack.members.items()}
        if members:
            member = members.get(press.user)
            return f"slack:{press.user} {member}" if member is not None else None
        return f"slack:{press.user} {press.user_name}".rstrip()

    async def _whisper(self, press: Press, text: str) -> None:
        """Only the person sees it."""
        if not press.channel:
            return
        try:
            await self._client.call(
                "chat.postEphemeral", {"channel": press.channel, "user": press.user, "text": text, "mrkdwn": True}
            )
        except DeliveryError as error:
            log.warning("a person in Slack could not be answered: %s", error)


async def _body(request: web.Request) -> bytes | None:
    """The raw body; None where it is too long."""
    found = bytearray()
    async for chunk in request.content.iter_chunked(65_536):
        found += chunk
        if len(found) > BODY_BYTES:
            return None
    return bytes(found)
