"""The live stream of the page: server-sent events, one rendering for all readers.

Not a log: a reader gets the sections that differ from what it has, at most once a second, and nothing that it missed.
Invariant: at most `CLIENTS` streams, each with one snapshot in flight; a slow reader gets fewer, never older ones.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable

import msgspec
from aiohttp import web

from monitor.web.page.document import Snapshot, sections, title

CLIENTS = 32
"""Streams at a time. One more gets 503 and is counted; its page says that it is not live, and asks again."""

SECONDS = 1.0
"""Least time between two snapshots for one reader."""

BYTES_PER_SECOND = 256 * 1024
"""What one reader may get: a page of a large fleet is sent less often, at least every `SLOWEST_SECONDS`."""

SLOWEST_SECONDS = 10.0

KEEPALIVE_SECONDS = 10.0
"""Silence after which `unchanged` is sent: proxies keep the stream, a dead reader is noticed, and a reader that hears
nothing for longer (`SILENT_MS` in `page.js`) knows that the monitor is gone. A script does not see comments."""

log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode


class Live:
    """Renders at most once a second, however many readers there are, and only while there are any."""

    def __init__(self, snapshot: Callable[[], Snapshot], counts: Counter[str], assets: str) -> None:
        self.clients = 0
        self._snapshot = snapshot
        self._counts = counts
        self._assets = assets
        self._closing = asyncio.Event()
        self._rendered: tuple[float, Snapshot, dict[str, str]] | None = None

    def close(self) -> None:
        """Ends every stream, so that a shutdown does not wait for readers."""
        self._closing.set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One reader, until it goes or the monitor stops."""
        if self.clients >= CLIENTS:
            self._counts["live_refused"] += 1
            return web.json_response(
                {"error": f"{CLIENTS} pages receive live updates already"}, status=503, headers={"Retry-After": "30"}
            )
        self.clients += 1
        response = web.StreamResponse(headers={"X-Accel-Buffering": "no"})
        response.content_type = "text/event-stream"
        response.charset = "utf-8"
        try:
            await response.prepare(request)
            await response.write(b"retry: 2000\n\n")
            await self._feed(response)
            return response
        except ConnectionError:
            return response  # the reader went away; nothing is left to tell it
        except Exception:
            log.exception("a live stream ended early")
            return response  # its head is sent; the page will ask again
        finally:
            self.clients -= 1

    async def _feed(self, response: web.StreamResponse) -> None:
        loop = asyncio.get_running_loop()
        has: dict[str, str] = {}
        quiet_since = loop.time()
        while not self._closing.is_set():
            snapshot, current = self._current(loop.time())
            changed = {name: text for name, text in current.items() if has.get(name) != text}
            pause = SECONDS
            if changed:
                has = current
                body = _encode(
                    {
                        "assets": self._assets,
                        "time": snapshot.time,
                        "title": title(snapshot),
                        "sections": changed,
                    }
                )
                await response.write(b"event: snapshot\ndata: " + body + b"\n\n")
                quiet_since = loop.time()
                pause = min(max(SECONDS, len(body) / BYTES_PER_SECOND), SLOWEST_SECONDS)
            elif loop.time() - quiet_since >= KEEPALIVE_SECONDS:
                body = _encode({"time": snapshot.time})
                await response.write(b"event: unchanged\ndata: " + body + b"\n\n")
                quiet_since = loop.time()
            await self._sleep(pause)

    async def _sleep(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._closing.wait(), seconds)
        except TimeoutError:
            return

    def _current(self, at: float) -> tuple[Snapshot, dict[str, str]]:
        if self._rendered is None or at - self._rendered[0] >= SECONDS * 0.9:
            snapshot = self._snapshot()
            self._rendered = (at, snapshot, {name: str(html) for name, html in sections(snapshot).items()})
        return self._rendered[1:]
