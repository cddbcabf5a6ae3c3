"""A real browser and a real server on loopback, both on the event loop of the session.

A missing browser is a skip on a laptop, with the remedy, and a failure in CI.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Browser, BrowserContext, Playwright, async_playwright, expect

from monitor.web.server import build_app
from monitor.web.view import View
from tests.services.web_fleet import NOW, control_of
from tests.services.web_visit import Open, Opened

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
REMEDY = "no browser: `apt-get install chromium`, `playwright install chromium`, or set FOREWARN_CHROMIUM to one"

Serve = Callable[[View], Awaitable[str]]


def _executable(playwright: Playwright) -> str | None:
    named = os.environ.get("FOREWARN_CHROMIUM")
    found = [named] if named else [shutil.which(name) for name in NAMES]
    own = playwright.chromium.executable_path
    if not named and Path(own).exists():
        found.append(own)
    return next((path for path in found if path), None)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Chromium, for the session."""
    async with async_playwright() as playwright:
        path = _executable(playwright)
        if path is None:
            if os.environ.get("CI") == "true":
                pytest.fail(REMEDY)
            pytest.skip(REMEDY)
        running = await playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield running
        await running.close()


@pytest_asyncio.fixture(loop_scope="session")
async def serve() -> AsyncIterator[Serve]:
    """Serves a view until the test ends; gives its address."""
    runners: list[web.AppRunner] = []

    async def start(view: View) -> str:
        app = build_app(view, control_of(view), [], host_is_loopback=True, clock=lambda: NOW)
        runner = web.AppRunner(app)
        await runner.setup()
        runners.append(runner)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    yield start
    for runner in runners:
        await runner.cleanup()


@pytest_asyncio.fixture(loop_scope="session")
async def visit(browser: Browser, serve: Callable[[View], Awaitable[str]]) -> AsyncIterator[Open]:
    """Opens the page of a view; at the end no page may have complained or asked another host."""
    contexts: list[BrowserContext] = []
    pages: list[Opened] = []

    async def open_page(view: View, *, is_live: bool = True, **options: Any) -> Opened:
        address = await serve(view)
        context = await browser.new_context(**options)
        contexts.append(context)
        opened = Opened(await context.new_page())
        pages.append(opened)
        opened.page.on("console", lambda message: opened.complaints.append(message.text))
        opened.page.on("pageerror", lambda error: opened.complaints.append(str(error)))
        opened.page.on("dialog", lambda dialog: opened.complaints.append(dialog.message))
        opened.page.on(
            "request",
            lambda request: (
                opened.foreign.append(request.url) if urlsplit(request.url).netloc != urlsplit(address).netloc else None
            ),
        )
        await opened.page.goto(address)
        if is_live:
            await expect(opened.page.locator("#live")).to_have_attribute("data-state", "live")
        return opened

    yield open_page
    for context in contexts:
        await context.close()
    for opened in pages:
        assert opened.complaints == []
        assert opened.foreign == []
