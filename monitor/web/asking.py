"""What a request that acts brings with it: who asks, as it is recorded, and a JSON body within its limit.

Only the token of a caller is proved; what they say of themselves stands behind it. Without tokens nobody is proved: the
monitor then answers to this machine alone.
"""

from __future__ import annotations

from aiohttp import web

from monitor.web.guard import CALLER

SAID_CHARACTERS = 200
"""Of what a caller says of themselves. Beyond, it is cut."""

BODY_BYTES = 8 * 1024 * 1024
"""A body that acts. More: 413."""

_CHUNK = 64 * 1024


class BadBody(Exception):
    """A body that is not looked at; the message says why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def author(request: web.Request, said: str = "") -> str:
    """`token:ops alice`, `token:ops`, `alice`, or `local` where nobody says anything."""
    token = request[CALLER].name
    name = " ".join("".join(sign if sign.isprintable() else " " for sign in said[:SAID_CHARACTERS]).split())
    if not token:
        return name or "local"
    return f"token:{token} {name}".rstrip()


async def json_body(request: web.Request) -> bytes:
    """The body as it came. Raises `BadBody`.

    It must say that it is JSON: the page of another site cannot say so without being allowed to first.
    """
    if request.content_type != "application/json":
        raise BadBody(415, f'unsupported media type "{request.content_type}", only [application/json] are allowed')
    if (request.content_length or 0) > BODY_BYTES:
        raise BadBody(413, f"more than {BODY_BYTES} bytes")
    body = bytearray()
    async for chunk in request.content.iter_chunked(_CHUNK):
        body += chunk
        if len(body) > BODY_BYTES:
            raise BadBody(413, f"more than {BODY_BYTES} bytes")
    return bytes(body)
