"""What a message says of a change in numbers: whose they are, and counted as people count."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest

from monitor.alerting.router import Router
from monitor.notify import console
from monitor.notify.incidents.message import compose
from monitor.notify.message import Message
from monitor.notify.slack.blocks import render
from schemas.config import Config
from schemas.finding import Finding
from tests.doubles.changes import announced
from tests.doubles.clock import START
from tests.doubles.findings import finding
from tests.doubles.slack_eyes import Post, seen

CONFIG = Config.model_validate({"owners": {"payments": {"slack": "#payments", "mention": "U024BE7LH"}}})
SHAPE: dict[str, Any] = {
    "signal": "run.output_shape",
    "direction": "down",
    "node": {"agent": "refund-agent"},
    "detail": "kind is prose in 94 % of outputs, was json_object in 99.99 %",
    "share_of": "kind is json_object",
    "unit": "share",
    "before": 0.99988,
    "before_n": 4_000.0,
    "before_bad": 3_999.5,
    "after": 0.062,
    "after_n": 60.0,
    "after_bad": 3.8,
}


def message(*findings: Finding) -> Message:
    """Of the last notification of an incident."""
    router = Router(CONFIG)
    told = [each for one in findings for each in router.step([one], one.time)]
    return compose(told[-1], CONFIG)


def in_slack(shown: Message) -> str:
    blocks, text = render(shown)
    return seen(Post("1.0", "U00BOT", text, blocks, None)).text


def test_a_share_says_of_what_it_is_one() -> None:
    shown = message(finding(**SHAPE))
    text = in_slack(shown)
    assert "Now\nkind is json_object 6.2 % (4 of 60 runs since)" in text
    assert "Before\nkind is json_object 99.99 % (4,000 of 4,000 runs)" in text
    printed = [console.plain(line) for line in console.render(shown)]
    assert any("Now           kind is json_object: 6.2 % (4 of 60 runs since)" in line for line in printed)


def test_and_so_does_its_chart() -> None:
    later = finding(80, **SHAPE | {"status": "update", "after": 0.04, "after_bad": 6.0, "after_n": 150.0})
    chart = message(finding(**SHAPE), later).chart
    assert chart is not None and chart.title == "kind is json_object over time"
    assert chart.words.startswith("kind is json_object: ")


def test_a_hostile_category_rings_nobody_and_formats_nothing() -> None:
    made = finding(**SHAPE | {"share_of": "`<!channel>` *b* <https://evil.example|x>" + "x" * 500})
    blocks, text = render(message(made))
    assert seen(Post("1.0", "U00BOT", text, blocks, None)).rings == ()
    assert "&lt;!channel&gt;" in str(blocks) and "<https://evil" not in str(blocks)


@pytest.mark.parametrize(("bad", "shown"), [(24.4, "24 of 150"), (24.6, "25 of 150"), (0.3, "0 of 150")])
def test_runs_are_whole_where_one_counts_partly(bad: float, shown: str) -> None:
    assert f"({shown} runs since)" in in_slack(message(finding(after_bad=bad, time=START)))


def _acknowledged() -> Message:
    router = Router(CONFIG)
    (told,) = router.step([finding()], START, (), [announced(-75.0, "agent:refund-agent", "v13")])
    return compose(msgspec.structs.replace(told, acked_by="slack:U0123ABC alice", acked_at=START + 130.0), CONFIG)


def test_in_slack_each_time_is_the_readers_and_elsewhere_each_is_utc() -> None:
    shown = _acknowledged()
    blocks, text = render(shown)
    body = json.dumps(blocks, ensure_ascii=False)
    assert "UTC" in body and "UTC" not in re.sub(r"<!date\^\d+\^[^|>]+\|[^>]*UTC>", "", body)
    assert "<!date" not in text and "UTC" in text
    assert "`alice (slack)`, <!date^" in body and "between <!date^" in body and "live since` <!date^" in body
    printed = "\n".join(console.render(shown))
    assert "<!date" not in printed and re.search(r"alice \(slack\), \S+ \S+ UTC", printed)
    assert re.search(r"between \S+ and \S+ UTC", printed)


def test_the_preview_is_one_short_sentence() -> None:
    _, text = render(_acknowledged())
    start = "🔴 PAGE: refund-agent v13: tool issue_refund fails 16 % of runs, was 4 %; owner payments; since about "
    assert text.startswith(start) and "; likely cause: agent:refund-agent v13, live since " in text
    assert len(text) < 300 and "now 16 %" not in text
    _, text = render(message(finding(), finding(700, status="resolved")))
    assert text.count(";") == 2 and "; lasted " in text


@pytest.mark.parametrize(
    ("incidents", "shown"),
    [
        ((), "incident g1"),
        (("a1",), "incident a1"),
        (("a1", "b2"), "incidents a1, b2"),
        (("a1", "b2", "c3", "d4", "e5"), "incidents a1, b2, c3 and 2 more"),
    ],
)
def test_a_group_names_the_incidents_that_ack_and_explain_know(incidents: tuple[str, ...], shown: str) -> None:
    one = finding(**SHAPE)
    told = msgspec.structs.replace(Router(CONFIG).step([one], one.time)[-1], incident="g1", incidents=incidents)
    message = compose(told, CONFIG.model_copy(update={"runtime": CONFIG.runtime.model_copy(update=EXTERNAL)}))
    assert message.footer[0] == shown
    assert message.link == f"https://forewarn.example.com/#incident-{(*incidents, 'g1')[0]}"


EXTERNAL = {"external_url": "https://forewarn.example.com/"}
