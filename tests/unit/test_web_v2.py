"""Alertmanager's API: shapes, status codes and error bodies, one sentence per row; a real router behind it."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer

from monitor.alerting.muting import silences
from monitor.alerting.router import Router
from monitor.web.guard import Caller, Key
from monitor.web.server import build_app
from monitor.web.v2 import bodies
from monitor.web.v2.original import duration, original
from monitor.web.view import NotNow
from schemas.config import Config
from tests.services.web_fleet import NOW, MemoryActions, MemoryView, control_of

TREE = {
    "route": {"receiver": "all", "group_by": ["alertname"], "routes": [{"receiver": "db", "matchers": ["team=db"]}]},
    "receivers": [{"name": "all"}, {"name": "db"}],
    "inhibit_rules": [
        {"source_matchers": ["alertname=Down"], "target_matchers": ["alertname=Slow"], "equal": ["host"]}
    ],
}
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
SILENCE = {
    "matchers": [{"name": "alertname", "value": "Slow", "isRegex": False}],
    "startsAt": "2026-09-21T14:13:20Z",  # NOW
    "endsAt": "2026-09-21T16:13:20Z",
    "createdBy": "alice",
    "comment": "known",
}

Start = Callable[..., Awaitable[TestClient]]


@pytest_asyncio.fixture
async def start() -> AsyncIterator[Start]:
    clients: list[TestClient] = []

    async def run(
        view: MemoryView | None = None,
        keys: tuple[Key, ...] = (),
        refuse: Exception | None = None,
        moving: bool = False,
    ) -> Any:
        view = view or MemoryView(router=Router(Config.model_validate(TREE)))
        if view.router is not None:
            view.router.tick(NOW)
        control = control_of(view)
        assert isinstance(control.actions, MemoryActions)
        control.actions.refuse = refuse
        times = itertools.count()
        clock = (lambda: NOW + next(times) * 1e-6) if moving else (lambda: NOW)
        app = build_app(view, control, [], host_is_loopback=not keys, keys=keys, clock=clock)
        client = TestClient(TestServer(app))
        clients.append(client)
        await client.start_server()
        client.taken = control.actions.taken  # type: ignore[attr-defined]
        return client

    yield run
    for client in clients:
        await client.close()


async def post(client: TestClient, path: str, body: Any, **headers: str) -> tuple[int, Any]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    names = {"Content-Type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
    answer = await client.post(path, data=data, headers=names)
    text = await answer.text()
    return answer.status, json.loads(text) if text else None


async def get(client: TestClient, path: str) -> Any:
    answer = await client.get(path)
    assert answer.status == 200, await answer.text()
    return await answer.json()


def alert(name: str, **labels: str) -> dict[str, Any]:
    return {"labels": {"alertname": name, **labels}, "annotations": {"summary": name}, "generatorURL": "http://p/g"}


async def test_an_alert_that_was_posted_is_shown_as_alertmanager_shows_it(start: Start) -> None:
    client = await start()
    assert await post(client, "/api/v2/alerts", [alert("Slow", host="a", empty="", team="db")]) == (200, None)
    (found,) = await get(client, "/api/v2/alerts")
    assert set(found) == {
        "annotations", "endsAt", "fingerprint", "receivers", "startsAt", "status", "updatedAt", "generatorURL",
        "labels",
    }  # fmt: skip
    assert found["labels"] == {"alertname": "Slow", "host": "a", "team": "db"}, "an empty label is none"
    assert found["status"] == {"inhibitedBy": [], "mutedBy": [], "silencedBy": [], "state": "unprocessed"}
    assert found["receivers"] == [{"name": "db"}]
    assert found["startsAt"] == found["updatedAt"] == "2026-09-21T14:13:20.000Z"
    assert found["endsAt"] == "2026-09-21T14:18:20.000Z", "resolve_timeout later"
    assert re.fullmatch(r"[0-9a-f]{16}", found["fingerprint"])
    assert all(MOMENT.fullmatch(found[key]) for key in ("startsAt", "endsAt", "updatedAt"))
    (group,) = await get(client, "/api/v2/alerts/groups")
    assert group["labels"] == {"alertname": "Slow"} and group["receiver"] == {"name": "db"}
    assert group["alerts"] == [found]


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", {"Down", "Slow", "Late"}),
        ("filter=alertname=Slow", {"Slow"}),
        ("filter=alertname=~S.*|L.*", {"Slow", "Late"}),
        ("filter=host=a&filter=alertname!=Slow", {"Down"}),  # all of them must match
        ("filter={host=%22b%22}", {"Late"}),
        ("filter=team=", {"Down", "Slow", "Late"}),  # empty: the label is not there
        ("filter=host=", set()),
        ("filter=host!=", {"Down", "Slow", "Late"}),
        ("inhibited=false", {"Down", "Late"}),
        ("silenced=false", {"Down", "Slow"}),
        ("silenced=false&inhibited=false", {"Down"}),
        ("active=false&unprocessed=false", {"Slow", "Late"}),
        ("receiver=all", {"Down", "Slow", "Late"}),
        ("receiver=al", set()),  # anchored
        ("receiver=a.*", {"Down", "Slow", "Late"}),
        ("receiver=db", set()),
    ],
)
async def test_a_question_leaves_out_what_it_says(start: Start, query: str, shown: set[str]) -> None:
    client = await start()
    posted = [alert("Down", host="a"), alert("Slow", host="a"), alert("Late", host="b")]
    assert (await post(client, "/api/v2/alerts", posted))[0] == 200
    silence = SILENCE | {"matchers": [{"name": "alertname", "value": "Late", "isRegex": False}]}
    assert (await post(client, "/api/v2/silences", silence))[0] == 200
    found = await get(client, f"/api/v2/alerts?{query}")
    assert {each["labels"]["alertname"] for each in found} == shown
    assert [each["fingerprint"] for each in found] == sorted(each["fingerprint"] for each in found)
    groups = await get(client, f"/api/v2/alerts/groups?{query}")
    assert {each["labels"]["alertname"] for group in groups for each in group["alerts"]} == shown


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/api/v2/alerts?filter=alertname", 400, "bad matcher format"),
        ("/api/v2/alerts?filter=a=~(", 400, "bad matcher format"),
        ("/api/v2/alerts?receiver=(", 400, "failed to parse receiver param"),
        ("/api/v2/alerts?silenced=perhaps", 422, "silenced in query must be of type bool"),
        ("/api/v2/silences?filter=x", 400, "bad matcher format"),
        ("/api/v2/silence/nonsense", 422, "must be of type uuid"),
        ("/api/v2/nothing", 404, ""),
    ],
)
async def test_a_question_that_is_wrong_says_what(start: Start, path: str, status: int, message: str) -> None:
    answer = await (await start()).get(path)
    assert answer.status == status and message in await answer.text()


@pytest.mark.parametrize(
    ("body", "status", "message", "taken"),
    [
        (b"", 422, {"code": 602, "message": "alerts in body is required"}, 0),
        (b"[]", 200, None, 0),
        (b"{", 400, "parsing alerts body", 0),
        (b'{"labels":{}}', 400, "parsing alerts body", 0),
        ([{}], 422, {"code": 602, "message": "0.labels in body is required"}, 0),
        ([{"labels": {"a": 1}}], 400, "parsing alerts body", 0),
        ([{"labels": {}}], 400, "at least one label pair required", 0),
        ([{"labels": {"a": ""}}], 400, "at least one label pair required", 0),
        ([{"labels": {"": "x"}}], 400, "invalid name", 0),
        ([alert("good"), {"labels": {}}], 400, "at least one label pair required", 1),  # the others are taken
        ([alert("x") | {"startsAt": "yesterday"}], 400, "parsing alerts body", 0),
        ([alert("x") | {"startsAt": "2026-09-21T14:13:20"}], 400, "parsing alerts body", 0),  # in whose zone?
        ([alert("x") | {"startsAt": "2026-09-21T15:00:00Z", "endsAt": "2026-09-21T14:00:00Z"}], 400, "before end", 0),
        ([alert("x") | {"startsAt": "0001-01-01T00:00:00Z", "endsAt": "0001-01-01T00:00:00Z"}], 200, None, 1),
        ([alert("x") | {"startsAt": "2026-09-21T16:13:20.123456789+02:00"}], 200, None, 1),
        ([alert("x") | {"annotations": None}], 200, None, 1),
        ([alert("x", **{f"l{n}": "v" for n in range(64)})], 400, "more than 64", 0),
        ([alert("x", long="y" * 5_000)], 400, "too long", 0),
    ],
)
async def test_alerts_are_taken_or_refused_one_by_one(
    start: Start, body: Any, status: int, message: Any, taken: int
) -> None:
    client = await start()
    found = await post(client, "/api/v2/alerts", body)
    if isinstance(message, str):
        text = found[1] if isinstance(found[1], str) else found[1]["message"]
        assert found[0] == status and message in text
    else:
        assert found == (status, message)
    assert len(client.taken) == taken  # type: ignore[attr-defined]


async def test_times_of_an_alert_are_those_that_were_sent(start: Start) -> None:
    client = await start()
    sent = alert("x") | {"startsAt": "2026-09-21T16:13:20.125+02:00", "endsAt": "2026-09-21T15:00:00Z"}
    await post(client, "/api/v2/alerts", [sent])
    (found,) = client.taken  # type: ignore[attr-defined]
    assert (found.time, found.starts_at, found.ends_at) == (NOW, NOW + 0.125, NOW + 2_800.0)


async def test_an_alert_that_ended_is_not_listed(start: Start) -> None:
    client = await start()
    await post(client, "/api/v2/alerts", [alert("x") | {"endsAt": "2026-09-21T14:13:00Z"}])
    assert await get(client, "/api/v2/alerts") == []


async def test_too_many_alerts_are_refused_whole(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "ALERTS", 2)
    client = await start()
    assert (await post(client, "/api/v2/alerts", [alert(name) for name in "abc"]))[0] == 413
    assert not client.taken  # type: ignore[attr-defined]


async def test_a_silence_lives_from_add_to_expire(start: Start) -> None:
    client = await start(moving=True)
    await post(client, "/api/v2/alerts", [alert("Slow", host="a")])
    status, made = await post(client, "/api/v2/silences", SILENCE)
    name = made["silenceID"]
    assert status == 200 and re.fullmatch(r"[0-9a-f-]{36}", name)
    shown = {
        "id": name,
        "status": {"state": "active"},
        "updatedAt": "2026-09-21T14:13:20.000Z",
        "comment": "known",
        "createdBy": "alice",
        "endsAt": "2026-09-21T16:13:20.000Z",
        "matchers": [{"isEqual": True, "isRegex": False, "name": "alertname", "value": "Slow"}],
        "startsAt": "2026-09-21T14:13:20.000Z",
    }
    assert await get(client, "/api/v2/silences") == [shown]
    assert await get(client, f"/api/v2/silence/{name}") == shown
    (found,) = await get(client, "/api/v2/alerts")
    assert found["status"]["state"] == "suppressed" and found["status"]["silencedBy"] == [name]

    longer = SILENCE | {"id": name, "endsAt": "2026-09-21T20:13:20Z", "comment": "still"}
    assert await post(client, "/api/v2/silences", longer) == (200, {"silenceID": name}), "the same one, longer"
    other = longer | {"matchers": [{"name": "host", "value": "a", "isRegex": False}]}
    status, replaced = await post(client, "/api/v2/silences", other)
    assert status == 200 and replaced["silenceID"] != name, "whom it mutes has changed"
    found = {each["id"]: each["status"]["state"] for each in await get(client, "/api/v2/silences")}
    assert found == {name: "expired", replaced["silenceID"]: "active"}

    answer = await client.delete(f"/api/v2/silence/{replaced['silenceID']}")
    assert (answer.status, await answer.text()) == (200, "")
    assert {each["status"]["state"] for each in await get(client, "/api/v2/silences")} == {"expired"}
    assert (await client.delete("/api/v2/silence/00000000-0000-4000-8000-000000000000")).status == 404
    assert (await client.get("/api/v2/silence/00000000-0000-4000-8000-000000000000")).status == 404


@pytest.mark.parametrize(
    ("changes", "status", "message"),
    [
        ({"matchers": []}, 422, "should have at least 1 items"),
        ({"comment": None}, 400, "parsing silence body"),
        ({"endsAt": "2026-09-21T14:13:20Z"}, 400, "start time must be before end time"),
        ({"startsAt": "2026-09-20T00:00:00Z", "endsAt": "2026-09-21T00:00:00Z"}, 400, "end time can't be in the past"),
        ({"matchers": [{"name": "a", "value": "", "isRegex": False}]}, 400, "must not match the empty string"),
        ({"matchers": [{"name": "a", "value": ".*", "isRegex": True}]}, 400, "must not match the empty string"),
        ({"matchers": [{"name": "a", "value": "(", "isRegex": True}]}, 400, "invalid silence"),
        ({"matchers": [{"name": "", "value": "x", "isRegex": False}]}, 400, "invalid label name"),
        ({"matchers": [{"name": "a", "isRegex": False}]}, 422, "silence.matchers.0.value in body is required"),
        ({"id": "00000000-0000-4000-8000-000000000000"}, 404, "silence not found"),
        ({"comment": "x" * 5_000}, 400, "characters"),
    ],
)
async def test_a_silence_without_sense_is_refused_with_the_reason(
    start: Start, changes: dict[str, Any], status: int, message: str
) -> None:
    client = await start()
    found, body = await post(client, "/api/v2/silences", SILENCE | changes)
    text = body if isinstance(body, str) else body["message"]
    assert found == status and message in text
    assert not client.taken  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["comment", "createdBy", "endsAt", "matchers", "startsAt"])
async def test_each_field_of_a_silence_is_required(start: Start, name: str) -> None:
    body = {key: value for key, value in SILENCE.items() if key != name}
    expected = (422, {"code": 602, "message": f"silence.{name} in body is required"})
    assert await post(await start(), "/api/v2/silences", body) == expected


async def test_silences_stand_active_ones_first_and_are_found_by_what_they_match(start: Start) -> None:
    client = await start()
    later = {"startsAt": "2026-09-21T15:13:20Z"}
    for name, changes in (("long", {"endsAt": "2026-09-22T16:13:20Z"}), ("pending", later), ("short", {})):
        matchers = [{"name": "n", "value": name, "isRegex": False}]
        await post(client, "/api/v2/silences", SILENCE | changes | {"matchers": matchers, "comment": name})
    assert [each["comment"] for each in await get(client, "/api/v2/silences")] == ["short", "long", "pending"]
    assert [each["comment"] for each in await get(client, "/api/v2/silences?filter=n=long")] == ["long"]


async def test_a_silence_beyond_the_bound_is_refused_and_an_edit_is_not(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await start()
    _, made = await post(client, "/api/v2/silences", SILENCE)
    monkeypatch.setattr(silences, "SILENCES", 1)
    status, said = await post(client, "/api/v2/silences", SILENCE)
    assert (status, said) == (400, "exceeded maximum number of silences: 1 (limit: 1)")
    assert (await post(client, "/api/v2/silences", SILENCE | {"id": made["silenceID"], "comment": "longer"}))[0] == 200


async def test_receivers_status_and_probes(start: Start) -> None:
    view = MemoryView(router=Router(Config.model_validate(TREE)))
    client = await start(view)
    assert [each["name"] for each in await get(client, "/api/v2/receivers")] == ["all", "db", "everyone"]
    status = await get(client, "/api/v2/status")
    assert status["cluster"] == {"peers": [], "status": "disabled"} and status["versionInfo"]["version"] == "0.1.0"
    assert MOMENT.fullmatch(status["uptime"]) and status["config"]["original"].startswith("route:")
    for path in ("/-/healthy", "/-/ready"):
        assert await (await client.get(path)).text() == "OK"


async def test_who_set_a_silence_is_the_token_and_what_they_say(start: Start) -> None:
    client = await start(keys=(Key("s3cret", Caller("ops")),))
    await post(client, "/api/v2/silences", SILENCE, Authorization="Bearer s3cret")
    assert client.taken[0].created_by == "token:ops alice"  # type: ignore[attr-defined]


async def test_a_body_of_another_type_is_not_read(start: Start) -> None:
    client = await start()
    for path in ("/api/v2/alerts", "/api/v2/silences", "/api/v1/act"):
        status, body = await post(client, path, SILENCE, Content_Type="text/plain")
        assert status == 415 and "only [application/json] are allowed" in str(body)


async def test_a_monitor_that_is_busy_says_when_to_come_back(start: Start) -> None:
    client = await start(refuse=NotNow(2.5))
    answer = await client.post("/api/v2/alerts", json=[alert("x")])
    assert answer.status == 503 and answer.headers["Retry-After"] == "3"


async def test_a_worker_that_stands_by_takes_what_comes_and_knows_nothing(start: Start) -> None:
    client = await start(MemoryView(router=None))
    assert (await client.get("/api/v2/alerts")).status == 503
    assert (await post(client, "/api/v2/alerts", [alert("x")]))[0] == 200
    assert (await post(client, "/api/v2/silences", SILENCE))[0] == 200
    assert len(client.taken) == 2  # type: ignore[attr-defined]


def test_the_configuration_is_shown_as_alertmanager_would_write_it_and_holds_no_secret() -> None:
    config = Config.model_validate(
        {
            "owners": {"pay": {"slack": "#pay"}},
            "route": {
                "receiver": "all",
                "group_wait": "30s",
                "routes": [{"matchers": ['owner="pay"'], "continue": True}],
            },
            "receivers": [
                {"name": "all", "webhook_configs": [{"url": "https://hooks.example/s3cret"}], "console_configs": [{}]},
                {"name": "chat", "slack_configs": [{"channel": "#x"}]},
            ],
            "time_intervals": [{"name": "n", "time_intervals": [{"days_of_month": [1], "weekdays": ["monday"]}]}],
        }
    )
    text = original(config)
    assert "s3cret" not in text
    assert text == (
        "global:\n  resolve_timeout: 5m\n  slack_api_url: <secret>\n"
        'route:\n  receiver: all\n  group_wait: 30s\n  routes:\n  - matchers:\n    - owner="pay"\n    continue: true\n'
        "time_intervals:\n- name: n\n  time_intervals:\n  - weekdays:\n    - monday\n    days_of_month:\n    - '1'\n"
        "receivers:\n- name: all\n  webhook_configs:\n  - url: http://secret.invalid/\n"
        "    send_resolved: true\n    max_alerts: 0\n"
        "- name: chat\n  slack_configs:\n  - channel: '#x'\n    send_resolved: true\n- name: pay\n"
    )


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, "0s"), (0.5, "500ms"), (90.0, "1m30s"), (3_600.0, "1h"), (90_061.0, "1d1h1m1s")]
)
def test_a_duration_is_written_as_prometheus_writes_it(seconds: float, text: str) -> None:
    assert duration(seconds) == text
