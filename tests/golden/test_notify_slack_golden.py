"""What people see, as files: Slack blocks and the console's text, from first page to resolution.

`make golden` writes them anew; look at the diff. Each is checked a second time against slack_sdk's own models and
against Slack's documented limits, which are not ours.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from slack_sdk.models.blocks import Block

from monitor.alerting.router import Router
from monitor.notify import console
from monitor.notify.message import compose
from monitor.notify.slack.blocks import render
from schemas.alert import Notification
from schemas.config import Config
from tests.doubles import block_rules
from tests.doubles.clock import START
from tests.doubles.findings import finding

FOLDER = Path(__file__).parent / "slack"
CONFIG = Config.model_validate(
    {
        "owners": {"payments": {"slack": "#payments-oncall", "mention": "U024BE7LH"}, "platform": {"mention": "S0AB"}},
        "runtime": {"external_url": "http://127.0.0.1:4319", "run_url": "https://traces.example.com/run/{run}"},
    }
)
AGENT = {"agent": "refund-agent", "version": "v13"}


def story() -> dict[str, Notification]:
    """One incident of three acts, and single messages of other kinds."""
    router = Router(CONFIG)
    acts: dict[str, list[Notification]] = {"firing": router.step([finding()], START)}
    also = finding(20, key="k2", signal="run.failed", node=AGENT, before=0.031, after=0.12, before_bad=6.2)
    acts["joined"] = router.step([also], START + 20)
    moved = finding(80, status="update", after=0.213, after_bad=42.4, after_n=199.0)
    acts["updated"] = router.step([moved], START + 80)
    back = finding(700, status="resolved", after=0.038, after_bad=5.0, after_n=131.0)
    acts["resolved"] = router.step([back, finding(701, key="k2", status="resolved")], START + 701)
    silent = finding(
        key="k3",
        signal="agent.traffic",
        node={"agent": "refund-agent"},
        direction="down",
        before=1 / 60,
        after=0.0,
        runs=(),
        error_types=(),
        affected=(),
        unaffected=(),
    )
    acts["silent"] = Router(CONFIG).step([silent], START)
    notice = finding(
        key="k4", owner="platform", mode="notice", signal="run.hung", reference="declared", before=0.002, node=AGENT
    )
    acts["notice"] = Router(CONFIG).step([notice], START)
    acts["digest"] = _digest()
    acts["hostile"] = Router(CONFIG).step([hostile()], START)
    return {name: told[0] for name, told in acts.items()}


def _digest() -> list[Notification]:
    """Three notices of one day: the first is told at once, the others at nine, one of them over by then."""
    router = Router(CONFIG)
    levels = {"before": 0.04, "after": 0.11}
    for i, agent in enumerate(("billing-agent", "search-agent", "triage-agent")):
        one = finding(3_600.0 * i, key=f"d{i}", mode="notice", signal="run.failed", node={"agent": agent}, **levels)
        router.step([one], one.time)
    end = finding(9_000.0, key="d2", mode="notice", status="resolved", signal="run.failed", node={"agent": agent})
    router.step([end], end.time)
    due = router.next_wake()
    assert due is not None
    return router.tick(due)


def hostile() -> object:
    """What an agent could put into its names to ring people, to break the layout, or to hide."""
    return finding(
        key="k5",
        node={
            "agent": "<!channel> `code` *bold*",
            "version": "v1\u202e31v",
            "tool": "<@U1>|<https://evil.example|click> & co" + "x" * 400,
        },
        runs=("<!here>", "../../etc/passwd?x=1#y", "r" * 500, "run\u200b-1", "`run`"),
        error_types=("card 4111 1111 1111 1111 <!everyone>", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "z\n" * 9999),
        affected=("version=<!subteam^S1>",),
        unaffected=tuple(f"version=v{n}" for n in range(50)),
        reason="because\n```<!channel>```",
    )


STORY = story()


@pytest.mark.parametrize("act", STORY)
def test_blocks(act: str) -> None:
    message = compose(STORY[act], CONFIG, mention=STORY[act].mention)
    blocks, text = render(message)
    _compare(f"{act}.json", json.dumps({"blocks": blocks, "text": text}, ensure_ascii=False, indent=1) + "\n")
    assert block_rules.problems(blocks) == [] and block_rules.total(blocks) <= block_rules.TOTAL
    parsed = [Block.parse(block) for block in blocks]
    assert None not in parsed
    assert [each.to_dict()["type"] for each in parsed if each is not None] == [block["type"] for block in blocks]


@pytest.mark.parametrize("act", STORY)
def test_console(act: str) -> None:
    message = compose(STORY[act], CONFIG, mention=STORY[act].mention)
    lines = console.render(message, edits=STORY[act].sequence > 1, channel="#payments-oncall")
    _compare(f"{act}.txt", "\n".join(console.plain(line) for line in lines) + "\n")


def _compare(name: str, made: str) -> None:
    path = FOLDER / name
    if os.environ.get("UPDATE_GOLDEN") == "1":
        path.write_text(made, encoding="utf-8")
    assert made == path.read_text(encoding="utf-8"), f"{name} differs; `make golden` writes it anew"
