"""The real monitor and a Slack: an alert becomes a message with buttons, a press on one becomes an acknowledgement."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import pytest_asyncio

from tests.doubles.slack import APP_TOKEN, BOT_TOKEN, SlackDouble
from tests.integration.test_notify_buttons import SECRET, signed
from tests.services.serving import running, until

LABELS = {"alertname": "DiskFull", "severity": "page", "owner": "payments", "instance": "db-1"}


@pytest_asyncio.fixture
async def live_slack() -> AsyncIterator[SlackDouble]:
    """By the wall clock, as the monitor is."""
    double = SlackDouble(time.time)
    double.add_channel("payments")
    await double.start()
    yield double
    await double.stop()


def settings(slack: SlackDouble, **more: Any) -> dict[str, Any]:
    return {
        "owners": {"payments": {"slack": "#payments", "mention": "U024BE7LH"}},
        "slack": {"bot_token": BOT_TOKEN, "base_url": slack.base_url, **more},
    }


def alert() -> bytes:
    return json.dumps([{"labels": LABELS, "annotations": {"summary": "Disk of db-1 is 93 % full"}}]).encode()


@pytest.mark.parametrize("way", ["socket", "http"])
async def test_from_the_alert_to_the_acknowledged_message(tmp_path: Path, live_slack: SlackDouble, way: str) -> None:
    secret = {"app_token": APP_TOKEN} if way == "socket" else {"signing_secret": SECRET}
    async with running(tmp_path, **settings(live_slack, **secret)) as monitor:
        assert await monitor.post("/api/v2/alerts", alert()) == 200
        await until(lambda: len(live_slack.visible("payments")) == 1, "the message")
        assert "Disk of db-1 is 93 % full" in live_slack.visible("payments")[0].text
        press = live_slack.press("payments", "forewarn:ack")
        if way == "socket":
            await until(lambda: live_slack.linked, "the link")
            await live_slack.deliver("interactive", press)
        else:
            body = urlencode({"payload": json.dumps(press)}).encode()
            headers = {name.replace("-", "_"): value for name, value in signed(body, str(int(time.time()))).items()}
            assert await monitor.post("/slack/interactions", body, Host="forewarn.example", **headers) == 200
            assert await monitor.post("/slack/interactions", body, **{**headers, "X_Slack_Signature": "v0=no"}) == 401
        await until(lambda: "Acknowledged by alice" in live_slack.visible("payments")[0].text, "the edit")
        assert len(live_slack.visible("payments")) == 1
        (incident,) = monitor.view.incidents()
        assert incident.acked_by == "slack:U0123ABC alice"


def reaction(at: float) -> dict[str, Any]:
    item = {"type": "message", "channel": "C0SUPPORT", "ts": f"{at:.6f}"}
    return {
        "type": "event_callback",
        "event": {"type": "reaction_added", "user": "U9", "reaction": "sos", "item": item},
    }


@pytest.mark.parametrize("way", ["socket", "http"])
async def test_a_reaction_in_the_support_channel_gives_an_incident_its_lead(
    tmp_path: Path, live_slack: SlackDouble, way: str
) -> None:
    secret = {"app_token": APP_TOKEN} if way == "socket" else {"signing_secret": SECRET}
    rule = {"channel": "C0SUPPORT", "emoji": ["sos"], "agent": "refund-agent"}
    async with running(tmp_path, **settings(live_slack, **secret, complaints=[rule])) as monitor:
        fired = json.dumps([{"labels": {**LABELS, "agent": "refund-agent"}}]).encode()
        assert await monitor.post("/api/v2/alerts", fired) == 200
        await until(lambda: len(monitor.view.incidents()) == 1, "the incident")
        posted = time.time() - 30.0
        if way == "socket":
            await until(lambda: live_slack.linked, "the link")
            for _ in range(2):
                await live_slack.deliver("events_api", reaction(posted))
        else:
            for body in (json.dumps({"type": "url_verification", "challenge": "abc"}).encode(), b"[", b"{}"):
                assert await monitor.post("/slack/events", body, **_headers(body)) == 200
            body = json.dumps(reaction(posted)).encode()
            for _ in range(2):
                assert await monitor.post("/slack/events", body, Host="forewarn.example", **_headers(body)) == 200
            assert await monitor.post("/slack/events", body, X_Slack_Signature="v0=no") == 401
        await until(lambda: monitor.view.incidents()[0].complained_at is not None, "the complaint")
        (incident,) = monitor.view.incidents()
        assert incident.complaints == 1
        assert incident.complained_at == pytest.approx(posted, abs=1e-3)
        await until(lambda: "First complaint" in live_slack.visible("payments")[0].text, "the edit")


def _headers(body: bytes) -> dict[str, str]:
    return {name.replace("-", "_"): value for name, value in signed(body, str(int(time.time()))).items()}
