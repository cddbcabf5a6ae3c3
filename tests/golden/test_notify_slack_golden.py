"""What people see, as files: Slack blocks and the console's text, from first page to resolution.

`make golden` writes them anew; look at the diff. Each is checked against Slack's documented limits, which are not ours;
`tests/contract/test_notify_validators.py` shows them to three validators of others.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import msgspec
import pytest

from monitor.alerting.changes import words
from monitor.alerting.router import Router
from monitor.notify import console
from monitor.notify.composing import message_of
from monitor.notify.slack.blocks import render
from schemas.alert import Cause, Impact, Notification, NotificationReason, TimelineEntry
from schemas.config import Config
from schemas.news import ChangeSeen
from tests.doubles import block_rules
from tests.doubles.changes import announced, sighted
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
    own = sighted(-75.0, "agent:refund-agent", "v13", previous="v12")
    acts: dict[str, list[Notification]] = {"firing": router.step([finding()], START, (), [own])}
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
    acts["impact"] = [_impact(acts["updated"][0])]
    acts["acknowledged"] = [_acknowledged(acts["impact"][0])]
    acts["posted"] = [_posted()]
    escalated = {"reason": NotificationReason.ESCALATED, "receiver": "platform", "escalated_to": "platform"}
    acts["escalated"] = [msgspec.structs.replace(acts["firing"][0], **escalated)]
    affected = {"reason": NotificationReason.AFFECTED, "root": "4f1a09c2d7e8", "severity": "notice", "mention": False}
    acts["affected"] = [msgspec.structs.replace(acts["firing"][0], **affected)]
    onlooker = {"root": acts["firing"][0].incident, "receiver": "support", "impact": acts["impact"][0].impact}
    acts["onlooker"] = [msgspec.structs.replace(acts["firing"][0], **affected | onlooker)]
    acts["unannounced"] = _unannounced()
    acts["not-sure"] = _not_sure()
    acts["hostile"] = Router(CONFIG).step([hostile()], START, (), [_hostile_change()])
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


RELEASE = Cause(
    component="tool:issue_refund", version="3.1", owner="payments", time=START - 90.0, odds=0.97, share=0.88,
    author="maria", url="https://git.example.com/tools/issue_refund/pull/311",
)  # fmt: skip


def _unannounced() -> list[Notification]:
    """A version of a tool that nobody announced."""
    router = Router(CONFIG)
    router.step((), START, (), [sighted(0.0)])
    due = router.next_wake()
    assert due is not None
    return router.tick(due)


def _not_sure() -> list[Notification]:
    """Two changes came with it."""
    link = "https://git.example.com/agents/v13"
    news = [announced(-70.0, "prompt:refund"), announced(-72.0, "agent:refund-agent", "v13", url=link)]
    uses = {"components": [{"agent": "refund-agent", "depends_on": ["prompt:refund"]}]}
    router = Router(Config.model_validate({"owners": {"payments": {"slack": "#payments-oncall"}}} | uses))
    return router.step([finding(key="k5", node={"agent": "refund-agent"}, signal="run.failed")], START, (), news)


def _hostile_change() -> ChangeSeen:
    """A change whose names and link would like to be more."""
    version = "v13 <!channel> *free* `x` <https://evil.example|click>"
    return announced(-70.0, f"agent:{hostile().node['agent']}", version, author="<@U1> ann", url="javascript:alert(1)")


def _impact(told: Notification) -> Notification:
    """The same incident with all that is known of it: who suffers, why, and how it went."""
    agent = {"owner": "billing", "since": START + 41.0, "declared": True, "incident": "4f1a09c2d7e8"}
    return msgspec.structs.replace(
        told,
        reason=NotificationReason.IMPACT,
        impact=(
            Impact(component="agent:billing-agent", **agent),
            Impact(component="agent:chat-agent", owner="support", since=START + 65.0, declared=False),
        ),
        cause=words.of((RELEASE,)),
        causes=(RELEASE,),
        series=tuple((START - 540.0 + 45.0 * n, level) for n, level in enumerate(LEVELS)),
        timeline=(*told.timeline, TimelineEntry(START + 80.0, "agent:chat-agent suffers from it, seen in runs")),
    )


LEVELS = (0.04, 0.05, 0.03, 0.04, 0.04, 0.05, 0.04, 0.03, 0.04, 0.06, 0.09, 0.12, 0.16, 0.19, 0.213)


def _acknowledged(told: Notification) -> Notification:
    """Somebody is on it, silenced it, and then nothing more was heard of it."""
    return msgspec.structs.replace(
        told,
        reason=NotificationReason.ACKNOWLEDGED,
        sequence=told.sequence + 1,
        acked_by="slack:U0123ABC alice",
        acked_at=START + 130.0,
        escalated_to="platform",
        silenced_until=START + 3_730.0,
        no_data_since=START + 140.0,
        timeline=(*told.timeline, TimelineEntry(START + 130.0, "acknowledged by slack:U0123ABC alice")),
    )


def _posted() -> Notification:
    """An alert of another system, in its own words."""
    told = Router(CONFIG).step([finding(words="Disk of db-1 is 93 % full")], START)[0]
    labels = {"alertname": "DiskFull", "severity": "page", "instance": "db-1:9100", "team": "payments"}
    alert = msgspec.structs.replace(told.alerts[0], labels=labels, posted=True)
    return msgspec.structs.replace(told, alerts=(alert,), runs=())


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
    message = message_of(STORY[act], CONFIG, mention=STORY[act].mention)
    blocks, text = render(message, buttons=True)
    _compare(f"{act}.json", json.dumps({"blocks": blocks, "text": text}, ensure_ascii=False, indent=1) + "\n")
    assert block_rules.problems(blocks) == [] and block_rules.total(blocks) <= block_rules.TOTAL


@pytest.mark.parametrize("act", STORY)
def test_console(act: str) -> None:
    message = message_of(STORY[act], CONFIG, mention=STORY[act].mention)
    lines = console.render(message, edits=STORY[act].sequence > 1, channel="#payments-oncall")
    _compare(f"{act}.txt", "\n".join(console.plain(line) for line in lines) + "\n")


def _compare(name: str, made: str) -> None:
    path = FOLDER / name
    if os.environ.get("UPDATE_GOLDEN") == "1":
        path.write_text(made, encoding="utf-8")
    assert made == path.read_text(encoding="utf-8"), f"{name} differs; `make golden` writes it anew"
