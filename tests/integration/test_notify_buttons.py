"""Buttons, from the press in Slack to the edited message: Socket Mode and signed HTTP, against the double.

The monitor's side is the real router, outbox, dispatcher, notifier and doorway; only its log is a list.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from monitor.alerting.router import Router
from monitor.alerting.routing.receivers import plan
from monitor.notify.dispatch import Dispatcher
from monitor.notify.outbox import Outbox
from monitor.notify.slack import doorway
from monitor.notify.slack.workspace import Workspace
from schemas.actions import Action, Deed, SilenceSet
from schemas.alert import Incident
from schemas.config import Config
from tests.doubles.clock import START, Clock
from tests.doubles.findings import finding
from tests.doubles.slack import APP_TOKEN, BOT_TOKEN, Fault, SlackDouble

OWNERS = {"payments": {"slack": "#payments"}, "platform": {"slack": "#platform"}}
CONFIG = Config.model_validate({"owners": OWNERS})
LISTED = Config.model_validate({"owners": OWNERS, "slack": {"members": {"Alice Liddell": "U0123ABC"}}})
SECRET = "8f742231b10e8888abcd99yyyzzz85a5"


class Monitor:
    """What stands behind the doorway."""

    def __init__(self, slack: SlackDouble, clock: Clock) -> None:
        self.clock = clock
        self.config = CONFIG
        self.taken: list[Action] = []
        self.fails: Exception | None = None
        self.slow: asyncio.Event | None = None
        self.router = Router(CONFIG)
        self.workspace = Workspace(
            BOT_TOKEN, app_token=APP_TOKEN, signing_secret=SECRET, base_url=slack.base_url, timeout_seconds=1
        )
        planned = plan(CONFIG, slack=True)
        self.outbox = Outbox(planned)
        notifiers = {
            target.name: self.workspace.notifier(target.channel, CONFIG) for each in planned.values() for target in each
        }
        self.dispatcher = Dispatcher(self.outbox, notifiers, self._commit, clock)
        self.doors = self.workspace.doors(self, lambda: self.config, clock)

    async def _commit(self) -> None:
        self.outbox.changes()

    def incidents(self) -> Sequence[Incident]:
        """As the router has them."""
        return self.router.incidents()

    def active(self) -> bool:
        """The only process."""
        return True

    async def act(self, *actions: Action) -> None:
        """Durable at once, unless a test says otherwise."""
        if self.slow is not None:
            await self.slow.wait()
        if self.fails is not None:
            raise self.fails
        self.taken += actions
        await self.step(actions=actions)

    async def step(self, *findings: Any, actions: Sequence[Action] = ()) -> None:
        """Findings and actions through router and delivery."""
        await self.dispatcher.put(self.router.step(findings, self.clock(), actions))
        for _ in range(6):
            await self.dispatcher.flush()
            if (wake := self.outbox.next_wake()) is None:
                return
            self.clock.time = max(self.clock.time + 1.1, wake)


@pytest_asyncio.fixture
async def monitor(slack: SlackDouble, clock: Clock) -> AsyncIterator[Monitor]:
    slack.add_channel("payments")
    slack.add_channel("platform")
    made = Monitor(slack, clock)
    await made.step(finding())
    running = asyncio.create_task(made.doors.run())
    async with asyncio.timeout(10):
        while not slack.linked:
            await asyncio.sleep(0.005)
    yield made
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def test_acknowledge_is_a_deed_an_edit_and_a_line(slack: SlackDouble, monitor: Monitor) -> None:
    await slack.deliver("interactive", slack.press("payments", "forewarn:ack"))
    (deed,) = monitor.taken
    assert isinstance(deed, Deed)
    assert (deed.act, deed.by, deed.incident) == ("ack", "slack:U0123ABC alice", monitor.incidents()[0].id)
    (seen,) = slack.visible("payments")
    assert "Acknowledged by alice (slack)" in seen.text and seen.edits >= 1
    assert any("acknowledged" in line.text for line in slack.thread("payments"))
    taken_back = slack.press("payments", "forewarn:unack")
    await slack.deliver("interactive", taken_back)
    assert "Acknowledged by" not in slack.visible("payments")[0].text


async def test_silence_is_for_the_labels_that_fire_and_for_the_time_chosen(
    slack: SlackDouble, monitor: Monitor
) -> None:
    await slack.deliver("interactive", slack.press("payments", "forewarn:silence", "14400"))
    (silence,) = monitor.taken
    assert isinstance(silence, SilenceSet) and silence.ends_at - silence.starts_at == 14_400.0
    assert {(matcher.name, matcher.value) for matcher in silence.matchers} == {
        ("alertname", "tool.failed"), ("agent", "refund-agent"), ("version", "v13"), ("tool", "issue_refund"),
    }  # fmt: skip
    assert silence.created_by == "slack:U0123ABC alice"


async def test_the_same_press_told_twice_is_one_silence(slack: SlackDouble, monitor: Monitor) -> None:
    press = slack.press("payments", "forewarn:silence", "3600")
    await slack.deliver("interactive", press)
    await slack.deliver("interactive", press)
    assert len({action.id for action in monitor.taken if isinstance(action, SilenceSet)}) == 1
    assert len(monitor.router.silences()) == 1


async def test_a_hand_over_told_twice_is_taken_once_and_nobody_is_told_that_it_failed(
    slack: SlackDouble, monitor: Monitor
) -> None:
    monitor.config = Config.model_validate(
        {"owners": {**OWNERS, "payments": {"escalate": {"after": "5m", "to": "platform"}}}}
    )
    monitor.router.reload(monitor.config, monitor.clock())
    press = slack.press("payments", "forewarn:not_mine", "-")
    await slack.deliver("interactive", press)
    monitor.clock.advance(3.0)
    await slack.deliver("interactive", press)
    assert [incident.owner for incident in monitor.incidents()] == ["platform"] and slack.workspace.whispers == []
    assert monitor.doors.counts == {"slack_presses:not_mine": 1, "slack_presses_refused:repeated": 1}


@pytest.mark.parametrize(("value", "to"), [("platform", "platform"), ("-", "")])
async def test_not_mine_names_the_owner_or_the_next_in_line(
    slack: SlackDouble, monitor: Monitor, value: str, to: str
) -> None:
    press = slack.press("payments", "forewarn:not_mine", value)
    escalate = {"escalate": {"after": "5m", "to": "platform"}}
    monitor.config = Config.model_validate({"owners": {"payments": escalate, "platform": {}}})
    await slack.deliver("interactive", press)
    (deed,) = monitor.taken
    assert isinstance(deed, Deed) and (deed.act, deed.to) == ("not_mine", to)


async def test_a_false_alarm_ends_it_and_the_buttons_go(slack: SlackDouble, monitor: Monitor) -> None:
    await slack.deliver("interactive", slack.press("payments", "forewarn:false_alarm"))
    assert isinstance(monitor.taken[0], Deed) and monitor.taken[0].act == "false_alarm"
    with pytest.raises(KeyError):
        slack.press("payments", "forewarn:ack")


async def test_where_members_are_listed_others_do_not_act_and_hear_why(slack: SlackDouble, monitor: Monitor) -> None:
    monitor.config = LISTED
    await slack.deliver("interactive", slack.press("payments", "forewarn:ack", user="U0STRANGER"))
    assert monitor.taken == [] and "members" in slack.workspace.whispers[0]["text"]
    await slack.deliver("interactive", slack.press("payments", "forewarn:ack"))
    assert isinstance(monitor.taken[0], Deed) and monitor.taken[0].by == "slack:U0123ABC Alice Liddell"


async def test_what_cannot_be_recorded_is_said_to_the_person(slack: SlackDouble, monitor: Monitor) -> None:
    monitor.fails = OSError("disk full")
    await slack.deliver("interactive", slack.press("payments", "forewarn:ack"))
    assert "could not be recorded" in slack.workspace.whispers[0]["text"]
    assert monitor.doors.counts == {"slack_presses_refused:not_recorded": 1}


async def test_slack_gets_its_answer_in_time_and_the_deed_goes_on(
    slack: SlackDouble, monitor: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doorway, "ANSWER_SECONDS", 0.05)
    monitor.slow = asyncio.Event()
    await slack.deliver("interactive", slack.press("payments", "forewarn:ack"))
    assert monitor.taken == []
    monitor.slow.set()
    async with asyncio.timeout(10):
        while not monitor.taken:
            await asyncio.sleep(0.005)


async def test_an_incident_that_is_over_is_told_so(slack: SlackDouble, monitor: Monitor) -> None:
    press = slack.press("payments", "forewarn:silence", "3600")
    monitor.clock.advance(60.0)
    await monitor.step(finding(60.0, status="resolved"))
    await slack.deliver("interactive", press)
    assert monitor.taken == [] and "nothing to do" in slack.workspace.whispers[0]["text"]


FORGED: list[tuple[str, dict[str, Any]]] = [
    ("nothing", {}),
    ("another type", {"type": "view_submission"}),
    ("no user", {"user": {}}),
    ("a user that is no id", {"user": {"id": "<!channel>"}}),
    ("no action", {"actions": []}),
    ("actions that are none", {"actions": [5]}),
    ("another's block", {"actions": [{"action_id": "forewarn:ack", "block_id": "other:x"}]}),
    ("an act of its own", {"actions": [{"action_id": "forewarn:erase", "block_id": "forewarn:x"}]}),
    (
        "a time of its own",
        {
            "actions": [
                {
                    "action_id": "forewarn:silence",
                    "block_id": "forewarn:x",
                    "selected_option": {"value": "99999999999"},
                }
            ]
        },
    ),
    ("an incident that is text", {"actions": [{"action_id": "forewarn:ack", "block_id": "forewarn:a b\n"}]}),
]


@pytest.mark.parametrize(("why", "change"), FORGED, ids=[row[0] for row in FORGED])
async def test_what_no_button_of_ours_sends_does_nothing(
    slack: SlackDouble, monitor: Monitor, why: str, change: dict[str, Any]
) -> None:
    press = {**slack.press("payments", "forewarn:ack"), **change} if change else {}
    await slack.deliver("interactive", press)
    assert monitor.taken == [], why
    assert monitor.doors.counts == {"slack_presses_refused:not_understood": 1}


async def test_an_owner_that_is_gone_gets_nothing(slack: SlackDouble, monitor: Monitor) -> None:
    press = slack.press("payments", "forewarn:not_mine", "platform")
    monitor.config = Config.model_validate({"owners": {"payments": {}}})
    await slack.deliver("interactive", press)
    assert monitor.taken == [] and monitor.doors.counts == {"slack_presses_refused:no_owner": 1}


async def test_with_nobody_next_in_line_the_person_is_told(slack: SlackDouble, monitor: Monitor) -> None:
    press = slack.press("payments", "forewarn:not_mine", "-")
    monitor.config = Config.model_validate({"owners": {"payments": {}, "platform": {}}})
    await slack.deliver("interactive", press)
    assert monitor.taken == [] and monitor.doors.counts == {"slack_presses_refused:no_owner": 1}
    assert "choose an owner" in slack.workspace.whispers[0]["text"]


@pytest_asyncio.fixture
async def door(monitor: Monitor) -> AsyncIterator[str]:
    """The address of `/slack/interactions`."""
    app = web.Application()
    app.add_routes(monitor.doors.routes)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}/slack/interactions"
    await runner.cleanup()


def signed(body: bytes, timestamp: str, secret: str = SECRET) -> dict[str, str]:
    """Slack's headers, written from its documentation."""
    base = b"v0:" + timestamp.encode() + b":" + body
    signature = "v0=" + hmac.new(secret.encode(), base, hashlib.sha256).hexdigest()
    return {
        "X-Slack-Request-Timestamp": timestamp,
        "X-Slack-Signature": signature,
        "Content-Type": "application/x-www-form-urlencoded",
    }


async def _post(door: str, body: bytes, headers: dict[str, str]) -> int:
    async with aiohttp.ClientSession() as session, session.post(door, data=body, headers=headers) as response:
        return response.status


async def test_signed_http_does_the_same(slack: SlackDouble, monitor: Monitor, door: str) -> None:
    body = urlencode({"payload": json.dumps(slack.press("payments", "forewarn:ack"))}).encode()
    assert await _post(door, body, signed(body, str(int(monitor.clock())))) == 200
    assert isinstance(monitor.taken[0], Deed)


def _unsigned(body: bytes, now: float) -> dict[str, dict[str, str]]:
    good = signed(body, str(int(now)))
    return {
        "no signature": {"X-Slack-Request-Timestamp": good["X-Slack-Request-Timestamp"]},
        "no timestamp": {"X-Slack-Signature": good["X-Slack-Signature"]},
        "another secret": signed(body, str(int(now)), "other"),
        "another body": signed(body + b" ", str(int(now))),
        "five minutes old": signed(body, str(int(now - 301))),
        "from the future": signed(body, str(int(now + 301))),
        "a timestamp that is none": {**good, "X-Slack-Request-Timestamp": "now"},
        "a timestamp without end": {**good, "X-Slack-Request-Timestamp": "9" * 5000},
        "an empty signature": {**good, "X-Slack-Signature": ""},
    }


@pytest.mark.parametrize("why", _unsigned(b"", START))
async def test_what_slack_did_not_sign_is_refused(slack: SlackDouble, monitor: Monitor, door: str, why: str) -> None:
    body = urlencode({"payload": json.dumps(slack.press("payments", "forewarn:ack"))}).encode()
    assert await _post(door, body, _unsigned(body, monitor.clock())[why]) == 401
    assert monitor.taken == [] and monitor.doors.counts == {"slack_presses_refused:signature": 1}


async def test_signed_nonsense_is_answered_and_does_nothing(monitor: Monitor, door: str) -> None:
    for body in (b"", b"payload=", b"payload=[]", b"payload=" + b"[" * 100_000, b"\xff\xfe"):
        assert await _post(door, body, signed(body, str(int(monitor.clock())))) in (200, 401)
    assert monitor.taken == []


async def test_a_body_without_end_is_refused(monitor: Monitor, door: str) -> None:
    body = b"x" * (doorway.BODY_BYTES + 1)
    assert await _post(door, body, signed(body, str(int(monitor.clock())))) == 413


async def test_a_link_that_slack_refreshes_goes_on(slack: SlackDouble, monitor: Monitor) -> None:
    await slack.disconnect()
    async with asyncio.timeout(10):
        while slack.links < 2:
            await asyncio.sleep(0.005)
    await slack.deliver("interactive", slack.press("payments", "forewarn:ack"))
    assert isinstance(monitor.taken[0], Deed)


async def test_slack_that_refuses_the_link_is_asked_again(
    slack: SlackDouble, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("monitor.notify.slack.client.LINK_FIRST_SECONDS", 0.01)
    slack.fail("apps.connections.open", Fault.SERVER_ERROR, "invalid_auth")
    running = asyncio.create_task(Monitor(slack, clock).doors.run())
    async with asyncio.timeout(10):
        while not slack.linked:
            await asyncio.sleep(0.005)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    assert "invalid_auth" in caplog.text and APP_TOKEN not in caplog.text


async def test_a_link_that_does_not_come_about_is_said_and_tried_anew(
    slack: SlackDouble, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("monitor.notify.slack.client.CONNECT_SECONDS", 0.1)
    monkeypatch.setattr("monitor.notify.slack.workspace.LOOK_SECONDS", 0.02)
    slack.takes_links = False
    running = asyncio.create_task(Monitor(slack, clock).doors.run())
    async with asyncio.timeout(10):
        while "Socket Mode ended: TimeoutError" not in caplog.text:
            await asyncio.sleep(0.005)
        slack.takes_links = True
        while not slack.linked:
            await asyncio.sleep(0.005)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def test_without_tokens_that_listen_there_are_no_buttons(slack: SlackDouble) -> None:
    assert not Workspace(BOT_TOKEN, base_url=slack.base_url).listens
    assert Workspace(BOT_TOKEN, signing_secret=SECRET).listens and Workspace(BOT_TOKEN, app_token=APP_TOKEN).listens
