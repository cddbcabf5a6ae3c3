"""The board of rollouts: who is told what and when, over restarts, repeats and silence."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.alerting.rollouts.board import LOST_SECONDS, NUMBERS_SECONDS, TIMELINE
from monitor.alerting.router import Router
from monitor.alerting.routing.receivers import plan
from monitor.notify.composing import message_of
from monitor.notify.outbox import Outbox
from monitor.runtime.replay import line
from schemas.alert import Notification
from schemas.config import DAY, Config
from schemas.news import RolloutSeen
from tests.doubles.clock import START
from tests.doubles.rollouts import HOUR, promoted, rolled_back, rollout, shadow

HOOK = {"url": "http://127.0.0.1:9/hook", "secret": "0123456789abcdef"}
CONFIG = Config.model_validate(
    {
        "owners": {"payments": {"slack": "#payments"}, "platform": {}},
        "receivers": [{"name": "payments", "verdict_configs": [HOOK]}],
    }
)
MINUTE = 60.0


def told(router: Router, *news: RolloutSeen, at: float | None = None) -> list[Notification]:
    """What the router says of news that comes at the time of the latest, or of nothing `at` seconds after the start."""
    now = START + at if at is not None else max(each.time for each in news)
    return router.step((), now, (), news)


def said(notifications: list[Notification]) -> list[tuple[str, str]]:
    return [(str(each.reason), each.status) for each in notifications if not each.signed]


STEPS: list[tuple[str, list[RolloutSeen], list[list[tuple[str, str]]]]] = [
    # why, news one by one, what is told of each
    ("it begins", [rollout()], [[("rollout began", "firing")]]),
    ("the same word twice", [rollout(), rollout()], [[("rollout began", "firing")], []]),
    ("an older word", [rollout(60.0), rollout(0.0)], [[("rollout began", "firing")], []]),
    ("numbers that moved wait", [rollout(), rollout(MINUTE)], [[("rollout began", "firing")], []]),
    (
        "a verdict is told at once",
        [rollout(), rolled_back(MINUTE)],
        [[("rollout began", "firing")], [("verdict changed", "firing")]],
    ),
    ("a verdict from the start", [promoted()], [[("verdict changed", "firing")]]),
    (
        "a verdict that is taken back",
        [rolled_back(), rollout(6 * HOUR)],
        [[("verdict changed", "firing")], [("verdict changed", "firing")]],
    ),
    (
        "the end",
        [rolled_back(), rolled_back(6 * HOUR, ended="rolled back")],
        [[("verdict changed", "firing")], [("rollout ended", "resolved")]],
    ),
    (
        "verdict and end in one word",
        [rollout(), promoted(HOUR, ended="promoted")],
        [[("rollout began", "firing")], [("verdict changed", "resolved")]],
    ),
    (
        "two rollouts",
        [rollout(), shadow()],
        [[("rollout began", "firing")], [("rollout began", "firing")]],
    ),
    (
        "runs come again after it was quiet",
        [rollout(), rollout(HOUR, ended="quiet"), rollout(2 * HOUR)],
        [[("rollout began", "firing")], [("rollout ended", "resolved")], [("rollout began", "firing")]],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("why", "news", "expected"), STEPS, ids=[row[0] for row in STEPS])
@pytest.mark.parametrize("restart", [False, True])
def test_what_is_told_of_each_word(
    why: str, news: list[RolloutSeen], expected: list[list[tuple[str, str]]], restart: bool
) -> None:
    router, found = Router(CONFIG), []
    for each in news:
        found.append(said(told(router, each)))
        if restart:
            router = reborn(router)
    assert found == expected, why


def reborn(router: Router) -> Router:
    again = Router(CONFIG)
    again.load((key, raw) for key, raw in router.changes() if raw is not None)
    return again


def test_numbers_are_told_every_five_minutes_and_not_lost_where_no_more_come() -> None:
    router = Router(CONFIG)
    told(router, rollout())
    for minute in range(1, 5):
        assert told(router, rollout(minute * MINUTE, candidate_runs=100 + minute)) == []
    assert router.next_wake() == START + NUMBERS_SECONDS
    (one,) = told(router, at=NUMBERS_SECONDS)
    assert (str(one.reason), one.sequence) == ("evidence updated", 2)
    assert one.rollout is not None and one.rollout.seen.candidate_runs == 104
    assert told(router, at=2 * NUMBERS_SECONDS) == [], "what was told is not told again"


def test_cut_into_steps_or_not_the_same_is_told() -> None:
    news = [rollout(), rollout(MINUTE), rolled_back(HOUR), rolled_back(2 * HOUR, ended="rolled back")]
    one_by_one, at_once = Router(CONFIG), Router(CONFIG)
    single = [each for word in news for each in one_by_one.step((), START + 3 * HOUR, (), [word])]
    assert at_once.step((), START + 3 * HOUR, (), news) == single
    assert said(single) == [
        ("rollout began", "firing"), ("verdict changed", "firing"), ("rollout ended", "resolved"),
    ]  # fmt: skip


def test_a_verdict_goes_to_the_signed_webhook_alone_and_messages_do_not() -> None:
    router, outbox = Router(CONFIG), Outbox(plan(CONFIG, slack=True))
    for each in told(router, rollout()) + told(router, rolled_back()) + told(router, rolled_back(6 * HOUR, ended="x")):
        outbox.put(each)
    outbox.release()
    due = {each.target: each for each in outbox.due(START)}
    assert set(due) == {"payments/slack/#payments", "payments/verdict/0"}
    hook = due["payments/verdict/0"]
    assert hook.incident == "c4f1a09c2d7e/verdict/1" and hook.notification.rollout is not None
    assert hook.notification.rollout.seen.verdict == "roll back", "the end did not take its place"
    outbox.begin(hook)
    outbox.sent(hook, "msg_1", START)
    assert [each.target for each in outbox.due(START)] == ["payments/slack/#payments"], "and it is done"


def test_each_verdict_is_a_delivery_of_its_own() -> None:
    router = Router(CONFIG)
    all_told = [each for word in (rolled_back(), rollout(6 * HOUR), promoted(7 * HOUR)) for each in told(router, word)]
    signed = [each for each in all_told if each.signed]
    assert [(each.incident[-1], each.rollout and each.rollout.seen.verdict) for each in signed] == [
        ("1", "roll back"), ("2", "hold"), ("3", "promote"),
    ]  # fmt: skip


def test_an_owner_without_such_a_webhook_gets_a_message_alone() -> None:
    found = told(Router(CONFIG), rolled_back(owner="platform"))
    assert [(each.receiver, each.signed) for each in found] == [("platform", False)]


def test_it_goes_where_the_tree_sends_it_and_who_was_told_hears_the_end() -> None:
    route: dict[str, Any] = {
        "receiver": "all",
        "routes": [{"matchers": ['alertname="rollout"', 'agent="refund-agent"'], "receiver": "deploys"}],
    }
    receivers = [{"name": "all"}, {"name": "deploys"}]
    router = Router(Config.model_validate({"owners": {"payments": {}}, "route": route, "receivers": receivers}))
    assert [each.receiver for each in told(router, rollout())] == ["deploys"]
    plain = Config.model_validate({"owners": {"payments": {}}})
    router.reload(plain, START + 1.0)
    ended = told(router, rollout(HOUR, ended="quiet"))
    assert [(each.receiver, each.sequence) for each in ended] == [("payments", 1), ("deploys", 2)]


def test_it_never_rings_and_a_silence_does_not_mute_it() -> None:
    found = told(Router(CONFIG), rolled_back())
    assert not any(each.mention for each in found) and {each.severity for each in found} == {"notice"}


def test_what_nothing_is_heard_of_is_over_and_forgotten_in_the_end() -> None:
    router = Router(CONFIG)
    told(router, rollout())
    (over,) = told(router, at=LOST_SECONDS)
    assert (str(over.reason), over.status) == ("rollout ended", "resolved")
    assert [each.seen.ended for each in router.rollouts()] == ["quiet"]
    router.changes()
    assert told(router, at=LOST_SECONDS + 90 * DAY) == [] and router.rollouts() == []
    assert ("router/rollout/c4f1a09c2d7e", None) in router.changes()


def test_the_timeline_says_what_happened_and_is_bounded() -> None:
    router = Router(CONFIG)
    told(router, rollout())
    (first, *_) = told(router, rolled_back())
    assert [(entry.text.split(":")[0], entry.loud) for entry in first.timeline] == [
        ("canary of v13 beside v12 began", False), ("verdict roll back", True),
    ]  # fmt: skip
    for hour in range(6, 100):
        made = rolled_back if hour % 2 else rollout
        found = told(router, made(hour * HOUR))
    assert len(found[0].timeline) == TIMELINE


def test_a_replay_says_it_in_a_line() -> None:
    (began,) = told(Router(CONFIG), rollout())
    written = line(began)
    assert written is not None and written["reason"] == "rollout began"
    assert (written["rollout"]["verdict"], written["rollout"]["randomised"]) == ("hold", "run"), "with every key"
    assert written["alerts"][0]["labels"] == {
        "alertname": "rollout", "severity": "notice", "owner": "payments", "agent": "refund-agent", "version": "v13",
    }  # fmt: skip


def test_explain_can_say_who_was_told() -> None:
    router = Router(CONFIG)
    told(router, rollout())
    told(router, rolled_back())
    assert [(each.receiver, each.reason) for each in router.decisions({"alertname": "rollout"})] == [
        ("payments", "rollout began"), ("payments", "verdict changed"), ("payments", "verdict changed"),
    ]  # fmt: skip


def test_the_words_of_a_verdict_are_in_the_message() -> None:
    (hook,) = (each for each in told(Router(CONFIG), rolled_back()) if each.signed)
    assert message_of(hook, CONFIG).title == "Roll back refund-agent v13: canary beside v12, shown to be worse"
