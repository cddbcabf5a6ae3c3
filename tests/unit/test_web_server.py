"""The application over a real socket: API, probes, headers, errors, the live stream and its limits."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
import pytest
import pytest_asyncio
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestClient, TestServer

from monitor.web import live
from monitor.web.guard import Caller, Key
from monitor.web.page.agents import AGENTS_SHOWN
from monitor.web.server import build_app
from schemas import event
from schemas.alert import Impact
from schemas.view import SeenView, SignalView, UseView, rollout_of
from tests.services import web_drift, web_fleet
from tests.services.web_fleet import NOW, MemoryView, control_of

Start = Callable[..., Awaitable[TestClient]]


@pytest_asyncio.fixture
async def start() -> AsyncIterator[Start]:
    clients: list[TestClient] = []

    async def run(view: MemoryView, routes: list[web.RouteDef] | None = None, token: str | None = None) -> TestClient:
        keys = [Key(token, Caller("token"))] if token else []
        control = control_of(view)
        app = build_app(view, control, routes or [], host_is_loopback=not keys, keys=keys, clock=lambda: NOW)
        client = TestClient(TestServer(app))
        clients.append(client)
        await client.start_server()
        return client

    yield run
    for client in clients:
        await client.close()


@pytest.mark.parametrize("name", ["agents", "incidents", "budgets", "rollouts"])
async def test_a_list_has_its_items_their_total_and_the_time(start: Start, name: str) -> None:
    client = await start(web_fleet.troubled())
    found = await (await client.get(f"/api/v1/{name}?limit=2")).json()
    assert found["time"] == NOW
    assert len(found[name]) == 2 < found["total"]


async def test_an_agent_can_be_asked_for_by_its_name(start: Start) -> None:
    view = web_fleet.troubled()
    wanted = view.agent_list[-1]
    assert wanted.signals
    client = await start(view)
    found = await (await client.get("/api/v1/agents", params={"agent": wanted.agent})).json()
    assert (found["total"], found["agents"]) == (1, [json.loads(msgspec.json.encode(wanted))])
    found = await (await client.get("/api/v1/agents", params={"agent": "nobody"})).json()
    assert (found["total"], found["agents"]) == (0, [])


async def test_a_level_that_is_not_known_is_null(start: Start) -> None:
    client = await start(web_drift.drifted())
    (found,) = (await (await client.get("/api/v1/agents", params={"agent": "refund-agent"})).json())["agents"]
    levels = {each["signal"]: (each["level"], each["reference"]) for each in found["signals"]}
    assert levels["run.outcome"] == (None, None), "many sides: no one level"
    assert levels["agent.fallback"] == (None, 0.05), "declared, nothing observed yet"
    assert levels["retrieval.empty"] == (0.0, 0.02), "observed"


async def test_signals_are_read_of_those_agents_alone_that_are_shown(start: Start) -> None:
    """To read those of ten thousand takes seconds, in which nothing would be detected."""

    class Counting(MemoryView):
        read = 0

        def signals(self, agent: str) -> tuple[SignalView, ...]:
            self.read += 1
            return super().signals(agent)

    (one, *_) = web_fleet.calm().agent_list
    view = Counting(agent_list=[msgspec.structs.replace(one, agent=f"agent-{number}") for number in range(300)])
    client = await start(view)
    for path, read in (("/metrics", 0), ("/api/v1/status", 0), ("/api/v1/agents?limit=7", 7), ("/", AGENTS_SHOWN)):
        view.read = 0
        assert (await client.get(path)).status == 200
        assert view.read == read, path


async def test_rollouts_come_with_every_key_and_a_worker_that_stands_by_has_none(start: Start) -> None:
    view = web_fleet.troubled()
    client = await start(view)
    found = (await (await client.get("/api/v1/rollouts")).json())["rollouts"]
    assert [each["ended_at"] is None for each in found] == [True, True, False]
    going = {each["mode"]: each for each in found if each["ended_at"] is None}
    assert (going["canary"]["verdict"], going["shadow"]["verdict"]) == ("roll back", "hold")
    assert view.router is not None and list(map(rollout_of, found)) == view.router.rollouts()
    view.router = None
    assert (await client.get("/api/v1/rollouts")).status == 503
    assert (await client.get("/")).status == 200


async def test_incidents_come_open_first_with_all_that_is_known(start: Start) -> None:
    client = await start(web_fleet.troubled())
    found = (await (await client.get("/api/v1/incidents")).json())["incidents"]
    assert [incident["id"] for incident in found] == ["i1", "i2", "old"]
    assert found[0]["alerts"][0]["finding"]["node"] == {
        "agent": "refund-agent",
        "version": "v13",
        "tool": "issue_refund",
    }


async def test_what_runs_carried_and_who_depends_on_what(start: Start) -> None:
    view = web_fleet.calm()
    use = UseView(component="tool:t", first_seen=NOW, last_seen=NOW, runs=3, calls=3)
    view.seen_list = [SeenView(agent="a", owner="one", runs_per_minute=1.0, last_seen=NOW, runs=4, uses=(use,))]
    client = await start(view)
    assert (await (await client.get("/api/v1/seen")).json())["seen"][0]["uses"][0]["component"] == "tool:t"
    found = await (await client.get("/api/v1/dependents", params={"component": "tool:t"})).json()
    assert [(each["component"], each["share"]) for each in found["dependents"]] == [("agent:a", 0.75)]
    view.seen_list = [msgspec.structs.replace(view.seen_list[0], last_seen=NOW - 90_000.0)]
    found = await (await client.get("/api/v1/dependents", params={"component": "tool:t"})).json()
    assert found["time"] == NOW, "what is long ago is so by the clock, not by the latest event"
    for wrong in ("", "t", "tol:t", "tool:", "tool:" + "x" * 600):
        answer = await client.get("/api/v1/dependents", params={"component": wrong})
        assert (answer.status, "agent:NAME" in (await answer.json())["error"]) == (400, True), wrong


async def test_runs_and_status(start: Start) -> None:
    client = await start(web_fleet.troubled())
    runs = (await (await client.get("/api/v1/runs?limit=3")).json())["runs"]
    assert [run["run"] for run in runs] == ["run-0", "run-1", "run-2"]
    status = await (await client.get("/api/v1/status")).json()
    assert status["ready"] and status["incidents_open"] == 2 and status["agents"]["silent"] == 1
    assert status["counts"]["dead_letters:not_json"] == 3


@pytest.mark.parametrize("limit", ["0", "-1", "x", "10001", "1e3", "", "\u0663", "0000000009999999"])
async def test_a_bad_limit_is_a_400_that_says_so(start: Start, limit: str) -> None:
    client = await start(web_fleet.calm())
    answer = await client.get("/api/v1/runs", params={"limit": limit})
    assert answer.status == 400
    assert "whole number from 1 to 10000" in (await answer.json())["error"]


async def test_the_report_of_a_period_and_of_the_last_seven_days(start: Start) -> None:
    client = await start(web_fleet.calm())
    found = await (await client.get("/api/v1/report")).json()
    assert (found["since"], found["until"]) == (NOW - 7 * 86_400.0, NOW)
    found = await (await client.get("/api/v1/report?since=5&until=9.5")).json()
    assert (found["since"], found["until"], found["owners"]) == (5.0, 9.5, [])


@pytest.mark.parametrize("query", ["since=soon", "until=-1", "since=nan", "until=1e99", "since=9&until=5"])
async def test_a_bad_period_is_a_400_that_says_so(start: Start, query: str) -> None:
    answer = await (await start(web_fleet.calm())).get(f"/api/v1/report?{query}")
    assert answer.status == 400
    assert "since" in (await answer.json())["error"] or "until" in (await answer.json())["error"]


async def test_a_worker_that_stands_by_reports_nothing(start: Start) -> None:
    view = web_fleet.calm()
    view.router = None
    assert (await (await start(view)).get("/api/v1/report")).status == 503


async def test_probes_name_what_is_missing(start: Start) -> None:
    view = web_fleet.calm()
    client = await start(view)
    assert [(await client.get(path)).status for path in ("/livez", "/readyz", "/healthz")] == [200, 200, 200]
    view.health_now = web_fleet.unready("broker", "no answer")
    assert [(await client.get(path)).status for path in ("/livez", "/readyz", "/healthz")] == [200, 503, 503]
    body = await (await client.get("/readyz")).json()
    assert body["missing"] == ["broker: no answer"]
    assert {"name": "engine", "ok": True, "message": ""} in body["checks"]


async def test_every_response_has_the_headers(start: Start) -> None:
    client = await start(web_fleet.calm())
    for path in ("/", "/api/v1/agents", "/nothing", "/metrics", "/livez", "/static/page.js", "/static/../server.py"):
        answer = await client.get(path)
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"], path
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Server"] == "forewarn"
        assert answer.headers["Cache-Control"] in ("no-store", "no-cache")


async def test_only_reading_is_answered_and_errors_are_json(start: Start) -> None:
    client = await start(web_fleet.calm())
    refused = await client.post("/api/v1/agents", data=b"{}")
    assert refused.status == 405 and "GET" in refused.headers["Allow"]
    assert "error" in await refused.json()
    assert (await client.get("/static/nothing.js")).status == 404


async def test_a_view_that_fails_is_a_500_without_details(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(MemoryView):
        def agents(self) -> list[object]:
            raise RuntimeError("password is hunter2")

    client = await start(Broken())
    answer = await client.get("/api/v1/agents")
    assert answer.status == 500
    assert "hunter2" not in await answer.text()
    assert "no answer to GET /api/v1/agents" in caplog.text


async def test_a_token_guards_intake_and_page_and_is_told_nobody(start: Start) -> None:
    async def take(_: web.Request) -> web.Response:
        return web.Response(text="taken")

    client = await start(web_fleet.calm(), [web.post("/v1/events", take)], token="s3cret")
    refused = await client.post("/v1/events", data=b"{}")
    assert refused.status == 401
    assert refused.headers["WWW-Authenticate"].startswith("Bearer")
    assert "Authorization: Bearer" in (await refused.json())["error"]
    assert (await client.get("/")).headers["WWW-Authenticate"].startswith("Basic")
    allowed = {"Authorization": "Bearer s3cret"}
    assert await (await client.post("/v1/events", data=b"{}", headers=allowed)).text() == "taken"
    page = await (await client.get("/", headers=allowed)).text()
    metrics = await (await client.get("/metrics", headers=allowed)).text()
    assert "Bearer $FOREWARN_TOKEN" in page and "s3cret" not in page + metrics
    assert 'forewarn_requests_refused_total{reason="no_token"} 2.0' in metrics


async def test_a_foreign_host_sees_nothing(start: Start) -> None:
    client = await start(web_fleet.calm())
    answer = await client.get("/api/v1/agents", headers={"Host": "evil.example"})
    assert answer.status == 403
    assert "refund-agent" not in await answer.text()


async def test_the_curl_example_is_two_events_that_the_decoder_takes(start: Start) -> None:
    client = await start(web_fleet.empty())
    page = await (await client.get("/")).text()
    body = page.partition("-d &#x27;")[2].partition("&#x27;</code>")[0]
    body = body.replace("&quot;", '"').replace("&#x27;$(date +%s)&#x27;", "1790000000")
    kinds = [event.decode(json.dumps(item).encode()).kind for item in json.loads(body)]
    assert kinds == ["run_started", "run_finished"]


async def _snapshot(session: ClientSession, url: str) -> dict[str, object]:
    async with session.get(url) as answer:
        assert answer.content_type == "text/event-stream"
        async for line in answer.content:
            if line.startswith(b"data: "):
                return json.loads(line[6:])
    raise AssertionError("the stream ended")


async def test_the_first_snapshot_is_the_page(start: Start) -> None:
    view = web_fleet.troubled()
    client = await start(view)
    page = await (await client.get("/")).text()
    found = await _snapshot(client.session, str(client.make_url("/api/v1/live")))
    assert found["title"] == "(2) Forewarn"
    assert set(found["sections"]) == {
        "overview",
        "announcement",
        "incidents",
        "rollouts",
        "silences",
        "agents",
        "budgets",
        "intake",
    }
    for html in found["sections"].values():
        assert html in page


async def test_the_readers_are_bounded_and_the_next_is_told(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "CLIENTS", 2)
    client = await start(web_fleet.calm())
    readers = [await client.get("/api/v1/live") for _ in range(2)]
    refused = await client.get("/api/v1/live")
    assert refused.status == 503 and refused.headers["Retry-After"] == "30"
    metrics = await (await client.get("/metrics")).text()
    assert "forewarn_live_clients 2.0" in metrics and "forewarn_live_refused_total 1.0" in metrics
    for reader in readers:
        reader.close()


async def test_a_stop_does_not_wait_for_readers() -> None:
    view = web_fleet.calm()
    app = build_app(view, control_of(view), [], host_is_loopback=True, clock=lambda: NOW)
    async with TestClient(TestServer(app)) as client:
        reader = await client.get("/api/v1/live")
        await app.shutdown()
        rest = await reader.content.read()
        assert rest.startswith(b"retry: 2000\n\nevent: snapshot\n")


@pytest.mark.parametrize("fleet", sorted(web_fleet.FLEETS))
async def test_a_page_is_bounded_and_holds_no_raw_name(start: Start, fleet: str) -> None:
    view = web_fleet.FLEETS[fleet]()
    client = await start(view)
    page = await (await client.get("/")).text()
    assert len(page) < 1_000_000
    for name in web_fleet.HOSTILE:
        if set(name) & set("<>\x00\u202e"):
            assert name not in page


async def test_what_suffers_from_another_incident_links_to_it_and_stands_behind(start: Start) -> None:
    view = web_fleet.troubled()
    child = web_fleet.incident("i3", owner="orders", node={"agent": "order-status"}, time=NOW - 10.0)
    view.incident_list.append(msgspec.structs.replace(child, root="i1"))
    client = await start(view)
    page = await (await client.get("/")).text()
    assert re.findall(r'<article class="incident" id="incident-(\w+)"', page) == ["i1", "i2", "i3"]
    card = page[page.index('id="incident-i3"') :].partition("</article>")[0]
    assert '<a href="#incident-i1">' in card
    assert "Suffers fromTool calls fail more often at agent refund-agent, version v13" in re.sub(r"<[^>]*>", "", card)
    assert 'class="badge impact"' in card and 'class="badge page"' not in card, "it does not page"
    listed = (await (await client.get("/api/v1/incidents")).json())["incidents"]
    assert [each["id"] for each in listed] == ["i1", "i2", "i3", "old"]


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ({"host": "db1", "severity": "page", "owner": "orders"}, "host db1"),
        ({"severity": "page"}, "a place that it does not name"),
        ({f"l{number}": "x" for number in range(11)}, "and 3 more"),
    ],
)
async def test_another_system_s_alert_shows_its_labels(start: Start, labels: dict[str, str], said: str) -> None:
    view = web_fleet.calm()
    posted = web_fleet.incident("i9", node={}, words="disk is full")
    alert = msgspec.structs.replace(posted.alerts[0], posted=True, labels={"alertname": "DiskFull", **labels})
    view.incident_list.append(msgspec.structs.replace(posted, alerts=(alert,)))
    page = await (await (await start(view)).get("/")).text()
    card = re.sub(r"<[^>]*>", "", page[page.index('id="incident-i9"') :].partition("</article>")[0])
    assert said in card and "DiskFull" not in card
    assert "the whole fleet" not in page


async def test_the_page_says_who_acknowledged_what_suffers_and_what_is_silenced(start: Start) -> None:
    view = web_fleet.troubled()
    place = next(at for at, each in enumerate(view.incident_list) if each.id == "i1")
    view.incident_list[place] = msgspec.structs.replace(
        view.incident_list[place],
        acked_by="token:ops <b>alice</b>",
        acked_at=NOW - 60.0,
        escalated_to="platform",
        silenced_until=NOW + 3_600.0,
        no_data_since=NOW - 120.0,
        cause="version v13",
        impact=tuple(
            Impact(owner="support", component=f"agent:helper-{place}", since=NOW - 30.0, declared=place > 0)
            for place in range(7)
        ),
    )
    assert view.router is not None
    view.router.tick(NOW)
    made = {
        "matchers": [{"name": "alertname", "value": "run.failed", "isRegex": False}],
        "startsAt": "2026-09-21T14:00:00Z", "endsAt": "2026-09-21T15:13:20Z",
        "createdBy": "<i>bob</i>", "comment": "a deploy",
    }  # fmt: skip
    client = await start(view)
    assert (await client.post("/api/v2/silences", json=made)).status == 200
    page = await (await client.get("/")).text()
    shown = re.sub(r"<[^>]*>", "", page)
    for text in (
        "Acknowledgedtoken:ops &lt;b&gt;alice&lt;/b&gt;, 60 s ago", "Escalated toplatform", "Likely causeversion v13",
        "agent:helper-0 of support, 30 s ago, seen in runs, not declared", "agent:helper-4 of support, 30 s ago",
        "and 2 more", "a deploy", "&lt;i&gt;bob&lt;/i&gt;",
    ):  # fmt: skip
        assert text in shown, text
    assert "helper-5" not in page and "<b>alice" not in page and "<i>bob" not in page
