"""HTTP front of webhooks: `/v1/webhooks/github`. The signature is the only key that opens it.

Reads a body within its limit, checks the signature over the raw bytes before anything in it is looked at, hands events
to the sink and answers when they are durable. Whoever sent it sees the answer in GitHub's list of deliveries, so it
says what to do.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable

import msgspec
from aiohttp import web
from aiohttp.client_exceptions import ClientPayloadError
from aiohttp.http_exceptions import HttpProcessingError

from monitor.intake.sink import Batch, Sink, Unavailable
from monitor.intake.webhooks import github
from monitor.intake.webhooks.github import Outcome
from schemas.config import Deployment
from schemas.event import encode

PATH = "/v1/webhooks/github"
BODY_BYTES = 1_048_576
"""A delivery that is longer is refused; those of deployments have some ten thousand bytes."""

STATUS: dict[Outcome, int] = {"taken": 200, "ignored": 200, "unmapped": 422, "unreadable": 400}

Settings = Callable[[], tuple[str, tuple[Deployment, ...]] | None]
"""The secret and the mapping that hold now; None where there are none."""


def routes(sink: Sink, settings: Settings, clock: Callable[[], float]) -> list[web.RouteDef]:
    """The routes. `clock` gives the receipt in epoch seconds."""

    async def deliver(request: web.Request) -> web.Response:
        found = settings()
        if found is None:
            return await _answer(sink, 404, "this monitor takes no webhooks of GitHub: set changes.github.secret")
        secret, deployments = found
        try:
            body = await _body(request)
        except (web.RequestPayloadError, HttpProcessingError, ClientPayloadError):
            return await _answer(sink, 400, "the body could not be read")
        if body is None:
            return await _answer(sink, 413, f"more than {BODY_BYTES} bytes")
        if not github.is_signed(secret, body, request.headers.get(github.SIGNATURE)):
            return await _answer(sink, 401, f"{github.SIGNATURE} does not fit: is changes.github.secret the webhook's?")
        read = github.read(request.headers.get(github.KIND, ""), body, deployments, clock())
        if read.events:
            try:
                raws = [encode(event) for event in read.events]
                await sink.accept(Batch(list(read.events), (), (), {}, raws))
            except Unavailable as error:
                wait = str(max(1, math.ceil(error.retry_after)))
                return web.json_response({"error": "try again"}, status=503, headers={"Retry-After": wait})
        return await _answer(sink, STATUS[read.outcome], read.message)

    return [web.post(PATH, deliver)]


async def _body(request: web.Request) -> bytes | None:
    """The raw body; None where it is longer than its limit."""
    if (request.content_length or 0) > BODY_BYTES:
        return None
    found = bytearray()
    async for chunk in request.content.iter_chunked(64 * 1024):
        found += chunk
        if len(found) > BODY_BYTES:
            return None
    return bytes(found)


async def _answer(sink: Sink, status: int, message: str) -> web.Response:
    if status >= 400:
        with contextlib.suppress(Unavailable):
            await sink.accept(Batch(counts={f"bodies_refused:{status}": 1}))
    word = "error" if status >= 400 else "message"
    response = web.Response(status=status, body=msgspec.json.encode({word: message}), content_type="application/json")
    if status in (400, 413):
        response.force_close()  # the rest of the body may still be on its way
    return response
