"""A Slack that runs on loopback: refuses what Slack refuses, fails as Slack fails, shows what a person would see.

It speaks the part of the Web API that the monitor uses, and Socket Mode. Time is a clock that the test drives. It does
not treat two posts with one `client_msg_id` as one, for Slack does not promise that.
"""

from __future__ import annotations

import asyncio
import enum
import html
import itertools
import json
import re
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from tests.doubles import block_rules

BOT_TOKEN = "xoxb-double-0123456789"
APP_TOKEN = "xapp-double-0123456789"
SCOPES = ("chat:write", "channels:history", "groups:history", "channels:read", "groups:read")
NEEDS = {"conversations.history": "channels:history", "conversations.list": "channels:read"}
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


@dataclass
class Post:
    """One message as Slack keeps it."""

    ts: str
    user: str
    text: str
    blocks: list[dict[str, Any]]
    metadata: dict[str, Any] | None
    edits: int = 0


@dataclass(frozen=True)
class Seen:
    """One message as a person sees it. `rings`: whom it mentions. `edits`: how often it was edited."""

    ts: str
    text: str
    rings: tuple[str, ...]
    edits: int


@dataclass
class Channel:
    """A channel; `member`: whether the bot was invited."""

    id: str
    name: str
    member: bool = True
    posts: list[Post] = field(default_factory=list)
    last_post: float = float("-inf")


class SlackDouble:
    """Start it, write to `base_url`, look at `visible`."""

    def __init__(self, clock: Callable[[], float], rate_seconds: float = 1.0) -> None:
        self.clock = clock
        self.rate_seconds = rate_seconds
        self.scopes = set(SCOPES)
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.acks: dict[str, Any] = {}
        self.base_url = ""
        self.ack_seconds = ACK_SECONDS
        self._faults: dict[str, deque[Fault | str]] = defaultdict(deque)
        self._channels: dict[str, Channel] = {}
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

    def add_channel(self, name: str, *, member: bool = True) -> str:
        """A channel by its name without #; its id."""
        found = Channel(f"C{next(self._numbers):08d}", name, member)
        self._channels[found.id] = found
        return found.id

    def fail(self, method: str, *faults: Fault | str) -> None:
        """The next calls of a method go wrong, one fault each; a string is an error code with ok false."""
        self._faults[method].extend(faults)

    def heal(self) -> None:
        """No more faults."""
        self._faults.clear()

    def visible(self, channel: str) -> list[Seen]:
        """The messages of a channel, oldest first, as a person sees them."""
        return [seen(post) for post in self._named(channel).posts]

    def post(self, channel: str, index: int = -1) -> Post:
        """A message as Slack keeps it."""
        return self._named(channel).posts[index]

    def delete(self, channel: str, index: int = -1) -> None:
        """A person deletes a message."""
        del self._named(channel).posts[index]

    def say(self, channel: str, text: str) -> None:
        """A person writes something."""
        self._named(channel).posts.append(Post(self._ts(), "U00HUMAN", text, [], None))

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
            return _error("internal_error" if fault is Fault.INTERNAL_ERROR else str(fault))
        answer = self._answer(method, arguments, request.headers.get("Authorization", ""))
        if fault is Fault.RESET_AFTER:
            return self._reset(request)
        if fault is Fault.HANG_AFTER:
            return await self._hang(request)
        if fault is Fault.SERVER_ERROR_AFTER:
            return web.json_response({"ok": False, "error": "fatal_error"}, status=500)
        return answer

    def _answer(self, method: str, arguments: dict[str, Any], authorization: str) -> web.Response:
        handlers = {
            "chat.postMessage": self._post_message,
            "chat.update": self._update,
            "conversations.history": self._history,
            "conversations.list": self._list,
            "apps.connections.open": self._open,
        }
        if method not in handlers:
            return _error("unknown_method")
        if authorization != f"Bearer {APP_TOKEN if method == 'apps.connections.open' else BOT_TOKEN}":
            return _error("not_authed" if not authorization else "invalid_auth")
        if method in NEEDS and NEEDS[method] not in self.scopes:
            return _error("missing_scope", needed=NEEDS[method], provided=",".join(sorted(self.scopes)))
        return handlers[method](arguments)

    def _post_message(self, arguments: dict[str, Any]) -> web.Response:
        wanted = str(arguments.get("channel", ""))
        channel = self._channels.get(wanted) or self._by_name(wanted)
        if channel is None:
            return _error("channel_not_found")
        if not channel.member:
            return _error("not_in_channel")
        if (refused := _refused(arguments)) is not None:
            return refused
        if self.clock() - channel.last_post < self.rate_seconds:
            return _limited(1)
        channel.last_post = self.clock()
        post = Post(
            self._ts(),
            "U00BOT",
            str(arguments.get("text", "")),
            arguments.get("blocks") or [],
            arguments.get("metadata"),
        )
        channel.posts.append(post)
        return web.json_response({"ok": True, "channel": channel.id, "ts": post.ts, "message": {"text": post.text}})

    def _update(self, arguments: dict[str, Any]) -> web.Response:
        channel = self._channels.get(str(arguments.get("channel", "")))
        if channel is None:
            return _error("channel_not_found")
        post = next((each for each in channel.posts if each.ts == arguments.get("ts")), None)
        if post is None:
            return _error("message_not_found")
        if post.user != "U00BOT":
            return _error("cant_update_message")
        if (refused := _refused(arguments)) is not None:
            return refused
        post.text = str(arguments.get("text", post.text))
        post.blocks = arguments.get("blocks", post.blocks)
        post.metadata = arguments.get("metadata", post.metadata)
        post.edits += 1
        return web.json_response({"ok": True, "channel": channel.id, "ts": post.ts, "text": post.text})

    def _history(self, arguments: dict[str, Any]) -> web.Response:
        channel = self._channels.get(str(arguments.get("channel", "")))
        if channel is None:
            return _error("channel_not_found")
        if not channel.member:
            return _error("not_in_channel")
        oldest = float(arguments.get("oldest") or 0.0)
        newest_first = [post for post in reversed(channel.posts) if float(post.ts) > oldest]
        with_metadata = str(arguments.get("include_all_metadata", "0")).lower() in ("1", "true")
        page, cursor = _page(newest_first, arguments)
        messages = [
            {"type": "message", "ts": post.ts, "user": post.user, "text": post.text}
            | ({"metadata": post.metadata} if with_metadata and post.metadata else {})
            for post in page
        ]
        return web.json_response({"ok": True, "messages": messages, **cursor})

    def _list(self, arguments: dict[str, Any]) -> web.Response:
        page, cursor = _page(list(self._channels.values()), arguments)
        channels = [{"id": channel.id, "name": channel.name, "is_member": channel.member} for channel in page]
        return web.json_response({"ok": True, "channels": channels, **cursor})

    def _open(self, arguments: dict[str, Any]) -> web.Response:
        del arguments
        return web.json_response({"ok": True, "url": self.base_url.replace("http", "ws", 1).replace("/api/", "/link")})

    async def _link(self, request: web.Request) -> web.WebSocketResponse:
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

    def _by_name(self, name: str) -> Channel | None:
        wanted = name.removeprefix("#")
        return next((channel for channel in self._channels.values() if channel.name == wanted), None)

    def _named(self, name: str) -> Channel:
        found = self._by_name(name)
        assert found is not None, f"no channel {name}"
        return found

    def _ts(self) -> str:
        return f"{int(self.clock())}.{next(self._numbers):06d}"


def _refused(arguments: dict[str, Any]) -> web.Response | None:
    """Why Slack would not take a message, as its answer."""
    blocks = arguments.get("blocks")
    if not arguments.get("text") and not blocks:
        return _error("no_text")
    if blocks is not None:
        if found := block_rules.problems(blocks):
            return _error("invalid_blocks", response_metadata={"messages": found})
        if block_rules.total(blocks) > block_rules.TOTAL:
            return _error("msg_blocks_too_long")
    metadata = arguments.get("metadata")
    if metadata is not None and set(metadata) != {"event_type", "event_payload"}:
        return _error("invalid_metadata_format")
    return None


async def _arguments(request: web.Request) -> dict[str, Any]:
    if request.content_type == "application/json":
        return dict(await request.json())
    return {**request.query, **(await request.post())}


def _page(items: list[Any], arguments: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    start = int(arguments.get("cursor") or 0)
    end = start + min(int(arguments.get("limit") or 100), 999)
    return items[start:end], {"response_metadata": {"next_cursor": str(end) if end < len(items) else ""}}


def _error(code: str, **more: Any) -> web.Response:
    return web.json_response({"ok": False, "error": code, **more})


def _limited(seconds: int) -> web.Response:
    answer = {"ok": False, "error": "ratelimited"}
    return web.json_response(answer, status=429, headers={"Retry-After": str(seconds)})


def seen(post: Post) -> Seen:
    """A message as a person sees it."""
    texts = list(_texts(post.blocks)) or [("mrkdwn", post.text)]
    rings = [ring for kind, text in texts if kind == "mrkdwn" for ring in _rings(text)]
    shown = [_readable(text) if kind == "mrkdwn" else text for kind, text in texts]
    return Seen(post.ts, "\n".join(shown), tuple(rings), post.edits)


def _texts(node: Any) -> Any:
    """Every text object, in reading order."""
    if isinstance(node, list):
        for each in node:
            yield from _texts(each)
    elif isinstance(node, dict):
        if node.get("type") in ("mrkdwn", "plain_text") and isinstance(node.get("text"), str):
            yield node["type"], node["text"]
        else:
            for key in ("text", "fields", "elements", "accessory"):
                yield from _texts(node.get(key))


def _rings(text: str) -> list[str]:
    return [found[1] for found in re.finditer(r"<([@!][^>|]+)(?:\|[^>]*)?>", text) if not found[1].startswith("!date")]


def _readable(text: str) -> str:
    """mrkdwn as it looks: dates and links by their label, no markup."""
    text = re.sub(r"<!date\^\d+\^[^|>]*\|([^>]*)>", r"\1", text)
    text = re.sub(r"<[@!#]?([^>|]*)\|([^>]*)>", r"\2", text)
    text = re.sub(r"<([^>]*)>", r"\1", text)
    return html.unescape(re.sub(r"[*`]", "", text))
