"""Golden messages drawn about as Slack draws them, in a real browser: nothing runs out of a phone, nobody is rung."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page

from tests.services.slack_page import page

GOLDEN = Path(__file__).parents[1] / "golden" / "slack"
MESSAGES = sorted(path.stem for path in GOLDEN.glob("*.json"))
PHONE, DESK = 390, 720


pytestmark = pytest.mark.asyncio(loop_scope="session")


async def draw(browser: Browser, name: str, width: int) -> Page:
    """A tab that shows one message."""
    tab = await browser.new_page(viewport={"width": width, "height": 100})
    await show(tab, name)
    return tab


async def show(tab: Page, name: str) -> None:
    """Another message in the same tab."""
    await tab.set_content(page(json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))))


async def top(tab: Page, selector: str) -> float:
    """How far down something begins, in pixels."""
    box = await tab.locator(selector).first.bounding_box()
    assert box is not None
    return box["y"]


@pytest.mark.parametrize("width", [PHONE, DESK])
async def test_every_message_fits_the_width_and_shows_its_title(browser: Browser, width: int) -> None:
    tab = await draw(browser, MESSAGES[0], width)
    for name in MESSAGES:
        await show(tab, name)
        assert await tab.evaluate("document.documentElement.scrollWidth") <= width, name
        assert await top(tab, "h3") < 60, name
    await tab.close()


async def test_the_buttons_of_a_page_are_on_the_first_screen_of_a_phone(browser: Browser) -> None:
    tab = await draw(browser, "firing", PHONE)
    assert await top(tab, ".actions") < 800
    assert await tab.locator(".button").all_inner_texts() == [
        "Acknowledge", "Silence for… ▾", "Not mine… ▾", "False alarm",
    ]  # fmt: skip
    await tab.close()


async def test_hostile_names_are_shown_as_they_are_and_mention_only_the_owner(browser: Browser) -> None:
    tab = await draw(browser, "hostile", PHONE)
    assert await tab.locator(".mention").all_inner_texts() == ["@U024BE7LH"]
    assert "<!channel>" in await tab.locator("h3").inner_text()
    links = [await link.get_attribute("href") or "" for link in await tab.locator(".section a").all()]
    assert links and all(link.startswith("https://traces.example.com/run/") for link in links)
    await tab.close()
