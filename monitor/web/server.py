"""Builds the one HTTP application: intake routes, API, page, metrics, probes. Read this module first.

Not a server: `monitor.app` binds it to an address. Not the intake: its routes come in from outside. What changes the
state of the monitor goes through `monitor.web.view:Control`.

Order of a request: `errors` → `guard` → handler; every response, errors and streams too, leaves with `HEADERS`.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from importlib import resources

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler

from monitor.web import acting, api, gates
from monitor.web.guard import Guard, Key, guard_middleware
from monitor.web.live import Live
from monitor.web.metrics import Exposition
from monitor.web.page.agents import AGENTS_SHOWN, in_order
from monitor.web.page.document import Address, Snapshot, document
from monitor.web.v2 import routes as alertmanager
from monitor.web.view import Control, View, detailed
from schemas import limits

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Server": "forewarn",
}
"""On every response. No inline script or style, no other host."""

ASSETS = {"page.css": "text/css", "page.js": "text/javascript", "favicon.svg": "image/svg+xml"}
"""The files of `monitor/web/page/static`, all of them ours. The page names them with their digest."""

log = logging.getLogger(__name__)


class _BrokenRequests(logging.Filter):
    """One line a minute, in place of a traceback each, of clients that do not speak HTTP/1.1."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self._clock = clock
        self._said = float("-inf")

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info is None or not isinstance(record.exc_info[1], HttpProcessingError):
            return True
        if self._clock() - self._said < 60.0:
            return False
        self._said = self._clock()
        record.exc_info = None
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        record.msg = (
            "a request from %s is no HTTP/1.1 and was refused (told once a minute); an exporter that speaks gRPC needs "
            "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"
        )
        return True


def quiet_log(clock: Callable[[], float]) -> logging.Logger:
    """What the HTTP server logs to. `clock`: epoch seconds."""
    found = log.getChild("http")
    found.filters.clear()
    found.addFilter(_BrokenRequests(clock))
    return found


def build_app(
    view: View,
    control: Control,
    intake_routes: Iterable[web.RouteDef],
    *,
    host_is_loopback: bool,
    keys: Sequence[Key] = (),
    hosts: Collection[str] = (),
    signed_routes: Iterable[web.RouteDef] = (),
    counts: Counter[str] | None = None,
    clock: Callable[[], float] = time.time,
) -> web.Application:
    """The application.

    `host_is_loopback`: whether the address that it will be bound to is reached from this machine only. If not, `keys`
    are needed (`ValueError`). Where there are any, every request but the probes must carry one with the right role.
    `hosts`: names beside localhost under which the page may be asked for on loopback (a proxy in front).
    `signed_routes`: they check a signature of their own and need no key (Slack's buttons).
    `counts`: what is counted beside the view and shown with its metrics.
    `clock`: epoch seconds, for "how long ago" on the page and `time` in the API.
    """
    intake, signed = list(intake_routes), list(signed_routes)
    counts = Counter() if counts is None else counts
    guard = Guard(
        host_is_loopback=host_is_loopback,
        keys=tuple(keys),
        open_paths=frozenset(route.path for route in intake),
        signed_paths=frozenset(route.path for route in signed),
        hosts=frozenset(host.lower() for host in hosts),
    )
    files = {name: _asset(name) for name in ASSETS}
    digest = hashlib.sha256(b"\0".join(files.values())).hexdigest()[:12]

    def snapshot() -> Snapshot:
        agents = in_order(view.agents())
        agents[:AGENTS_SHOWN] = [detailed(view, agent) for agent in agents[:AGENTS_SHOWN]]
        return Snapshot(
            time=clock(),
            version=view.version,
            agents=agents,
            incidents=api.in_order(view.incidents()),
            budgets=view.budgets(),
            health=view.health(),
            counts=view.counts(),
            silences=view.router.silences() if view.router is not None else (),
            rollouts=view.router.rollouts() if view.router is not None else (),
        )

    live = Live(snapshot, counts, digest)
    exposition = Exposition(view, counts, lambda: {"live_clients": live.clients})

    async def page(request: web.Request) -> web.Response:
        base_url = f"{request.scheme}://{request.host}"
        text = document(snapshot(), Address(base_url, token_needed=bool(keys), assets=digest))
        return web.Response(text=text, content_type="text/html")

    async def metrics(request: web.Request) -> web.Response:
        body, content_type = exposition.render(request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def asset(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in files:
            raise web.HTTPNotFound
        fresh = request.query.get("v") == digest
        cache = "private, max-age=31536000, immutable" if fresh else "no-cache"
        return web.Response(
            body=files[name], content_type=ASSETS[name], charset="utf-8", headers={"Cache-Control": cache}
        )

    async def close(_: web.Application) -> None:
        live.close()

    app = web.Application(
        middlewares=[_errors, guard_middleware(guard, counts)],
        client_max_size=limits.BODY_BYTES,
    )
    app.add_routes([*intake, *signed])
    app.add_routes(api.routes(view, counts, clock))
    app.add_routes(gates.routes(view, control.config, clock))
    app.add_routes(acting.routes(view, control, counts, clock))
    app.add_routes(alertmanager.routes(view, control, clock))
    app.add_routes([web.get("/api/v1/live", live.handle, allow_head=False), web.get("/metrics", metrics)])
    app.add_routes([web.get("/", page), web.get("/static/{name}", asset)])
    app.on_response_prepare.append(_add_headers)
    app.on_shutdown.append(close)
    return app


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Errors of ours as JSON; the intake writes its own, in the words of its protocols."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400 or (error.body and error.content_type != "text/plain"):
            raise
        headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
        return web.json_response({"error": error.text or error.reason}, status=error.status, headers=headers)
    except Exception:
        log.exception("no answer to %s %s", request.method, request.rel_url.path)
        return web.json_response({"error": "the monitor failed to answer; its log says why"}, status=500)


async def _add_headers(_: web.Request, response: web.StreamResponse) -> None:
    for name, value in HEADERS.items():
        response.headers[name] = value
    response.headers.setdefault("Cache-Control", "no-store")


def _asset(name: str) -> bytes:
    return resources.files("monitor.web.page").joinpath("static", name).read_bytes()
