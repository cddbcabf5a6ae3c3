"""Whatever is heard of rollouts, however it is cut, repeated or interrupted by a crash: who is told stays right."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.alerting.router import Router
from schemas.alert import Notification, NotificationReason
from schemas.config import Config
from schemas.news import RolloutSeen
from tests.doubles.clock import START
from tests.doubles.rollouts import rollout

CONFIG = Config.model_validate(
    {
        "owners": {"payments": {}},
        "receivers": [{"name": "payments", "verdict_configs": [{"url": "http://127.0.0.1:9", "secret": "0" * 16}]}],
    }
)


@st.composite
def heard(draw: st.DrawFn) -> list[RolloutSeen]:
    """Words of three rollouts, in the order of time, some of them old ones again."""
    at, words = 0.0, []
    for _ in range(draw(st.integers(1, 25))):
        at += draw(st.sampled_from((1.0, 60.0, 400.0, 90_000.0)))
        words.append(
            rollout(
                at,
                id=draw(st.sampled_from("abc")),
                verdict=draw(st.sampled_from(("hold", "hold", "promote", "roll back"))),
                ended=draw(st.sampled_from(("", "", "", "quiet"))),
            )
        )
        if draw(st.booleans()):
            words.append(draw(st.sampled_from(words)))
    return words


@settings(max_examples=80, deadline=None)
@given(words=heard(), data=st.data())
def test_what_is_told_is_complete_in_order_and_told_once(words: list[RolloutSeen], data: st.DataObject) -> None:
    router, told, stored, latest = Router(CONFIG), list[Notification](), dict[str, bytes](), dict[str, RolloutSeen]()
    for word in words:
        now = max(word.time, max((each.time for each in latest.values()), default=START))
        if data.draw(st.booleans(), "crash"):  # nothing that was told is lost: outbox and board are written together
            router = Router(CONFIG)
            router.load(stored.items())
        told += router.step((), now, (), [word])
        for key, raw in router.changes():
            if raw is None:
                stored.pop(key, None)
            else:
                stored[key] = raw
        if word.id not in latest or word.time > latest[word.id].time:
            latest[word.id] = word
    for name, word in latest.items():
        messages = [each for each in told if each.incident == name]
        assert [each.sequence for each in messages] == list(range(1, len(messages) + 1))
        last = messages[-1].rollout
        assert last is not None and last.seen.verdict == word.verdict, "the last verdict was told"
        assert (messages[-1].status == "resolved") == bool(word.ended), "and whether it goes on"
        verdicts = [each for each in messages if each.reason is NotificationReason.VERDICT]
        signed = [each for each in told if each.signed and each.incident.startswith(f"{name}/")]
        assert len(signed) == len(verdicts) == len({each.incident for each in signed})
        numbers = [each.time for each in messages if each.reason is NotificationReason.EVIDENCE]
        assert all(later - earlier >= 300.0 for earlier, later in pairwise(numbers))
