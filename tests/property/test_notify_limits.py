"""Whatever agents put into their names: Slack would take the message, and nobody is rung who should not be."""

from __future__ import annotations

import math

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.alerting.router import Router
from monitor.notify import console
from monitor.notify.composing import message_of
from monitor.notify.lines import Thread
from monitor.notify.slack.blocks import TEXT, render, ring_text, thread_text
from schemas.alert import Call, Impact, TimelineEntry
from schemas.config import Config
from tests.doubles import block_rules
from tests.doubles.clock import START
from tests.doubles.findings import finding
from tests.doubles.slack_eyes import Post, seen

OWNERS: dict[str, dict[str, str]] = {f"{'<!channel>' * 30}{n}" if n % 2 else f"team `{n}`": {} for n in range(150)}
CONFIG = Config.model_validate(
    {"owners": {"payments": {"mention": "U0"}, **OWNERS}, "runtime": {"run_url": "https://t.example/{run}?a=1&b=<2>"}}
)

nasty = st.one_of(
    st.text(max_size=40),
    st.text("<>&`*_~|!@#^\n\u202e\u200b😀", min_size=1, max_size=600),
    st.sampled_from(
        ["<!channel>", "<@U1>", "`<!here>`", "&lt;!channel&gt;", "x" * 512, "<" * 512, "`" * 512, "", "&" * 512]
    ),
)
names = st.lists(nasty, max_size=60).map(tuple)
numbers = st.one_of(st.floats(0, 1), st.floats(0, 1e12))


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_any_message_fits_and_rings_only_the_owner(data: st.DataObject) -> None:
    router = Router(CONFIG)
    told = router.step(
        [
            finding(
                index,
                key=f"k{index}",
                node={label: data.draw(nasty) for label in data.draw(st.sets(st.sampled_from(LABELS)))},
                signal=data.draw(st.sampled_from(["tool.failed", "agent.traffic", "run.failed", "x" * 500])),
                runs=data.draw(names),
                affected=data.draw(names),
                unaffected=data.draw(names),
                error_types=data.draw(names),
                reason=data.draw(nasty),
                before=data.draw(numbers),
                after=data.draw(numbers),
                after_n=data.draw(numbers),
            )
            for index in range(data.draw(st.integers(1, 4)))
        ],
        START + 10,
    )
    sides = [data.draw(nasty) for _ in range(5)]
    whole = msgspec.structs.replace(
        told[0],
        acked_by=sides[0],
        acked_at=data.draw(numbers),
        escalated_to=sides[1],
        silenced_until=data.draw(numbers),
        no_data_since=START,
        root=sides[2],
        cause=sides[3],
        impact=tuple(
            Impact(owner=sides[0], component=side, since=START, declared=data.draw(st.booleans()))
            for side in data.draw(st.lists(nasty, max_size=12))
        ),
        series=tuple(data.draw(st.lists(st.tuples(numbers, numbers), max_size=40))),
        incidents=tuple(data.draw(st.lists(nasty, max_size=40))),
        timeline=tuple(TimelineEntry(START, side) for side in sides),
        call=Call(fingerprint=told[0].alerts[0].fingerprint, owner=sides[0], more=data.draw(st.integers(0, 9))),
        calls=tuple(
            Call(fingerprint=told[0].alerts[-1].fingerprint, owner=owner, given=data.draw(st.booleans()))
            for owner in data.draw(st.lists(nasty, max_size=60))
        ),
    )
    message = message_of(whole, CONFIG, mention=True)
    ring = ring_text(message)
    assert 0 < len(ring) <= TEXT and seen(Post("1.0", "U", ring, [], None)).rings == ("@U0",)
    way = data.draw(st.sampled_from([{"native": True}, {"native": False}, {"native": False, "file": "F1"}]))
    blocks, text = render(message, buttons=data.draw(st.booleans()), **way)
    assert block_rules.problems(blocks) == []
    assert block_rules.total(blocks) < block_rules.TOTAL
    assert 0 < len(text) <= TEXT
    shown = seen(Post("1.0", "U", text, blocks, None))
    assert shown.rings == ("@U0",)
    assert seen(Post("1.0", "U", text, [], None)).rings == ()
    assert not any("\n" in line or "\r" in line for line in console.render(message))


@settings(max_examples=60, deadline=None)
@given(st.lists(nasty, min_size=1, max_size=30))
def test_any_line_of_a_thread_fits_and_rings_nobody(texts: list[str]) -> None:
    thread = Thread()
    thread.note(
        [TimelineEntry(START + n, text) for n, text in enumerate(texts)], 1, START, patience=math.inf, wanted=True
    )
    for line in thread.waiting:
        shown = thread_text(line)
        assert 0 < len(shown) <= TEXT
        assert seen(Post("1.0", "U", shown, [], None)).rings == ()
        assert not set(shown) & set("\u202e\u200b\r")


def test_megabytes_of_text_and_hundreds_of_alerts_are_one_message() -> None:
    huge = "<!channel> `x` & \u202e" * 100_000
    router = Router(CONFIG)
    findings = [
        finding(n, key=f"k{n}", node={"agent": "a", "tool": f"{n}{huge[:5_000]}"}, error_types=(huge,), reason=huge)
        for n in range(200)
    ]
    told = router.step(findings, START + 300)
    timeline = (TimelineEntry(START, huge),) * 20
    assert told
    for each in told:
        blocks, text = render(
            message_of(msgspec.structs.replace(each, timeline=timeline, cause=huge), CONFIG), buttons=True
        )
        assert block_rules.problems(blocks) == [] and block_rules.total(blocks) < block_rules.TOTAL
        assert [block["type"] for block in blocks].count("actions") == 1, "buttons stay, however much is to say"
        assert len(text) <= TEXT and seen(Post("1.0", "U", text, blocks, None)).rings == ()


LABELS = ["agent", "version", "tool", "model", "provider", "tenant"]
