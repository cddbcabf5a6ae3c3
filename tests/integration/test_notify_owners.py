"""A group's message in Slack, its owners and its places: what people see, and whom it rings, as Slack shows it."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.alerting.router import Router
from schemas.actions import Deed
from schemas.config import Config
from schemas.finding import Finding
from tests.doubles.clock import START, Clock
from tests.doubles.desk import Desk
from tests.doubles.findings import finding
from tests.doubles.slack import Fault, SlackDouble
from tests.doubles.slack_eyes import Seen

PAYMENTS, FRAUD = "@U0PAY", "!subteam^S0FRAUD"


def config(**route: Any) -> Config:
    return Config.model_validate(
        {
            "owners": {"payments": {"mention": "U0PAY"}, "fraud": {"mention": "S0FRAUD"}},
            "route": {"receiver": "oncall", "group_wait": "0s", "group_interval": "1m", "repeat_interval": "30d"}
            | route,
            "receivers": [
                {"name": name, "slack_configs": [{"channel": f"#{name}"}]} for name in ("oncall", "elsewhere")
            ],
        }
    )


class Place:
    """The router, and what of it reaches Slack."""

    def __init__(self, slack: SlackDouble, clock: Clock) -> None:
        self.slack, self.clock, self.config = slack, clock, config()
        self.router, self.stored = Router(self.config), dict[str, bytes]()
        for name in ("oncall", "elsewhere"):
            slack.add_channel(name)
        self.desk = Desk(slack, clock, self.stored, config=self.config)

    async def step(self, at: float, *findings: Finding, deeds: tuple[Deed, ...] = ()) -> None:
        self.clock.time = max(self.clock.time, START + at)
        await self.desk.tell(*self.router.step(findings, START + at, deeds))

    async def give(self, at: float, to: str) -> None:
        incident = self.router.incidents()[0].id
        await self.step(at, deeds=(Deed(time=START + at, incident=incident, act="not_mine", by="slack:U1 kim", to=to),))

    def restart(self) -> None:
        """Killed once all that was to be sent was."""
        self.desk = Desk(self.slack, self.clock, dict(self.stored), config=self.config)

    def channel(self, name: str = "oncall") -> list[Seen]:
        return self.slack.visible(name)

    def thread(self) -> list[Seen]:
        return self.slack.thread("oncall", 0)


@pytest.fixture
def place(slack: SlackDouble, clock: Clock) -> Place:
    return Place(slack, clock)


def page(at: float, agent: str, **more: Any) -> Finding:
    return finding(at, **{"key": agent, "signal": "run.failed", "node": {"agent": agent}, **more})


async def test_the_new_owner_is_mentioned_under_the_one_message_once(place: Place) -> None:
    await place.step(0, page(0, "alpha"))
    assert [each.rings for each in place.channel()] == [(PAYMENTS,)]
    await place.give(70, "fraud")
    place.restart()
    await place.step(120)
    await place.step(200, page(200, "alpha", status="update", after=0.6))
    assert [each.rings for each in place.channel()] == [()]
    assert [each.rings for each in place.thread() if each.rings] == [(FRAUD,)]
    called = next(each for each in place.thread() if each.rings)
    assert (
        called.text.startswith("@S0FRAUD this was handed over to fraud: alpha: fails 16 %")
        or "handed over" in called.text
    )
    assert "owner fraud" in str(place.slack.workspace.posts("oncall")[0].text)


@pytest.mark.parametrize("fault", list(Fault))
async def test_whatever_goes_wrong_with_the_call_it_is_said_once(place: Place, fault: Fault) -> None:
    await place.step(0, page(0, "alpha"))
    place.slack.fail("chat.postMessage", fault)
    await place.give(70, "fraud")
    await place.step(300)
    assert [each.rings for each in place.thread() if each.rings] == [(FRAUD,)]
    assert place.desk.outbox.pending() == 0


async def test_a_message_of_several_owners_rings_all_of_them(place: Place) -> None:
    await place.step(0, page(0, "alpha"), page(0, "beta", owner="fraud"))
    (message,) = place.channel()
    assert message.rings == (PAYMENTS, FRAUD)


async def test_pages_of_two_owners_that_join_while_slack_is_away_ring_both(place: Place) -> None:
    await place.step(0, page(0, "alpha", owner="payments"))
    place.slack.fail("chat.postMessage", Fault.RESET_AFTER)
    place.clock.time = START + 120
    await place.desk.dispatcher.put(place.router.step([page(70, "beta", owner="fraud")], START + 120))
    await place.desk.dispatcher.flush()
    await place.step(200, page(130, "gamma"))
    await place.step(300)
    assert sorted(each.rings for each in place.thread() if each.rings) == [(FRAUD,), (PAYMENTS,)]


async def test_a_message_whose_alerts_go_elsewhere_says_so_and_is_over(place: Place) -> None:
    await place.step(0, page(0, "alpha"))
    place.router.reload(config(receiver="elsewhere"), START + 30)
    await place.step(40)
    (old,), (new,) = place.channel(), place.channel("elsewhere")
    assert old.text.startswith("➡️ Handed over: alpha: fails 16 %") and "elsewhere" in old.text and old.edits == 1
    assert new.text.startswith("🔴 alpha") and new.rings == ()
    assert [each.rings for each in place.thread()] == [()]
    await place.step(200, page(200, "alpha", status="resolved"))
    assert "Resolved" in place.channel("elsewhere")[0].text and "Resolved" not in place.channel()[0].text
