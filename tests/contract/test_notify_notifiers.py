"""What holds for every notifier, whatever is at the other end: reasons, repetition, and no secret in sight."""

from __future__ import annotations

import asyncio
import io
import logging
import traceback
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from monitor.notify.console import ConsoleNotifier
from monitor.notify.delivery import Delivery, DeliveryError, Notifier
from monitor.notify.rollouts.verdict import VerdictNotifier
from monitor.notify.slack.client import SlackClient
from monitor.notify.slack.notifier import SlackNotifier
from monitor.notify.webhook import WebhookNotifier, payload
from schemas.alert import NotificationReason
from schemas.config import Config
from schemas.view import RolloutView
from tests.doubles.clock import START
from tests.doubles.notifications import notification
from tests.doubles.rollouts import rolled_back

SECRET = "s3cr3t-never-shown"
CONFIG = Config.model_validate(
    {"owners": {"payments": {"slack": "#payments"}}, "runtime": {"external_url": "https://forewarn.example/"}}
)

Answer = Callable[[web.Request], Any]
VIEW = RolloutView(seen=rolled_back(), heard_at=START, verdict_at=START + 5.0)


class Hook:
    """An HTTP server that answers as a test says, and keeps what it was sent."""

    def __init__(self) -> None:
        self.answer: Answer = lambda _: web.json_response({"ok": True, "channel": "C1", "ts": "1.0"})
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.method == "POST":
            self.bodies.append(await request.json())
        self.keys.append(request.headers.get("Idempotency-Key"))
        answer = self.answer(request)
        found = await answer if asyncio.iscoroutine(answer) else answer
        assert isinstance(found, web.StreamResponse)
        return found


@pytest_asyncio.fixture
async def hook() -> AsyncIterator[Hook]:
    served = Hook()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", served.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    served.url = f"http://{host}:{port}"
    yield served
    await runner.cleanup()


def delivery(sequence: int = 1, reference: str | None = None, **changes: Any) -> Delivery:
    told = notification(sequence, **changes)
    return Delivery(
        target="payments/x",
        incident=told.incident,
        revision=told.sequence,
        generation=1,
        notification=told,
        reference=reference,
        uncertain=False,
        mention=told.mention,
        since=START,
    )


def slack(url: str) -> SlackNotifier:
    client = SlackClient(f"xoxb-{SECRET}", base_url=f"{url}/api/", timeout_seconds=1)
    return SlackNotifier(client, "#payments", CONFIG)


def webhook(url: str) -> WebhookNotifier:
    return WebhookNotifier(f"{url}/{SECRET}?token={SECRET}", CONFIG, timeout_seconds=0.5)


def verdict(url: str) -> VerdictNotifier:
    return VerdictNotifier(f"{url}/{SECRET}?token={SECRET}", SECRET, timeout_seconds=0.5)


REMOTE = {"slack": slack, "webhook": webhook, "verdict": verdict}


def fit(kind: str, sequence: int = 1, reference: str | None = None) -> Delivery:
    """What a notifier of this kind is given."""
    return delivery(sequence, reference, **({"rollout": VIEW, "signed": True} if kind == "verdict" else {}))


async def hangs(_: web.Request) -> web.Response:
    await asyncio.sleep(30)
    return web.Response()


def resets(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def redirect(_: web.Request) -> web.Response:
    return web.Response(status=302, headers={"Location": f"/{SECRET}"})


def echo(status: int) -> Answer:
    """An answer that repeats the secrets of the request, as careless servers do."""
    return lambda request: web.Response(status=status, text=f"{request.headers} {request.url} {SECRET}")


ANSWERS: list[tuple[str, Answer, str, bool, bool]] = [
    # what the other end does, its answer, reason, retryable, uncertain
    ("server error", echo(500), "serverError", True, True),
    ("not available", echo(503), "serverError", True, True),
    ("forbidden", echo(403), "authError", False, False),
    ("unauthorised", echo(401), "authError", False, False),
    ("not found", echo(404), "clientError", False, False),
    ("too many", lambda _: web.Response(status=429, headers={"Retry-After": "9"}), "rateLimited", True, False),
    ("a redirect elsewhere", redirect, "clientError", False, False),
    ("no answer", hangs, "contextDeadlineExceeded", True, True),
    ("connection reset", resets, "other", True, True),
]  # fmt: skip


@pytest.mark.parametrize("kind", REMOTE)
@pytest.mark.parametrize(
    ("why", "answer", "reason", "retryable", "uncertain"), ANSWERS, ids=[row[0] for row in ANSWERS]
)
async def test_failures_have_a_reason_and_show_no_secret(
    hook: Hook,
    caplog: pytest.LogCaptureFixture,
    kind: str,
    why: str,
    answer: Answer,
    reason: str,
    retryable: bool,
    uncertain: bool,
) -> None:
    caplog.set_level(logging.DEBUG)
    hook.answer = answer
    notifier = REMOTE[kind](hook.url)
    with pytest.raises(DeliveryError) as caught:
        await notifier.send(fit(kind))
    error = caught.value
    found = (str(error.reason), error.retryable, error.uncertain)
    if kind == "slack" and answer is redirect:
        assert found == ("other", True, True), "its client follows, and ends after some rounds"
    elif kind == "slack" and reason in ("clientError", "authError"):
        # Slack itself answers 200 with an error code; a bare status comes from something in between, and may pass.
        assert found == ("serverError", True, True)
    else:
        assert found == (reason, retryable, uncertain), why
    if reason == "rateLimited":
        assert error.retry_after == 9.0
    texts = (str(error), repr(error), repr(notifier), "".join(traceback.format_exception(error)), caplog.text)
    assert not any(SECRET in text for text in texts)


@pytest.mark.parametrize("kind", REMOTE)
async def test_nobody_listens(kind: str) -> None:
    notifier = REMOTE[kind]("http://127.0.0.1:1")
    with pytest.raises(DeliveryError) as caught:
        await notifier.send(fit(kind))
    assert (caught.value.retryable, caught.value.uncertain) == (True, False), "the request never left"
    assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("kind", [*REMOTE, "console"])
async def test_success_gives_a_reference_that_edits_can_use(hook: Hook, kind: str) -> None:
    notifier: Notifier = REMOTE[kind](hook.url) if kind in REMOTE else ConsoleNotifier(io.StringIO(), CONFIG)
    reference = await notifier.send(fit(kind))
    assert reference and await notifier.send(fit(kind, 2, reference))


async def test_the_webhook_payload_is_alertmanagers_version_4(hook: Hook) -> None:
    await webhook(hook.url).send(delivery())
    (body,) = hook.bodies
    incident = notification().incident
    labels = {
        "alertname": "tool.failed",
        "severity": "page",
        "owner": "payments",
        "agent": "refund-agent",
        "version": "v13",
        "tool": "issue_refund",
    }
    annotations = {"summary": "refund-agent v13: tool issue_refund fails 16 % of runs, was 4 %"}
    assert body == {
        "version": "4",
        "groupKey": f'{{}}:{{incident="{incident}"}}',
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "payments",
        "groupLabels": {"owner": "payments"},
        "commonLabels": labels,
        "commonAnnotations": annotations,
        "externalURL": "https://forewarn.example/",
        "alerts": [
            {
                "status": "firing",
                "labels": labels,
                "annotations": annotations,
                "startsAt": "2025-10-09T08:53:20.000Z",
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": f"https://forewarn.example/#incident-{incident}",
                "fingerprint": body["alerts"][0]["fingerprint"],
            }
        ],
        "forewarn": {
            "incident": incident,
            "reason": "first notification",
            "cause": "not known: no change of it or of what it depends on came near the onset",
            "causes": [],
            "onsetFrom": body["forewarn"]["onsetFrom"],
            "onsetTo": body["forewarn"]["onsetTo"],
        },
    }
    assert body["forewarn"]["onsetFrom"] < "2025-10-09T08:52:20.000Z" < body["forewarn"]["onsetTo"]
    resolved = payload(notification(2, status="resolved"), CONFIG)
    assert (resolved["status"], resolved["alerts"][0]["endsAt"]) == ("resolved", "2025-10-09T08:54:20.000Z")


async def test_the_same_delivery_has_the_same_idempotency_key_and_another_has_another(hook: Hook) -> None:
    notifier = webhook(hook.url)
    for each in (delivery(), delivery(), delivery(2)):
        await notifier.send(each)
    first, again, other = hook.keys
    assert first == again != other


async def test_alerts_beyond_the_limit_are_counted() -> None:
    told = notification()
    many = notification(alerts=told.alerts * 5)
    cut = payload(many, CONFIG, max_alerts=2)
    assert (len(cut["alerts"]), cut["truncatedAlerts"]) == (2, 3)


async def test_the_console_has_colours_only_on_a_terminal() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    plain, coloured = io.StringIO(), Terminal()
    for stream in (plain, coloured):
        await ConsoleNotifier(stream, CONFIG, stands_for="#payments").send(delivery())
    assert "\x1b[" not in plain.getvalue() and "\x1b[1;31m" in coloured.getvalue()
    assert "16 % (24 of 150 runs since)" in plain.getvalue() and "Slack #payments" in plain.getvalue()


async def test_the_console_says_numbers_that_moved_in_short() -> None:
    stream = io.StringIO()
    notifier = ConsoleNotifier(stream, CONFIG)
    await notifier.send(delivery())
    whole = len(stream.getvalue())
    await notifier.send(delivery(2, reference="console", reason=NotificationReason.EVIDENCE))
    assert 0 < len(stream.getvalue()) - whole < whole * 0.6
