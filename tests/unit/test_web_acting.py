"""Deeds on incidents, reload and decisions over HTTP: what is asked, what the router is told, who did it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer

from monitor.alerting.muting.incident import SILENCES, silences_of
from monitor.alerting.router import Router
from monitor.alerting.routing.matchers import matcher_of, matches_all
from monitor.web.guard import Caller, Key
from monitor.web.server import build_app
from schemas.actions import Deed, SilenceSet
from schemas.config import Config
from tests.doubles.clock import START
from tests.doubles.findings import finding
from tests.services import web_fleet
from tests.services.web_fleet import NOW, MemoryActions, MemoryView, control_of

Start = Callable[..., Awaitable[Any]]


@pytest_asyncio.fixture
async def start() -> AsyncIterator[Start]:
    clients: list[TestClient] = []

    async def run(
        view: MemoryView | None = None, keys: tuple[Key, ...] = (), problem: str = "", owners: Any = None
    ) -> Any:
        config = Config.model_validate({"owners": owners or {}})
        control = control_of(view := view or web_fleet.troubled(), problem, config)
        assert isinstance(control.actions, MemoryActions)
        client: Any = TestClient(
            TestServer(build_app(view, control, [], host_is_loopback=not keys, keys=keys, clock=lambda: NOW))
        )
        clients.append(client)
        await client.start_server()
        client.taken = control.actions.taken
        return client

    yield run
    for client in clients:
        await client.close()


@pytest.mark.parametrize(
    ("body", "deed"),
    [
        ({"act": "ack", "by": "alice"}, Deed(time=NOW, incident="i1", act="ack", by="alice")),
        ({"act": "unack"}, Deed(time=NOW, incident="i1", act="unack", by="local")),
        (
            {"act": "not_mine", "to": "payments", "note": "theirs", "by": "a\nb\u202e"},
            Deed(time=NOW, incident="i1", act="not_mine", by="a b", to="payments", note="theirs"),
        ),
        ({"act": "false_alarm"}, Deed(time=NOW, incident="i1", act="false_alarm", by="local")),
        ({"act": "new_normal"}, Deed(time=NOW, incident="i1", act="new_normal", by="local")),
    ],
)
async def test_a_deed_reaches_the_router_as_it_was_asked(start: Start, body: dict[str, str], deed: Deed) -> None:
    client = await start()
    answer = await client.post("/api/v1/act", json={"incident": "i1", **body})
    assert await answer.json() == {"incident": "i1", "act": deed.act, "by": deed.by}
    assert client.taken == [deed]


async def test_with_a_token_its_name_stands_first(start: Start) -> None:
    client = await start(keys=(Key("s3cret", Caller("ops")),))
    headers = {"Authorization": "Bearer s3cret"}
    await client.post("/api/v1/act", json={"incident": "i1", "act": "ack", "by": "token:root"}, headers=headers)
    assert client.taken[0].by == "token:ops token:root"


async def test_a_silence_of_an_incident_matches_what_fires_of_it(start: Start) -> None:
    view = web_fleet.troubled()
    client = await start(view)
    answer = await client.post("/api/v1/act", json={"incident": "i1", "act": "silence", "for": "30m", "by": "alice"})
    body = await answer.json()
    assert body["until"] == NOW + 1_800.0 and body["by"] == "alice"
    (silence,) = client.taken
    assert isinstance(silence, SilenceSet) and silence.id == body["silence"]
    assert [each["id"] for each in body["silences"]] == [silence.id] and silence.comment == "incident i1"
    incident = next(each for each in view.incidents() if each.id == "i1")
    compiled = tuple(matcher_of(each) for each in silence.matchers)
    assert all(matches_all(compiled, alert.labels) for alert in incident.alerts)


async def test_an_incident_of_an_agent_and_its_tool_takes_a_silence_for_each_and_mutes_nothing_else(
    start: Start,
) -> None:
    depends = [{"agent": "refund-agent", "owner": "payments", "depends_on": ["tool:issue_refund"]}]
    config = Config.model_validate({"owners": {"payments": {}, "platform": {}}, "components": depends})
    router = Router(config)
    first = finding(key="a", signal="run.failed", node={"agent": "refund-agent"})
    router.step([first], START)
    router.step([finding(5, key="b", node={"tool": "issue_refund"}, watched={"tool": "issue_refund"})], START + 5)
    (incident,) = router.incidents()
    client = await start(MemoryView(router=router, incident_list=[incident]))
    body = await (await client.post("/api/v1/act", json={"incident": incident.id, "act": "silence"})).json()
    assert [{each["name"]: each["value"] for each in one["matchers"]} for one in body["silences"]] == [
        {"alertname": "run.failed", "agent": "refund-agent"}, {"alertname": "tool.failed", "tool": "issue_refund"},
    ]  # fmt: skip
    assert body["silence"] == body["silences"][0]["id"]
    later = NOW - START + 60
    other = {"agent": "payout-agent"}
    unrelated = finding(later, key="c", signal="contract.violated", node=other, watched=other)
    assert [told.receiver for told in router.step([unrelated], START + later)] == ["payments"]
    assert router.step([finding(later + 1, key="a", status="update", after=0.5)], START + later + 1) == []


@pytest.mark.parametrize(
    ("body", "status", "why"),
    [
        ({"incident": "unknown", "act": "ack"}, 404, "no incident"),
        ({"incident": "old", "act": "ack"}, 409, "is over"),
        ({"incident": "old", "act": "silence"}, 409, "is over"),
        ({"incident": "i1", "act": "shout"}, 400,
         "Invalid enum value 'shout' - at `$.act`; one of ack, unack, not_mine, false_alarm, new_normal, silence"),
        ({"incident": "i1"}, 400, "act"),
        ({"act": "ack"}, 400, "incident"),
        ({"incident": "i1", "act": "ack", "who": "me"}, 400, "unknown field"),
        ({"incident": "i1", "act": "ack", "note": "x" * 1_001}, 400, "1000 characters"),
        ({"incident": "i1", "act": "silence", "for": "soon"}, 400, "no duration"),
        ({"incident": "i1", "act": "silence", "for": "1s"}, 400, "one minute"),
        ({"incident": "i1", "act": "silence", "for": "90d"}, 400, "30 days"),
    ],
)  # fmt: skip
async def test_what_cannot_be_done_says_why(start: Start, body: dict[str, str], status: int, why: str) -> None:
    client = await start()
    answer = await client.post("/api/v1/act", json=body)
    assert answer.status == status and why in (await answer.json())["error"]
    assert client.taken == []


ESCALATES = {"platform": {"escalate": {"after": "5m", "to": "payments"}}, "payments": {}}


@pytest.mark.parametrize(
    ("sentence", "owners", "to", "why"),
    [
        ("an owner that the configuration does not know", ESCALATES, "nobody",
         "there is no owner `nobody`; owners: platform, payments"),
        ("the owner that has it", ESCALATES, "platform", "it is platform's already; owners: platform, payments"),
        ("nobody is next in line", {"platform": {}, "payments": {}}, "",
         "nobody is next in line after platform, say `to`; owners: platform, payments"),
        ("there is no other owner", {"platform": {}}, "",
         "nobody is next in line after platform, say `to`; owners: platform"),
    ],
)  # fmt: skip
async def test_a_hand_over_to_nobody_is_refused(start: Start, sentence: str, owners: Any, to: str, why: str) -> None:
    client = await start(owners=owners)
    answer = await client.post("/api/v1/act", json={"incident": "i1", "act": "not_mine", "to": to})
    assert (answer.status, await answer.json()) == (400, {"error": why}), sentence
    assert client.taken == []


async def test_a_hand_over_to_the_next_in_line_is_taken(start: Start) -> None:
    client = await start(owners=ESCALATES)
    assert (await client.post("/api/v1/act", json={"incident": "i1", "act": "not_mine"})).status == 200
    assert [each.act for each in client.taken] == ["not_mine"]


async def test_a_worker_that_stands_by_knows_the_owners_all_the_same(start: Start) -> None:
    view = MemoryView(router=None)
    client = await start(view, owners=ESCALATES)
    for to, status in (("nobody", 400), ("platform", 200), ("", 200)):
        body = {"incident": "elsewhere", "act": "not_mine", "to": to}
        assert (await client.post("/api/v1/act", json=body)).status == status, to
    assert [each.to for each in client.taken] == ["platform", ""]


async def test_a_word_on_what_was_an_incident_may_still_be_said(start: Start) -> None:
    client = await start()
    assert (await client.post("/api/v1/act", json={"incident": "old", "act": "false_alarm"})).status == 200


def test_what_does_not_fire_is_not_silenced() -> None:
    incident = web_fleet.incident("i")
    for quiet in (msgspec.structs.replace(incident, alerts=()), web_fleet.incident("i", resolved_at=NOW)):
        assert silences_of(quiet, 3_600.0, NOW, name=str, by="x", comment="") == []


def test_an_incident_of_many_sets_of_labels_makes_no_more_silences_than_the_bound() -> None:
    incident = web_fleet.incident("i")
    (alert,) = incident.alerts
    labels = [{"alertname": "run.failed", "agent": f"a{number}"} for number in range(SILENCES + 5)]
    many = tuple(msgspec.structs.replace(alert, labels=each) for each in [*labels, labels[0]])
    made = silences_of(msgspec.structs.replace(incident, alerts=many), 60.0, NOW, name=str, by="x", comment="")
    assert len(made) == SILENCES == len({each.id for each in made})


async def test_a_reload_says_what_takes_a_restart(start: Start) -> None:
    client = await start()
    for method in ("post", "put"):
        answer = await getattr(client, method)("/-/reload")
        assert (answer.status, await answer.text()) == (200, "runtime: takes a restart\n")
    assert (await client.get("/-/reload")).status == 405


async def test_a_file_that_is_wrong_is_a_500_with_the_reason_and_counted(start: Start) -> None:
    client = await start(problem="x.yaml has problems")
    answer = await client.post("/-/reload")
    assert (answer.status, await answer.text()) == (500, "failed to reload config: x.yaml has problems\n")
    assert "forewarn_reloads_failed_total 1.0" in await (await client.get("/metrics")).text()


async def test_decisions_are_asked_by_incident_or_by_labels(start: Start) -> None:
    view = MemoryView(router=Router(Config()))
    client = await start(view)
    posted = [{"labels": {"alertname": "Slow", "host": "a"}}]
    assert (await client.post("/api/v2/alerts", json=posted)).status == 200
    assert view.router is not None
    (incident,) = view.router.incidents()
    by_id = await (await client.get(f"/api/v1/decisions?about={incident.id}")).json()
    assert [each["reason"] for each in by_id["decisions"]] == ["first notification"]
    by_label = await (await client.get("/api/v1/decisions?label=alertname=Slow&label=host=a")).json()
    assert by_label["decisions"] == by_id["decisions"]
    assert (await client.get("/api/v1/decisions")).status == 400
    view.router = None
    assert (await client.get("/api/v1/decisions?about=x")).status == 503
