"""With a written `route:`: no message of an incident fires for ever, whatever mutes its alerts when they end."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.alert import Notification
from schemas.config import Config
from tests.doubles.alert_log import Told, alert, routed, silence
from tests.doubles.findings import finding

SHORT = {"group_wait": "10s", "group_interval": "60s", "repeat_interval": "10m", "group_by": []}
TOOL = "tool=issue_refund"
NIGHT = [{"name": "night", "time_intervals": [{"times": [{"start_time": "09:00", "end_time": "20:00"}]}]}]
OTHER: dict[str, Any] = {"key": "k2", "signal": "run.failed", "node": {"agent": "other"}, "onset": -9000}
DOWN = [{"source_matchers": ["alertname=Down"], "target_matchers": ["alertname=tool.failed"]}]


def told(**more: Any) -> Told:
    return Told(routed(SHORT, owners={"payments": {}}, **more))


def restarted(before: Told, config: Config) -> Told:
    after = Told(config)
    after.router.load([(key, raw) for key, raw in before.router.changes() if raw is not None])
    return after


def shown(each: Notification) -> list[str]:
    return sorted(f"{'-' if a.status == 'resolved' else ''}{a.labels['alertname']}" for a in each.alerts)


def test_the_end_of_what_is_silenced_is_shown_at_the_next_look_and_rings_nobody() -> None:
    story = told()
    story.take(finding(), silence(20, TOOL, 20, 5000), finding(30, status="resolved"))
    story.until(9000)
    assert story.lines == ["10 r first notification: tool.failed", "70 r all alerts resolved: -tool.failed"]
    first, last = story.notifications
    assert (last.incident, last.sequence, last.mention, last.status) == (first.incident, 2, False, "resolved")


def test_what_was_silenced_before_it_was_told_ends_without_a_word() -> None:
    story = told()
    story.take(silence(0, TOOL, 0, 5000), finding(1), finding(300, status="resolved"))
    story.until(9000)
    assert story.lines == []


def test_what_ends_while_an_alert_of_another_system_inhibits_it_is_shown() -> None:
    story = Told(routed({**SHORT, "group_by": ["alertname"]}, owners={"payments": {}}, inhibit_rules=DOWN))
    story.take(finding(), alert(20, "Down", ends=9000), finding(40, status="resolved"))
    story.until(200)
    assert "70 r all alerts resolved: -tool.failed" in story.lines


def test_what_goes_on_silenced_beside_an_end_stays_in_the_message_and_does_not_ring_again() -> None:
    story = told()
    story.take(finding(), finding(1, **OTHER), silence(20, "agent=other", 20, 500), finding(30, status="resolved"))
    story.until(2000)
    assert story.lines == [
        "10 r first notification: run.failed tool.failed", "70 r some alerts resolved: -tool.failed run.failed",
        "730 r repeat interval elapsed: run.failed", "1390 r repeat interval elapsed: run.failed",
    ]  # fmt: skip
    assert {each.incident for each in story.notifications} == {story.notifications[0].incident}
    assert [each.mention for each in story.notifications].count(True) == 1


def test_a_page_that_grew_while_it_was_silenced_does_not_ring_because_another_one_ends() -> None:
    story = told()
    story.take(finding(), finding(1, mode="notice", **OTHER), silence(20, "agent=other", 20, 500))
    story.take(finding(30, id="grown", **OTHER), finding(31, status="resolved"))
    story.until(400)
    assert [each.mention for each in story.notifications].count(True) == 1
    story.until(700)
    assert story.notifications[-1].mention, "it rings once the silence is over"


@pytest.mark.parametrize("restart", [False, True])
def test_within_the_mute_times_of_a_route_nothing_passes_and_the_end_is_told_behind_them(restart: bool) -> None:
    """The story begins at 8:53; what is muted is known for longer than two repeat intervals."""
    config = routed(
        {**SHORT, "routes": [{"matchers": ["owner=payments"], "mute_time_intervals": ["night"]}]},
        owners={"payments": {}}, time_intervals=NIGHT,
    )  # fmt: skip
    story = Told(config)
    story.take(finding(), finding(20_000, status="resolved"))
    story.until(30_000)
    assert [line.partition(" ")[2] for line in story.lines] == ["r first notification: tool.failed"]
    if restart:
        story = restarted(story, config)
    story.until(50_000)
    assert story.lines[-1].endswith("r all alerts resolved: -tool.failed")
    assert len(story.lines) == (1 if restart else 2) and story.router.groups() == []


def test_what_is_silenced_for_long_and_goes_on_is_not_told_anew_behind_the_silence() -> None:
    story = told()
    story.take(finding(), silence(20, TOOL, 20, 50_000))
    story.until(50_300)
    assert [line.partition(" ")[2] for line in story.lines] == [
        "r first notification: tool.failed", "r repeat interval elapsed: tool.failed",
    ]  # fmt: skip


def test_an_alert_of_another_system_leaves_without_a_word_as_with_alertmanager() -> None:
    story = told()
    story.take(alert(0, "A inst=1", ends=9000), silence(20, "inst=1", 20, 500), alert(30, "A inst=1", ends=30))
    story.until(2000)
    assert story.lines == ["10 r first notification: A1"]
