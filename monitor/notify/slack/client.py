"""The line to one Slack workspace: calls, uploads, Socket Mode, signatures. The only importer of slack_sdk.

It knows no message. The client's own retry handlers are off: they would post again blindly. Invariant: no token, no
address and no answer body appears in an error, a log or a repr; of an answer only error code and status are read.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.signature import Clock, SignatureVerifier
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

from monitor.notify.delivery import DeliveryError, FailureReason, reason_of_status, seconds_of
from monitor.notify.redact import redact
from monitor.notify.slack.pace import Pace

log = logging.getLogger(__name__)

# The clients would log whole answers at DEBUG and addresses with tickets in errors; we say ourselves what went wrong.
_quiet = logging.getLogger(f"{__name__}.quiet")
_quiet.setLevel(logging.CRITICAL + 1)

SLACK_URL = "https://slack.com/api/"
TIMEOUT_SECONDS = 10
VALIDATED = 20
"""Problems of one message that are told. Beyond, they are left out."""

CONNECT_SECONDS = 30.0
"""For so long a connection of Socket Mode is tried; then it is said, and Slack is asked for another address."""

LINK_FIRST_SECONDS = 1.0
LINK_LONGEST_SECONDS = 300.0
"""Wait before Socket Mode is opened again where Slack refuses it; doubles from the first to the longest."""

_ERROR_CODE = re.compile(r"[a-z0-9_]{1,60}")
_AUTH = frozenset(("invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "missing_scope"))
_SERVER = frozenset(("internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"))
_RATE = frozenset(("ratelimited", "rate_limited"))
_GONE = frozenset(("message_not_found", "cant_update_message", "edit_window_closed", "thread_not_found"))

Answer = Mapping[str, Any]
Listener = Callable[[str, dict[str, Any]], Awaitable[None]]
"""Takes kind and payload of an envelope; it is acknowledged when this returns."""


class SlackClient:
    """Calls the Web API with one token. Notifiers of one workspace share it, so that they share its pace."""

    def __init__(self, token: str, *, base_url: str = SLACK_URL, timeout_seconds: int = TIMEOUT_SECONDS) -> None:
        self._web = AsyncWebClient(
            token=token, base_url=base_url, timeout=timeout_seconds, retry_handlers=[], logger=_quiet
        )
        self._timeout = timeout_seconds
        self.pace = Pace()

    def __repr__(self) -> str:
        return "SlackClient()"

    async def call(
        self, method: str, arguments: dict[str, Any], *, posts: bool = False, edits: bool = False, reads: bool = False
    ) -> Answer:
        """One request. Only a post whose answer is lost is uncertain. Raises `DeliveryError`."""
        try:
            if reads:
                answer = await self._web.api_call(method, http_verb="GET", params=arguments)
            else:
                answer = await self._web.api_call(method, json=arguments)
            return dict(answer.data) if isinstance(answer.data, dict) else {}
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

    async def validate(self, blocks: list[dict[str, Any]]) -> list[str]:
        """What Slack's own `blocks.validate` finds, a line each; empty where it would take them."""
        try:
            await self._web.api_call("blocks.validate", params={"blocks": json.dumps(blocks)})
        except SlackApiError as error:
            data = getattr(error.response, "data", None)
            errors = data.get("errors") if isinstance(data, dict) else None
            if not isinstance(errors, list) or not errors:
                raise _explained(error, False, False) from None
            return [
                redact(f"{each.get('pointer')}: {each.get('message')}") for each in errors if isinstance(each, dict)
            ][:VALIDATED]
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise _lost(FailureReason.OTHER, f"no answer: {type(error).__name__}", False) from None
        return []

    async def upload(self, name: str, content: bytes, alt_text: str) -> str:
        """Put a file into the workspace, in no channel; its id. Needs `files:write`. Raises `DeliveryError`."""
        place = await self.call(
            "files.getUploadURLExternal", {"filename": name, "length": len(content), "alt_txt": alt_text}, reads=True
        )
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=self._timeout)) as session,
                session.post(str(place.get("upload_url")), data=content) as response,
            ):
                status = response.status
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            raise _lost(FailureReason.OTHER, f"upload: {type(error).__name__}", False) from None
        if status != 200:
            reason, retryable = reason_of_status(status)
            raise DeliveryError(reason, f"upload: status {status}", retryable=retryable)
        await self.call("files.completeUploadExternal", {"files": [{"id": place.get("file_id"), "title": name}]})
        return str(place.get("file_id"))


class SocketLink:
    """Socket Mode: what people do in Slack comes over a connection that we opened. `app_token` begins with `xapp-`."""

    def __init__(self, app_token: str, *, base_url: str = SLACK_URL, timeout_seconds: int = TIMEOUT_SECONDS) -> None:
        self._token = app_token
        self._opening = SlackClient(app_token, base_url=base_url, timeout_seconds=timeout_seconds)
        self._base_url = base_url
        self._timeout = timeout_seconds

    def __repr__(self) -> str:
        return "SocketLink()"

    async def run(self, listener: Listener) -> None:
        """Listen until cancelled. Raises `TimeoutError` where no connection comes about.

        An envelope that cannot be understood is acknowledged too: again it is no better.
        """
        client = SocketModeClient(
            app_token=self._token,
            logger=_quiet,
            web_client=AsyncWebClient(
                token=self._token, base_url=self._base_url, timeout=self._timeout, retry_handlers=[], logger=_quiet
            ),
        )

        async def take(_: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
            try:
                payload = request.payload if isinstance(request.payload, dict) else {}
                await listener(request.type, payload)
            except Exception as error:  # one bad envelope must not end the link
                log.error("Socket Mode: an envelope was not understood: %s", type(error).__name__)
            await client.send_socket_mode_response(SocketModeResponse(request.envelope_id))

        client.socket_mode_request_listeners.append(take)
        try:
            client.wss_uri = await self._address()
            async with asyncio.timeout(CONNECT_SECONDS):  # by itself it would try for ever, without a word
                await client.connect()  # type: ignore[no-untyped-call]
            log.info("Socket Mode: connected; buttons act")
            await asyncio.Event().wait()
        finally:
            await client.close()  # type: ignore[no-untyped-call]

    async def _address(self) -> str:
        """Where to connect. Slack is asked again and again, ever more slowly, and what is wrong is said each time."""
        wait = LINK_FIRST_SECONDS
        while True:
            try:
                return str((await self._opening.call("apps.connections.open", {})).get("url"))
            except DeliveryError as error:
                log.warning("Socket Mode: Slack does not open a connection: %s; again in %.0f s", error, wait)
                await asyncio.sleep(max(wait, error.retry_after or 0.0))
                wait = min(2.0 * wait, LINK_LONGEST_SECONDS)


class Signatures:
    """Whether a request came from Slack: HMAC of its raw body, at most five minutes old by `clock`, epoch seconds."""

    def __init__(self, signing_secret: str, clock: Callable[[], float] = time.time) -> None:
        self._verifier = SignatureVerifier(signing_secret, _Watch(clock))

    def __repr__(self) -> str:
        return "Signatures()"

    def valid(self, body: bytes, timestamp: str | None, signature: str | None) -> bool:
        """False for anything that is missing, malformed, late or signed otherwise."""
        if timestamp is None or not re.fullmatch(r"[0-9]{1,12}", timestamp) or not (signature or "").isascii():
            return False
        try:
            return self._verifier.is_valid(body, timestamp, signature)
        except UnicodeDecodeError:
            return False  # the verifier reads the body as text; Slack sends ASCII


class _Watch(Clock):
    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock

    def now(self) -> float:
        return self._clock()


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
