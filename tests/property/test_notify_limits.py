"""Whatever agents put into their names: Slack would take the message, and nobody is rung who should not be."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.alerting.router import Router
from monitor.notify import console
from monitor.notify.message import compose
from monitor.notify.slack.blocks import TEXT, render
from schemas.config import Config
from tests.doubles import block_rules
from tests.doubles.clock import START
from tests.doubles.findings import finding
from tests.doubles.slack_eyes import Post, seen

CONFIG = Config.model_validate(
    {"owners": {"payments": {"mention": "U0"}}, "runtime": {"run_url": "https://t.example/{run}?a=1&b=<2>"}}
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
    message = compose(told[0], CONFIG, mention=True)
    blocks, text = render(message)
    assert block_rules.problems(blocks) == []
    assert block_rules.total(blocks) < block_rules.TOTAL
    assert 0 < len(text) <= TEXT
    shown = seen(Post("1.0", "U", text, blocks, None))
    assert shown.rings == ("@U0",)
    assert seen(Post("1.0", "U", text, [], None)).rings == ()
    assert not any("\n" in line or "\r" in line for line in console.render(message))


LABELS = ["agent", "version", "tool", "model", "provider", "tenant"]
