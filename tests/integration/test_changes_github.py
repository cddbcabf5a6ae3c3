"""GitHub's webhook over real HTTP, guard included: signed, mapped, answered with what to do; and a real monitor."""

from __future__ import annotations

import hmac
import json
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from monitor.intake.sink import Batch, Unavailable
from monitor.intake.webhooks.routes import BODY_BYTES, PATH, routes
from monitor.web.guard import Caller, Guard, Key, guard_middleware
from schemas.config import Deployment
from schemas.event import decode
from tests.services.monitor_process import MonitorProcess

NOW = 1_800_000_000.0
SECRET = "a-secret-of-the-webhook"
SHA = "6dcb09b5b57875f334f61aebed695e2e4193db5e"
ROWS = [
    Deployment(repository="acme/refund-agent", environment="production", component="agent:refund-agent"),
    Deployment(repository="acme/refund-agent", environment="production", component="prompt:refund", version="ref"),
    Deployment(repository="acme/refund-agent", environment="canary", component="agent:refund-agent", stage="canary"),
]
Client = TestClient[web.Request, web.Application]


def delivery(**changes: Any) -> dict[str, Any]:
    """A `deployment_status` as GitHub sends it, as far as it is read."""
    made: dict[str, Any] = {
        "action": "created",
        "deployment_status": {
            "id": 1148354891,
            "state": "success",
            "environment": "production",
            "target_url": "https://github.example/acme/refund-agent/actions/runs/42",
            "log_url": "",
            "created_at": "2027-01-15T08:00:05Z",
            "creator": {"login": "github-actions[bot]"},
        },
        "deployment": {
            "id": 145988746,
            "sha": SHA,
            "ref": "v13",
            "task": "deploy",
            "payload": {},
            "environment": "production",
            "creator": {"login": "kim"},
            "created_at": "2027-01-15T07:58:00Z",
        },
        "repository": {"full_name": "acme/refund-agent", "html_url": "https://github.example/acme/refund-agent"},
        "sender": {"login": "kim"},
    }
    for key, value in changes.items():
        section, _, name = key.partition("__")
        if name:
            made[section][name] = value
        else:
            made[section] = value
    return made


def headers(body: bytes, secret: str = SECRET, kind: str = "deployment_status") -> dict[str, str]:
    signature = "sha256=" + hmac.new(secret.encode(), body, sha256).hexdigest()
    return {"X-GitHub-Event": kind, "X-Hub-Signature-256": signature, "Content-Type": "application/json"}


class Kept:
    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.full = False

    async def accept(self, batch: Batch) -> None:
        if self.full:
            raise Unavailable(7.2)
        self.batches.append(batch)


@pytest.fixture
def sink() -> Kept:
    return Kept()


@pytest.fixture
async def client(sink: Kept) -> AsyncIterator[Client]:
    """Behind the guard of a monitor that listens to the world and wants a token for all else."""
    signed = routes(sink, lambda: (SECRET, tuple(ROWS)), lambda: NOW)
    key = Key("token-of-ours", Caller("token", frozenset(("emit",))))
    guard = Guard(host_is_loopback=False, keys=(key,), signed_paths=frozenset(route.path for route in signed))
    app = web.Application(middlewares=[guard_middleware(guard, Counter())])
    app.add_routes(signed)
    async with TestClient(TestServer(app)) as found:
        yield found


async def post(client: Client, body: bytes, sent: dict[str, str] | None = None) -> tuple[int, dict[str, str]]:
    response = await client.post(PATH, data=body, headers=headers(body) if sent is None else sent)
    return response.status, await response.json()


async def test_a_deployment_that_succeeded_is_a_change_of_each_component(client: Client, sink: Kept) -> None:
    status, answer = await post(client, json.dumps(delivery()).encode())
    assert (status, answer) == (200, {"message": f"taken: agent:refund-agent {SHA}, prompt:refund v13"})
    (batch,) = sink.batches
    agent, prompt = batch.events
    assert (agent.kind, agent.component, agent.version, agent.stage, agent.author, agent.time) == (
        "change", "agent:refund-agent", SHA, "full", "kim", 1_800_000_005.0,
    )  # fmt: skip
    assert agent.url == "https://github.example/acme/refund-agent/actions/runs/42"
    assert agent.id == "github-145988746-agent:refund-agent-full", "a delivery that is repeated is a duplicate"
    assert prompt.version == "v13"
    assert [decode(raw).id for raw in batch.raws] == [agent.id, prompt.id]


@pytest.mark.parametrize(
    ("why", "changes", "told"),
    [
        ("another environment", {"deployment__environment": "canary"}, [("agent:refund-agent", SHA, "canary")]),
        (
            "the payload knows the version and the stage",
            {"deployment__environment": "canary", "deployment__payload": {"version": "v14", "stage": "rolled_back"}},
            [("agent:refund-agent", "v14", "rolled_back")],
        ),
        (
            "a payload that was given as text",
            {"deployment__environment": "canary", "deployment__payload": '{"version": "v14"}'},
            [("agent:refund-agent", "v14", "canary")],
        ),
        (
            "names in other case",
            {"deployment__environment": "Canary", "repository__full_name": "Acme/Refund-Agent"},
            [("agent:refund-agent", SHA, "canary")],
        ),
        ("it is under way", {"deployment_status__state": "in_progress"}, []),
        ("it failed", {"deployment_status__state": "failure"}, []),
    ],
)
async def test_what_a_delivery_means(
    client: Client, sink: Kept, why: str, changes: dict[str, Any], told: list[tuple[str, str, str]]
) -> None:
    status, answer = await post(client, json.dumps(delivery(**changes)).encode())
    assert (status, list(answer)) == (200, ["message"])
    events = [event for batch in sink.batches for event in batch.events]
    assert [(event.component, event.version, event.stage) for event in events] == told, why


BODY = json.dumps(delivery()).encode()
REFUSED: list[tuple[str, bytes, dict[str, str], int, str]] = [
    ("no signature", BODY, {"X-GitHub-Event": "deployment_status"}, 401, "does not fit"),
    ("signed with another secret", BODY, headers(BODY, "another-secret-that"), 401, "does not fit"),
    ("signed for another body", BODY, headers(BODY + b" "), 401, "does not fit"),
    ("not even text", BODY, {**headers(BODY), "X-Hub-Signature-256": "sha256=\udcff"}, 401, "does not fit"),
    ("no JSON", b"{", headers(b"{"), 400, "set the webhook's content type to application/json"),
    ("a form", b"payload=%7B%7D", headers(b"payload=%7B%7D"), 400, "content type"),
    ("nothing in it", b"[]", headers(b"[]"), 400, "no `repository.full_name`"),
    ("deep", b"[" * 100_000, headers(b"[" * 100_000), 400, "no JSON"),
    ("too long", b" " * (BODY_BYTES + 1), headers(b""), 413, "more than"),
]  # fmt: skip


@pytest.mark.parametrize(("why", "body", "sent", "status", "said"), REFUSED, ids=[row[0] for row in REFUSED])
async def test_what_is_refused(
    client: Client, sink: Kept, why: str, body: bytes, sent: dict[str, str], status: int, said: str
) -> None:
    found, answer = await post(client, body, sent)
    assert (found, said in answer["error"]) == (status, True), (why, answer)
    assert [batch.counts for batch in sink.batches] == [{f"bodies_refused:{status}": 1}], "no event, and counted"


async def test_who_is_not_mapped_is_told_what_to_add(client: Client) -> None:
    status, answer = await post(client, json.dumps(delivery(repository__full_name="acme/other")).encode())
    assert status == 422
    assert answer["error"] == (
        "no component is mapped to acme/other, environment production; add to changes.github.deployments: "
        '{repository: acme/other, environment: production, component: "agent:…"}'
    )


async def test_a_ping_says_that_the_secret_is_right(client: Client) -> None:
    status, answer = await post(client, b"{}", headers(b"{}", kind="ping"))
    assert (status, answer["message"][:4]) == (200, "pong")


async def test_a_full_monitor_says_when_to_come_back(client: Client, sink: Kept) -> None:
    sink.full = True
    response = await client.post(PATH, data=BODY, headers=headers(BODY))
    assert (response.status, response.headers["Retry-After"]) == (503, "8")


CONFIG = f"""
owners: {{payments: {{}}}}
components: [{{agent: refund-agent, owner: payments}}]
runtime: {{host: 127.0.0.1, token: token-of-ours}}
changes:
  github:
    secret: {SECRET}
    deployments: [{{repository: acme/refund-agent, component: "agent:refund-agent", version: ref}}]
"""


def test_a_real_monitor_takes_a_signed_delivery_without_a_token(tmp_path: Path) -> None:
    monitor = MonitorProcess(tmp_path, CONFIG)
    try:
        monitor.start()

        def send(secret: str) -> int:
            request = urllib.request.Request(monitor.url + PATH, BODY, headers(BODY, secret), method="POST")
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:
                    return int(answer.status)
            except urllib.error.HTTPError as error:
                return error.code

        assert [send("wrong-and-long-enough"), send(SECRET), send(SECRET)] == [401, 200, 200]
        assert SECRET not in monitor.said()
    finally:
        monitor.close()
