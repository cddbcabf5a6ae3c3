"""Slack: one message per incident, edited in place. The only importer of slack_sdk.

A bot token and `chat:write` are enough to post and edit. An edit is safe to repeat; a post is not, so an uncertain one
is first looked for in the channel's history by the metadata that every post carries (`channels:history`, for private
channels `groups:history`; `channels:read`, `groups:read` to find a channel's id by name). Without these scopes an
uncertain post is repeated: at least once, and the log says so. The client's own retry handlers are off: they would post
again blindly. Invariant: token and answer body appear in no error, log or repr.
"""

from __future__ import annotations

import logging
import re
import uuid
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from monitor.notify.delivery import Delivery, DeliveryError, FailureReason, reason_of_status, seconds_of
from monitor.notify.message import compose
from monitor.notify.slack_blocks import render
from schemas.config import Config

log = logging.getLogger(__name__)

# The client would log whole answers at DEBUG, and an answer of something in between may repeat our token.
_quiet = logging.getLogger(f"{__name__}.client")
_quiet.setLevel(logging.WARNING)

EVENT_TYPE = "forewarn_incident"
TIMEOUT_SECONDS = 10

HISTORY_PAGES = 10
"""Pages of 100 messages that are looked through for an uncertain post. Beyond, it counts as not there."""

CHANNEL_PAGES = 50
"""Pages of 200 channels that are looked through for a name."""

HISTORY_MARGIN_SECONDS = 600.0
"""How far before the incident the look begins: our clock and Slack's may differ."""

_IDS = uuid.UUID("5a5b7a53-3c43-5d0e-9a57-6c5c3f0f4a11")
_CHANNEL_ID = re.compile(r"[CGD][A-Z0-9]{6,}")
_ERROR_CODE = re.compile(r"[a-z0-9_]{1,60}")

_AUTH = frozenset(("invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "missing_scope"))
_SERVER = frozenset(("internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"))
_RATE = frozenset(("ratelimited", "rate_limited"))
_GONE = frozenset(("message_not_found", "cant_update_message", "edit_window_closed"))


class SlackNotifier:
    """Posts to and edits in one channel (`#name` or id)."""

    def __init__(
        self,
        token: str,
        channel: str,
        config: Config,
        *,
        base_url: str = "https://slack.com/api/",
        timeout_seconds: int = TIMEOUT_SECONDS,
    ) -> None:
        self._client = AsyncWebClient(
            token=token, base_url=base_url, timeout=timeout_seconds, retry_handlers=[], logger=_quiet
        )
        self._channel = channel
        self._channel_id = channel if _CHANNEL_ID.fullmatch(channel) else None
        self._config = config

    def __repr__(self) -> str:
        return f"SlackNotifier({self._channel!r})"

    async def send(self, delivery: Delivery) -> str:
        """Post the message, or edit the one that is there; the reference is `channel id/ts`."""
        reference = delivery.reference
        if reference is None and delivery.uncertain:
            reference = await self._find(delivery)
        if reference is None:
            return await self._post(delivery)
        channel, _, ts = reference.partition("/")
        await self._call("chat.update", {"channel": channel, "ts": ts, **self._body(delivery)}, edits=True)
        return reference

    async def _post(self, delivery: Delivery) -> str:
        name = f"{delivery.target}|{delivery.incident}|{delivery.generation}"
        body = self._body(delivery) | {
            "channel": self._channel,
            "client_msg_id": str(uuid.uuid5(_IDS, name)),
            "unfurl_links": False,
            "unfurl_media": False,
        }
        answer = await self._call("chat.postMessage", body, posts=True)
        self._channel_id = str(answer.get("channel"))
        return f"{self._channel_id}/{answer.get('ts')}"

    def _body(self, delivery: Delivery) -> dict[str, Any]:
        blocks, text = render(compose(delivery.notification, self._config, mention=delivery.mention))
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

    async def _find(self, delivery: Delivery) -> str | None:
        """The message that an uncertain post left in the channel, if it did and if we may look."""
        try:
            channel = await self._resolve()
            if channel is None:
                return None
            params: dict[str, Any] = {
                "channel": channel,
                "include_all_metadata": 1,
                "limit": 100,
                "oldest": f"{max(0.0, delivery.since - HISTORY_MARGIN_SECONDS):.6f}",
            }
            for _ in range(HISTORY_PAGES):
                answer = await self._call("conversations.history", params, reads=True)
                for message in answer.get("messages") or ():
                    if _is_ours(message, delivery):
                        return f"{channel}/{message['ts']}"
                params["cursor"] = (answer.get("response_metadata") or {}).get("next_cursor")
                if not params["cursor"]:
                    return None
        except DeliveryError as error:
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
            answer = await self._call("conversations.list", params, reads=True)
            for channel in answer.get("channels") or ():
                if channel.get("name") == self._channel.removeprefix("#"):
                    self._channel_id = str(channel["id"])
                    return self._channel_id
            params["cursor"] = (answer.get("response_metadata") or {}).get("next_cursor")
            if not params["cursor"]:
                break
        self._say_blind("no channel of this name is visible")
        return None

    def _say_blind(self, why: str) -> None:
        log.warning("cannot look for an uncertain post in %s (%s): posting at least once", self._channel, why)

    async def _call(
        self, method: str, arguments: dict[str, Any], *, posts: bool = False, edits: bool = False, reads: bool = False
    ) -> AsyncSlackResponse:
        """One request. Only a post whose answer is lost is uncertain. Raises `DeliveryError`."""
        try:
            if reads:
                return await self._client.api_call(method, http_verb="GET", params=arguments)
            return await self._client.api_call(method, json=arguments)
        except SlackApiError as error:
            raise _explained(error, posts, edits) from None
        except TimeoutError:
            raise _lost(FailureReason.DEADLINE, "no answer in time", posts) from None
        except aiohttp.ClientConnectorError:
            raise DeliveryError(FailureReason.OTHER, "cannot connect to Slack", retryable=True) from None
        except (aiohttp.ClientError, OSError) as error:
            raise _lost(FailureReason.OTHER, f"connection lost: {type(error).__name__}", posts) from None
        except (AttributeError, ValueError, TypeError):
            # The client stumbles over answers that are no JSON objects (a proxy's page, for example).
            raise _lost(FailureReason.SERVER_ERROR, "the answer was not Slack's", posts) from None


def _is_ours(message: dict[str, Any], delivery: Delivery) -> bool:
    metadata = message.get("metadata") or {}
    found = metadata.get("event_payload") or {}
    return metadata.get("event_type") == EVENT_TYPE and (
        found.get("incident"),
        found.get("target"),
        found.get("generation"),
    ) == (delivery.incident, delivery.target, delivery.generation)


def _explained(error: SlackApiError, posts: bool, edits: bool) -> DeliveryError:
    """Slack's answer in our words. Of the answer only the error code and the status are read."""
    response = error.response
    status = int(getattr(response, "status_code", None) or getattr(response, "status", None) or 0)
    headers = getattr(response, "headers", None) or {}
    retry_after = seconds_of(headers.get("Retry-After"))
    data = getattr(response, "data", None)
    code = data.get("error", "") if isinstance(data, dict) else ""
    code = code if isinstance(code, str) and _ERROR_CODE.fullmatch(code) else ""
    detail = code or f"status {status}"
    if code in _RATE or status == 429:
        return DeliveryError(FailureReason.RATE_LIMITED, detail, retryable=True, retry_after=retry_after)
    if code in _SERVER or status >= 500 or not code:
        return _lost(FailureReason.SERVER_ERROR, detail, posts, retry_after)
    if code in _AUTH or status in (401, 403):
        return DeliveryError(FailureReason.AUTH_ERROR, detail, retryable=False)
    if edits and code in _GONE:
        return DeliveryError(FailureReason.CLIENT_ERROR, detail, retryable=True, gone=True)
    reason, _ = reason_of_status(400 if status == 200 else status)
    return DeliveryError(reason, detail, retryable=False)


def _lost(reason: FailureReason, detail: str, posts: bool, retry_after: float | None = None) -> DeliveryError:
    return DeliveryError(reason, detail, retryable=True, retry_after=retry_after, uncertain=posts)
