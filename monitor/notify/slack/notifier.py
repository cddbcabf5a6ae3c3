"""One message per incident in one channel, edited in place, and one line in its thread per change.

An edit is safe to repeat; a post is not, so an uncertain one is first looked for, in the channel or in the thread, by
the metadata that every post carries (`channels:history`, for private channels `groups:history`; `channels:read`,
`groups:read` to find a channel's id by name). Without these scopes an uncertain post is repeated: at least once, and
the log says so. A chart is Slack's own block; where Slack refuses it a picture, where that may not be uploaded a line
of text (`Charts` remembers for the workspace).
"""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Mapping
from typing import Any

from monitor.notify.chart.picture import draw
from monitor.notify.composing import message_of
from monitor.notify.delivery import Delivery, DeliveryError, FailureReason
from monitor.notify.message import Message
from monitor.notify.slack.blocks import Block, render, ring_text, thread_text
from monitor.notify.slack.client import SlackClient
from schemas.config import Config

log = logging.getLogger(__name__)

EVENT_TYPE = "forewarn_incident"
LINE_TYPE = "forewarn_line"

HISTORY_PAGES = 10
"""Pages of 100 messages that are looked through for an uncertain post. Beyond, it counts as not there."""

CHANNEL_PAGES = 50
"""Pages of 200 channels that are looked through for a name."""

HISTORY_MARGIN_SECONDS = 600.0
"""How far before the incident the look begins: our clock and Slack's may differ."""

PICTURES = 1_000
"""Messages whose uploaded picture is remembered. Beyond, the oldest gets a new one."""

PICTURES_REFUSED = 5
"""Pictures that Slack refused in messages. Beyond, no more are uploaded until a restart."""

_IDS = uuid.UUID("5a5b7a53-3c43-5d0e-9a57-6c5c3f0f4a11")
_CHANNEL_ID = re.compile(r"[CGD][A-Z0-9]{6,}")


class Charts:
    """How this workspace can be shown a chart: learned from its refusals, forgotten with the process."""

    def __init__(self) -> None:
        self.native = True
        self.pictures = True
        self.refused = 0
        self.uploaded: dict[str, tuple[object, str]] = {}


class SlackNotifier:
    """Posts to and edits in one channel (`#name` or id). `buttons`: whether somebody listens to them."""

    def __init__(
        self, client: SlackClient, channel: str, config: Config, *, charts: Charts | None = None, buttons: bool = False
    ) -> None:
        self._client = client
        self._channel = channel
        self._channel_id = channel if _CHANNEL_ID.fullmatch(channel) else None
        self._config = config
        self._charts = charts or Charts()
        self._buttons = buttons
        self._turn = 0.0

    def __repr__(self) -> str:
        return f"SlackNotifier({self._channel!r})"

    def turn(self, delivery: Delivery, now: float) -> float:
        """When Slack's rates let this delivery through."""
        methods = []
        if delivery.reference is None or delivery.line is not None:
            methods.append("chat.postMessage")
        if delivery.uncertain and delivery.reference is None and self._channel_id is None:
            methods.append("conversations.list")
        if delivery.uncertain:
            methods.append("conversations.history" if delivery.line is None else "conversations.replies")
        if delivery.reference is not None and delivery.line is None:
            methods.append("chat.update")
        self._turn = now
        return self._client.pace.turn(methods, self._channel, now)

    async def send(self, delivery: Delivery) -> str:
        """Post the message, edit the one that is there, or say a line; the reference is `channel id/ts`."""
        reference = delivery.reference
        if delivery.line is not None and reference is not None:
            return await self._say(delivery, reference)
        if reference is None and delivery.uncertain:
            reference = await self._find(delivery)
        if reference is None:
            return await self._post(delivery)
        if delivery.reference is None:
            self._owe("chat.update")
        channel, _, ts = reference.partition("/")
        await self._write("chat.update", {"channel": channel, "ts": ts}, delivery, edits=True)
        return reference

    async def _post(self, delivery: Delivery) -> str:
        name = f"{delivery.target}|{delivery.incident}|{delivery.generation}"
        answer = await self._write(
            "chat.postMessage",
            {
                "channel": self._channel,
                "client_msg_id": str(uuid.uuid5(_IDS, name)),
                "unfurl_links": False,
                "unfurl_media": False,
            },
            delivery,
            posts=True,
        )
        self._channel_id = str(answer.get("channel"))
        return f"{self._channel_id}/{answer.get('ts')}"

    async def _write(
        self, method: str, where: dict[str, Any], delivery: Delivery, *, posts: bool = False, edits: bool = False
    ) -> Mapping[str, Any]:
        """The message, with the best chart that the workspace takes."""
        message = message_of(delivery.notification, self._config, mention=delivery.mention)
        pictured = True
        while True:
            with_chart = self._charts.native and message.chart is not None
            file = await self._picture(delivery, message) if pictured and not with_chart else None
            blocks, text = render(message, native=with_chart, file=file, buttons=self._buttons)
            try:
                return await self._client.call(
                    method, {**where, **self._body(delivery, blocks, text)}, posts=posts, edits=edits
                )
            except DeliveryError as error:
                if error.detail != "invalid_blocks" or not (with_chart or file):
                    raise
                self._owe(method)
                if with_chart:  # they came to workspaces one after the other
                    self._charts.native = False
                else:  # a picture is also refused while Slack still works on it: the next message may have one
                    pictured = False
                    self._charts.refused += 1
                    self._charts.pictures = self._charts.refused < PICTURES_REFUSED
                log.warning(
                    "Slack does not take this %s; a simpler form goes out", "chart" if with_chart else "picture"
                )

    async def _picture(self, delivery: Delivery, message: Message) -> str | None:
        """The id of an uploaded picture of the chart; None where there is none or it may not be uploaded."""
        if message.chart is None or not self._charts.pictures:
            return None
        key = f"{delivery.target}/{delivery.incident}"
        known = self._charts.uploaded.get(key)
        if known is not None and known[0] == message.chart:
            return known[1]
        self._owe("files.getUploadURLExternal")
        try:
            file = await self._client.upload("chart.png", draw(message.chart), message.chart.words)
        except DeliveryError as error:
            if not error.retryable:
                log.warning("no pictures of charts: %s; with the scope files:write there would be", error)
                self._charts.pictures = False
            return None  # a message without a picture is better than none
        self._charts.uploaded[key] = (message.chart, file)
        if len(self._charts.uploaded) > PICTURES:
            del self._charts.uploaded[next(iter(self._charts.uploaded))]
        return file

    def _body(self, delivery: Delivery, blocks: list[Block], text: str) -> dict[str, Any]:
        return {
            "text": text,
            "blocks": blocks,
            "parse": "none",  # edits would otherwise look for names and links in the fallback text
            "link_names": False,
            "metadata": {
                "event_type": EVENT_TYPE,
                "event_payload": {
                    "incident": delivery.incident,
                    "target": delivery.target,
                    "generation": delivery.generation,
                    "revision": delivery.revision,
                },
            },
        }

    async def _say(self, delivery: Delivery, reference: str) -> str:
        """One line in the thread of the message, unless it stands there already."""
        line = delivery.line
        assert line is not None, "send() asks first"
        channel, _, ts = reference.partition("/")
        mark = {"incident": delivery.incident, "target": delivery.target, "line": line.id}
        if delivery.uncertain:
            params = {"channel": channel, "ts": ts}
            if await self._look("conversations.replies", params, LINE_TYPE, mark) is not None:
                return reference
        called = message_of(delivery.notification, self._config, mention=True) if line.rings else None
        body = {
            "channel": channel,
            "thread_ts": ts,
            "text": thread_text(line) if called is None else ring_text(called),
            "mrkdwn": line.rings,
            "parse": "none",
            "link_names": False,
            "unfurl_links": False,
            "unfurl_media": False,
            "client_msg_id": str(uuid.uuid5(_IDS, f"{delivery.target}|{delivery.incident}|{ts}|{line.id}")),
            "metadata": {"event_type": LINE_TYPE, "event_payload": mark},
            **({"reply_broadcast": True} if line.loud else {}),
        }
        await self._client.call("chat.postMessage", body, posts=True, edits=True)
        return reference

    async def _find(self, delivery: Delivery) -> str | None:
        """The message that an uncertain post left in the channel, if it did and if we may look."""
        try:
            channel = await self._resolve()
        except DeliveryError as error:
            if error.retryable:
                raise
            self._say_blind(error.detail)
            return None
        if channel is None:
            return None
        params = {"channel": channel, "oldest": f"{max(0.0, delivery.since - HISTORY_MARGIN_SECONDS):.6f}"}
        mark = {"incident": delivery.incident, "target": delivery.target, "generation": delivery.generation}
        ts = await self._look("conversations.history", params, EVENT_TYPE, mark)
        return None if ts is None else f"{channel}/{ts}"

    async def _look(self, method: str, where: dict[str, Any], kind: str, mark: dict[str, Any]) -> str | None:
        """The `ts` of the message of ours that carries `mark`, page by page; None also where we may not look."""
        params: dict[str, Any] = {**where, "include_all_metadata": 1, "limit": 100}
        try:
            for _ in range(HISTORY_PAGES):
                answer = await self._client.call(method, params, reads=True)
                for message in answer.get("messages") or ():
                    if _bears(message, kind, mark):
                        return str(message["ts"])
                params["cursor"] = (answer.get("response_metadata") or {}).get("next_cursor")
                if not params["cursor"]:
                    return None
                self._owe(method)
        except DeliveryError as error:
            if error.detail in ("thread_not_found", "message_not_found"):
                raise DeliveryError(FailureReason.CLIENT_ERROR, error.detail, retryable=True, gone=True) from None
            if error.retryable:
                raise
            self._say_blind(error.detail)
        return None

    async def _resolve(self) -> str | None:
        """The channel's id: edits and history do not take a name."""
        if self._channel_id is not None:
            return self._channel_id
        params: dict[str, Any] = {"exclude_archived": 1, "types": "public_channel,private_channel", "limit": 200}
        for _ in range(CHANNEL_PAGES):
            answer = await self._client.call("conversations.list", params, reads=True)
            for channel in answer.get("channels") or ():
                if channel.get("name") == self._channel.removeprefix("#"):
                    self._channel_id = str(channel["id"])
                    return self._channel_id
            params["cursor"] = (answer.get("response_metadata") or {}).get("next_cursor")
            if not params["cursor"]:
                break
            self._owe("conversations.list")
        self._say_blind("no channel of this name is visible")
        return None

    def _owe(self, method: str) -> None:
        """A call beyond those of this turn is made up for by later ones."""
        self._client.pace.owe(method, self._channel, self._turn)

    def _say_blind(self, why: str) -> None:
        log.warning("cannot look for an uncertain post in %s (%s): posting at least once", self._channel, why)


def _bears(message: dict[str, Any], kind: str, mark: dict[str, Any]) -> bool:
    metadata = message.get("metadata") or {}
    found = metadata.get("event_payload") or {}
    return metadata.get("event_type") == kind and all(found.get(name) == value for name, value in mark.items())
