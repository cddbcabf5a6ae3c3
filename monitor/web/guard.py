"""Who may ask, and for what: token, role, Host and Origin. Not what they get.

The decision is a pure function with a named reason; the middleware only turns the reason into a response and counts it.
Invariant: nothing but the health probes is answered before `Guard.judge` let it pass; a handler finds the `Caller` in
`request[CALLER]`.

On loopback a page of a foreign site could reach us through the user's browser, by DNS rebinding or by a cross-site
POST. Rebinding shows in `Host`, a cross-site request in `Origin`. Agents send neither a foreign `Origin` nor, for the
page and the API, a foreign `Host`; what emits is taken by any `Host`, since containers know us by other names.
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

from schemas.config import Role

PROBES = frozenset(("/livez", "/readyz", "/healthz", "/-/healthy", "/-/ready"))
"""Answered to everybody: a kubelet has no token."""

LOCAL_HOSTS = frozenset(("localhost", "host.docker.internal", "host.containers.internal"))
"""Names that no public DNS server can point at us."""

ROLES: tuple[Role, ...] = ("emit", "read", "act")

POSTED_ALERTS = ("POST", "/api/v2/alerts")
"""Sends, as an intake does, and shares its path with what reads."""


class Refusal(enum.StrEnum):
    """Why a request was not answered."""

    NO_TOKEN = "no_token"
    WRONG_TOKEN = "wrong_token"
    MISSING_ROLE = "missing_role"
    FOREIGN_HOST = "foreign_host"
    FOREIGN_ORIGIN = "foreign_origin"


_SENTENCES = {
    Refusal.NO_TOKEN: "This monitor wants a token: send `Authorization: Bearer <token>`.",
    Refusal.WRONG_TOKEN: "The token is not one that this monitor was started with.",
    Refusal.MISSING_ROLE: "The token is known and has not the role `{role}`, which this needs; see `runtime.tokens`.",
    Refusal.FOREIGN_HOST: "This monitor answers to localhost only; the Host header names something else.",
    Refusal.FOREIGN_ORIGIN: "This monitor takes no requests from pages of other sites.",
}


@dataclass(frozen=True)
class Caller:
    """Who asked. `name` of the token, or "" where none is wanted; `roles`: what it opens."""

    name: str = ""
    roles: frozenset[Role] = frozenset(ROLES)


CALLER: web.RequestKey[Caller] = web.RequestKey("caller", Caller)


@dataclass(frozen=True, repr=False)
class Key:
    """A secret, by whose name it is recorded who did what, and what it opens."""

    secret: str
    caller: Caller


@dataclass(frozen=True)
class Guard:
    """The rules. A key is wanted where there are any; `hosts` are further names that loopback answers to."""

    host_is_loopback: bool
    keys: tuple[Key, ...] = ()
    open_paths: frozenset[str] = frozenset()
    signed_paths: frozenset[str] = frozenset()
    """What others sign: their handlers check the signature, which no page and no foreign host can make."""
    hosts: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if not self.host_is_loopback and not self.keys:
            raise ValueError("a monitor that listens beyond this machine needs a token")
        if not all(key.secret for key in self.keys):
            raise ValueError("an empty token opens nothing")

    def __repr__(self) -> str:
        return f"Guard(host_is_loopback={self.host_is_loopback}, tokens={[key.caller.name for key in self.keys]})"

    def judge(
        self, method: str, path: str, *, host: str, origin: str | None, authorization: str | None
    ) -> Refusal | Caller:
        """The reason to refuse, or who asked. `path` as registered, `host` with its port, as sent."""
        if path in PROBES and method in ("GET", "HEAD"):
            return Caller(roles=frozenset())
        if path in self.signed_paths and method == "POST":
            return Caller(roles=frozenset())
        if origin is not None and not self._is_own_origin(origin, host):
            return Refusal.FOREIGN_ORIGIN
        role = self.role_for(method, path)
        if self.host_is_loopback and role != "emit" and not self._is_local(host):
            return Refusal.FOREIGN_HOST
        if not self.keys:
            return Caller()
        given = _credential(authorization)
        if given is None:
            return Refusal.NO_TOKEN
        # Each secret is compared, so that the time says nothing about which one came near.
        found = [key for key in self.keys if hmac.compare_digest(given, key.secret.encode())]
        if not found:
            return Refusal.WRONG_TOKEN
        return found[0].caller if role in found[0].caller.roles else Refusal.MISSING_ROLE

    def role_for(self, method: str, path: str) -> Role:
        """What a request needs: intake and posted alerts emit; what only looks reads; all else acts."""
        if path in self.open_paths or (method, path) == POSTED_ALERTS:
            return "emit"
        return "read" if method in ("GET", "HEAD", "OPTIONS") else "act"

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
        verdict = guard.judge(
            request.method,
            request.path,
            host=request.headers.get("Host", ""),
            origin=request.headers.get("Origin"),
            authorization=request.headers.get("Authorization"),
        )
        if isinstance(verdict, Caller):
            request[CALLER] = verdict
            return await handler(request)
        counts[f"requests_refused:{verdict}"] += 1
        return _refused(request.path, verdict, guard.role_for(request.method, request.path))

    return check


def _refused(path: str, refusal: Refusal, role: Role) -> web.Response:
    sentence = _SENTENCES[refusal].format(role=role)
    if refusal not in (Refusal.NO_TOKEN, Refusal.WRONG_TOKEN):
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
