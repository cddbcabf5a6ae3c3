"""What is asked before a change: what runs carried, and who depends on a component. Reads, never changes.

A worker on Kafka answers for the agents of its own partitions.
"""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from monitor.readiness.dependents import KINDS, Graph
from monitor.web.api import answer, limit_of, listing
from monitor.web.view import View
from schemas.config import Config
from schemas.limits import NAME_LENGTH


def routes(view: View, config: Callable[[], Config], clock: Callable[[], float]) -> list[web.RouteDef]:
    """`/api/v1/seen` and `/api/v1/dependents`."""

    async def seen(request: web.Request) -> web.Response:
        found = sorted(view.seen(), key=lambda each: each.agent)
        return listing("seen", found, limit_of(request), clock())

    async def dependents(request: web.Request) -> web.Response:
        component = request.query.get("component", "")
        kind, _, name = component.partition(":")
        if kind not in KINDS or not name or len(component) > NAME_LENGTH:
            raise web.HTTPBadRequest(text="component: one of " + ", ".join(f"{each}:NAME" for each in KINDS))
        return answer(Graph(config(), view.seen(), now=clock()).dependents(component))

    return [web.get("/api/v1/seen", seen), web.get("/api/v1/dependents", dependents)]
