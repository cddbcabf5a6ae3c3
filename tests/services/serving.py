"""The real monitor inside the test's own loop: all parts, a free port, a directory of the test."""

from __future__ import annotations

import asyncio
import contextlib
import io
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp

from monitor import app
from schemas.config import Config

WAIT = 30.0


class Running:
    """A monitor that listens: its view, and a client for its address."""

    def __init__(self, serving: app.Serving, session: aiohttp.ClientSession, console: io.StringIO) -> None:
        self.url = serving.url
        self.view = serving.view
        self.session = session
        self.console = console

    async def post(self, path: str, body: bytes, **headers: str) -> int:
        """The status. JSON, unless `Content_Type` says otherwise."""
        names = {"Content-Type": "application/json"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        async with self.session.post(self.url + path, data=body, headers=names) as answer:
            await answer.read()
            return answer.status

    async def get(self, path: str) -> Any:
        """What the API answers."""
        async with self.session.get(self.url + path) as answer:
            return await answer.json()

    async def metrics(self) -> dict[str, float]:
        """Sample → value."""
        async with self.session.get(f"{self.url}/metrics") as answer:
            lines = (await answer.text()).splitlines()
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[:1] != "#")}


@contextlib.asynccontextmanager
async def running(directory: Path, **config: Any) -> AsyncIterator[Running]:
    """A monitor that keeps its state in `directory`. Stopped as by SIGTERM."""
    runtime = {"directory": str(directory), "port": 0} | config.pop("runtime", {})
    stop = asyncio.Event()
    started: asyncio.Future[app.Serving] = asyncio.get_running_loop().create_future()
    console = io.StringIO()
    settings = Config.model_validate({"runtime": runtime, **config})
    task = asyncio.create_task(app.serve(settings, stop, started.set_result, console))
    done, _ = await asyncio.wait((task, started), return_when=asyncio.FIRST_COMPLETED)
    if task in done:
        await task
    try:
        async with aiohttp.ClientSession() as session:
            yield Running(started.result(), session, console)
    finally:
        stop.set()
        await task


async def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition; fail with `what` never came."""
    end = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < end, f"never came: {what}"
        await asyncio.sleep(0.02)
