"""A chart in Slack: its own block, else a picture, else a line of bars, whatever the workspace takes."""

from __future__ import annotations

import pytest

from tests.doubles.clock import START, Clock
from tests.doubles.desk import Desk
from tests.doubles.notifications import notification
from tests.doubles.slack import Fault, SlackDouble


@pytest.fixture
def desk(slack: SlackDouble, clock: Clock) -> Desk:
    slack.add_channel("payments")
    return Desk(slack, clock, {})


RISING = tuple((START + 60.0 * n, 0.16 + 0.02 * n) for n in range(3))


def _kinds(slack: SlackDouble) -> set[str]:
    return {block["type"] for block in slack.post("payments").blocks}


async def test_a_workspace_that_draws_no_charts_gets_a_picture_and_is_remembered(
    slack: SlackDouble, desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    slack.workspace.draws_charts = False
    await desk.tell(notification(series=RISING))
    assert "image" in _kinds(slack) and "a simpler form goes out" in caplog.text
    refused = len(slack.calls)
    await desk.tell(notification(2, series=RISING))
    assert [method for method, _ in slack.calls[refused:]] == ["chat.update"], "the same picture is uploaded once"
    (content,) = slack.workspace.files.values()
    assert content is not None and content.startswith(b"\x89PNG")


async def test_without_the_scope_for_files_it_is_a_line_of_bars(slack: SlackDouble, desk: Desk) -> None:
    slack.workspace.draws_charts = False
    slack.scopes.discard("files:write")
    await desk.tell(notification(series=RISING))
    await desk.tell(notification(2, series=RISING))
    assert not _kinds(slack) & {"image", "data_visualization"} and "█" in slack.visible("payments")[0].text
    assert [method for method, _ in slack.calls].count("files.getUploadURLExternal") == 1, "it is asked once"


async def test_a_native_chart_where_slack_draws_it(slack: SlackDouble, desk: Desk) -> None:
    await desk.tell(notification(series=RISING))
    assert "data_visualization" in _kinds(slack) and slack.workspace.files == {}


async def test_a_picture_that_is_still_worked_on_is_left_out_once(slack: SlackDouble, desk: Desk) -> None:
    slack.workspace.draws_charts = False
    slack.fail("chat.postMessage", "invalid_blocks", "invalid_blocks")
    await desk.tell(notification(series=RISING))
    assert not _kinds(slack) & {"image", "data_visualization"}
    await desk.tell(notification(2, series=RISING))
    assert "image" in _kinds(slack)


async def test_an_upload_that_fails_holds_no_message_up(slack: SlackDouble, desk: Desk) -> None:
    slack.workspace.draws_charts = False
    slack.fail("files.completeUploadExternal", Fault.SERVER_ERROR)
    await desk.tell(notification(series=RISING))
    assert len(slack.visible("payments")) == 1 and "image" not in _kinds(slack)
    await desk.tell(notification(2, series=RISING))
    assert "image" in _kinds(slack)
