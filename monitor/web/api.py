"""The read-only API and the probes, as JSON. Not the intake, and nothing here changes anything.

Invariant: every list is cut at a named limit and says how many there are in `total`.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
from aiohttp import web

from monitor.web.view import View, detailed
from schemas.alert import Incident
from schemas.config import WEEK
from schemas.view import Check, rollout_line

LIST_LIMIT = 1000
"""Items of one answer, unless `limit` says otherwise."""

LIST_MAXIMUM = 10_000
"""The largest `limit`; more is a 400."""

LATEST_SECONDS = 253_402_300_799.0
"""The end of the year 9999: no time that is asked for lies behind it."""

AT_ONCE = 20
"""Agents whose signals are read before others have their turn, some milliseconds."""
RUNS_LIMIT = 100
"""Runs of one answer, unless `limit` says otherwise."""

_encode = msgspec.json.Encoder().encode


def routes(view: View, counts: Counter[str], clock: Callable[[], float]) -> list[web.RouteDef]:
    """The probes and `/api/v1/…`; `counts` are the web shell's own counters, shown beside the view's."""

    async def livez(_: web.Request) -> web.Response:
        health = view.health()
        return _probe(health.is_live, health.live)

    async def readyz(_: web.Request) -> web.Response:
        health = view.health()
        return _probe(health.is_ready, (*health.live, *health.ready))

    async def agents(request: web.Request) -> web.Response:
        found = sorted(view.agents(), key=lambda agent: agent.agent)
        if (name := request.query.get("agent")) is not None:
            found = [agent for agent in found if agent.agent == name]
        shown = found[: limit_of(request)]
        for at, agent in enumerate(shown):
            if at % AT_ONCE == AT_ONCE - 1:
                await asyncio.sleep(0)  # detection goes on meanwhile
            shown[at] = detailed(view, agent)
        return answer({"time": clock(), "total": len(found), "agents": shown})

    async def incidents(request: web.Request) -> web.Response:
        return listing("incidents", in_order(view.incidents()), limit_of(request), clock())

    async def runs(request: web.Request) -> web.Response:
        return answer({"time": clock(), "runs": list(view.runs(limit_of(request, RUNS_LIMIT)))})

    async def budgets(request: web.Request) -> web.Response:
        found = sorted(view.budgets(), key=lambda budget: budget.owner)
        return listing("budgets", found, limit_of(request), clock())

    async def report(request: web.Request) -> web.Response:
        if view.router is None:
            raise web.HTTPServiceUnavailable(text="this worker stands by; ask the active one")
        until = _moment(request, "until", clock())
        since = _moment(request, "since", until - WEEK)
        if since > until:
            raise web.HTTPBadRequest(text="since lies after until")
        return answer(view.router.report(since, until))

    async def rollouts(request: web.Request) -> web.Response:
        if view.router is None:
            raise web.HTTPServiceUnavailable(text="this worker stands by; ask the active one")
        found = [rollout_line(each) for each in view.router.rollouts()]
        return listing("rollouts", found, limit_of(request), clock())

    async def changes(request: web.Request) -> web.Response:
        found = view.router.changes_seen() if view.router is not None else []
        return listing("changes", found, limit_of(request), clock())

    async def status(_: web.Request) -> web.Response:
        health = view.health()
        return answer(
            {
                "version": view.version,
                "time": clock(),
                "live": health.is_live,
                "ready": health.is_ready,
                "checks": [*health.live, *health.ready],
                "agents": dict(Counter(agent.state for agent in view.agents())),
                "incidents_open": sum(1 for incident in view.incidents() if incident.status == "firing"),
                "counts": {**view.counts(), **counts},
                "gauges": dict(view.gauges()),
            }
        )

    return [
        web.get("/livez", livez),
        web.get("/readyz", readyz),
        web.get("/healthz", readyz),
        web.get("/api/v1/agents", agents),
        web.get("/api/v1/incidents", incidents),
        web.get("/api/v1/runs", runs),
        web.get("/api/v1/budgets", budgets),
        web.get("/api/v1/changes", changes),
        web.get("/api/v1/report", report),
        web.get("/api/v1/rollouts", rollouts),
        web.get("/api/v1/status", status),
    ]


def in_order(incidents: Iterable[Incident]) -> list[Incident]:
    """Open ones first, what no other incident causes before what one does, pages before notices, the newest first."""
    return sorted(
        incidents,
        key=lambda incident: (
            incident.status != "firing",
            incident.status == "firing" and bool(incident.root),
            incident.severity != "page",
            -incident.opened_at,
        ),
    )


def answer(value: Any, status: int = 200) -> web.Response:
    """A JSON response; numbers that JSON cannot hold become null."""
    return web.Response(body=_encode(value), status=status, content_type="application/json")


def listing(name: str, found: Sequence[Any], limit: int, time: float) -> web.Response:
    """A list, cut at `limit`, and how many there are."""
    return answer({"time": time, "total": len(found), name: found[:limit]})


def _probe(good: bool, checks: Sequence[Check]) -> web.Response:
    missing = [f"{check.name}: {check.message or 'not there'}" for check in checks if not check.ok]
    return answer(
        {"status": "ok" if good else "unavailable", "missing": missing, "checks": checks}, 200 if good else 503
    )


def _moment(request: web.Request, name: str, default: float) -> float:
    """A time of the query: epoch seconds."""
    text = request.query.get(name)
    if text is None:
        return default
    try:
        at = float(text)
    except ValueError:
        at = math.nan
    if not 0.0 <= at <= LATEST_SECONDS:
        raise web.HTTPBadRequest(text=f"{name}={text[:40]!r}; epoch seconds")
    return at


def limit_of(request: web.Request, default: int = LIST_LIMIT) -> int:
    """How many the caller wants. Raises `HTTPBadRequest`."""
    text = request.query.get("limit", str(default))
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= LIST_MAXIMUM):
        raise web.HTTPBadRequest(text=f"limit={text[:40]!r}; a whole number from 1 to {LIST_MAXIMUM}")
    return int(text)
