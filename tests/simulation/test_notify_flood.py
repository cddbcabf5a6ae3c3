"""5,000 alerts for 50 owners in one minute, with Slack's limits: everybody is told, nothing is refused, pages first.

Real router, outbox, dispatcher and notifiers; Slack without its sockets (`Wire`), on a clock that jumps to what is due.
"""

from __future__ import annotations

import random

import msgspec

from monitor.alerting.router import Router
from monitor.alerting.routing.receivers import plan
from monitor.notify.dispatch import Dispatcher
from monitor.notify.outbox import ENTRIES, Outbox
from monitor.notify.slack.notifier import SlackNotifier
from schemas.alert import Notification, NotificationReason, TimelineEntry
from schemas.config import Config
from tests.doubles.clock import START, Clock
from tests.doubles.findings import finding
from tests.doubles.notifications import notification
from tests.doubles.slack_workspace import SlackWorkspace
from tests.property.test_notify_crashes import Wire

OWNERS = 50
ALERTS = 5_000
CONFIG = Config.model_validate(
    {
        "owners": {
            f"team-{n}": {"slack": f"#team-{n}", "mention": f"U0000{n:04d}", "notices": "1 per second"}
            for n in range(OWNERS)
        }
    }
)
TEMPLATE = notification()


def told(number: int, second: int, page: bool) -> Notification:
    """The first notification of an incident of one of the owners."""
    owner = f"team-{number % OWNERS}"
    severity = "page" if page else "notice"
    return msgspec.structs.replace(
        TEMPLATE,
        incident=f"{number}-{second}-{severity}",
        receiver=owner,
        owner=owner,
        severity=severity,
        mention=page,
        time=START + second,
    )


class Load:
    """The delivery side of one monitor, and what it stored."""

    def __init__(self) -> None:
        self.clock, self.slack = Clock(), SlackWorkspace()
        self.wire = wire = Wire(self.slack, self.clock, {})
        self.outbox = Outbox(plan(CONFIG, slack=True))
        notifiers = {}
        for n in range(OWNERS):
            self.slack.add_channel(f"team-{n}")
            notifiers[f"team-{n}/slack/#team-{n}"] = SlackNotifier(wire, f"#team-{n}", CONFIG)
        self.stored: dict[str, bytes] = {}
        self.put: dict[str, tuple[str, float]] = {}
        self.dispatcher = Dispatcher(self.outbox, notifiers, self._commit, self.clock)

    async def _commit(self) -> None:
        self.stored.update((key, raw) for key, raw in self.outbox.changes() if raw is not None)

    async def tell(self, notifications: list[Notification]) -> None:
        """Put, and send what may be sent now."""
        self.put.update((each.incident, (each.severity, each.time)) for each in notifications)
        await self.dispatcher.put(notifications)
        await self.dispatcher.flush()

    def told(self, n: int) -> list[tuple[str, float, float]]:
        """Severity, when it was put and when it was posted, of one owner's messages in their order."""
        found = []
        for post in self.slack.posts(f"team-{n}"):
            severity, put = self.put[(post.metadata or {})["event_payload"]["incident"]]
            found.append((severity, put, float(post.ts.split(".")[0])))
        return found


async def test_everybody_is_told_within_slacks_limits_and_the_most_severe_first() -> None:
    draw, load, router = random.Random(7), Load(), Router(CONFIG)
    for second in range(60):
        load.clock.time = START + second
        batch = [
            finding(
                float(second),
                key=f"a{number}",
                owner=f"team-{number % OWNERS}",
                mode="page" if draw.random() < 0.05 else "notice",
                node={"agent": f"agent-{number}"},
                signal="run.failed",
            )
            for number in range(second * ALERTS // 60, (second + 1) * ALERTS // 60)
        ]
        await load.tell(router.step(batch, load.clock()))
    assert load.outbox.pending() <= ENTRIES
    assert sum(map(len, load.stored.values())) < ALERTS * 4_096, "what is kept of one is small"
    assert all(load.told(n) for n in range(OWNERS)), "everybody heard within the minute"
    while (wake := load.outbox.next_wake()) is not None:
        load.clock.time = max(load.clock.time + 0.05, wake)
        await load.dispatcher.flush()
    assert load.outbox.pending() == 0 == load.outbox.counts["dropped"]
    assert load.slack.limited == 0, "nothing beyond the limits"
    assert load.clock.time - START < ALERTS * 0.26, "and as fast as they allow"
    assert sum(len(load.told(n)) for n in range(OWNERS)) == ALERTS
    for n in range(OWNERS):
        messages = load.told(n)
        for severity, put, posted in messages:
            if severity == "page":
                overtook = [each for each in messages if each[0] == "notice" and put + 1.0 < each[2] < posted]
                assert not overtook, "no notice goes before a page that waits"


async def test_slack_away_for_an_hour_then_the_present_of_each_once_not_its_history() -> None:
    load = Load()
    before = [told(n, 0, page=True) for n in range(10)]
    await load.dispatcher.put(before)
    await load.dispatcher.flush()
    load.wire.down = True
    timelines: dict[str, tuple[TimelineEntry, ...]] = {}
    during = [told(n, 60, page=True) for n in range(10, 20)]
    for minute in range(1, 61):
        load.clock.time = START + 60.0 * minute
        moved = []
        for each in (*before, *during):
            entry = TimelineEntry(load.clock(), f"change {minute}")
            timelines[each.incident] = (*timelines.get(each.incident, each.timeline), entry)[-20:]
            moved.append(
                msgspec.structs.replace(
                    each,
                    sequence=minute + 1,
                    reason=NotificationReason.EVIDENCE,
                    mention=each in during and minute == 1,
                    timeline=timelines[each.incident],
                    time=load.clock(),
                )
            )
        await load.dispatcher.put(moved)
        await load.dispatcher.flush()
    load.wire.down = False
    while (wake := load.outbox.next_wake()) is not None:
        load.clock.time = max(load.clock.time + 0.05, wake)
        await load.dispatcher.flush()
    for n in range(20):
        (post,) = load.slack.posts(f"team-{n}")
        payload = (post.metadata or {})["event_payload"]
        assert payload["revision"] == 61 and post.edits == (1 if n < 10 else 0)
        lines = [line.text for line in load.slack.thread(f"team-{n}", post.ts)]
        assert len(lines) == (1 if n < 10 else 0), "what was kept back is gathered into one"
    assert load.slack.limited == 0
