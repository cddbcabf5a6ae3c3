"""`forewarn check --check-slack` against the double: good tokens, a bad one, and what Slack would refuse."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from monitor.cli.check import command
from monitor.notify.slack import checking
from monitor.notify.slack.client import SlackClient
from schemas.config import Config
from tests.doubles import block_rules
from tests.doubles.slack import APP_TOKEN, BOT_TOKEN, SlackDouble

OWNERS = 'owners: {payments: {slack: "#payments"}}\n'


async def check(tmp_path: Path, slack: SlackDouble, bot: str = BOT_TOKEN, app: str = APP_TOKEN) -> Result:
    """The command in a thread: it runs a loop of its own."""
    file = tmp_path / "forewarn.yaml"
    file.write_text(f'{OWNERS}slack: {{bot_token: "{bot}", app_token: "{app}", base_url: "{slack.base_url}"}}\n')
    return await asyncio.to_thread(CliRunner().invoke, command, [str(file), "--check-slack"])


async def test_good_tokens_and_messages(tmp_path: Path, slack: SlackDouble) -> None:
    done = await check(tmp_path, slack)
    assert (done.exit_code, done.output) == (0, f"{tmp_path}/forewarn.yaml: good\n")
    assert [method for method, _ in slack.calls].count("blocks.validate") == 4
    assert "chat.postMessage" not in [method for method, _ in slack.calls]


async def test_a_bad_token_is_named_and_not_shown(tmp_path: Path, slack: SlackDouble) -> None:
    done = await check(tmp_path, slack, bot="xoxb-wrong-and-secret")
    assert done.exit_code == 1 and "slack.bot_token: Slack answers invalid_auth" in done.output
    assert "secret" not in done.output
    done = await check(tmp_path, slack, app="xapp-wrong-and-secret")
    assert done.exit_code == 1 and "slack.app_token: Slack answers invalid_auth" in done.output


async def test_what_slack_refuses_is_told_with_its_place(
    tmp_path: Path, slack: SlackDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = {"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}
    monkeypatch.setattr(checking, "samples", lambda _: {"broken": [bad]})
    done = await check(tmp_path, slack)
    assert done.exit_code == 1 and "message `broken`: /blocks/0/text/text: " in done.output


async def test_without_a_token_there_is_nobody_to_ask(tmp_path: Path) -> None:
    file = tmp_path / "forewarn.yaml"
    file.write_text(OWNERS)
    done = await asyncio.to_thread(CliRunner().invoke, command, [str(file), "--check-slack"])
    assert done.exit_code == 1 and "no slack.bot_token" in done.output


def test_the_samples_hold_everything() -> None:
    found = checking.samples(Config())
    kinds = {block["type"] for blocks in found.values() for block in blocks}
    assert kinds == {"header", "section", "actions", "data_visualization", "context"}
    assert all(block_rules.problems(blocks) == [] for blocks in found.values())
    assert repr(SlackClient("xoxb-secret")) == "SlackClient()"
