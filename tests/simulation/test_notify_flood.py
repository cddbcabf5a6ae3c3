"""5,000 alerts for 50 owners in one minute, with Slack's limits: everybody is told, nothing is refused, pages first.

Real router, outbox, dispatcher and notifiers; Slack without its sockets (`Wire`), on a clock that jumps to what is due.
"""

from __future__ import annotations

import asyncio
import random
import tracemalloc

from monitor.alerting.router import Router
from monitor.alerting.routing.receivers import plan
from monitor.notify.dispatch import Dispatcher
from monitor.notify.outbox import ENTRIES, Outbox
from monitor.notify.slack.notifier import SlackNotifier
from schemas.config import Config
from tests.doubles.clock import START, Clock
from tests.doubles.findings import finding
from tests.doubles.slack_workspace import SlackWorkspace
from tests.property.test_notify_crashes import Wire

OWNERS = 50
ALERTS = 5_000
CONFIG = Config.model_validate(
    {
        "owners": {
            f"team-{n}": {"slack": f"#team-{n}", "mention": f"U0000{n:04d}", "notices": "100 per second"}
            for n in range(OWNERS)
        }
    }
)
MEMORY = 400 * 1024 * 1024
"""Bytes at the peak. More would be a leak: 5,000 incidents in router and outbox take about a third."""


def test_everybody_is_told_within_slacks_limits_and_the_most_severe_first() -> None:
    asyncio.run(_flood())


async def _flood() -> None:
    draw, clock, slack = random.Random(7), Clock(), SlackWorkspace()
    wire = Wire(slack, clock, {})
    outbox = Outbox(plan(CONFIG, slack=True))
    notifiers = {}
    for n in range(OWNERS):
        slack.add_channel(f"team-{n}")
        notifiers[f"team-{n}/slack/#team-{n}"] = SlackNotifier(wire, f"#team-{n}", CONFIG)
    written = 0

    async def commit() -> None:
        nonlocal written
        written += len(outbox.changes())

    dispatcher, router = Dispatcher(outbox, notifiers, commit, clock), Router(CONFIG)
    tracemalloc.start()
    for second in range(60):
        clock.time = START + second
        batch = [
            finding(
                float(second),
                key=f"a{number}",
                owner=f"team-{number % OWNERS}",
                mode="page" if draw.random() < 0.1 else "notice",
                node={"agent": f"agent-{number}"},
                signal="run.failed",
            )
            for number in range(second * ALERTS // 60, (second + 1) * ALERTS // 60)
        ]
        await dispatcher.put(router.step(batch, clock()))
        await dispatcher.flush()
    assert outbox.pending() <= ENTRIES and outbox.counts["dropped"] == 0
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert all(slack.posts(f"team-{n}") for n in range(OWNERS)), "everybody heard within the minute"
    first_of_pages = len([1 for n in range(OWNERS) for post in slack.posts(f"team-{n}") if "PAGE" in post.text])
    assert first_of_pages > 0.5 * sum(len(slack.posts(f"team-{n}")) for n in range(OWNERS))
    while (wake := outbox.next_wake()) is not None:
        clock.time = max(clock.time + 0.05, wake)
        await dispatcher.flush()
    assert outbox.pending() == 0 and slack.limited == 0 and peak < MEMORY
    told = sum(len(slack.posts(f"team-{n}")) for n in range(OWNERS))
    assert told == sum(1 for _ in router.incidents())
    for n in range(OWNERS):
        posts = slack.posts(f"team-{n}")
        after = [post for post in posts if float(post.ts) > START + 60.0]
        kinds = ["PAGE" in post.text for post in after]
        assert kinds == sorted(kinds, reverse=True), "what waited goes out with pages first"
