"""The routes of Alertmanager's API: reads from the router's view, writes through `Actions`.

Shapes stand in `shapes`, the reading of bodies in `bodies`. Status codes and error bodies are Alertmanager's: a JSON
string, or an object with `code` and `message` where the form of a request is wrong. Invariant: what was answered with
200 is durable.
"""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
import re2
from aiohttp import web
from aiohttp.typedefs import Handler

from monitor.alerting.muting import silences
from monitor.alerting.routing.matchers import Matcher, Op, parse_matchers
from monitor.web.asking import BadBody, author, json_body
from monitor.web.v2 import shapes
from monitor.web.v2.bodies import Refused, posted_alerts, posted_silence
from monitor.web.view import Control, NotNow, RouterView, View
from schemas.actions import SilenceEnded
from schemas.alert import AlertView

_BOOLEANS = {"true": True, "1": True, "t": True, "false": False, "0": False, "f": False}
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_encode = msgspec.json.Encoder().encode


def routes(
    view: View, control: Control, clock: Callable[[], float], new_id: Callable[[], str] = lambda: str(uuid.uuid4())
) -> list[web.RouteDef]:
    """`/api/v2/…` and the probes of Alertmanager. `clock` in epoch seconds; `new_id`: the id of a new silence."""
    front = _Front(view, control, clock, new_id)
    gets = {
        "/api/v2/alerts": front.alerts,
        "/api/v2/alerts/groups": front.groups,
        "/api/v2/silences": front.silences,
        "/api/v2/silence/{id}": front.silence,
        "/api/v2/receivers": front.receivers,
        "/api/v2/status": front.status,
    }
    return [
        *(web.get(path, _answered(handler)) for path, handler in gets.items()),
        web.post("/api/v2/alerts", _answered(front.post_alerts)),
        web.post("/api/v2/silences", _answered(front.post_silence)),
        web.delete("/api/v2/silence/{id}", _answered(front.end_silence)),
        web.get("/-/healthy", _fine),
        web.get("/-/ready", front.ready),
    ]


def _answered(handler: Handler) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except Refused as error:
            if error.code:
                return _json({"code": error.code, "message": error.message}, error.status)
            return _json(error.message, error.status)
        except BadBody as error:
            return _json({"code": error.status, "message": error.message}, error.status)
        except NotNow as error:
            return _json("the monitor is busy", 503, {"Retry-After": str(max(1, math.ceil(error.retry_after)))})

    return answer


async def _fine(_: web.Request) -> web.Response:
    return web.Response(text="OK")


class _Front:
    def __init__(self, view: View, control: Control, clock: Callable[[], float], new_id: Callable[[], str]) -> None:
        self._view = view
        self._control = control
        self._clock = clock
        self._new_id = new_id
        self._started = clock()

    # -- alerts

    async def alerts(self, request: web.Request) -> web.Response:
        shown = _Shown(request.query, self._clock())
        receiver = _receiver(request.query)
        found = [
            view
            for view in self._router().alerts()
            if shown.takes(view) and (receiver is None or any(receiver(name) for name in view.receivers))
        ]
        return _json(shapes.alerts(found, self._open_end()))

    async def groups(self, request: web.Request) -> web.Response:
        shown = _Shown(request.query, self._clock())
        receiver, muted = _receiver(request.query), _boolean(request.query, "muted")
        found = []
        for group in self._router().groups():
            if receiver is not None and not receiver(group.receiver):
                continue
            # Time intervals mute a whole group.
            if not muted and group.alerts and all(each.muted_by for each in group.alerts):
                continue
            if alerts := [view for view in group.alerts if shown.takes(view)]:
                found.append((group, alerts))
        return _json(shapes.groups(found, self._open_end()))

    async def post_alerts(self, request: web.Request) -> web.Response:
        posted = posted_alerts(await json_body(request), self._clock())
        if posted.alerts:
            await self._control.actions.act(*posted.alerts)
        if posted.errors:
            raise Refused(400, "; ".join(posted.errors[:20]))
        return web.Response()

    # -- silences

    async def silences(self, request: web.Request) -> web.Response:
        matchers = _filters(request.query)
        found = [
            view
            for view in self._router().silences()
            if _passes(matchers, {each.name: each.value for each in view.matchers})
        ]
        return _json(shapes.silences(found))

    async def silence(self, request: web.Request) -> web.Response:
        name = _silence_id(request)
        for view in self._router().silences():
            if view.id == name:
                return _json(shapes.silence(view))
        return web.Response(status=404)

    async def post_silence(self, request: web.Request) -> web.Response:
        router = self._view.router
        known = {view.id for view in router.silences()} if router is not None else None
        action = posted_silence(await json_body(request), self._clock(), self._new_id, known)
        action = msgspec.structs.replace(action, created_by=author(request, action.created_by))
        name = router.silence_id(action) if router is not None else action.id
        if router is not None and name not in (known or ()):
            standing = sum(1 for view in router.silences() if view.status != "expired")
            if standing >= silences.SILENCES:  # the router would refuse it, and nobody would hear of that
                raise Refused(400, f"exceeded maximum number of silences: {standing} (limit: {silences.SILENCES})")
        await self._control.actions.act(action)
        return _json({"silenceID": name})

    async def end_silence(self, request: web.Request) -> web.Response:
        name = _silence_id(request)
        router = self._view.router
        if router is not None and all(view.id != name for view in router.silences()):
            return web.Response(status=404)
        await self._control.actions.act(SilenceEnded(time=self._clock(), id=name, by=author(request)))
        return web.Response()

    # -- the rest

    async def receivers(self, _: web.Request) -> web.Response:
        return _json([{"name": name} for name in sorted(self._router().receivers())])

    async def status(self, _: web.Request) -> web.Response:
        return _json(
            {
                "cluster": {"peers": [], "status": "disabled"},
                "config": {"original": self._control.original()},
                "uptime": shapes.moment(self._started),
                "versionInfo": {
                    "branch": "", "buildDate": "", "buildUser": "", "goVersion": "", "revision": "",
                    "version": self._view.version,
                },
            }
        )  # fmt: skip

    async def ready(self, _: web.Request) -> web.Response:
        good = self._view.health().is_ready
        return web.Response(text="OK" if good else "not ready; /readyz says why", status=200 if good else 503)

    def _router(self) -> RouterView:
        router = self._view.router
        if router is None:
            raise Refused(503, "this worker stands by; ask the active one")
        return router

    def _open_end(self) -> float:
        """The end of an alert to which nobody has set one."""
        return self._clock() + self._control.resolve_timeout()


class _Shown:
    """Which alerts a question is about: `filter` and the states that it leaves out."""

    def __init__(self, query: Mapping[str, str], now: float) -> None:
        self._matchers = _filters(query)
        self._now = now
        self._wants = {name: _boolean(query, name) for name in ("active", "silenced", "inhibited", "unprocessed")}

    def takes(self, view: AlertView) -> bool:
        if view.ends_at is not None and view.ends_at < self._now:
            return False
        left_out = (
            (view.state == "active" and not self._wants["active"])
            or (view.state == "unprocessed" and not self._wants["unprocessed"])
            or (view.silenced_by and not self._wants["silenced"])
            or (view.inhibited_by and not self._wants["inhibited"])
        )
        return not left_out and _passes(self._matchers, view.labels)


def _passes(matchers: Iterable[Matcher], labels: Mapping[str, str]) -> bool:
    """Alertmanager's filter: a matcher with an empty value asks whether the label is there."""
    for matcher in matchers:
        there = matcher.name in labels
        if matcher.value == "" and there == (matcher.op in (Op.NOT_EQUAL, Op.NOT_REGEX)):
            continue
        if not matcher.matches(labels):
            return False
    return True


def _filters(query: Mapping[str, str]) -> list[Matcher]:
    given: list[str] = query.getall("filter", [])  # type: ignore[attr-defined]
    try:
        return [matcher for text in given for matcher in parse_matchers(text)]
    except ValueError as error:
        raise Refused(400, f"bad matcher format: {error}") from None


def _boolean(query: Mapping[str, str], name: str) -> bool:
    text = query.get(name, "true")
    if text.lower() not in _BOOLEANS:
        raise Refused(422, f'{name} in query must be of type bool: "{text[:40]}"', 601)
    return _BOOLEANS[text.lower()]


def _receiver(query: Mapping[str, str]) -> Callable[[str], bool] | None:
    """A test of a receiver's name; None where any will do."""
    text = query.get("receiver")
    if text is None:
        return None
    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(text, options)
    except re2.error:
        raise Refused(400, f"failed to parse receiver param: {text[:200]}") from None
    return lambda name: compiled.fullmatch(name) is not None


def _silence_id(request: web.Request) -> str:
    name = request.match_info["id"]
    if not _UUID.fullmatch(name):
        raise Refused(422, f'silenceID in path must be of type uuid: "{name[:80]}"', 601)
    return name


def _json(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(body=_encode(value), status=status, content_type="application/json", headers=headers)
