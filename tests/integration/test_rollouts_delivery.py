"""A rollout on its way out: one living Slack message, and a signed webhook that others can verify."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from monitor.alerting.router import Router
from monitor.alerting.routing.receivers import plan
from monitor.notify.dispatch import Dispatcher
from monitor.notify.outbox import Outbox
from monitor.notify.rollouts.verdict import VerdictNotifier, key_of, signed_headers
from schemas.config import Config
from schemas.news import RolloutSeen
from schemas.view import rollout_of
from tests.doubles.clock import START, Clock
from tests.doubles.desk import CONFIG, Desk
from tests.doubles.rollouts import HOUR, hostile, rolled_back, rollout
from tests.doubles.slack import Fault, SlackDouble

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def desk(slack: SlackDouble, clock: Clock) -> Desk:
    slack.add_channel("payments")
    return Desk(slack, clock, {})


def story(*news: RolloutSeen) -> list[list[Any]]:
    """What the router tells of each word."""
    router = Router(CONFIG)
    return [router.step((), each.time, (), [each]) for each in news]


async def test_one_message_lives_from_the_begin_to_the_end_and_its_thread_tells_the_verdict(
    slack: SlackDouble, desk: Desk
) -> None:
    for told in story(rollout(), rollout(6 * 60.0), rolled_back(), rolled_back(6 * HOUR, ended="rolled back")):
        await desk.tell(*told)
    (message,) = slack.visible("payments")
    assert message.text.startswith("⛔ refund-agent v13: canary is over, rolled back")
    assert message.edits == 3 and message.rings == ()
    assert [line.text.partition(" UTC ")[2] for line in slack.thread("payments")] == [
        "verdict roll back: run.failed is worse: 14.8 % of 398 runs, 5.1 % of 412 with v12",
        "over: rolled back",
    ]
    posts = slack.workspace.thread("payments", slack.post("payments", 0).ts)
    assert [post.broadcast for post in posts] == [True, False], "the channel sees a verdict, an edit shows nobody"


@pytest.mark.parametrize("fault", list(Fault))
async def test_whatever_goes_wrong_a_verdict_stands_there_once(slack: SlackDouble, desk: Desk, fault: Fault) -> None:
    began, verdict = story(rollout(), rolled_back())
    await desk.tell(*began)
    slack.fail("chat.postMessage", fault)
    await desk.tell(*verdict)
    assert len(slack.thread("payments")) == 1 and len(slack.visible("payments")) == 1
    assert desk.outbox.pending() == 0


async def test_hostile_names_ring_nobody(slack: SlackDouble, desk: Desk) -> None:
    for told in story(hostile(), rolled_back(2 * HOUR, id="h0", agent="<!channel>", reason="<!here> `x`")):
        await desk.tell(*told)
    assert slack.visible("payments")[0].rings == () and slack.thread("payments")[0].rings == ()


class Hook:
    """A receiver that verifies as Standard Webhooks says, written from its specification."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.ids: list[str] = []
        self.bodies: list[dict[str, Any]] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        name, stamp = request.headers["webhook-id"], request.headers["webhook-timestamp"]
        secret = base64.b64decode(SECRET.removeprefix("whsec_"))
        wanted = hmac.new(secret, f"{name}.{stamp}.".encode() + body, hashlib.sha256).digest()
        version, _, given = request.headers["webhook-signature"].partition(",")
        assert version == "v1" and hmac.compare_digest(base64.b64decode(given), wanted)
        self.ids.append(name)
        self.bodies.append(json.loads(body))
        return web.Response(status=self.statuses.pop(0) if self.statuses else 204)


@pytest_asyncio.fixture
async def hook() -> AsyncIterator[Hook]:
    served = Hook()
    app = web.Application()
    app.router.add_post("/verdict", served.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    served.url = f"http://127.0.0.1:{runner.addresses[0][1]}/verdict"
    yield served
    await runner.cleanup()


async def test_a_verdict_is_signed_retried_under_one_id_and_told_once(hook: Hook, clock: Clock) -> None:
    receiver = {"name": "payments", "verdict_configs": [{"url": hook.url, "secret": SECRET}]}
    config = Config.model_validate({"owners": {"payments": {}}, "receivers": [receiver]})
    router, outbox = Router(config), Outbox(plan(config, slack=False))
    dispatcher = Dispatcher(outbox, {"payments/verdict/0": VerdictNotifier(hook.url, SECRET)}, _commit, clock)
    hook.statuses = [503, 500]
    for each in (rollout(), rolled_back(), rolled_back(5 * HOUR + 60.0), rolled_back(6 * HOUR, ended="rolled back")):
        await dispatcher.put(one for one in router.step((), each.time, (), [each]) if one.signed)
        for _ in range(4):
            await dispatcher.flush()
            clock.time = max(clock.time + 1.0, outbox.next_wake() or 0.0)
    assert len(hook.ids) == 3 and len(set(hook.ids)) == 1, "two refusals, then taken; the end is no verdict"
    body = hook.bodies[-1]
    assert (body["type"], body["timestamp"]) == ("rollout.verdict", "2025-10-09T13:53:20.000Z")
    found = rollout_of(body["data"])
    assert found.seen == rolled_back() and found.verdict_at == START + 5 * HOUR
    assert outbox.pending() == 0


async def _commit() -> None:
    await asyncio.sleep(0)


def test_the_signature_is_that_of_standard_webhooks() -> None:
    headers = signed_headers(
        key_of(SECRET), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330.0, b'{"test": 2432232314}'
    )  # the vector that the libraries of the standard test themselves with
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert key_of("plain text") == b"plain text"
