"""A Slack that runs on loopback: refuses what Slack refuses, fails as Slack fails, shows what a person would see.

It speaks the part of the Web API that the monitor uses, and Socket Mode. Time is a clock that the test drives. It does
not treat two posts with one `client_msg_id` as one, for Slack does not promise that.
"""

from __future__ import annotations

import asyncio
import enum
import itertools
import json
from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any

from aiohttp import WSMsgType, web

from tests.doubles.slack_eyes import Post, Seen, seen
from tests.doubles.slack_workspace import METHODS, SlackWorkspace

BOT_TOKEN = "xoxb-double-0123456789"
APP_TOKEN = "xapp-double-0123456789"
ACK_SECONDS = 3.0


class Fault(enum.Enum):
    """What can go wrong with one request. `…_AFTER`: once the message is stored."""

    RATE_LIMITED = "429 with Retry-After"
    SERVER_ERROR = "500, a page of HTML"
    SERVER_ERROR_AFTER = "500, JSON, after the message was stored"
    RESET_BEFORE = "connection reset before the message was stored"
    RESET_AFTER = "connection reset after the message was stored"
    HANG_BEFORE = "no answer, nothing stored"
    HANG_AFTER = "no answer, the message stored"
    INTERNAL_ERROR = "200 with ok false, internal_error"


class SlackDouble:
    """Start it, write to `base_url`, look at `visible`."""

    def __init__(self, clock: Callable[[], float], rate_seconds: float = 1.0) -> None:
        self.clock = clock
        self.workspace = SlackWorkspace(rate_seconds)
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.acks: dict[str, Any] = {}
        self.base_url = ""
        self.ack_seconds = ACK_SECONDS
        self.takes_links = True
        self._faults: dict[str, deque[Fault | str]] = defaultdict(deque)
        self._numbers = itertools.count(1)
        self._sockets: list[web.WebSocketResponse] = []
        self._ending = asyncio.Event()
        self._acked = asyncio.Condition()
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen on loopback."""
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/api/{method}", self._api)
        app.router.add_get("/link", self._link)
        app.router.add_post("/upload/{file}", self._upload)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.base_url = f"http://{host}:{port}/api/"

    async def stop(self) -> None:
        """Let go of everything that hangs."""
        self._ending.set()
        for socket in self._sockets:
            await socket.close()
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def scopes(self) -> set[str]:
        """What the bot may do; a test takes away."""
        return self.workspace.scopes

    def add_channel(self, name: str, *, member: bool = True) -> str:
        """A channel by its name without #; its id."""
        return self.workspace.add_channel(name, member=member)

    def fail(self, method: str, *faults: Fault | str) -> None:
        """The next calls of a method go wrong, one fault each; a string is an error code with ok false."""
        self._faults[method].extend(faults)

    def heal(self) -> None:
        """No more faults."""
        self._faults.clear()

    def visible(self, channel: str) -> list[Seen]:
        """The messages of a channel, oldest first, as a person sees them; threads are closed."""
        return [seen(post) for post in self.workspace.posts(channel)]

    def thread(self, channel: str, index: int = -1) -> list[Seen]:
        """What hangs below a message, oldest first."""
        return [seen(post) for post in self.workspace.thread(channel, self.post(channel, index).ts)]

    def post(self, channel: str, index: int = -1) -> Post:
        """A message as Slack keeps it."""
        return self.workspace.posts(channel)[index]

    def delete(self, channel: str, index: int = -1) -> None:
        """A person deletes a message."""
        self.workspace.delete(channel, self.post(channel, index))

    def say(self, channel: str, text: str) -> None:
        """A person writes something."""
        self.workspace.say(channel, text, self.clock())

    def press(
        self, channel: str, act: str, value: str = "", *, user: str = "U0123ABC", index: int = -1
    ) -> dict[str, Any]:
        """The payload of a person who presses a button or chooses from a menu of a message. `KeyError` without it."""
        post = self.post(channel, index)
        rows = [block for block in post.blocks if block["type"] == "actions"]
        found = {element["action_id"]: (row, element) for row in rows for element in row["elements"]}
        row, element = found[act]
        pressed = f"1760000000.{next(self._numbers):06}"
        action = {"action_id": act, "block_id": row["block_id"], "type": element["type"], "action_ts": pressed}
        if element["type"] == "static_select":
            option = next(each for each in element["options"] if each["value"] == value)
            action["selected_option"] = option
        return {
            "type": "block_actions",
            "user": {"id": user, "username": "alice", "team_id": "T1"},
            "team": {"id": "T1", "domain": "double"},
            "container": {"type": "message", "message_ts": post.ts},
            "channel": {"id": self.workspace.channel_id(channel), "name": channel},
            "message": {"ts": post.ts, "text": post.text, "blocks": post.blocks},
            "actions": [action],
        }

    async def disconnect(self) -> None:
        """Slack asks the app to connect anew, as it does every some hours."""
        await self._sockets[-1].send_json({"type": "disconnect", "reason": "refresh_requested"})

    @property
    def links(self) -> int:
        """Connections that were ever made over Socket Mode."""
        return len(self._sockets)

    @property
    def linked(self) -> bool:
        """Whether an app listens over Socket Mode."""
        return any(not socket.closed for socket in self._sockets)

    async def deliver(self, kind: str, payload: dict[str, Any]) -> Any:
        """Send an envelope over Socket Mode; what the app acknowledged with. Raises `TimeoutError` without an ack."""
        envelope = f"envelope-{next(self._numbers)}"
        message = {"envelope_id": envelope, "type": kind, "payload": payload, "accepts_response_payload": True}
        await self._sockets[-1].send_json(message)
        async with asyncio.timeout(self.ack_seconds), self._acked:
            await self._acked.wait_for(lambda: envelope in self.acks)
        return self.acks[envelope]

    async def _api(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        arguments = await _arguments(request)
        self.calls.append((method, arguments))
        fault = self._faults[method].popleft() if self._faults[method] else None
        if fault is Fault.RATE_LIMITED:
            return _limited(7)
        if fault is Fault.SERVER_ERROR:
            return web.Response(status=500, text="<html>Bad day</html>", content_type="text/html")
        if fault is Fault.RESET_BEFORE:
            return self._reset(request)
        if fault is Fault.HANG_BEFORE:
            return await self._hang(request)
        if fault is Fault.INTERNAL_ERROR or isinstance(fault, str):
            return web.json_response(_error("internal_error" if fault is Fault.INTERNAL_ERROR else str(fault)))
        answer = self._answer(method, arguments, request.headers.get("Authorization", ""))
        if fault is Fault.RESET_AFTER:
            return self._reset(request)
        if fault is Fault.HANG_AFTER:
            return await self._hang(request)
        if fault is Fault.SERVER_ERROR_AFTER:
            return web.json_response({"ok": False, "error": "fatal_error"}, status=500)
        return answer

    def _answer(self, method: str, arguments: dict[str, Any], authorization: str) -> web.Response:
        if (
            authorization != f"Bearer {APP_TOKEN if method == 'apps.connections.open' else BOT_TOKEN}"
            and method in METHODS
        ):
            return web.json_response(_error("not_authed" if not authorization else "invalid_auth"))
        answer = self.workspace.answer(method, arguments, self.clock())
        if method == "apps.connections.open":
            answer["url"] = self.base_url.replace("http", "ws", 1).replace("/api/", "/link")
        if answer.get("upload_url"):
            answer["upload_url"] = self.base_url.replace("/api/", str(answer["upload_url"]))
        if answer.get("error") == "ratelimited":
            return _limited(1)
        return web.json_response(answer)

    async def _upload(self, request: web.Request) -> web.Response:
        self.workspace.upload(request.match_info["file"], await request.read())
        return web.Response(text="OK")

    async def _link(self, request: web.Request) -> web.WebSocketResponse:
        if not self.takes_links:
            raise web.HTTPServiceUnavailable
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self._sockets.append(socket)
        await socket.send_json({"type": "hello", "num_connections": len(self._sockets)})
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await self._take_ack(message.data)
        return socket

    async def _take_ack(self, text: str) -> None:
        try:
            ack = json.loads(text)
        except json.JSONDecodeError:
            return
        async with self._acked:
            self.acks[ack.get("envelope_id")] = ack.get("payload")
            self._acked.notify_all()

    def _reset(self, request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def _hang(self, request: web.Request) -> web.Response:
        await self._ending.wait()
        return self._reset(request)


async def _arguments(request: web.Request) -> dict[str, Any]:
    if request.content_type == "application/json":
        return dict(await request.json())
    return {**request.query, **(await request.post())}


def _error(code: str) -> dict[str, Any]:
    return {"ok": False, "error": code}


def _limited(seconds: int) -> web.Response:
    return web.json_response(_error("ratelimited"), status=429, headers={"Retry-After": str(seconds)})
