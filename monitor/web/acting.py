"""Our own endpoints that act: on incidents (`/api/v1/act`), on the configuration (`/-/reload`), and why it was so.

Not Alertmanager's API (`monitor.web.v2`). What is asked becomes an action of `schemas.actions`, and is answered when it
is durable. Invariant: nothing here is taken from a caller without the role `act`, and each deed says who did it.
"""

from __future__ import annotations

import math
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal, get_args

import msgspec
from aiohttp import web
from msgspec import Struct

from monitor.alerting.incidents.deeds import refusal
from monitor.alerting.muting.incident import silences_of
from monitor.web.asking import BadBody, author, json_body
from monitor.web.view import Control, NotNow, NotReloaded, View
from schemas.actions import Deed, SilenceSet
from schemas.alert import Incident
from schemas.config import Config, parse_duration
from schemas.limits import NAME_LENGTH

NOTE_CHARACTERS = 1_000
"""Characters of a note. More: 400."""

GROUPS_SHOWN = 1_000
"""Groups of one answer; `total` says how many there are."""

Asked = Literal["ack", "unack", "not_mine", "false_alarm", "new_normal", "silence"]


class _Wish(Struct, rename={"for_": "for"}, forbid_unknown_fields=True):
    act: Asked
    incident: str
    to: str = ""
    note: str = ""
    by: str = ""
    for_: str = ""


def routes(
    view: View,
    control: Control,
    counts: Counter[str],
    clock: Callable[[], float],
    new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
) -> list[web.RouteDef]:
    """The routes. `clock` in epoch seconds; `counts` are the web shell's own; `new_id`: the id of a new silence."""

    async def act(request: web.Request) -> web.Response:
        try:
            wish = _decoded(await json_body(request))
            incident = _incident(view, wish)
            _check_owner(wish, incident, control.config())
            actions = _actions(wish, incident, clock(), author(request, wish.by), new_id)
            await control.actions.act(*actions)
        except BadBody as error:
            return _answer({"error": error.message}, error.status)
        except NotNow as error:
            return _busy(error)
        return _answer({"incident": wish.incident, "act": wish.act, **_recorded(actions)})

    async def reload(_: web.Request) -> web.Response:
        try:
            restarts = await control.reload()
        except NotReloaded as error:
            counts["reloads_failed"] += 1
            return web.Response(text=f"failed to reload config: {error}\n", status=500)
        except NotNow as error:
            return _busy(error)
        return web.Response(text="".join(f"{line}\n" for line in restarts))

    async def decisions(request: web.Request) -> web.Response:
        about = request.query.get("about", "")
        labels = dict(pair.partition("=")[::2] for pair in request.query.getall("label", []))
        router = view.router
        if router is None:
            return _answer({"error": "this worker stands by; ask the active one"}, 503)
        if bool(about) == bool(labels):
            return _answer({"error": "say `about` (an incident or a group) or one `label=name=value` at least"}, 400)
        return _answer({"time": clock(), "decisions": list(router.decisions(about or labels))})

    async def groups(_: web.Request) -> web.Response:
        router = view.router
        if router is None:
            return _answer({"error": "this worker stands by; ask the active one"}, 503)
        found = router.groups()
        return _answer({"time": clock(), "total": len(found), "groups": list(found[:GROUPS_SHOWN])})

    return [
        web.post("/api/v1/act", act),
        web.get("/api/v1/groups", groups),
        web.get("/api/v1/decisions", decisions),
        web.post("/-/reload", reload),
        web.put("/-/reload", reload),
    ]


def _decoded(body: bytes) -> _Wish:
    try:
        wish = msgspec.json.decode(body, type=_Wish)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        known = f"; one of {', '.join(get_args(Asked))}" if str(error).startswith("Invalid enum value") else ""
        raise BadBody(400, f"the body is no deed: {error}{known}") from None
    if len(wish.note) > NOTE_CHARACTERS or max(len(wish.to), len(wish.incident)) > NAME_LENGTH:
        raise BadBody(400, f"`note` has at most {NOTE_CHARACTERS} characters, names {NAME_LENGTH}")
    return wish


def _incident(view: View, wish: _Wish) -> Incident | None:
    """The incident that is meant; None where this worker cannot know. Raises `BadBody`."""
    found = next((incident for incident in view.incidents() if incident.id == wish.incident), None)
    if found is None and view.router is not None:
        raise BadBody(404, f"there is no incident {wish.incident[:80]!r}; it may have been forgotten")
    if found is not None and found.status != "firing" and wish.act not in ("false_alarm", "new_normal"):
        raise BadBody(409, f"incident {found.id} is over")
    return found


def _check_owner(wish: _Wish, incident: Incident | None, config: Config) -> None:
    """Raises `BadBody` where the router would hand nothing over; it may run elsewhere, and answers nobody."""
    if wish.act == "not_mine":
        owner = incident.owner if incident is not None else None
        if why := refusal(wish.to, owner, config.owners, config.default_owner):
            raise BadBody(400, why)


def _actions(
    wish: _Wish, incident: Incident | None, now: float, by: str, new_id: Callable[[], str]
) -> Sequence[Deed | SilenceSet]:
    if wish.act != "silence":
        return [Deed(time=now, incident=wish.incident, act=wish.act, by=by, to=wish.to, note=wish.note)]
    if incident is None:
        raise BadBody(503, "this worker stands by and does not know the incident's alerts; ask the active one")
    comment = wish.note or f"incident {incident.id}"
    try:
        seconds = parse_duration(wish.for_ or "2h")
        made = silences_of(incident, seconds, now, name=lambda _: new_id(), by=by, comment=comment)
    except ValueError as error:
        raise BadBody(400, str(error)) from None
    if not made:
        raise BadBody(409, f"nothing of incident {incident.id} fires")
    return made


def _recorded(actions: Sequence[Deed | SilenceSet]) -> dict[str, object]:
    """Who did it, and of silences whom they mute; `silence` is the one of the leading alert."""
    first = actions[0]
    if isinstance(first, Deed):
        return {"by": first.by}
    made = [
        {"id": each.id, "matchers": msgspec.to_builtins(each.matchers)}
        for each in actions
        if isinstance(each, SilenceSet)
    ]
    return {"by": first.created_by, "silence": first.id, "until": first.ends_at, "silences": made}


def _busy(error: NotNow) -> web.Response:
    return _answer({"error": str(error)}, 503, {"Retry-After": str(max(1, math.ceil(error.retry_after)))})


def _answer(value: object, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(value), status=status, content_type="application/json", headers=headers
    )
