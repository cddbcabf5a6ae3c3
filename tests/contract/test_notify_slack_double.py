"""The double refuses what Slack documents as refused: a row per rule, over HTTP, with Slack's own client."""

from __future__ import annotations

from typing import Any

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from tests.doubles.clock import Clock
from tests.doubles.slack import BOT_TOKEN, SlackDouble


def section(text: str = "hello", **more: Any) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}, **more}


def button(action_id: str = "a", **more: Any) -> dict[str, Any]:
    text = {"type": "plain_text", "text": more.pop("label", "Ack")}
    return {"type": "button", "text": text, "action_id": action_id, **more}


def header(text: str, kind: str = "plain_text") -> dict[str, Any]:
    return {"type": "header", "text": {"type": kind, "text": text}}


PLAIN = {"type": "plain_text", "text": "x"}
MESSAGES: list[tuple[str, list[dict[str, Any]], str | None]] = [
    ("a section", [section()], None),
    ("50 blocks", [section()] * 50, None),
    ("51 blocks", [section()] * 51, "invalid_blocks"),
    ("an unknown type", [{"type": "alert", "text": PLAIN}], "invalid_blocks"),
    ("an unknown key", [section(colour="red")], "invalid_blocks"),
    ("a header of 150", [header("x" * 150)], None),
    ("a header of 151", [header("x" * 151)], "invalid_blocks"),
    ("a header in mrkdwn", [header("x", "mrkdwn")], "invalid_blocks"),
    ("a section of 3000", [section("x" * 3000)], None),
    ("a section of 3001", [section("x" * 3001)], "invalid_blocks"),
    ("an empty text", [section("")], "invalid_blocks"),
    ("a section of nothing", [{"type": "section"}], "invalid_blocks"),
    ("10 fields", [{"type": "section", "fields": [PLAIN] * 10}], None),
    ("11 fields", [{"type": "section", "fields": [PLAIN] * 11}], "invalid_blocks"),
    ("a field of 2001", [{"type": "section", "fields": [PLAIN | {"text": "x" * 2001}]}], "invalid_blocks"),
    ("10 context elements", [{"type": "context", "elements": [PLAIN] * 10}], None),
    ("11 context elements", [{"type": "context", "elements": [PLAIN] * 11}], "invalid_blocks"),
    ("no context elements", [{"type": "context", "elements": []}], "invalid_blocks"),
    ("25 buttons", [{"type": "actions", "elements": [button(f"a{n}") for n in range(25)]}], None),
    ("26 buttons", [{"type": "actions", "elements": [button(f"a{n}") for n in range(26)]}], "invalid_blocks"),
    ("an action_id twice", [{"type": "actions", "elements": [button(), button()]}], "invalid_blocks"),
    ("a block_id twice", [section(block_id="b"), section(block_id="b")], "invalid_blocks"),
    ("a block_id of 256", [section(block_id="b" * 256)], "invalid_blocks"),
    ("a button text of 76", [{"type": "actions", "elements": [button(label="x" * 76)]}], "invalid_blocks"),
    ("a button value of 2001", [{"type": "actions", "elements": [button(value="x" * 2001)]}], "invalid_blocks"),
    ("a button style of its own", [{"type": "actions", "elements": [button(style="pink")]}], "invalid_blocks"),
    ("an image without alt text", [{"type": "image", "image_url": "https://x.example/i.png"}], "invalid_blocks"),
    ("13,000 characters", [section("x" * 2500)] * 5, None),
    ("more than 13,200 characters", [section("x" * 2900)] * 5, "msg_blocks_too_long"),
]


@pytest.fixture
def client(slack: SlackDouble) -> AsyncWebClient:
    slack.add_channel("ops")
    slack.add_channel("closed", member=False)
    return AsyncWebClient(token=BOT_TOKEN, base_url=slack.base_url, retry_handlers=[])


@pytest.mark.parametrize(("why", "blocks", "error"), MESSAGES, ids=[row[0] for row in MESSAGES])
async def test_blocks(client: AsyncWebClient, why: str, blocks: list[dict[str, Any]], error: str | None) -> None:
    found = await _error(client, "chat.postMessage", channel="#ops", text="x", blocks=blocks)
    assert found == error, why


BAD_METADATA = {"channel": "#ops", "text": "x", "metadata": {"a": 1}}
CALLS: list[tuple[str, str, dict[str, Any], str | None]] = [
    ("no such channel", "chat.postMessage", {"channel": "#nowhere", "text": "x"}, "channel_not_found"),
    ("a channel that the bot is not in", "chat.postMessage", {"channel": "#closed", "text": "x"}, "not_in_channel"),
    ("nothing to say", "chat.postMessage", {"channel": "#ops"}, "no_text"),
    ("an edit of nothing", "chat.update", {"channel": "C00000001", "ts": "1.0", "text": "x"}, "message_not_found"),
    ("an edit by channel name", "chat.update", {"channel": "#ops", "ts": "1.0", "text": "x"}, "channel_not_found"),
    ("a history by channel name", "conversations.history", {"channel": "#ops"}, "channel_not_found"),
    ("metadata of another shape", "chat.postMessage", BAD_METADATA, "invalid_metadata_format"),
    ("an unknown method", "chat.shout", {}, "unknown_method"),
    ("Socket Mode with the bot's token", "apps.connections.open", {}, "invalid_auth"),
]


@pytest.mark.parametrize(("why", "method", "arguments", "error"), CALLS, ids=[row[0] for row in CALLS])
async def test_calls(
    client: AsyncWebClient, why: str, method: str, arguments: dict[str, Any], error: str | None
) -> None:
    assert await _error(client, method, **arguments) == error, why


async def test_a_bot_cannot_edit_what_a_person_wrote(client: AsyncWebClient, slack: SlackDouble) -> None:
    slack.say("ops", "mine")
    ts = slack.visible("ops")[0].ts
    assert await _error(client, "chat.update", channel="C00000001", ts=ts, text="x") == "cant_update_message"


async def test_one_message_a_second_and_channel(client: AsyncWebClient, clock: Clock) -> None:
    await client.chat_postMessage(channel="#ops", text="one")
    with pytest.raises(SlackApiError) as caught:
        await client.chat_postMessage(channel="#ops", text="two")
    assert caught.value.response.status_code == 429 and caught.value.response.headers["Retry-After"] == "1"
    clock.advance(1.0)
    await client.chat_postMessage(channel="#ops", text="two")


async def test_history_shows_metadata_only_where_asked_and_in_pages(
    client: AsyncWebClient, slack: SlackDouble, clock: Clock
) -> None:
    metadata = {"event_type": "t", "event_payload": {"a": 1}}
    for text in ("one", "two", "three"):
        await client.chat_postMessage(channel="#ops", text=text, metadata=metadata)
        clock.advance(1.0)
    bare = await client.conversations_history(channel="C00000001")
    assert [each["text"] for each in bare["messages"]] == ["three", "two", "one"]
    assert not any("metadata" in each for each in bare["messages"])
    page = await client.conversations_history(channel="C00000001", include_all_metadata=True, limit=2)
    assert [each["metadata"] for each in page["messages"]] == [metadata, metadata]
    rest = await client.conversations_history(
        channel="C00000001", limit=2, cursor=page["response_metadata"]["next_cursor"]
    )
    assert [each["text"] for each in rest["messages"]] == ["one"]
    slack.scopes.discard("channels:history")
    assert await _error(client, "conversations.history", channel="C00000001") == "missing_scope"


async def test_a_person_sees_names_not_markup_and_hears_only_real_mentions(
    client: AsyncWebClient, slack: SlackDouble
) -> None:
    text = "<!channel> see <https://x.example|here> &lt;!here&gt; at <!date^1^{date}|noon> `code`"
    await client.chat_postMessage(channel="#ops", text="x", blocks=[section(text), header("<!channel>")])
    (shown,) = slack.visible("ops")
    assert shown.text == "!channel see here <!here> at noon code\n<!channel>" and shown.rings == ("!channel",)


async def _error(client: AsyncWebClient, method: str, **arguments: Any) -> str | None:
    try:
        await client.api_call(method, json=arguments)
    except SlackApiError as error:
        return str(error.response["error"])
    return None
