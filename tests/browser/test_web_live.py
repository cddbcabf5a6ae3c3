"""The live stream in a real browser: lost, refused, silent, without news; what the reader is told, and the way back.

The page's clock is turned forward, the server's is not.
"""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Page, Route, expect

from monitor.web import live
from tests.services import web_fleet
from tests.services.serving import until
from tests.services.web_visit import CONTRAST, Open

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_lost_connection_is_said(visit: Open) -> None:
    opened = await visit(web_fleet.calm())
    page = opened.page
    await page.route("**/api/v1/live", lambda route: route.abort())
    await page.reload()
    await expect(page.locator("#live")).to_have_attribute("data-state", "lost")
    await expect(page.locator("#live")).to_contain_text("as of")
    await expect(page.locator(".agents")).to_contain_text("refund-agent")
    await expect(page).to_have_title("Not live: Forewarn")
    said = page.get_by_role("status").filter(has_text="Not live: this is as of 14:13:20 UTC.")
    await page.evaluate("scrollTo(0, document.body.scrollHeight)")
    await expect(said).to_be_in_viewport(ratio=1)
    box = await said.bounding_box()
    assert box is not None and page.viewport_size is not None and box["width"] >= page.viewport_size["width"] - 20
    assert await page.evaluate(CONTRAST) == []
    opened.complaints.clear()  # the browser reports the aborted request


async def test_a_page_that_was_refused_comes_back(visit: Open) -> None:
    """A browser gives up a stream for good that is answered with 502 or 503."""
    view = web_fleet.calm()
    opened = await visit(view, is_live=False)
    page = opened.page
    asked: list[str] = []

    async def refuse(route: Route) -> None:
        asked.append(route.request.url)
        await route.fulfill(status=503, json={"error": "32 pages receive live updates already"})

    await page.clock.install()
    await page.route("**/api/v1/live", refuse)
    await page.reload()
    while len(asked) < 4:
        await page.clock.run_for(1_000)
    await expect(page.locator("#live")).to_have_attribute("data-state", "lost")
    await page.unroute("**/api/v1/live")
    while await page.locator("#live").get_attribute("data-state") != "live":
        await page.clock.run_for(1_000)
    view.agent_list.append(web_fleet.agent("a-new-one"))
    await expect(page.locator("tbody[data-key='a-new-one']")).to_be_visible()
    opened.complaints.clear()  # the browser reports what was refused


async def test_a_stream_that_hears_nothing_is_lost(visit: Open) -> None:
    """A monitor that was stopped, or a dead network: no error comes, and nothing else."""
    page = (await visit(web_fleet.calm(), is_live=False)).page
    asked: list[str] = []
    answer = asyncio.Event()

    async def hang(route: Route) -> None:
        asked.append(route.request.url)
        await answer.wait()
        await route.fallback()

    await page.clock.install()
    await page.reload()
    await expect(page.locator("#live")).to_have_attribute("data-state", "live")
    await page.route("**/api/v1/live", hang)
    await page.clock.run_for(30_000)
    await expect(page.locator("#live")).to_have_attribute("data-state", "lost")
    await expect(page.locator("#live")).to_contain_text("as of 14:13:20 UTC")
    await until(lambda: len(asked) == 1, "another try")
    await page.clock.run_for(30_000)
    await until(lambda: len(asked) == 2, "a try after one that was never answered")
    answer.set()
    await page.clock.run_for(60_000)
    await expect(page.locator("#live")).to_have_attribute("data-state", "live")


UNSEEN = "Object.defineProperty(document, 'hidden', {get: () => window.unseen === true, configurable: true})"
"""Headless, every page counts as looked at."""


async def look_away(page: Page, away: bool) -> None:
    """Another tab covers this one, or no longer does."""
    changed = "document.dispatchEvent(new Event('visibilitychange'))"
    await page.evaluate(f"away => {{ window.unseen = away; {changed}; }}", away)


async def test_more_tabs_than_a_browser_has_connections(visit: Open) -> None:
    """Eight tabs of one browser: only the one that is looked at has a stream, so none waits for another."""
    view = web_fleet.calm()
    page = (await visit(view)).page
    await page.context.add_init_script(UNSEEN)
    await page.reload()
    tabs = [page]
    for _ in range(7):
        await expect(tabs[-1].locator("#live")).to_have_attribute("data-state", "live")
        await look_away(tabs[-1], True)
        tabs.append(await page.context.new_page())
        await tabs[-1].goto(page.url)
    await expect(tabs[-1].locator("#live")).to_have_attribute("data-state", "live")
    view.agent_list.append(web_fleet.agent("a-new-one"))
    await expect(tabs[-1].locator("tbody[data-key='a-new-one']")).to_be_visible()
    assert await tabs[0].locator("tbody[data-key='a-new-one']").count() == 0
    await look_away(tabs[-1], True)
    await look_away(tabs[0], False)
    await expect(tabs[0].locator("tbody[data-key='a-new-one']")).to_be_visible()
    await expect(tabs[0].locator("#live")).to_have_attribute("data-state", "live")


async def test_a_tab_that_nobody_looks_at_still_has_its_title(visit: Open) -> None:
    view = web_fleet.calm()
    opened = await visit(view, is_live=False)
    page = opened.page
    await page.add_init_script(UNSEEN)
    await page.clock.install()
    await page.reload()
    await expect(page.locator("#live")).to_have_attribute("data-state", "live")
    await look_away(page, True)
    view.agent_list.append(web_fleet.agent("a-new-one"))
    await page.clock.run_for(30_000)
    assert await page.locator("tbody[data-key='a-new-one']").count() == 0
    await expect(page).to_have_title("Forewarn")
    while not await page.locator("tbody[data-key='a-new-one']").count():
        await page.clock.run_for(10_000)
    await page.route("**/api/v1/live", lambda route: route.abort())
    await page.clock.run_for(61_000)
    await expect(page).to_have_title("Not live: Forewarn")
    opened.complaints.clear()  # the browser reports the aborted request


async def test_a_stream_without_news_is_not_lost(visit: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "KEEPALIVE_SECONDS", 0.0)
    page = (await visit(web_fleet.calm(), is_live=False)).page
    heard: list[str] = []
    await page.expose_function("heard", lambda data: heard.append(data))
    await page.add_init_script(
        "const Real = EventSource; window.EventSource = class extends Real { constructor(url) { super(url);"
        " this.addEventListener('unchanged', (event) => window.heard(event.data)); } };"
    )
    await page.clock.install()
    await page.reload()
    for _ in range(3):
        heard.clear()
        await until(lambda: bool(heard), "a word without news")
        await page.clock.run_for(15_000)
    await expect(page.locator("#live")).to_have_attribute("data-state", "live")
