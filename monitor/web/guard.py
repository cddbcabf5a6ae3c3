"""Who may ask: token, Host and Origin. Not what they get.

The decision is a pure function with a named reason; the middleware only turns the reason into a response and counts it.
Invariant: nothing but the health probes is answered before `Guard.refuse` said yes.

On loopback a page of a foreign site could reach us through the user's browser, by DNS rebinding or by a cross-site
POST. Rebinding shows in `Host`, a cross-site request in `Origin`. Agents send neither a foreign `Origin` nor, for the
page and the API, a foreign `Host`; the intake takes any `Host`, since agents in containers know us by other names.
"""

from __future__ import annotations

import base64
import binascii
import enum
import hmac
import ipaddress
from collections import Counter
from dataclasses import dataclass
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

PROBES = frozenset(("/livez", "/readyz", "/healthz"))
"""Answered to everybody: a kubelet has no token."""

LOCAL_HOSTS = frozenset(("localhost", "host.docker.internal", "host.containers.internal"))
"""Names that no public DNS server can point at us."""


class Refusal(enum.StrEnum):
    """Why a request was not answered."""

    NO_TOKEN = "no_token"
    WRONG_TOKEN = "wrong_token"
    FOREIGN_HOST = "foreign_host"
    FOREIGN_ORIGIN = "foreign_origin"


_SENTENCES = {
    Refusal.NO_TOKEN: "This monitor wants a token: send `Authorization: Bearer <token>`.",
    Refusal.WRONG_TOKEN: "The token is not the one that this monitor was started with.",
    Refusal.FOREIGN_HOST: "This monitor answers to localhost only; the Host header names something else.",
    Refusal.FOREIGN_ORIGIN: "This monitor takes no requests from pages of other sites.",
}


@dataclass(frozen=True)
class Guard:
    """The rules. `token` is wanted wherever it is set; `hosts` are further names that loopback answers to."""

    host_is_loopback: bool
    token: str | None
    open_paths: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if not self.host_is_loopback and not self.token:
            raise ValueError("a monitor that listens beyond this machine needs a token")

    def __repr__(self) -> str:
        return f"Guard(host_is_loopback={self.host_is_loopback}, token={'set' if self.token else 'none'})"

    def refuse(self, path: str, *, host: str, origin: str | None, authorization: str | None) -> Refusal | None:
        """The reason to refuse, or None. `path` as registered, `host` with its port, as sent."""
        if path in PROBES:
            return None
        if origin is not None and not self._is_own_origin(origin, host):
            return Refusal.FOREIGN_ORIGIN
        if self.host_is_loopback and path not in self.open_paths and not self._is_local(host):
            return Refusal.FOREIGN_HOST
        if self.token is None:
            return None
        given = _credential(authorization)
        if given is None:
            return Refusal.NO_TOKEN
        return None if hmac.compare_digest(given, self.token.encode()) else Refusal.WRONG_TOKEN

    def _is_own_origin(self, origin: str, host: str) -> bool:
        try:
            netloc = urlsplit(origin).netloc
        except ValueError:
            return False
        if netloc.lower() != host.lower():
            return False
        return not self.host_is_loopback or self._is_local(netloc)

    def _is_local(self, host: str) -> bool:
        try:
            name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
        except ValueError:
            return False
        if name in LOCAL_HOSTS or name in self.hosts or name.endswith(".localhost"):
            return True
        try:
            return ipaddress.ip_address(name).is_loopback
        except ValueError:
            return False


def guard_middleware(guard: Guard, counts: Counter[str]) -> Middleware:
    """Asks `guard` before anything else; a refusal is counted under `requests_refused:<reason>`."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        refusal = guard.refuse(
            request.path,
            host=request.headers.get("Host", ""),
            origin=request.headers.get("Origin"),
            authorization=request.headers.get("Authorization"),
        )
        if refusal is None:
            return await handler(request)
        counts[f"requests_refused:{refusal}"] += 1
        return _refused(request.path, refusal)

    return check


def _refused(path: str, refusal: Refusal) -> web.Response:
    sentence = _SENTENCES[refusal]
    if refusal in (Refusal.FOREIGN_HOST, Refusal.FOREIGN_ORIGIN):
        return web.json_response({"error": sentence, "reason": refusal}, status=403)
    challenge = 'Bearer realm="forewarn"'
    if path == "/":  # a browser cannot send Bearer by itself; it asks for a password, which is the token
        challenge = 'Basic realm="forewarn: any name, the token as password", charset="UTF-8"'
    return web.json_response(
        {"error": sentence, "reason": refusal}, status=401, headers={"WWW-Authenticate": challenge}
    )


def _credential(authorization: str | None) -> bytes | None:
    """The token of `Bearer <token>`, or the password of `Basic`; None if there is neither."""
    scheme, _, value = (authorization or "").partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return value.strip().encode("utf-8", "surrogateescape")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value.strip(), validate=True).partition(b":")[2]
        except (binascii.Error, ValueError):
            return None
    return None
