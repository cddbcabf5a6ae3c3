"""The page in a real browser: first paint, live updates, states, hostile names, a phone, the CSP, no other host."""

from __future__ import annotations

import re

import pytest
from msgspec import structs
from playwright.async_api import expect

from monitor.web.page.agents import ABSENT
from schemas.signals import PUBLIC_SIGNALS
from tests.doubles import rollouts
from tests.doubles.clock import START
from tests.services import web_fleet
from tests.services.web_drift import drifted
from tests.services.web_fleet import FLEETS, NOW, MemoryView
from tests.services.web_visit import CONTRAST, SPLIT, Open

pytestmark = pytest.mark.asyncio(loop_scope="session")

PHONE = {"width": 360, "height": 740}
SHOWN = {**FLEETS, "drift": drifted}


async def test_the_first_paint_is_complete_without_javascript(visit: Open) -> None:
    page = (await visit(web_fleet.troubled(), is_live=False, java_script_enabled=False)).page
    card = page.locator("#incident-i1")
    await expect(page.locator("h1")).to_have_text("2 open incidents")
    for text in ("refund-agent", "v13", "issue_refund", "3.8 %", "31 %", "13 of 42", "platform", "4 min ago"):
        await expect(card).to_contain_text(text)
    await expect(card).to_contain_text("12 min before the first complaint")
    await expect(page.locator(".agents")).to_contain_text("41 more runs that use it")
    await expect(page.locator("#budgets")).to_contain_text("payments")
    assert await page.locator("#live-text").inner_text() == "as of 14:13:20 UTC"


async def test_what_happens_shows_without_a_reload(visit: Open) -> None:
    view = web_fleet.calm()
    page = (await visit(view)).page
    await page.evaluate("window.sameDocument = true")
    await expect(page.locator("h1")).to_have_text("No open incidents")

    view.incident_list.append(web_fleet.incident("i1"))
    view.agent_list[0] = web_fleet.agent("refund-agent", "incident", runs=4_999)

    await expect(page.locator("#incident-i1")).to_be_visible()
    await expect(page.locator("h1")).to_have_text("1 open incident")
    await expect(page).to_have_title("(1) Forewarn")
    await expect(page.locator("[data-live='announcement'][role='status']")).to_contain_text(
        "Tool calls fail more often at agent refund-agent"
    )
    await expect(page.locator(".agents tbody").first).to_contain_text("4,999")

    view.incident_list[-1] = web_fleet.incident("i1", resolved_at=NOW)
    await expect(page.locator("article#incident-i1")).to_have_count(0)
    await expect(page.locator(".resolved tbody tr").first).to_contain_text("now")
    await expect(page).to_have_title("Forewarn")
    assert await page.evaluate("window.sameDocument") is True


async def test_an_update_leaves_what_the_reader_opened_and_selected(visit: Open) -> None:
    view = web_fleet.calm()
    page = (await visit(view)).page
    details = page.locator("tbody[data-key='refund-agent'] details")
    await expect(details).not_to_have_attribute("open", "")
    await details.locator("summary").click()
    await details.locator("summary").focus()
    await page.evaluate("getSelection().selectAllChildren(document.querySelector('.agents tbody th .name'))")
    selected = await page.evaluate("getSelection().toString()")

    view.agent_list[0] = web_fleet.agent("refund-agent", runs=5_001)
    view.agent_list.append(web_fleet.agent("a-new-one"))

    await expect(page.locator("tbody[data-key='refund-agent']")).to_contain_text("5,001")
    await expect(page.locator("tbody[data-key='a-new-one']")).to_be_visible()
    await expect(details).to_have_attribute("open", "")
    assert await page.evaluate("document.activeElement.nodeName") == "SUMMARY"
    assert selected and await page.evaluate("getSelection().toString()") == selected


async def test_the_first_event_replaces_the_empty_page(visit: Open) -> None:
    view = web_fleet.empty()
    page = (await visit(view)).page
    await expect(page.locator("h1")).to_have_text("Waiting for the first event")
    await expect(page.locator("#send")).to_contain_text("OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:")
    await expect(page.locator("#curl")).to_contain_text("/v1/events")
    view.agent_list.append(web_fleet.agent("hello-agent", "warming up"))
    await expect(page.locator("tbody[data-key='hello-agent']")).to_contain_text("warming up")


async def test_a_rollout_shows_its_verdict_and_what_both_versions_do(visit: Open) -> None:
    view = web_fleet.troubled()
    page = (await visit(view)).page
    rows = page.locator(".rollouts > tbody")
    assert await rows.locator(".state").all_inner_texts() == ["roll back", "hold", "promote"]
    first = rows.first
    for text in ("refund-agent", "canary of v13 beside v12", "398", "beside 412", "5.1 % → 14.8 %", "worse"):
        await expect(first).to_contain_text(text)
    await expect(first.locator("details")).to_have_attribute("open", "")
    assert view.router is not None
    view.router.step((), NOW + 5.0, (), [rollouts.promoted(NOW - START, started=NOW - 9_000.0)])
    await expect(page.locator(".rollouts > tbody[data-state='roll back']")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_state_has_a_word_and_every_word_has_contrast(visit: Open, scheme: str) -> None:
    page = (await visit(web_fleet.troubled(), color_scheme=scheme)).page
    states = await page.locator(".agents .state").all_inner_texts()
    assert states == ["incident", "silent", "blind", "warming up", "healthy"]
    assert await page.evaluate(CONTRAST) == []


async def test_the_page_has_landmarks_headings_and_table_headers(visit: Open) -> None:
    page = (await visit(web_fleet.troubled())).page
    for role in ("banner", "main", "contentinfo", "navigation"):
        await expect(page.get_by_role(role)).to_have_count(1)
    for name in ("Incidents", "Rollouts", "Agents", "Budgets", "Intake"):
        await expect(page.get_by_role("region", name=name)).to_have_count(1)
    await expect(page.get_by_role("columnheader", name="Last seen")).to_be_visible()
    agents = page.get_by_role("region", name="Agents")
    await expect(agents.get_by_role("rowheader", name="refund-agent")).to_be_visible()
    await expect(agents.get_by_role("table", name="Signals of refund-agent")).to_be_visible()
    await expect(page.get_by_role("status")).to_have_count(2)  # what is open, and whether this is live


@pytest.mark.parametrize("size", [PHONE, {"width": 1280, "height": 800}], ids=["phone", "desk"])
async def test_hostile_names_stay_names(visit: Open, size: dict[str, int]) -> None:
    view = web_fleet.hostile()
    page = (await visit(view, viewport=size)).page
    view.agent_list[0] = web_fleet.agent(
        web_fleet.HOSTILE[0], "silent", runs=777_777
    )  # through the live stream as well
    await expect(page.locator("body")).to_contain_text("777,777")
    await expect(page).to_have_title(re.compile(r"^\(10\) Forewarn$"))
    assert await page.locator("main img, main script, main [onerror]").count() == 0
    assert await page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    text = await page.locator("main").inner_text()
    assert '<script>document.title="owned"</script>' in text
    assert "safe\\u202egnp.exe" in text and "\u202e" not in text


@pytest.mark.parametrize("size", [PHONE, {"width": 1280, "height": 800}], ids=["phone", "desk"])
async def test_names_that_differ_at_their_ends_are_told_apart(visit: Open, size: dict[str, int]) -> None:
    begin = "billing-and-subscription-lifecycle-orchestrator-europe-west-4-canary"
    long = "x" * 200
    names = [f"{begin}-production", f"{begin}-staging", f"{long}-production", f"{long}-staging"]
    view = web_fleet.MemoryView(agent_list=[web_fleet.agent(name) for name in names])
    page = (await visit(view, viewport=size)).page
    found = page.locator(".agents > tbody .agent th > .name")
    shown = await found.all_inner_texts()
    assert shown[:2] == names[:2]
    for text, name in zip(shown[2:], names[2:], strict=True):
        assert len(text) == 96 and "…" in text and text.endswith(name[-10:].lstrip("x"))
    assert [await one.get_attribute("title") for one in await found.all()] == [None, None, *names[2:]]
    clipped = "(all) => all.filter((one) => one.scrollHeight > one.clientHeight + 2).map((one) => one.innerText)"
    assert await page.locator(".name").evaluate_all(clipped) == []


@pytest.mark.parametrize("fleet", sorted(SHOWN))
async def test_a_phone_needs_no_sideways_scrolling(visit: Open, fleet: str) -> None:
    page = (await visit(SHOWN[fleet](), viewport=PHONE)).page
    await page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    spilled = await page.evaluate(
        """() => Array.from(document.querySelectorAll("td, th, dd")).filter((cell) => cell.checkVisibility() &&
             cell.scrollWidth > cell.clientWidth + 1).map((cell) => cell.innerText.slice(0, 60))"""
    )
    assert spilled == []


async def test_a_phone_breaks_no_word_of_a_signal_s_table(visit: Open) -> None:
    view = web_fleet.troubled()
    watched = [
        web_fleet.signal(signal.name, 0.1, 0.1, 0.1, tool="search_customer_orders", agent="refund-agent")
        for signal in PUBLIC_SIGNALS
    ]
    shown = [
        structs.replace(view.agent_list[0], agent=f"a{at}", signals=tuple(watched[at : at + 12]))
        for at in range(0, len(watched), 12)
    ]
    view.agent_list = [view.agent_list[0], *shown]
    page = (await visit(view, viewport={"width": 390, "height": 844})).page
    await page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    split = await page.locator(".agents .signals table").evaluate_all(f"(tables) => tables.flatMap({SPLIT})")
    assert split == []


async def test_an_incident_says_what_drifted_as_messages_do(visit: Open) -> None:
    page = (await visit(drifted())).page
    headings = {
        "shape": "Outputs changed shape: kind is prose in 94 % of runs, was 0.01 %",
        "contract": "Breaks its contract in 3 of 15 runs: result.amount is missing",
        "model": "Answers come from another model: gpt-small in 97 %, was 0 %",
        "cost": "run.cost_usd rose to $0.094, was $0.031",
        "fewer": "Fails only 9 % of runs, was 30 %",
    }
    for key, heading in headings.items():
        await expect(page.locator(f"#incident-{key} h3")).to_have_text(heading)
    beside = page.locator("#incident-shape .facts div", has_text="Changed as well")
    await expect(beside).to_contain_text("run.tokens")
    await expect(beside).to_contain_text("run.output_length")


async def test_a_level_that_is_not_known_is_not_invented(visit: Open) -> None:
    page = (await visit(drifted())).page
    rows = page.locator("tbody[data-key='refund-agent'] .signals tbody tr")
    shown = {
        (await row.locator("code").first.inner_text()): [
            text.strip() for text in (await row.locator("td.number").all_inner_texts())
        ]
        for row in await rows.all()
    }
    assert shown == {
        "run.output_shape": ["6.2 %", "99.99 %"],  # a share, as on the card
        "run.outcome": [ABSENT, ABSENT],  # many sides: no one level
        "run.retries": [ABSENT, ABSENT],
        "retrieval.empty": ["0 %", "2 %"],  # observed
        "agent.fallback": [ABSENT, "5 %"],  # declared, nothing observed yet
        "run.failed": ["2 %", ABSENT],
    }


async def test_who_suffers_stands_below_its_label(visit: Open) -> None:
    page = (await visit(web_fleet.troubled())).page
    listed = page.get_by_role("list", name="Impact")
    await expect(listed).to_contain_text("agent:order-status of orders, 2 min ago, seen in runs, not declared")
    label, below = await page.locator(".impact-label").bounding_box(), await listed.bounding_box()
    assert label is not None and below is not None
    assert below["y"] - (label["y"] + label["height"]) < 4.0
    assert await listed.evaluate("(list) => getComputedStyle(list).borderTopWidth") == "0px"  # nothing in between


async def test_a_silent_agent_and_its_silent_failures_are_two_things(visit: Open) -> None:
    opened = await visit(web_fleet.troubled())
    heads = opened.page.locator(".agents > thead th")
    assert "Silent failures" in await heads.all_inner_texts()
    states = await opened.page.locator(".agents .state").all_inner_texts()
    assert not set(states) & {head.lower() for head in await heads.all_inner_texts()}
    signals = opened.page.locator(".agents .signals").first.locator("thead th")
    for head in (*await heads.all(), *await signals.all()):
        assert await head.get_attribute("title")
    await opened.page.set_viewport_size({"width": 360, "height": 740})
    await expect(opened.page.locator("tbody[data-key='night-batch'] .narrow")).to_have_text(
        "17 silent failures, 2 hung"
    )


async def test_a_link_leads_to_an_incident_or_says_where_to_look(visit: Open) -> None:
    view = web_fleet.troubled()
    page = (await visit(view)).page
    elsewhere = page.locator("#elsewhere")
    for shown in ("#incident-i1", "#incident-old", "#agents", ""):
        await page.evaluate("(hash) => { location.hash = hash; }", shown)
        if "-" in shown:
            await expect(page.locator(":target")).to_be_in_viewport()
        await expect(elsewhere).to_be_hidden()
    await page.evaluate("location.hash = '#incident-2cace6f9'")
    await expect(elsewhere).to_be_visible()
    for text in ("2cace6f9", "forewarn incidents", "/api/v1/incidents"):
        await expect(elsewhere).to_contain_text(text)
    view.incident_list.append(web_fleet.incident("2cace6f9"))
    await expect(elsewhere).to_be_hidden()
    await page.evaluate("location.hash = '#incident-%E0%A4%A'")
    await expect(elsewhere).to_contain_text("%E0%A4%A")


async def test_a_monitor_that_is_not_ready_says_what_is_missing(visit: Open) -> None:
    view = MemoryView(health_now=web_fleet.unready("broker", "no answer from localhost:9092"))
    page = (await visit(view)).page
    await expect(page.locator(".unready")).to_contain_text("broker: no answer from localhost:9092")
    view.health_now = web_fleet.READY
    await expect(page.locator(".unready")).to_have_count(0)
