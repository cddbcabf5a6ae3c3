"""Slack's side of the Web API without the web: channels, threads, files, limits, refusals. No clock of its own.

Written from Slack's documentation, so that what is sent is not checked against itself. It does not treat two posts with
one `client_msg_id` as one, for Slack does not promise that.
"""

from __future__ import annotations

import itertools
import json
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.doubles import block_rules
from tests.doubles.slack_eyes import Post

SCOPES = ("chat:write", "channels:history", "groups:history", "channels:read", "groups:read", "files:write")
NEEDS = {
    "conversations.history": "channels:history",
    "conversations.replies": "channels:history",
    "conversations.list": "channels:read",
    "files.getUploadURLExternal": "files:write",
    "files.completeUploadExternal": "files:write",
}
PER_MINUTE = {
    "chat.postMessage": 300,
    "chat.update": 50,
    "conversations.history": 50,
    "conversations.replies": 50,
    "conversations.list": 20,
    "files.getUploadURLExternal": 100,
}
"""Calls of one workspace and minute. Tiers as documented; for posts "several hundred"."""

METHODS = (
    *PER_MINUTE, "chat.postEphemeral", "apps.connections.open", "files.completeUploadExternal", "blocks.validate",
    "auth.test",
)  # fmt: skip
Answer = dict[str, Any]


@dataclass
class Channel:
    """A channel; `member`: whether the bot was invited."""

    id: str
    name: str
    member: bool = True
    posts: list[Post] = field(default_factory=list)
    last_post: float = float("-inf")


class SlackWorkspace:
    """State and rules. `rate_seconds`: least time between two posts in one channel."""

    def __init__(self, rate_seconds: float = 1.0) -> None:
        self.rate_seconds = rate_seconds
        self.scopes = set(SCOPES)
        self.draws_charts = True
        self.limited = 0
        self.whispers: list[Answer] = []
        self.files: dict[str, bytes | None] = {}
        self._ready: set[str] = set()
        self._channels: dict[str, Channel] = {}
        self._recent: dict[str, deque[float]] = defaultdict(deque)
        self._numbers = itertools.count(1)

    def answer(self, method: str, arguments: dict[str, Any], now: float) -> Answer:
        """What Slack answers to a call with a good token."""
        handlers: dict[str, Callable[[dict[str, Any], float], Answer]] = {
            "chat.postMessage": self._post_message,
            "chat.update": self._update,
            "chat.postEphemeral": self._whisper,
            "conversations.history": self._history,
            "conversations.replies": self._replies,
            "conversations.list": self._list,
            "files.getUploadURLExternal": self._upload_url,
            "files.completeUploadExternal": self._complete,
            "blocks.validate": self._validate,
            "apps.connections.open": lambda _, __: {"ok": True},
            "auth.test": lambda _, __: {"ok": True, "team": "Double", "user": "forewarn", "bot_id": "B0"},
        }
        if method not in handlers:
            return _error("unknown_method")
        if (scope := NEEDS.get(method)) is not None and scope not in self.scopes:
            return {**_error("missing_scope"), "needed": scope, "provided": ",".join(sorted(self.scopes))}
        recent = self._recent[method]
        while recent and now - recent[0] >= 60.0:
            recent.popleft()
        if len(recent) >= PER_MINUTE.get(method, 10**9):
            return self._limited()
        recent.append(now)
        return handlers[method](arguments, now)

    def add_channel(self, name: str, *, member: bool = True) -> str:
        """A channel by its name without #; its id."""
        found = Channel(f"C{next(self._numbers):08d}", name, member)
        self._channels[found.id] = found
        return found.id

    def channel_id(self, name: str) -> str:
        """The id of a channel by its name."""
        return self._named(name).id

    def posts(self, channel: str) -> list[Post]:
        """Messages of a channel, without what hangs in threads."""
        return [post for post in self._named(channel).posts if post.thread is None]

    def thread(self, channel: str, ts: str) -> list[Post]:
        """What hangs below a message."""
        return [post for post in self._named(channel).posts if post.thread == ts]

    def delete(self, channel: str, post: Post) -> None:
        """A message goes, with what hangs below it."""
        named = self._named(channel)
        named.posts = [each for each in named.posts if post.ts not in (each.ts, each.thread)]

    def say(self, channel: str, text: str, now: float) -> None:
        """A person writes something."""
        self._named(channel).posts.append(Post(self._ts(now), "U00HUMAN", text, [], None))

    def upload(self, file: str, content: bytes) -> None:
        """The bytes of a file whose address was asked for."""
        assert file in self.files, "an address that nobody gave out"
        self.files[file] = content

    def _post_message(self, arguments: dict[str, Any], now: float) -> Answer:
        wanted = str(arguments.get("channel", ""))
        channel = self._channels.get(wanted) or self._by_name(wanted)
        if channel is None:
            return _error("channel_not_found")
        if not channel.member:
            return _error("not_in_channel")
        if (refused := self._refused(arguments)) is not None:
            return refused
        thread = arguments.get("thread_ts")
        if thread is not None and not any(post.ts == thread for post in channel.posts):
            return _error("thread_not_found")
        if now - channel.last_post < self.rate_seconds:
            return self._limited()
        channel.last_post = now
        text, blocks = str(arguments.get("text", "")), arguments.get("blocks") or []
        post = Post(self._ts(now), "U00BOT", text, blocks, arguments.get("metadata"), thread=thread)
        post.broadcast = thread is not None and arguments.get("reply_broadcast") in (True, "true", "1")
        channel.posts.append(post)
        return {"ok": True, "channel": channel.id, "ts": post.ts, "message": {"text": post.text}}

    def _update(self, arguments: dict[str, Any], now: float) -> Answer:
        del now
        channel = self._channels.get(str(arguments.get("channel", "")))
        if channel is None:
            return _error("channel_not_found")
        post = next((each for each in channel.posts if each.ts == arguments.get("ts")), None)
        if post is None:
            return _error("message_not_found")
        if post.user != "U00BOT":
            return _error("cant_update_message")
        if (refused := self._refused(arguments)) is not None:
            return refused
        post.text = str(arguments.get("text", post.text))
        post.blocks = arguments.get("blocks", post.blocks)
        post.metadata = arguments.get("metadata", post.metadata)
        post.edits += 1
        return {"ok": True, "channel": channel.id, "ts": post.ts, "text": post.text}

    def _whisper(self, arguments: dict[str, Any], now: float) -> Answer:
        if self._channels.get(str(arguments.get("channel"))) is None:
            return _error("channel_not_found")
        self.whispers.append(arguments)
        return {"ok": True, "message_ts": self._ts(now)}

    def _history(self, arguments: dict[str, Any], now: float) -> Answer:
        del now
        oldest = float(arguments.get("oldest") or 0.0)
        return self._read(
            arguments,
            lambda posts: [post for post in reversed(posts) if post.thread is None and float(post.ts) > oldest],
        )

    def _replies(self, arguments: dict[str, Any], now: float) -> Answer:
        del now
        ts = arguments.get("ts")
        channel = self._channels.get(str(arguments.get("channel", "")))
        if channel is not None and not any(post.ts == ts for post in channel.posts):
            return _error("thread_not_found")
        return self._read(arguments, lambda posts: [post for post in posts if ts in (post.ts, post.thread)])

    def _read(self, arguments: dict[str, Any], choose: Callable[[list[Post]], list[Post]]) -> Answer:
        channel = self._channels.get(str(arguments.get("channel", "")))
        if channel is None:
            return _error("channel_not_found")
        if not channel.member:
            return _error("not_in_channel")
        with_metadata = str(arguments.get("include_all_metadata", "0")).lower() in ("1", "true")
        page, cursor = _page(choose(channel.posts), arguments)
        messages = [
            {"type": "message", "ts": post.ts, "user": post.user, "text": post.text}
            | ({"metadata": post.metadata} if with_metadata and post.metadata else {})
            for post in page
        ]
        return {"ok": True, "messages": messages, **cursor}

    def _list(self, arguments: dict[str, Any], now: float) -> Answer:
        del now
        page, cursor = _page(list(self._channels.values()), arguments)
        channels = [{"id": channel.id, "name": channel.name, "is_member": channel.member} for channel in page]
        return {"ok": True, "channels": channels, **cursor}

    def _upload_url(self, arguments: dict[str, Any], now: float) -> Answer:
        del now
        if not arguments.get("filename") or int(arguments.get("length") or 0) <= 0:
            return _error("invalid_arguments")
        file = f"F{next(self._numbers):08d}"
        self.files[file] = None
        return {"ok": True, "upload_url": f"/upload/{file}", "file_id": file}

    def _complete(self, arguments: dict[str, Any], now: float) -> Answer:
        del now
        wanted = [each["id"] for each in arguments.get("files", [])]
        if not wanted or not all(self.files.get(file) for file in wanted):
            return _error("file_not_found")
        self._ready.update(wanted)
        return {"ok": True, "files": [{"id": file} for file in wanted]}

    def _validate(self, arguments: dict[str, Any], now: float) -> Answer:
        del now
        blocks = arguments.get("blocks")
        found = block_rules.problems(json.loads(blocks) if isinstance(blocks, str) else blocks)
        errors = [{"pointer": line.partition(":")[0], "code": "invalid", "message": line} for line in found]
        return {"ok": not found, **({"error": "invalid_blocks", "errors": errors} if found else {})}

    def _refused(self, arguments: dict[str, Any]) -> Answer | None:
        """Why Slack would not take a message."""
        blocks = arguments.get("blocks")
        if not arguments.get("text") and not blocks:
            return _error("no_text")
        if blocks is not None:
            found = block_rules.problems(blocks)
            for block in blocks if isinstance(blocks, list) else ():
                if isinstance(block, dict) and block.get("type") == "data_visualization" and not self.draws_charts:
                    found.append("unsupported block type data_visualization")
                file = (block.get("slack_file") or {}).get("id") if isinstance(block, dict) else None
                if file is not None and file not in self._ready:
                    found.append(f"no file {file}")
            if found:
                return {**_error("invalid_blocks"), "response_metadata": {"messages": found}}
            if block_rules.total(blocks) > block_rules.TOTAL:
                return _error("msg_blocks_too_long")
        metadata = arguments.get("metadata")
        if metadata is not None and set(metadata) != {"event_type", "event_payload"}:
            return _error("invalid_metadata_format")
        return None

    def _limited(self) -> Answer:
        self.limited += 1
        return _error("ratelimited")

    def _by_name(self, name: str) -> Channel | None:
        wanted = name.removeprefix("#")
        return next((channel for channel in self._channels.values() if channel.name == wanted), None)

    def _named(self, name: str) -> Channel:
        found = self._by_name(name)
        assert found is not None, f"no channel {name}"
        return found

    def _ts(self, now: float) -> str:
        return f"{int(now)}.{next(self._numbers):06d}"


def _page(items: list[Any], arguments: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    start = int(arguments.get("cursor") or 0)
    end = start + min(int(arguments.get("limit") or 100), 999)
    return items[start:end], {"response_metadata": {"next_cursor": str(end) if end < len(items) else ""}}


def _error(code: str) -> Answer:
    return {"ok": False, "error": code}
