"""The real client against a Slack that fails as Slack does: whatever happens, one visible message.

Real HTTP on loopback; time is the test's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

from monitor.alerting.router import Router
from schemas.alert import NotificationReason
from tests.doubles.clock import START, Clock
from tests.doubles.desk import CONFIG, TARGET, Desk
from tests.doubles.findings import finding
from tests.doubles.notifications import notification
from tests.doubles.slack import APP_TOKEN, Fault, SlackDouble


@pytest.fixture
def desk(slack: SlackDouble, clock: Clock) -> Desk:
    slack.add_channel("random")
    slack.add_channel("payments")
    return Desk(slack, clock, {})


async def test_one_message_from_first_firing_to_resolution(slack: SlackDouble, desk: Desk) -> None:
    router = Router(CONFIG)
    for step in (
        [finding()],
        [finding(60, status="update", after=0.3)],
        [finding(600, status="resolved", after_n=0.0)],
    ):
        desk.clock.time = step[0].time
        await desk.tell(*router.step(step, step[0].time))
    (seen,) = slack.visible("payments")
    assert seen.edits == 2 and seen.rings == ()
    assert "Resolved: refund-agent v13: tool issue_refund is back to normal, had 30 %" in seen.text
    calls = [method for method, _ in slack.calls]
    assert calls == ["chat.postMessage", "chat.update", "chat.update", "chat.postMessage"]
    (line,) = slack.thread("payments")
    assert line.text == "09:03:20 UTC back to normal: tool.failed of refund-agent v13"
    assert desk.outbox.pending() == 0 and desk.outbox.troubles() == []


async def test_the_first_message_rings_the_owner_and_shows_the_evidence(slack: SlackDouble, desk: Desk) -> None:
    await desk.tell(notification())
    (seen,) = slack.visible("payments")
    assert seen.rings == ("@U024BE7LH",)
    for shown in (
        "16 % (24 of 150 runs since)",
        "4 % (8 of 200 runs)",
        "run-101",
        "version v12",
        "2025-10-09 08:52:20",
    ):
        assert shown in seen.text
    assert slack.post("payments").metadata == {
        "event_type": "forewarn_incident",
        "event_payload": {"incident": notification().incident, "target": TARGET, "generation": 1, "revision": 1},
    }


LOST = [
    ("429 with Retry-After", (Fault.RATE_LIMITED,)),
    ("500 with a page of HTML", (Fault.SERVER_ERROR,)),
    ("500 after the message was stored", (Fault.SERVER_ERROR_AFTER,)),
    ("internal_error with status 200", (Fault.INTERNAL_ERROR,)),
    ("reset before the message was stored", (Fault.RESET_BEFORE,)),
    ("reset after the message was stored", (Fault.RESET_AFTER,)),
    ("time-out before the message was stored", (Fault.HANG_BEFORE,)),
    ("time-out after the message was stored", (Fault.HANG_AFTER,)),
    ("several of them in a row", (Fault.RATE_LIMITED, Fault.RESET_BEFORE, Fault.SERVER_ERROR, Fault.RESET_AFTER)),
    ("stored, lost, and 500 afterwards", (Fault.RESET_AFTER, Fault.SERVER_ERROR)),
]


@pytest.mark.parametrize(("why", "faults"), LOST, ids=[row[0] for row in LOST])
async def test_whatever_goes_wrong_with_the_post_one_message_is_visible(
    slack: SlackDouble, desk: Desk, why: str, faults: tuple[Fault, ...]
) -> None:
    slack.fail("chat.postMessage", *faults)
    await desk.tell(notification())
    assert len(slack.visible("payments")) == 1, why
    assert desk.outbox.pending() == 0
    await desk.tell(notification(2, status="resolved"))
    (seen,) = slack.visible("payments")
    assert "Resolved" in seen.text and seen.edits >= 1


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.RATE_LIMITED])
async def test_whatever_goes_wrong_with_an_edit_it_is_the_same_message(
    slack: SlackDouble, desk: Desk, fault: Fault
) -> None:
    await desk.tell(notification())
    slack.fail("chat.update", fault)
    await desk.tell(notification(2, status="resolved"))
    (seen,) = slack.visible("payments")
    assert "Resolved" in seen.text


async def test_retry_after_is_waited_for(slack: SlackDouble, desk: Desk) -> None:
    slack.fail("chat.postMessage", Fault.RATE_LIMITED)
    await desk.dispatcher.put([notification()])
    await desk.dispatcher.flush()
    desk.clock.advance(6.9)
    await desk.dispatcher.flush()
    assert len(slack.calls) == 1
    desk.clock.advance(0.1)
    await desk.dispatcher.flush()
    assert len(slack.visible("payments")) == 1


async def test_a_channel_gets_one_message_a_second_so_that_slack_never_has_to_refuse(
    slack: SlackDouble, desk: Desk
) -> None:
    await desk.tell(*(notification(incident=f"i{index}") for index in range(5)))
    assert len(slack.visible("payments")) == 5
    assert desk.outbox.counts["failed rateLimited"] == 0 == slack.workspace.limited
    assert desk.clock.time - START >= 4.0


async def test_killed_between_send_and_record_one_message_is_visible(
    slack: SlackDouble, desk: Desk, clock: Clock
) -> None:
    await desk.dispatcher.put([notification()])
    before = dict(desk.stored)
    await desk.dispatcher.flush()
    assert len(slack.visible("payments")) == 1
    # What was noted after the send is lost with the process.
    again = Desk(slack, clock, before)
    await again.tell(notification(), notification(2, reason=NotificationReason.NEW_ALERTS))
    (seen,) = slack.visible("payments")
    assert seen.edits >= 1 and again.outbox.pending() == 0


async def test_killed_before_the_send_the_message_comes(slack: SlackDouble, desk: Desk, clock: Clock) -> None:
    desk.outbox.put(notification())
    await desk.commit()
    again = Desk(slack, clock, desk.stored)
    await again.tell()
    assert len(slack.visible("payments")) == 1


async def test_it_is_found_behind_many_other_messages(slack: SlackDouble, desk: Desk) -> None:
    slack.fail("chat.postMessage", Fault.RESET_AFTER)
    await desk.dispatcher.put([notification()])
    await desk.dispatcher.flush()
    for index in range(350):
        slack.say("payments", f"chatter {index}")
    await desk.tell()
    ours = [seen for seen in slack.visible("payments") if "chatter" not in seen.text]
    assert len(ours) == 1 and desk.outbox.pending() == 0


async def test_another_incident_in_the_channel_is_not_taken_for_it(slack: SlackDouble, desk: Desk) -> None:
    await desk.tell(notification(incident="other"))
    slack.fail("chat.postMessage", Fault.RESET_BEFORE)
    await desk.tell(notification())
    assert len(slack.visible("payments")) == 2


@pytest.mark.parametrize("scope", ["channels:history", "channels:read"])
async def test_without_the_scope_to_look_it_is_at_least_once_and_says_so(
    slack: SlackDouble, desk: Desk, caplog: pytest.LogCaptureFixture, scope: str
) -> None:
    slack.scopes.discard(scope)
    slack.fail("chat.postMessage", Fault.RESET_AFTER)
    await desk.tell(notification())
    assert len(slack.visible("payments")) == 2 and desk.outbox.pending() == 0
    assert "at least once" in caplog.text and "missing_scope" in caplog.text


async def test_a_message_that_somebody_deleted_comes_back_once(slack: SlackDouble, desk: Desk) -> None:
    await desk.tell(notification())
    slack.delete("payments")
    await desk.tell(notification(2), notification(3, status="resolved"))
    (seen,) = slack.visible("payments")
    assert "Resolved" in seen.text and seen.rings == ()


async def test_where_editing_is_forbidden_the_successor_is_told_from_its_predecessor(
    slack: SlackDouble, desk: Desk
) -> None:
    await desk.tell(notification())
    slack.fail("chat.update", "edit_window_closed")
    slack.fail("chat.postMessage", Fault.RESET_BEFORE)
    await desk.tell(notification(2, status="resolved"))
    old, new = slack.visible("payments")
    assert "Resolved" not in old.text and "Resolved" in new.text and old.edits == 0


REFUSALS = [
    ("channel_not_found", "clientError"),
    ("not_in_channel", "clientError"),
    ("is_archived", "clientError"),
    ("invalid_blocks", "clientError"),
    ("token_revoked", "authError"),
    ("invalid_auth", "authError"),
]


@pytest.mark.parametrize(("code", "reason"), REFUSALS)
async def test_a_refusal_is_given_up_with_its_reason(slack: SlackDouble, desk: Desk, code: str, reason: str) -> None:
    slack.fail("chat.postMessage", code)
    await desk.tell(notification())
    assert [each.error for each in desk.outbox.troubles()] == [f"{reason}: {code}"]
    assert slack.visible("payments") == []
    # It is not for ever: the next state of the incident is tried again.
    await desk.tell(notification(2))
    assert len(slack.visible("payments")) == 1 and desk.outbox.troubles() == []


@pytest.mark.parametrize("code", ["not_in_channel", "channel_not_found"])
async def test_an_end_that_slack_refuses_comes_once_the_bot_is_let_in(
    slack: SlackDouble, desk: Desk, code: str
) -> None:
    await desk.tell(notification())
    slack.fail("chat.update", code, code)
    await desk.tell(notification(2, status="resolved"))
    assert [each.given_up for each in desk.outbox.troubles()] == [True]
    for _ in range(2):
        desk.clock.time = desk.outbox.next_wake() or 0.0
        await desk.tell()
    (seen,) = slack.visible("payments")
    assert "Resolved" in seen.text and desk.outbox.troubles() == []
    assert START + 600.0 <= desk.clock() < START + 700.0 and desk.outbox.counts["given up"] == 1


async def test_a_wrong_token_is_named_but_not_shown(
    slack: SlackDouble, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    slack.add_channel("payments")
    desk = Desk(slack, clock, {}, token="xoxb-" + "wrong-and-secret")
    await desk.tell(notification())
    assert [each.error for each in desk.outbox.troubles()] == ["authError: invalid_auth"]
    assert "invalid_auth" in caplog.text and "wrong-and-secret" not in caplog.text


async def test_slack_away_for_an_hour_then_only_the_present_is_said(slack: SlackDouble, desk: Desk) -> None:
    slack.fail("chat.postMessage", *[Fault.SERVER_ERROR] * 120)
    sequence = 1
    while desk.clock.time < START + 3600:
        await desk.dispatcher.put([notification(sequence)])
        await desk.dispatcher.flush()
        desk.clock.advance(30.0)
        sequence += 1
    posts_while_away = sum(method == "chat.postMessage" for method, _ in slack.calls)
    assert posts_while_away < sequence / 2 + 10, "it backs off to one post a minute"
    assert slack.visible("payments") == []
    slack.heal()
    await desk.tell(notification(sequence, status="resolved"))
    (seen,) = slack.visible("payments")
    assert "Resolved" in seen.text and seen.rings == ()


async def test_nothing_listens_at_all(clock: Clock) -> None:
    dead = SlackDouble(clock)
    await dead.start()
    await dead.stop()
    desk = Desk(dead, clock, {})
    await desk.tell(notification(), patience=2)
    assert [each.error for each in desk.outbox.troubles()] == ["other: cannot connect to Slack"]


async def test_hostile_names_ring_nobody(slack: SlackDouble, desk: Desk) -> None:
    nasty = finding(
        node={"agent": "<!channel>", "tool": "`<@U1>`", "version": "<!here>"},
        runs=("<!everyone>", "<https://evil.example|click>"),
        error_types=("x" * 5_000_000, "<!subteam^S1>"),
        affected=("version=<!channel>",),
        reason="<!channel> *bold* \u202e",
    )
    await desk.tell(*Router(CONFIG).step([nasty], START))
    (seen,) = slack.visible("payments")
    assert seen.rings == ("@U024BE7LH",)
    assert "\u202e" not in seen.text and len(seen.text) < 3000


async def test_stop_lets_a_send_end_and_leaves_the_rest_for_the_next_life(slack: SlackDouble, clock: Clock) -> None:
    slack.add_channel("payments")
    desk = Desk(slack, clock, {})
    running = asyncio.create_task(desk.dispatcher.run())
    await desk.dispatcher.put([notification()])
    await _until(lambda: len(slack.visible("payments")) == 1)
    await desk.dispatcher.stop()
    await running
    slack.fail("chat.update", Fault.HANG_AFTER)
    desk = Desk(slack, clock, desk.stored)
    running = asyncio.create_task(desk.dispatcher.run())
    await desk.dispatcher.put([notification(2)])
    await _until(lambda: slack.calls[-1][0] == "chat.update")
    await desk.dispatcher.stop(grace_seconds=0.05)
    await running
    assert desk.outbox.troubles()[0].error == "contextCanceled: stopped while sending"
    clock.advance(60.0)
    desk = Desk(slack, clock, desk.stored)
    await desk.tell()
    assert len(slack.visible("payments")) == 1 and desk.outbox.pending() == 0


class ForgetfulDesk(Desk):
    """A disk that is full from the second commit on."""

    commits = 0

    async def commit(self) -> None:
        self.commits += 1
        if self.commits > 1:
            raise OSError("disk full")
        await super().commit()


async def test_a_failing_commit_ends_the_loop_before_anything_more_is_sent(slack: SlackDouble, clock: Clock) -> None:
    slack.add_channel("payments")
    desk = ForgetfulDesk(slack, clock, {})
    await desk.dispatcher.put([notification(), notification(incident="next")])
    with pytest.raises(OSError, match="disk full"):
        await desk.dispatcher.run()
    assert len(slack.visible("payments")) == 1


async def test_socket_mode_delivers_an_envelope_and_wants_an_ack(slack: SlackDouble) -> None:
    client = SocketModeClient(app_token=APP_TOKEN, web_client=AsyncWebClient(token=APP_TOKEN, base_url=slack.base_url))

    async def listen(_: object, request: SocketModeRequest) -> None:
        if request.payload.get("ack", True):
            await client.send_socket_mode_response(SocketModeResponse(request.envelope_id, {"got": request.type}))

    client.socket_mode_request_listeners.append(listen)
    try:
        await client.connect()
        assert await slack.deliver("interactive", {"type": "block_actions"}) == {"got": "interactive"}
        slack.ack_seconds = 0.1
        with pytest.raises(TimeoutError):
            await slack.deliver("interactive", {"ack": False})
    finally:
        await client.close()


async def _until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.005)
